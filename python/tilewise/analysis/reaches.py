"""Which positions each operation reads: the table of rules behind receptive fields.

A rule gets a node and an input of it and says what the output's units read along each spatial
dimension, one `Reach` a dimension; or None: all of the input, in a way that has no units of a map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise._arguments import as_tuple
from tilewise.analysis.kinds import kind_of, setting, weight_shape
from tilewise.analysis.reach import (
    SAME,
    Blocks,
    Listed,
    Reach,
    Slide,
    Spread,
    Whole,
    from_weights,
    parts,
)
from tilewise.creation import from_numpy
from tilewise.functional.conv import padding_of
from tilewise.functional.interpolate import interpolate

if TYPE_CHECKING:
    from tilewise.graph import Node, Value

Reaches = tuple[Reach, ...]
Rule = Callable[["Node", "Value", int], "Reaches | None"]


def _tuple(node: Node, name: str, value: Any, dims: int, least: int = 0) -> tuple[int, ...]:
    return as_tuple(node.op, name, value, dims, least)


def _size(value: Value, dims: int) -> tuple[int, ...]:
    return tuple(value.shape[-dims:])


def _axis(dim: int, rank: int, dims: int) -> int:
    """A dimension as a spatial one: 0 to dims - 1; negative for batch and channels."""
    return (dim if dim >= 0 else dim + rank) - (rank - dims)


def _same(node: Node, value: Value, dims: int) -> Reaches | None:
    """The same position; an input of size 1 is spread over all."""
    out = _size(node.outputs[0], dims)
    if len(value.shape) < dims:  # a scalar, or a vector of channels' factors: no map
        return (Whole(),) * dims
    sizes = _size(value, dims)
    return tuple([SAME if n == m else Whole() for n, m in zip(sizes, out, strict=True)])


def _kept(node: Node, value: Value, dims: int) -> Reaches | None:
    """Another arrangement of batch and channels; None where that of the pixels changes too."""
    same = all(_size(value, dims) == _size(out, dims) for out in node.outputs)
    return (SAME,) * dims if same and len(node.outputs[0].shape) > dims else None


def _conv(node: Node, value: Value, dims: int) -> Reaches | None:
    kernel = weight_shape(node)[2:]
    stride = _tuple(node, "stride", setting(node, "stride", 1), dims, 1)
    dilation = _tuple(node, "dilation", setting(node, "dilation", 1), dims, 1)
    padding = setting(node, "padding", 0)
    before, _ = padding_of(node.op, padding, kernel, stride, dilation, _size(value, dims))
    border = setting(node, "padding_mode", "zeros")
    return tuple(
        [Slide(*one, border) for one in zip(kernel, stride, before, dilation, strict=True)]
    )


def _conv_transpose(node: Node, _value: Value, dims: int) -> Reaches | None:
    kernel = weight_shape(node)[2:]
    stride = _tuple(node, "stride", setting(node, "stride", 1), dims, 1)
    dilation = _tuple(node, "dilation", setting(node, "dilation", 1), dims, 1)
    before = _tuple(node, "padding", setting(node, "padding", 0), dims)
    return tuple([Spread(*one) for one in zip(kernel, stride, before, dilation, strict=True)])


def _pool(node: Node, _value: Value, dims: int) -> Reaches | None:
    kernel = _tuple(node, "kernel_size", setting(node, "kernel_size"), dims, 1)
    given = setting(node, "stride")
    stride = _tuple(node, "stride", kernel if given is None or given == () else given, dims, 1)
    before = _tuple(node, "padding", setting(node, "padding", 0), dims)
    dilation = _tuple(node, "dilation", setting(node, "dilation", 1), dims, 1)
    return tuple([Slide(*one) for one in zip(kernel, stride, before, dilation, strict=True)])


def _unpool(node: Node, value: Value, dims: int) -> Reaches | None:
    windows = _pool(node, value, dims)
    assert windows is not None
    return tuple([Spread(w.kernel, w.stride, w.before, 1) for w in windows])  # type: ignore[attr-defined]


def _adaptive(node: Node, value: Value, dims: int) -> Reaches | None:
    sizes = zip(_size(value, dims), _size(node.outputs[0], dims), strict=True)
    return tuple([Whole() if m == 1 else parts(n, m) for n, m in sizes])


def _everywhere(_node: Node, _value: Value, dims: int) -> Reaches | None:
    """Statistics over all pixels."""
    return (Whole(),) * dims


def _layer_norm(node: Node, _value: Value, dims: int) -> Reaches | None:
    over = len(tuple(setting(node, "normalized_shape", ())))
    return tuple([Whole() if dims - i <= over else SAME for i in range(dims)])


def _over_dims(node: Node, value: Value, dims: int) -> Reaches | None:
    """Sums, means, maxima over dimensions."""
    given, rank = setting(node, "dim"), len(value.shape)
    chosen = given if isinstance(given, tuple | list) else (given,)
    axes = {_axis(dim, rank, dims) for dim in (range(rank) if given is None else chosen)}
    if given is None or len(node.outputs[0].shape) != rank:
        return _kept(node, value, dims) if max(axes, default=-1) < 0 else None
    return tuple([Whole() if i in axes else SAME for i in range(dims)])


def _along(node: Node, value: Value, dims: int) -> Reaches | None:
    """Softmax and its like: positions along one dimension see each other."""
    dim = setting(node, "dim")
    if node.op == "Softmax2d":
        dim = -dims - 1
    if dim is None:
        dim = 1 if len(value.shape) > 1 else 0
    axis = _axis(dim, len(value.shape), dims)
    return tuple([Whole() if i == axis else SAME for i in range(dims)])


def _apart(node: Node, value: Value, dims: int) -> Reaches | None:
    """Parts of batch or channels; parts of the pixels count as all of them."""
    dim = setting(node, "dim", 0)
    if _axis(dim, len(value.shape), dims) < 0:
        return _kept(node, value, dims)
    return None


def _joined(node: Node, _value: Value, dims: int) -> Reaches | None:
    dim = setting(node, "dim", setting(node, "axis", 0))
    axis = _axis(dim, len(node.outputs[0].shape), dims)
    return (
        (SAME,) * dims if axis < 0 else tuple([Whole() if i == axis else SAME for i in range(dims)])
    )


def _permuted(node: Node, value: Value, dims: int) -> Reaches | None:
    rank = len(value.shape)
    order = node.arguments.get("dims")
    if order is None:
        pair = [node.arguments.get(name) for name in ("dim0", "dim1")]
        if None in pair:
            pair = [node.arguments.get(name) for name in ("axis0", "axis1")]
        if None in pair:
            return None
        order = list(range(rank))
        a, b = (int(i) % rank for i in pair)  # type: ignore[arg-type]
        order[a], order[b] = order[b], order[a]
    elif len(order) == 1 and isinstance(order[0], tuple | list):
        order = order[0]
    fixed = all(int(order[i]) % rank == i for i in range(rank - dims, rank))
    return (SAME,) * dims if fixed else None


def _indexed(node: Node, value: Value, dims: int) -> Reaches | None:
    key = node.arguments.get("key", node.arguments.get("index"))
    items = list(key) if isinstance(key, tuple) else [key]
    rank = len(value.shape)
    if any(not isinstance(i, int | slice | type(...) | None) for i in items):
        return None
    taken = sum(isinstance(i, int | slice) for i in items)
    if ... in items:
        at = items.index(...)
        items[at : at + 1] = [slice(None)] * (rank - taken)
    reaches: list[Reach] = [SAME] * dims
    dim = 0
    for item in items:
        if item is None:
            if dim > rank - dims:
                return None  # a new dimension among the pixels
            continue
        axis = _axis(dim, rank, dims)
        if axis >= 0 and not isinstance(item, slice):
            return None
        if axis >= 0:
            first, _, step = item.indices(value.shape[dim])
            reaches[axis] = Slide(1, step, -first)
        dim += 1
    return tuple(reaches)


def _padded(node: Node, _value: Value, dims: int) -> Reaches | None:
    amounts = list(setting(node, "padding") if node.module is not None else node.arguments["pad"])
    mode = node.arguments.get("mode", "constant")
    for name in ("Reflection", "Replication", "Circular"):
        if node.op.startswith(name):
            mode = {"Reflection": "reflect", "Replication": "replicate"}.get(name, "circular")
    border = "zeros" if mode == "constant" else mode
    before = amounts[::2] + [0] * dims
    return tuple([Slide(1, 1, int(before[dims - 1 - i]), 1, border) for i in range(dims)])


def _shuffled(node: Node, _value: Value, dims: int) -> Reaches | None:
    return (Blocks(int(setting(node, "upscale_factor"))),) * dims


def _unshuffled(node: Node, _value: Value, dims: int) -> Reaches | None:
    factor = int(setting(node, "downscale_factor"))
    return (Slide(factor, factor),) * dims


def _resized(node: Node, value: Value, dims: int) -> Reaches | None:
    """Asked of the operation itself: it resizes each pixel by itself, one dimension at a time."""
    mode = setting(node, "mode", "nearest")
    aligned = bool(setting(node, "align_corners", False))
    if "bilinear" in node.op.lower():
        mode, aligned = "bilinear", True
    scale = setting(node, "scale_factor")
    recompute = bool(setting(node, "recompute_scale_factor", False)) or scale is None
    kinds = {"linear": "bilinear", "trilinear": "bilinear"}
    reaches: list[Reach] = []
    sizes = zip(_size(value, dims), _size(node.outputs[0], dims), strict=True)
    for i, (n, m) in enumerate(sizes):
        factor = scale[i] if isinstance(scale, tuple | list) else scale
        pixels = from_numpy(np.eye(n, dtype=np.float32).reshape(n, 1, n, 1))
        weights = interpolate(
            pixels,
            size=(m, 1) if recompute else None,
            scale_factor=None if recompute else (float(factor), 1.0),
            mode=kinds.get(mode, mode),
            align_corners=True if aligned else None,
            antialias=bool(node.arguments.get("antialias", False)),
        )
        reaches.append(from_weights(weights.numpy().reshape(n, m), aligned))
    return tuple(reaches)


_POINTWISE = [
    "identity",
    "relu",
    "relu6",
    "leakyrelu",
    "prelu",
    "rrelu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "hardshrink",
    "softshrink",
    "tanhshrink",
    "threshold",
    "logsigmoid",
    "softplus",
    "softsign",
    "sigmoid",
    "tanh",
    "abs",
    "neg",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "erf",
    "erfc",
    "erfinv",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sign",
    "frac",
    "clamp",
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "where",
    "lerp",
    "addcmul",
    "addcdiv",
    "maskedfill",
    "batchnorm",
    "localresponsenorm",
    "dropout",
    "alphadropout",
    "featurealphadropout",
    "dropblock",
    "stochasticdepth",
    "contiguous",
    "clone",
    "detach",
    "to",
    "float",
    "double",
    "remainder",
    "floordivide",
    "logicalnot",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "nantonum",
    "type",
]

# A rule for each kind of node; one without a rule is taken to read all of its inputs.
RULES: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE, _same),
    "conv": _conv,
    "convtranspose": _conv_transpose,
    **dict.fromkeys(("maxpool", "avgpool", "lppool"), _pool),
    "maxunpool": _unpool,
    **dict.fromkeys(("adaptiveavgpool", "adaptivemaxpool"), _adaptive),
    **dict.fromkeys(("globalavgpool", "globalmaxpool", "instancenorm", "groupnorm"), _everywhere),
    **dict.fromkeys(("layernorm", "rmsnorm"), _layer_norm),
    **dict.fromkeys(
        ("mean", "sum", "amax", "amin", "max", "min", "var", "std", "prod"), _over_dims
    ),
    **dict.fromkeys(("softmax", "logsoftmax", "softmin", "cumsum", "normalize"), _along),
    **dict.fromkeys(("chunk", "split", "tensorsplit", "narrow", "select", "unbind", "glu"), _apart),
    **dict.fromkeys(("maxout",), _apart),
    **dict.fromkeys(("cat",), _joined),
    **dict.fromkeys(("permute", "transpose"), _permuted),
    **dict.fromkeys(
        ("reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "channelshuffle", "expand"),
        _kept,
    ),
    "getitem": _indexed,
    **dict.fromkeys(
        ("pad", "zeropad", "constantpad", "reflectionpad", "replicationpad", "circularpad"),
        _padded,
    ),
    "pixelshuffle": _shuffled,
    "pixelunshuffle": _unshuffled,
    "interpolate": _resized,
}
# Every output reads every input: what these do is known, and not local.
GLOBAL = frozenset(
    ("linear", "matmul", "bmm", "mm", "unfold", "fold", "stack", "fractionalmaxpool")
)


def reaches_of(node: Node, value: Value, dims: int) -> Reaches | None:
    """What the units of a node's output read of one of its inputs; None for all of it."""
    rule = RULES.get(kind_of(node))
    return None if rule is None else rule(node, value, dims)


def is_known(node: Node) -> bool:
    """Whether there is a rule for a node."""
    kind = kind_of(node)
    return kind in RULES or kind in GLOBAL


__all__ = ["GLOBAL", "RULES", "Listed", "is_known", "reaches_of"]
