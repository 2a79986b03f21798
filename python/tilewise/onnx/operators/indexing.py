"""Parts of values by slice and index, and writing to them."""

from __future__ import annotations

import numpy as np

from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import (
    Array,
    Value,
    axes_of,
    axis_of,
    checked_shape,
    compute,
    converted_index,
    growth_limit,
    host,
    ints,
    number,
    numpy_type,
    tensor,
    wrap,
)  # fmt: skip


@operator("Slice")
def slice_(
    node: Node,
    x: Value,
    starts: Value | None = None,
    ends: Value | None = None,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    """A range of some dimensions; a negative step walks back."""
    first = ints("starts", starts) if starts is not None else list(node["starts"])
    last = ints("ends", ends) if ends is not None else list(node["ends"])
    named = ints("axes", axes) if axes is not None else node.get("axes")
    along = axes_of(list(range(len(first))) if named is None else list(named), x.ndim)
    step = ints("steps", steps) if steps is not None else [1] * len(first)
    if not len(first) == len(last) == len(along) == len(step) or 0 in step:
        raise ValueError(
            f"expected starts, ends, axes and steps of one length, got {first}, {last}, {along}, "
            f"{step}"
        )
    index = [slice(None)] * x.ndim
    turned = []
    for axis, a, b, s in zip(along, first, last, step, strict=True):
        begin, end, stride = slice(a, b, s).indices(x.shape[axis])
        if stride < 0 and isinstance(x, Tensor):  # the same entries from the front, then turned
            count = len(range(begin, end, stride))
            begin, end, stride = begin + (count - 1) * stride, begin + 1, -stride
            index[axis] = slice(begin, end, stride) if count else slice(0, 0)
            turned.append(axis)
        elif stride < 0:
            index[axis] = slice(begin, end if end >= 0 else None, stride)
        else:
            index[axis] = slice(begin, max(begin, end), stride)
    part = x[tuple(index)]
    return tw.flip(part, turned) if turned and isinstance(part, Tensor) else part


@operator("Gather", weights={0: "weight"})
def gather(node: Node, x: Value, indices: Value) -> Value:
    """Entries of one dimension; the index's shape stands in its place."""
    axis = axis_of(node["axis"], x.ndim)
    index = converted_index(indices, x.shape[axis])
    checked_shape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]], growth_limit(x, index))
    if isinstance(x, np.ndarray):
        return np.asarray(np.take(x, index, axis))
    picked = tw.index_select(x, axis, tensor(index.reshape(-1)))
    return picked.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


@operator("GatherElements")
def gather_elements(node: Node, x: Value, indices: Value) -> Value:
    """One element for each index along a dimension."""
    axis = axis_of(node["axis"], x.ndim)
    index = converted_index(indices, x.shape[axis])
    if index.ndim != x.ndim:
        raise ValueError(f"expected indices of {x.ndim} dimensions, got {index.shape}")
    return compute(
        lambda v: tw.gather(v, axis, tensor(index)),
        lambda v: host(tw.gather(tensor(v), axis, tensor(index))),
        x,
    )


def _nd_index(x: Value, indices: Value, batch: int = 0) -> tuple[Array, ...]:
    """The last dimension of indices as one array of indices for each dimension of `x`."""
    index = host(indices)
    if index.ndim < 1 or index.dtype.kind not in "iu" or index.ndim <= batch or batch < 0:
        raise ValueError(f"expected indices as integers of rank > {batch}, got {index.shape}")
    depth = index.shape[-1]
    if not batch + depth <= x.ndim or depth < 1:
        raise ValueError(f"expected indices for {x.ndim} dimensions, got {index.shape}")
    lead = index.shape[:-1]
    if tuple(lead[:batch]) != tuple(x.shape[:batch]):
        raise ValueError(f"expected indices for batches {x.shape[:batch]}, got {index.shape}")
    parts = [
        np.broadcast_to(
            np.arange(lead[i]).reshape([-1 if j == i else 1 for j in range(len(lead))]), lead
        )
        for i in range(batch)
    ]
    parts += [converted_index(index[..., i], x.shape[batch + i]) for i in range(depth)]
    return tuple(np.ascontiguousarray(part) for part in parts)


@operator("GatherND")
def gather_nd(node: Node, x: Value, indices: Value) -> Value:
    """Parts of a value, each named by a vector of indices."""
    index = _nd_index(x, indices, node.get("batch_dims", 0))
    if isinstance(x, np.ndarray):
        return np.asarray(x[index])
    return x[tuple(tensor(part) for part in index)]


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator("Scatter", "ScatterElements")
def scatter_elements(node: Node, x: Value, indices: Value, updates: Value) -> Value:
    """A copy with elements written, added, … at one index each along a dimension."""
    axis = axis_of(node["axis"], x.ndim)
    index = tensor(converted_index(indices, x.shape[axis]))
    target, source, how = tensor(x), tensor(updates), node.get("reduction", "none")
    if how == "none":
        return tw.scatter(target, axis, index, source)
    if how not in _REDUCTIONS:
        raise ValueError(f"expected reduction as none or one of {sorted(_REDUCTIONS)}, got {how!r}")
    return tw.scatter_reduce(target, axis, index, source, _REDUCTIONS[how])


@operator("ScatterND")
def scatter_nd(node: Node, x: Value, indices: Value, updates: Value) -> Value:
    """A copy with parts written, added, … each named by a vector of indices."""
    index, how = _nd_index(x, indices), node.get("reduction", "none")
    target, source = tensor(x), tensor(updates)
    if how in ("none", "add"):
        return tw.index_put(target, tuple(tensor(part) for part in index), source, how == "add")
    if how not in _REDUCTIONS:
        raise ValueError(f"expected reduction as none or one of {sorted(_REDUCTIONS)}, got {how!r}")
    depth = len(index)
    rows = np.ravel_multi_index(index, tuple(x.shape[:depth])).reshape(-1)
    flat = target.reshape(int(np.prod(x.shape[:depth])), -1)
    parts = source.reshape(len(rows), -1)
    places = np.broadcast_to(rows[:, None], tuple(parts.shape))
    combined = tw.scatter_reduce(flat, 0, tensor(places), parts, _REDUCTIONS[how])
    return combined.reshape(x.shape)


@operator("Compress")
def compress(node: Node, x: Value, condition: Value) -> Value:
    """The entries of a dimension (or elements) for which a condition holds."""
    wanted = np.flatnonzero(host(condition))
    axis = node.get("axis")
    source = x.reshape(-1) if axis is None else x
    along = 0 if axis is None else axis_of(axis, x.ndim)
    index = converted_index(wanted, source.shape[along])
    return compute(
        lambda v: tw.index_select(v, along, tensor(index)),
        lambda v: np.take(v, index, along),
        source,
    )


@operator("NonZero")
def non_zero(_: Node, x: Value) -> Value:
    """The indices of the non-zero elements, (ndim, count)."""
    return np.stack(np.nonzero(host(x))) if x.ndim else np.zeros((0, int(host(x) != 0)), np.int64)


@operator("TopK")
def top_k(node: Node, x: Value, k: Value | None = None) -> tuple[Value, Value]:
    """The k largest (or smallest) elements along a dimension, with their indices."""
    count = int(number("k", k)) if k is not None else node["k"]
    axis, largest = axis_of(node["axis"], x.ndim), bool(node.get("largest", 1))
    if not 0 <= count <= x.shape[axis]:
        raise ValueError(f"expected k in [0, {x.shape[axis]}], got {count}")
    if isinstance(x, np.ndarray):
        # Sorted from the back where the largest are wanted, so that the first of equals wins.
        keys = x if not largest else np.flip(x, axis)
        order = np.argsort(keys, axis, kind="stable")
        order = np.flip(x.shape[axis] - 1 - order, axis) if largest else order
        order = np.take(order, np.arange(count), axis)
        return np.take_along_axis(x, order, axis), order.astype(np.int64)
    values, places = tw.topk(x, count, axis, largest)
    return values, places


@operator("OneHot")
def one_hot(node: Node, indices: Value, depth: Value, values: Value) -> Value:
    """`values[1]` where the new axis has the index, `values[0]` elsewhere."""
    count, places = int(number("depth", depth)), host(indices)
    pair = host(values)
    if pair.shape != (2,):
        raise ValueError(f"expected values as two numbers, got {pair.shape}")
    axis = axis_of(node["axis"], places.ndim + 1)
    shape = list(places.shape)
    shape.insert(axis, count)
    checked_shape(shape, growth_limit(places))
    wrapped = np.expand_dims(np.where(places < 0, places + count, places).astype(np.int64), axis)
    steps = np.arange(count).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return wrap(np.where(wrapped == steps, pair[1], pair[0]).astype(numpy_type(values)))


@operator("ReverseSequence")
def reverse_sequence(node: Node, x: Value, lengths: Value) -> Value:
    """The first entries along time in reverse, as many as each sequence has."""
    time, batch = axis_of(node["time_axis"], x.ndim), axis_of(node["batch_axis"], x.ndim)
    counts = ints("sequence_lens", lengths)
    if time == batch or len(counts) != x.shape[batch]:
        raise ValueError(f"expected a length for each of {x.shape[batch]} sequences")
    steps = np.arange(x.shape[time])[:, None]
    ends = np.asarray(counts)[None]
    order = np.where(steps < ends, ends - 1 - steps, steps)
    order = order if time < batch else order.T
    order = order.reshape([n if i in (time, batch) else 1 for i, n in enumerate(x.shape)])
    index = np.broadcast_to(converted_index(order, x.shape[time]), tuple(x.shape))
    return tw.gather(tensor(x), time, tensor(index))
