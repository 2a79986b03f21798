"""Functions of one tensor, element by element.

Each differentiable one is a row of the core (csrc/base/unary_op.h): its native forms are `_core.f`,
`_core.f_` and `_core.f_backward`, which reads the input, the output, or nothing but the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_bool, wrong_type
from tilewise._dtypes import FLOATING
from tilewise._ops.common import check_inplace
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    Unary = Callable[[Tensor], Tensor]


class Function:
    """The native forms of a row, recorded on the tape; further arguments are its parameters.

    Args:
        name: of the function, for messages.
        row: of the core, where that has another name.
    """

    __slots__ = ("backward", "forward", "in_place", "name", "reads", "row")

    def __init__(self, name: str, row: str | None = None) -> None:
        self.name = name
        self.row = row = row or name
        self.forward: Callable[..., Array] = getattr(_core, row)
        self.in_place: Callable[..., None] = getattr(_core, row + "_")
        self.backward: Callable[..., Array] = getattr(_core, row + "_backward")
        self.reads = _core.unary_reads(row)

    def __call__(self, input: Tensor, *parameters: float) -> Tensor:
        """The function of a tensor."""
        try:
            x = input._array
        except AttributeError:
            raise wrong_type(self.name, "input", "a Tensor", input) from None
        try:
            y = self.forward(x, *parameters)
        except TypeError:
            self._check_dtype(x)
            raise
        if not (input._requires_grad and grad_mode.enabled):
            return wrap(y)
        return self.recorded(input, y, x if self.reads == "input" else y, parameters)

    def _check_dtype(self, x: Array) -> None:
        """The core's message names the row; this one the function."""
        if self.name != self.row and x.dtype not in FLOATING:
            raise TypeError(
                f"{self.name}: expected input of dtype float32 or float64, got {x.dtype.name}"
            ) from None

    def recorded(
        self, input: Tensor, y: Array, kept: Array, parameters: tuple[float, ...] = ()
    ) -> Tensor:
        """The result `y` with its history."""
        backward = self.backward
        if self.reads:
            return record(
                self.name, y, (input,), lambda dy: (backward(dy, kept, *parameters),), (kept,)
            )
        return record(self.name, y, (input,), lambda dy: (backward(dy, dy, *parameters),))

    def write(self, input: Tensor, *parameters: float) -> Tensor:
        """The function in place; returns the tensor."""
        x = array_of(self.name + "_", "input", input)
        if not check_inplace(self.name + "_", input):
            self.in_place(x, *parameters)
            return input
        kept = x.copy() if self.reads == "input" else x
        self.in_place(x, *parameters)
        result = self.recorded(input, x, kept, parameters)
        input._node, input._requires_grad = result._node, True
        return input

    def apply(self, input: Tensor, parameters: tuple[float, ...], inplace: bool) -> Tensor:
        """The function, in place where asked."""
        if inplace is False or not as_bool(self.name, "inplace", inplace):
            return self(input, *parameters)
        return self.write(input, *parameters)


def _unary(name: str, formula: str, argument: str, result: str) -> Unary:
    """The function of a row without parameters."""
    function = Function(name)
    forward, keeps_input = function.forward, function.reads == "input"

    def op(input: Tensor) -> Tensor:
        # What function(input) does, without the way to it.
        try:
            x = input._array
        except AttributeError:
            raise wrong_type(name, "input", "a Tensor", input) from None
        y = forward(x)
        if input._requires_grad and grad_mode.enabled:
            return function.recorded(input, y, x if keeps_input else y)
        return wrap(y)

    return _documented(op, name, formula, argument, result)


def _in_place(function: Unary) -> Unary:
    """The in-place form of such a function."""
    name = function.__name__
    row = Function(name)

    def op(input: Tensor) -> Tensor:
        return row.write(input)

    op.__name__ = op.__qualname__ = name + "_"
    op.__doc__ = f"`{name}` in place; returns the tensor."
    text = function.__doc__
    assert text is not None
    op.__doc__ += (
        text[text.index("\n\nExample") :]
        .replace(f"tw.{name}(", "")
        .replace(")\n", f".{name}_()\n", 1)
    )
    return op


def _plain(
    name: str, forward: Callable[[Array], Array], formula: str, argument: str, result: str
) -> Unary:
    """A function without a gradient."""

    def op(input: Tensor) -> Tensor:
        return wrap(forward(array_of(name, "input", input)))

    return _documented(op, name, formula, argument, result)


def _documented(op: Any, name: str, formula: str, argument: str, result: str) -> Unary:
    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"{formula}, element by element.\n\n"
        "Args:\n    input: a tensor of any shape.\n\n"
        "Returns:\n    A tensor of the same shape.\n\n"
        "Raises:\n    TypeError: where `input` is no tensor, or of a type that has no such "
        "function.\n\n"
        f"Example:\n    >>> tw.{name}(tw.tensor([{argument}]))\n    tensor([{result}])\n"
    )
    return op  # type: ignore[no-any-return]


neg = _unary("neg", "-x", "-1.5, 0.0, 2.5", " 1.5000, -0.0000, -2.5000")
abs = _unary("abs", "|x|", "-1.5, 0.0, 2.5", "1.5000, 0.0000, 2.5000")
sign = _unary("sign", "-1, 0 or 1: the sign of x", "-1.5, 0.0, 2.5", "-1.,  0.,  1.")
square = _unary("square", "x²", "0.5, 1.0, 2.0", "0.2500, 1.0000, 4.0000")
floor = _unary("floor", "Largest integer not above x", "-1.5, 0.0, 2.5", "-2.,  0.,  2.")
ceil = _unary("ceil", "Smallest integer not below x", "-1.5, 0.0, 2.5", "-1.,  0.,  3.")
round = _unary("round", "Nearest integer, halves to even", "-1.5, 0.0, 2.5", "-2.,  0.,  2.")
trunc = _unary("trunc", "x without its fractional part", "-1.5, 0.0, 2.5", "-1.,  0.,  2.")
frac = _unary(
    "frac", "The fractional part of x, with its sign", "-1.5, 0.0, 2.5", "-0.5000,  0.0000,  0.5000"
)
relu = _unary(
    "relu",
    "max(x, 0), with NaN kept and a gradient of 0 at 0",
    "-1.5, 0.0, 2.5",
    "0.0000, 0.0000, 2.5000",
)
exp = _unary("exp", "eˣ", "0.5, 1.0, 2.0", "1.6487, 2.7183, 7.3891")
exp2 = _unary("exp2", "2ˣ", "0.5, 1.0, 2.0", "1.4142, 2.0000, 4.0000")
expm1 = _unary("expm1", "eˣ - 1, exact near 0", "0.5, 1.0, 2.0", "0.6487, 1.7183, 6.3891")
log = _unary("log", "Natural logarithm of x", "0.5, 1.0, 2.0", "-0.6931,  0.0000,  0.6931")
log2 = _unary("log2", "Logarithm of x to base 2", "0.5, 1.0, 2.0", "-1.,  0.,  1.")
log10 = _unary("log10", "Logarithm of x to base 10", "0.5, 1.0, 2.0", "-0.3010,  0.0000,  0.3010")
log1p = _unary("log1p", "log(1 + x), exact near 0", "0.5, 1.0, 2.0", "0.4055, 0.6931, 1.0986")
sqrt = _unary("sqrt", "√x", "0.5, 1.0, 2.0", "0.7071, 1.0000, 1.4142")
rsqrt = _unary("rsqrt", "1/√x", "0.5, 1.0, 2.0", "1.4142, 1.0000, 0.7071")
reciprocal = _unary("reciprocal", "1/x", "0.5, 1.0, 2.0", "2.0000, 1.0000, 0.5000")
sin = _unary("sin", "sin x", "0.5, 1.0, 2.0", "0.4794, 0.8415, 0.9093")
cos = _unary("cos", "cos x", "0.5, 1.0, 2.0", " 0.8776,  0.5403, -0.4161")
tan = _unary("tan", "tan x", "0.5, 1.0, 2.0", " 0.5463,  1.5574, -2.1850")
asin = _unary("asin", "Inverse sine of x", "-0.5, 0.0, 0.5", "-0.5236,  0.0000,  0.5236")
acos = _unary("acos", "Inverse cosine of x", "-0.5, 0.0, 0.5", "2.0944, 1.5708, 1.0472")
atan = _unary("atan", "Inverse tangent of x", "-1.5, 0.0, 2.5", "-0.9828,  0.0000,  1.1903")
sinh = _unary("sinh", "(eˣ - e⁻ˣ) / 2", "-1.5, 0.0, 2.5", "-2.1293,  0.0000,  6.0502")
cosh = _unary("cosh", "(eˣ + e⁻ˣ) / 2", "0.5, 1.0, 2.0", "1.1276, 1.5431, 3.7622")
tanh = _unary("tanh", "tanh x", "-1.5, 0.0, 2.5", "-0.9051,  0.0000,  0.9866")
asinh = _unary(
    "asinh", "Inverse hyperbolic sine of x", "-1.5, 0.0, 2.5", "-1.1948,  0.0000,  1.6472"
)
acosh = _unary("acosh", "Inverse hyperbolic cosine of x", "1.0, 1.5, 2.0", "0.0000, 0.9624, 1.3170")
atanh = _unary(
    "atanh", "Inverse hyperbolic tangent of x", "-0.5, 0.0, 0.5", "-0.5493,  0.0000,  0.5493"
)
erf = _unary(
    "erf",
    "Error function: 2/√π times the integral of exp(-t²) from 0 to x",
    "0.5, 1.0, 2.0",
    "0.5205, 0.8427, 0.9953",
)
erfc = _unary("erfc", "1 - erf(x), exact for large x", "0.5, 1.0, 2.0", "0.4795, 0.1573, 0.0047")
erfinv = _unary(
    "erfinv", "Inverse of the error function", "-0.5, 0.0, 0.5", "-0.4769,  0.0000,  0.4769"
)
sigmoid = _unary("sigmoid", "1 / (1 + e⁻ˣ)", "0.5, 1.0, 2.0", "0.6225, 0.7311, 0.8808")

# PyTorch's longer names of the same functions.
negative, absolute, fix = neg, abs, trunc
arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh

isnan = _plain(
    "isnan",
    _core.isnan,
    "Whether x is NaN",
    "0.0, float('inf'), float('nan')",
    "False, False,  True",
)
isinf = _plain(
    "isinf",
    _core.isinf,
    "Whether x is infinite",
    "0.0, float('inf'), float('nan')",
    "False,  True, False",
)
isfinite = _plain(
    "isfinite",
    _core.isfinite,
    "Whether x is neither NaN nor infinite",
    "0.0, float('inf'), float('nan')",
    " True, False, False",
)
logical_not = _plain(
    "logical_not",
    _core.logical_not,
    "Whether x is zero",
    "0.0, float('inf'), float('nan')",
    " True, False, False",
)


# ---------------------------------------------------------------- in place, for Tensor

neg_ = _in_place(neg)
abs_ = _in_place(abs)
sign_ = _in_place(sign)
square_ = _in_place(square)
floor_ = _in_place(floor)
ceil_ = _in_place(ceil)
round_ = _in_place(round)
trunc_ = _in_place(trunc)
frac_ = _in_place(frac)
relu_ = _in_place(relu)
exp_ = _in_place(exp)
exp2_ = _in_place(exp2)
expm1_ = _in_place(expm1)
log_ = _in_place(log)
log2_ = _in_place(log2)
log10_ = _in_place(log10)
log1p_ = _in_place(log1p)
sqrt_ = _in_place(sqrt)
rsqrt_ = _in_place(rsqrt)
reciprocal_ = _in_place(reciprocal)
sin_ = _in_place(sin)
cos_ = _in_place(cos)
tan_ = _in_place(tan)
asin_ = _in_place(asin)
acos_ = _in_place(acos)
atan_ = _in_place(atan)
sinh_ = _in_place(sinh)
cosh_ = _in_place(cosh)
tanh_ = _in_place(tanh)
asinh_ = _in_place(asinh)
acosh_ = _in_place(acosh)
atanh_ = _in_place(atanh)
erf_ = _in_place(erf)
erfc_ = _in_place(erfc)
erfinv_ = _in_place(erfinv)
sigmoid_ = _in_place(sigmoid)
