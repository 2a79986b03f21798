"""Shapes: views that move no data where the strides allow it, and joining and repeating.

The logical order of elements is that of the shape (the last index runs fastest), whatever the
physical order: `reshape` of an activation that is stored channels-last may therefore copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_axis, as_int, as_shape
from tilewise._memory_format import as_format
from tilewise._ops.common import placed
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewise._core import Array
    from tilewise._memory_format import MemoryFormat
    from tilewise.tensor import Tensor


def view_of(
    name: str,
    input: Tensor,
    array: Array,
    backward: Callable[[Array], Array],
    aliases: bool = True,
) -> Tensor:
    """A tensor on the memory of another. Writing to either while the tape needs it is an error."""
    if not (input._requires_grad and grad_mode.enabled):
        return plain_view(input, array)
    if not array.shares_storage(input._array):  # a copy: what is written to it is its own affair
        return record(name, array, (input,), lambda dy: (backward(dy),), aliases=aliases)
    out = record(name, array, (input,), lambda dy: (backward(dy),), (array,), aliases)
    out._base = input if input._base is None else input._base
    return out


def plain_view(input: Tensor, array: Array) -> Tensor:
    """A tensor on the memory of another, without history."""
    out = wrap(array)
    base = input._base
    out._base = input if base is None else base
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
    sizes: Any = shape[0] if len(shape) == 1 and shape[0].__class__ in (tuple, list) else shape
    try:  # the core checks ints, once
        y = x.reshape(sizes)
    except (TypeError, ValueError):
        y = x.reshape(as_shape("reshape", shape, -1))
    if not (input._requires_grad and grad_mode.enabled):
        return plain_view(input, y)
    before = x.shape
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
    before = x.shape
    if start_dim == 1 and end_dim == -1 and len(before) > 1 and x.size:
        y = x.reshape((before[0], -1))  # every network's
        return view_of("flatten", input, y, lambda dy: dy.reshape(before))
    if start_dim == 0 and end_dim == -1:
        return reshape(input, x.size)
    first, last = as_axis("flatten", start_dim, x.ndim), as_axis("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: expected start_dim <= end_dim, got {start_dim} and {end_dim}")
    shape = x.shape
    joined = 1
    for n in shape[first : last + 1]:
        joined *= n
    return reshape(input, (*shape[:first], joined, *shape[last + 1 :]))


def _inferred(sizes: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Sizes whose product is `size`, where a -1 follows from the others."""
    known = math.prod([n for n in sizes if n >= 0])
    if sizes.count(-1) != 1 or known == 0 or size % known:
        raise ValueError(f"unflatten: expected sizes of product {size}, got {sizes}")
    return tuple([size // known if n == -1 else n for n in sizes])


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several: the inverse of `flatten`.

    Example:
        >>> tw.zeros(8, 12).unflatten(1, (3, 4)).shape
        (8, 3, 4)
    """
    x = array_of("unflatten", "input", input)
    axis = as_axis("unflatten", dim, x.ndim)
    before = x.shape
    parts = as_shape("unflatten", sizes, -1)
    if math.prod(parts) != before[axis]:
        parts = _inferred(parts, before[axis])
    y = x.reshape((*before[:axis], *parts, *before[axis + 1 :]))
    return view_of("unflatten", input, y, lambda dy: dy.reshape(before))


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
    order: Any = dims
    if len(dims) == 1 and isinstance(dims[0], tuple | list):
        order = dims[0]
    try:
        y = x.permute(order)
    except (TypeError, ValueError):
        checked = tuple([as_axis("permute", d, x.ndim) for d in as_shape("permute", dims, -x.ndim)])
        raise ValueError(
            f"permute: expected each of {x.ndim} dimensions once, got {checked}"
        ) from None
    return view_of("permute", input, y, lambda dy: dy.permute(_inverse(order)))


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    n = len(order)
    places = [d % n for d in order]
    return tuple(sorted(range(n), key=places.__getitem__))


def _permuted(name: str, input: Tensor, order: tuple[int, ...]) -> Tensor:
    y = input._array.permute(order)
    return view_of(name, input, y, lambda dy: dy.permute(_inverse(order)))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    Example:
        >>> tw.zeros(2, 3).transpose(0, 1).shape
        (3, 2)
    """
    x = array_of("transpose", "input", input)
    if dim0.__class__ is not int or dim1.__class__ is not int:
        dim0, dim1 = as_axis("transpose", dim0, x.ndim), as_axis("transpose", dim1, x.ndim)
    try:
        y = _core.transpose(x, dim0, dim1)
    except (TypeError, IndexError):
        as_axis("transpose", dim0, x.ndim), as_axis("transpose", dim1, x.ndim)
        raise
    return view_of("transpose", input, y, lambda dy: _core.transpose(dy, dim0, dim1))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; vectors and scalars as they are.

    Example:
        >>> tw.zeros(2, 3).t().shape
        (3, 2)
    """
    x = array_of("t", "input", input)
    if x.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {x.shape}")
    return _permuted("t", input, (1, 0)) if x.ndim == 2 else input


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged: the transpose of each matrix of a batch; a view.

    Example:
        >>> tw.zeros(5, 2, 3).mT.shape
        (5, 3, 2)
    """
    x = array_of("adjoint", "input", input)
    if x.ndim == 1:
        raise ValueError(f"adjoint: expected 0 or at least 2 dimensions, got shape {x.shape}")
    return transpose(input, -2, -1) if x.ndim else input


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Dimensions moved to other places, the rest in their order; a view.

    Args:
        input: a tensor of n dimensions.
        source: a dimension or several.
        destination: where each goes.

    Raises:
        ValueError: where the two differ in length, or a dimension appears twice.

    Example:
        >>> tw.zeros(2, 3, 4).movedim(0, 2).shape
        (3, 4, 2)
    """
    x = array_of("movedim", "input", input)
    froms, tos = _dims(source), _dims(destination)
    try:  # the core checks ints, once
        y = _core.movedim(x, froms, tos)
    except (TypeError, IndexError):
        froms, tos = as_axes("movedim", froms, x.ndim), as_axes("movedim", tos, x.ndim)
        y = _core.movedim(x, froms, tos)
    return view_of("movedim", input, y, lambda dy: _core.movedim(dy, tos, froms))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named (others are kept).

    Example:
        >>> tw.zeros(1, 3, 1).squeeze().shape
        (3,)
    """
    x = array_of("squeeze", "input", input)
    try:
        y = _core.squeeze(x) if dim is None else _core.squeeze(x, _dims(dim))
    except (TypeError, IndexError, ValueError):
        as_axes("squeeze", dim, x.ndim)
        raise
    return view_of("squeeze", input, y, lambda dy: dy.reshape(x.shape))


def _dims(dim: Any) -> Any:
    """One dimension or several as a tuple, not yet checked."""
    return (dim,) if dim.__class__ is int else dim


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`.

    Example:
        >>> tw.zeros(3, 4).unsqueeze(0).shape
        (1, 3, 4)
    """
    x = array_of("unsqueeze", "input", input)
    if dim.__class__ is not int:
        dim = as_axis("unsqueeze", dim, x.ndim + 1)
    try:
        y = _core.unsqueeze(x, dim)
    except (TypeError, IndexError):
        as_axis("unsqueeze", dim, x.ndim + 1)
        raise
    return view_of("unsqueeze", input, y, lambda dy: dy.reshape(x.shape))


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Expanded to a shape; see `expand`.

    Example:
        >>> tw.broadcast_to(tw.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, shape)


def expanded(name: str, input: Tensor, array: Array) -> Tensor:
    """A view in which dimensions are repeated."""
    if not (input._requires_grad and grad_mode.enabled):
        return plain_view(input, array)
    before = input._array.shape
    return view_of(name, input, array, lambda dy: _core.sum_to(dy, before))


def expand(input: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size. A view: do not write to it.

    Example:
        >>> tw.tensor([[1.0], [2.0]]).expand(2, 3).shape
        (2, 3)
    """
    x = array_of("expand", "input", input)
    sizes: Any = shape[0] if len(shape) == 1 and shape[0].__class__ in (tuple, list) else shape
    try:  # the core checks ints, once
        y = _core.expand(x, sizes)
    except (TypeError, ValueError):
        y = _core.expand(x, as_shape("expand", shape, -1))
    return expanded("expand", input, y)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(input, array_of("expand_as", "other", other).shape)


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """The shape that these broadcast to.

    Raises:
        ValueError: where they do not.

    Example:
        >>> tw.broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    sizes = [as_shape("broadcast_shapes", shape) for shape in shapes]
    ndim = max((len(size) for size in sizes), default=0)
    result = [1] * ndim
    for size in sizes:
        for i, n in enumerate(size, ndim - len(size)):
            if n != result[i] and 1 not in {n, result[i]}:
                raise ValueError(f"broadcast_shapes: {shapes} do not broadcast together")
            result[i] = n if result[i] == 1 else result[i]
    return tuple(result)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape; views.

    Example:
        >>> [x.shape for x in tw.broadcast_tensors(tw.zeros(3, 1), tw.zeros(4))]
        [(3, 4), (3, 4)]
    """
    parts: Any = (
        tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    )
    views = _core.broadcast([array_of("broadcast_tensors", "tensors", x) for x in parts])
    return tuple([expanded("expand", x, y) for x, y in zip(parts, views, strict=True)])


def ravel(input: Tensor) -> Tensor:
    """All elements as a vector; a view where possible.

    Example:
        >>> tw.zeros(2, 3).ravel().shape
        (6,)
    """
    return reshape(input, -1)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two dimensions exchanged: NumPy's name of `transpose`.

    Example:
        >>> tw.zeros(2, 3).swapaxes(0, 1).shape
        (3, 2)
    """
    return transpose(input, axis0, axis1)


def _at_least(name: str, ndim: int, order: tuple[int, ...]) -> Callable[..., Any]:
    """`atleast_nd`: one tensor, or a tuple for several."""

    def one(x: Tensor) -> Tensor:
        missing = ndim - array_of(name, "tensors", x).ndim
        for dim in order[-missing:] if missing > 0 else ():
            x = unsqueeze(x, dim)
        return x

    def op(*tensors: Tensor) -> Any:
        parts: Any = tensors[0] if len(tensors) == 1 else tensors
        return tuple([one(x) for x in parts]) if isinstance(parts, tuple | list) else one(parts)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"Views of at least {ndim} dimensions; a tuple where several tensors are given.\n\n"
        f"Example:\n    >>> tw.{name}(tw.zeros(())).shape\n    {(1,) * ndim}\n"
    )
    return op


atleast_1d = _at_least("atleast_1d", 1, (0,))
atleast_2d = _at_least("atleast_2d", 2, (0, 0))
atleast_3d = _at_least("atleast_3d", 3, (0, 0, -1))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The entry `index` of one dimension, which is dropped; a view.

    Example:
        >>> tw.arange(6).reshape(2, 3).select(1, 2)
        tensor([2, 5])
    """
    x = array_of("select", "input", input)
    axis = as_axis("select", dim, x.ndim)
    if x.ndim == 0:
        raise IndexError("select: expected at least 1 dimension, got a scalar")
    at = as_int("select", "index", index)
    size = x.shape[axis]
    if not -size <= at < size:
        raise IndexError(f"select: expected index between {-size} and {size - 1}, got {at}")
    at %= size
    y = _core.squeeze(x.slice(axis, at, at + 1, 1), (axis,))

    def backward(dy: Array) -> Array:
        return placed(dy, x.shape, lambda dx: _core.squeeze(dx.slice(axis, at, at + 1, 1), (axis,)))

    return view_of("select", input, y, backward, aliases=False)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` along a dimension, `step` apart, as a new last dimension; a view.

    Example:
        >>> tw.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
    """
    x = array_of("unfold", "input", input)
    axis = as_axis("unfold", dimension, x.ndim)
    length, stride = as_int("unfold", "size", size), as_int("unfold", "step", step)
    y = _core.windows(x, axis, length, stride)

    def backward(dy: Array) -> Array:
        if x.ndim == 0:
            return _core.sum_to(dy, ())
        return _core.windows_backward(dy, x.shape, axis, stride)

    return view_of("unfold", input, y, backward, aliases=False)


def sum_to_size(input: Tensor, *size: int | Sequence[int]) -> Tensor:
    """Summed over what broadcasting from `size` would repeat: the reverse of `expand`.

    Example:
        >>> tw.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    x = array_of("sum_to_size", "input", input)
    shape = as_shape("sum_to_size", size)
    y = _core.sum_to(x, shape)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    before = x.shape
    return record("sum_to_size", y, (input,), lambda dy: (dy.expand(before),), aliases=True)


def contiguous(input: Tensor, memory_format: MemoryFormat | None = None) -> Tensor:
    """In C order in memory, or in another format: itself where it is so already, else a copy."""
    x = array_of("contiguous", "input", input)
    if memory_format is not None:
        y = as_format("contiguous", x, memory_format)
    elif x.is_contiguous():
        return input
    else:
        y = x.contiguous()
    if y is x:
        return input
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("contiguous", y, (input,), lambda dy: (dy,), aliases=True)
