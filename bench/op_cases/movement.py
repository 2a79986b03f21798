"""Ops that only move values: layouts, slices, shifts, joins, selections."""

from __future__ import annotations

import math

from op_cases import Case, Input

MAP = (16, 64, 112, 112)
VALUES = math.prod(MAP)
HEADS = Input((16, 1024, 12, 64), plain=True)
PLAIN = Input(MAP, plain=True)
PIXELS = Input((16, 112, 112, 64), plain=True)

CASES = [
    Case(
        "where, 16x64x112x112",
        (Input(MAP), Input(MAP), Input(MAP, grad=False)),
        lambda lib: lambda a, b, c: lib.root.where(c > 0, a, b),
        forward=VALUES * 9 // 2,  # the condition: c read, bytes written and read
        training=VALUES * 31 // 4,
    ),
    Case(
        "heads permute(0, 2, 1, 3), 16x1024x12x64",
        (HEADS,),
        lambda _: lambda x: x.permute(0, 2, 1, 3).contiguous(),
        forward=2 * math.prod(HEADS.shape),
        training=4 * math.prod(HEADS.shape),
    ),
    Case(
        "NCHW to NHWC, 16x64x112x112",
        (PLAIN,),
        lambda _: lambda x: x.permute(0, 2, 3, 1).contiguous(),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "NCHW to NHWC, 64x3x224x224",
        (Input((64, 3, 224, 224), plain=True),),
        lambda _: lambda x: x.permute(0, 2, 3, 1).contiguous(),
        forward=2 * 64 * 3 * 224 * 224,
        training=4 * 64 * 3 * 224 * 224,
    ),
    Case(
        "roll of both sides by 3, 16x112x112x64",
        (PIXELS,),
        lambda lib: lambda x: lib.root.roll(x, (-3, -3), (1, 2)),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "roll of columns by 5, 16x64x112x112",
        (PLAIN,),
        lambda lib: lambda x: lib.root.roll(x, 5, 3),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "flip of pixels, 16x112x112x64",
        (PIXELS,),
        lambda lib: lambda x: lib.root.flip(x, (2,)),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "flip of columns, 16x64x112x112",
        (PLAIN,),
        lambda lib: lambda x: lib.root.flip(x, (3,)),
        forward=VALUES * 2,
        training=VALUES * 4,
    ),
    Case(
        "every other channel x[..., ::2], 16x112x112x64",
        (PIXELS,),
        lambda _: lambda x: x[..., ::2].contiguous(),
        forward=VALUES * 3 // 2,
        training=VALUES * 3,
    ),
    Case(
        "every other column x[..., ::2], 16x64x112x112",
        (PLAIN,),
        lambda _: lambda x: x[..., ::2].contiguous(),
        forward=VALUES * 3 // 2,
        training=VALUES * 3,
    ),
    Case(
        "every other pixel x[:, ::2, ::2], 16x112x112x64",
        (PIXELS,),
        lambda _: lambda x: x[:, ::2, ::2].contiguous(),
        forward=VALUES // 2,
        training=VALUES * 7 // 4,
    ),
    Case(
        "cat of channels, 2 of 16x64x112x112",
        (Input(MAP), Input(MAP)),
        lambda lib: lambda a, b: lib.root.cat([a, b], 1),
        forward=VALUES * 4,
        training=VALUES * 8,
    ),
    Case(
        "stack, 2 of 16x64x112x112",
        (PLAIN, PLAIN),
        lambda lib: lambda a, b: lib.root.stack([a, b]),
        forward=VALUES * 4,
        training=VALUES * 8,
    ),
]
