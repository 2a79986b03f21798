"""Turning round, moving on and repeating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_axis, as_int, as_shape
from tilewise._ops.shape import (
    reshape,
)
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def flip(input: Tensor, *axes: int | Sequence[int], dims: Any = None) -> Tensor:
    """The entries of some dimensions in reverse; a copy.

    Example:
        >>> tw.arange(3).flip(0)
        tensor([2, 1, 0])
    """
    x = array_of("flip", "input", input)
    given: Any = axes if dims is None else dims
    if given.__class__ is tuple and len(given) == 1 and given[0].__class__ in (tuple, list):
        given = given[0]
    try:  # the core checks ints, once
        chosen = tuple(given)
        y = _core.flip(x, chosen) if chosen else x.copy()
    except (TypeError, IndexError, ValueError):
        chosen = as_axes("flip", as_shape("flip", given, -max(x.ndim, 1)), x.ndim)
        y = _core.flip(x, chosen) if chosen else x.copy()
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(
        "flip", y, (input,), lambda dy: (_core.flip(dy, chosen) if chosen else dy.copy(),)
    )


def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse; a copy.

    Example:
        >>> tw.arange(4).reshape(2, 2).fliplr()
        tensor([[1, 0],
                [3, 2]])
    """
    if array_of("fliplr", "input", input).ndim < 2:
        raise ValueError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The rows in reverse; a copy.

    Example:
        >>> tw.arange(4).reshape(2, 2).flipud()
        tensor([[2, 3],
                [0, 1]])
    """
    if array_of("flipud", "input", input).ndim < 1:
        raise ValueError("flipud: expected at least 1 dimension, got a scalar")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of two dimensions; a copy.

    Example:
        >>> tw.arange(4).reshape(2, 2).rot90()
        tensor([[1, 3],
                [0, 2]])
    """
    x = array_of("rot90", "input", input)
    plane = [as_axis("rot90", d, x.ndim) for d in dims]
    if len(plane) != 2 or plane[0] == plane[1] or x.ndim < 2:
        raise ValueError(f"rot90: expected two different dimensions of {x.shape}, got {dims}")
    turns = as_int("rot90", "k", k) % 4
    first, second = plane

    def turned(a: Array, turns: int) -> Array:
        if turns == 0:
            return a.copy()
        if turns == 2:
            return _core.flip(a, (first, second))
        return _core.transpose(_core.flip(a, (second if turns == 1 else first,)), first, second)

    y = turned(x, turns)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("rot90", y, (input,), lambda dy: (turned(dy, -turns % 4),))


def roll(
    input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """Elements moved on along dimensions; those that fall off the end come back at the start.

    Args:
        input: a tensor of any shape.
        shifts: how far, for each of `dims`; negative moves back.
        dims: the dimensions; None rolls the flattened tensor.

    Raises:
        ValueError: where `shifts` and `dims` differ in length.

    Example:
        >>> tw.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    x = array_of("roll", "input", input)
    by = tuple(_listed(shifts))
    if dims is None or (isinstance(dims, tuple | list) and not dims):
        if len(by) != 1:
            raise ValueError(f"roll: expected one shift without dims, got {shifts}")
        return reshape(roll(reshape(input, -1), by, (0,)), x.shape)
    axes = tuple(_listed(dims))
    if len(by) != len(axes):
        raise ValueError(f"roll: expected a shift for each dimension, got {shifts} and {dims}")
    if x.ndim == 0:
        raise IndexError("roll: expected at least 1 dimension for dims, got a scalar")
    try:  # the core checks ints, once
        y = _core.roll(x, by, axes)
    except (TypeError, IndexError):
        by = tuple([as_int("roll", "shifts", s, -(2**62), 2**62) for s in by])
        axes = tuple([as_axis("roll", d, x.ndim) for d in axes])
        y = _core.roll(x, by, axes)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    back = tuple([-s for s in by])
    return record("roll", y, (input,), lambda dy: (_core.roll(dy, back, axes),))


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def repeat(input: Tensor, *repeats: int | Sequence[int]) -> Tensor:
    """The tensor laid out several times along each dimension; a copy.

    Example:
        >>> tw.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    x = array_of("repeat", "input", input)
    counts = as_shape("repeat", repeats)
    extra = len(counts) - x.ndim
    if extra < 0:
        raise ValueError(f"repeat: expected at least {x.ndim} counts, got {counts}")
    y = _core.repeat(x, counts)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape = x.shape

    def backward(dy: Array) -> tuple[Array]:
        if 0 in dy.shape:
            return (_core.Array.full(shape, 0, dy.dtype),)
        dx = _core.sum(dy, tuple(range(extra)), False) if extra else dy
        for i, (count, n) in enumerate(zip(counts[extra:], shape, strict=True)):
            if count != 1:  # one dimension at a time: few dimensions however many there are
                parts = dx.reshape((*dx.shape[:i], count, n, *dx.shape[i + 1 :]))
                dx = _core.sum(parts, (i,), False)
        return (dx,)

    return record("repeat", y, (input,), backward, aliases=True)


def tile(input: Tensor, *dims: int | Sequence[int]) -> Tensor:
    """As `repeat`, where missing counts are 1.

    Example:
        >>> tw.zeros(2, 3).tile(2).shape
        (2, 6)
    """
    counts = as_shape("tile", dims)
    missing = array_of("tile", "input", input).ndim - len(counts)
    return repeat(input, (1,) * missing + counts)


def repeat_interleave(
    input: Tensor,
    repeats: Any = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each entry of a dimension several times in a row; a copy.

    Args:
        input: a tensor of any shape; alone, it is the counts, and the result the indices.
        repeats: how often, one number or an int64 tensor with one for each entry.
        dim: the dimension; None takes the flattened tensor.
        output_size: the size of the result, which is checked.

    Raises:
        ValueError: for a negative count, or counts that do not fit the dimension.

    Example:
        >>> tw.tensor([1, 2]).repeat_interleave(2)
        tensor([1, 1, 2, 2])
        >>> tw.tensor([1, 2]).repeat_interleave(tw.tensor([1, 3]))
        tensor([1, 2, 2, 2])
    """
    x = array_of("repeat_interleave", "input", input)
    if repeats is None:
        return wrap(_interleaved_indices(x))
    if dim is None:
        return repeat_interleave(reshape(input, -1), repeats, 0, output_size=output_size)
    axis = as_axis("repeat_interleave", dim, x.ndim)
    if x.ndim == 0:
        return repeat_interleave(reshape(input, 1), repeats, 0, output_size=output_size)
    if isinstance(repeats, list | tuple):
        repeats = wrap(_core.Array.from_numpy(np.asarray(repeats, dtype=np.int64).copy()))
    if hasattr(repeats, "_array"):
        counts = repeats._array
        if counts.size == 1:
            repeats = int(counts.item())
        else:
            if counts.shape != (x.shape[axis],):
                raise ValueError(
                    f"repeat_interleave: expected {x.shape[axis]} repeats for dimension {axis}, "
                    f"got shape {counts.shape}"
                )
            from tilewise._ops.indexing import index_select

            out = index_select(input, axis, wrap(_interleaved_indices(counts)))
            return _of_size(out, axis, output_size)
    count = as_int("repeat_interleave", "repeats", repeats, 0)
    before = x.shape
    apart = (*before[: axis + 1], count, *before[axis + 1 :])
    joined = (*before[:axis], before[axis] * count, *before[axis + 1 :])
    y = _core.unsqueeze(x, axis + 1).expand(apart).reshape(joined)
    y = y.copy() if y.shares_storage(x) else y
    if not (input._requires_grad and grad_mode.enabled):
        return _of_size(wrap(y), axis, output_size)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.sum(dy.reshape(apart), (axis + 1,), False),)

    return _of_size(record("repeat_interleave", y, (input,), backward), axis, output_size)


def _of_size(out: Tensor, axis: int, output_size: int | None) -> Tensor:
    if output_size is not None and out.shape[axis] != output_size:
        raise ValueError(
            f"repeat_interleave: expected output_size {out.shape[axis]}, got {output_size}"
        )
    return out


def _interleaved_indices(counts: Array) -> Array:
    """Index i counts[i] times."""
    if counts.ndim != 1:
        raise ValueError(f"repeat_interleave: expected 1-D repeats, got shape {counts.shape}")
    if counts.dtype not in (_core.DType.int64, _core.DType.int32):
        raise TypeError(f"repeat_interleave: expected integer repeats, got {counts.dtype.name}")
    if counts.size == 0:
        return _core.Array.empty((0,), _core.DType.int64)
    if _core.min(counts).item() < 0:
        raise ValueError("repeat_interleave: expected repeats >= 0, got a negative one")
    ends = _core.cumsum(counts, 0)
    total = int(ends.slice(0, ends.size - 1, ends.size, 1).item())
    places = _core.Array.arange(0, 1, total, _core.DType.int64)
    return _core.search_sorted(ends, places, True)
