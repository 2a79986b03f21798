"""Functions of one number, and softmax: rows of a table, and the few that take settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import Operator, operator, register
from ..values import Value, axis_of, compute, is_float, tensor, wrap

# The function of tensors, and NumPy's for bookkeeping where it has one.
UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]] = {
    "Abs": (tw.abs, np.abs),
    "Acos": (tw.acos, None),
    "Acosh": (tw.acosh, None),
    "Asin": (tw.asin, None),
    "Asinh": (tw.asinh, None),
    "Atan": (tw.atan, None),
    "Atanh": (tw.atanh, None),
    "BitwiseNot": (tw.bitwise_not, np.bitwise_not),
    "Ceil": (tw.ceil, None),
    "Cos": (tw.cos, None),
    "Cosh": (tw.cosh, None),
    "Erf": (tw.erf, None),
    "Exp": (tw.exp, None),
    "Floor": (tw.floor, None),
    "HardSwish": (F.hardswish, None),
    "IsNaN": (tw.isnan, None),
    "Log": (tw.log, None),
    "Mish": (F.mish, None),
    "Neg": (tw.neg, np.negative),
    "Not": (tw.logical_not, np.logical_not),
    "Reciprocal": (tw.reciprocal, None),
    "Relu": (F.relu, lambda x: np.maximum(x, 0)),
    "Round": (tw.round, None),
    "Sigmoid": (F.sigmoid, None),
    "Sign": (tw.sign, np.sign),
    "Sin": (tw.sin, None),
    "Sinh": (tw.sinh, None),
    "Softplus": (lambda x: F.softplus(x, threshold=1e4), None),
    "Softsign": (F.softsign, None),
    "Sqrt": (tw.sqrt, None),
    "Tan": (tw.tan, None),
    "Tanh": (tw.tanh, None),
}


class Unary:
    """A row of the table as a handler."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, _: Node, x: Value) -> Value:
        """The function of a value."""
        function, on_host = UNARY[self.name]
        if on_host is None:
            result: Value = function(tensor(x))
            return result
        return compute(function, on_host, x)


for _name in UNARY:
    register(_name, Operator(Unary(_name)))


@operator("LeakyRelu")
def leaky_relu(node: Node, x: Value) -> Tensor:
    """`x`, or `alpha · x` below zero."""
    return F.leaky_relu(tensor(x), node["alpha"])


@operator("Elu")
def elu(node: Node, x: Value) -> Tensor:
    """`x`, or `alpha (eˣ - 1)` below zero."""
    return F.elu(tensor(x), node["alpha"])


@operator("Celu")
def celu(node: Node, x: Value) -> Tensor:
    """`x`, or `alpha (exp(x / alpha) - 1)` below zero."""
    return F.celu(tensor(x), node["alpha"])


@operator("Selu")
def selu(node: Node, x: Value) -> Tensor:
    """`gamma · elu(x, alpha)`."""
    return F.elu(tensor(x), node["alpha"]) * float(node["gamma"])


@operator("ThresholdedRelu")
def thresholded_relu(node: Node, x: Value) -> Tensor:
    """`x` above alpha, else 0."""
    return F.threshold(tensor(x), node["alpha"], 0.0)


@operator("HardSigmoid")
def hard_sigmoid(node: Node, x: Value) -> Tensor:
    """`alpha · x + beta`, limited to [0, 1]."""
    return tw.clamp(tensor(x) * node["alpha"] + node["beta"], 0.0, 1.0)


@operator("Gelu")
def gelu(node: Node, x: Value) -> Tensor:
    """`x · Φ(x)`, exactly or by a tanh."""
    return F.gelu(tensor(x), node["approximate"])


@operator("Swish")
def swish(node: Node, x: Value) -> Tensor:
    """`x · sigmoid(alpha · x)`."""
    return tensor(x) * F.sigmoid(tensor(x) * node["alpha"])


@operator("SwiGLU")
def swiglu(node: Node, gate: Value, x: Value) -> Tensor:
    """`swish(gate) · x`."""
    return swish(node, gate) * tensor(x)


@operator("Shrink")
def shrink(node: Node, x: Value) -> Value:
    """0 near zero, elsewhere `x` moved towards it by `bias`."""
    low, bias = node["lambd"], node["bias"]
    if not is_float(x):
        sample = tensor(x)
        moved = shrink(node, sample.to(tw.float64))
        assert isinstance(moved, Tensor)
        return moved.to(sample.dtype)
    value = tensor(x)
    above = tw.where(value > low, value - bias, value * 0.0)
    result: Tensor = tw.where(value < -low, value + bias, above)
    return result


@operator("PRelu", weights={1: "weight"})
def prelu(node: Node, x: Value, slope: Value) -> Value:
    """`x`, or `slope · x` below zero, with a learned slope."""
    sample, weight = tensor(x), tensor(slope)
    channels = (sample.shape[1], *[1] * (sample.ndim - 2)) if sample.ndim > 1 else ()
    of_old = node.version < 7 and weight.ndim == 1 and sample.ndim > 1
    if is_float(sample) and (weight.numel() == 1 or tuple(weight.shape) == channels or of_old):
        return F.prelu(sample, weight.reshape(-1))
    result: Tensor = tw.where(sample > 0, sample, sample * weight)
    return result


@operator("IsInf")
def is_inf(node: Node, x: Value) -> Tensor:
    """Which elements are infinite, of one sign or both."""
    value = tensor(x)
    found = tw.isinf(value)
    if not node["detect_negative"]:
        found = tw.logical_and(found, value > 0)
    if not node["detect_positive"]:
        found = tw.logical_and(found, value < 0)
    return found


def _hardmax(x: Tensor, axis: int) -> Tensor:
    first = tw.argmax(x, axis, keepdim=True)
    return tw.scatter(tw.zeros_like(x.detach()), axis, first, 1.0)


SOFTMAX: dict[str, Callable[[Tensor, int], Tensor]] = {
    "Softmax": tw.softmax,
    "LogSoftmax": tw.log_softmax,
    "Hardmax": _hardmax,
}


class Softmax:
    """A member of softmax's family as a handler."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, node: Node, x: Value) -> Value:
        """The function over one axis; before opset 13, over all from an axis on."""
        sample, function = tensor(x), SOFTMAX[self.name]
        axis = axis_of(node["axis"], sample.ndim)
        if node.version >= 13:
            return function(sample, axis)
        rows = sample.reshape(*sample.shape[:axis], -1) if axis else sample.reshape(1, -1)
        return function(rows, -1).reshape(sample.shape)


for _name in SOFTMAX:
    register(_name, Operator(Softmax(_name)))


@operator("Identity")
def identity(_: Node, x: Value) -> Value:
    """The value itself."""
    return x if isinstance(x, Tensor) else wrap(x)
