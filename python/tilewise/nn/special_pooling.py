"""Pooling layers beside maxima and means: global, power-average, fractional, and unpooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import functional as F
from tilewise._arguments import as_bool, as_float
from tilewise.nn.module import Module
from tilewise.nn.pooling import _plain

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


class _GlobalPool(Module):
    _dims = 0
    _function: Callable[..., Tensor]

    def forward(self, input: Tensor) -> Tensor:
        """One number a channel."""
        return type(self)._function(input, self._dims)


class GlobalAvgPool1d(_GlobalPool):
    """The mean of all pixels of (N, C, L), as (N, C, 1).

    Example:
        >>> nn.GlobalAvgPool1d()(tw.zeros(2, 8, 7)).shape
        (2, 8, 1)
    """

    _dims = 1
    _function = staticmethod(F.global_avg_pool)


class GlobalAvgPool2d(_GlobalPool):
    """The mean of all pixels of (N, C, H, W), as (N, C, 1, 1).

    Example:
        >>> nn.GlobalAvgPool2d()(tw.zeros(2, 8, 7, 7)).shape
        (2, 8, 1, 1)
    """

    _dims = 2
    _function = staticmethod(F.global_avg_pool)


class GlobalAvgPool3d(_GlobalPool):
    """The mean of all pixels of (N, C, D, H, W), as (N, C, 1, 1, 1).

    Example:
        >>> nn.GlobalAvgPool3d()(tw.zeros(2, 8, 7, 7, 7)).shape
        (2, 8, 1, 1, 1)
    """

    _dims = 3
    _function = staticmethod(F.global_avg_pool)


class GlobalMaxPool1d(_GlobalPool):
    """The largest of all pixels of (N, C, L), as (N, C, 1).

    Example:
        >>> nn.GlobalMaxPool1d()(tw.zeros(2, 8, 7)).shape
        (2, 8, 1)
    """

    _dims = 1
    _function = staticmethod(F.global_max_pool)


class GlobalMaxPool2d(_GlobalPool):
    """The largest of all pixels of (N, C, H, W), as (N, C, 1, 1).

    Example:
        >>> nn.GlobalMaxPool2d()(tw.zeros(2, 8, 7, 7)).shape
        (2, 8, 1, 1)
    """

    _dims = 2
    _function = staticmethod(F.global_max_pool)


class GlobalMaxPool3d(_GlobalPool):
    """The largest of all pixels of (N, C, D, H, W), as (N, C, 1, 1, 1).

    Example:
        >>> nn.GlobalMaxPool3d()(tw.zeros(2, 8, 7, 7, 7)).shape
        (2, 8, 1, 1, 1)
    """

    _dims = 3
    _function = staticmethod(F.global_max_pool)


class _LPPoolNd(Module):
    _dims = 0
    _function: Callable[..., Tensor]

    def __init__(
        self,
        norm_type: float,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        op, dims = type(self).__name__, self._dims
        as_float(op, "norm_type", norm_type)
        self.norm_type = norm_type
        self.kernel_size = _plain(op, "kernel_size", kernel_size, dims, 1)
        self.stride = None if stride is None else _plain(op, "stride", stride, dims, 1)
        self.ceil_mode = as_bool(op, "ceil_mode", ceil_mode)

    def forward(self, input: Tensor) -> Tensor:
        """The norm of each window."""
        return type(self)._function(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """The norm and the window."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of (N, C, L); the arguments are those of LPPool2d.

    Example:
        >>> nn.LPPool1d(2, 2)(tw.zeros(1, 3, 8)).shape
        (1, 3, 4)
    """

    _dims = 1
    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of (N, C, H, W).

    Args:
        norm_type: p; infinity for the largest magnitude.
        kernel_size: size of the window.
        stride: step of the window; the kernel's size by default.
        ceil_mode: round the output size up.

    Example:
        >>> nn.LPPool2d(2, 2)(tw.zeros(1, 3, 8, 8)).shape
        (1, 3, 4, 4)
    """

    _dims = 2
    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of (N, C, D, H, W); the arguments are those of LPPool2d.

    Example:
        >>> nn.LPPool3d(2, 2)(tw.zeros(1, 3, 8, 8, 8)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3
    _function = staticmethod(F.lp_pool3d)


class _FractionalMaxPoolNd(Module):
    _dims = 0
    _function: Callable[..., Any]

    def __init__(
        self,
        kernel_size: IntOrTuple,
        output_size: IntOrTuple | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        op, dims = type(self).__name__, self._dims
        self.kernel_size = _plain(op, "kernel_size", kernel_size, dims, 1)
        self.return_indices = as_bool(op, "return_indices", return_indices)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{op}: expected one of output_size and output_ratio, got {output_size}, "
                f"{output_ratio}"
            )
        self.output_size = (
            None if output_size is None else _plain(op, "output_size", output_size, dims, 1)
        )
        given = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,)
        ratios = [r if r is None else as_float(op, "output_ratio", r) for r in given]
        if not all(r is None or 0 < r < 1 for r in ratios) or len(ratios) not in {1, dims}:
            raise ValueError(f"{op}: expected output_ratio between 0 and 1, got {output_ratio}")
        self.output_ratio = output_ratio
        self._random_samples: Tensor | None
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        """The maxima of random windows; with the indices where so set."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima of windows at random steps that give a wanted size (Graham, arXiv:1412.6071).

    Args:
        kernel_size: size of the window.
        output_size: of the result, or
        output_ratio: its ratio to the input's, in (0, 1).
        return_indices: whether to return the places of the maxima too.
        _random_samples: (N, C, 2) numbers in [0, 1) that place the windows.

    Example:
        >>> nn.FractionalMaxPool2d(3, output_size=(13, 12))(tw.rand(1, 4, 50, 32)).shape
        (1, 4, 13, 12)
    """

    _dims = 2
    _function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The same for (N, C, D, H, W); the arguments are those of FractionalMaxPool2d.

    Example:
        >>> nn.FractionalMaxPool3d(2, output_ratio=0.5)(tw.rand(1, 4, 8, 8, 8)).shape
        (1, 4, 4, 4, 4)
    """

    _dims = 3
    _function = staticmethod(F.fractional_max_pool3d)


class _MaxUnpoolNd(Module):
    _dims = 0
    _function: Callable[..., Tensor]

    def __init__(
        self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0
    ) -> None:
        super().__init__()
        op, dims = type(self).__name__, self._dims

        def each(name: str, value: Any, minimum: int) -> IntOrTuple:
            plain = _plain(op, name, value, dims, minimum)
            return (plain,) * dims if isinstance(plain, int) else plain

        self.kernel_size = each("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else each("stride", stride, 1)
        self.padding = each("padding", padding, 0)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The maxima in their places, zeros elsewhere."""
        return type(self)._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Partial inverse of MaxPool1d; the arguments are those of MaxUnpool2d.

    Example:
        >>> y, places = nn.MaxPool1d(2, return_indices=True)(tw.rand(1, 3, 8))
        >>> nn.MaxUnpool1d(2)(y, places).shape
        (1, 3, 8)
    """

    _dims = 1
    _function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Partial inverse of MaxPool2d.

    Args:
        kernel_size: of the pooling.
        stride: of the pooling; the kernel's size by default.
        padding: of the pooling.

    Called with the pooled values, their indices and, where the pooling rounded the size, with
    `output_size`.

    Example:
        >>> y, places = nn.MaxPool2d(2, return_indices=True)(tw.rand(1, 3, 8, 8))
        >>> nn.MaxUnpool2d(2)(y, places).shape
        (1, 3, 8, 8)
    """

    _dims = 2
    _function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Partial inverse of MaxPool3d; the arguments are those of MaxUnpool2d.

    Example:
        >>> y, places = nn.MaxPool3d(2, return_indices=True)(tw.rand(1, 3, 8, 8, 8))
        >>> nn.MaxUnpool3d(2)(y, places).shape
        (1, 3, 8, 8, 8)
    """

    _dims = 3
    _function = staticmethod(F.max_unpool3d)
