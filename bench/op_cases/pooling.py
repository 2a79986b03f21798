"""Pooling, resizing and rearranging."""

from __future__ import annotations

import math

from op_cases import Case, Input

MAP = (16, 64, 112, 112)
HALF = (16, 64, 56, 56)
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
    Case(
        "avg_pool2d k3 s2, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.avg_pool2d(x, 3, 2, 1),
        forward=VALUES * 5 // 4,
        training=VALUES * 5 // 2,
    ),
    Case(
        "adaptive_avg_pool2d 1, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.adaptive_avg_pool2d(x, 1),
        forward=VALUES,
        training=VALUES * 2,
    ),
    Case(
        "bilinear 2x, 16x64x56x56",
        (Input(HALF),),
        lambda lib: lambda x: lib.F.interpolate(x, scale_factor=2, mode="bilinear"),
        forward=VALUES * 5 // 4,
        training=VALUES * 5 // 2,
    ),
    Case(
        "bilinear 2x, 16x3x112x112",
        (Input((16, 3, 112, 112)),),
        lambda lib: lambda x: lib.F.interpolate(x, scale_factor=2, mode="bilinear"),
    ),
    Case(
        "bicubic 2x, 16x64x28x28",
        (Input((16, 64, 28, 28)),),
        lambda lib: lambda x: lib.F.interpolate(x, scale_factor=2, mode="bicubic"),
    ),
    Case(
        "pixel_shuffle 2, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.pixel_shuffle(x, 2),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "channel_shuffle 4, 16x64x112x112",
        (Input(MAP),),
        lambda lib: lambda x: lib.F.channel_shuffle(x, 4),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
]
