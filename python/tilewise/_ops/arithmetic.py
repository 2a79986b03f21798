"""Functions of two tensors with broadcasting: arithmetic and bits.

Either operand may be a Python number, which does not change the other's type within its kind
(float32 + 1.5 is float32, int64 + 1.5 is float32). Gradients of broadcast operands are summed over
the dimensions that broadcasting added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_choice, wrong_type
from tilewise._dtypes import FLOATING, bool_
from tilewise._ops import comparison
from tilewise._ops.common import OPERANDS, SCALARS, operand, reduced
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Operand, Scalar
    from tilewise.tensor import Tensor

    Binary = Callable[[Any, Any], Tensor]

_Array = _core.Array

# backward(dy, a, b, y, needs_a, needs_b) -> gradients before the broadcasting is undone
_Rule = Callable[["Array", Any, Any, "Array", bool, bool], "Sequence[Array | None]"]


def _record_binary(
    name: str, rule: _Rule, input: Any, other: Any, a: Any, b: Any, y: Array, saves: str
) -> Tensor:
    """Write a binary op on the tape, with edges for the operands that are tensors."""
    a_is_array, b_is_array = a.__class__ is _Array, b.__class__ is _Array
    needs_a = a_is_array and input._requires_grad
    needs_b = b_is_array and other._requires_grad
    if not b_is_array:
        tensors: tuple[Tensor, ...] = (input,)
    else:
        tensors = (input, other) if a_is_array else (other,)

    # The closure holds what the rule reads and no more: an operand may be a large activation.
    reads_a = a_is_array and ("x" in saves or ("a" in saves and needs_b))
    reads_b = b_is_array and ("x" in saves or ("b" in saves and needs_a))
    kept_a = a if reads_a or not a_is_array else None
    kept_b = b if reads_b or not b_is_array else None
    kept_y: Any = y if "y" in saves else None
    a_like = (a.shape, a.dtype) if needs_a else ((), None)
    b_like = (b.shape, b.dtype) if needs_b else ((), None)

    def backward(dy: Array) -> list[Array | None]:
        da, db = rule(dy, kept_a, kept_b, kept_y, needs_a, needs_b)
        gradients = []
        if a_is_array:
            gradients.append(reduced(da, *a_like) if needs_a and da is not None else None)
        if b_is_array:
            gradients.append(reduced(db, *b_like) if needs_b and db is not None else None)
        return gradients

    saved = [a] * reads_a + [b] * reads_b + [y] * ("y" in saves)
    return record(name, y, tensors, backward, tuple(saved), aliases=saves == "")


def _binary(name: str, forward: Callable[[Any, Any], Array], rule: _Rule, saves: str) -> Binary:
    def op(input: Any, other: Any) -> Tensor:
        # Tensors and plain numbers first: this path is every step of every small network.
        wanted = False
        if input.__class__ in SCALARS:
            a = input
            if other.__class__ in SCALARS:
                raise wrong_type(name, "input or other", "a Tensor", other)
        else:
            try:
                a = input._array
                wanted = input._requires_grad
            except AttributeError:
                a = operand(name, "input", input)
        if other.__class__ in SCALARS:
            b = other
        else:
            try:
                b = other._array
                wanted = wanted or other._requires_grad
            except AttributeError:
                b = operand(name, "other", other)
        y = forward(a, b)
        if wanted and grad_mode.enabled:
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
            da = _mul(dy, 0) if b == 0 else _mul(dy, _mul(_power(a, b - 1), b))
        else:  # 0 · x^(-1) at x = 0 is 0, not NaN
            zero = _core.Array.full((), 0, y.dtype)
            da = _where(_core.eq(b, 0), zero, _mul(dy, _mul(b, _core.pow(a, _core.sub(b, 1)))))
    if needs_b:
        base = _core.Array.full((), a, y.dtype) if a.__class__ in SCALARS else a
        zero = _core.Array.full((), 0, y.dtype)
        flat = _core.logical_and(_core.eq(base, 0), _core.ge(b, 0))
        db = _where(flat, zero, _mul(dy, _mul(y, _core.log(base))))
    return da, db


def _extreme_rule(wins: Callable[[Any, Any], Array], ignore_nan: bool = False) -> _Rule:
    """The gradient goes to the winner; equal operands share it."""

    def won(a: Any, b: Any) -> Array:
        if not ignore_nan or not hasattr(b, "dtype") or b.dtype not in FLOATING:
            return wins(a, b)
        return _core.logical_or(wins(a, b), _core.isnan(b))

    def rule(
        dy: Array, a: Any, b: Any, _y: Array, _needs_a: bool, _needs_b: bool
    ) -> tuple[Array, Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        tie = _where(_core.eq(a, b), _mul(dy, 0.5), zero)
        return _where(won(a, b), dy, tie), _where(won(b, a), dy, tie)

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


def _power(a: Any, b: Any) -> Array:
    """Powers that are one multiplication or root; the others by the general function."""
    if b.__class__ in SCALARS and hasattr(a, "dtype") and b in _POWERS and a.dtype in FLOATING:
        return _POWERS[b](a)
    return _core.pow(a, b)


_POWERS: dict[Any, Callable[[Array], Array]] = {
    2: _core.square,
    0.5: _core.sqrt,
    1: lambda a: a.copy(),
    -1: _core.reciprocal,
    -0.5: _core.rsqrt,
    3: lambda a: _mul(_core.square(a), a),
}
_pow = _binary("pow", _power, _pow_rule, "xy")
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


fmax = _binary("fmax", _core.fmax, _extreme_rule(_core.gt, ignore_nan=True), "x")
fmin = _binary("fmin", _core.fmin, _extreme_rule(_core.lt, ignore_nan=True), "x")
fmod = _binary(
    "fmod",
    _core.fmod,
    lambda dy, a, b, _y, na, nb: (
        dy if na else None,
        _neg(_mul(dy, _core.trunc_div(a, b))) if nb else None,
    ),
    "x",
)
_trunc_div = _binary("div", _core.trunc_div, _no_gradient, "")


def _atan2_rule(
    dy: Array, a: Any, b: Any, _y: Array, needs_a: bool, needs_b: bool
) -> tuple[Array | None, Array | None]:
    zero = _core.Array.full((), 0, dy.dtype)
    square = _core.add(_mul(a, a), _mul(b, b))
    scale = _where(_core.eq(square, 0), zero, _div(dy, square))
    return _mul(scale, b) if needs_a else None, _neg(_mul(scale, a)) if needs_b else None


def _copysign_rule(
    dy: Array, a: Any, _b: Any, y: Array, needs_a: bool, needs_b: bool
) -> tuple[Array | None, Array | None]:
    zero = _core.Array.full((), 0, dy.dtype)
    da = _mul(dy, _where(_core.eq(a, 0), zero, _div(y, a))) if needs_a else None
    return da, _mul(dy, 0) if needs_b else None


def _xlogy_rule(
    dy: Array, a: Any, b: Any, _y: Array, needs_a: bool, needs_b: bool
) -> tuple[Array | None, Array | None]:
    da = db = None
    if needs_a:
        zero = _core.Array.full((), 0, dy.dtype)
        nothing = _core.logical_and(_core.eq(a, 0), _core.le(b, 0))
        da = _mul(dy, _where(nothing, zero, _core.xlogy(_core.Array.full((), 1, dy.dtype), b)))
    if needs_b:
        db = _mul(dy, _div(a, b))
    return da, db


atan2 = _binary("atan2", _core.atan2, _atan2_rule, "x")
hypot = _binary(
    "hypot",
    _core.hypot,
    lambda dy, a, b, y, na, nb: (
        _mul(dy, _div(a, y)) if na else None,
        _mul(dy, _div(b, y)) if nb else None,
    ),
    "xy",
)
logaddexp = _binary(
    "logaddexp",
    _core.logaddexp,
    lambda dy, a, b, y, na, nb: (
        _mul(dy, _core.exp(_core.sub(a, y))) if na else None,
        _mul(dy, _core.exp(_core.sub(b, y))) if nb else None,
    ),
    "xy",
)
copysign = _binary("copysign", _core.copysign, _copysign_rule, "xy")
xlogy = _binary("xlogy", _core.xlogy, _xlogy_rule, "x")
_LN2 = math.log(2.0)


def _two_to(power: Any) -> Any:
    return _core.exp2(power) if power.__class__ is _Array else 2.0**power


_logaddexp2 = _binary(
    "logaddexp2",
    lambda a, b: _mul(_core.logaddexp(_mul(a, _LN2), _mul(b, _LN2)), 1.0 / _LN2),
    lambda dy, a, b, y, na, nb: (
        _mul(dy, _core.exp2(_core.sub(a, y))) if na else None,
        _mul(dy, _core.exp2(_core.sub(b, y))) if nb else None,
    ),
    "xy",
)
_ldexp = _binary(
    "ldexp",
    lambda a, b: _mul(a, _two_to(b)),
    lambda dy, _a, b, y, na, nb: (
        _mul(dy, _two_to(b)) if na else None,
        _mul(_mul(dy, y), _LN2) if nb else None,
    ),
    "xy",
)
bitwise_and = _binary("bitwise_and", _core.bitwise_and, _no_gradient, "")
bitwise_or = _binary("bitwise_or", _core.bitwise_or, _no_gradient, "")
bitwise_xor = _binary("bitwise_xor", _core.bitwise_xor, _no_gradient, "")
bitwise_left_shift = _binary("bitwise_left_shift", _core.bitwise_left_shift, _no_gradient, "")
bitwise_right_shift = _binary("bitwise_right_shift", _core.bitwise_right_shift, _no_gradient, "")


def bitwise_not(input: Tensor) -> Tensor:
    """Every bit turned; `not` for bools.

    Raises:
        TypeError: for floating-point tensors.

    Example:
        >>> tw.bitwise_not(tw.tensor([0, 5]))
        tensor([-1, -6])
    """
    x = array_of("bitwise_not", "input", input)
    if x.dtype in FLOATING:
        raise TypeError(f"bitwise_not: expected integers or bools, got {x.dtype.name}")
    return wrap(_core.logical_not(x) if x.dtype == bool_ else _core.bitwise_xor(x, -1))


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """`log2(2^input + 2^other)` without overflow.

    Example:
        >>> tw.logaddexp2(tw.tensor(3.0), tw.tensor(3.0))
        tensor(4.)
    """
    return _logaddexp2(input, other)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """`input · 2^other`.

    Example:
        >>> tw.ldexp(tw.tensor(3.0), tw.tensor(2))
        tensor(12.)
    """
    return _ldexp(input, other)


def float_power(input: Any, exponent: Any) -> Tensor:
    """`input` to the power of `exponent`, computed in float64.

    Example:
        >>> tw.float_power(tw.tensor([2]), 3).dtype.name
        'float64'
    """
    double = _core.DType.float64
    if not (hasattr(input, "_array") or hasattr(exponent, "_array")):
        raise wrong_type("float_power", "input or exponent", "a Tensor", input)
    base: Any = input.to(double) if hasattr(input, "_array") else input
    power: Any = exponent.to(double) if hasattr(exponent, "_array") else exponent
    if not hasattr(base, "_array"):
        base = wrap(_core.Array.full((), base, double))
    return _pow(base, power)


def rsub(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`other - alpha · input`.

    Example:
        >>> tw.rsub(tw.tensor([1.0, 2.0]), 10)
        tensor([9., 8.])
    """
    return sub(other, input, alpha=alpha)


def _scaled(other: Any, alpha: Any) -> Any:
    both = other.__class__ in SCALARS and alpha.__class__ in SCALARS
    return other * alpha if both else mul(other, alpha)


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
    return _add(input, other if alpha == 1 else _scaled(other, alpha))


def sub(input: Operand, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`input - alpha · other`, with broadcasting; see `add`.

    Example:
        >>> tw.sub(tw.tensor([3.0, 4.0]), 1, alpha=2)
        tensor([1., 2.])
    """
    return _sub(input, other if alpha == 1 else _scaled(other, alpha))


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """True division with broadcasting; integers give float32.

    Args:
        input: a tensor or a number.
        other: a tensor or a number.
        rounding_mode: None, "floor" for `//`, or "trunc" for rounding towards zero.

    Example:
        >>> tw.div(tw.tensor([7, 8]), 2)
        tensor([3.5000, 4.0000])
    """
    if rounding_mode is None:
        return _true_div(input, other)
    as_choice("div", "rounding_mode", rounding_mode, ("floor", "trunc"))
    return (floor_divide if rounding_mode == "floor" else _trunc_div)(input, other)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """`input` to the power of `exponent`, with broadcasting.

    Example:
        >>> tw.pow(tw.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
    """
    return _pow(input, exponent)


for _op, _text in (
    (mul, "`input · other`"),
    (maximum, "The larger of two elements; NaN wins, equal operands share the gradient"),
    (minimum, "The smaller of two elements; NaN wins, equal operands share the gradient"),
    (floor_divide, "`input // other`, rounded towards minus infinity"),
    (remainder, "`input % other`, of the sign of `other`"),
    (fmax, "The larger of two elements, or the one that is a number"),
    (fmin, "The smaller of two elements, or the one that is a number"),
    (fmod, "The remainder of a division rounded towards zero, of the sign of `input`"),
    (atan2, "The angle of the point (other, input), between -π and π"),
    (hypot, "`sqrt(input² + other²)` without overflow"),
    (logaddexp, "`log(exp(input) + exp(other))` without overflow"),
    (copysign, "`input` with the sign of `other`"),
    (xlogy, "`input · log(other)`, and 0 where `input` is 0"),
    (bitwise_and, "`input & other`, bit by bit, of integers and bools"),
    (bitwise_or, "`input | other`, bit by bit, of integers and bools"),
    (bitwise_xor, "`input ^ other`, bit by bit, of integers and bools"),
    (bitwise_left_shift, "`input << other` of integers"),
    (bitwise_right_shift, "`input >> other` of integers"),
):
    _op.__doc__ = (
        f"{_text}, with broadcasting.\n\nArgs:\n    input: a tensor or a number.\n"
        "    other: a tensor or a number.\n\n"
        "Raises:\n    ValueError: where the shapes do not broadcast.\n\n"
        f"Example:\n    >>> tw.{_op.__name__}(tw.tensor([5, 6]), tw.tensor([3, 3])).shape\n"
        "    (2,)\n"
    )


# ---------------------------------------------------------------- operators of Tensor


def _operator(op: Binary) -> Callable[[Tensor, Any], Tensor]:
    """An operator's method: NotImplemented for what is neither a tensor nor a number."""

    def method(self: Tensor, other: Any) -> Tensor:
        if other.__class__ in OPERANDS or _is_operand(other):
            return op(self, other)
        return NotImplemented  # type: ignore[no-any-return]

    return method


def _reflected(op: Binary) -> Callable[[Tensor, Any], Tensor]:
    def method(self: Tensor, other: Any) -> Tensor:
        if other.__class__ in OPERANDS or _is_operand(other):
            return op(other, self)
        return NotImplemented  # type: ignore[no-any-return]

    return method


def _is_operand(value: Any) -> bool:
    """Whether a value of a rarer class is one: a parameter, a number of NumPy."""
    is_numpy_number = getattr(value, "shape", None) == () and hasattr(value, "dtype")
    return hasattr(value, "_array") or is_numpy_number


operator_add, operator_radd = _operator(_add), _reflected(_add)
operator_sub, operator_rsub = _operator(_sub), _reflected(_sub)
operator_mul, operator_rmul = _operator(mul), _reflected(mul)
operator_truediv, operator_rtruediv = _operator(_true_div), _reflected(_true_div)
operator_floordiv, operator_rfloordiv = _operator(floor_divide), _reflected(floor_divide)
operator_mod, operator_rmod = _operator(remainder), _reflected(remainder)
operator_pow, operator_rpow = _operator(_pow), _reflected(_pow)
operator_and, operator_rand = _operator(bitwise_and), _reflected(bitwise_and)
operator_or, operator_ror = _operator(bitwise_or), _reflected(bitwise_or)
operator_xor, operator_rxor = _operator(bitwise_xor), _reflected(bitwise_xor)
operator_lshift = _operator(bitwise_left_shift)
operator_rshift = _operator(bitwise_right_shift)
operator_eq, operator_ne = _operator(comparison.eq), _operator(comparison.ne)
operator_lt, operator_le = _operator(comparison.lt), _operator(comparison.le)
operator_gt, operator_ge = _operator(comparison.gt), _operator(comparison.ge)
