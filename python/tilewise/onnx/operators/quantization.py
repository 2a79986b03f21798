"""Small integers: to them, from them, and products of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tilewise.io.onnx_files import dtype_of
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Array, Value, axis_of, converted_type, host, numpy_type, tensor
from .conv import convolve
from .window import window_of

_TYPES = (np.int8, np.uint8, np.int16, np.uint16)
_EXACT = 2**24  # integers that float32 holds exactly


def _along(node: Node, parameter: Value, x: Value) -> Array:
    """A scale or zero point in a shape that broadcasts over `x`."""
    values = host(parameter)
    if values.size == 1 and values.ndim <= 1:
        return values.reshape([1] * x.ndim)
    axis, block = axis_of(node.get("axis", 1), x.ndim), node.get("block_size", 0)
    if values.ndim == 1 and not block:
        if values.shape[0] != x.shape[axis]:
            raise ValueError(f"expected {x.shape[axis]} scales, got {values.shape[0]}")
        return values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    wanted = [-(-n // block) if i == axis and block > 0 else n for i, n in enumerate(x.shape)]
    if block < 1 or list(values.shape) != wanted:
        raise ValueError(f"expected scales {wanted} in blocks of {block}, got {values.shape}")
    return np.asarray(np.take(values, np.arange(x.shape[axis]) // block, axis))


def _quantized(x: Tensor, zero: Array, kind: np.dtype[Any]) -> Value:
    """Numbers rounded half to even, moved by the zero point, limited to a type."""
    limits = np.iinfo(kind)
    moved = tw.round(x) + tensor(zero.astype(numpy_type(x)))
    return converted_type(tw.clamp(moved, float(limits.min), float(limits.max)), kind)


@operator("QuantizeLinear")
def quantize(node: Node, x: Value, scale: Value, zero: Value | None = None) -> Value:
    """`round(x / scale) + zero`, limited to the type."""
    declared = node.get("output_dtype", 0)
    kind = dtype_of(declared) if declared else np.dtype(np.uint8)
    kind = kind if zero is None else numpy_type(zero)
    if kind not in _TYPES:
        raise ValueError(f"expected 8- or 16-bit integers as the result, got {kind}")
    sample = tensor(x) if numpy_type(x).kind == "f" else tensor(x).to(tw.float32)
    steps = _along(node, scale, x).astype(numpy_type(sample))
    shift = np.zeros([1] * x.ndim) if zero is None else _along(node, zero, x)
    return _quantized(sample / tensor(steps), shift, kind)


@operator("DequantizeLinear")
def dequantize(node: Node, x: Value, scale: Value, zero: Value | None = None) -> Tensor:
    """`(x - zero) · scale`."""
    kind = numpy_type(scale)
    if not isinstance(scale, Tensor) or numpy_type(x).kind not in "iu":
        raise ValueError(f"expected integers and a floating-point scale, got {x.dtype}")
    sample = converted_type(x, kind)
    assert isinstance(sample, Tensor)
    if zero is not None:
        sample = sample - tensor(_along(node, zero, x).astype(kind))
    return sample * tensor(np.ascontiguousarray(_along(node, scale, x)))


@operator("DynamicQuantizeLinear")
def dynamic_quantize(_: Node, x: Value) -> tuple[Value, Value, Value]:
    """Quantised to uint8 with the scale and zero point that the range of the input gives."""
    sample = tensor(x)
    high = max(0.0, float(tw.amax(sample).item()))
    low = min(0.0, float(tw.amin(sample).item()))
    scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(255)) or np.float32(1)
    zero = np.clip(np.rint(-np.float32(low) / scale), 0, 255)
    shift = np.full([1] * sample.ndim, zero)
    y = _quantized(sample / float(scale), shift, np.dtype(np.uint8))
    return y, tensor(np.asarray(scale)), np.asarray(zero, np.uint8)


def _centred(x: Value, zero: Value | None, axis: int, wide: bool) -> Tensor:
    """Integers minus their zero point, as floating-point numbers that hold them exactly."""
    kind = np.dtype(np.float64 if wide else np.float32)
    if numpy_type(x).kind not in "iu":
        raise ValueError(f"expected integers, got {x.dtype}")
    sample = tensor(x).to(tw.float64 if wide else tw.float32)
    if zero is None:
        return sample
    shift = host(zero).astype(kind)
    if shift.ndim == 1 and shift.size > 1:
        shift = shift.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    elif shift.ndim <= 1:
        shift = shift.reshape([1] * x.ndim)
    return sample - tensor(shift)


def _integer_conv(
    node: Node, x: Value, w: Value, x_zero: Value | None, w_zero: Value | None
) -> Tensor:
    """A convolution of integers, exact."""
    wide = 255 * 255 * math.prod(w.shape[1:]) >= _EXACT
    image, weight = _centred(x, x_zero, 1, wide), _centred(w, w_zero, 0, wide)
    return convolve(node, image, weight, None, window_of(node, image, weight.shape[2:]))


@operator("ConvInteger")
def conv_integer(
    node: Node, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None
) -> Tensor:
    """Convolution of 8-bit integers; the sums are int32."""
    return _integer_conv(node, x, w, x_zero, w_zero).to(tw.int32)


@operator("QLinearConv")
def qlinear_conv(
    node: Node, x: Value, x_scale: Value, x_zero: Value, w: Value, w_scale: Value, w_zero: Value,
    y_scale: Value, y_zero: Value, b: Value | None = None,
) -> Value:  # fmt: skip
    """Convolution of quantised values with a quantised result."""
    sums = _integer_conv(node, x, w, x_zero, w_zero)
    column = (-1, *[1] * (sums.ndim - 2))
    if b is not None:
        sums = sums + tensor(b).to(sums.dtype).reshape(*column)
    factor = host(x_scale).astype(np.float64) * host(w_scale) / host(y_scale)
    factor = factor.reshape(column) if factor.size > 1 else factor.reshape([1] * sums.ndim)
    scaled = sums * tensor(np.ascontiguousarray(factor.astype(numpy_type(sums))))
    return _quantized(scaled, host(y_zero).reshape([1] * sums.ndim), numpy_type(y_zero))


def _integer_matmul(a: Value, b: Value, a_zero: Value | None, b_zero: Value | None) -> Tensor:
    wide = 255 * 255 * (a.shape[-1] if a.ndim else 1) >= _EXACT
    # A zero point per row of A, or per column of B.
    return tw.matmul(_centred(a, a_zero, -2, wide), _centred(b, b_zero, -1, wide))


@operator("MatMulInteger")
def matmul_integer(
    _: Node, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None
) -> Tensor:
    """Matrix product of 8-bit integers; the sums are int32."""
    return _integer_matmul(a, b, a_zero, b_zero).to(tw.int32)


@operator("QLinearMatMul")
def qlinear_matmul(
    _: Node, a: Value, a_scale: Value, a_zero: Value, b: Value, b_scale: Value, b_zero: Value,
    y_scale: Value, y_zero: Value,
) -> Value:  # fmt: skip
    """Matrix product of quantised values with a quantised result."""
    sums = _integer_matmul(a, b, a_zero, b_zero)
    rows, columns = host(a_scale).astype(np.float64), host(b_scale).astype(np.float64)
    if rows.ndim == 1 and rows.size > 1:
        rows = rows[:, None]
    factor = (rows * columns / host(y_scale)).astype(numpy_type(sums))
    scaled = sums * tensor(np.ascontiguousarray(factor).reshape(factor.shape))
    return _quantized(scaled, host(y_zero), numpy_type(y_zero))
