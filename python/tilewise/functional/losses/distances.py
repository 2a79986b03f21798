"""Distances and angles between vectors, and the losses of pairs and triples of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_float
from tilewise._ops.arithmetic import minimum
from tilewise._ops.select import clamp
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional.losses.common import (
    as_labels,
    pointwise,
    reduced,
    reduction_of,
    same_rank,
)

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x₁ - x₂ + eps over the last dimension.

    Args:
        x1: (N, D) or (D,), or any shape of at least one dimension; float32 or float64.
        x2: a shape that broadcasts with the first.
        p: any number; infinities give the extremes, 0 the number of non-zeros.
        eps: added to each difference, so that the gradient exists where vectors agree.
        keepdim: keep the last dimension with size 1.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast.

    Example:
        >>> F.pairwise_distance(tw.zeros(2, 2), tw.tensor([3.0, 4.0]))
        tensor([5.0000, 5.0000])
    """
    op = "pairwise_distance"
    a, b = array_of(op, "x1", x1), array_of(op, "x2", x2)
    options = (as_float(op, "p", p), as_float(op, "eps", eps))
    y = _core.pairwise_distance(a, b, *options)
    keep = keepdim is not False and as_bool(op, "keepdim", keepdim)
    if (x1._requires_grad or x2._requires_grad) and grad_mode.enabled:
        return _record_distance(op, y, (x1, x2), options, keep)
    return wrap(y.reshape((*y.shape, 1)) if keep else y)


def _record_distance(
    op: str, y: Array, inputs: tuple[Tensor, Tensor], options: tuple[float, float], keep: bool
) -> Tensor:
    a, b = (x._array for x in inputs)
    needs = [x._requires_grad for x in inputs]

    def backward(dy: Array) -> list[Array | None]:
        dy = dy.reshape(y.shape) if keep else dy
        return [
            _core.pairwise_distance_backward(dy, a, b, y, *options, of_b) if needed else None
            for of_b, needed in zip((False, True), needs, strict=True)
        ]

    shown = y.reshape((*y.shape, 1)) if keep else y
    return record(op, shown, inputs, backward, (a, b, y))


def _cosine(op: str, x1: Tensor, x2: Tensor, eps: float, inside_root: bool) -> Tensor:
    """The cosine of the angle over the last dimension."""
    a, b = array_of(op, "x1", x1), array_of(op, "x2", x2)
    y = _core.cosine_similarity(a, b, eps, inside_root)
    if (x1._requires_grad or x2._requires_grad) and grad_mode.enabled:
        return _record_cosine(op, y, (x1, x2), (eps, inside_root))
    return wrap(y)


def _record_cosine(
    op: str, y: Array, inputs: tuple[Tensor, Tensor], options: tuple[float, bool]
) -> Tensor:
    a, b = (x._array for x in inputs)
    needs = [x._requires_grad for x in inputs]

    def backward(dy: Array) -> list[Array | None]:
        return [
            _core.cosine_similarity_backward(dy, a, b, *options, of_b) if needed else None
            for of_b, needed in zip((False, True), needs, strict=True)
        ]

    return record(op, y, inputs, backward, (a, b))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: x₁·x₂ / (|x₁| |x₂|), the norms not below eps.

    Args:
        x1: any shape, float32 or float64.
        x2: a shape that broadcasts with the first.
        dim: the dimension of the common shape along which the vectors lie.
        eps: the least norm to divide by.

    Returns:
        The common shape without `dim`.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast, or a dimension out of range.

    Example:
        >>> F.cosine_similarity(tw.tensor([1.0, 0.0]), tw.tensor([1.0, 1.0]), dim=0)
        tensor(0.7071)
    """
    op = "cosine_similarity"
    ndim = max(array_of(op, "x1", x1).ndim, array_of(op, "x2", x2).ndim)
    axis = as_axis(op, dim, ndim)
    least = as_float(op, "eps", eps)
    if ndim == 0:
        return _cosine(op, x1.reshape(1), x2.reshape(1), least, False)
    if axis != ndim - 1:
        x1, x2 = (t.reshape((1,) * (ndim - t.ndim) + t.shape).movedim(axis, -1) for t in (x1, x2))
    return _cosine(op, x1, x2, least, False)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1: vectors (N, D) or (D,), float32 or float64.
        input2: the same shape.
        target: 1 or -1 for each pair, (N,) or (), of any type.
        margin: the cosine that unlike pairs may have.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.

    Example:
        >>> a, b = tw.tensor([[1.0, 0.0]]), tw.tensor([[1.0, 1.0]])
        >>> F.cosine_embedding_loss(a, b, tw.tensor([1]))
        tensor(0.2929)
    """
    op = "cosine_embedding_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    shape = array_of(op, "target", target).shape
    first, second = array_of(op, "input1", input1), array_of(op, "input2", input2)
    if not (first.ndim - 1 == second.ndim - 1 == len(shape) <= 1):
        raise ValueError(
            f"{op}: expected inputs (N, D) with target (N,), or (D,) with (), got "
            f"{first.shape}, {second.shape} and {shape}"
        )
    cosine = _cosine(op, input1, input2, 1e-12, True)
    constants = (as_float(op, "margin", margin), 0.0, 0.0)
    return pointwise(op, cosine, as_labels(op, cosine, target), reduction, constants=constants)


def _positive_margin(op: str, margin: float) -> float:
    value = as_float(op, "margin", margin)
    if not value > 0.0:
        raise ValueError(f"{op}: expected margin > 0, got {value}")
    return value


@cache
def _one(dtype: DType) -> Tensor:
    return wrap(_core.Array.full((), 1.0, dtype))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin): the negative should be farther than the positive.

    Args:
        anchor: vectors (N, D) or (D,), float32 or float64.
        positive: vectors of the anchor's class.
        negative: vectors of another class.
        margin: by how much, above 0.
        p: of the norm, see `pairwise_distance`.
        eps: see `pairwise_distance`.
        swap: take the nearer of d(a, n) and d(p, n) (Balntas et al. 2016).
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a margin that is not positive.

    Example:
        >>> F.triplet_margin_loss(tw.zeros(1, 2), tw.zeros(1, 2), tw.tensor([[0.3, 0.4]]))
        tensor(0.5000)
    """
    op = "triplet_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    gap = _positive_margin(op, margin)
    same_rank(op, anchor=anchor, positive=positive, negative=negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap is not False and as_bool(op, "swap", swap):
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    constants = (gap, 0.0, 0.0)  # the nearer one should rank higher
    ones = _one(near._array.dtype)
    return pointwise("margin_ranking_loss", far, ones, reduction, near, constants=constants)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of the caller's.

    Args:
        anchor: any shape that `distance_function` takes.
        positive: as many dimensions.
        negative: as many dimensions.
        distance_function: maps two tensors to their distances; `pairwise_distance` where None.
        margin: by how much, above 0.
        swap: see `triplet_margin_loss`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a margin that is not positive.

    Example:
        >>> a, n = tw.zeros(1, 2), tw.tensor([[0.3, 0.4]])
        >>> def city_block(x, y):
        ...     return (x - y).abs().sum(-1)
        >>> F.triplet_margin_with_distance_loss(a, a, n, distance_function=city_block)
        tensor(0.3000)
    """
    op = "triplet_margin_with_distance_loss"
    reduction = reduction_of(op, reduction)
    gap = _positive_margin(op, margin)
    same_rank(op, anchor=anchor, positive=positive, negative=negative)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if as_bool(op, "swap", swap):
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(near - far + gap, min=0.0), reduction)
