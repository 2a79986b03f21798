"""Reductions: each reads its input once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from op_cases import Case, Input

ROWS, MAP = (50176, 256), (16, 64, 112, 112)


def _case(name: str, shape: tuple[int, ...], make: Callable[[Any], Callable[[Any], Any]]) -> Case:
    return Case(
        f"{name}, {'x'.join(map(str, shape))}",
        (Input(shape),),
        make,
        forward=math.prod(shape),
        training=None,
    )


CASES = [
    _case("sum", ROWS, lambda lib: lib.root.sum),
    _case("sum over rows", ROWS, lambda lib: lambda x: lib.root.sum(x, 0)),
    _case("sum over columns", ROWS, lambda lib: lambda x: lib.root.sum(x, 1)),
    _case("sum over pixels", MAP, lambda lib: lambda x: lib.root.sum(x, (2, 3))),
    _case("sum over channels", MAP, lambda lib: lambda x: lib.root.sum(x, 1)),
    _case("max over columns", ROWS, lambda lib: lambda x: lib.root.amax(x, 1)),
    _case("max over pixels", MAP, lambda lib: lambda x: lib.root.amax(x, (2, 3))),
    _case("var over rows", ROWS, lambda lib: lambda x: lib.root.var(x, 0)),
    _case("var over columns", ROWS, lambda lib: lambda x: lib.root.var(x, 1)),
    _case("var over pixels", MAP, lambda lib: lambda x: lib.root.var(x, (2, 3))),
    _case("logsumexp over rows", ROWS, lambda lib: lambda x: lib.root.logsumexp(x, 0)),
    _case("logsumexp over columns", ROWS, lambda lib: lambda x: lib.root.logsumexp(x, 1)),
]
