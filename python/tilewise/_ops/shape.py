"""Shapes: views that move no data where the strides allow it, and joining and repeating.

The logical order of elements is that of the shape (the last index runs fastest), whatever the
physical order: `reshape` of an activation that is stored channels-last may therefore copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_int, as_shape, wrong_type
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewise._core import Array
    from tilewise.tensor import Tensor


def view_of(name: str, input: Tensor, array: Array, backward: Callable[[Array], Array]) -> Tensor:
    """A tensor on the memory of another. Writing to either while the tape needs it is an error."""
    if input._requires_grad and grad_mode.enabled:
        out = record(name, array, (input,), lambda dy: (backward(dy),), (array,), aliases=True)
    else:
        out = wrap(array)
    out._base = input if input._base is None else input._base
    return out


def reshape(input: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """The same elements in another shape; a view where possible.

    Args:
        input: a tensor of any shape.
        shape: the new sizes, as ints or as one tuple; one may be -1 and follows from the others.

    Raises:
        ValueError: where the number of elements differs.

    Example:
        >>> tw.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    x = array_of("reshape", "input", input)
    before = x.shape
    y = x.reshape(as_shape("reshape", shape, -1))
    return view_of("reshape", input, y, lambda dy: dy.reshape(before))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from `start_dim` to `end_dim` into one.

    Args:
        input: a tensor; a scalar becomes a vector of one element.
        start_dim: the first dimension to join.
        end_dim: the last.

    Raises:
        ValueError: where a dimension is out of range or the first comes after the last.

    Example:
        >>> tw.zeros(8, 64, 7, 7).flatten(1).shape
        (8, 3136)
    """
    x = array_of("flatten", "input", input)
    first, last = as_axis("flatten", start_dim, x.ndim), as_axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: expected start_dim <= end_dim, got {start_dim} and {end_dim}")
    shape = x.shape
    joined = 1
    for n in shape[first : last + 1]:
        joined *= n
    return reshape(input, (*shape[:first], joined, *shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several: the inverse of `flatten`.

    Example:
        >>> tw.zeros(8, 12).unflatten(1, (3, 4)).shape
        (8, 3, 4)
    """
    x = array_of("unflatten", "input", input)
    axis = as_axis("unflatten", dim, x.ndim)
    parts = list(as_shape("unflatten", sizes, -1))
    known = 1
    for n in parts:
        known *= n if n >= 0 else 1
    if parts.count(-1) == 1 and known:
        parts[parts.index(-1)] = x.shape[axis] // known
        known *= x.shape[axis] // known
    if known != x.shape[axis] or -1 in parts:
        raise ValueError(
            f"unflatten: expected sizes of product {x.shape[axis]}, got {tuple(sizes)}"
        )
    return reshape(input, (*x.shape[:axis], *parts, *x.shape[axis + 1 :]))


def permute(input: Tensor, *dims: int | Sequence[int]) -> Tensor:
    """The dimensions in another order; a view.

    Args:
        input: a tensor of n dimensions.
        dims: each of 0 … n-1 once, as ints or as one tuple.

    Raises:
        ValueError: where `dims` is no permutation.

    Example:
        >>> tw.zeros(28, 32, 3).permute(2, 0, 1).shape
        (3, 28, 32)
    """
    x = array_of("permute", "input", input)
    order = tuple([as_axis("permute", d, x.ndim) for d in as_shape("permute", dims, -x.ndim)])
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"permute: expected each of {x.ndim} dimensions once, got {order}")
    return _permuted("permute", input, order)


def _permuted(name: str, input: Tensor, order: tuple[int, ...]) -> Tensor:
    inverse = tuple(sorted(range(len(order)), key=order.__getitem__))
    y = input._array.permute(order)
    return view_of(name, input, y, lambda dy: dy.permute(inverse))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    Example:
        >>> tw.zeros(2, 3).transpose(0, 1).shape
        (3, 2)
    """
    x = array_of("transpose", "input", input)
    a, b = as_axis("transpose", dim0, x.ndim), as_axis("transpose", dim1, x.ndim)
    order = list(range(x.ndim))
    if x.ndim:
        order[a], order[b] = order[b], order[a]
    return _permuted("transpose", input, tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; vectors and scalars as they are."""
    x = array_of("t", "input", input)
    if x.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {x.shape}")
    return _permuted("t", input, (1, 0)) if x.ndim == 2 else input


def movedim(input: Tensor, source: int, destination: int) -> Tensor:
    """One dimension moved to another place, the others in their order; a view."""
    x = array_of("movedim", "input", input)
    a, b = as_axis("movedim", source, x.ndim), as_axis("movedim", destination, x.ndim)
    order = [i for i in range(x.ndim) if i != a]
    order.insert(b, a)
    return _permuted("movedim", input, tuple(order))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named (others are kept).

    Example:
        >>> tw.zeros(1, 3, 1).squeeze().shape
        (3,)
    """
    x = array_of("squeeze", "input", input)
    if dim is None:
        axes: tuple[int, ...] = tuple(range(x.ndim))
    else:
        dims = dim if isinstance(dim, tuple | list) else (dim,)
        axes = tuple([as_axis("squeeze", d, x.ndim) for d in dims])
    shape = tuple([n for i, n in enumerate(x.shape) if n != 1 or i not in axes])
    return reshape(input, shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`.

    Example:
        >>> tw.zeros(3, 4).unsqueeze(0).shape
        (1, 3, 4)
    """
    x = array_of("unsqueeze", "input", input)
    axis = as_axis("unsqueeze", dim, x.ndim + 1)
    return reshape(input, (*x.shape[:axis], 1, *x.shape[axis:]))


def expand(input: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size. A view: do not write to it.

    Example:
        >>> tw.tensor([[1.0], [2.0]]).expand(2, 3).shape
        (2, 3)
    """
    x = array_of("expand", "input", input)
    wanted = as_shape("expand", shape, -1)
    extra = len(wanted) - x.ndim
    if extra < 0 or -1 in wanted[:extra]:
        raise ValueError(f"expand: expected sizes for shape {x.shape}, got {wanted}")
    before = x.shape
    full = tuple([before[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(wanted)])
    y = x.expand(full)
    return view_of("expand", input, y, lambda dy: _core.sum_to(dy, before))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(input, array_of("expand_as", "other", other).shape)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` entries of one dimension from `start`; a view.

    Raises:
        ValueError: where they are not all there.
    """
    x = array_of("narrow", "input", input)
    axis = as_axis("narrow", dim, x.ndim)
    if x.ndim == 0:
        raise ValueError("narrow: expected at least 1 dimension, got a scalar")
    size = x.shape[axis]
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


def split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of one dimension; views.

    Args:
        input: a tensor of at least one dimension.
        split_size: the size of every piece (the last may be smaller), or the sizes of all.
        dim: the dimension to cut.

    Raises:
        ValueError: where the sizes do not add up, or a size is not positive.

    Example:
        >>> [p.shape for p in tw.zeros(5, 2).split(2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    x = array_of("split", "input", input)
    axis = as_axis("split", dim, x.ndim)
    if x.ndim == 0:
        raise ValueError("split: expected at least 1 dimension, got a scalar")
    size = x.shape[axis]
    if isinstance(split_size, tuple | list):
        sizes = list(as_shape("split", split_size))
        if sum(sizes) != size:
            raise ValueError(f"split: expected sizes that add up to {size}, got {sizes}")
    else:
        step = as_int("split", "split_size", split_size, 1, 2**62)
        sizes = [min(step, size - i) for i in range(0, size, step)] or [0]
    pieces, start = [], 0
    for length in sizes:
        pieces.append(_slice("split", input, axis, start, length))
        start += length
    return tuple(pieces)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size (the last may be smaller); see `split`."""
    count = as_int("chunk", "chunks", chunks, 1)
    axis = as_axis("chunk", dim, array_of("chunk", "input", input).ndim)
    size = input.shape[axis] if input.shape else 1
    return split(input, max(1, -(-size // count)), axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along one dimension, without it; views."""
    x = array_of("unbind", "input", input)
    axis = as_axis("unbind", dim, x.ndim)
    if x.ndim == 0:
        raise ValueError("unbind: expected at least 1 dimension, got a scalar")
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    pieces = (_slice("unbind", input, axis, i, 1) for i in range(x.shape[axis]))
    return tuple([reshape(piece, shape) for piece in pieces])


def _tensor_list(op: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, tuple | list):
        raise wrong_type(op, "tensors", "a tuple or a list of tensors", tensors)
    if not tensors:
        raise ValueError(f"{op}: expected at least one tensor, got none")
    for i, tensor in enumerate(tensors):
        array_of(op, f"tensors[{i}]", tensor)
    return list(tensors)


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
    parts = _tensor_list("cat", tensors)
    arrays = [t._array for t in parts]
    axis = as_axis("cat", dim, arrays[0].ndim)
    y = _core.concat(arrays, axis)
    if not (grad_mode.enabled and any(t._requires_grad for t in parts)):
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

    return record("cat", y, parts, backward, aliases=True)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Example:
        >>> tw.stack([tw.zeros(3), tw.ones(3)]).shape
        (2, 3)
    """
    parts = _tensor_list("stack", tensors)
    shape = parts[0].shape
    for i, part in enumerate(parts):
        if part.shape != shape:
            raise ValueError(f"stack: expected shape {shape} for all, got {part.shape} at {i}")
    axis = as_axis("stack", dim, len(shape) + 1)
    return cat([unsqueeze(part, axis) for part in parts], axis)


def flip(input: Tensor, *dims: int | Sequence[int]) -> Tensor:
    """The entries of some dimensions in reverse; a copy.

    Example:
        >>> tw.arange(3).flip(0)
        tensor([2, 1, 0])
    """
    x = array_of("flip", "input", input)
    axes = tuple([as_axis("flip", d, x.ndim) for d in as_shape("flip", dims, -x.ndim)])
    y = _core.flip(x, axes)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("flip", y, (input,), lambda dy: (_core.flip(dy, axes),))


def repeat(input: Tensor, *sizes: int | Sequence[int]) -> Tensor:
    """The tensor laid out several times along each dimension; a copy.

    Example:
        >>> tw.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    x = array_of("repeat", "input", input)
    counts = as_shape("repeat", sizes)
    extra = len(counts) - x.ndim
    if extra < 0:
        raise ValueError(f"repeat: expected at least {x.ndim} counts, got {counts}")
    shape = (1,) * extra + x.shape
    spread = reshape(input, tuple([n for size in shape for n in (1, size)]))
    spread = expand(spread, tuple([n for pair in zip(counts, shape, strict=True) for n in pair]))
    return reshape(spread, tuple([c * n for c, n in zip(counts, shape, strict=True)]))


def contiguous(input: Tensor) -> Tensor:
    """In C order in memory: itself where it is so already, else a copy."""
    x = array_of("contiguous", "input", input)
    if x.is_contiguous():
        return input
    y = x.contiguous()
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("contiguous", y, (input,), lambda dy: (dy,), aliases=True)
