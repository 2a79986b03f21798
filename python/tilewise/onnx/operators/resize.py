"""Resizing by interpolation along each axis, with every choice of coordinates that ONNX has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import (
    MAX_GROWN,
    Array,
    Value,
    axes_of,
    checked_shape,
    converted_type,
    growth_limit,
    host,
    ints,
    is_float,
    numpy_type,
    tensor,
)  # fmt: skip

_MODES = ("nearest", "linear", "cubic")
_COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_crop_and_resize",
)  # fmt: skip


@dataclass(frozen=True)
class Method:
    """How pixels are found and weighed."""

    mode: str
    coordinates: str
    nearest: str
    cubic: float
    exclude_outside: bool
    antialias: bool
    extrapolation: float


@dataclass(frozen=True)
class Axis:
    """One axis that is resized.

    Attributes:
        size, output: pixels before and after.
        scale: their ratio as the graph has it, which may be a little off.
        low, high: the region of interest, in parts of the axis.
    """

    index: int
    size: int
    output: int
    scale: float
    low: float = 0.0
    high: float = 1.0


def _method(node: Node) -> Method:
    mode = node.get("mode", "nearest")
    if mode not in _MODES:  # of old, "linear" had names for each rank
        mode = "linear" if mode in ("bilinear", "trilinear") else mode
    method = Method(
        mode,
        node.get("coordinate_transformation_mode", "asymmetric"),
        node.get("nearest_mode", "floor"),
        node.get("cubic_coeff_a", -0.75),
        bool(node.get("exclude_outside", 0)),
        bool(node.get("antialias", 0)),
        node.get("extrapolation_value", 0.0),
    )
    if method.mode not in _MODES or method.coordinates not in _COORDINATES:
        raise ValueError(
            f"expected mode as one of {_MODES} and coordinates as one of {_COORDINATES}, got "
            f"{method.mode!r}, {method.coordinates!r}"
        )
    return method


@operator("Upsample")
def upsample(node: Node, x: Value, scales: Value | None = None) -> Value:
    """Resize of opsets 7 to 9: by scales alone."""
    given = node["scales"] if scales is None else host(scales).reshape(-1).tolist()
    return _resize(_method(node), x, _scaled(x, given, list(range(x.ndim))))


@operator("Resize", since=10)
def resize_10(node: Node, x: Value, scales: Value) -> Value:
    """Resize of opset 10, which had the rules of Upsample."""
    return upsample(node, x, scales)


@operator("Resize", since=11)
def resize(
    node: Node,
    x: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
) -> Value:
    """Resize to sizes or by scales, all axes or some."""
    named = node.get("axes")
    along = axes_of(list(range(x.ndim)) if named is None else named, x.ndim)
    if sizes is not None and host(sizes).size:
        axes = _sized(node, x, ints("sizes", sizes), along)
    elif scales is not None and host(scales).size:
        axes = _scaled(x, host(scales).reshape(-1).tolist(), along)
    else:
        raise ValueError("expected scales or sizes")
    method = _method(node)
    if method.coordinates == "tf_crop_and_resize":
        region = [] if roi is None else host(roi).reshape(-1).tolist()
        if len(region) != 2 * len(along):
            raise ValueError(f"expected roi of {2 * len(along)} numbers, got {len(region)}")
        axes = [
            Axis(a.index, a.size, a.output, a.scale, region[i], region[i + len(along)])
            for i, a in enumerate(axes)
        ]
    return _resize(method, x, axes)


def _scaled(x: Value, scales: list[float], along: list[int]) -> list[Axis]:
    if len(scales) != len(along) or not all(0 < s < math.inf for s in scales):
        raise ValueError(f"expected {len(along)} positive scales, got {scales[:8]}")
    return [
        Axis(axis, x.shape[axis], math.floor(min(x.shape[axis] * scale, 2**40)), scale)
        for axis, scale in zip(along, scales, strict=True)
    ]


def _sized(node: Node, x: Value, sizes: list[int], along: list[int]) -> list[Axis]:
    if len(sizes) != len(along) or min(sizes, default=0) < 0:
        raise ValueError(f"expected {len(along)} sizes that are not negative, got {sizes[:8]}")
    old = [x.shape[axis] for axis in along]
    if not all(old):
        raise ValueError(f"expected pixels to resize, got shape {tuple(x.shape)}")
    scales = [new / n for new, n in zip(sizes, old, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy in ("not_larger", "not_smaller") and scales:
        one = min(scales) if policy == "not_larger" else max(scales)
        scales = [one] * len(along)
        sizes = [math.floor(one * n + 0.5) for n in old]
    elif policy != "stretch":
        raise ValueError(f"expected keep_aspect_ratio_policy of ONNX's three, got {policy!r}")
    return [Axis(*entry) for entry in zip(along, old, sizes, scales, strict=True)]


def _resize(method: Method, x: Value, axes: list[Axis]) -> Value:
    shape = list(x.shape)
    for axis in axes:
        shape[axis.index] = axis.output
    checked_shape(shape, growth_limit(x))
    if not is_float(x):
        return converted_type(_resize(method, tensor(x).to(tw.float64), axes), numpy_type(x))
    image = tensor(x)
    crop = method.coordinates == "tf_crop_and_resize"
    axes = [a for a in axes if crop or a.output != a.size or a.scale != 1]
    if not all(image.shape[a.index] for a in axes):
        raise ValueError(f"expected pixels to resize, got shape {tuple(x.shape)}")
    fast = _by_interpolate(method, image, axes)
    if fast is not None:
        return fast
    inside = np.ones([1] * image.ndim, np.bool_)
    for axis in axes:
        at = _coordinates(method, axis)
        line = [-1 if i == axis.index else 1 for i in range(image.ndim)]
        if crop:
            inside = inside & ((at >= 0) & (at <= axis.size - 1)).reshape(line)
        index, weight = _taps(method, axis, at)
        image = _interpolate(image, axis.index, index, weight, line)
    if not inside.all():
        image = tw.where(tensor(np.ascontiguousarray(inside)), image, method.extrapolation)
    return image


def _by_interpolate(method: Method, image: Tensor, axes: list[Axis]) -> Tensor | None:
    """The one native call, where it computes the same."""
    dims = image.ndim - 2
    exact = all(a.output == a.scale * a.size and a.output > 1 and a.index >= 2 for a in axes)
    if not axes or not 1 <= dims <= 3 or not exact or method.antialias or method.exclude_outside:
        return None
    size = list(image.shape[2:])
    for a in axes:
        size[a.index - 2] = a.output
    if method.mode == "nearest":
        whole = all(a.output % a.size == 0 or a.size % a.output == 0 for a in axes)
        if whole and (method.coordinates, method.nearest) == ("asymmetric", "floor"):
            return F.interpolate(image, size, mode="nearest")
        return None
    aligned = method.coordinates == "align_corners"
    if not aligned and method.coordinates not in ("half_pixel", "pytorch_half_pixel"):
        return None
    if method.mode == "linear":
        name = {1: "linear", 2: "bilinear", 3: "trilinear"}[dims]
        return F.interpolate(image, size, mode=name, align_corners=aligned)
    if dims == 2 and method.cubic == -0.75 and len(axes) == 2:
        return F.interpolate(image, size, mode="bicubic", align_corners=aligned)
    return None


def _coordinates(method: Method, axis: Axis) -> Array:
    """Where each output pixel lies on the input axis."""
    at = np.arange(axis.output, dtype=np.float64)
    size, length = axis.size, axis.scale * axis.size
    if method.coordinates == "asymmetric":
        return at / axis.scale
    if method.coordinates == "align_corners":
        return at * 0 if length == 1 else at * (size - 1) / (length - 1)
    if method.coordinates == "tf_crop_and_resize":
        low, high = axis.low, axis.high
        if length == 1:
            return at * 0 + (low + high) * (size - 1) / 2
        return low * (size - 1) + at * (high - low) * (size - 1) / (length - 1)
    if method.coordinates == "pytorch_half_pixel" and length == 1:
        return at * 0 - 0.5
    centred = (at + 0.5) / axis.scale - 0.5
    if method.coordinates == "half_pixel_symmetric":
        return centred + size / 2 * (1 - axis.output / length)
    return centred


def _taps(method: Method, axis: Axis, at: Array) -> tuple[Array, Array]:
    """The pixels that each output reads and their weights, both (output, taps)."""
    if method.mode == "nearest":
        rounded = {
            "round_prefer_floor": np.ceil(at - 0.5),
            "round_prefer_ceil": np.floor(at + 0.5),
            "floor": np.floor(at),
            "ceil": np.ceil(at),
        }
        if method.nearest not in rounded:
            raise ValueError(f"expected nearest_mode as one of {sorted(rounded)}")
        index = rounded[method.nearest][:, None]
        return np.clip(index, 0, axis.size - 1).astype(np.int64), np.ones(index.shape)
    reach = 1 if method.mode == "linear" else 2
    shrink = min(axis.scale, 1.0) if method.antialias else 1.0
    first = math.floor(-reach / shrink) + 1
    steps = np.arange(first, 2 - first) if method.antialias or reach == 2 else np.arange(2)
    checked_shape([len(at), len(steps)], MAX_GROWN)
    base = np.ceil(at) - 1  # at - base lies in (0, 1]
    index = base[:, None] + steps
    distance = np.abs(steps - (at - base)[:, None]) * shrink
    weight = np.clip(1 - distance, 0, 1) if reach == 1 else _cubic(distance, method.cubic)
    if method.exclude_outside:
        weight = np.where((index < 0) | (index >= axis.size), 0.0, weight)
    total = weight.sum(1, keepdims=True)
    weight = weight / np.where(total == 0, 1, total)
    return np.clip(index, 0, axis.size - 1).astype(np.int64), weight


def _cubic(x: Array, a: float) -> Array:
    """Keys' convolution kernel (1981) at distances x >= 0."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _interpolate(x: Tensor, axis: int, index: Array, weight: Array, line: Any) -> Tensor:
    total: Tensor | None = None
    for tap in range(index.shape[1]):
        picked = tw.index_select(x, axis, tensor(np.ascontiguousarray(index[:, tap])))
        if not (weight[:, tap] == 1).all():
            picked = picked * tensor(weight[:, tap].reshape(line).astype(numpy_type(x)))
        total = picked if total is None else total + picked
    assert total is not None
    return total
