"""What the operations share: operands, gradients of broadcasting, leave to write in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, wrong_type
from tilewise._dtypes import as_dtype
from tilewise.autograd import grad_mode, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewise._core import Array
    from tilewise.tensor import Tensor

Scalar: TypeAlias = "int | float | bool"
Operand: TypeAlias = "Tensor | int | float | bool"


SCALARS = frozenset((int, float, bool))
OPERANDS: set[type] = {*SCALARS}  # tensor.py adds Tensor


def operand(op: str, name: str, value: Any) -> Any:
    """The core's form of an operand: the array of a tensor, or a Python number."""
    array = getattr(value, "_array", None)
    if array is not None:
        return array
    if isinstance(value, np.generic | int | float) and np.ndim(value) == 0:
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, int | float):
            return number
    raise wrong_type(op, name, "a Tensor or a number", value)


def as_array(value: Any, like: Array) -> Array:
    """A number as an array of no dimensions, of the dtype of `like`; arrays as they are."""
    return _core.Array.full((), value, like.dtype) if value.__class__ in SCALARS else value


def converted(op: str, input: Any, dtype: Any) -> Tensor:
    """A tensor argument in the type that `dtype=` names."""
    array_of(op, "input", input)
    result: Tensor = input.to(as_dtype(op, dtype))
    return result


def reduced(gradient: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Sum a gradient over the dimensions that broadcasting added, and give it the operand's type.

    The result may be `gradient` itself: ops that use it must say that they alias.
    """
    if gradient.shape != shape:
        gradient = _core.sum_to(gradient, shape)
    return gradient if gradient.dtype is dtype else gradient.astype(dtype)


def unbroadcast(gradient: Array, like: Array) -> Array:
    """`reduced` to the shape and the type of an operand."""
    return reduced(gradient, like.shape, like.dtype)


def placed(values: Array, shape: tuple[int, ...], view_of: Callable[[Array], Array]) -> Array:
    """Zeros of `shape` but for the values, which go where `view_of` looks: a view's gradient."""
    whole = _core.empty_around(values, shape)
    _core.write_among_zeros(whole, view_of(whole), values)
    return whole


def check_inplace(op: str, tensor: Tensor, other_requires_grad: bool = False) -> bool:
    """Whether the write must be recorded.

    Raises:
        RuntimeError: for a leaf that requires a gradient, and for a view, whose base would not
            learn of the write's gradient. A view of all of a result takes the result's place, which
            has no gradient from then on: what comes after `flatten` may be written in place.
    """
    if not grad_mode.enabled or not (tensor._requires_grad or other_requires_grad):
        return False
    if tensor._requires_grad and tensor._node is None:
        raise RuntimeError(
            f"{op}: expected a result or a tensor without gradient, got a leaf that requires one; "
            "write to it inside tw.no_grad()"
        )
    base = tensor._base
    if (
        base is not None
        and tensor._array.shares_storage(base._array)
        and not _takes_over(tensor, base)
    ):
        raise RuntimeError(
            f"{op}: expected a tensor with memory of its own, got a view, through which gradients "
            "are not followed; write x[index] = … or clone() it"
        )
    return True


# Views that show each element of their tensor once, in another shape or order.
_WHOLE_VIEWS = frozenset(
    (
        "flatten",
        "movedim",
        "permute",
        "reshape",
        "squeeze",
        "t",
        "transpose",
        "unflatten",
        "unsqueeze",
    )
)


def _takes_over(view: Tensor, base: Tensor) -> bool:
    """Let a view of all of `base` own the memory, where that can be told from the tape."""
    node, made = view._node, base._node
    if node is None or made is None or node.edges != (made,) or node.name not in _WHOLE_VIEWS:
        return False

    shape = base._array.shape  # not `base`: it would keep itself alive

    def no_gradient(_: Array) -> Any:
        raise RuntimeError(
            f"backward: a tensor of shape {shape} was used after a view of it had been "
            "written in place; use the view, or clone() it before the write"
        )

    node.saved = ()  # to know its values is not needed; others that need them have their own check
    view._base = None
    base._node = record("overwritten", base._array, (base,), no_gradient)._node
    return True
