"""Comparisons and logic: functions of two tensors to bool, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_float, wrong_type
from tilewise._ops.common import SCALARS, operand
from tilewise.autograd import wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Operand
    from tilewise.tensor import Tensor

    Binary = Callable[[Any, Any], Tensor]


def _comparison(name: str, forward: Callable[[Any, Any], Array], sign: str, example: str) -> Binary:
    """A function to bool; nothing flows back through it."""

    def op(input: Any, other: Any) -> Tensor:
        try:
            if other.__class__ in SCALARS:
                return wrap(forward(input._array, other))
            return wrap(forward(input._array, other._array))
        except AttributeError:
            pass
        a = input if input.__class__ in SCALARS else operand(name, "input", input)
        b = other if other.__class__ in SCALARS else operand(name, "other", other)
        if a.__class__ in SCALARS and b.__class__ in SCALARS:
            raise wrong_type(name, "input or other", "a Tensor", other)
        return wrap(forward(a, b))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"`input {sign} other`, element by element with broadcasting; a bool tensor.\n\n"
        f"Example:\n    >>> tw.{name}(tw.tensor([0, 1]), tw.tensor([1, 1]))\n    {example}\n"
    )
    return op


eq = _comparison("eq", _core.eq, "==", "tensor([False,  True])")
ne = _comparison("ne", _core.ne, "!=", "tensor([ True, False])")
lt = _comparison("lt", _core.lt, "<", "tensor([ True, False])")
le = _comparison("le", _core.le, "<=", "tensor([True, True])")
gt = _comparison("gt", _core.gt, ">", "tensor([False, False])")
ge = _comparison("ge", _core.ge, ">=", "tensor([False,  True])")
logical_and = _comparison("logical_and", _core.logical_and, "and", "tensor([False,  True])")
logical_or = _comparison("logical_or", _core.logical_or, "or", "tensor([True, True])")
logical_xor = _comparison("logical_xor", _core.logical_xor, "xor", "tensor([ True, False])")


def isclose(
    input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether `|input - other| <= atol + rtol · |other|`, element by element; a bool tensor.

    Args:
        input: a tensor.
        other: a tensor of the same dtype, or a number.
        rtol: relative tolerance, >= 0.
        atol: absolute tolerance, >= 0.
        equal_nan: whether NaN is close to NaN.

    Example:
        >>> tw.isclose(tw.tensor([1.0, 2.0]), tw.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    a: Any = array_of("isclose", "input", input)
    b: Any = operand("isclose", "other", other)
    if hasattr(b, "dtype") and a.dtype != b.dtype:
        raise TypeError(
            f"isclose: expected tensors of one dtype, got {a.dtype.name} and {b.dtype.name}"
        )
    rtol, atol = as_float("isclose", "rtol", rtol, 0.0), as_float("isclose", "atol", atol, 0.0)
    return wrap(_core.isclose(a, b, rtol, atol, as_bool("isclose", "equal_nan", equal_nan)))


def allclose(
    input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`.

    Example:
        >>> tw.allclose(tw.ones(2), tw.ones(2) + 1e-9)
        True
    """
    return bool(_core.all(isclose(input, other, rtol, atol, equal_nan)._array).item())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements.

    Example:
        >>> tw.equal(tw.ones(2), tw.ones(3))
        False
    """
    a, b = operand("equal", "input", input), operand("equal", "other", other)
    return a.shape == b.shape and bool(_core.all(_core.eq(a, b)).item())
