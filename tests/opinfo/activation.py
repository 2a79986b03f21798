"""Activations, softmax and functions of one tensor."""

from __future__ import annotations

from typing import Any

import tilewise as tw
from opinfo.harness import Reason, Row


def random_slopes(sample: Any) -> Reason:
    """Drawn in training, from another generator than PyTorch's."""
    return "random numbers" if sample.kwargs.get("training") else None


ELEMENTARY = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc",
    "erfinv", "exp", "exp2", "expm1", "floor", "frac", "isfinite", "isinf", "isnan", "log", "log10",
    "log1p", "log2", "logical_not", "neg", "reciprocal", "rsqrt", "sigmoid", "sign", "sin", "sinh",
    "sqrt", "square", "tan", "tanh", "trunc",
]  # fmt: skip

ACTIVATIONS = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardswish", "hardtanh",
    "leaky_relu", "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "silu", "softplus",
    "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

ROWS = [
    *(Row(name) for name in ELEMENTARY),
    *(Row(f"nn.functional.{name}") for name in ACTIVATIONS),
    Row("round"),
    Row("clamp"),
    Row("where", tw.Tensor.where),  # its samples are calls of the method
    # PyTorch's gradient multiplies by 1/6 in float32 even for float64.
    Row("nn.functional.hardsigmoid", limit64=1e-7),
    Row("nn.functional.rrelu", skip=random_slopes),
    Row("softmax"),
    Row("softmax", variant="with_dtype"),
    Row("log_softmax"),
    Row("log_softmax", variant="with_dtype"),
    Row("nn.functional.softmin"),
    Row("nn.functional.softmin", variant="with_dtype"),
]
