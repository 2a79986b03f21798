"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_axes,
    as_axis,
    as_float,
)
from tilewise._ops import elementwise, reduction, shape
from tilewise._ops.common import converted, unbroadcast
from tilewise._ops.reduction import reduce
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise._ops.reduction import Dims
    from tilewise.tensor import Tensor


def _vector_norm(op: str, input: Tensor, order: float, dim: Any, keepdim: bool) -> Tensor:
    x = array_of(op, "input", input)
    reduction._expect_floating(op, x)
    y = reduce(op, lambda a, axes, keep: _core.norm(a, order, axes, keep), x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axes = as_axes(op, dim, x.ndim)
    kept = reduction._kept_shape(x.shape, axes)

    def backward(dy: Array) -> tuple[Array]:
        return (_norm_gradient(dy.reshape(kept), x, y.reshape(kept), order, axes),)

    return record(op, y, (input,), backward, (x, y))


def _norm_gradient(dy: Array, x: Array, y: Array, order: float, axes: tuple[int, ...]) -> Array:
    """What a norm `y` of `x` sends back; nothing where there is no direction."""
    zero = _core.Array.full((), 0, x.dtype)
    if order == 0.0 or x.size == 0:
        return _core.Array.full(x.shape, 0, x.dtype)
    if order == 1.0:
        return _core.mul(_core.sign(x), dy)
    if order == 2.0:
        return _core.mul(x, _core.where(_core.eq(y, 0), zero, _core.div(dy, y)))
    if math.isinf(order):  # equal ones share the gradient
        hits = _core.eq(_core.abs(x), y).astype(x.dtype)
        share = _core.div(dy, _core.maximum(_core.sum(hits, axes, True), 1))
        return _core.mul(_core.mul(hits, share), _core.sign(x))
    # sign(x) (|x| / y)^(p - 1) dy
    ratio = _core.pow(_core.div(_core.abs(x), y), order - 1)
    sent = _core.mul(_core.mul(_core.sign(x), ratio), dy)
    return _core.where(_core.logical_or(_core.eq(x, 0), _core.eq(y, 0)), zero, sent)


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """The p-norm of a tensor as a vector, over `dim`.

    Args:
        input: a floating-point tensor.
        p: the order: a number, an infinity, or "fro" for 2.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Raises:
        TypeError: where the tensor is of an integer type.

    Example:
        >>> tw.tensor([3.0, 4.0]).norm()
        tensor(5.)
    """
    if dtype is not None:
        input = converted("norm", input, dtype)
    order = 2.0 if p is None or p == "fro" else as_float("norm", "p", p)
    return _vector_norm("norm", input, order, dim, keepdim)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """The norm of a tensor as a vector: `(Σ |x|^ord)^(1/ord)` over `dim`.

    Args:
        x: a floating-point tensor.
        ord: a number; an infinity for the largest or smallest magnitude, 0 counts non-zeros.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Example:
        >>> tw.linalg.vector_norm(tw.tensor([3.0, 4.0]))
        tensor(5.)
    """
    array_of("vector_norm", "x", x)
    order = as_float("vector_norm", "ord", ord)
    if dtype is not None:
        x = converted("vector_norm", x, dtype)
    return _vector_norm("vector_norm", x, order, dim, keepdim)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A norm of the matrices in two dimensions.

    Args:
        A: a floating-point tensor of at least 2 dimensions.
        ord: "fro" (root of the sum of squares), 1 or -1 (largest or smallest column sum of
            magnitudes), or an infinity (row sums).
        dim: the two dimensions of the matrices.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Raises:
        ValueError: for another order, or where `dim` does not name two dimensions.

    Example:
        >>> tw.linalg.matrix_norm(tw.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
        tensor(6.)
    """
    x = array_of("matrix_norm", "A", A)
    axes = as_axes("matrix_norm", dim, x.ndim)
    if len(axes) != 2:
        raise ValueError(f"matrix_norm: expected two dimensions in dim, got {dim}")
    if dtype is not None:
        A = converted("matrix_norm", A, dtype)
    if ord == "fro":
        return _vector_norm("matrix_norm", A, 2.0, axes, keepdim)
    order = math.nan if isinstance(ord, str) else as_float("matrix_norm", "ord", ord)
    if order not in {1.0, -1.0, math.inf, -math.inf}:
        raise ValueError(f"matrix_norm: expected ord as 'fro', 1, -1 or an infinity, got {ord!r}")
    summed, searched = axes if abs(order) == 1.0 else axes[::-1]
    sums = reduction.sum(elementwise.abs(A), summed, keepdim=True)
    found = (reduction.amax if order > 0 else reduction.amin)(sums, searched, keepdim=True)
    return found if keepdim else shape.squeeze(found, axes)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference.

    Example:
        >>> tw.dist(tw.tensor([3.0, 4.0]), tw.zeros(2))
        tensor(5.)
    """
    a, b = array_of("dist", "input", input), array_of("dist", "other", other)
    order = as_float("dist", "p", p)
    x = _core.sub(a, b)
    y = _core.norm(x, order)
    if not recording((input, other)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        sent = _norm_gradient(dy, x, y, order, ())
        return unbroadcast(sent, a), unbroadcast(_core.neg(sent), b)

    return record("dist", y, (input, other), backward, (x, y))


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along a dimension scaled down to a p-norm of at most `maxnorm`.

    Example:
        >>> tw.renorm(tw.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    x = array_of("renorm", "input", input)
    if x.ndim < 2:
        raise ValueError(f"renorm: expected at least 2 dimensions, got shape {x.shape}")
    axis = as_axis("renorm", dim, x.ndim)
    order, limit = as_float("renorm", "p", p), as_float("renorm", "maxnorm", maxnorm, 0.0)
    if order <= 0:
        raise ValueError(f"renorm: expected p > 0, got {order}")
    y, size = _core.renorm(x, order, axis, limit)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    others = tuple([i for i in range(x.ndim) if i != axis])

    def backward(dy: Array) -> tuple[Array]:
        # y = x s, where s = limit / (size + 1e-7) for slices that are too long, and 1 for others
        long = _core.gt(size, limit)
        scale = _core.div(limit, _core.add(size, 1e-7))
        slope = _core.div(_core.mul(scale, -1.0), _core.add(size, 1e-7))
        sent = _core.mul(_core.sum(_core.mul(dy, x), others, True), slope)
        through = _norm_gradient(sent, x, size, order, others)
        return (_core.where(long, _core.add(_core.mul(dy, scale), through), dy),)

    return record("renorm", y, (input,), backward, (x, size))
