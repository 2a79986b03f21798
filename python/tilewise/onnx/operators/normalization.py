"""Normalisations and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.functional.normalization import normalise
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Value, axis_of, number, numpy_type, tensor

_AFFINE = {1: "weight", 2: "bias"}


def _column(parameter: Tensor, ndim: int) -> Tensor:
    """One number a channel, to broadcast over (N, C, …)."""
    return parameter.reshape(-1, *[1] * (ndim - 2))


@operator("BatchNormalization", weights=_AFFINE, statistics={3: "running_mean", 4: "running_var"})
def batch_normalization(
    node: Node, x: Value, scale: Value, bias: Value, mean: Value, var: Value
) -> Any:
    """Normalisation over the batch: in training with its own statistics, else the running ones."""
    image, weight, shift = tensor(x), tensor(scale), tensor(bias)
    running_mean, running_var = tensor(mean), tensor(var)
    rate, eps = 1.0 - node["momentum"], node["epsilon"]
    if node.get("spatial", 1) != 1:
        raise ValueError("expected spatial=1: statistics of single pixels are no batch norm")
    # Before opset 14 an inference graph has one output, a training graph up to five.
    declared = node.get("training_mode", 0) if node.version >= 14 else node.wants(1)
    training = bool(declared if node.literal else node.training)
    if not (training and node.literal):
        running, affine = (running_mean, running_var), (weight, shift)
        y = normalise(image, running, affine, training, (rate, eps), relu=node.relu)
        return y, running_mean, running_var, running_mean, running_var
    axes = tuple(axis for axis in range(image.ndim) if axis != 1)
    batch_var, batch_mean = tw.var_mean(image, axes, correction=0)
    y = normalise(image, (None, None), (weight, shift), True, (rate, eps), relu=node.relu)
    new_mean = running_mean * (1 - rate) + batch_mean * rate
    new_var = running_var * (1 - rate) + batch_var * rate
    return y, new_mean, new_var, batch_mean, batch_var


@operator("InstanceNormalization", weights=_AFFINE)
def instance_normalization(node: Node, x: Value, scale: Value, bias: Value) -> Tensor:
    """Normalisation of each channel of each sample."""
    return F.instance_norm(tensor(x), weight=tensor(scale), bias=tensor(bias), eps=node["epsilon"])


@operator("GroupNormalization", weights=_AFFINE)
def group_normalization(node: Node, x: Value, scale: Value, bias: Value) -> Tensor:
    """Normalisation over groups of channels."""
    image, weight, shift, groups = tensor(x), tensor(scale), tensor(bias), node["num_groups"]
    channels = image.shape[1] if image.ndim > 1 else 0
    if groups < 1 or not channels or channels % groups:
        raise ValueError(f"expected num_groups that divides {channels} channels, got {groups}")
    if node.version < 21:  # one number a group
        weight = weight.repeat_interleave(channels // groups)
        shift = shift.repeat_interleave(channels // groups)
    return F.group_norm(image, groups, weight, shift, node["epsilon"])


@operator("LayerNormalization", weights=_AFFINE)
def layer_normalization(node: Node, x: Value, scale: Value, bias: Value | None = None) -> Any:
    """Normalisation over the dimensions from `axis` on; also the mean and 1 / deviation."""
    sample, weight = tensor(x), tensor(scale)
    shift, eps = bias if bias is None else tensor(bias), node["epsilon"]
    axis = axis_of(node["axis"], sample.ndim)
    shape = tuple(sample.shape[axis:])
    affine = [p for p in (weight, shift) if p is not None]
    if all(tuple(p.shape) == shape for p in affine):
        y = F.layer_norm(sample, shape, weight, shift, eps)
    else:
        y = F.layer_norm(sample, shape, eps=eps) * weight
        y = y if shift is None else y + shift
    if not (node.wants(1) or node.wants(2)):
        return y
    axes = tuple(range(axis, sample.ndim))
    var, mean = tw.var_mean(sample, axes, correction=0, keepdim=True)
    return y, mean, (var + eps).rsqrt()


@operator("RMSNormalization", weights={1: "weight"})
def rms_normalization(node: Node, x: Value, scale: Value) -> Tensor:
    """Division by the root of the mean square over the dimensions from `axis` on."""
    sample, weight = tensor(x), tensor(scale)
    shape = tuple(sample.shape[axis_of(node["axis"], sample.ndim) :])
    if tuple(weight.shape) == shape:
        return F.rms_norm(sample, shape, weight, node["epsilon"])
    return F.rms_norm(sample, shape, eps=node["epsilon"]) * weight


@operator("LRN")
def lrn(node: Node, x: Value) -> Tensor:
    """Local response normalisation over neighbouring channels."""
    image, size = tensor(x), node["size"]
    if size < 1:
        raise ValueError(f"expected size from 1, got {size}")
    size = min(size, 2 * image.shape[1] + 1 + size % 2) if image.ndim > 1 else size
    settings = (size, node["alpha"] * size / node["size"], node["beta"], node["bias"])
    if size % 2:
        return F.local_response_norm(image, *settings)
    # An even window has its middle left of the centre; the function's, right of it.
    return F.local_response_norm(image.flip(1), *settings).flip(1)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node: Node, x: Value) -> Tensor:
    """`(x - mean) / (deviation + 1e-9)` over some dimensions."""
    image = tensor(x)
    axes = tuple(node.get("axes") or (0, 2, 3))
    var, mean = tw.var_mean(image, axes, correction=0, keepdim=True)
    return (image - mean) / (var.sqrt() + 1e-9)


@operator("LpNormalization")
def lp_normalization(node: Node, x: Value) -> Tensor:
    """Division by the 1- or 2-norm along a dimension; zeros stay zeros."""
    p, sample = node["p"], tensor(x)
    if p not in (1, 2):
        raise ValueError(f"expected p as 1 or 2, got {p}")
    smallest = float(np.finfo(numpy_type(sample)).tiny)
    return F.normalize(sample, float(p), axis_of(node["axis"], sample.ndim), smallest)


@operator("Dropout")
def dropout(
    node: Node, x: Value, ratio: Value | None = None, training_mode: Value | None = None
) -> Any:
    """Zeros at random in training; also which elements are kept.

    With a seed, and training because the graph itself says so, the draw is the one of ONNX's
    reference implementation.
    """
    sample = tensor(x)
    p = float(number("ratio", ratio)) if ratio is not None else node.get("ratio", 0.5)
    if not 0 <= p <= 1:
        raise ValueError(f"expected ratio in [0, 1], got {p}")
    declared = training_mode is not None and bool(number("training_mode", training_mode))
    if not (declared if node.literal else node.training) or p == 0:
        return sample, np.ones(tuple(sample.shape), np.bool_)
    if node.literal and "seed" in node.attributes:
        draw = np.random.RandomState(node["seed"] % 2**32).uniform(0, 1, tuple(sample.shape))
        kept = draw >= p
        return sample * tensor(kept.astype(numpy_type(sample))) / (1 - p), kept
    if not node.wants(1):
        return F.dropout(sample, p)
    kept_scaled = F.dropout(tw.ones_like(sample.detach()), p)
    return sample * kept_scaled, kept_scaled != 0
