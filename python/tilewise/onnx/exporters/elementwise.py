"""Arithmetic, comparisons and functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewise._dtypes import as_dtype, to_numpy

from .builder import Call, Multiple, Unsupported

# Functions of one number whose operator does the same.
_UNARY = {
    "abs": "Abs", "neg": "Neg", "sign": "Sign", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "round": "Round", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf",
    "isnan": "IsNaN", "isinf": "IsInf", "logical_not": "Not",
}  # fmt: skip
_EXACT_ON_INTEGERS = {"abs", "neg", "sign"}  # the others compute in the dtype of their result
_ALIASES = {
    "absolute": "abs", "negative": "neg", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctanh": "atanh", "fix": "trunc", "multiply": "mul",
    "divide": "div", "true_divide": "div", "subtract": "sub", "clip": "clamp", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
}  # fmt: skip
_ARITHMETIC = {"mul": "Mul", "maximum": "Max", "minimum": "Min"}
_COMPARISONS = {
    "eq": ("Equal", False), "ne": ("Equal", True), "lt": ("Less", False), "gt": ("Greater", False),
    "le": ("LessOrEqual", False), "ge": ("GreaterOrEqual", False),
}  # fmt: skip
_LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def operands(call: Call) -> tuple[Any, Any]:
    """The two operands, whatever the signature calls them."""
    values = [v for k, v in call.arguments.items() if k not in {"alpha", "rounding_mode", "out"}]
    if len(values) < 2:
        raise Unsupported(f"expected two operands, got {len(values)}")
    return values[0], values[1]


def _common(first: Any, second: Any) -> np.dtype[Any]:
    """The dtype that two operands meet in; a Python number does not widen within its kind."""
    dtypes = [to_numpy(v.dtype) for v in (first, second) if Call.is_tensor(v)]
    numbers = [v for v in (first, second) if not Call.is_tensor(v)]
    common = np.result_type(*dtypes)
    if any(isinstance(v, float) for v in numbers) and common.kind != "f":
        return np.dtype(np.float32)
    if any(isinstance(v, int | Multiple) for v in numbers) and common.kind == "b":
        return np.dtype(np.int64)
    return common


def _unary(name: str, kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        x, dtype = call["input"], call.dtype("input")
        wanted = dtype
        if dtype.kind != "f" and name not in _EXACT_ON_INTEGERS:
            if name in {"floor", "ceil", "round"}:
                return x
            wanted = np.dtype(bool) if kind == "Not" else np.dtype(np.float32)
        return call.op(kind, call.cast(x, dtype, wanted))

    return convert


def _arithmetic(kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        first, second = operands(call)
        dtype = call.out_dtype
        return call.op(kind, call.operand(first, dtype), call.operand(second, dtype))

    return convert


def _add(call: Call) -> str:
    """Add and Sub, with `alpha` times the second operand."""
    first, second = operands(call)
    kind = "Add" if call.function.startswith("add") else "Sub"
    if call.function == "rsub":
        first, second = second, first
    dtype, alpha = call.out_dtype, call.get("alpha", 1)
    if dtype.kind == "b":
        return call.op("Or", call.operand(first, dtype), call.operand(second, dtype))
    a, b = call.operand(first, dtype), call.operand(second, dtype)
    if alpha != 1:
        b = call.op("Mul", b, call.constant(alpha, dtype, "alpha"))
    return call.op(kind, a, b)


def _floor(call: Call, a: str, b: str, dtype: np.dtype[Any]) -> str:
    """⌊a / b⌋; ONNX divides integers towards zero."""
    if dtype.kind == "f":
        return call.op("Floor", call.op("Div", a, b))
    return call.op("Div", call.op("Sub", a, call.op("Mod", a, b)), b)


def _div(call: Call) -> str:
    first, second = operands(call)
    mode, dtype = call.get("rounding_mode"), call.out_dtype
    if call.function == "floor_divide":
        mode = "floor"
    a, b = call.operand(first, dtype), call.operand(second, dtype)
    if mode == "floor":
        return _floor(call, a, b, dtype)
    y = call.op("Div", a, b)
    return _truncate(call, y) if mode == "trunc" and dtype.kind == "f" else y


def _truncate(call: Call, x: str) -> str:
    return call.op("Mul", call.op("Sign", x), call.op("Floor", call.op("Abs", x)))


def _remainder(call: Call) -> str:
    """The remainder with the divisor's sign (remainder) or the dividend's (fmod)."""
    first, second = operands(call)
    dtype = call.out_dtype
    a, b = call.operand(first, dtype), call.operand(second, dtype)
    if call.function == "fmod":
        return call.op("Mod", a, b, fmod=1)
    if dtype.kind != "f":
        return call.op("Mod", a, b)
    return call.op("Sub", a, call.op("Mul", b, _floor(call, a, b, dtype)))


def _pow(call: Call) -> str:
    first, second = operands(call)
    dtype = call.out_dtype
    if second == 2 and not call.is_tensor(second):
        x = call.operand(first, dtype)
        return call.op("Mul", x, x)
    return call.op("Pow", call.operand(first, dtype), call.operand(second, dtype))


def _compare(kind: str, negate: bool) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        first, second = operands(call)
        dtype = _common(first, second)
        if dtype.kind == "b" and kind != "Equal":
            dtype = np.dtype(np.int32)
        y = call.op(kind, call.operand(first, dtype), call.operand(second, dtype))
        return call.op("Not", y) if negate else y

    return convert


def _logical(kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        a, b = (call.operand(value, np.bool_) for value in operands(call))
        return call.op(kind, a, b)

    return convert


def _bitwise(call: Call) -> str:
    """Of bools the logical operator, of integers the bitwise one."""
    kind = {"and": "And", "or": "Or", "xor": "Xor"}[call.function.removeprefix("bitwise_")]
    first, second = operands(call)
    dtype = call.out_dtype
    name = kind if dtype.kind == "b" else f"Bitwise{kind}"
    return call.op(name, call.operand(first, dtype), call.operand(second, dtype))


def _bitwise_not(call: Call) -> str:
    kind = "Not" if call.dtype("input").kind == "b" else "BitwiseNot"
    return call.op(kind, call["input"])


def _clamp(call: Call) -> str:
    x, dtype = call.operand(call.arguments["input"], call.out_dtype), call.out_dtype
    low, high = call.arguments.get("min"), call.arguments.get("max")
    for bound, kind in ((low, "Max"), (high, "Min")):
        if bound is not None and call.is_tensor(bound):
            x = call.op(kind, x, call.operand(bound, dtype))
    ends = [
        "" if bound is None or call.is_tensor(bound) else call.operand(bound, dtype)
        for bound in (low, high)
    ]
    return call.op("Clip", x, *ends) if any(ends) else x


def _clamp_one(kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        first, second = operands(call)
        dtype = call.out_dtype
        return call.op(kind, call.operand(first, dtype), call.operand(second, dtype))

    return convert


def _where(call: Call) -> str:
    values = dict(call.arguments)
    condition = values.pop("condition")
    first, second = list(values.values())[:2]
    dtype = call.out_dtype
    mask = call.operand(condition, np.bool_)
    return call.op("Where", mask, call.operand(first, dtype), call.operand(second, dtype))


def _masked_fill(call: Call) -> str:
    mask, dtype = call.operand(call.arguments["mask"], np.bool_), call.out_dtype
    return call.op("Where", mask, call.operand(call.arguments["value"], dtype), call["input"])


def _to(call: Call) -> str:
    """Any conversion of the element type: the result says which."""
    value = next(v for v in call.arguments.values() if call.is_tensor(v))
    return call.cast(call.name_of(value), to_numpy(value.dtype), call.out_dtype)


def identity(call: Call) -> str:
    """What changes nothing in a graph: detach, clone, contiguous, dropout in evaluation."""
    if call.get("training", False) and float(call.get("p", 0.0)) > 0:
        raise Unsupported("it draws random numbers in training; call model.eval()")
    return call.name_of(next(v for v in call.arguments.values() if call.is_tensor(v)))


Form = Callable[[Call, str], str]


def _composed(form: Form) -> Callable[[Call], str]:
    """A function of one number made of several nodes, in the dtype of the result."""

    def convert(call: Call) -> str:
        dtype = call.out_dtype if call.out_dtype.kind != "b" else np.dtype(np.float32)
        return form(call, call.operand(call.arguments["input"], dtype))

    return convert


def _number(call: Call, value: float) -> str:
    dtype = call.out_dtype if call.out_dtype.kind == "f" else np.dtype(np.float32)
    return call.constant(value, dtype, "scalar")


_COMPOSED: dict[str, Form] = {
    "square": lambda call, x: call.op("Mul", x, x),
    "rsqrt": lambda call, x: call.op("Reciprocal", call.op("Sqrt", x)),
    "exp2": lambda call, x: call.op("Pow", _number(call, 2.0), x),
    "expm1": lambda call, x: call.op("Sub", call.op("Exp", x), _number(call, 1.0)),
    "log1p": lambda call, x: call.op("Log", call.op("Add", x, _number(call, 1.0))),
    "log2": lambda call, x: call.op("Mul", call.op("Log", x), _number(call, 1 / math.log(2))),
    "log10": lambda call, x: call.op("Mul", call.op("Log", x), _number(call, 1 / math.log(10))),
    "erfc": lambda call, x: call.op("Sub", _number(call, 1.0), call.op("Erf", x)),
    "trunc": _truncate,
    "frac": lambda call, x: call.op("Sub", x, _truncate(call, x)),
    "isfinite": lambda call, x: call.op(
        "Not", call.op("Or", call.op("IsNaN", x), call.op("IsInf", x))
    ),
}  # fmt: skip


def _weighted(call: Call) -> str:
    """Sum of input and value · tensor1 · tensor2, or over it."""
    kind = "Mul" if call.function == "addcmul" else "Div"
    dtype = call.out_dtype
    x, a, b = (call.operand(call.arguments[n], dtype) for n in ("input", "tensor1", "tensor2"))
    product, value = call.op(kind, a, b), call.get("value", 1)
    if value != 1:
        product = call.op("Mul", product, call.constant(value, dtype, "value"))
    return call.op("Add", x, product)


def _lerp(call: Call) -> str:
    dtype = call.out_dtype
    x, end, weight = (call.operand(call.arguments[n], dtype) for n in ("input", "end", "weight"))
    return call.op("Add", x, call.op("Mul", call.op("Sub", end, x), weight))


def _filled_like(value: float | None) -> Callable[[Call], str]:
    """zeros_like, ones_like and full_like: one number in the tensor's shape at run time."""

    def convert(call: Call) -> str:
        fill = call.get("fill_value") if value is None else value
        dtype = to_numpy(as_dtype(call.function, call.get("dtype") or call.result.dtype))
        shape = call.op("Shape", call["input"])
        return call.op("Expand", call.constant(fill, dtype, "scalar"), shape)

    return convert


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    **{name: _unary(name, kind) for name, kind in _UNARY.items()},
    **{name: _arithmetic(kind) for name, kind in _ARITHMETIC.items()},
    **{name: _compare(*row) for name, row in _COMPARISONS.items()},
    **{name: _logical(kind) for name, kind in _LOGICAL.items()},
    **{name: _composed(form) for name, form in _COMPOSED.items()},
    **{f"bitwise_{name}": _bitwise for name in ("and", "or", "xor")},
    "bitwise_not": _bitwise_not,
    "add": _add, "sub": _add, "rsub": _add, "div": _div, "floor_divide": _div,
    "remainder": _remainder, "fmod": _remainder, "pow": _pow,
    "clamp": _clamp, "clamp_min": _clamp_one("Max"), "clamp_max": _clamp_one("Min"),
    "where": _where, "masked_fill": _masked_fill, "addcmul": _weighted, "addcdiv": _weighted,
    "lerp": _lerp,
    "zeros_like": _filled_like(0), "ones_like": _filled_like(1), "full_like": _filled_like(None),
    **dict.fromkeys(("to", "astype", "type_as", "float", "double", "int", "long", "bool", "byte",
                        "char"), _to),
    **dict.fromkeys(("detach", "clone", "contiguous", "cpu", "identity", "dropout",
                             "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                             "feature_alpha_dropout", "drop_block1d", "drop_block2d",
                             "drop_block3d", "stochastic_depth"), identity),
}  # fmt: skip
CONVERTERS |= {alias: CONVERTERS[name] for alias, name in _ALIASES.items()}
