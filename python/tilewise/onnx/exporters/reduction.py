"""Sums, means, extremes, and what is sorted or accumulated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Call, Multiple, Unsupported
from .elementwise import operands
from .normalization import vector_norm


def _axes(call: Call) -> list[int] | None:
    """The dimensions to reduce; None for all of them."""
    dim, rank = call.get("dim"), call.rank("input")
    if dim is None or dim == ():
        return None
    return [n % max(rank, 1) for n in (dim if isinstance(dim, tuple | list) else (dim,))]


def _reduce(kind: str) -> Callable[[Call], str]:
    """A reduction in the dtype of its result."""

    def convert(call: Call) -> str:
        x = call.operand(call.arguments["input"], call.out_dtype)
        return call.reduce(kind, x, _axes(call), bool(call.get("keepdim", False)))

    return convert


def _extreme(kind: str) -> Callable[[Call], Any]:
    """Extremes: of all, of two tensors, or along a dimension with the places."""

    def convert(call: Call) -> Any:
        dim = call.arguments.get("dim")
        if call.is_tensor(dim):
            a, b = (call.operand(v, call.out_dtype) for v in (call.arguments["input"], dim))
            return call.op("Max" if kind == "Max" else "Min", a, b)
        keep = bool(call.get("keepdim", False))
        values = call.reduce(f"Reduce{kind}", call["input"], _axes(call), keep)
        if dim is None:
            return values
        axis = dim % call.rank("input")
        return [values, call.op(f"Arg{kind}", call["input"], axis=axis, keepdims=int(keep))]

    return convert


def _place(kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        dim, keep = call.get("dim"), int(bool(call.get("keepdim", False)))
        if dim is None:
            flat = call.op("Reshape", call["input"], call.ints([-1]))
            return call.op(kind, flat, axis=0, keepdims=0)
        return call.op(kind, call["input"], axis=dim % call.rank("input"), keepdims=keep)

    return convert


def _count(call: Call, axes: list[int] | None) -> int:
    sizes = call.sizes("input")
    chosen = sizes if axes is None else [sizes[n] for n in axes]
    if any(isinstance(n, Multiple) for n in chosen):
        raise Unsupported("its divisor depends on the batch size; use dynamic_batch=False")
    return math.prod(n for n in chosen if isinstance(n, int))


def _variance(call: Call) -> str:
    """Squares of what the mean leaves, over the count less the correction."""
    correction = call.get("correction")
    if correction is None:
        unbiased = call.get("unbiased")
        correction = 1.0 if unbiased is None or unbiased else 0.0
    axes, x = _axes(call), call["input"]
    if isinstance(call.get("dim"), bool):
        axes, correction = None, float(call.get("dim"))
    keep = bool(call.get("keepdim", False))
    centred = call.op("Sub", x, call.reduce("ReduceMean", x, axes, keepdims=True))
    square = call.op("Mul", centred, centred)
    if correction:
        count = _count(call, axes)
        total = call.reduce("ReduceSum", square, axes, keep)
        y = call.op(
            "Div", total, call.constant(max(count - correction, 0), call.out_dtype, "count")
        )
    else:
        y = call.reduce("ReduceMean", square, axes, keep)
    return call.op("Sqrt", y) if call.function == "std" else y


def _norm(call: Call) -> str:
    p = call.get("p", "fro")
    p = 2.0 if p in ("fro", None) else float(p)
    return vector_norm(
        call, call["input"], p, _axes(call), keepdims=bool(call.get("keepdim", False))
    )


def _truth(kind: str) -> Callable[[Call], str]:
    """Truth of any or all: the largest or smallest of zeros and ones."""

    def convert(call: Call) -> str:
        x = call.cast(call["input"], call.dtype("input"), np.bool_)
        number = call.cast(x, np.bool_, np.int32)
        keep = bool(call.get("keepdim", False))
        return call.cast(call.reduce(kind, number, _axes(call), keep), np.int32, call.out_dtype)

    return convert


def _cumulative(call: Call) -> str:
    x = call.operand(call.arguments["input"], call.out_dtype)
    axis = call.constant(call.get("dim") % call.rank("input"), np.int64, "axis")
    return call.op("CumSum", x, axis)


def _topk(call: Call) -> Any:
    """topk, sort and argsort: the largest or smallest along a dimension, with their places."""
    axis = call.get("dim", -1) % call.rank("input")
    if call.function == "topk":
        k, largest = call.get("k"), bool(call.get("largest", True))
    else:
        size = call.sizes("input")[axis]
        if isinstance(size, Multiple):
            raise Unsupported("it sorts the batch dimension")
        k, largest = size, bool(call.get("descending", False))
    results = call.ops(
        "TopK", call["input"], call.ints([k]), outputs=2, axis=axis, largest=int(largest), sorted=1
    )
    return results[1] if call.function == "argsort" else results


def _one_hot(call: Call) -> str:
    depth = call.constant(call.out_shape[-1], np.int64, "depth")
    values = call.constant([0, 1], np.int64, "off_on")
    return call.op("OneHot", call["input"], depth, values, axis=-1)


def _dist(call: Call) -> str:
    a, b = (call.operand(value, call.out_dtype) for value in operands(call))
    apart = call.op("Sub", a, b)
    return vector_norm(call, apart, float(call.get("p", 2)), None, keepdims=False)


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "sum": _reduce("ReduceSum"), "mean": _reduce("ReduceMean"), "prod": _reduce("ReduceProd"),
    "amax": _reduce("ReduceMax"), "amin": _reduce("ReduceMin"),
    "logsumexp": _reduce("ReduceLogSumExp"),
    "max": _extreme("Max"), "min": _extreme("Min"),
    "argmax": _place("ArgMax"), "argmin": _place("ArgMin"),
    "var": _variance, "std": _variance, "norm": _norm, "dist": _dist,
    "any": _truth("ReduceMax"), "all": _truth("ReduceMin"),
    "cumsum": _cumulative, "topk": _topk, "sort": _topk, "argsort": _topk, "one_hot": _one_hot,
}  # fmt: skip
