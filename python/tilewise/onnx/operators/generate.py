"""Values made of nothing but a shape or a few numbers."""

from __future__ import annotations

import numpy as np

from tilewise.io.onnx_files import dtype_of
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import (
    MAX_ELEMENTS,
    Value,
    checked_shape,
    converted_type,
    host,
    ints,
    number,
    numpy_type,
    wrap,
)  # fmt: skip


@operator("Constant")
def constant(node: Node) -> Value:
    """The value that an attribute holds; for those inside other graphs."""
    if len(node.attributes) != 1:
        raise ValueError(f"expected one attribute, got {sorted(node.attributes)}")
    ((name, value),) = node.attributes.items()
    if name == "value":
        return value if isinstance(value, Tensor) else wrap(value)
    if name in ("value_float", "value_floats"):
        return wrap(np.asarray(value, np.float32))
    if name in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    raise ValueError(f"{name} has no counterpart in tilewise")


@operator("ConstantOfShape")
def constant_of_shape(node: Node, shape: Value) -> Value:
    """One number everywhere."""
    sizes = checked_shape(ints("shape", shape))
    value = node.get("value")
    one = np.zeros(1, np.float32) if value is None else host(value)
    if one.size != 1:
        raise ValueError(f"expected value as one number, got shape {one.shape}")
    return wrap(np.full(sizes, one.reshape(()), one.dtype))


@operator("Range")
def range_(_: Node, start: Value, limit: Value, delta: Value) -> Value:
    """Numbers from `start` to before `limit`, `delta` apart."""
    first, last, step = (
        number(n, v)
        for n, v in zip(("start", "limit", "delta"), (start, limit, delta), strict=True)
    )
    count = (last - first) / step
    if not 0 <= abs(count) < MAX_ELEMENTS:
        raise ValueError(f"expected at most {MAX_ELEMENTS} numbers, got {count}")
    numbers = first + np.arange(max(int(np.ceil(count)), 0)) * step
    return wrap(numbers.astype(numpy_type(start)))


@operator("EyeLike")
def eye_like(node: Node, x: Value) -> Value:
    """Ones on a diagonal of a matrix of this shape."""
    if x.ndim != 2:
        raise ValueError(f"expected a matrix, got {x.shape}")
    dtype = dtype_of(node["dtype"]) if "dtype" in node.attributes else numpy_type(x)
    rows, columns = checked_shape(x.shape)
    offset = max(min(node.get("k", 0), columns), -rows)
    return wrap(np.eye(rows, columns, offset, dtype=dtype))


@operator("RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike")
def random(node: Node, like: Value | None = None) -> Value:
    """Random numbers of tilewise's own stream."""
    sizes = checked_shape(node["shape"] if like is None else like.shape)
    default = np.dtype(np.float32) if like is None else numpy_type(like)
    dtype = dtype_of(node["dtype"]) if "dtype" in node.attributes else default
    if node.op.startswith("RandomNormal"):
        numbers = tw.randn(*sizes) * node["scale"] + node["mean"]
    else:
        numbers = tw.rand(*sizes) * (node["high"] - node["low"]) + node["low"]
    return converted_type(numbers, dtype)


@operator("Bernoulli")
def bernoulli(node: Node, x: Value) -> Value:
    """1 with the probability that each element says, else 0."""
    dtype = dtype_of(node["dtype"]) if "dtype" in node.attributes else numpy_type(x)
    assert isinstance(x, Tensor)
    return converted_type(tw.bernoulli(x), dtype)
