"""Borders."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Value, axes_of, checked_shape, growth_limit, host, ints, number, tensor

# ONNX's modes: those of F.pad and of NumPy.
_MODES = {
    "constant": ("constant", "constant"),
    "reflect": ("reflect", "reflect"),
    "edge": ("replicate", "edge"),
    "wrap": ("circular", "wrap"),
}


@operator("Pad")
def pad(
    node: Node,
    x: Value,
    pads: Value | None = None,
    value: Value | None = None,
    axes: Value | None = None,
) -> Value:
    """A border around some dimensions; negative amounts cut away."""
    amounts = ints("pads", pads) if pads is not None else list(node["pads"])
    named = axes_of(list(range(x.ndim)) if axes is None else ints("axes", axes), x.ndim)
    if len(amounts) != 2 * len(named):
        raise ValueError(f"expected two pads for each of {len(named)} axes, got {amounts[:8]}")
    border = [(0, 0)] * x.ndim
    for i, axis in enumerate(named):
        border[axis] = (amounts[i], amounts[i + len(named)])
    checked_shape([n + b + e for n, (b, e) in zip(x.shape, border, strict=True)])
    padded = [n + max(b, 0) + max(e, 0) for n, (b, e) in zip(x.shape, border, strict=True)]
    checked_shape(padded, growth_limit(x))
    mode = node.get("mode", "constant")
    if mode not in _MODES:
        raise ValueError(f"expected mode as one of {sorted(_MODES)}, got {mode!r}")
    if mode == "constant":
        fill = number("value", value) if value is not None else node.get("value", 0)
        flat = [n for pair in reversed(border) for n in pair]
        return _constant(x, flat, fill)
    for axis, (begin, end) in enumerate(border):
        if begin or end:
            x = _repeated(x, axis, begin, end, _MODES[mode][1])
    return x


def _constant(x: Value, flat: list[int], fill: Any) -> Value:
    if isinstance(x, np.ndarray) and min(flat, default=0) >= 0:
        pairs = list(zip(flat[::2], flat[1::2], strict=True))[::-1]
        return np.pad(x, pairs, constant_values=fill)
    return F.pad(tensor(x), flat, value=fill) if flat else x


def _repeated(x: Value, axis: int, begin: int, end: int, mode: Any) -> Value:
    """A border of the input's own pixels along one axis, found by index."""
    size = x.shape[axis]
    if size == 0:
        raise ValueError(f"expected pixels to repeat along axis {axis}, got {tuple(x.shape)}")
    index = np.pad(np.arange(size), (max(begin, 0), max(end, 0)), mode=mode)
    index = index[max(-begin, 0) : len(index) - max(-end, 0)]
    if isinstance(x, Tensor):
        return tw.index_select(x, axis, tensor(index))
    return np.take(host(x), index, axis)
