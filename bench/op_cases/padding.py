"""Padding, by the borders of `pad`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from op_cases import Case, Input

MAP = (16, 64, 112, 112)
VALUES = math.prod(MAP)
PADDED = math.prod((16, 64, 114, 114))


def _pad(mode: str) -> Callable[[Any], Callable[..., Any]]:
    return lambda lib: lambda x: lib.F.pad(x, (1, 1, 1, 1), mode)


CASES = [
    Case(
        f"pad {mode} 1, 16x64x112x112",
        (Input(MAP),),
        _pad(mode),
        forward=VALUES + PADDED,
        training=2 * (VALUES + PADDED),
    )
    for mode in ("constant", "reflect", "replicate", "circular")
]
