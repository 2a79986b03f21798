"""Vectors of unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_float
from tilewise._ops.norms import vector_norm
from tilewise._ops.select import clamp_min
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    if gain is None:
        if not (input._requires_grad and grad_mode.enabled):
            return wrap(y)
    elif not recording((input, gain)):
        return wrap(y)
    return _record_unit_norm(op, y, input, gain, (lengths, axis, eps))


def _record_unit_norm(
    op: str, y: Array, input: Tensor, gain: Tensor | None, kept: tuple[Array, int, float]
) -> Tensor:
    x, g = input._array, None if gain is None else gain._array

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx, dgain = _core.unit_norm_backward(dy, x, *kept, g)
        return (dx,) if gain is None else (dx, dgain)

    if gain is None or g is None:
        return record(op, y, (input,), backward, (x,))
    return record(op, y, (input, gain), backward, (x, g))


def normalize(
    input: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12
) -> Tensor:
    """`x / max(‖x‖, eps)` with the p-norm along a dimension, or several.

    Args:
        input: any shape, float32 or float64.
        p: the order of the norm.
        dim: the dimension of the vectors, or their dimensions.
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
    axes = as_axes(op, dim, array_of(op, "input", input).ndim)
    order = p if p.__class__ is float else as_float(op, "p", p)
    small = eps if eps.__class__ is float else as_float(op, "eps", eps)
    if order == 2.0 and len(axes) == 1:
        return unit_norm(op, input, axes[0], small)
    return input / clamp_min(vector_norm(input, order, axes, keepdim=True), small)
