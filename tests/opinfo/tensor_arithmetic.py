"""Arithmetic, comparison, logic and bits of two tensors, choice, and conversions."""

from __future__ import annotations

from typing import Any

import tilewise as tw
from opinfo.harness import Reason, Row


def numbers(error: Any) -> Reason:
    """PyTorch refuses a number where some functions want a tensor; here it may stand for one."""
    import torch

    sample = error.sample_input
    operands = [sample.input, *sample.args[:1]]
    given = [isinstance(operand, torch.Tensor) for operand in operands]
    return "a number may stand for a tensor" if any(given) and not all(given) else None


BINARY = """
add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign eq
float_power floor_divide fmax fmin fmod ge gt heaviside hypot isclose ldexp le logaddexp
logaddexp2 logical_and logical_or logical_xor lt maximum minimum mul ne pow remainder rsub sub
true_divide xlogy clamp_max clamp_min
""".split()  # noqa: SIM905
REFLECTED = """
__radd__ __rand__ __rdiv__ __rmod__ __rmul__ __ror__ __rpow__ __rsub__ __rxor__
""".split()  # noqa: SIM905
INTEGERS = {
    name: ("int64", "int32", "uint8")
    for name in [*BINARY, *REFLECTED]
    if name.startswith("bitwise") or name in {"__rand__", "__ror__", "__rxor__"}
}
CALLS = {"__rdiv__": tw.Tensor.__rtruediv__, "true_divide": tw.true_divide}
BOTH = ("float32", "float64")

ROWS = [
    *[
        Row(
            name,
            call=CALLS.get(name),
            dtypes=INTEGERS.get(name, BOTH),
            skip_error=numbers,
            limit=5e-6,
        )
        for name in [*BINARY, *REFLECTED]
    ],
    Row("add", dtypes=("int64", "bool"), gradients=False),
    Row("bitwise_not", dtypes=("int64", "uint8", "bool")),
    Row("div", variant="no_rounding_mode", dtypes=("float32", "float64", "int64")),
    Row("div", variant="trunc_rounding", dtypes=("float32", "float64", "int64")),
    Row("div", variant="floor_rounding", dtypes=("float32", "float64", "int64")),
    Row("max", variant="binary", skip_error=numbers),
    Row("min", variant="binary", skip_error=numbers),
    Row("lerp"),
    Row("addcmul"),
    Row("addcdiv"),
    Row("clamp"),
    Row("nan_to_num"),
    Row("masked_fill"),
    Row("where", call=lambda x, condition, other: tw.where(condition, x, other)),
    Row("allclose", gradients=False),
    Row("equal", gradients=False),
    Row("isin", gradients=False),
    Row("clone"),
    Row("contiguous"),
    Row("item", gradients=False),
    Row("zero_", call=lambda x: x.clone().zero_()),
    Row("float"),
    Row("double", call=tw.Tensor.double),
    Row("long", call=tw.Tensor.long, gradients=False),
    Row("int", gradients=False),
    Row("char", gradients=False),
    Row("byte", gradients=False),
    Row("bool", call=tw.Tensor.bool, gradients=False),
]
