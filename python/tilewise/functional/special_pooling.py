"""Pooling beside maxima and means: unpooling, fractional, power-average and global pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_float, as_int, as_tuple
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batched, image_array
from tilewise.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pooled,
)
from tilewise.random import rand

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    FloatOrTuple = float | Sequence[float]


# ---------------------------------------------------------------- unpooling


def _max_unpool(
    op: str,
    dims: int,
    input: Tensor,
    indices: Tensor,
    *settings: Any,
) -> Tensor:
    """What the three share; the settings are kernel, stride, padding and output size."""
    x, places = array_of(op, "input", input), array_of(op, "indices", indices)
    recorded = input._requires_grad and grad_mode.enabled
    if recorded and x.ndim == dims + 1 == places.ndim:
        return batched(lambda t: _max_unpool(op, dims, t, indices.unsqueeze(0), *settings), input)
    y = _core.max_unpool(op, dims, x, places, *settings)
    return _record_max_unpool(op, y, input, places) if recorded else wrap(y)


def _record_max_unpool(op: str, y: Array, input: Tensor, places: Array) -> Tensor:
    return record(op, y, (input,), lambda dy: (_core.max_unpool_backward(dy, places),), (places,))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Partial inverse of `max_pool1d`; see `max_unpool2d`.

    Example:
        >>> y, places = F.max_pool1d(tw.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2, return_indices=True)
        >>> F.max_unpool1d(y, places, 2)
        tensor([[[0., 3., 0., 5.]]])
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Partial inverse of `max_pool2d`: each maximum back in its place, zeros elsewhere.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64: what `max_pool2d` returned.
        indices: of the same shape, int64: the places that it returned. Of several maxima with one
            place the last stays.
        kernel_size: of the pooling.
        stride: of the pooling; None for the kernel's size.
        padding: of the pooling.
        output_size: of the image, with or without N and C, where the pooling rounded its size; by
            default the smallest that pools to the input's size.

    Returns:
        (N, C, *output_size) or without N.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for indices outside the image, or an output size that no such pooling has.

    Example:
        >>> y, places = F.max_pool2d(tw.arange(4.0).reshape(1, 1, 2, 2), 2, return_indices=True)
        >>> F.max_unpool2d(y, places, 2)
        tensor([[[[0., 0.],
                  [0., 3.]]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Partial inverse of `max_pool3d`; see `max_unpool2d`.

    Example:
        >>> y, places = F.max_pool3d(tw.ones(1, 3, 4, 4, 4), 2, return_indices=True)
        >>> F.max_unpool3d(y, places, 2).shape
        (1, 3, 4, 4, 4)
    """
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# ---------------------------------------------------------------- fractional max pooling


def _fractional_size(
    op: str, dims: int, x: Array, output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"{op}: expected one of output_size and output_ratio, got {output_size}, {output_ratio}"
        )
    if output_size is not None:
        return as_tuple(op, "output_size", output_size, dims, 1)
    given = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,) * dims
    ratios = [as_float(op, "output_ratio", r) for r in given]
    if len(ratios) != dims or not all(0 < r < 1 for r in ratios):
        raise ValueError(
            f"{op}: expected output_ratio as a number in (0, 1) or {dims}, got {output_ratio}"
        )
    return tuple(
        [
            as_int(op, "output_size", int(n * r), 1)
            for n, r in zip(x.shape[-dims:], ratios, strict=True)
        ]
    )


def _fractional_max_pool(
    op: str,
    dims: int,
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None,
    output_ratio: FloatOrTuple | None,
    return_indices: bool,
    _random_samples: Tensor | None,
) -> Any:
    x = image_array(op, input, dims)
    sizes = _fractional_size(op, dims, x, output_size, output_ratio)
    planes = x.shape[: x.ndim - dims]
    if _random_samples is None:
        _random_samples = rand(
            planes[0] if len(planes) == 2 else 1, planes[-1], dims, dtype=x.dtype
        )
    samples = array_of(op, "_random_samples", _random_samples)
    settings = (kernel_size, sizes, samples, return_indices)
    return max_pooled(op, dims, input, _core.fractional_max_pool, settings)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: FloatOrTuple | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows at random steps that give a wanted size (Graham, arXiv:1412.6071).

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: size of the window, an int or a pair.
        output_size: of the result, or
        output_ratio: its ratio to the input's, in (0, 1).
        return_indices: also return the flat place of each maximum in its image, int64.
        _random_samples: (N, C, 2) numbers in [0, 1) for width and height, which place the windows
            of each channel; drawn from the default generator where left out.

    Returns:
        (N, C, *output_size) or without N, or a pair with the indices.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for windows that do not fit, or samples of another shape or range.

    Example:
        >>> F.fractional_max_pool2d(tw.rand(2, 3, 10, 10), 2, output_ratio=0.7).shape
        (2, 3, 7, 7)
    """
    return _fractional_max_pool(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices,
        _random_samples,
    )  # fmt: skip


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: FloatOrTuple | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` of volumes; samples are (N, C, 3) for depth, height and width.

    Example:
        >>> F.fractional_max_pool3d(tw.rand(2, 3, 8, 9, 10), 2, output_size=(4, 5, 6)).shape
        (2, 3, 4, 5, 6)
    """
    return _fractional_max_pool(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices,
        _random_samples,
    )  # fmt: skip


# ---------------------------------------------------------------- power-average pooling


def _lp_pool(
    op: str,
    dims: int,
    input: Tensor,
    norm_type: float,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    ceil_mode: bool,
) -> Tensor:
    x = array_of(op, "input", input)
    p = as_float(op, "norm_type", norm_type)
    if math.isinf(p):
        size = abs(input)
        settings = (kernel_size, stride, 0, 1, ceil_mode, False)
        pooled = max_pooled(op, dims, size if p > 0 else -size, _core.max_pool, settings)
        return pooled if p > 0 else -pooled  # type: ignore[no-any-return]
    if p == 0 or math.isnan(p):
        raise ValueError(f"{op}: expected norm_type other than 0, got {p}")
    recorded = input._requires_grad and grad_mode.enabled
    if recorded and x.ndim == dims + 1:
        return batched(lambda t: _lp_pool(op, dims, t, p, kernel_size, stride, ceil_mode), input)
    y, window = _core.lp_pool(op, dims, x, p, kernel_size, stride, ceil_mode)
    return _record_lp_pool(op, y, input, (p, *window)) if recorded else wrap(y)


def _record_lp_pool(op: str, y: Array, input: Tensor, window: tuple[Any, ...]) -> Tensor:
    x = input._array
    return record(op, y, (input,), lambda dy: (_core.lp_pool_backward(dy, x, y, *window),), (x, y))


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window of (N, C, L) or (C, L); see `lp_pool2d`.

    Example:
        >>> F.lp_pool1d(tw.tensor([[[3.0, 4.0, 6.0, 8.0]]]), 2, 2)
        tensor([[[ 5., 10.]]])
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window: (Σ xᵖ)^(1/p), without absolute values.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        norm_type: p; 1 gives sums, infinity the largest magnitude.
        kernel_size: size of the window, an int or one for each dimension.
        stride: step of the window; None for the kernel's size.
        ceil_mode: round the output size up instead of down.

    Returns:
        (N, C, H_out, W_out) or without N. The gradient is 0 where the sum is 0.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a window that does not fit, or p = 0.

    Example:
        >>> F.lp_pool2d(tw.tensor([[[[1.0, 1.0], [1.0, 1.0]]]]), 2, 2)
        tensor([[[[2.]]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W) or (C, D, H, W); see `lp_pool2d`.

    Example:
        >>> F.lp_pool3d(tw.ones(1, 1, 2, 2, 2), 3, 2)
        tensor([[[[[2.]]]]])
    """
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# ---------------------------------------------------------------- global pooling


def _global(op: str, pools: Sequence[Any], input: Tensor, dims: int | None) -> Tensor:
    rank = array_of(op, "input", input).ndim
    spatial = rank - 2 if dims is None else as_int(op, "dims", dims, 1, 3)
    if not 1 <= spatial <= 3:
        raise ValueError(
            f"{op}: expected input (N, C, spatial...) with 1 to 3 spatial dimensions, got shape "
            f"{input.shape}"
        )
    return pools[spatial - 1](input, 1)  # type: ignore[no-any-return]


def global_avg_pool(input: Tensor, dims: int | None = None) -> Tensor:
    """The mean over all pixels (Lin et al. 2013).

    Args:
        input: (N, C, spatial...) with 1 to 3 spatial dimensions, float32 or float64.
        dims: the number of spatial dimensions, for an input without N.

    Returns:
        (N, C, 1...).

    Raises:
        TypeError, ValueError: for another type or rank.

    Example:
        >>> F.global_avg_pool(tw.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[[[1.5000]]]])
    """
    pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
    return _global("global_avg_pool", pools, input, dims)


def global_max_pool(input: Tensor, dims: int | None = None) -> Tensor:
    """The largest of all pixels; the arguments are those of `global_avg_pool`.

    Example:
        >>> F.global_max_pool(tw.arange(4.0).reshape(1, 1, 2, 2))
        tensor([[[[3.]]]])
    """
    pools = (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d)
    return _global("global_max_pool", pools, input, dims)
