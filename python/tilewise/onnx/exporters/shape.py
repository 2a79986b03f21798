"""Reshaping, reordering and repeating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .builder import Call, Multiple, Unsupported
from .conv import unfold


def _reshape(call: Call) -> str:
    """Whatever the arguments said: the result's shape is known."""
    if call.sizes("input") == call.out_sizes:
        return call["input"]
    return call.reshape(call["input"], call.out_sizes)


def _flatten(call: Call) -> str:
    """Flatten where it is the one that networks end with."""
    if len(call.out_shape) == 2 and call.rank("input") > 2 and call.get("start_dim", 0) == 1:
        return call.op("Flatten", call["input"], axis=1)
    return _reshape(call)


def _axes(call: Call, names: Sequence[Any]) -> list[int]:
    flat = names[0] if len(names) == 1 and isinstance(names[0], tuple | list) else names
    return [int(n) % call.rank("input") for n in flat]


def _transposed(call: Call, order: Sequence[int]) -> str:
    if list(order) == sorted(order):
        return call["input"]
    return call.op("Transpose", call["input"], perm=list(order))


def _permute(call: Call) -> str:
    return _transposed(call, _axes(call, call.get("dims")))


def _transpose(call: Call) -> str:
    order = list(range(call.rank("input")))
    a, b = (call.get(name) % len(order) for name in ("dim0", "dim1"))
    order[a], order[b] = order[b], order[a]
    return _transposed(call, order)


def _reversed_axes(call: Call) -> str:
    """t, T: the axes in reverse; mT: the last two."""
    order = list(range(call.rank("input")))
    if call.function == "adjoint":
        order[-2:] = order[:-3:-1]
    else:
        order.reverse()
    return _transposed(call, order)


def _movedim(call: Call) -> str:
    rank = call.rank("input")
    ends = [call.get(name) for name in ("source", "destination")]
    source, destination = ([n] if isinstance(n, int) else list(n) for n in ends)
    source, destination = [n % rank for n in source], [n % rank for n in destination]
    rest = iter([n for n in range(rank) if n not in source])
    moved = dict(zip(destination, source, strict=True))
    return _transposed(call, [moved[n] if n in moved else next(rest) for n in range(rank)])


def _expand(call: Call) -> str:
    """Expand; a size of one keeps what the tensor has, which may be the free batch."""
    before, after = call.sizes("input"), call.out_sizes
    if before == after:
        return call["input"]
    kept = (1,) * (len(after) - len(before)) + tuple(before)
    sizes = [1 if a == b else a for a, b in zip(after, kept, strict=True)]
    return call.op("Expand", call["input"], call.builder.shape_vector(call.scope, sizes))


def _repeat(call: Call) -> str:
    """Tile, after the dimensions of one that it needs in front."""
    key = "repeats" if "repeats" in call.arguments else "dims"
    given = call.arguments[key]
    counts = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    x, rank = call["input"], call.rank("input")
    if len(counts) > rank:
        x = call.reshape(x, [*(1,) * (len(counts) - rank), *call.sizes("input")])
    counts = [*(1,) * (rank - len(counts)), *counts]
    return call.op("Tile", x, call.builder.shape_vector(call.scope, counts))


def _flip(call: Call) -> str:
    x = call["input"]
    given = call.get("dims") or call.get("axes") or ()
    for axis in _axes(call, given if isinstance(given, tuple | list) else (given,)):
        end = -(2**31)
        x = call.slice(x, axis, -1, end, -1)
    return x


def _roll(call: Call) -> str:
    shifts, dims = call.get("shifts"), call.get("dims")
    if dims is None:
        raise Unsupported("roll without dims; name the dimension")
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    dims = [dims] if isinstance(dims, int) else list(dims)
    x, sizes = call["input"], call.sizes("input")
    for shift, dim in zip(shifts, dims, strict=True):
        axis = dim % len(sizes)
        size = sizes[axis]
        if isinstance(size, Multiple):
            raise Unsupported("it rolls the batch dimension")
        at = -shift % size
        if at:
            x = call.op(
                "Concat", call.slice(x, axis, at, size), call.slice(x, axis, 0, at), axis=axis
            )
    return x


def _channel_shuffle(call: Call) -> str:
    sizes, groups = call.sizes("input"), call.get("groups")
    channels = call.shape("input")[1]
    split = call.reshape(call["input"], [sizes[0], groups, channels // groups, *sizes[2:]])
    order = [0, 2, 1, *range(3, len(sizes) + 1)]
    return call.reshape(call.op("Transpose", split, perm=order), sizes)


def _pixel_shuffle(call: Call) -> str:
    """DepthToSpace in the order that counts channels first."""
    if call.rank("input") == 4:
        factor = call.get("upscale_factor")
        return call.op("DepthToSpace", call["input"], blocksize=factor, mode="CRD")
    factor, sizes = call.get("upscale_factor"), call.sizes("input")
    *lead, channels, height, width = sizes
    if not isinstance(channels, int):
        raise Unsupported("its channels are the batch")
    n = len(lead)
    x = call.reshape(call["input"], [*lead, channels // factor**2, factor, factor, height, width])
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return call.reshape(call.op("Transpose", x, perm=order), call.out_sizes)


def _pixel_unshuffle(call: Call) -> str:
    """Reshape and Transpose: SpaceToDepth numbers the channels in another order."""
    factor = call.get("downscale_factor")
    *lead, channels, height, width = call.out_sizes
    if not isinstance(channels, int):
        raise Unsupported("its channels are the batch")
    n = len(lead)
    x = call.reshape(call["input"], [*lead, channels // factor**2, height, factor, width, factor])
    order = [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    return call.reshape(call.op("Transpose", x, perm=order), call.out_sizes)


def _tensor_unfold(call: Call) -> str:
    """Windows of one dimension as a new last one: slices side by side."""
    axis, size = call.get("dimension") % call.rank("input"), call.get("size")
    step, count = call.get("step"), call.out_shape[call.get("dimension")]
    parts = [
        call.unsqueeze(call.slice(call["input"], axis, i * step, i * step + size), axis)
        for i in range(count)
    ]
    joined = call.op("Concat", *parts, axis=axis)
    rank = call.rank("input") + 1
    order = [n for n in range(rank) if n != axis + 1] + [axis + 1]
    return call.op("Transpose", joined, perm=order)


def _triangle(call: Call) -> str:
    k = call.constant(call.get("diagonal", 0), np.int64, "diagonal")
    return call.op("Trilu", call["input"], k, upper=int(call.function == "triu"))


def _either_unfold(call: Call) -> str:
    """`F.unfold` (im2col) and `Tensor.unfold` share a name; their arguments tell them apart."""
    if "dimension" in call.arguments:
        return _tensor_unfold(call)
    return unfold(call)


_RESHAPES = (
    "reshape", "view", "view_as", "reshape_as", "unflatten", "squeeze", "unsqueeze", "ravel",
    "atleast_1d",
)  # fmt: skip
CONVERTERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_RESHAPES, _reshape),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expand),
    **dict.fromkeys(("repeat", "tile"), _repeat),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    **dict.fromkeys(("movedim", "moveaxis"), _movedim),
    **dict.fromkeys(("t", "adjoint"), _reversed_axes),
    **dict.fromkeys(("tril", "triu"), _triangle),
    "flatten": _flatten,
    "permute": _permute,
    "flip": _flip,
    "roll": _roll,
    "channel_shuffle": _channel_shuffle,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "unfold": _either_unfold,
}
