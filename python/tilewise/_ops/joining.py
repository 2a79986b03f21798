"""Joining, cutting, repeating and turning round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_axis, wrong_type
from tilewise.autograd import record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


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
    return _joined("cat", tensors, _arrays_of("cat", tensors), dim)


def _arrays_of(op: str, tensors: Any) -> list[Array]:
    """The arrays of a list of tensors, which is looked at twice where something is wrong."""
    if tensors.__class__ not in _SEQUENCES:
        tensors = _tensor_list(op, tensors)
    try:
        return [t._array for t in tensors]
    except AttributeError:
        _tensor_list(op, tensors)
        raise


def _joined(op: str, tensors: Sequence[Tensor], arrays: list[Array], dim: int) -> Tensor:
    """One after the other along a dimension; `arrays` may be views of what the tensors hold."""
    if not arrays:
        raise ValueError(f"{op}: expected at least one tensor, got none")
    try:
        axis = as_axis(op, dim, arrays[0].ndim)
        y = _core.concat(arrays, axis)
    except ValueError:  # as PyTorch: vectors of nothing count as nothing
        full = [t for t in tensors if t._array.shape != (0,)]
        if full and len(full) < len(arrays):
            return cat(full, dim)
        raise
    if not recording(tensors):
        return wrap(y)
    sizes = [a.shape[axis] for a in arrays]
    shapes = [t._array.shape for t in tensors]
    dtypes = [a.dtype for a in arrays]

    def backward(dy: Array) -> list[Array]:
        pieces = [p.reshape(s) for p, s in zip(_core.split(dy, sizes, axis), shapes, strict=True)]
        return [
            piece if piece.dtype == dtype else piece.astype(dtype)
            for piece, dtype in zip(pieces, dtypes, strict=True)
        ]

    return record(op, y, tensors, backward, aliases=True)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Example:
        >>> tw.stack([tw.zeros(3), tw.ones(3)]).shape
        (2, 3)
    """
    arrays = _arrays_of("stack", tensors)
    if not arrays:
        raise ValueError("stack: expected at least one tensor, got none")
    axis = as_axis("stack", dim, arrays[0].ndim + 1)
    y = _core.stack(arrays, axis)
    if not recording(tensors):
        return wrap(y)
    dtypes = [a.dtype for a in arrays]

    def backward(dy: Array) -> list[Array]:
        return [
            piece if piece.dtype == dtype else piece.astype(dtype)
            for piece, dtype in zip(_core.unbind(dy, axis), dtypes, strict=True)
        ]

    return record("stack", y, tensors, backward, aliases=True)


def _stacked(
    name: str,
    least: int,
    added: Callable[[tuple[int, ...]], tuple[int, ...]],
    dim: Callable[[int], int],
    text: str,
    shape: str,
) -> Callable[[Sequence[Tensor]], Tensor]:
    """The stacking functions of NumPy: joined after giving each tensor `least` dimensions."""

    def op(tensors: Sequence[Tensor]) -> Tensor:
        arrays = _arrays_of(name, tensors)
        seen = [x if x.ndim >= least else x.reshape(added(x.shape)) for x in arrays]
        return _joined(name, tensors, seen, dim(seen[0].ndim) if seen else 0)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"{text}\n\nExample:\n    >>> tw.{name}([tw.zeros(3), tw.ones(3)]).shape\n    {shape}\n"
    )
    return op


def _in_depth(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A matrix gets a third dimension, what has less is a row of it."""
    return (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)


hstack = _stacked(
    "hstack",
    1,
    lambda _: (1,),
    lambda n: int(n > 1),
    "Joined along the second dimension.",
    "(6,)",
)
vstack = _stacked(
    "vstack", 2, lambda s: (1, *(s or (1,))), lambda _: 0, "Joined as rows.", "(2, 3)"
)
dstack = _stacked("dstack", 3, _in_depth, lambda _: 2, "Joined in depth.", "(1, 3, 2)")
column_stack = _stacked(
    "column_stack",
    2,
    lambda s: (*(s or (1,)), 1),
    lambda _: 1,
    "Joined as columns.",
    "(3, 2)",
)
