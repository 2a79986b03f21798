"""Joining, cutting, repeating and turning round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_axis, as_int, as_shape, wrong_type
from tilewise._ops.shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    expand,
    reshape,
    transpose,
    unsqueeze,
    view_of,
)
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` entries of one dimension from `start`; a view.

    Raises:
        ValueError: where they are not all there.

    Example:
        >>> tw.arange(5).narrow(0, 1, 3)
        tensor([1, 2, 3])
    """
    x = array_of("narrow", "input", input)
    axis = as_axis("narrow", dim, x.ndim)
    if x.ndim == 0:
        raise ValueError("narrow: expected at least 1 dimension, got a scalar")
    size = x.shape[axis]
    if getattr(start, "dtype", None) == _core.DType.bool_:
        raise wrong_type("narrow", "start", "an int", start)
    first = as_int("narrow", "start", start, -size, size)
    first += size if first < 0 else 0
    return _slice("narrow", input, axis, first, as_int("narrow", "length", length, 0, size - first))


def _slice(name: str, input: Tensor, axis: int, start: int, length: int) -> Tensor:
    x = input._array
    shape, dtype = x.shape, x.dtype
    y = x.slice(axis, start, start + length, 1)

    def backward(dy: Array) -> Array:
        dx = _core.Array.full(shape, 0, dtype)
        dx.slice(axis, start, start + length, 1).copy_(dy)
        return dx

    return view_of(name, input, y, backward)


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Pieces of one dimension; views.

    Args:
        tensor: of at least one dimension.
        split_size_or_sections: the size of every piece (the last may be smaller), or the sizes of
            all.
        dim: the dimension to cut.

    Raises:
        ValueError: where the sizes do not add up, or a size is not positive.

    Example:
        >>> [p.shape for p in tw.zeros(5, 2).split(2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    x = array_of("split", "input", tensor)
    if x.ndim == 0:
        raise ValueError("split: expected at least 1 dimension, got a scalar")
    axis = as_axis("split", dim, x.ndim)
    if isinstance(split_size_or_sections, tuple | list):
        sizes = list(as_shape("split", split_size_or_sections))
        if sum(sizes) != x.shape[axis]:
            raise ValueError(f"split: expected sizes that add up to {x.shape[axis]}, got {sizes}")
        pieces = _core.split(x, sizes, axis)
    else:
        smallest = 0 if x.shape[axis] == 0 else 1
        step = as_int("split", "split_size", split_size_or_sections, smallest, 2**62)
        pieces = _core.split_evenly(x, max(step, 1), axis)
    return _pieces("split", tensor, pieces, axis, keep=True)


def _pieces(
    name: str, input: Tensor, pieces: Sequence[Array], axis: int, keep: bool
) -> tuple[Tensor, ...]:
    """Neighbouring views along a dimension, which each has (keep) or has lost."""
    if not (input._requires_grad and grad_mode.enabled):
        base = input if input._base is None else input._base
        out = []
        for piece in pieces:
            view = wrap(piece)
            view._base = base
            out.append(view)
        return tuple(out)
    shape = input._array.shape
    views, start = [], 0
    for piece in pieces:
        stop = start + (piece.shape[axis] if keep else 1)

        def backward(dy: Array, start: int = start, stop: int = stop) -> Array:
            dx = _core.Array.full(shape, 0, dy.dtype)
            part = dx.slice(axis, start, stop, 1)
            (part if keep else _core.squeeze(part, (axis,))).copy_(dy)
            return dx

        views.append(view_of(name, input, piece, backward))
        start = stop
    return tuple(views)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size (the last may be smaller); views.

    Example:
        >>> [p.shape for p in tw.zeros(5).chunk(2)]
        [(3,), (2,)]
    """
    x = array_of("chunk", "input", input)
    if x.ndim == 0:
        raise ValueError("chunk: expected at least 1 dimension, got a scalar")
    count = as_int("chunk", "chunks", chunks, 1)
    axis = as_axis("chunk", dim, x.ndim)
    size = x.shape[axis]
    if size == 0:
        return _pieces("chunk", input, _core.split(x, [0] * count, axis), axis, keep=True)
    return _pieces("chunk", input, _core.split_evenly(x, -(-size // count), axis), axis, keep=True)


def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Pieces of one dimension; views.

    Args:
        input: a tensor of at least one dimension.
        indices_or_sections: how many pieces (the first may be one longer), or the positions of the
            cuts.
        dim: the dimension to cut.

    Raises:
        ValueError: where the number of pieces is not positive, or the tensor is a scalar.

    Example:
        >>> [p.shape for p in tw.zeros(5).tensor_split(2)]
        [(3,), (2,)]
        >>> [p.shape for p in tw.zeros(5).tensor_split((1, 4))]
        [(1,), (3,), (1,)]
    """
    x = array_of("tensor_split", "input", input)
    if x.ndim == 0:
        raise ValueError("tensor_split: expected at least 1 dimension, got a scalar")
    axis = as_axis("tensor_split", dim, x.ndim)
    size = x.shape[axis]
    given: Any = indices_or_sections
    if hasattr(given, "_array"):
        given = given.tolist()
    if isinstance(given, tuple | list):
        cuts = [as_int("tensor_split", "indices", i, -(2**62), 2**62) for i in given]
    else:
        count = as_int("tensor_split", "sections", given, 1)
        least, longer = divmod(size, count)
        cuts = [i * least + min(i, longer) for i in range(1, count)]
    views = []
    for start, stop in zip([0, *cuts], [*cuts, size], strict=True):
        first, last, _ = slice(start, stop).indices(size)
        views.append(_slice("tensor_split", input, axis, first, max(last - first, 0)))
    return tuple(views)


def _nd_split(name: str, least: int, dim: int) -> Callable[..., tuple[Tensor, ...]]:
    def op(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor) -> tuple[Tensor, ...]:
        x = array_of(name, "input", input)
        if x.ndim < least:
            raise ValueError(f"{name}: expected at least {least} dimensions, got shape {x.shape}")
        axis = 0 if x.ndim == 1 else dim
        sections = indices_or_sections
        if isinstance(sections, int) and sections > 0 and x.shape[axis] % sections:
            raise ValueError(
                f"{name}: expected sections that divide {x.shape[axis]}, got {sections}"
            )
        return tensor_split(input, sections, axis)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"Pieces of dimension {dim}; see `tensor_split`.\n\n"
        f"Example:\n    >>> len(tw.{name}(tw.zeros(2, 2, 2), 2))\n    2\n"
    )
    return op


hsplit = _nd_split("hsplit", 1, 1)
vsplit = _nd_split("vsplit", 2, 0)
dsplit = _nd_split("dsplit", 3, 2)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along one dimension, without it; views.

    Example:
        >>> tw.tensor([[1, 2], [3, 4]]).unbind()
        (tensor([1, 2]), tensor([3, 4]))
    """
    x = array_of("unbind", "input", input)
    if x.ndim == 0:
        raise ValueError("unbind: expected at least 1 dimension, got a scalar")
    axis = as_axis("unbind", dim, x.ndim)
    return _pieces("unbind", input, _core.unbind(x, axis), axis, keep=False)


def _tensor_list(op: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, tuple | list):
        raise wrong_type(op, "tensors", "a tuple or a list of tensors", tensors)
    if not tensors:
        raise ValueError(f"{op}: expected at least one tensor, got none")
    for i, tensor in enumerate(tensors):
        if not hasattr(tensor, "_array"):
            raise wrong_type(op, f"tensors[{i}]", "a Tensor", tensor)
    return list(tensors)


_SEQUENCES = frozenset((tuple, list))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension that they have.

    Args:
        tensors: of one type, and of one shape but along `dim`.
        dim: the dimension to join along.

    Raises:
        ValueError: where there are none, or shapes differ elsewhere.

    Example:
        >>> tw.cat([tw.zeros(2, 3), tw.ones(1, 3)]).shape
        (3, 3)
    """
    if tensors.__class__ not in _SEQUENCES:
        tensors = _tensor_list("cat", tensors)
    try:
        arrays = [t._array for t in tensors]
    except (AttributeError, TypeError):
        _tensor_list("cat", tensors)
        raise
    full = [t for t in tensors if t._array.size or t._array.shape != (0,)]
    if full and len(full) < len(arrays):  # as PyTorch: vectors of nothing count as nothing
        return cat(full, dim)
    return _joined(tensors, arrays, dim)


def _joined(tensors: Sequence[Tensor], arrays: list[Array], dim: int) -> Tensor:
    if not arrays:
        raise ValueError("cat: expected at least one tensor, got none")
    axis = as_axis("cat", dim, arrays[0].ndim)
    y = _core.concat(arrays, axis)
    if not recording(tensors):
        return wrap(y)
    sizes = [a.shape[axis] for a in arrays]
    dtypes = [a.dtype for a in arrays]

    def backward(dy: Array) -> list[Array]:
        gradients, start = [], 0
        for size, dtype in zip(sizes, dtypes, strict=True):
            piece = dy.slice(axis, start, start + size, 1)
            gradients.append(piece if piece.dtype == dtype else piece.astype(dtype))
            start += size
        return gradients

    return record("cat", y, tensors, backward, aliases=True)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Example:
        >>> tw.stack([tw.zeros(3), tw.ones(3)]).shape
        (2, 3)
    """
    parts = _tensor_list("stack", tensors)
    arrays = [t._array for t in parts]
    axis = as_axis("stack", dim, arrays[0].ndim + 1)
    y = _core.stack(arrays, axis)
    if not recording(parts):
        return wrap(y)
    dtypes = [a.dtype for a in arrays]

    def backward(dy: Array) -> list[Array]:
        return [
            piece if piece.dtype == dtype else piece.astype(dtype)
            for piece, dtype in zip(_core.unbind(dy, axis), dtypes, strict=True)
        ]

    return record("stack", y, parts, backward, aliases=True)


def _stacked(
    name: str, prepare: Callable[..., Any], dim: Callable[[int], int], text: str, shape: str
) -> Callable[[Sequence[Tensor]], Tensor]:
    """The stacking functions of NumPy: `cat` after giving each tensor enough dimensions."""

    def op(tensors: Sequence[Tensor]) -> Tensor:
        parts = [prepare(t) for t in _tensor_list(name, tensors)]
        return cat(parts, dim(parts[0]._array.ndim))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"{text}\n\nExample:\n    >>> tw.{name}([tw.zeros(3), tw.ones(3)]).shape\n    {shape}\n"
    )
    return op


def _as_column(x: Tensor) -> Tensor:
    return reshape(x, -1, 1) if x._array.ndim <= 1 else x


hstack = _stacked(
    "hstack", atleast_1d, lambda n: int(n > 1), "Joined along the second dimension.", "(6,)"
)
vstack = _stacked("vstack", atleast_2d, lambda _: 0, "Joined as rows.", "(2, 3)")
dstack = _stacked("dstack", atleast_3d, lambda _: 2, "Joined in depth.", "(1, 3, 2)")
column_stack = _stacked("column_stack", _as_column, lambda _: 1, "Joined as columns.", "(3, 2)")


def flip(input: Tensor, *axes: int | Sequence[int], dims: Any = None) -> Tensor:
    """The entries of some dimensions in reverse; a copy.

    Example:
        >>> tw.arange(3).flip(0)
        tensor([2, 1, 0])
    """
    x = array_of("flip", "input", input)
    given: Any = axes if dims is None else dims
    if given.__class__ is tuple and len(given) == 1 and given[0].__class__ is int:
        chosen: tuple[int, ...] = (as_axis("flip", given[0], x.ndim),)
    else:
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
    if turns == 2:
        return flip(input, *plane)
    if turns == 1:
        return transpose(flip(input, plane[1]), *plane)
    if turns == 3:
        return flip(transpose(input, *plane), plane[1])
    return input.clone()


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
    by = [as_int("roll", "shifts", s, -(2**62), 2**62) for s in _listed(shifts)]
    if dims is None or (isinstance(dims, tuple | list) and not dims):
        if len(by) != 1:
            raise ValueError(f"roll: expected one shift without dims, got {shifts}")
        return reshape(roll(reshape(input, -1), by, (0,)), x.shape)
    axes = [as_axis("roll", d, x.ndim) for d in _listed(dims)]
    if len(by) != len(axes):
        raise ValueError(f"roll: expected a shift for each dimension, got {shifts} and {dims}")
    if x.ndim == 0:
        raise IndexError("roll: expected at least 1 dimension for dims, got a scalar")
    y = _core.roll(x, tuple(by), tuple(axes))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    back = tuple([-s for s in by])
    return record("roll", y, (input,), lambda dy: (_core.roll(dy, back, tuple(axes)),))


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
    spread = expand(unsqueeze(input, axis + 1), (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    shape = (*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :])
    return _of_size(reshape(spread, shape), axis, output_size)


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
