"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tilewise._arguments import as_tuple

from .builder import Call, Unsupported


class _Window(NamedTuple):
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    beyond: tuple[int, ...]  # how far the last window reaches over the padding: ceil_mode

    @property
    def attributes(self) -> dict[str, Any]:
        """Those that every pooling operator has."""
        return {"kernel_shape": self.kernel, "strides": self.stride}

    def pads(self) -> list[int]:
        """The padding and what ceil_mode adds at the end."""
        ends = [p + b for p, b in zip(self.padding, self.beyond, strict=True)]
        return [*self.padding, *ends]


def _window(call: Call, dims: int) -> _Window:
    op = call.function
    kernel = as_tuple(op, "kernel_size", call.get("kernel_size"), dims, 1)
    given = call.get("stride")
    stride = as_tuple(op, "stride", kernel if given in (None, (), []) else given, dims, 1)
    padding = as_tuple(op, "padding", call.get("padding", 0), dims, 0)
    dilation = as_tuple(op, "dilation", call.get("dilation", 1), dims, 1)
    beyond = [
        max((o - 1) * s + d * (k - 1) + 1 - n - 2 * p, 0)
        for o, s, d, k, n, p in zip(
            call.out_shape[-dims:], stride, dilation, kernel, call.shape("input")[-dims:], padding,
            strict=True,
        )
    ]  # fmt: skip
    return _Window(kernel, stride, padding, dilation, tuple(beyond))


def _batch_of(call: Call, dims: int) -> tuple[str, bool]:
    """The input with a batch dimension, and whether it was added."""
    single = call.rank("input") == dims + 1
    return (call.unsqueeze(call["input"], 0) if single else call["input"]), single


def _max_pool(call: Call, dims: int) -> list[str]:
    window = _window(call, dims)
    x, single = _batch_of(call, dims)
    indices = bool(call.get("return_indices", False))
    results = call.ops(
        "MaxPool", x, outputs=1 + indices, pads=window.pads(), dilations=window.dilation,
        **window.attributes,
    )  # fmt: skip
    if indices:  # ONNX counts from the start of the batch, PyTorch from that of the image
        plane = call.constant(math.prod(call.shape("input")[-dims:]), np.int64, "plane")
        results[1] = call.op("Mod", results[1], plane)
    return [call.squeeze(name, 0) for name in results] if single else results


def _avg_pool(call: Call, dims: int) -> str:
    """AveragePool, whose divisor is PyTorch's also where windows reach over the padding.

    With ceil_mode the last window may end beyond the padding. That part never counts in the
    divisor, the padding does with count_include_pad: it is written out as zeros then.
    """
    window = _window(call, dims)
    x, single = _batch_of(call, dims)
    divisor = call.get("divisor_override")
    include = bool(call.get("count_include_pad", True))
    pads, count = window.pads(), include
    if divisor is not None:
        count = True
    elif any(window.beyond) and include and any(window.padding):
        x = call.op("Pad", x, call.ints([0, 0, *window.padding] * 2), mode="constant")
        pads, count = [*[0] * dims, *window.beyond], False
    elif any(window.beyond):
        count = False
    y = call.op("AveragePool", x, pads=pads, count_include_pad=int(count), **window.attributes)
    if divisor is not None:
        share = math.prod(window.kernel) / divisor
        y = call.op("Mul", y, call.constant(share, call.out_dtype, "share"))
    return call.squeeze(y, 0) if single else y


def _lp_pool(call: Call, dims: int) -> str:
    """(Σ xᵖ)^(1/p) from means: LpPool takes absolute values and whole powers only."""
    p = float(call.get("norm_type"))
    window = _window(call, dims)
    x, single = _batch_of(call, dims)
    if math.isinf(p):
        x = call.op("Abs", x)
        if p < 0:
            x = call.op("Neg", x)
        y = call.op("MaxPool", x, pads=window.pads(), **window.attributes)
        y = call.op("Neg", y) if p < 0 else y
    else:
        power = x if p == 1 else call.op("Pow", x, call.constant(p, call.out_dtype, "power"))
        y = call.op(
            "AveragePool", power, pads=window.pads(), count_include_pad=1, **window.attributes
        )
        count = call.constant(math.prod(window.kernel), call.out_dtype, "count")
        y = call.op("Mul", y, count)
        if p != 1:
            y = call.op("Pow", y, call.constant(1 / p, call.out_dtype, "root"))
    return call.squeeze(y, 0) if single else y


def _parts(call: Call, x: str, axis: int, size: int, parts: int, reduce: str) -> str:
    """The mean or maximum of each of `parts` windows that divide one dimension."""
    pieces = []
    for i in range(parts):
        start, end = i * size // parts, -(-(i + 1) * size // parts)
        pieces.append(call.reduce(reduce, call.slice(x, axis, start, end), [axis], keepdims=True))
    return call.op("Concat", *pieces, axis=axis)


def _adaptive(call: Call, dims: int, kind: str) -> Any:
    """Global pooling, pooling with windows of one size, or slices where sizes do not divide."""
    if call.get("return_indices", False):
        return _adaptive_with_indices(call, dims)
    size, out = call.shape("input")[-dims:], call.out_shape[-dims:]
    x, single = _batch_of(call, dims)
    if all(n == 1 for n in out):
        y = call.op(f"Global{kind}Pool", x)
    elif size == out:
        return call["input"]
    elif all(n % o == 0 for n, o in zip(size, out, strict=True)):
        kernel = [n // o for n, o in zip(size, out, strict=True)]
        y = call.op(f"{kind}Pool", x, kernel_shape=kernel, strides=kernel)
    else:
        reduce = "ReduceMean" if kind == "Average" else "ReduceMax"
        y = x
        for i, (n, o) in enumerate(zip(size, out, strict=True)):
            y = y if n == o else _parts(call, y, 2 + i, n, o, reduce)
    return call.squeeze(y, 0) if single else y


def _adaptive_with_indices(call: Call, dims: int) -> Any:
    size, out = call.shape("input")[-dims:], call.out_shape[-dims:]
    if any(n % o for n, o in zip(size, out, strict=True)):
        raise Unsupported(
            f"places of maxima are exported for sizes that divide, not for {out} of {size}"
        )
    kernel = tuple([n // o for n, o in zip(size, out, strict=True)])
    call.arguments |= {"kernel_size": kernel, "stride": kernel, "padding": 0, "dilation": 1}
    return _max_pool(call, dims)


def _global(kind: str) -> Callable[[Call], str]:
    def convert(call: Call) -> str:
        dims = call.get("dims") or call.rank("input") - 2
        return str(_adaptive(call, dims, kind))

    return convert


def _max_unpool(call: Call) -> str:
    """Values written to their places in planes of zeros."""
    sizes, out = call.sizes("input"), call.out_sizes
    dims = int(call.function.removeprefix("max_unpool")[0])
    planes, plane = out[: len(out) - dims], math.prod(call.out_shape[-dims:])
    count = math.prod(call.shape("input")[-dims:])
    values = call.reshape(call["input"], [*sizes[: len(planes)], count])
    places = call.reshape(call["indices"], [*sizes[: len(planes)], count])
    shape = call.builder.shape_vector(call.scope, [*planes, plane])
    zeros = call.op("Expand", call.constant(0, call.out_dtype, "zero"), shape)
    filled = call.op("ScatterElements", zeros, places, values, axis=len(planes))
    return call.reshape(filled, out)


def _fractional(_: Call) -> str:
    raise Unsupported("it draws its windows at random; ONNX has no such operator")


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "global_avg_pool": _global("Average"),
    "global_max_pool": _global("Max"),
    "fractional_max_pool2d": _fractional,
    "fractional_max_pool3d": _fractional,
}


def _register(dims: int) -> None:
    CONVERTERS[f"max_pool{dims}d"] = lambda call: _max_pool(call, dims)
    CONVERTERS[f"avg_pool{dims}d"] = lambda call: _avg_pool(call, dims)
    CONVERTERS[f"lp_pool{dims}d"] = lambda call: _lp_pool(call, dims)
    CONVERTERS[f"adaptive_avg_pool{dims}d"] = lambda call: _adaptive(call, dims, "Average")
    CONVERTERS[f"adaptive_max_pool{dims}d"] = lambda call: _adaptive(call, dims, "Max")
    CONVERTERS[f"max_unpool{dims}d"] = _max_unpool


for _dims in (1, 2, 3):
    _register(_dims)
