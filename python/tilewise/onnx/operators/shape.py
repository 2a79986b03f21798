"""Shapes: what a value's is, and values in others."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from tilewise import functional as F
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
    growth_limit,
    ints,
    numpy_type,
    tensor,
)  # fmt: skip
from .window import entries


@operator("Shape")
def shape(node: Node, x: Value) -> Array:
    """The sizes, as int64; of some dimensions only."""
    start, end = node.get("start", 0), node.get("end")
    return np.array(x.shape[start:end], np.int64)


@operator("Size")
def size(_: Node, x: Value) -> Array:
    """The number of elements."""
    return np.array(math.prod(x.shape), np.int64)


def reshaped(x: Value, sizes: list[int]) -> Value:
    """A value in another shape."""
    checked_shape([n for n in sizes if n != -1], 2**40)
    if math.prod(x.shape) == 0 and -1 in sizes:
        raise ValueError(f"cannot tell the size -1 of an empty value, {x.shape} to {sizes}")
    return x.reshape(sizes)


@operator("Reshape")
def reshape(node: Node, x: Value, target: Value | None = None) -> Value:
    """The same elements in another shape; 0 keeps a size, -1 follows from the others."""
    sizes = ints("shape", target) if target is not None else list(node["shape"])
    if not node.get("allowzero", 0):
        if any(n == 0 and i >= x.ndim for i, n in enumerate(sizes)):
            raise ValueError(f"expected zeros of shape where the input has sizes, got {sizes}")
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    if sizes.count(-1) == 1 and math.prod(x.shape) == 0:
        known = math.prod(n for n in sizes if n != -1)
        if known:
            sizes = [0 if n == -1 else n for n in sizes]
    return reshaped(x, sizes)


@operator("Flatten")
def flatten(node: Node, x: Value) -> Value:
    """A matrix of the dimensions before `axis` and of those from it on."""
    axis = node["axis"]
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"expected axis in [{-x.ndim}, {x.ndim}], got {axis}")
    axis += x.ndim if axis < 0 else 0
    return x.reshape((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Transpose")
def transpose(node: Node, x: Value) -> Value:
    """The dimensions in another order."""
    order = list(node.get("perm") or range(x.ndim)[::-1])
    if len(order) != x.ndim:
        raise ValueError(f"expected perm of {x.ndim} axes, got {order}")
    order = axes_of(order, x.ndim, "perm")
    return x.permute(*order) if isinstance(x, Tensor) else np.transpose(x, order)


def _axes(node: Node, given: Value | None) -> list[int] | None:
    """Axes, which used to be an attribute and became an input."""
    if given is not None:
        return ints("axes", given)
    axes = node.get("axes")
    return None if axes is None else list(axes)


@operator("Squeeze")
def squeeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    """Without dimensions of size 1: those named, or all."""
    named = _axes(node, axes)
    if named is None:
        named = [i for i, n in enumerate(x.shape) if n == 1]
    gone = axes_of(named, x.ndim)
    wrong = [i for i in gone if x.shape[i] != 1]
    if wrong:
        raise ValueError(f"expected sizes of 1 at axes {named}, got {tuple(x.shape)}")
    return x.reshape([n for i, n in enumerate(x.shape) if i not in gone])


@operator("Unsqueeze")
def unsqueeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    """With new dimensions of size 1 at these places of the result."""
    named = _axes(node, axes)
    if named is None:
        raise ValueError("expected axes")
    rank = x.ndim + len(named)
    added = set(axes_of(named, rank))
    old = iter(x.shape)
    return x.reshape(checked_shape([1 if i in added else next(old) for i in range(rank)], 2**40))


@operator("Concat")
def concat(node: Node, *values: Value) -> Value:
    """Values joined along an axis."""
    axis = axis_of(node["axis"], values[0].ndim)
    if len({numpy_type(v) for v in values}) > 1:
        raise ValueError(f"expected values of one type, got {[v.dtype for v in values]}")
    return compute(lambda *v: tw.cat(v, axis), lambda *v: np.concatenate(v, axis), *values)


@operator("Split")
def split(node: Node, x: Value, sizes: Value | None = None) -> tuple[Value, ...]:
    """Parts of one dimension."""
    axis = axis_of(node["axis"], x.ndim)
    count = node.get("num_outputs") or len(node.outputs)
    lengths = ints("split", sizes) if sizes is not None else list(node.get("split") or ())
    total = x.shape[axis]
    if not lengths:
        if not 1 <= count <= max(total, len(node.outputs)):
            raise ValueError(f"expected num_outputs in [1, {total}], got {count}")
        step = -(-total // count)
        lengths = [max(min(step, total - i * step), 0) for i in range(count)]
    if sum(lengths) != total or min(lengths) < 0:
        raise ValueError(f"expected parts of {total} in all, got {lengths}")
    ends = np.cumsum([0, *lengths])
    lead = (slice(None),) * axis
    return tuple(x[(*lead, slice(int(a), int(b)))] for a, b in pairwise(ends))


@operator("Expand")
def expand(_: Node, x: Value, target: Value) -> Value:
    """Repeated along dimensions of size 1, by the rules of broadcasting, which hold both ways."""
    sizes = checked_shape(
        np.broadcast_shapes(tuple(x.shape), tuple(ints("shape", target))), growth_limit(x)
    )
    return x.expand(*sizes) if isinstance(x, Tensor) else np.broadcast_to(x, sizes)


@operator("Tile")
def tile(_: Node, x: Value, repeats: Value, axis: Value | None = None) -> Value:
    """Laid out several times along each dimension."""
    if axis is not None:  # of old: how often along one axis
        (count,), (along,) = ints("tiles", repeats), ints("axis", axis)
        counts = [1] * x.ndim
        counts[axis_of(along, x.ndim)] = count
    else:
        counts = ints("repeats", repeats)
    if len(counts) != x.ndim:
        raise ValueError(f"expected repeats for {x.ndim} dimensions, got {counts}")
    checked_shape([n * c for n, c in zip(x.shape, counts, strict=True)], growth_limit(x))
    return compute(lambda v: v.repeat(*counts), lambda v: np.tile(v, counts), x) if counts else x


@operator("DepthToSpace")
def depth_to_space(node: Node, x: Value) -> Value:
    """Blocks of channels laid out as pixels."""
    block, (batch, channels, height, width) = _block(node, x), x.shape
    if channels % block**2:
        raise ValueError(f"expected channels in blocks of {block}², got {channels}")
    rest = channels // block**2
    if node.get("mode", "DCR") == "DCR":
        parts, order = (batch, block, block, rest, height, width), (0, 3, 4, 1, 5, 2)
    else:
        parts, order = (batch, rest, block, block, height, width), (0, 1, 4, 2, 5, 3)
    moved = tensor(x).reshape(parts).permute(*order)
    return moved.reshape(batch, rest, height * block, width * block)


@operator("SpaceToDepth")
def space_to_depth(node: Node, x: Value) -> Value:
    """Blocks of pixels laid out as channels."""
    block, (batch, channels, height, width) = _block(node, x), x.shape
    if height % block or width % block:
        raise ValueError(f"expected an image in blocks of {block}, got {x.shape}")
    parts = (batch, channels, height // block, block, width // block, block)
    if node.get("mode", "DCR") == "CRD":
        moved = tensor(x).reshape(parts).permute(0, 1, 3, 5, 2, 4)
    else:
        moved = tensor(x).reshape(parts).permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(batch, channels * block**2, height // block, width // block)


def _block(node: Node, x: Value) -> int:
    block: int = node["blocksize"]
    if x.ndim != 4 or not 1 <= block <= 2**15:
        raise ValueError(f"expected (N, C, H, W) and blocksize from 1, got {x.shape}, {block}")
    return block


@operator("Trilu")
def trilu(node: Node, x: Value, k: Value | None = None) -> Value:
    """The upper or lower triangle of matrices, zeros elsewhere."""
    diagonal = 0 if k is None else ints("k", k)[0]
    diagonal = max(min(diagonal, 2**31 - 1), -(2**31) + 1)
    if node["upper"]:
        return compute(lambda v: tw.triu(v, diagonal), lambda v: np.triu(v, diagonal), x)
    return compute(lambda v: tw.tril(v, diagonal), lambda v: np.tril(v, diagonal), x)


@operator("CenterCropPad")
def center_crop_pad(node: Node, x: Value, target: Value) -> Value:
    """Cut or padded with zeros around the middle to the sizes of some axes."""
    sizes = ints("shape", target)
    named = node.get("axes")
    axes = axes_of(list(range(x.ndim)) if named is None else named, x.ndim)
    if len(sizes) != len(axes):
        raise ValueError(f"expected shape of {len(axes)} sizes, got {sizes}")
    wanted = list(x.shape)
    for axis, n in zip(axes, sizes, strict=True):
        wanted[axis] = n
    checked_shape(wanted, growth_limit(x))
    before = [(w - n) // 2 if w >= n else -((n - w) // 2) for w, n in zip(wanted, x.shape)]  # noqa: B905
    after = [w - n - b for w, n, b in zip(wanted, x.shape, before, strict=True)]
    amounts = [v for pair in zip(reversed(before), reversed(after), strict=True) for v in pair]
    return F.pad(tensor(x), amounts)


@operator("Col2Im")
def col2im(node: Node, x: Value, image_shape: Value, block_shape: Value) -> Tensor:
    """Blocks of (N, C · taps, blocks) added up where they lay in an image."""
    size, block, columns = (
        ints("image_shape", image_shape),
        ints("block_shape", block_shape),
        tensor(x),
    )
    dims = len(size)
    pads = entries(node, "pads", 2 * dims, 0, 0)
    stride, dilation = entries(node, "strides", dims, 1, 1), entries(node, "dilations", dims, 1, 1)
    whole = checked_shape([n + pads[i] + pads[i + dims] for i, n in enumerate(size)])
    checked_shape([*block, *whole], growth_limit(columns))
    if columns.ndim != 3 or len(block) != dims or columns.shape[1] % max(math.prod(block), 1):
        raise ValueError(f"expected (N, C · taps, blocks) for blocks {block}, got {columns.shape}")
    at = np.zeros((1, 1), np.int64)  # (taps, blocks): pixels of the padded image, flattened
    for n, k, s, d in zip(whole, block, stride, dilation, strict=True):
        starts = np.arange(max((n - d * (k - 1) - 1) // s + 1, 0)) * s
        line = np.arange(k)[:, None] * d + starts
        at = at[:, None, :, None] * n + line[None, :, None, :]
        at = at.reshape(at.shape[0] * at.shape[1], -1)
    batch, blocks = columns.shape[0], columns.shape[2]
    if at.shape[1] != blocks:
        raise ValueError(f"expected {at.shape[1]} blocks in an image of {size}, got {blocks}")
    parts = columns.reshape(batch, columns.shape[1] // math.prod(block), -1)
    empty = tw.zeros(batch, parts.shape[1], math.prod(whole), dtype=columns.dtype)
    added = tw.index_add(empty, 2, tensor(at.reshape(-1)), parts)
    added = added.reshape(batch, parts.shape[1], *whole)
    middle = [slice(pads[i], pads[i] + n) for i, n in enumerate(size)]
    return added[(slice(None), slice(None), *middle)]
