"""Element types, under the names of the field.

float32 is the working type, float64 the type of gradient checks, int64 the type of labels and
indices, uint8 the type of images. The objects are those of the compiled core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewise._core import DType

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

float32 = DType.float32
float64 = DType.float64
int64 = DType.int64
int32 = DType.int32
int8 = DType.int8
uint8 = DType.uint8
bool_ = DType.bool_

float_ = float32
double = float64
long = int64
int_ = int32

FLOATING = (float32, float64)  # a tuple: `x.dtype in FLOATING` compares identities first

_TO_NUMPY: dict[DType, np.dtype[np.generic]] = {
    float32: np.dtype(np.float32),
    float64: np.dtype(np.float64),
    int64: np.dtype(np.int64),
    int32: np.dtype(np.int32),
    int8: np.dtype(np.int8),
    uint8: np.dtype(np.uint8),
    bool_: np.dtype(np.bool_),
}
_FROM_NUMPY = {numpy: dtype for dtype, numpy in _TO_NUMPY.items()}
_FROM_PYTHON: dict[object, DType] = {float: float32, int: int64, bool: bool_}


def to_numpy(dtype: DType) -> np.dtype[np.generic]:
    """The NumPy dtype of `dtype`."""
    return _TO_NUMPY[dtype]


def as_dtype(op: str, dtype: DType | DTypeLike) -> DType:
    """`dtype` as an element type of this library.

    Accepts a tilewise dtype, Python's float (float32, as in PyTorch), int (int64) and bool, and
    NumPy dtypes or their names.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, type) and dtype in _FROM_PYTHON:
        return _FROM_PYTHON[dtype]
    try:
        return _FROM_NUMPY[np.dtype(dtype)]
    except (TypeError, KeyError):
        pass
    names = ", ".join(name_of(d) for d in _TO_NUMPY)
    raise TypeError(f"{op}: expected dtype as one of {names}, got {dtype!r}")


def name_of(dtype: DType) -> str:
    """The name that a user writes after `tilewise.`: "float32", "bool"."""
    return "bool" if dtype == bool_ else str(_TO_NUMPY[dtype])
