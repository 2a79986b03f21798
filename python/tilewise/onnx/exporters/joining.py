"""Joining, splitting and indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewise._dtypes import to_numpy

from .builder import Call, Multiple, Unsupported

_END = 2**62  # beyond every dimension: a slice to the end


def _tensors(call: Call) -> list[str]:
    """The tensors of a sequence, in the dtype of the result."""
    return [call.operand(value, call.out_dtype) for value in call.arguments["tensors"]]


def _cat(call: Call) -> str:
    axis = call.get("dim", 0) % len(call.out_shape)
    parts = [v for v in call.arguments["tensors"] if tuple(v.shape) != (0,)]
    names = [call.operand(value, call.out_dtype) for value in parts]
    return names[0] if len(names) == 1 else call.op("Concat", *names, axis=axis)


def _stack(call: Call) -> str:
    axis = call.get("dim", 0) % len(call.out_shape)
    return call.op("Concat", *[call.unsqueeze(name, axis) for name in _tensors(call)], axis=axis)


def _joined_along(axis_of_rank: Callable[[int], int]) -> Callable[[Call], str]:
    """hstack, vstack and dstack of tensors that need no new dimensions."""

    def convert(call: Call) -> str:
        rank = len(call.out_shape)
        if any(len(value.shape) != rank for value in call.arguments["tensors"]):
            raise Unsupported("it adds dimensions; use tw.stack")
        return call.op("Concat", *_tensors(call), axis=axis_of_rank(rank))

    return convert


def _split(call: Call) -> Any:
    """split, chunk and tensor_split: the sizes of the results are known."""
    key = "tensor" if "tensor" in call.arguments else "input"
    axis = call.get("dim", 0) % call.rank(key)
    outputs = call.node.outputs
    sizes = [call.sizes_of(value)[axis] for value in outputs]
    if len(sizes) == 1:
        return [call[key]]
    if any(isinstance(n, Multiple) for n in sizes):
        raise Unsupported("it splits the batch dimension")
    return call.ops("Split", call[key], call.ints(sizes), outputs=len(sizes), axis=axis)


def _unbind(call: Call) -> Any:
    axis = call.get("dim", 0) % call.rank("input")
    if isinstance(call.sizes("input")[axis], Multiple):
        raise Unsupported("it takes the batch apart")
    return [_pick(call, call["input"], axis, i) for i in range(len(call.node.outputs))]


def _pick(call: Call, x: str, axis: int, index: int) -> str:
    """One place of a dimension, which goes."""
    return call.op("Gather", x, call.constant(index, np.int64, "index"), axis=axis)


def _narrow(call: Call) -> str:
    axis, start, length = (call.get(name) for name in ("dim", "start", "length"))
    axis, size = axis % call.rank("input"), call.shape("input")[axis]
    start = int(start) + (size if start < 0 else 0)
    return call.slice(call["input"], axis, start, start + length)


def _select(call: Call) -> str:
    return _pick(call, call["input"], call.get("dim") % call.rank("input"), call.get("index"))


def _getitem(call: Call) -> str:
    """Slices, numbers, None and `...`, and one tensor of indices among them."""
    index = call.arguments["index"] if "index" in call.arguments else call.arguments["key"]
    items = list(index) if isinstance(index, tuple) else [index]
    items = [item.tolist() if isinstance(item, np.ndarray) else item for item in items]
    rank, x = call.rank("input"), call["input"]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    axis, new_axes = 0, []
    place = 0  # in the result
    gathers = 0
    for item in items:
        if item is Ellipsis:
            axis, place = axis + rank - used, place + rank - used
        elif item is None:
            new_axes.append(place)
            place += 1
        elif isinstance(item, slice):
            x = _sliced(call, x, axis, item)
            axis, place = axis + 1, place + 1
        elif isinstance(item, bool):
            raise Unsupported("it is indexed by a bool; use unsqueeze")
        elif isinstance(item, int):
            x = _pick(call, x, axis, item)
            rank, used = rank - 1, used - 1
        elif call.is_tensor(item) or isinstance(item, list):
            gathers += 1
            indices, dims = _indices(call, item, gathers)
            x = call.op("Gather", x, indices, axis=axis)
            rank, used = rank + dims - 1, used - 1 + dims
            axis, place = axis + dims, place + dims
        else:
            raise Unsupported(f"the index {item!r} depends on the batch size")
    return call.unsqueeze(x, *new_axes) if new_axes else x


def _indices(call: Call, item: Any, number: int) -> tuple[str, int]:
    """The name and the rank of a tensor of indices."""
    if number > 1:
        raise Unsupported("it is indexed by several tensors; index one dimension at a time")
    if isinstance(item, list):
        values = np.array(item)
        if values.dtype.kind not in "iu":
            raise Unsupported("it is indexed by a mask: the result's size depends on the values")
        return call.constant(values, np.int64, "index"), values.ndim
    dtype = to_numpy(item.dtype)
    if dtype.kind not in "iu" or dtype == np.uint8:
        raise Unsupported("it is indexed by a mask: the result's size depends on the values")
    return call.cast(call.name_of(item), dtype, np.int64), len(item.shape)


def _sliced(call: Call, x: str, axis: int, item: slice) -> str:
    if any(isinstance(end, Multiple) for end in (item.start, item.stop, item.step)):
        raise Unsupported("its slice depends on the batch size; use None or a negative end")
    if any(call.is_tensor(end) for end in (item.start, item.stop, item.step)):
        raise Unsupported("its slice is a tensor")
    if item == slice(None):
        return x
    start = 0 if item.start is None else int(item.start)
    stop = _END if item.stop is None else int(item.stop)
    return call.slice(x, axis, start, stop, 1 if item.step is None else int(item.step))


def _gather(call: Call) -> str:
    """The elements of a tensor at places along a dimension."""
    key = "index" if "index" in call.arguments else "indices"
    axis = call.get("dim")
    if axis is None:
        raise Unsupported("take_along_dim without dim; name the dimension")
    return call.op("GatherElements", call["input"], call[key], axis=axis % call.rank("input"))


def _index_select(call: Call) -> str:
    return call.op("Gather", call["input"], call["index"], axis=call.get("dim"))


def _scatter(call: Call) -> str:
    """Elements written to places along a dimension, or added there."""
    reduce = "add" if call.function == "scatter_add" else call.get("reduce")
    if reduce not in {None, "none", "add"} and call.opset < 16:
        raise Unsupported(f"reduce={reduce!r} needs opset 16")
    values = call.arguments["src"]
    if not call.is_tensor(values):
        shape = call.op("Shape", call["index"])
        source = call.op("Expand", call.constant(values, call.out_dtype, "scalar"), shape)
    else:
        source = call.name_of(values)
    names = {None: "none", "add": "add", "multiply": "mul"}
    if reduce not in names:
        raise Unsupported(f"reduce={reduce!r} has no operator")
    axis = call.get("dim") % call.rank("input")
    return call.op(
        "ScatterElements", call["input"], call["index"], source, axis=axis, reduction=names[reduce]
    )


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
    "hstack": _joined_along(lambda rank: int(rank > 1)),
    **dict.fromkeys(("vstack", "row_stack"), _joined_along(lambda _: 0)),
    "dstack": _joined_along(lambda _: 2),
    **dict.fromkeys(("split", "chunk", "tensor_split"), _split),
    "unbind": _unbind,
    "narrow": _narrow,
    "select": _select,
    "getitem": _getitem,
    **dict.fromkeys(("gather", "take_along_dim"), _gather),
    "index_select": _index_select,
    **dict.fromkeys(("scatter", "scatter_add"), _scatter),
}
