"""What flows along the edges of a graph: tensors, and NumPy arrays for its bookkeeping.

Floating-point values are tensors, always. Integers and bools that come from the file or from a
shape are small NumPy arrays, so that the arithmetic on shapes that ONNX graphs are full of costs
little; those that a caller passes in are tensors. Operators take either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tilewise._dtypes import FLOATING, as_dtype, to_numpy
from tilewise.creation import from_numpy
from tilewise.io.onnx_files import MAX_DIMS
from tilewise.tensor import Tensor

Array = npt.NDArray[Any]
Value = Tensor | Array

# Files are untrusted: this is how many elements may come of next to nothing (2²⁷ float32 are half
# a GiB; the largest layer of VGG has 10⁸), how many may come of a small value by a border, by
# repetition or interpolation, and how many times as many as it has.
MAX_ELEMENTS = 2**27
MAX_GROWN = 2**22
MAX_GROWTH = 1024


def numpy_type(value: Value) -> np.dtype[Any]:
    """The NumPy dtype of a value."""
    return to_numpy(value.dtype) if isinstance(value, Tensor) else value.dtype


def is_float(value: Value) -> bool:
    """Whether a value is floating-point."""
    return isinstance(value, Tensor) and value.dtype in FLOATING


def tensor(value: Value) -> Tensor:
    """A value as a tensor, on the same memory where that is possible.

    Raises:
        TypeError: it is of an integer type that tensors lack.
    """
    if isinstance(value, Tensor):
        return value
    return from_numpy(np.require(value, requirements=["C", "W"]).reshape(value.shape))


def host(value: Value) -> Array:
    """A value as a NumPy array, on the same memory."""
    return value.detach().numpy() if isinstance(value, Tensor) else value


def wrap(array: Any) -> Value:
    """What NumPy computed, as a value: floating-point becomes a tensor."""
    result = np.asarray(array)
    return tensor(result) if result.dtype.kind == "f" else result


def ints(name: str, value: Value) -> list[int]:
    """A vector (or a number) of integers as a list.

    Raises:
        ValueError: it is anything else.
    """
    array = host(value)
    if array.ndim > 1 or array.dtype.kind not in "iu" or array.size > MAX_DIMS * 64:
        raise ValueError(
            f"expected {name} as a short vector of integers, got {array.dtype} {array.shape}"
        )
    return [int(n) for n in array.reshape(-1)]


def number(name: str, value: Value) -> Any:
    """The one number that a value holds.

    Raises:
        ValueError: it holds none, or several.
    """
    array = host(value)
    if array.size != 1:
        raise ValueError(f"expected {name} as one number, got shape {array.shape}")
    return array.reshape(()).item()


def checked_shape(shape: Sequence[int], limit: int = MAX_ELEMENTS) -> tuple[int, ...]:
    """A shape that a graph asks for, before anything of that size is allocated.

    Raises:
        ValueError: it has too many dimensions or elements, or negative ones.
    """
    sizes = tuple(int(n) for n in shape)
    if len(sizes) > MAX_DIMS:
        raise ValueError(f"expected at most {MAX_DIMS} dimensions, got {len(sizes)}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"expected sizes that are not negative, got {sizes}")
    if math.prod(max(n, 1) for n in sizes) > limit:
        raise ValueError(f"expected at most {limit} elements, got shape {sizes}")
    return sizes


def growth_limit(*values: Value) -> int:
    """How many elements an operator may make of these."""
    elements = max(math.prod(value.shape) for value in values)
    return min(max(MAX_GROWN, MAX_GROWTH * elements), 2**31)


def axis_of(axis: int, ndim: int, name: str = "axis") -> int:
    """An axis counted from the front.

    Raises:
        ValueError: there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"expected {name} in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


def axes_of(axes: Sequence[int], ndim: int, name: str = "axes") -> list[int]:
    """Distinct axes counted from the front.

    Raises:
        ValueError: one is not there, or occurs twice.
    """
    found = [axis_of(axis, ndim, name) for axis in axes]
    if len(set(found)) != len(found):
        raise ValueError(f"expected {name} that differ, got {list(axes)}")
    return found


def compute(on_tensors: Callable[..., Any], on_host: Callable[..., Any], *values: Value) -> Value:
    """Apply NumPy's function to values that are all bookkeeping, else the tensors' function."""
    if all(isinstance(value, np.ndarray) for value in values):
        with np.errstate(all="ignore"):
            return wrap(on_host(*values))
    result = on_tensors(*[tensor(value) for value in values])
    assert isinstance(result, Tensor)
    return result


def converted_index(indices: Value, size: int) -> Array:
    """Indices into a dimension of this size, counted from the front, as int64.

    Raises:
        ValueError: they are no integers, or out of range.
    """
    index = host(indices)
    if index.dtype.kind not in "iu":
        raise ValueError(f"expected indices as integers, got {index.dtype}")
    index = index.astype(np.int64)
    if index.size and (index.min() < -size or index.max() >= size):
        raise ValueError(f"expected indices in [{-size}, {size}), got {index.min()}…{index.max()}")
    return np.where(index < 0, index + size, index)


def converted_type(value: Value, dtype: np.dtype[Any]) -> Value:
    """A value in another type."""
    if isinstance(value, Tensor):
        if numpy_type(value) == dtype:
            return value
        try:
            return value.to(as_dtype("Cast", dtype))
        except TypeError:
            return value.detach().numpy().astype(dtype)
    with np.errstate(all="ignore"):
        return wrap(value.astype(dtype))
