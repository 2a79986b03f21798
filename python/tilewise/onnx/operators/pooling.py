"""Pools: maxima, means, p-norms, global forms, and the way back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise._dtypes import FLOATING
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Array, Value, checked_shape, growth_limit, host, ints, numpy_type, tensor
from .window import Window, entries, pad_spatial, spatial_dims, window_of

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_NORM = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def _exact_end(window: Window, size: tuple[int, ...]) -> tuple[int, ...]:
    """The border at the end with which the last window ends where the image does."""
    return tuple(
        (o - 1) * s + r - n - b
        for o, s, r, n, b in zip(
            window.output, window.stride, window.reach, size, window.begin, strict=True
        )
    )


@operator("MaxPool")
def max_pool(node: Node, x: Value) -> Any:
    """Largest value of each window, and its place in the whole flattened input."""
    image = tensor(x)
    if image.dtype not in FLOATING:  # 8-bit integers, which float32 holds exactly
        pooled = max_pool(node, image.to(tw.float32))
        first = (pooled[0] if isinstance(pooled, tuple) else pooled).to(image.dtype)
        return (first, *pooled[1:]) if isinstance(pooled, tuple) else first
    window = window_of(node, image, ceil=bool(node.get("ceil_mode", 0)))
    size, wants = tuple(image.shape[2:]), node.wants(1)
    half = all(2 * b <= k for b, k in zip(window.begin, window.kernel, strict=True))
    fits = window.symmetric and half and not node.get("ceil_mode", 0)
    padding = window.begin
    if not fits:
        image = pad_spatial(image, window.begin, _exact_end(window, size), -math.inf)
        padding = (0,) * len(size)
    function: Any = _MAX[len(size)]
    y = function(image, window.kernel, window.stride, padding, window.dilation, False, wants)
    if not wants:
        return y
    values, places = y
    begin = (0,) * len(size) if fits else window.begin
    return values, _flat_places(node, places, image, begin, size)


def _flat_places(
    node: Node, places: Tensor, image: Tensor, begin: tuple[int, ...], size: tuple[int, ...]
) -> Array:
    """Places within a (padded) channel as places in the whole flattened, unpadded input."""
    index = host(places)
    coordinates = np.unravel_index(index, image.shape[2:])
    coordinates = tuple(c - b for c, b in zip(coordinates, begin, strict=True))
    if node.get("storage_order", 0):
        coordinates, size = coordinates[::-1], size[::-1]
    local = np.zeros_like(index)
    for at, n in zip(coordinates, size, strict=True):
        local = local * n + at
    batch, channels = index.shape[:2]
    channel = np.arange(batch * channels).reshape(batch, channels, *[1] * len(size))
    return channel * math.prod(size) + local


def _window_sums(x: Tensor, window: Window) -> Tensor:
    """Sums over windows of an image that is padded already."""
    dims = len(window.kernel)
    if set(window.dilation) == {1}:
        mean: Any = _MEAN[dims]
        total: Tensor = mean(x, window.kernel, window.stride) * float(math.prod(window.kernel))
        return total
    ones = tw.ones(x.shape[1], 1, *window.kernel, dtype=x.dtype)
    conv: Any = _CONV[dims]
    total = conv(x, ones, None, window.stride, 0, window.dilation, x.shape[1])
    return total


def _taps_inside(window: Window, size: tuple[int, ...], padded: bool) -> Array:
    """How many taps of each window lie on the image, or on it and its declared border."""
    counts = np.ones((), np.int64)
    for axis, n in enumerate(size):
        starts = np.arange(window.output[axis]) * window.stride[axis] - window.begin[axis]
        taps = starts[:, None] + np.arange(window.kernel[axis]) * window.dilation[axis]
        low, high = (-window.begin[axis], n + window.end[axis]) if padded else (0, n)
        counts = counts[..., None] * ((taps >= low) & (taps < high)).sum(1)
    return counts


@operator("AveragePool")
def average_pool(node: Node, x: Value) -> Tensor:
    """Mean of each window."""
    image = tensor(x)
    ceil, padded = bool(node.get("ceil_mode", 0)), bool(node.get("count_include_pad", 0))
    window = window_of(node, image, ceil=ceil)
    size = tuple(image.shape[2:])
    half = all(2 * b <= k for b, k in zip(window.begin, window.kernel, strict=True))
    if window.symmetric and half and not ceil and set(window.dilation) == {1}:
        function: Any = _MEAN[len(size)]
        result: Tensor = function(image, window.kernel, window.stride, window.begin, False, padded)
        return result
    sums = _window_sums(pad_spatial(image, window.begin, _exact_end(window, size)), window)
    counts = np.maximum(_taps_inside(window, size, padded), 1)
    return sums / tensor(counts.astype(numpy_type(image)))


@operator("LpPool")
def lp_pool(node: Node, x: Value) -> Tensor:
    """The p-norm of each window."""
    image, p = tensor(x), node.get("p", 2)
    if p < 1:
        raise ValueError(f"expected p from 1, got {p}")
    window = window_of(node, image, ceil=bool(node.get("ceil_mode", 0)))
    padded = pad_spatial(image, window.begin, _exact_end(window, tuple(image.shape[2:]))).abs()
    if set(window.dilation) == {1}:
        function: Any = _NORM[len(window.kernel)]
        result: Tensor = function(padded, float(p), window.kernel, window.stride)
        return result
    return tw.pow(_window_sums(padded**p, window), 1.0 / p)


@operator("GlobalAveragePool")
def global_average_pool(_: Node, x: Value) -> Tensor:
    """The mean of each channel, (N, C, 1…)."""
    return F.global_avg_pool(tensor(x))


@operator("GlobalMaxPool")
def global_max_pool(_: Node, x: Value) -> Tensor:
    """The largest value of each channel, (N, C, 1…)."""
    return F.global_max_pool(tensor(x))


@operator("GlobalLpPool")
def global_lp_pool(node: Node, x: Value) -> Tensor:
    """The p-norm of each channel, (N, C, 1…)."""
    image, p = tensor(x), node.get("p", 2)
    axes = tuple(range(2, image.ndim))
    return tw.pow(tw.sum(image.abs() ** p, axes, keepdim=True), 1.0 / p)


@operator("MaxUnpool")
def max_unpool(node: Node, x: Value, places: Value, output_shape: Value | None = None) -> Tensor:
    """Each maximum back in its place, zeros elsewhere."""
    pooled, index = tensor(x), host(places)
    dims = spatial_dims(pooled)
    kernel = entries(node, "kernel_shape", dims, 0, 1)
    stride = entries(node, "strides", dims, 1, 1)
    pads = entries(node, "pads", 2 * dims, 0, 0)
    size = [
        s * (n - 1) + k - b - e
        for n, s, k, b, e in zip(
            pooled.shape[2:], stride, kernel, pads[:dims], pads[dims:], strict=True
        )
    ]
    wanted = size if output_shape is None else ints("output_shape", output_shape)[-dims:]
    checked_shape([*pooled.shape[:2], *size], growth_limit(pooled))
    checked_shape([*pooled.shape[:2], *wanted], growth_limit(pooled))
    if tuple(index.shape) != tuple(pooled.shape) or len(wanted) != dims:
        raise ValueError(f"expected indices as the input, {pooled.shape}, got {index.shape}")
    batch, channels = pooled.shape[:2]
    local = index.reshape(batch, channels, -1) % max(math.prod(size), 1)
    empty = tw.zeros(batch, channels, math.prod(size), dtype=pooled.dtype)
    spread = tw.scatter(empty, 2, tensor(local), pooled.reshape(batch, channels, -1))
    spread = spread.reshape(batch, channels, *size)
    return pad_spatial(spread, (0,) * dims, [w - n for w, n in zip(wanted, size, strict=True)])
