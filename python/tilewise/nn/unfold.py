"""im2col and col2im as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise._arguments import as_tuple
from tilewise.functional.unfold import fold, unfold
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


class Unfold(Module):
    """The windows of images (N, C, H, W) as columns: see `nn.functional.unfold`.

    Args:
        kernel_size: an int or (height, width).
        dilation: distance between the taps of a window.
        padding: zeros around the image.
        stride: step of the windows.

    Example:
        >>> nn.Unfold(3, padding=1)(tw.rand(2, 3, 5, 5)).shape
        (2, 27, 25)
    """

    def __init__(
        self,
        kernel_size: IntOrTuple,
        dilation: IntOrTuple = 1,
        padding: IntOrTuple = 0,
        stride: IntOrTuple = 1,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        as_tuple(op, "kernel_size", kernel_size, 2, 1)
        as_tuple(op, "dilation", dilation, 2, 1)
        as_tuple(op, "padding", padding, 2, 0)
        as_tuple(op, "stride", stride, 2, 1)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """The columns."""
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Unfold):
    """Columns (N, C · height · width, L) added up to images: see `nn.functional.fold`.

    Args:
        output_size: the image's, an int or (H, W).
        kernel_size: an int or (height, width).
        dilation: distance between the taps of a window.
        padding: zeros around the image.
        stride: step of the windows.

    Example:
        >>> nn.Fold((5, 5), 3, padding=1)(tw.rand(2, 27, 25)).shape
        (2, 3, 5, 5)
    """

    def __init__(
        self,
        output_size: IntOrTuple,
        kernel_size: IntOrTuple,
        dilation: IntOrTuple = 1,
        padding: IntOrTuple = 0,
        stride: IntOrTuple = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        as_tuple(type(self).__name__, "output_size", output_size, 2, 1)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """The images."""
        return fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
