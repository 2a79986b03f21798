"""Vectors of unit length, and the angle between two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_float
from tilewise._ops.elementwise import abs as absolute
from tilewise._ops.elementwise import clamp, where
from tilewise._ops.reduction import amax, amin
from tilewise._ops.reduction import sum as reduce_sum
from tilewise._ops.shape import expand
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def unit_norm(op: str, input: Tensor, axis: int, eps: float, gain: Tensor | None = None) -> Tensor:
    """`x · gain / max(|x|, eps)` along an axis, with the Euclidean norm, in one pass.

    Args:
        op: named by errors and `grad_fn`.
        input: any shape, float32 or float64.
        axis: in [0, ndim).
        eps: the smallest length to divide by.
        gain: a number a row for an input (rows, columns) and axis 1; None for ones.
    """
    x = array_of(op, "input", input)
    g = None if gain is None else array_of(op, "gain", gain)
    y, lengths = _core.unit_norm_forward(x, axis, eps, g)
    inputs = (input,) if gain is None else (input, gain)
    if not (grad_mode.enabled and any(t._requires_grad for t in inputs)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx, dgain = _core.unit_norm_backward(dy, x, lengths, axis, eps, g)
        return (dx,) if gain is None else (dx, dgain)

    return record(op, y, inputs, backward, (x,) if g is None else (x, g))


def _length(input: Tensor, p: float, axis: int) -> Tensor:
    """The p-norm along an axis, kept with size 1; zeros have a gradient of 0."""
    size = absolute(input)
    if math.isinf(p):
        return amax(size, axis, True) if p > 0 else amin(size, axis, True)
    if p == 1.0:
        return reduce_sum(size, axis, True)
    zeros = input == 0
    if p == 0.0:
        return reduce_sum((~zeros).to(input.dtype), axis, True)
    terms = where(zeros, 0.0 if p > 0 else math.inf, where(zeros, 1.0, size) ** p)
    total = reduce_sum(terms, axis, True)
    none = total == 0
    return where(none, 0.0 if p > 0 else math.inf, where(none, 1.0, total) ** (1.0 / p))


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`x / max(‖x‖, eps)` with the p-norm along a dimension.

    Args:
        input: any shape, float32 or float64.
        p: the order of the norm.
        dim: the dimension of the vectors.
        eps: the smallest length to divide by.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a dimension that the input does not have.

    Example:
        >>> F.normalize(tw.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    op = "normalize"
    axis = as_axis(op, dim, array_of(op, "input", input).ndim)
    order, small = as_float(op, "p", p), as_float(op, "eps", eps)
    if order == 2.0:
        return unit_norm(op, input, axis, small)
    return input / clamp(_length(input, order, axis), small)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """`x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps))` along a dimension.

    Args:
        x1: any shape, float32 or float64.
        x2: a shape that broadcasts with it.
        dim: the dimension of the vectors, of the common shape.
        eps: the smallest length to divide by.

    Returns:
        The common shape without that dimension.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast, or a dimension that they do not have.

    Example:
        >>> F.cosine_similarity(tw.tensor([[3.0, 4.0]]), tw.tensor([[4.0, 3.0]]))
        tensor([0.9600])
    """
    op = "cosine_similarity"
    a, b = array_of(op, "x1", x1), array_of(op, "x2", x2)
    small = as_float(op, "eps", eps)
    shape = a.shape
    if a.shape != b.shape:
        shape = _common_shape(op, a.shape, b.shape)
        x1, x2 = expand(x1, shape), expand(x2, shape)
    axis = as_axis(op, dim, len(shape))
    left, right = unit_norm(op, x1, axis, small), unit_norm(op, x2, axis, small)
    return reduce_sum(left * right, axis)


def _common_shape(op: str, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(a), len(b))
    long_a, long_b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    if any(m != n and 1 not in {m, n} for m, n in zip(long_a, long_b, strict=True)):
        raise ValueError(f"{op}: expected shapes that broadcast together, got {a} and {b}")
    return tuple(n if m == 1 else m for m, n in zip(long_a, long_b, strict=True))
