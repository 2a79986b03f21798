"""Convolutions, transposed convolutions, unfold and fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilewise._arguments import as_tuple
from tilewise.functional.conv import padding_of

from .activation import SIMPLE
from .builder import Call
from .padding import ONNX_MODES, wrap


def batched(call: Call, dims: int, compute: Callable[[str], str]) -> str:
    """Apply nodes that want a batch; a single image gets a dimension of one around them."""
    x = call["input"]
    if call.rank("input") == dims + 2:
        return compute(x)
    return call.squeeze(compute(call.unsqueeze(x, 0)), 0)


def _border(call: Call, name: str, before: Sequence[int], after: Sequence[int], mode: str) -> str:
    """The image with a border that is not zeros, which convolutions do not have in ONNX."""
    before, after = (0, 0, *before), (0, 0, *after)
    if mode == "circular" and call.opset < 19:
        return wrap(call, name, call.shape("input")[-len(before) + 2 :], before, after)
    return call.op("Pad", name, call.ints([*before, *after]), mode=ONNX_MODES[mode])


def conv(call: Call, dims: int) -> str:
    """Conv, a border before it and what a fused call does after it."""
    kernel = call.shape("weight")[2:]
    stride = as_tuple("conv", "stride", call.get("stride", 1), dims, 1)
    dilation = as_tuple("conv", "dilation", call.get("dilation", 1), dims, 1)
    size = call.shape("input")[-dims:]
    before, after = padding_of("conv", call.get("padding", 0), kernel, stride, dilation, size)
    mode = call.get("padding_mode", "zeros")

    def compute(x: str) -> str:
        pads = [*before, *after]
        if mode != "zeros" and any(pads):
            x = _border(call, x, before, after, mode)
            pads = [0] * len(pads)
        return call.op(
            "Conv", x, call["weight"], call.optional("bias"), kernel_shape=kernel, strides=stride,
            dilations=dilation, pads=pads, group=call.get("groups", 1),
        )  # fmt: skip

    y = batched(call, dims, compute)
    if call.has("residual"):
        y = call.op("Add", y, call["residual"])
    activation = call.get("activation", "none")
    if activation == "none":
        return y
    if activation == "leaky_relu":
        return call.op("LeakyRelu", y, alpha=call.get("negative_slope", 0.01))
    return SIMPLE[activation](call, y)


def conv_transpose(call: Call, dims: int) -> str:
    """ConvTranspose; the output padding follows from the output's size."""
    kernel = call.shape("weight")[2:]
    stride = as_tuple("conv_transpose", "stride", call.get("stride", 1), dims, 1)
    padding = as_tuple("conv_transpose", "padding", call.get("padding", 0), dims, 0)
    dilation = as_tuple("conv_transpose", "dilation", call.get("dilation", 1), dims, 1)
    size, out = call.shape("input")[-dims:], call.out_shape[-dims:]
    extra = [
        o - ((n - 1) * s - 2 * p + d * (k - 1) + 1)
        for o, n, s, p, d, k in zip(out, size, stride, padding, dilation, kernel, strict=True)
    ]
    return batched(
        call,
        dims,
        lambda x: call.op(
            "ConvTranspose", x, call["weight"], call.optional("bias"), kernel_shape=kernel,
            strides=stride, dilations=dilation, pads=[*padding, *padding], output_padding=extra,
            group=call.get("groups", 1),
        ),
    )  # fmt: skip


def _taps(channels: int, kernel: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
    """One filter for each channel and tap, with a one at the tap: convolution as a copy."""
    taps = int(np.prod(kernel))
    one = np.eye(taps, dtype=dtype).reshape(taps, 1, *kernel)
    return np.tile(one, (channels, *(1,) * (len(kernel) + 1)))


def _window(call: Call) -> dict[str, tuple[int, ...]]:
    """The four settings of unfold and fold, one number a dimension."""
    names = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    default = {"stride": 1, "padding": 0, "dilation": 1}
    return {
        name: as_tuple(call.function, name, call.get(name, default.get(name)), 2, least)
        for name, least in names.items()
    }


def unfold(call: Call) -> str:
    """The columns of im2col: a grouped convolution with a one at each tap."""
    window = _window(call)
    kernel, padding = window["kernel_size"], window["padding"]
    channels = call.shape("input")[-3]
    weight = call.constant(_taps(channels, kernel, call.out_dtype), call.out_dtype, "taps")
    x = call["input"] if call.rank("input") == 4 else call.unsqueeze(call["input"], 0)
    y = call.op(
        "Conv", x, weight, kernel_shape=kernel, strides=window["stride"], group=channels,
        pads=[*padding, *padding], dilations=window["dilation"],
    )  # fmt: skip
    return call.reshape(y, call.out_sizes)


def fold(call: Call) -> str:
    """The sum of overlapping columns: a grouped transposed convolution with a one at each tap."""
    window = _window(call)
    kernel, stride = window["kernel_size"], window["stride"]
    padding, dilation = window["padding"], window["dilation"]
    channels, out = call.out_shape[-3], call.out_shape[-2:]
    grid = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(out, padding, dilation, kernel, stride, strict=True)
    ]
    extra = [
        n - ((g - 1) * s - 2 * p + d * (k - 1) + 1)
        for n, g, s, p, d, k in zip(out, grid, stride, padding, dilation, kernel, strict=True)
    ]
    weight = call.constant(_taps(channels, kernel, call.out_dtype), call.out_dtype, "taps")
    sizes = call.sizes("input")
    batch = sizes[:1] if len(sizes) == 3 else (1,)
    x = call.reshape(call["input"], (*batch, sizes[-2], *grid))
    y = call.op(
        "ConvTranspose", x, weight, kernel_shape=kernel, strides=stride, group=channels,
        pads=[*padding, *padding], dilations=dilation, output_padding=extra,
    )  # fmt: skip
    return y if len(sizes) == 3 else call.squeeze(y, 0)


CONVERTERS: dict[str, Callable[[Call], Any]] = {"fold": fold}


def _register(dims: int) -> None:
    CONVERTERS[f"conv{dims}d"] = lambda call: conv(call, dims)
    CONVERTERS[f"conv_transpose{dims}d"] = lambda call: conv_transpose(call, dims)


for _dims in (1, 2, 3):
    _register(_dims)
