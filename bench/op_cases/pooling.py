"""Pooling."""

from __future__ import annotations

import math

from op_cases import Case, Input

MAP = (16, 64, 112, 112)
VALUES = math.prod(MAP)

CASES = [
    Case(
        "max_pool2d k3 s2, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.max_pool2d(x, 3, 2, 1),
        forward=VALUES * 5 // 4,
        training=VALUES * 11 // 4,  # the gradient reads places (a quarter) and dy, writes dx
    ),
    Case(
        "avg_pool2d k2, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.avg_pool2d(x, 2),
        forward=VALUES * 5 // 4,
        training=VALUES * 5 // 2,
    ),
]
