"""Tensors from values, arrays and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_device,
    as_float,
    as_int,
    as_shape,
    describe,
    wrong_type,
)
from tilewise._dtypes import FLOATING, as_dtype, bool_, float32, int64, to_numpy
from tilewise.autograd import wrap
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import Array, DType


def _finish(op: str, array: Array, requires_grad: bool) -> Tensor:
    out = wrap(array)
    if requires_grad:
        if array.dtype not in FLOATING:
            raise TypeError(
                f"{op}: expected a floating-point dtype with requires_grad=True, got "
                f"{array.dtype.name}"
            )
        out._requires_grad = True
    return out


def _to_numpy(op: str, data: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, str | bytes | dict | set) or data is None:
        raise wrong_type(op, "data", "numbers, nested lists of them, or an array", data)
    try:
        values = np.asarray(data)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{op}: expected nested lists of one shape: {error}") from None
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise TypeError(f"{op}: expected numbers or bools, got dtype {values.dtype}")
    return values


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: a number, nested lists of numbers, a NumPy array or anything array-like.
        dtype: the element type; by default that of an array, and float32, int64 or bool for
            Python's numbers.
        device: "cpu" or None: every tensor is in the CPU's memory.
        requires_grad: whether to record operations on it.

    Raises:
        TypeError: for data that are no numbers.
        ValueError: for ragged lists.

    Example:
        >>> tw.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    as_device("tensor", device)
    source = getattr(data, "_array", None)
    if source is not None:
        array = source.copy() if dtype is None else source.copy().astype(as_dtype("tensor", dtype))
        return _finish("tensor", array, requires_grad)
    values = _to_numpy("tensor", data)
    if dtype is not None:
        wanted = as_dtype("tensor", dtype)
    elif hasattr(data, "dtype") and values.dtype != np.float16:
        wanted = as_dtype("tensor", values.dtype)
    else:  # Python's numbers
        wanted = {"b": bool_, "i": int64, "u": int64, "f": float32}[values.dtype.kind]
    dense = np.asarray(values, dtype=to_numpy(wanted), order="C")
    # In memory of the library's own, which knows of every write.
    return _finish("tensor", _core.Array.from_numpy(dense).copy(), requires_grad)


def as_tensor(data: Any, dtype: DType | None = None, device: str | None = None) -> Tensor:
    """A tensor of `data`, without a copy where it is a tensor or an array of the type.

    That goes for NumPy's arrays, and for tensors of other libraries that speak DLPack.

    Example:
        >>> tw.as_tensor([1.0, 2.0])
        tensor([1., 2.])
    """
    as_device("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and data.dtype != np.float16:
        made = from_numpy(data)
        return made if dtype is None else made.to(dtype)
    if hasattr(data, "__dlpack__") and not isinstance(data, np.generic | np.ndarray):
        made = from_dlpack(data)
        return made if dtype is None else made.to(dtype)
    return tensor(data, dtype=dtype)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of an array: a change of one shows in the other.

    Arrays that are read-only, misaligned or of negative stride are copied.

    Args:
        ndarray: of dtype float32, int64, int32, int8, uint8 or bool.

    Raises:
        TypeError: for another dtype, or where `ndarray` is no array.

    Example:
        >>> images = tw.from_numpy(np.zeros((8, 3, 32, 32), np.float32))
    """
    if not isinstance(ndarray, np.ndarray):
        raise wrong_type("from_numpy", "ndarray", "a NumPy array", ndarray)
    return wrap(_core.Array.from_numpy(ndarray))


def from_dlpack(ext_tensor: Any, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's tensor, by the DLPack protocol.

    The strides are the other tensor's, channels-last ones too. The memory lives as long as one of
    both tensors does.

    Args:
        ext_tensor: an object with `__dlpack__` in CPU memory.
        device: "cpu" or None.
        copy: True copies in any case. None copies where memory cannot be shared: NumPy arrays that
            are read-only or of negative strides. False raises then.

    Raises:
        TypeError: where it has none, or is of a type that this library does not have.
        ValueError: where it is on another device, or of negative strides with `copy=False`.
        BufferError: what its library refuses to hand out, such as tensors that require a gradient.

    Example:
        >>> tw.from_dlpack(np.zeros((2, 3), np.float32)).shape
        (2, 3)
    """
    as_device("from_dlpack", device)
    if copy not in (None, True, False):
        raise wrong_type("from_dlpack", "copy", "a bool or None", copy)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise wrong_type("from_dlpack", "ext_tensor", "an object with __dlpack__", ext_tensor)
    if hasattr(ext_tensor, "__dlpack_device__"):
        place = ext_tensor.__dlpack_device__()
        if int(place[0]) not in {1, 3}:  # kDLCPU, kDLCUDAHost
            raise ValueError(f"from_dlpack: expected a tensor in CPU memory, got device {place}")
    if copy is not False and isinstance(ext_tensor, np.ndarray):
        shared = _core.Array.from_numpy(ext_tensor)  # copies what cannot be shared
    else:
        shared = _core.Array.from_dlpack(ext_tensor.__dlpack__())
    return wrap(shared.copy() if copy else shared)


def full(
    size: int | Sequence[int],
    fill_value: float,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value; its type follows from the value where `dtype` is None.

    Example:
        >>> tw.full((2, 2), 7)
        tensor([[7, 7],
                [7, 7]])
    """
    as_device("full", device)
    if dtype is None:
        kinds: dict[type, DType] = {bool: bool_, int: int64}
        wanted = kinds.get(type(fill_value), float32)
    else:
        wanted = as_dtype("full", dtype)
    whole = isinstance(fill_value, bool | int)
    value = fill_value if whole else as_float("full", "fill_value", fill_value)
    array = _core.Array.full(as_shape("full", size), value, wanted)
    return _finish("full", array, requires_grad)


def _constant(op: str, size: Any, value: int, dtype: Any, requires_grad: bool) -> Tensor:
    wanted = float32 if dtype is None else as_dtype(op, dtype)
    return _finish(op, _core.Array.full(as_shape(op, size), value, wanted), requires_grad)


def zeros(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros; float32 unless `dtype` says otherwise.

    Raises:
        TypeError, ValueError: for a shape that cannot be.

    Example:
        >>> tw.zeros(2, 3).shape
        (2, 3)
    """
    as_device("zeros", device)
    return _constant("zeros", size, 0, dtype, requires_grad)


def ones(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones; see `zeros`.

    Example:
        >>> tw.ones(2)
        tensor([1., 1.])
    """
    as_device("ones", device)
    return _constant("ones", size, 1, dtype, requires_grad)


def empty(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with whatever the memory holds; see `zeros`.

    Example:
        >>> tw.empty(2, 3).shape
        (2, 3)
    """
    as_device("empty", device)
    wanted = float32 if dtype is None else as_dtype("empty", dtype)
    return _finish("empty", _core.Array.empty(as_shape("empty", size), wanted), requires_grad)


def _like(op: str, input: Tensor, value: float, dtype: DType | None, grad: bool) -> Tensor:
    x = array_of(op, "input", input)
    return full(x.shape, value, dtype=x.dtype if dtype is None else dtype, requires_grad=grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of the shape and type of `input`.

    Example:
        >>> tw.zeros_like(tw.ones(2))
        tensor([0., 0.])
    """
    as_device("zeros_like", device)
    return _like("zeros_like", input, 0, dtype, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of the shape and type of `input`.

    Example:
        >>> tw.ones_like(tw.zeros(2))
        tensor([1., 1.])
    """
    as_device("ones_like", device)
    return _like("ones_like", input, 1, dtype, requires_grad)


def full_like(
    input: Tensor,
    fill_value: float,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in the shape and type of `input`.

    Example:
        >>> tw.full_like(tw.zeros(2), 7)
        tensor([7., 7.])
    """
    as_device("full_like", device)
    return _like("full_like", input, fill_value, dtype, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uninitialised memory in the shape and type of `input`.

    Example:
        >>> tw.empty_like(tw.zeros(2, 3)).shape
        (2, 3)
    """
    as_device("empty_like", device)
    x = array_of("empty_like", "input", input)
    return empty(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to before `end`; `arange(end)` starts from 0.

    Args:
        start: the first number.
        end: the bound, not included.
        step: the difference between neighbours, not zero.
        dtype: by default int64 where all three are ints, else float32.
        device: "cpu" or None: every tensor is in the CPU's memory.
        requires_grad: whether to record operations on it.

    Raises:
        ValueError: for a step of zero, or a bound on its wrong side.

    Example:
        >>> tw.arange(1, 7, 2)
        tensor([1, 3, 5])
    """
    as_device("arange", device)
    first, last = (0, start) if end is None else (start, end)
    for name, value in (("start", first), ("end", last), ("step", step)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise wrong_type("arange", name, "a number", value)
    whole = all(isinstance(v, int | np.integer) for v in (first, last, step))
    wanted = (int64 if whole else float32) if dtype is None else as_dtype("arange", dtype)
    if step == 0 or (last - first) / step < 0:
        raise ValueError(
            f"arange: expected a step from {first} towards {last}, got {describe(step)}"
        )
    if not math.isfinite((last - first) / step):
        raise ValueError(f"arange: expected finite bounds, got {first} and {last}")
    count = math.ceil((last - first) / step) if not whole else -((first - last) // step)
    as_int("arange", "count", count, 0, 2**62)
    if wanted not in FLOATING and not whole:
        values = np.arange(first, last, step).astype(to_numpy(wanted))
        return _finish("arange", _core.Array.from_numpy(values), requires_grad)
    array = _core.Array.arange(first, step, count, wanted)
    return _finish("arange", array, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included.

    Example:
        >>> tw.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    as_device("linspace", device)
    first, last = as_float("linspace", "start", start), as_float("linspace", "end", end)
    count = as_int("linspace", "steps", steps, 0)
    wanted = float32 if dtype is None else as_dtype("linspace", dtype)
    return _finish("linspace", _core.Array.linspace(first, last, count, wanted), requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Powers of `base` with evenly spaced exponents from `start` to `end`.

    Example:
        >>> tw.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    as_device("logspace", device)
    first, last = as_float("logspace", "start", start), as_float("logspace", "end", end)
    count, root = as_int("logspace", "steps", steps, 0), as_float("logspace", "base", base)
    wanted = float32 if dtype is None else as_dtype("logspace", dtype)
    values = _core.pow(root, _core.Array.linspace(first, last, count, _core.DType.float64))
    return _finish("logspace", values.astype(wanted), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix, (n, n), or (n, m) with ones on its diagonal.

    Example:
        >>> tw.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    as_device("eye", device)
    rows = as_int("eye", "n", n, 0)
    columns = rows if m is None else as_int("eye", "m", m, 0)
    wanted = float32 if dtype is None else as_dtype("eye", dtype)
    array = _core.Array.full((rows, columns), 0, wanted)
    _core.diagonal(array, 0, 0, 1).fill_(1)
    return _finish("eye", array, requires_grad)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Rows of zeros with a one at each label.

    Args:
        input: int64 labels >= 0, of any shape.
        num_classes: the length of the rows; -1 for the largest label + 1.

    Returns:
        int64 of shape (*input.shape, num_classes).

    Raises:
        TypeError: where the labels are not integers.
        ValueError: for a label outside the classes.

    Example:
        >>> tw.nn.functional.one_hot(tw.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    x = array_of("one_hot", "input", input)
    if x.dtype != int64:
        raise TypeError(f"one_hot: expected labels of dtype int64, got {x.dtype.name}")
    classes = as_int("one_hot", "num_classes", num_classes, -1)
    return wrap(_core.one_hot(x, classes))


__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "one_hot",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]
