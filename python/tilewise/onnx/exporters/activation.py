"""Activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Call, Unsupported


def _clip(low: float, high: float) -> Callable[[Call, str], str]:
    return lambda call, x: call.op("Clip", x, call.scalar(low), call.scalar(high))


def _plain(kind: str, **attributes: float) -> Callable[[Call, str], str]:
    return lambda call, x: call.op(kind, x, **attributes)


def _silu(call: Call, x: str) -> str:
    return call.op("Mul", x, call.op("Sigmoid", x))


def _mish(call: Call, x: str) -> str:
    if call.opset >= 18:
        return call.op("Mish", x)
    return call.op("Mul", x, call.op("Tanh", call.op("Softplus", x)))


def _hardswish(call: Call, x: str) -> str:
    if call.opset >= 14:
        return call.op("HardSwish", x)
    return call.op("Mul", x, call.op("HardSigmoid", x, alpha=1 / 6, beta=0.5))


# What takes no setting: also what a convolution may be fused with.
SIMPLE: dict[str, Callable[[Call, str], str]] = {
    "relu": _plain("Relu"),
    "relu6": _clip(0.0, 6.0),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "silu": _silu,
    "mish": _mish,
    "hardswish": _hardswish,
    "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "selu": _plain("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "softsign": _plain("Softsign"),
    "tanhshrink": lambda call, x: call.op("Sub", x, call.op("Tanh", x)),
    "logsigmoid": lambda call, x: call.op("Neg", call.op("Softplus", call.op("Neg", x))),
}


def _gelu(call: Call) -> str:
    x, form = call["input"], call.get("approximate", "none")
    if call.opset >= 20:
        return call.op("Gelu", x, approximate=form)
    half = call.scalar(0.5)
    if form == "none":
        inner = call.op("Erf", call.op("Mul", x, call.scalar(math.sqrt(0.5))))
    else:
        cube = call.op("Mul", call.op("Mul", x, call.op("Mul", x, x)), call.scalar(0.044715))
        sum_ = call.op("Add", x, cube)
        inner = call.op("Tanh", call.op("Mul", sum_, call.scalar(math.sqrt(2 / math.pi))))
    return call.op("Mul", call.op("Mul", x, half), call.op("Add", inner, call.scalar(1.0)))


def _softplus(call: Call) -> str:
    x, beta, limit = call["input"], call.get("beta", 1.0), call.get("threshold", 20.0)
    scaled = x if beta == 1 else call.op("Mul", x, call.scalar(beta))
    y = call.op("Softplus", scaled)
    if beta != 1:
        y = call.op("Div", y, call.scalar(beta))
    if limit >= 20:  # above it the function is x to the last bit of float32
        return y
    return call.op("Where", call.op("Greater", scaled, call.scalar(limit)), x, y)


def _threshold(call: Call) -> str:
    x = call["input"]
    above = call.op("Greater", x, call.scalar(call.get("threshold")))
    return call.op("Where", above, x, call.scalar(call.get("value")))


def _prelu(call: Call) -> str:
    """PRelu wants the slopes of channels as (C, 1, 1)."""
    slope, rank = call["weight"], call.rank("input")
    if call.shape("weight") != (1,) and rank > 2:
        slope = call.unsqueeze(slope, *range(1, rank - 1))
    return call.op("PRelu", call["input"], slope)


def _rrelu(call: Call) -> str:
    if call.get("training", False):
        raise Unsupported("it draws random slopes in training; call model.eval()")
    slope = (call.get("lower", 1 / 8) + call.get("upper", 1 / 3)) / 2
    return call.op("LeakyRelu", call["input"], alpha=slope)


def _glu(call: Call) -> str:
    axis = call.get("dim", -1) % call.rank("input")
    half = call.shape("input")[axis] // 2
    sizes = call.ints([half, half])
    a, b = call.ops("Split", call["input"], sizes, outputs=2, axis=axis)
    return call.op("Mul", a, call.op("Sigmoid", b))


def _maxout(call: Call) -> str:
    """The largest of `num_pieces` neighbours along a dimension."""
    pieces, sizes = call.get("num_pieces"), list(call.sizes("input"))
    axis = call.get("dim", 1) % len(sizes)
    size = sizes[axis]
    if not isinstance(size, int):
        raise Unsupported("it takes maxima over the batch")
    parts = call.reshape(call["input"], [*sizes[:axis], size // pieces, pieces, *sizes[axis + 1 :]])
    return call.reduce("ReduceMax", parts, [axis + 1], keepdims=False)


def _softmax(kind: str, negate: bool = False) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        rank, dim = call.rank("input"), call.get("dim")
        if dim is None:  # PyTorch's old default
            dim = 0 if rank in {0, 1, 3} else 1
        x = call.cast(call["input"], call.dtype("input"), call.out_dtype)
        return call.op(kind, call.op("Neg", x) if negate else x, axis=dim)

    return convert


def _alpha(kind: str, setting: str, default: float) -> Callable[[Call], str]:
    return lambda call: call.op(kind, call["input"], alpha=float(call.get(setting, default)))


def _shrink(call: Call) -> str:
    lambd = call.get("lambd", 0.5)
    bias = lambd if call.function == "softshrink" else 0.0
    return call.op("Shrink", call["input"], lambd=lambd, bias=bias)


def _celu(call: Call) -> str:
    """Celu, or its definition for float64, which the operator does not take."""
    alpha = call.get("alpha", 1.0)
    if call.out_dtype == np.float32:
        return call.op("Celu", call["input"], alpha=alpha)
    scale = call.scalar(alpha)
    inner = call.op("Elu", call.op("Div", call["input"], scale), alpha=1.0)
    return call.op("Mul", inner, scale)


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "hardtanh": lambda call: _clip(call.get("min_val", -1.0), call.get("max_val", 1.0))(
        call, call["input"]
    ),
    "leaky_relu": _alpha("LeakyRelu", "negative_slope", 0.01),
    "elu": _alpha("Elu", "alpha", 1.0),
    "celu": _celu,
    "gelu": _gelu,
    "softplus": _softplus,
    "hardshrink": _shrink,
    "softshrink": _shrink,
    "threshold": _threshold,
    "prelu": _prelu,
    "rrelu": _rrelu,
    "glu": _glu,
    "maxout": _maxout,
    "softmax": _softmax("Softmax"),
    "log_softmax": _softmax("LogSoftmax"),
    "softmin": _softmax("Softmax", negate=True),
}


def _of_input(form: Callable[[Call, str], str]) -> Callable[[Call], str]:
    return lambda call: form(call, call["input"])


CONVERTERS |= {name: _of_input(form) for name, form in SIMPLE.items()}
