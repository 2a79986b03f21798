"""All converters by the name of their function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    activation,
    conv,
    elementwise,
    joining,
    losses,
    matrix,
    normalization,
    padding,
    pooling,
    reduction,
    resize,
    shape,
)
from .builder import Call

CONVERTERS: dict[str, Callable[[Call], Any]] = {}
for _family in (
    elementwise, activation, conv, joining, losses, matrix, normalization, padding, pooling,
    reduction, resize, shape,
):  # fmt: skip
    CONVERTERS |= _family.CONVERTERS
