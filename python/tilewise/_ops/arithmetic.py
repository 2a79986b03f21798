"""Functions of two tensors with broadcasting: arithmetic, comparison, logic.

Either operand may be a Python number, which does not change the other's type within its kind
(float32 + 1.5 is float32, int64 + 1.5 is float32). Gradients of broadcast operands are summed over
the dimensions that broadcasting added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_choice, as_float, wrong_type
from tilewise._dtypes import bool_
from tilewise._ops.common import SCALARS, operand, unbroadcast
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Operand, Scalar
    from tilewise.tensor import Tensor

    Binary = Callable[[Any, Any], Tensor]

# backward(dy, a, b, y, needs_a, needs_b) -> gradients before the broadcasting is undone
_Rule = Callable[["Array", Any, Any, "Array", bool, bool], "Sequence[Array | None]"]


def _record_binary(
    name: str, rule: _Rule, input: Any, other: Any, a: Any, b: Any, y: Array, saves: str
) -> Tensor:
    """Write a binary op on the tape, with edges for the operands that are tensors."""
    tensors = tuple(t for t in (input, other) if t.__class__ not in SCALARS and hasattr(t, "_node"))
    a_is_array, b_is_array = hasattr(a, "dtype"), hasattr(b, "dtype")
    needs_a = a_is_array and input._requires_grad
    needs_b = b_is_array and other._requires_grad

    def backward(dy: Array) -> list[Array | None]:
        da, db = rule(dy, a, b, y, needs_a, needs_b)
        gradients = []
        if a_is_array:
            gradients.append(None if da is None or not needs_a else unbroadcast(da, a))
        if b_is_array:
            gradients.append(None if db is None or not needs_b else unbroadcast(db, b))
        return gradients

    saved: list[Array] = []
    if "a" in saves and a_is_array and needs_b:
        saved.append(a)
    if "b" in saves and b_is_array and needs_a:
        saved.append(b)
    if "x" in saves:
        saved += [x for x, is_array in ((a, a_is_array), (b, b_is_array)) if is_array]
    if "y" in saves:
        saved.append(y)
    return record(name, y, tensors, backward, tuple(saved), aliases=saves == "")


def _binary(name: str, forward: Callable[[Any, Any], Array], rule: _Rule, saves: str) -> Binary:
    def op(input: Any, other: Any) -> Tensor:
        # Tensors and plain numbers first: this path is every step of every small network.
        if input.__class__ in SCALARS:
            a = input
            if other.__class__ in SCALARS:
                raise wrong_type(name, "input or other", "a Tensor", other)
        else:
            try:
                a = input._array
            except AttributeError:
                a = operand(name, "input", input)
        if other.__class__ in SCALARS:
            b = other
        else:
            try:
                b = other._array
            except AttributeError:
                b = operand(name, "other", other)
        y = forward(a, b)
        if grad_mode.enabled and (
            getattr(input, "_requires_grad", False) or getattr(other, "_requires_grad", False)
        ):
            return _record_binary(name, rule, input, other, a, b, y, saves)
        return wrap(y)

    op.__name__ = op.__qualname__ = name
    return op


_mul, _div, _neg, _where = _core.mul, _core.div, _core.neg, _core.where


def _pow_rule(
    dy: Array, a: Any, b: Any, y: Array, needs_a: bool, needs_b: bool
) -> tuple[Array | None, Array | None]:
    da = db = None
    if needs_a:
        if not hasattr(b, "dtype"):
            da = _mul(dy, 0) if b == 0 else _mul(dy, _mul(_core.pow(a, b - 1), b))
        else:  # 0 · x^(-1) at x = 0 is 0, not NaN
            zero = _core.Array.full((), 0, y.dtype)
            da = _where(_core.eq(b, 0), zero, _mul(dy, _mul(b, _core.pow(a, _core.sub(b, 1)))))
    if needs_b:
        base = _core.Array.full((), a, y.dtype) if a.__class__ in SCALARS else a
        zero = _core.Array.full((), 0, y.dtype)
        flat = _core.logical_and(_core.eq(base, 0), _core.ge(b, 0))
        db = _where(flat, zero, _mul(dy, _mul(y, _core.log(base))))
    return da, db


def _extreme_rule(wins: Callable[[Any, Any], Array]) -> _Rule:
    """The gradient goes to the winner; equal operands share it."""

    def rule(
        dy: Array, a: Any, b: Any, _y: Array, _needs_a: bool, _needs_b: bool
    ) -> tuple[Array, Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        tie = _where(_core.eq(a, b), _mul(dy, 0.5), zero)
        return _where(wins(a, b), dy, tie), _where(wins(b, a), dy, tie)

    return rule


_add = _binary("add", _core.add, lambda dy, _a, _b, _y, _na, _nb: (dy, dy), "")
_sub = _binary(
    "sub",
    _core.sub,
    lambda dy, _a, _b, _y, _na, nb: (dy, _neg(dy) if nb else None),
    "",
)
mul = _binary(
    "mul",
    _core.mul,
    lambda dy, a, b, _y, na, nb: (_mul(dy, b) if na else None, _mul(dy, a) if nb else None),
    "ab",
)
_true_div = _binary(
    "div",
    _core.div,
    lambda dy, _a, b, y, na, nb: (
        _div(dy, b) if na else None,
        _neg(_div(_mul(dy, y), b)) if nb else None,
    ),
    "xy",
)
_pow = _binary("pow", _core.pow, _pow_rule, "xy")
maximum = _binary("maximum", _core.maximum, _extreme_rule(_core.gt), "x")
minimum = _binary("minimum", _core.minimum, _extreme_rule(_core.lt), "x")


def _no_gradient(
    dy: Array, _a: Any, _b: Any, _y: Array, needs_a: bool, needs_b: bool
) -> tuple[Array | None, Array | None]:
    zero = _mul(dy, 0)
    return zero if needs_a else None, _mul(dy, 0) if needs_b else None


floor_divide = _binary("floor_divide", _core.floor_div, _no_gradient, "")
remainder = _binary(
    "remainder",
    _core.remainder,
    lambda dy, a, b, _y, na, nb: (
        dy if na else None,
        _neg(_mul(dy, _core.floor_div(a, b))) if nb else None,
    ),
    "x",
)


def add(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`input + alpha · other`, with broadcasting.

    Args:
        input: a tensor or a number.
        other: a tensor or a number.
        alpha: factor of `other`.

    Raises:
        ValueError: where the shapes do not broadcast.

    Example:
        >>> tw.add(tw.ones(2), tw.ones(2), alpha=3)
        tensor([4., 4.])
    """
    return _add(input, other) if alpha == 1 else _add(input, mul(other, alpha))


def sub(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`input - alpha · other`, with broadcasting; see `add`."""
    return _sub(input, other) if alpha == 1 else _sub(input, mul(other, alpha))


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """True division with broadcasting; integers give float32.

    Args:
        input: a tensor or a number.
        other: a tensor or a number.
        rounding_mode: None, or "floor" for `//`.

    Example:
        >>> tw.div(tw.tensor([7, 8]), 2)
        tensor([3.5000, 4.0000])
    """
    if rounding_mode is None:
        return _true_div(input, other)
    as_choice("div", "rounding_mode", rounding_mode, ("floor",))
    return floor_divide(input, other)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """`input` to the power of `exponent`, with broadcasting.

    Example:
        >>> tw.pow(tw.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
    """
    return _pow(input, exponent)


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """`input + weight · (end - input)`: the running averages of optimizers and of weights.

    Example:
        >>> tw.lerp(tw.zeros(2), tw.ones(2), 0.25)
        tensor([0.2500, 0.2500])
    """
    return _add(input, mul(weight, _sub(end, input)))


def _comparison(name: str, forward: Callable[[Any, Any], Array], sign: str) -> Binary:
    """A function to bool; nothing flows back through it."""

    def op(input: Any, other: Any) -> Tensor:
        a = input if input.__class__ in SCALARS else operand(name, "input", input)
        b = other if other.__class__ in SCALARS else operand(name, "other", other)
        if a.__class__ in SCALARS and b.__class__ in SCALARS:
            raise wrong_type(name, "input or other", "a Tensor", other)
        return wrap(forward(a, b))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"`input {sign} other`, element by element with broadcasting; a bool tensor."
    return op


eq = _comparison("eq", _core.eq, "==")
ne = _comparison("ne", _core.ne, "!=")
lt = _comparison("lt", _core.lt, "<")
le = _comparison("le", _core.le, "<=")
gt = _comparison("gt", _core.gt, ">")
ge = _comparison("ge", _core.ge, ">=")
logical_and = _comparison("logical_and", _core.logical_and, "and")
logical_or = _comparison("logical_or", _core.logical_or, "or")
logical_xor = _comparison("logical_xor", _core.logical_xor, "xor")

for _op, _text in (
    (mul, "`input · other`"),
    (maximum, "The larger of two elements; NaN wins, equal operands share the gradient"),
    (minimum, "The smaller of two elements; NaN wins, equal operands share the gradient"),
    (floor_divide, "`input // other`, rounded towards minus infinity"),
    (remainder, "`input % other`, of the sign of `other`"),
):
    _op.__doc__ = (
        f"{_text}, with broadcasting.\n\nArgs:\n    input: a tensor or a number.\n"
        "    other: a tensor or a number.\n\n"
        "Raises:\n    ValueError: where the shapes do not broadcast.\n"
    )


def isclose(input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    """Whether `|input - other| <= atol + rtol · |other|`, element by element; a bool tensor."""
    a: Any = operand("isclose", "input", input)
    b: Any = operand("isclose", "other", other)
    rtol, atol = as_float("isclose", "rtol", rtol, 0.0), as_float("isclose", "atol", atol, 0.0)
    size: Any = _core.abs(b) if hasattr(b, "dtype") else math.fabs(b)
    limit = _core.add(_mul(size, rtol), atol) if hasattr(size, "dtype") else size * rtol + atol
    distance = _core.abs(_core.sub(a, b))
    near = _core.logical_and(_core.le(distance, limit), _core.isfinite(distance))
    return wrap(_core.logical_or(near, _core.eq(a, b)))


def allclose(input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(isclose(input, other, rtol, atol)._array.numpy().all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    a, b = operand("equal", "input", input), operand("equal", "other", other)
    return a.shape == b.shape and bool(_core.eq(a, b).numpy().all())


# ---------------------------------------------------------------- operators of Tensor


def _operator(op: Binary) -> Callable[[Tensor, Any], Tensor]:
    """An operator's method: NotImplemented for what is neither a tensor nor a number."""

    def method(self: Tensor, other: Any) -> Tensor:
        if other.__class__ in SCALARS or hasattr(other, "_array") or _is_numpy_number(other):
            return op(self, other)
        return NotImplemented  # type: ignore[no-any-return]

    return method


def _reflected(op: Binary) -> Callable[[Tensor, Any], Tensor]:
    def method(self: Tensor, other: Any) -> Tensor:
        if other.__class__ in SCALARS or _is_numpy_number(other):
            return op(other, self)
        return NotImplemented  # type: ignore[no-any-return]

    return method


def _is_numpy_number(value: Any) -> bool:
    return getattr(value, "shape", None) == () and hasattr(value, "dtype")


def _of_bools(op: Binary) -> Callable[[Tensor, Any], Tensor]:
    """`&`, `|` and `^`, which are those of logic: for masks."""
    operator = _operator(op)

    def method(self: Tensor, other: Any) -> Tensor:
        for side in (self, other):
            array = getattr(side, "_array", None)
            if array is not None and array.dtype != bool_:
                raise TypeError(f"{op.__name__}: expected bool tensors, got {array.dtype.name}")
        return operator(self, other)

    return method


operator_add, operator_radd = _operator(_add), _reflected(_add)
operator_sub, operator_rsub = _operator(_sub), _reflected(_sub)
operator_mul, operator_rmul = _operator(mul), _reflected(mul)
operator_truediv, operator_rtruediv = _operator(_true_div), _reflected(_true_div)
operator_floordiv, operator_rfloordiv = _operator(floor_divide), _reflected(floor_divide)
operator_mod, operator_rmod = _operator(remainder), _reflected(remainder)
operator_pow, operator_rpow = _operator(_pow), _reflected(_pow)
operator_eq, operator_ne = _operator(eq), _operator(ne)
operator_lt, operator_le = _operator(lt), _operator(le)
operator_gt, operator_ge = _operator(gt), _operator(ge)
operator_and, operator_or = _of_bools(logical_and), _of_bools(logical_or)
operator_xor = _of_bools(logical_xor)
