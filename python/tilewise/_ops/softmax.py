"""Softmax and its logarithm over one dimension."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axis
from tilewise._ops.common import converted
from tilewise._ops.elementwise import neg
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor


def _implicit_axis(op: str, ndim: int) -> int:
    """PyTorch's choice where `dim` is None, with its warning."""
    warnings.warn(
        f"{op}: dim was not given; 0 is taken for 0, 1 or 3 dimensions and 1 for others. Say dim=…",
        UserWarning,
        stacklevel=4,
    )
    return 0 if ndim in {0, 1, 3} else 1


def _normalised(
    op: str,
    forward: Callable[[Array, int], Array],
    backward: Callable[[Array, Array, int], Array],
    input: Tensor,
    dim: int | None,
    dtype: DType | None,
) -> Tensor:
    if dtype is not None:
        input = converted(op, input, dtype)
    x = array_of(op, "input", input)
    if dim is None:
        dim = _implicit_axis(op, x.ndim)
    try:  # the core checks int dimensions, once; the error is ours
        y = forward(x, dim if dim.__class__ is int else as_axis(op, dim, x.ndim))
    except ValueError:
        as_axis(op, dim, x.ndim)
        raise
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axis = as_axis(op, dim, x.ndim)
    return record(op, y, (input,), lambda dy: (backward(dy, y, axis),), (y,))


def softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """`exp(x) / sum(exp(x))` over `dim`, computed without overflow.

    Args:
        input: a floating-point tensor of any shape.
        dim: the dimension that sums to 1. None is PyTorch's implicit choice, with its warning.
        dtype: convert to this type first.

    Raises:
        TypeError: where the tensor is of an integer type.
        ValueError: where `dim` is out of range.

    Example:
        >>> tw.softmax(tw.zeros(1, 4), dim=1)
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return _normalised("softmax", _core.softmax, _core.softmax_backward, input, dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, exact where that underflows; the arguments are the same.

    Example:
        >>> tw.log_softmax(tw.tensor([0.0, 1000.0]), dim=0)
        tensor([-1000.,     0.])
    """
    return _normalised(
        "log_softmax", _core.log_softmax, _core.log_softmax_backward, input, dim, dtype
    )


def softmin(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """`softmax` of -x: the smallest element weighs most; the arguments are the same.

    Example:
        >>> F.softmin(tw.tensor([0.0, 0.0, 1000.0]), dim=0)
        tensor([0.5000, 0.5000, 0.0000])
    """
    if dtype is not None:
        input = converted("softmin", input, dtype)
    array_of("softmin", "input", input)
    if dim is None:
        dim = _implicit_axis("softmin", input.ndim)
    return softmax(neg(input), dim)
