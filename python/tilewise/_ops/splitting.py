"""Cutting a dimension into pieces: views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_int, as_shape, wrong_type
from tilewise._ops.common import placed
from tilewise._ops.shape import plain_view, view_of
from tilewise.autograd import grad_mode

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
    if start.__class__ is not int or not -size <= start <= size:
        if getattr(start, "dtype", None) == _core.DType.bool_:
            raise wrong_type("narrow", "start", "an int", start)
        start = as_int("narrow", "start", start, -size, size)
    first = start + size if start < 0 else start
    if length.__class__ is not int or not 0 <= length <= size - first:
        length = as_int("narrow", "length", length, 0, size - first)
    y = x.slice(axis, first, first + length, 1)
    if not (input._requires_grad and grad_mode.enabled):
        return plain_view(input, y)

    def backward(dy: Array) -> Array:
        return placed(dy, x.shape, lambda dx: dx.slice(axis, first, first + length, 1))

    return view_of("narrow", input, y, backward, aliases=False)


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
    name: str,
    input: Tensor,
    pieces: Sequence[Array],
    axis: int,
    keep: bool,
    starts: Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Views along a dimension, which each has (keep) or has lost; neighbours without `starts`."""
    if not (input._requires_grad and grad_mode.enabled):
        return tuple([plain_view(input, piece) for piece in pieces])
    shape = input._array.shape
    views, start = [], 0
    for i, piece in enumerate(pieces):
        start = start if starts is None else starts[i]
        stop = start + (piece.shape[axis] if keep else 1)

        def backward(dy: Array, start: int = start, stop: int = stop) -> Array:
            def place(dx: Array) -> Array:
                part = dx.slice(axis, start, stop, 1)
                return part if keep else _core.squeeze(part, (axis,))

            return placed(dy, shape, place)

        views.append(view_of(name, input, piece, backward, aliases=False))
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
    given: Any = indices_or_sections
    if hasattr(given, "_array"):
        given = given.tolist()
    if not isinstance(given, tuple | list):
        count = as_int("tensor_split", "sections", given, 1)
        return _pieces("tensor_split", input, _core.split_into(x, count, axis), axis, keep=True)
    for cut in given:
        if cut.__class__ is not int:
            as_int("tensor_split", "indices", cut, -(2**62), 2**62)
    pieces, starts = _core.split_at(x, given, axis), None
    if input._requires_grad and grad_mode.enabled:
        starts = [0, *[slice(cut, None).indices(x.shape[axis])[0] for cut in given]]
    return _pieces("tensor_split", input, pieces, axis, keep=True, starts=starts)


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
