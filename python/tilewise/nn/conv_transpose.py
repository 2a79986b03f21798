"""Transposed convolution layers: one N-D layer and its 1-D, 2-D and 3-D forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise._arguments import LARGEST, as_int, as_tuple
from tilewise.functional.conv_transpose import transposed_convolution
from tilewise.nn.conv import _ConvNd

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


class _ConvTransposeNd(_ConvNd):
    """What the transposed convolution layers share."""

    _transposed = True
    _padding_modes = ("zeros",)
    _border: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        stride: IntOrTuple = 1,
        padding: IntOrTuple = 0,
        output_padding: IntOrTuple = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrTuple = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        op, dims = type(self).__name__, self._dims
        border = as_tuple(op, "padding", padding, dims, 0)  # a string has no meaning here
        extra = as_tuple(op, "output_padding", output_padding, dims, 0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, border, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = extra
        self._border = border
        for more, s, d in zip(extra, self.stride, self.dilation, strict=True):
            if more >= max(s, d):
                raise ValueError(
                    f"{op}: expected output_padding smaller than stride or dilation, got "
                    f"output_padding {extra}, stride {self.stride}, dilation {self.dilation}"
                )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The transposed convolution with the layer's weight and bias.

        Args:
            input: with or without N.
            output_size: the spatial sizes of the output, or its whole shape: one of the stride
                sizes that a convolution maps to the input's. In place of `output_padding`.

        Raises:
            ValueError: for a size that cannot be reached.
        """
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(input, output_size)
        return transposed_convolution(
            self._dims,
            input,
            self.weight,
            self.bias,
            self.stride,
            self._border,
            extra,
            self.groups,
            self.dilation,
        )

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives an output of this size."""
        op, dims = type(self).__name__, self._dims
        wanted = tuple([as_int(op, "output_size", n, 0, LARGEST) for n in output_size])
        if len(wanted) not in {dims, input.ndim} or input.ndim not in {dims + 1, dims + 2}:
            raise ValueError(
                f"{op}: expected output_size of {dims} or {input.ndim} values for input "
                f"{input.shape}, got {wanted}"
            )
        wanted = wanted[-dims:]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-dims:],
                self.stride,
                self._border,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"{op}: expected output_size from {least} to {most} for input {input.shape}, got "
                f"{wanted}"
            )
        return tuple([n - a for n, a in zip(wanted, least, strict=True)])


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of sequences; the arguments are those of ConvTranspose2d.

    Example:
        >>> nn.ConvTranspose1d(16, 8, 4, stride=2, padding=1)(tw.rand(1, 16, 14)).shape
        (1, 8, 28)
    """

    _dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images, (N, C, H, W) to (N, K, H_out, W_out).

    The output size is (H - 1) s - 2p + d(k - 1) + output_padding + 1: with stride 2 about twice
    the input's.

    Args:
        in_channels: C.
        out_channels: K.
        kernel_size: an int or (height, width).
        stride: distance of the kernel's copies in the output.
        padding: pixels to leave out at the output's border.
        output_padding: pixels more at the output's end, fewer than stride or dilation.
        groups: parts that the channels of both sides are divided into.
        bias: whether to add one number for each output channel.
        dilation: distance between the kernel's taps.
        padding_mode: "zeros".
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (C, K / groups, height, width).
        bias: (K,) or None.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> nn.ConvTranspose2d(16, 8, 2, stride=2)(tw.rand(1, 16, 14, 14)).shape
        (1, 8, 28, 28)
    """

    _dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes; the arguments are those of ConvTranspose2d.

    Example:
        >>> nn.ConvTranspose3d(16, 8, 2, stride=2)(tw.rand(1, 16, 3, 4, 5)).shape
        (1, 8, 6, 8, 10)
    """

    _dims = 3
