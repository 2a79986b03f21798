"""`x[index]` and `x[index] = value`.

An index is cut into two steps. The basic step (ints, slices, `...`, None) is a view. The advanced
step gathers by arrays of indices (tensors, arrays, lists; masks become the indices of their true
elements), which broadcast; their dimensions go where the first of them stands, or to the front
where a slice stands between them. As in PyTorch, an int is taken in the basic step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axis, describe
from tilewise._dtypes import bool_, float64, int32, int64, to_numpy, uint8
from tilewise._ops.common import check_inplace, operand, placed, unbroadcast
from tilewise._ops.shape import broadcast_shapes, expand, view_of
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewise._core import Array
    from tilewise.tensor import Tensor


class Plan(NamedTuple):
    """An index in the form of the core."""

    slices: tuple[tuple[int, int, int, int], ...]  # (dim, start, stop, step), of the source
    shape: tuple[int, ...]  # after the slices: ints drop a dimension, None adds one
    arrays: tuple[Array | None, ...]  # one for each leading dimension of `shape`; () for a view
    basic: tuple[Any, ...] = ()  # the basic step as the core takes it, in place of the slices

    @property
    def whole(self) -> bool:
        """Whether the basic step leaves every element in place."""
        return not (self.slices or self.basic)

    def view(self, x: Array) -> Array:
        """The basic step."""
        if self.basic:
            seen: Array = _core.basic_index(x, self.basic)
            return seen
        for dim, start, stop, step in self.slices:
            x = x.slice(dim, start, stop, step)
        return x if x.shape == self.shape else x.reshape(self.shape)


def _as_index(item: Any) -> Array | None:
    """An array of indices (int64) or a mask (bool), or None where `item` is neither."""
    array = getattr(item, "_array", None)
    if array is None:
        if not isinstance(item, list | np.ndarray | range | tuple):
            return None
        values = np.asarray(item)
        if values.size == 0 and not isinstance(item, np.ndarray):
            values = values.astype(np.int64)
        if values.dtype.kind not in "biu":
            raise TypeError(f"index: expected integers or bools, got {describe(item)}")
        array = _core.Array.from_numpy(
            values.copy() if values.dtype == np.bool_ else values.astype(np.int64)
        )
    elif array.dtype not in (bool_, uint8, int64):
        if array.dtype.name.startswith("float"):
            raise TypeError(f"index: expected integers or bools, got dtype {array.dtype.name}")
        array = array.astype(int64)
    return array.astype(int64) if array.dtype == uint8 else array


def _normalise_int(item: int, size: int, dim: int) -> int:
    if not -size <= item < size:
        raise IndexError(
            f"index: expected an index between {-size} and {size - 1} in dimension {dim}, "
            f"got {item}"
        )
    return item + size if item < 0 else item


def _mask_indices(mask: Array, shape: tuple[int, ...], dim: int) -> list[Array]:
    """The indices of a mask's true elements, one array for each of its dimensions."""
    covered = shape[dim : dim + mask.ndim]
    if mask.shape != covered:
        raise IndexError(f"index: expected a mask of shape {covered}, got {mask.shape}")
    found = _core.nonzero(mask)
    return [
        found.slice(1, i, i + 1, 1).reshape((found.shape[0],)).contiguous()
        for i in range(mask.ndim)
    ]


def plan(shape: tuple[int, ...], index: Any) -> Plan:
    """Parse an index for a tensor of this shape.

    Raises:
        IndexError: for an index out of range, or too many of them.
        TypeError: for an index of another type.
        ValueError: for a slice that steps backwards.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    parsed = [item if isinstance(item, int | slice) else _parse_item(item) for item in items]
    used = sum(_dimensions(item) for item in parsed)
    if used > len(shape):
        raise IndexError(f"index: expected at most {len(shape)} indices for {shape}, got {used}")
    dots = [i for i, item in enumerate(parsed) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("index: expected one ellipsis, got several")
    if dots:
        parsed[dots[0] : dots[0] + 1] = [slice(None)] * (len(shape) - used)

    slices: list[tuple[int, int, int, int]] = []
    result: list[int] = []
    arrays: list[Array | None] = []
    dim = 0
    for item in parsed:
        if item is None:
            result.append(1)
            arrays.append(None)
        elif isinstance(item, slice):
            start, stop, step = _normalise_slice(item, shape[dim])
            if (start, stop, step) != (0, shape[dim], 1):
                slices.append((dim, start, stop, step))
            result.append(len(range(start, stop, step)))
            arrays.append(None)
            dim += 1
        elif isinstance(item, int):
            start = _normalise_int(item, shape[dim], dim)
            slices.append((dim, start, start + 1, 1))
            dim += 1
        elif item.dtype == bool_:
            arrays += _mask_indices(item, shape, dim)
            result += shape[dim : dim + item.ndim]
            dim += item.ndim
        else:
            arrays.append(item)
            result.append(shape[dim])
            dim += 1
    while arrays and arrays[-1] is None:
        arrays.pop()
    return Plan(tuple(slices), (*result, *shape[dim:]), tuple(arrays))


def _parse_item(item: Any) -> Any:
    """An int, a slice, None, Ellipsis, or an array of the core."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, np.bool_):
        raise TypeError("index: expected a mask as a tensor, got a single bool")
    array = _as_index(item)
    if array is not None:
        if array.ndim == 0 and array.dtype != bool_:
            return int(array.item())  # a scalar tensor selects, as an int does
        if array.ndim == 0:
            raise TypeError("index: expected a mask of at least 1 dimension, got a scalar")
        return array
    try:
        return int(item.__index__())
    except AttributeError:
        raise TypeError(
            "index: expected ints, slices, None, ..., masks, or arrays of ints, "
            f"got {describe(item)}"
        ) from None


def _dimensions(item: Any) -> int:
    """How many dimensions of the source an item takes."""
    if isinstance(item, bool):
        raise TypeError("index: expected a mask as a tensor, got a single bool")
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, int | slice):
        return 1
    return int(item.ndim) if item.dtype == bool_ else 1


def _normalise_slice(item: slice, size: int) -> tuple[int, int, int]:
    try:
        start, stop, step = item.indices(size)
    except TypeError:
        raise TypeError(f"index: expected a slice of ints, got {item}") from None
    if step < 1:
        raise ValueError(f"index: expected a slice with a step >= 1, got {step}; see tw.flip")
    return start, max(start, stop), step


def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`: a view for ints, slices, `...` and None; a copy for masks and arrays."""
    x = input._array
    y = _core.basic_index(x, index)
    if y is not None:
        shape = x.shape
        return view_of(
            "getitem", input, y, lambda dy: _scatter_basic(dy, shape, index), aliases=False
        )
    if index.__class__ is input.__class__ and index._array.dtype == bool_:
        return (
            masked_select(input, index)
            if index._array.shape == x.shape
            else _advanced(input, index)
        )
    return _advanced(input, index)


_ALL = slice(None)


def _by_vectors(x: Array, index: Any) -> Plan | None:
    """The plan of tensors of indices beside ints, slices and None: most of what scripts write."""
    basic: list[Any] = []
    arrays: list[Array | None] = []
    plain = True
    for item in index if index.__class__ is tuple else (index,):
        array = getattr(item, "_array", None)
        if array is not None:
            if array.dtype is not int64 or array.ndim == 0:
                return None
            basic.append(_ALL)
            arrays.append(array)
        elif item.__class__ is slice or item is None:
            basic.append(item)
            arrays.append(None)
            plain = plain and item is not None and item == _ALL
        elif item.__class__ is int:
            basic.append(item)
            plain = False
        else:
            return None
    while arrays and arrays[-1] is None:
        arrays.pop()
    if not arrays or len(basic) > x.ndim + basic.count(None):
        return None
    if plain:
        return Plan((), x.shape, tuple(arrays))
    seen = _core.basic_index(x, tuple(basic))  # None where it is wrong: the long way says what
    return None if seen is None else Plan((), seen.shape, tuple(arrays), tuple(basic))


def plan_of(x: Array, index: Any) -> Plan:
    """The plan of an index into an array."""
    return _by_vectors(x, index) or plan(x.shape, index)


def _scatter_basic(dy: Array, shape: tuple[int, ...], index: Any) -> Array:
    return placed(dy, shape, lambda dx: _core.basic_index(dx, index))


def _advanced(input: Tensor, index: Any) -> Tensor:
    x = input._array
    shape = x.shape
    steps = plan_of(x, index)
    y = steps.view(x)
    if not steps.arrays:
        aliases = not steps.slices
        return view_of("getitem", input, y, lambda dy: _scatter_view(dy, shape, steps), aliases)
    picked = _core.index(y, list(steps.arrays))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(picked)
    viewed = y.shape

    def backward(dy: Array) -> tuple[Array]:
        gathered = _core.index_add(viewed, list(steps.arrays), dy)
        return (gathered if viewed == shape else _scatter_view(gathered, shape, steps),)

    return record("getitem", picked, (input,), backward)


def _scatter_view(dy: Array, shape: tuple[int, ...], steps: Plan) -> Array:
    """Zeros of `shape` with `dy` where the view looked."""
    if steps.whole:
        return dy.reshape(shape)
    return placed(dy, shape, steps.view)


def _write(x: Array, steps: Plan, value: Array) -> None:
    target = steps.view(x)
    if steps.arrays:
        _core.index_put_(target, list(steps.arrays), value)
    else:
        target.copy_(value)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """`input[index] = value`, in place; the value broadcasts and takes the tensor's type.

    Raises:
        IndexError, TypeError, ValueError: as for reading, and for a value that does not fit.
        RuntimeError: where `input` is a leaf that requires a gradient, outside `no_grad`.
    """
    x = input._array
    needs_value = getattr(value, "_requires_grad", False)
    recording = check_inplace("setitem", input, needs_value)
    if not recording and _core.set_basic(x, index, getattr(value, "_array", value)):
        return
    steps = plan(x.shape, index)
    array = _value_array(value, x)
    if hasattr(value, "_array") and array.shares_storage(x):
        array = array.copy()
    if not recording:
        _write(x, steps, array)
        return
    shape_of_value = array.shape
    parents: Sequence[Tensor] = (input, value) if needs_value else (input,)

    def backward(dy: Array) -> list[Array]:
        kept = dy.copy()
        _write(kept, steps, _core.Array.full((), 0, dy.dtype))
        if not needs_value:
            return [kept]
        taken = steps.view(dy)
        if steps.arrays:
            taken = _core.index(taken, list(steps.arrays))
        extra = len(shape_of_value) - taken.ndim
        taken = taken.reshape((1,) * extra + taken.shape) if extra > 0 else taken
        return [kept, unbroadcast(taken, array)]

    result = record("setitem", x, parents, backward, aliases=True)
    _write(x, steps, array)
    input._node, input._requires_grad = result._node, True


def _value_array(value: Any, like: Array) -> Array:
    """A value to write as an array: numbers and lists take the type of the target."""
    if isinstance(value, np.ndarray | list | tuple):
        return _core.Array.from_numpy(np.array(value, dtype=to_numpy(like.dtype)))
    array: Array | int | float = operand("setitem", "value", value)
    if isinstance(array, int):
        return _core.Array.full((), array, like.dtype)
    if isinstance(array, float):  # converted where it is written
        return _core.Array.full((), array, float64)
    return array


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The entries of one dimension that `index` names, in its order; a copy.

    Args:
        input: a tensor of any shape.
        dim: the dimension.
        index: int64 or int32 of one dimension.

    Raises:
        IndexError: where an index is out of range.

    Example:
        >>> tw.tensor([[1, 2], [3, 4]]).index_select(1, tw.tensor([1]))
        tensor([[2],
                [4]])
    """
    x, i = array_of("index_select", "input", input), array_of("index_select", "index", index)
    axis = as_axis("index_select", dim, x.ndim)
    if i.ndim > 1:
        raise ValueError(f"index_select: expected index of 1 dimension, got {i.shape}")
    if i.dtype not in (int64, int32):
        raise TypeError(f"index_select: expected index of int64 or int32, got {i.dtype.name}")
    if i.ndim == 0:
        i = i.reshape((1,))
    source = x if x.ndim else x.reshape((1,))
    picks = [*[None] * axis, i]
    y = _core.index(source, picks)
    if x.ndim == 0:
        y = y.reshape(()) if i.size == 1 else y
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        sent = dy.reshape((i.size,)) if x.ndim == 0 else dy
        return (_core.index_add(source.shape, picks, sent).reshape(x.shape),)

    return record("index_select", y, (input,), backward, (i,))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` is true, as a vector; a copy. The two broadcast.

    Example:
        >>> tw.tensor([1, 2, 3]).masked_select(tw.tensor([True, False, True]))
        tensor([1, 3])
    """
    x, chosen = array_of("masked_select", "input", input), array_of("masked_select", "mask", mask)
    if chosen.dtype != bool_:
        raise TypeError(f"masked_select: expected mask of dtype bool, got {chosen.dtype.name}")
    if chosen.shape != x.shape:
        common = broadcast_shapes(x.shape, chosen.shape)
        input, chosen = expand(input, common), chosen.expand(common)
        x = input._array
    y = _core.masked_select(x, chosen)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        places = _core.nonzero(chosen.reshape((-1,))).reshape((-1,))
        return (_core.scatter_add((x.size,), 0, places, dy).reshape(x.shape),)

    return record("masked_select", y, (input,), backward, (chosen,))
