"""Normalisation and dropout."""

from __future__ import annotations

import math

from op_cases import Case, Input

WIDE, MIDDLE, DEEP = (16, 64, 112, 112), (16, 256, 56, 56), (16, 512, 7, 7)
TOKENS = (16, 3136, 96)


def _by_channel(name: str, shape: tuple[int, ...]) -> Case:
    """A norm with weight and bias a channel; statistics and the second pass read the input."""
    channels = Input(shape[1:2])
    calls = {
        "batch_norm": lambda lib: (
            lambda x, w, b: lib.F.batch_norm(x, None, None, w, b, training=True)
        ),
        "group_norm 32": lambda lib: lambda x, w, b: lib.F.group_norm(x, 32, w, b),
        "instance_norm": lambda lib: lambda x, w, b: lib.F.instance_norm(x, None, None, w, b),
    }
    values = math.prod(shape)
    return Case(
        f"{name}, {'x'.join(map(str, shape))}",
        (Input(shape), channels, channels),
        calls[name],
        forward=values * 3,
        training=values * 8,  # backward reads x and dy twice and writes dx
    )


CASES = [
    *(_by_channel("batch_norm", shape) for shape in (WIDE, MIDDLE, DEEP)),
    _by_channel("group_norm 32", WIDE),
    _by_channel("group_norm 32", MIDDLE),
    _by_channel("instance_norm", MIDDLE),
    Case(
        "layer_norm 96, 16x3136x96",
        (Input(TOKENS), Input((96,)), Input((96,))),
        lambda lib: lambda x, w, b: lib.F.layer_norm(x, (96,), w, b),
        forward=math.prod(TOKENS) * 2,
        training=math.prod(TOKENS) * 5,
    ),
    Case(
        "rms_norm 96, 16x3136x96",
        (Input(TOKENS), Input((96,))),
        lambda lib: lambda x, w: lib.F.rms_norm(x, (96,), w),
        forward=math.prod(TOKENS) * 2,
        training=math.prod(TOKENS) * 5,
    ),
    Case(
        "local_response_norm 5, 16x96x55x55",
        (Input((16, 96, 55, 55)),),
        lambda lib: lambda x: lib.F.local_response_norm(x, 5),
        forward=16 * 96 * 55 * 55 * 2,
        training=16 * 96 * 55 * 55 * 5,
    ),
    Case(
        "normalize, 16x256x56x56",
        (Input(MIDDLE),),
        lambda lib: lib.F.normalize,
        forward=math.prod(MIDDLE) * 2,
        training=math.prod(MIDDLE) * 5,
    ),
    Case(
        "dropout, 16x256x56x56",
        (Input(MIDDLE),),
        lambda lib: lambda x: lib.F.dropout(x, 0.5),
        forward=math.prod(MIDDLE) * 2,
        training=math.prod(MIDDLE) * 4,
    ),
]
