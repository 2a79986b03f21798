"""Convolutions: plain, transposed, deformable, causal."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Value, checked_shape, growth_limit, numpy_type, tensor
from .window import Window, entries, pad_spatial, spatial_dims, window_of

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_WEIGHTS = {1: "weight", 2: "bias"}


def convolve(node: Node, x: Tensor, w: Tensor, b: Tensor | None, window: Window) -> Tensor:
    """A convolution with a window that is known already."""
    padding = window.begin
    if not window.symmetric:
        x, padding = pad_spatial(x, window.begin, window.end), (0,) * len(padding)
    groups = node.get("group", 1)
    checked_shape([x.shape[0], w.shape[0], *window.output], growth_limit(x, w))
    function: Any = _CONV[len(window.kernel)]
    activation = "relu" if node.relu else "none"
    settings = (window.stride, padding, window.dilation, groups)
    result: Tensor = function(x, w, b, *settings, activation=activation)
    return result


@operator("Conv", weights=_WEIGHTS)
def conv(node: Node, x: Value, w: Value, b: Value | None = None) -> Tensor:
    """Convolution of (N, C, spatial…) with (K, C / group, kernel…)."""
    image, weight = tensor(x), tensor(w)
    return convolve(
        node, image, weight, b if b is None else tensor(b), window_of(node, image, weight.shape[2:])
    )


@operator("ConvTranspose", weights=_WEIGHTS)
def conv_transpose(node: Node, x: Value, w: Value, b: Value | None = None) -> Tensor:
    """Transposed convolution of (N, C, spatial…) with (C, K / group, kernel…)."""
    image, weight = tensor(x), tensor(w)
    dims = spatial_dims(image)
    kernel = tuple(weight.shape[2:])
    if len(kernel) != dims or (node.get("kernel_shape") and tuple(node["kernel_shape"]) != kernel):
        raise ValueError(f"expected weights of {dims} spatial dimensions, got {weight.shape}")
    stride = entries(node, "strides", dims, 1, 1)
    dilation = entries(node, "dilations", dims, 1, 1)
    extra = entries(node, "output_padding", dims, 0, 0)
    full = [
        s * (n - 1) + d * (k - 1) + 1
        for n, k, s, d in zip(image.shape[2:], kernel, stride, dilation, strict=True)
    ]
    whole = [n + e for n, e in zip(full, extra, strict=True)]
    filters = weight.shape[1] * max(node.get("group", 1), 1)
    checked_shape([image.shape[0], filters, *whole], growth_limit(image, weight))
    begin, end = _transposed_padding(node, image, whole, stride)
    bias = b if b is None else tensor(b)
    function: Any = _TRANSPOSED[dims]
    groups = node.get("group", 1)
    if begin == end and all(e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        result: Tensor = function(image, weight, bias, stride, begin, extra, groups, dilation)
        return result
    result = function(image, weight, None, stride, 0, 0, groups, dilation)
    result = pad_spatial(
        result, [-n for n in begin], [e - n for e, n in zip(extra, end, strict=True)]
    )
    return result if bias is None else result + bias.reshape(-1, *[1] * dims)


def _transposed_padding(
    node: Node, x: Tensor, whole: list[int], stride: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is cut from the beginning and the end of the full result."""
    dims = len(whole)
    mode = node.get("auto_pad", "NOTSET")
    target = list(node.get("output_shape") or ())[-dims:]
    if not target and mode in ("SAME_UPPER", "SAME_LOWER"):
        target = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if not target:
        pads = entries(node, "pads", 2 * dims, 0, 0)
        return (pads[:dims], pads[dims:]) if mode != "VALID" else ((0,) * dims, (0,) * dims)
    checked_shape([*x.shape[:1], *target], growth_limit(x))
    if len(target) != dims:
        raise ValueError(f"expected output_shape of {dims} sizes, got {target}")
    total = [n - t for n, t in zip(whole, target, strict=True)]
    if mode == "SAME_UPPER":
        begin = tuple(t // 2 for t in total)
    else:
        begin = tuple(t - t // 2 for t in total)
    return begin, tuple(t - b for t, b in zip(total, begin, strict=True))


@operator("DeformConv", weights={1: "weight", 3: "bias"})
def deform_conv(
    node: Node, x: Value, w: Value, offset: Value, b: Value | None = None, mask: Value | None = None
) -> Tensor:
    """Convolution whose taps move by learned offsets (Dai et al. 2017; mask: Zhu et al. 2019)."""
    image, weight, moves = tensor(x), tensor(w), tensor(offset)
    window = window_of(node, image, weight.shape[2:])
    batch, channels = image.shape[:2]
    dims, taps, pixels = len(window.kernel), math.prod(window.kernel), math.prod(window.output)
    parts, groups = node.get("offset_group", 1), node.get("group", 1)
    wanted = (batch, parts * taps * dims, *window.output)
    if parts < 1 or channels % parts or tuple(moves.shape) != wanted:
        raise ValueError(f"expected offset {wanted}, offset_group dividing C, got {moves.shape}")
    filters = weight.shape[0]
    if groups < 1 or filters % groups or weight.shape[1] * groups != channels:
        raise ValueError(f"expected weights for {channels} channels in {groups} groups")
    checked_shape([batch, channels, taps, pixels], growth_limit(image, moves))
    # Where each tap of each output pixel stands: (N, parts, taps, dims, pixels).
    positions = moves.reshape(batch, parts, taps, dims, pixels) + tensor(_grid(window, moves))
    sampled = _sample(image, positions)
    if mask is not None:
        sampled = sampled * tensor(mask).reshape(batch, parts, 1, taps, pixels)
    columns = sampled.reshape(batch, groups, channels // groups * taps, pixels)
    rows = weight.reshape(1, groups, filters // groups, channels // groups * taps)
    result = tw.matmul(rows, columns).reshape(batch, filters, *window.output)
    return result if b is None else result + tensor(b).reshape(-1, *[1] * dims)


def _grid(window: Window, like: Tensor) -> Any:
    """Where the taps stand without offsets: (taps, dims, pixels)."""
    taps = np.stack(np.meshgrid(*map(np.arange, window.kernel), indexing="ij"))
    places = np.stack(np.meshgrid(*map(np.arange, window.output), indexing="ij"))
    column = (-1, 1)
    taps = taps.reshape(len(window.kernel), -1) * np.reshape(window.dilation, column)
    places = places.reshape(len(window.kernel), -1) * np.reshape(window.stride, column)
    places = places - np.reshape(window.begin, column)
    return (taps.T[:, :, None] + places[None]).astype(numpy_type(like))


def _sample(image: Tensor, positions: Tensor) -> Tensor:
    """Pixels at fractional positions, linear between neighbours and zero outside.

    Args:
        image: (N, C, spatial…).
        positions: (N, parts, taps, dims, pixels); a part of the channels shares positions.

    Returns:
        (N, parts, C / parts, taps, pixels).
    """
    batch, channels, *size = image.shape
    parts, taps, dims, pixels = positions.shape[1:]
    flat = image.reshape(batch, parts, channels // parts, math.prod(size))
    base = positions.detach().floor()
    fraction = positions - base
    corner = base.numpy()
    total: Tensor | None = None
    for bits in itertools.product((0, 1), repeat=dims):
        place = np.zeros((batch, parts, taps, pixels), np.int64)
        inside = np.ones(place.shape, np.bool_)
        share: Tensor | None = None
        for axis, bit in enumerate(bits):
            at = corner[:, :, :, axis] + bit
            inside &= (at >= 0) & (at < size[axis])
            at = np.clip(np.nan_to_num(at), 0, max(size[axis] - 1, 0)).astype(np.int64)
            place = place * size[axis] + at
            part = fraction[:, :, :, axis] if bit else 1.0 - fraction[:, :, :, axis]
            share = part if share is None else share * part
        assert share is not None
        share = share * tensor(inside.astype(corner.dtype))
        index = tensor(place.reshape(batch, parts, 1, taps * pixels))
        index = index.expand(batch, parts, channels // parts, taps * pixels)
        values = tw.gather(flat, 3, index).reshape(batch, parts, -1, taps, pixels)
        weighted = values * share.unsqueeze(2)
        total = weighted if total is None else total + weighted
    assert total is not None
    return total


@operator("CausalConvWithState", weights=_WEIGHTS)
def causal_conv(
    node: Node, x: Value, w: Value, b: Value | None = None, past: Value | None = None
) -> tuple[Tensor, Tensor]:
    """Depthwise convolution of sequences that sees the past alone, part of which it is given."""
    sequence, weight = tensor(x), tensor(w)
    if sequence.ndim != 3 or weight.ndim != 3:
        raise ValueError(f"expected (N, C, L) and (C, 1, k), got {sequence.shape}, {weight.shape}")
    memory = weight.shape[2] - 1
    before = None if past is None else tensor(past)
    padded = F.pad(sequence, (memory, 0)) if before is None else tw.cat([before, sequence], 2)
    y = F.conv1d(padded, weight, b if b is None else tensor(b), groups=sequence.shape[1])
    activation = node.get("activation", "none")
    if activation not in ("none", "silu", "swish"):
        raise ValueError(f"expected activation none, silu or swish, got {activation!r}")
    if activation != "none":
        y = F.silu(y)
    return y, padded[:, :, padded.shape[2] - memory :]
