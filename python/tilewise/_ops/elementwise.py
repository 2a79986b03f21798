"""Functions of one tensor, element by element.

Each differentiable one is a row: name, forward, backward, and what backward reads (the input "x",
the output "y", or nothing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, wrong_type
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
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
