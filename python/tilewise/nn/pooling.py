"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import functional as F
from tilewise._arguments import as_bool, as_int, as_tuple
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


def _plain(op: str, name: str, value: Any, dims: int, minimum: int) -> IntOrTuple:
    """The value as it was given, for `repr`, after the checks."""
    as_tuple(op, name, value, dims, minimum)
    return value if isinstance(value, int) else tuple(value)


class _MaxPoolNd(Module):
    _dims = 0
    _function: Callable[..., Any]

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self.strict = as_bool(type(self).__name__, "strict", strict)
        op, dims = type(self).__name__, self._dims
        self.kernel_size = _plain(op, "kernel_size", kernel_size, dims, 1)
        self.stride = self.kernel_size if stride is None else _plain(op, "stride", stride, dims, 1)
        self.padding = _plain(op, "padding", padding, dims, 0)
        self.dilation = _plain(op, "dilation", dilation, dims, 1)
        self.return_indices = as_bool(op, "return_indices", return_indices)
        self.ceil_mode = as_bool(op, "ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Any:
        """The largest value of each window; with the indices where so set."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
            strict=self.strict,
        )

    def extra_repr(self) -> str:
        """The window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Largest value of each window of (N, C, L); the arguments are those of MaxPool2d.

    Example:
        >>> nn.MaxPool1d(2)(tw.zeros(1, 3, 8)).shape
        (1, 3, 4)
    """

    _dims = 1
    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """Largest value of each window of (N, C, H, W); the gradient goes to the first of equals.

    Args:
        kernel_size: size of the window.
        stride: step of the window; the kernel's size by default.
        padding: border that never wins.
        dilation: distance between the window's elements.
        return_indices: whether to return the places of the maxima too.
        ceil_mode: round the output size up.
        strict: refuse a window that does not fit the input a whole number of times.

    Example:
        >>> nn.MaxPool2d(2)(tw.zeros(1, 3, 28, 28)).shape
        (1, 3, 14, 14)
    """

    _dims = 2
    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """Largest value of each window of (N, C, D, H, W); the arguments are those of MaxPool2d.

    Example:
        >>> nn.MaxPool3d(2)(tw.zeros(1, 3, 8, 8, 8)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3
    _function = staticmethod(F.max_pool3d)


class _AvgPoolNd(Module):
    _dims = 0
    _function: Callable[..., Tensor]

    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self.strict = as_bool(type(self).__name__, "strict", strict)
        op, dims = type(self).__name__, self._dims
        self.kernel_size = _plain(op, "kernel_size", kernel_size, dims, 1)
        self.stride = self.kernel_size if stride is None else _plain(op, "stride", stride, dims, 1)
        self.padding = _plain(op, "padding", padding, dims, 0)
        self.ceil_mode = as_bool(op, "ceil_mode", ceil_mode)
        self.count_include_pad = as_bool(op, "count_include_pad", count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            strict=self.strict,
        )

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Mean of each window of (N, C, L); the arguments are those of AvgPool2d.

    Example:
        >>> nn.AvgPool1d(2)(tw.zeros(1, 3, 8)).shape
        (1, 3, 4)
    """

    _dims = 1
    _function = staticmethod(F.avg_pool1d)


class _AvgPoolWithDivisor(_AvgPoolNd):
    def __init__(
        self,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, strict=strict)
        self.divisor_override = (
            None
            if divisor_override is None
            else as_int(type(self).__name__, "divisor_override", divisor_override)
        )

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            strict=self.strict,
        )


class AvgPool2d(_AvgPoolWithDivisor):
    """Mean of each window of (N, C, H, W).

    Args:
        kernel_size: size of the window.
        stride: step of the window; the kernel's size by default.
        padding: border of zeros.
        ceil_mode: round the output size up.
        count_include_pad: whether the border counts in the divisor.
        divisor_override: divide by this instead.
        strict: refuse a window that does not fit the input a whole number of times.

    Example:
        >>> nn.AvgPool2d((2, 2), padding=(1, 1))(tw.zeros(1, 1, 10, 10)).shape
        (1, 1, 6, 6)
    """

    _dims = 2
    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolWithDivisor):
    """Mean of each window of (N, C, D, H, W); the arguments are those of AvgPool2d.

    Example:
        >>> nn.AvgPool3d(2)(tw.zeros(1, 3, 8, 8, 8)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3
    _function = staticmethod(F.avg_pool3d)


class _AdaptivePool(Module):
    _function: Callable[..., Any]

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, tuple | list) else (output_size,)
        for size in sizes:
            if size is not None:
                as_int(type(self).__name__, "output_size", size, 1)
        self.output_size = tuple(sizes) if isinstance(output_size, list) else output_size

    def forward(self, input: Tensor) -> Any:
        """The pooled input."""
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        """The output size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of `output_size` windows over (N, C, L).

    Example:
        >>> nn.AdaptiveAvgPool1d(3)(tw.zeros(1, 3, 8)).shape
        (1, 3, 3)
    """

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of windows that divide (N, C, H, W) into `output_size`; 1 is global average pooling.

    Args:
        output_size: an int for both dimensions, or a pair; None keeps a size.

    Example:
        >>> nn.AdaptiveAvgPool2d(1)(tw.zeros(1, 512, 7, 7)).shape
        (1, 512, 1, 1)
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of windows that divide (N, C, D, H, W) into `output_size`.

    Example:
        >>> nn.AdaptiveAvgPool3d((1, 2, None))(tw.zeros(1, 3, 8, 8, 8)).shape
        (1, 3, 1, 2, 8)
    """

    _function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(
        self, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        self.return_indices = as_bool(type(self).__name__, "return_indices", return_indices)

    def forward(self, input: Tensor) -> Any:
        """The pooled input; with the indices where so set."""
        return type(self)._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of `output_size` windows over (N, C, L).

    Example:
        >>> nn.AdaptiveMaxPool1d(3)(tw.zeros(1, 3, 8)).shape
        (1, 3, 3)
    """

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of windows that divide (N, C, H, W) into `output_size`; see AdaptiveAvgPool2d.

    Example:
        >>> nn.AdaptiveMaxPool2d(3)(tw.zeros(1, 3, 8, 8)).shape
        (1, 3, 3, 3)
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of windows that divide (N, C, D, H, W) into `output_size`.

    Example:
        >>> nn.AdaptiveMaxPool3d(3)(tw.zeros(1, 3, 8, 8, 8)).shape
        (1, 3, 3, 3, 3)
    """

    _function = staticmethod(F.adaptive_max_pool3d)
