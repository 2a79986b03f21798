"""Sums, means, norms, extremes over dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import Operator, operator, register
from ..values import (
    Value,
    axes_of,
    axis_of,
    converted_type,
    host,
    ints,
    is_float,
    number,
    numpy_type,
    tensor,
)

Axes = tuple[int, ...]


def _prod(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = tw.prod(x, axis, keep)
    return x


def _extreme(function: Callable[..., Tensor], floating: float, integer: str) -> Any:
    """The largest or smallest element; of none, the identity."""

    def reduced(x: Tensor, axes: Axes, keep: bool) -> Tensor:
        if x.dtype == tw.bool_:
            return reduced(x.to(tw.uint8), axes, keep).to(tw.bool_)
        if all(x.shape[axis] for axis in axes):
            return function(x, axes, keep)
        sizes = [1 if i in axes else n for i, n in enumerate(x.shape)]
        sizes = sizes if keep else [n for i, n in enumerate(x.shape) if i not in axes]
        kind = numpy_type(x)
        fill = floating if kind.kind == "f" else getattr(np.iinfo(kind), integer)
        return tw.full(tuple(sizes), fill, dtype=x.dtype)

    return reduced


def _log_sum_exp(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    if all(x.shape[axis] for axis in axes):
        return tw.logsumexp(x, axes, keep)
    return tw.sum(tw.exp(x), axes, keep).log()


REDUCTIONS: dict[str, Callable[[Tensor, Axes, bool], Tensor]] = {
    "ReduceSum": tw.sum,
    "ReduceMean": tw.mean,
    "ReduceMax": _extreme(tw.amax, -math.inf, "min"),
    "ReduceMin": _extreme(tw.amin, math.inf, "max"),
    "ReduceProd": _prod,
    "ReduceL1": lambda x, axes, keep: tw.sum(tw.abs(x), axes, keep),
    "ReduceL2": lambda x, axes, keep: tw.norm(x, 2, axes, keep),
    "ReduceLogSum": lambda x, axes, keep: tw.log(tw.sum(x, axes, keep)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceSumSquare": lambda x, axes, keep: tw.sum(x * x, axes, keep),
}
_FLOATING = {"ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"}


class Reduce:
    """A row of the table as a handler."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, node: Node, x: Value, axes: Value | None = None) -> Value:
        """The reduction over the axes named, or over all."""
        named = ints("axes", axes) if axes is not None else list(node.get("axes") or ())
        keep, whole = bool(node.get("keepdims", 1)), tensor(x)
        if not named:
            if node.get("noop_with_empty_axes", 0):
                return x
            named = list(range(x.ndim))
        along = tuple(axes_of(named, x.ndim))
        if not along:  # of a single number
            sample, along = whole.reshape(1), (0,)
            keep = False
        else:
            sample = whole
        if self.name in _FLOATING and not is_float(sample):
            sample = sample.to(tw.float64)
        result = converted_type(REDUCTIONS[self.name](sample, along, keep), numpy_type(x))
        return host(result) if isinstance(x, np.ndarray) else result


for _name in REDUCTIONS:
    register(_name, Operator(Reduce(_name)))


@operator("ArgMax", "ArgMin")
def arg_extreme(node: Node, x: Value) -> Tensor:
    """The index of the largest or smallest element along a dimension, the first or the last."""
    sample = tensor(x)
    axis, keep = axis_of(node["axis"], sample.ndim), bool(node["keepdims"])
    function = tw.argmax if node.op == "ArgMax" else tw.argmin
    if not node.get("select_last_index", 0):
        return function(sample, axis, keep)
    return sample.shape[axis] - 1 - function(tw.flip(sample, axis), axis, keep)


@operator("CumSum", "CumProd")
def cumulative(node: Node, x: Value, axis: Value) -> Value:
    """Running sums or products, from the other end or without the element itself if asked."""
    sample = tensor(x)
    along = axis_of(int(number("axis", axis)), sample.ndim)
    if node["reverse"]:
        sample = tw.flip(sample, along)
    if node["exclusive"] and sample.shape[along]:
        first = tw.narrow(sample, along, 0, 1).detach()
        start = tw.zeros_like(first) if node.op == "CumSum" else tw.ones_like(first)
        sample = tw.cat([start, tw.narrow(sample, along, 0, sample.shape[along] - 1)], along)
    function = tw.cumsum if node.op == "CumSum" else tw.cumprod
    result = function(sample, along)
    result = tw.flip(result, along) if node["reverse"] else result
    return converted_type(result, numpy_type(x))
