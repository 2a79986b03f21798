"""Convolution layers: one N-D layer and its 1-D, 2-D and 3-D forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise._arguments import as_bool, as_choice, as_device, as_int, as_tuple
from tilewise.creation import empty
from tilewise.functional.conv import (
    PADDING_MODES,
    PADDINGS,
    Options,
    Statistics,
    convolution_with_statistics,
    plain,
)
from tilewise.nn import init
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


_PLAIN = Options()


class _ConvNd(Module):
    """What the convolution layers share."""

    _dims = 0
    _transposed = False
    _padding_modes: tuple[str, ...] = PADDING_MODES
    output_padding: tuple[int, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        stride: IntOrTuple = 1,
        padding: IntOrTuple | str = 0,
        dilation: IntOrTuple = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        op, dims = type(self).__name__, self._dims
        as_device(op, device)
        self.in_channels = as_int(op, "in_channels", in_channels, 1)
        self.out_channels = as_int(op, "out_channels", out_channels, 1)
        self.kernel_size = as_tuple(op, "kernel_size", kernel_size, dims, 1)
        self.stride = as_tuple(op, "stride", stride, dims, 1)
        self.padding = (
            as_choice(op, "padding", padding, PADDINGS if dims == 1 else PADDINGS[:-1])
            if isinstance(padding, str)
            else as_tuple(op, "padding", padding, dims, 0)
        )
        self.dilation = as_tuple(op, "dilation", dilation, dims, 1)
        self.groups = as_int(op, "groups", groups, 1)
        self.padding_mode = as_choice(op, "padding_mode", padding_mode, self._padding_modes)
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count % self.groups:
                raise ValueError(f"{op}: expected {name} divisible by groups={groups}, got {count}")
        outer, inner = self.out_channels, self.in_channels
        if self._transposed:
            outer, inner = inner, outer
        shape = (outer, inner // self.groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype))
        self.bias: Parameter | None
        if as_bool(op, "bias", bias):
            self.bias = Parameter(empty(self.out_channels, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """PyTorch's default initialisation: uniform in ±1 / √(C/groups · kernel size)."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The settings that differ from their defaults."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if isinstance(self.padding, str) or any(self.padding):
            text += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            text += f", dilation={self.dilation}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Convolution(_ConvNd):
    """What Conv1d, Conv2d and Conv3d share."""

    def convolve(
        self, input: Tensor, options: Options = _PLAIN
    ) -> tuple[Tensor, Statistics | None]:
        """The convolution, and what `options` fuse with it (see `nn/fusion.py`)."""
        if self.padding_mode != "zeros":
            options = options._replace(padding_mode=self.padding_mode)
        elif options is _PLAIN:
            y = plain(
                self._dims, input, self.weight, self.bias, self.stride, self.padding,
                self.dilation, self.groups,
            )  # fmt: skip
            if y is not None:
                return y, None
        return convolution_with_statistics(
            self._dims,
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            options,
        )

    def forward(self, input: Tensor) -> Tensor:
        """The convolution with the layer's weight and bias."""
        return self.convolve(input)[0]


class Conv1d(_Convolution):
    """Convolution of sequences, (N, C, L) to (N, K, L_out); the arguments are those of Conv2d.

    `padding` may also be "causal", see `CausalConv1d`.

    Example:
        >>> nn.Conv1d(3, 10, 5, padding=2, padding_mode="circular")(tw.rand(1, 3, 32)).shape
        (1, 10, 32)
    """

    _dims = 1


class CausalConv1d(Conv1d):
    """Convolution of sequences in which no output sees what comes later.

    Output i depends on the inputs up to i · stride: all d(k - 1) elements of padding come before
    the sequence. Stacked with dilations 1, 2, 4, … it is WaveNet's receptive field (van den Oord
    et al., 2016). The padding is written where the convolution gathers its input: no copy is made.

    Args:
        in_channels: C.
        out_channels: K, the number of filters.
        kernel_size: k.
        stride: step of the filters.
        dilation: distance between the kernel's taps, d.
        groups: parts that channels and filters are divided into.
        bias: whether to add one number for each filter.
        padding_mode: what the padding holds; "zeros".
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (K, C / groups, k), as `Conv1d` has it.
        bias: (K,) or None.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> nn.CausalConv1d(1, 8, 2, dilation=4)(tw.rand(1, 1, 16)).shape
        (1, 8, 16)
    """

    _padding_modes = ("zeros", "replicate")  # the others show what comes later

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        stride: IntOrTuple = 1,
        dilation: IntOrTuple = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, "causal", dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class Conv2d(_Convolution):
    """Convolution of images, (N, C, H, W) to (N, K, H_out, W_out).

    Args:
        in_channels: C.
        out_channels: K, the number of filters.
        kernel_size: an int or (height, width).
        stride: step of the filters.
        padding: pixels around the image, "valid", "same", "same_upper" or "same_lower": see
            `nn.functional.conv2d`.
        dilation: distance between the kernel's taps.
        groups: parts that channels and filters are divided into.
        bias: whether to add one number for each filter.
        padding_mode: what the padding holds: "zeros", "reflect", "replicate" or "circular".
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (K, C / groups, height, width).
        bias: (K,) or None.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> nn.Conv2d(3, 10, 5, padding=2)(tw.rand(1, 3, 32, 32)).shape
        (1, 10, 32, 32)
    """

    _dims = 2


class Conv3d(_Convolution):
    """Convolution of volumes, (N, C, D, H, W); the arguments are those of Conv2d.

    Example:
        >>> nn.Conv3d(3, 10, 3, padding=1, padding_mode="reflect")(tw.rand(1, 3, 4, 8, 8)).shape
        (1, 10, 4, 8, 8)
    """

    _dims = 3
