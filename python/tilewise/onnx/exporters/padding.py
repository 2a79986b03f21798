"""Padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .builder import Call

ONNX_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def wrap(
    call: Call, name: str, spatial: Sequence[int], before: Sequence[int], after: Sequence[int]
) -> str:
    """A circular border from slices of the tensor: operators before version 19 have none.

    Args:
        call: whose nodes these are.
        name: the tensor.
        spatial: the sizes of its last dimensions.
        before: what goes before each dimension, all of them.
        after: what goes after each dimension.
    """
    first = len(before) - len(spatial)
    for axis in range(first, len(before)):
        size, low, high = spatial[axis - first], before[axis], after[axis]
        parts = [call.slice(name, axis, size - low, size)] if low > 0 else []
        parts.append(name)
        if high > 0:
            parts.append(call.slice(name, axis, 0, high))
        if len(parts) > 1:
            name = call.op("Concat", *parts, axis=axis)
    return name


def pad(call: Call) -> str:
    """Pad; amounts come as (before, after) of the last dimension first."""
    rank, mode = call.rank("input"), call.get("mode", "constant")
    amounts = [int(n) for n in call.get("pad")]
    rest = [0] * (rank - len(amounts) // 2)
    before, after = [*rest, *amounts[-2::-2]], [*rest, *amounts[::-2]]
    x = call["input"]
    if not any(amounts):
        return x
    if mode == "constant":
        value = call.get("value")
        readers = call.builder.readers.get(id(call.result), set())
        if not value and call.out_dtype.kind == "f" and any("max_pool" in n for n in readers):
            # ONNX Runtime (1.31) takes zeros into the MaxPool after them, whose border is never
            # the largest. The number nearest to zero is left alone.
            value = np.finfo(call.out_dtype).smallest_subnormal
        fill = "" if not value else call.constant(value, call.out_dtype, "value")
        return call.op("Pad", x, call.ints([*before, *after]), fill, mode="constant")
    if min(amounts) < 0:  # cut first, then repeat what is left
        shape = call.shape("input")
        for axis in range(rank):
            low, high = max(-before[axis], 0), max(-after[axis], 0)
            if low or high:
                x = call.slice(x, axis, low, shape[axis] - high)
        spatial = [n + min(b, 0) + min(a, 0) for n, b, a in zip(shape, before, after, strict=True)]
        before, after = [max(n, 0) for n in before], [max(n, 0) for n in after]
    else:
        spatial = list(call.shape("input"))
    if mode == "circular" and call.opset < 19:
        return wrap(call, x, spatial[len(rest) :], before, after)
    return call.op("Pad", x, call.ints([*before, *after]), mode=ONNX_MODES[mode])


CONVERTERS: dict[str, Callable[[Call], Any]] = {"pad": pad}
