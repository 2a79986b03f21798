"""Functions of one tensor, element by element.

Each differentiable one is a row: name, forward, backward, and what backward reads (the input "x",
the output "y", or nothing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_float, wrong_type
from tilewise._ops.common import as_array, operand, unbroadcast
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
    from tilewise.tensor import Tensor

    Unary = Callable[[Tensor], Tensor]


def _differentiable(
    name: str,
    forward: Callable[[Array], Array],
    backward: Callable[[Array, Array], Array],
    saves: str,
    formula: str,
    aliases: bool = False,
) -> Unary:
    """The function of one row."""
    keeps_input = saves == "x"

    def op(input: Tensor) -> Tensor:
        try:
            x = input._array
        except AttributeError:
            raise wrong_type(name, "input", "a Tensor", input) from None
        y = forward(x)
        if not (input._requires_grad and grad_mode.enabled):
            return wrap(y)
        kept = x if keeps_input else y
        saved = (kept,) if saves else ()
        return record(name, y, (input,), lambda dy: (backward(dy, kept),), saved, aliases)

    return _documented(op, name, formula)


def _plain(name: str, forward: Callable[[Array], Array], formula: str) -> Unary:
    """A function without a gradient."""

    def op(input: Tensor) -> Tensor:
        return wrap(forward(array_of(name, "input", input)))

    return _documented(op, name, formula)


def _documented(op: Any, name: str, formula: str) -> Unary:
    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"{formula}, element by element.\n\n"
        "Args:\n    input: a tensor of any shape.\n\n"
        "Returns:\n    A tensor of the same shape.\n\n"
        "Raises:\n    TypeError: where `input` is no tensor.\n\n"
        f"Example:\n    >>> tw.{name}(tw.tensor([0.5, 1.0, 2.0]))\n"
    )
    return op  # type: ignore[no-any-return]


_mul, _div, _sub, _add = _core.mul, _core.div, _core.sub, _core.add


def _zeros(dy: Array, _: Array) -> Array:
    return _core.Array.full(dy.shape, 0, dy.dtype)


def _relu_backward(dy: Array, y: Array) -> Array:
    return _core.relu_backward(dy, y)


neg = _differentiable("neg", _core.neg, lambda dy, _: _core.neg(dy), "", "-x")
abs = _differentiable("abs", _core.abs, lambda dy, x: _mul(dy, _core.sign(x)), "x", "|x|")
exp = _differentiable("exp", _core.exp, _mul, "y", "eˣ")
log = _differentiable("log", _core.log, _div, "x", "Natural logarithm of x")
log1p = _differentiable("log1p", _core.log1p, lambda dy, x: _div(dy, _add(x, 1)), "x", "log(1 + x)")
sqrt = _differentiable("sqrt", _core.sqrt, lambda dy, y: _div(dy, _mul(y, 2)), "y", "√x")
rsqrt = _differentiable(
    "rsqrt", _core.rsqrt, lambda dy, y: _mul(dy, _mul(_mul(_core.square(y), y), -0.5)), "y", "1/√x"
)
reciprocal = _differentiable(
    "reciprocal", _core.reciprocal, lambda dy, y: _mul(dy, _core.neg(_core.square(y))), "y", "1/x"
)
square = _differentiable("square", _core.square, lambda dy, x: _mul(dy, _mul(x, 2)), "x", "x²")
sin = _differentiable("sin", _core.sin, lambda dy, x: _mul(dy, _core.cos(x)), "x", "sin x")
cos = _differentiable(
    "cos", _core.cos, lambda dy, x: _mul(dy, _core.neg(_core.sin(x))), "x", "cos x"
)
tanh = _differentiable(
    "tanh", _core.tanh, lambda dy, y: _mul(dy, _sub(1, _core.square(y))), "y", "tanh x"
)
sigmoid = _differentiable(
    "sigmoid", _core.sigmoid, lambda dy, y: _mul(dy, _mul(y, _sub(1, y))), "y", "1 / (1 + e⁻ˣ)"
)
relu = _differentiable(
    "relu", _core.relu, _relu_backward, "y", "max(x, 0), with NaN kept and a gradient of 0 at 0"
)
sign = _differentiable("sign", _core.sign, _zeros, "", "-1, 0 or 1: the sign of x")
floor = _differentiable("floor", _core.floor, _zeros, "", "Largest integer not above x")
ceil = _differentiable("ceil", _core.ceil, _zeros, "", "Smallest integer not below x")
round = _differentiable("round", _core.round, _zeros, "", "Nearest integer, halves to even")

isnan = _plain("isnan", _core.isnan, "Whether x is NaN")
isinf = _plain("isinf", _core.isinf, "Whether x is infinite")
isfinite = _plain("isfinite", _core.isfinite, "Whether x is neither NaN nor infinite")
logical_not = _plain("logical_not", _core.logical_not, "Whether x is zero")


def clamp(
    input: Tensor, min: Scalar | Tensor | None = None, max: Scalar | Tensor | None = None
) -> Tensor:
    """Limit every element to [min, max].

    The gradient passes where the element lies within the limits, the limits included.

    Args:
        input: a tensor of any shape.
        min: lower limit, a number or a tensor that broadcasts; None for no limit.
        max: upper limit.

    Raises:
        ValueError: where both limits are None.

    Example:
        >>> tw.tensor([-1.0, 0.5, 2.0]).clamp(0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    from tilewise._ops.arithmetic import maximum, minimum

    x = array_of("clamp", "input", input)
    if min is None and max is None:
        raise ValueError("clamp: expected min or max, got None for both")
    if hasattr(min, "_array") or hasattr(max, "_array"):
        low = input if min is None else maximum(input, min)
        return low if max is None else minimum(low, max)
    low_value = None if min is None else as_float("clamp", "min", min)
    high_value = None if max is None else as_float("clamp", "max", max)
    y = _core.clamp(x, low_value, high_value)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        inside = _core.Array.full(x.shape, True, _core.DType.bool_)
        if low_value is not None:
            inside = _core.ge(x, low_value)
        if high_value is not None:
            inside = _core.logical_and(inside, _core.le(x, high_value))
        return (_core.where(inside, dy, _zeros(dy, x)),)

    return record("clamp", y, (input,), backward, (x,))


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """`input` where `condition` is true, `other` elsewhere; all three broadcast.

    Args:
        condition: a bool tensor.
        input: a tensor or a number.
        other: a tensor or a number.

    Raises:
        TypeError: where `condition` is not bool.

    Example:
        >>> x = tw.tensor([-1.0, 2.0])
        >>> tw.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    c = array_of("where", "condition", condition)
    if c.dtype != _core.DType.bool_:
        raise TypeError(f"where: expected condition of dtype bool, got {c.dtype.name}")
    a, b = operand("where", "input", input), operand("where", "other", other)
    a, b = _as_pair(a, b)
    y = _core.where(c, a, b)
    inputs = tuple(t for t in (input, other) if hasattr(t, "_array"))
    if not (grad_mode.enabled and any(t._requires_grad for t in inputs)):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        sent = [_core.where(c, dy, zero), _core.where(c, zero, dy)]
        return [
            unbroadcast(gradient, x)
            for gradient, x, given in zip(sent, (a, b), (input, other), strict=True)
            if hasattr(given, "_array")
        ]

    return record("where", y, inputs, backward, (c,))


def _as_pair(a: Any, b: Any) -> tuple[Array, Array]:
    """Both as arrays; a number takes the dtype of the other operand, as far as that can hold it."""
    if hasattr(a, "dtype"):
        return a, _number_like(b, a)
    if hasattr(b, "dtype"):
        return _number_like(a, b), b
    both_int = isinstance(a, int) and isinstance(b, int)
    dtype = _core.DType.int64 if both_int else _core.DType.float32
    return _core.Array.full((), a, dtype), _core.Array.full((), b, dtype)


def _number_like(value: Any, like: Array) -> Array:
    floating = like.dtype in (_core.DType.float32, _core.DType.float64)
    if isinstance(value, float) and not floating:
        return _core.Array.full((), value, _core.DType.float32)
    return as_array(value, like)
