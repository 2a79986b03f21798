"""Activations and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from op_cases import Case, Input

MAP = (16, 64, 112, 112)
VALUES = math.prod(MAP)
NAMES = ("relu", "leaky_relu", "hardswish", "sigmoid", "tanh", "silu", "gelu", "mish", "elu")


def _function(name: str) -> Callable[[Any], Callable[[Any], Any]]:
    return lambda lib: getattr(lib.F, name)


CASES = [
    # The gradient reads dy and one of x and y, and writes dx.
    *(
        Case(
            f"{name}, 16x64x112x112",
            (Input(MAP),),
            _function(name),
            forward=2 * VALUES,
            training=5 * VALUES,
        )
        for name in NAMES
    ),
    Case(
        "prelu of 64 channels, 16x64x112x112",
        (Input(MAP), Input((64,))),
        lambda lib: lib.F.prelu,
        forward=2 * VALUES,
        training=5 * VALUES,
    ),
    Case("gelu, 256x1024", (Input((256, 1024)),), _function("gelu")),
    Case("softmax, 256x1000", (Input((256, 1000)),), lambda lib: lambda x: lib.F.softmax(x, 1)),
    Case(
        "log_softmax, 256x1000",
        (Input((256, 1000)),),
        lambda lib: lambda x: lib.F.log_softmax(x, 1),
    ),
    Case(
        "softmax over channels, 16x64x56x56",
        (Input((16, 64, 56, 56)),),
        lambda lib: lambda x: lib.F.softmax(x, 1),
        forward=VALUES // 2,
        training=5 * VALUES // 4,
    ),
]
