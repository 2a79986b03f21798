"""Softmax and its logarithm over one dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axis
from tilewise._dtypes import FLOATING, as_dtype
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor


def _normalised(
    op: str,
    forward: Callable[[Array, int], Array],
    backward: Callable[[Array, Array, int], Array],
    input: Tensor,
    dim: int,
    dtype: DType | None,
) -> Tensor:
    if dtype is not None:
        input = input.to(as_dtype(op, dtype))
    x = array_of(op, "input", input)
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected a floating-point tensor, got {x.dtype.name}")
    axis = as_axis(op, dim, x.ndim)
    y = forward(x, axis)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(op, y, (input,), lambda dy: (backward(dy, y, axis),), (y,))


def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """`exp(x) / sum(exp(x))` over `dim`, computed without overflow.

    Args:
        input: a floating-point tensor of any shape.
        dim: the dimension that sums to 1.
        dtype: convert to this type first.

    Raises:
        TypeError: where the tensor is of an integer type.
        ValueError: where `dim` is out of range.

    Example:
        >>> tw.softmax(tw.zeros(1, 4), dim=1)
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return _normalised("softmax", _core.softmax, _core.softmax_backward, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, exact where that underflows; the arguments are the same."""
    return _normalised(
        "log_softmax", _core.log_softmax, _core.log_softmax_backward, input, dim, dtype
    )
