"""Normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilewise.nn.weight_norm import normalised

from .builder import Call, Size, Unsupported


def _filled(call: Call, name: str, count: int, value: float) -> str:
    """A vector argument, or one filled with a value where it was left out."""
    if call.has(name):
        return call[name]
    return call.constant(np.full(count, value), call.out_dtype, name)


def _standardise(call: Call, x: str, axes: Sequence[int], eps: float, centre: bool = True) -> str:
    """The input with mean 0 (where `centre`) and mean square 1 over these axes."""
    if centre:
        x = call.op("Sub", x, call.reduce("ReduceMean", x, axes, keepdims=True))
    square = call.reduce("ReduceMean", call.op("Mul", x, x), axes, keepdims=True)
    deviation = call.op("Sqrt", call.op("Add", square, call.scalar(eps)))
    return call.op("Div", x, deviation)


def _per_channel(call: Call, x: str, rank: int) -> str:
    """The product with weight, plus bias, along the second dimension."""
    axes = range(1, rank - 1)
    for kind, name in (("Mul", "weight"), ("Add", "bias")):
        if call.has(name):
            vector = call.unsqueeze(call[name], *axes) if rank > 2 else call[name]
            x = call.op(kind, x, vector)
    return x


def _batch_norm(call: Call) -> str:
    rank, channels = call.rank("input"), call.shape("input")[1]
    eps = float(call.get("eps", 1e-5))
    if call.get("training", False):
        axes = [0, *range(2, rank)]
        return _per_channel(call, _standardise(call, call["input"], axes, eps), rank)
    return call.op(
        "BatchNormalization",
        call["input"],
        _filled(call, "weight", channels, 1.0),
        _filled(call, "bias", channels, 0.0),
        call["running_mean"],
        call["running_var"],
        epsilon=eps,
    )


def _instance_norm(call: Call) -> str:
    """InstanceNormalization, or the batch norm of running statistics; layers take single images."""
    single = call.rank("input") < int(call.get("rank", 0))
    x = call.unsqueeze(call["input"], 0) if single else call["input"]
    channels, eps = call.shape("input")[0 if single else 1], float(call.get("eps", 1e-5))
    scale, shift = _filled(call, "weight", channels, 1.0), _filled(call, "bias", channels, 0.0)
    if call.get("use_input_stats", True):
        y = call.op("InstanceNormalization", x, scale, shift, epsilon=eps)
    else:
        mean, variance = call["running_mean"], call["running_var"]
        y = call.op("BatchNormalization", x, scale, shift, mean, variance, epsilon=eps)
    return call.squeeze(y, 0) if single else y


def _group_norm(call: Call) -> str:
    """GroupNormalization, or before version 21 the instance norm of reshaped groups."""
    groups, eps = int(call.get("num_groups")), float(call.get("eps", 1e-5))
    sizes = call.sizes("input")
    rank, channels = len(sizes), call.shape("input")[1]
    if call.opset >= 21 and rank > 2:
        return call.op(
            "GroupNormalization", call["input"], _filled(call, "weight", channels, 1.0),
            _filled(call, "bias", channels, 0.0), num_groups=groups, epsilon=eps,
        )  # fmt: skip
    count = math.prod(call.shape("input")[1:]) // groups
    parts: list[Size] = [sizes[0], groups, count]
    one = call.constant(np.ones(groups), call.out_dtype, "ones")
    zero = call.constant(np.zeros(groups), call.out_dtype, "zeros")
    y = call.op("InstanceNormalization", call.reshape(call["input"], parts), one, zero, epsilon=eps)
    return _per_channel(call, call.reshape(y, sizes), rank)


def _layer_norm(call: Call) -> str:
    dims = len(tuple(call.get("normalized_shape")))
    eps = float(call.get("eps", 1e-5))
    if call.opset >= 17:
        shape = call.shape("input")[-dims:]
        scale = (
            call["weight"] if call.has("weight") else call.constant(np.ones(shape), call.out_dtype)
        )
        return call.op(
            "LayerNormalization", call["input"], scale, call.optional("bias"), axis=-dims,
            epsilon=eps,
        )  # fmt: skip
    rank = call.rank("input")
    y = _standardise(call, call["input"], range(rank - dims, rank), eps)
    for kind, name in (("Mul", "weight"), ("Add", "bias")):
        y = call.op(kind, y, call[name]) if call.has(name) else y
    return y


def _rms_norm(call: Call) -> str:
    dims, rank = len(tuple(call.get("normalized_shape"))), call.rank("input")
    eps = call.get("eps")
    if eps is None:
        eps = float(np.finfo(call.out_dtype).eps)
    y = _standardise(call, call["input"], range(rank - dims, rank), eps, centre=False)
    return call.op("Mul", y, call["weight"]) if call.has("weight") else y


def _local_response_norm(call: Call) -> str:
    """LRN; its window of even sizes lies elsewhere, so that these are sums of shifted channels."""
    size = int(call.get("size"))
    alpha, beta, k = (
        float(call.get(n, d)) for n, d in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))
    )
    x = call["input"]
    if size % 2 and call.rank("input") == 4 and call.out_dtype == np.float32:
        return call.op("LRN", x, size=size, alpha=alpha, beta=beta, bias=k)
    rank, channels = call.rank("input"), call.shape("input")[1]
    before, after = [0] * rank, [0] * rank
    before[1], after[1] = size // 2, (size - 1) // 2
    square = call.op("Pad", call.op("Mul", x, x), call.ints([*before, *after]), mode="constant")
    parts = [call.slice(square, 1, i, i + channels) for i in range(size)]
    total = parts[0] if size == 1 else call.op("Sum", *parts)
    scaled = call.op("Mul", total, call.scalar(alpha / size))
    power = call.op("Pow", call.op("Add", scaled, call.scalar(k)), call.scalar(beta))
    return call.op("Div", x, power)


def _normalize(call: Call) -> str:
    """The input over the p-norm of a dimension, which is at least eps."""
    p, axis = float(call.get("p", 2.0)), call.get("dim", 1)
    x, eps = call["input"], call.scalar(call.get("eps", 1e-12))
    length = vector_norm(call, x, p, [axis % call.rank("input")], keepdims=True)
    return call.op("Div", x, call.op("Max", length, eps))


def vector_norm(call: Call, x: str, p: float, axes: Sequence[int] | None, *, keepdims: bool) -> str:
    """The p-norm over some axes."""
    if p in {1.0, 2.0}:
        return call.reduce(f"ReduceL{int(p)}", x, axes, keepdims)
    size = call.op("Abs", x)
    if math.isinf(p):
        return call.reduce("ReduceMax" if p > 0 else "ReduceMin", size, axes, keepdims)
    if p == 0:
        raise Unsupported("the norm of order 0 counts elements; use (x != 0).sum()")
    total = call.reduce("ReduceSum", call.op("Pow", size, call.scalar(p)), axes, keepdims)
    return call.op("Pow", total, call.scalar(1 / p))


def _cosine_similarity(call: Call) -> str:
    """x1 · x2 / (max(|x1|, eps) · max(|x2|, eps)) along a dimension."""
    rank = max(call.rank("x1"), call.rank("x2"))
    axis = call.get("dim", 1) % rank
    eps = call.scalar(call.get("eps", 1e-8))
    parts = [call.operand(call.arguments[name], call.out_dtype) for name in ("x1", "x2")]
    scaled = [
        call.op("Div", x, call.op("Max", vector_norm(call, x, 2.0, [axis], keepdims=True), eps))
        for x in parts
    ]
    return call.reduce("ReduceSum", call.op("Mul", *scaled), [axis], keepdims=False)


def _pairwise_distance(call: Call) -> str:
    """|x1 - x2 + eps| over the last dimension."""
    x1, x2 = (call.operand(call.arguments[name], call.out_dtype) for name in ("x1", "x2"))
    apart = call.op("Add", call.op("Sub", x1, x2), call.scalar(call.get("eps", 1e-6)))
    rank = max(call.rank("x1"), call.rank("x2"))
    keep = bool(call.get("keepdim", False))
    return vector_norm(call, apart, float(call.get("p", 2.0)), [rank - 1], keepdims=keep)


def _weight_norm(call: Call) -> str:
    """The normalised parameter itself, as it is now."""
    v, g = (call.arguments[name].tensor for name in ("v", "g"))
    if v is None or g is None:
        raise Unsupported("its length or direction is no parameter")
    weight = normalised(v.detach(), g.detach(), call.get("dim"))
    return call.constant(weight.numpy(), call.out_dtype, f"{call.scope}.weight".lstrip("."))


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "local_response_norm": _local_response_norm,
    "normalize": _normalize,
    "cosine_similarity": _cosine_similarity,
    "pairwise_distance": _pairwise_distance,
    "weight_norm": _weight_norm,
}
