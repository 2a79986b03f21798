"""Functions of two or more numbers: arithmetic, comparison, logic, conversion."""

from __future__ import annotations

import operator as python
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from tilewise.io.onnx_files import dtype_of
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import Operator, operator, register
from ..values import (
    Array,
    Value,
    axis_of,
    compute,
    converted_type,
    host,
    is_float,
    number,
    numpy_type,
    tensor,
)  # fmt: skip

Binary = Callable[[Any, Any], Any]


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return tw.div(a, b) if is_float(a) else tw.div(a, b, rounding_mode="trunc")


def _divide_host(a: Array, b: Array) -> Array:
    wide = np.where(b == 0, 0, np.abs(a) // np.where(b == 0, 1, np.abs(b)))
    return (wide * np.sign(a) * np.sign(b)).astype(a.dtype) if a.dtype.kind == "i" else wide


# The function of tensors and NumPy's for bookkeeping; weights that such a node applies train.
BINARY: dict[str, tuple[Binary, Binary]] = {
    "Add": (tw.add, np.add),
    "Sub": (tw.sub, np.subtract),
    "Mul": (tw.mul, np.multiply),
    "Div": (_divide, _divide_host),
    "And": (tw.logical_and, np.logical_and),
    "Or": (tw.logical_or, np.logical_or),
    "Xor": (tw.logical_xor, np.logical_xor),
    "Equal": (tw.eq, np.equal),
    "Greater": (tw.gt, np.greater),
    "GreaterOrEqual": (tw.ge, np.greater_equal),
    "Less": (tw.lt, np.less),
    "LessOrEqual": (tw.le, np.less_equal),
    "BitwiseAnd": (tw.bitwise_and, np.bitwise_and),
    "BitwiseOr": (tw.bitwise_or, np.bitwise_or),
    "BitwiseXor": (tw.bitwise_xor, np.bitwise_xor),
}
_TRAINED = {"Add": {0: "bias", 1: "bias"}, "Mul": {0: "scale", 1: "scale"}}


def _broadcast_as_of_old(node: Node, a: Value, b: Value) -> Value:
    """Before opset 7, `b` is laid over `a` from an axis on, where `broadcast` says so."""
    if not node.get("broadcast", 0) or "axis" not in node.attributes:
        return b
    axis = axis_of(node["axis"], max(a.ndim, 1))
    missing = a.ndim - axis - b.ndim
    return b.reshape((*b.shape, *[1] * missing)) if missing > 0 else b


class Pairwise:
    """A row of the table as a handler."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, node: Node, a: Value, b: Value) -> Value:
        """The function of two values that broadcast."""
        if node.version < 7:
            b = _broadcast_as_of_old(node, a, b)
        if numpy_type(a).kind != numpy_type(b).kind:
            raise ValueError(f"expected two values of one type, got {a.dtype} and {b.dtype}")
        return compute(*BINARY[self.name], a, b)


for _name in BINARY:
    register(_name, Operator(Pairwise(_name), _TRAINED.get(_name, {}), large=True))


def _mean(*values: Tensor) -> Tensor:
    return reduce(python.add, values) / float(len(values))


VARIADIC: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Sum": (lambda *v: reduce(tw.add, v), lambda *v: reduce(np.add, v)),
    "Mean": (_mean, _mean),
    "Max": (lambda *v: reduce(tw.maximum, v), lambda *v: reduce(np.maximum, v)),
    "Min": (lambda *v: reduce(tw.minimum, v), lambda *v: reduce(np.minimum, v)),
}


class Variadic:
    """A row of the table as a handler."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, _: Node, *values: Value) -> Value:
        """The function of any number of values that broadcast."""
        return compute(*VARIADIC[self.name], *values)


for _name in VARIADIC:
    register(_name, Operator(Variadic(_name)))


def _pow_host(a: Array, b: Array) -> Array:
    return np.power(a.astype(np.float64), b).astype(a.dtype)


@operator("Pow")
def power(node: Node, a: Value, b: Value) -> Value:
    """`a` to the power of `b`, in the type of `a`."""
    if node.version < 7:
        b = _broadcast_as_of_old(node, a, b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return compute(_pow_host, _pow_host, a, b)
    base = tensor(a)
    exponent = tensor(b if numpy_type(b).kind not in "u" else host(b).astype(np.int64))
    if is_float(base) and exponent.numel() == 1 and b.ndim <= base.ndim:
        small = float(exponent.item())
        return (
            tw.pow(base, int(small) if small == 2 else small)
            if not (exponent.requires_grad)
            else tw.pow(base, exponent)
        )
    result = tw.pow(base, exponent.to(base.dtype) if is_float(base) else exponent)
    return result if result.dtype == base.dtype else result.to(base.dtype)


@operator("Mod")
def mod(node: Node, a: Value, b: Value) -> Value:
    """The remainder, with the sign of `b`, or with `fmod` that of `a`."""
    if node["fmod"]:
        return compute(tw.fmod, np.fmod, a, b)
    return compute(tw.remainder, np.mod, a, b)


@operator("BitShift")
def bit_shift(node: Node, a: Value, b: Value) -> Value:
    """Bits moved to the left or the right."""
    if node["direction"] not in ("LEFT", "RIGHT"):
        raise ValueError(f"expected direction LEFT or RIGHT, got {node['direction']!r}")
    if node["direction"] == "LEFT":
        return compute(tw.bitwise_left_shift, np.left_shift, a, b)
    return compute(tw.bitwise_right_shift, np.right_shift, a, b)


@operator("Where")
def where(_: Node, condition: Value, a: Value, b: Value) -> Value:
    """`a` where the condition holds, `b` elsewhere."""
    return compute(tw.where, np.where, condition, a, b)


@operator("Clip")
def clip(node: Node, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """Every element limited to [low, high]; the upper limit wins."""
    lowest = node.get("min") if low is None else number("min", low)
    highest = node.get("max") if high is None else number("max", high)
    if isinstance(x, np.ndarray):
        x = x if lowest is None else np.maximum(x, np.asarray(lowest, x.dtype))
        return x if highest is None else np.minimum(x, np.asarray(highest, x.dtype))
    if lowest is None and highest is None:
        return x
    return tw.clamp(x, lowest, highest)


@operator("Cast")
def cast(node: Node, x: Value) -> Value:
    """The elements in another type."""
    return converted_type(x, dtype_of(node["to"]))


@operator("CastLike")
def cast_like(_: Node, x: Value, like: Value) -> Value:
    """The elements in the type of another value."""
    return converted_type(x, numpy_type(like))
