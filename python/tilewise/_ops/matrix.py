"""Diagonals, triangles and grids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_choice, as_device, as_int
from tilewise._dtypes import as_dtype, int64
from tilewise._ops import repeating, shape
from tilewise._ops.shape import plain_view, view_of
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the planes of two dimensions, as a new last dimension; a view.

    Args:
        input: of at least 2 dimensions.
        offset: how far above the main diagonal, or below for negative values.
        dim1: the rows.
        dim2: the columns.

    Example:
        >>> tw.arange(4).reshape(2, 2).diagonal()
        tensor([0, 3])
    """
    x = array_of("diagonal", "input", input)
    rows, columns = as_axis("diagonal", dim1, x.ndim), as_axis("diagonal", dim2, x.ndim)
    above = as_int("diagonal", "offset", offset)
    y = _core.diagonal(x, above, rows, columns)

    def backward(dy: Array) -> Array:
        dx = _core.Array.full(x.shape, 0, dy.dtype)
        _core.diagonal(dx, above, rows, columns).copy_(dy)
        return dx

    return view_of("diagonal", input, y, backward, aliases=False)


def _embedded(input: Tensor, x: Array, offset: int, rows: int, columns: int) -> Tensor:
    """The elements of `input`, seen as `x`, on a diagonal of new planes."""
    y = _core.diag_embed(x, offset, rows, columns)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    before = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.diagonal(dy, offset, rows, columns).reshape(before),)

    return record("diag_embed", y, (input,), backward, aliases=True)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension on a diagonal, and zeros elsewhere.

    Example:
        >>> tw.diag_embed(tw.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    x = array_of("diag_embed", "input", input)
    if x.ndim == 0:
        raise ValueError("diag_embed: expected at least 1 dimension, got a scalar")
    rows = as_axis("diag_embed", dim1, x.ndim + 1)
    columns = as_axis("diag_embed", dim2, x.ndim + 1)
    return _embedded(input, x, as_int("diag_embed", "offset", offset), rows, columns)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix as a copy, or the matrix of a diagonal.

    Example:
        >>> tw.diag(tw.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    x = array_of("diag", "input", input)
    offset = as_int("diag", "diagonal", diagonal)
    if x.ndim == 1:
        return _embedded(input, x, offset, 0, 1)
    if x.ndim != 2:
        raise ValueError(f"diag: expected 1 or 2 dimensions, got shape {x.shape}")
    y = _core.diagonal(x, offset, 0, 1).copy()
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        dx = _core.Array.full(x.shape, 0, dy.dtype)
        _core.diagonal(dx, offset, 0, 1).copy_(dy)
        return (dx,)

    return record("diag", y, (input,), backward)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal.

    Example:
        >>> tw.diagflat(tw.ones(2, 2)).shape
        (4, 4)
    """
    x = array_of("diagflat", "input", input)
    return _embedded(input, x.reshape((-1,)), as_int("diagflat", "offset", offset), 0, 1)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Example:
        >>> tw.eye(3).trace()
        tensor(3.)
    """
    x = array_of("trace", "input", input)
    if x.ndim != 2:
        raise ValueError(f"trace: expected 2 dimensions, got shape {x.shape}")
    y = _core.sum(_core.diagonal(x, 0, 0, 1))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        dx = _core.Array.full(x.shape, 0, dy.dtype)
        _core.diagonal(dx, 0, 0, 1).copy_(dy)
        return (dx,)

    return record("trace", y, (input,), backward)


def _triangle(name: str, upper: bool, text: str, example: str) -> Callable[..., Tensor]:
    def op(input: Tensor, diagonal: int = 0) -> Tensor:
        x = array_of(name, "input", input)
        offset = as_int(name, "diagonal", diagonal, -(2**62), 2**62)
        y = _core.triangle(x, offset, upper)
        if not (input._requires_grad and grad_mode.enabled):
            return wrap(y)
        return record(name, y, (input,), lambda dy: (_core.triangle(dy, offset, upper),))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"{text} of the matrices in the last two dimensions; zeros elsewhere.\n\n"
        "Args:\n    input: of at least 2 dimensions.\n"
        "    diagonal: how far above the main diagonal the border lies.\n\n"
        f"Example:\n    >>> tw.ones(2, 2).{name}()\n    {example}\n"
    )
    return op


tril = _triangle("tril", False, "The lower triangle", "tensor([[1., 0.],\n            [1., 1.]])")
triu = _triangle("triu", True, "The upper triangle", "tensor([[1., 1.],\n            [0., 1.]])")


def _indices(name: str, upper: bool) -> Callable[..., Tensor]:
    def op(
        row: int,
        col: int,
        offset: int = 0,
        dtype: DType | None = None,
        device: str | None = None,
    ) -> Tensor:
        as_device(name, device)
        rows, columns = as_int(name, "row", row, 0), as_int(name, "col", col, 0)
        ones = _core.Array.full((rows, columns), True, _core.DType.bool_)
        chosen = _core.triangle(ones, as_int(name, "offset", offset), upper)
        places = _core.nonzero(chosen).permute((1, 0)).contiguous()
        return wrap(places if dtype is None else places.astype(as_dtype(name, dtype)))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = (
        f"The row and column indices of `{name[:4]}` of a (row, col) matrix: (2, count).\n\n"
        "Args:\n    row: rows of the matrix.\n    col: its columns.\n"
        "    offset: how far above the main diagonal the border lies.\n"
        '    dtype: an integer type; int64 by default.\n    device: "cpu" or None.\n\n'
        f"Example:\n    >>> tw.{name}(2, 2).shape\n    (2, 3)\n"
    )
    return op


tril_indices = _indices("tril_indices", upper=False)
triu_indices = _indices("triu_indices", upper=True)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of a larger one, and zeros elsewhere.

    Example:
        >>> tw.block_diag(tw.ones(2, 2), tw.ones(1, 3)).shape
        (3, 5)
    """
    arrays = [array_of("block_diag", f"tensors[{i}]", x) for i, x in enumerate(tensors)]
    y = _core.block_diag(arrays)
    if not recording(tensors):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        sent, row, column = [], 0, 0
        for x in arrays:
            rows, columns = (1, 1, *x.shape)[-2:]
            part = dy.slice(0, row, row + rows, 1).slice(1, column, column + columns, 1)
            sent.append(part.reshape(x.shape).astype(x.dtype))
            row, column = row + rows, column + columns
        return sent

    return record("block_diag", y, tensors, backward, aliases=True)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: each vector expanded over the dimensions of the others; views.

    Args:
        tensors: vectors or scalars.
        indexing: "ij" for matrix order, or "xy" for the first two exchanged.

    Example:
        >>> rows, columns = tw.meshgrid(tw.arange(2), tw.arange(3))
        >>> columns
        tensor([[0, 1, 2],
                [0, 1, 2]])
    """
    parts: Any = (
        tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    )
    if indexing not in {"ij", "xy"}:
        as_choice("meshgrid", "indexing", indexing, ("ij", "xy"))
    views = _core.meshgrid([array_of("meshgrid", "tensors", x) for x in parts], indexing == "xy")
    if not recording(parts):
        return tuple([plain_view(x, y) for x, y in zip(parts, views, strict=True)])
    swap = indexing == "xy" and len(parts) > 1

    def view(place: int) -> Tensor:
        x: Tensor = parts[place]
        kept = 1 - place if swap and place < 2 else place
        lined = tuple([-1 if k == kept else 1 for k in range(len(parts))])

        def backward(dy: Array) -> Array:
            before = x._array.shape
            return _core.sum_to(dy, x._array.reshape(lined).shape).reshape(before)

        return view_of("meshgrid", x, views[place], backward)

    return tuple([view(place) for place in range(len(parts))])


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each vector, as rows.

    Example:
        >>> tw.cartesian_prod(tw.tensor([1, 2]), tw.tensor([3, 4])).shape
        (4, 2)
    """
    arrays = [array_of("cartesian_prod", f"tensors[{i}]", x) for i, x in enumerate(tensors)]
    if len(tensors) == 1 and arrays[0].ndim == 1:
        return tensors[0]
    y = _core.cartesian_prod(arrays)
    if not recording(tensors):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        sizes = tuple([x.size for x in arrays])
        sent = []
        for i, column in enumerate(_core.unbind(dy, 1)):
            lined = tuple([n if k == i else 1 for k, n in enumerate(sizes)])
            sent.append(_core.sum_to(column.reshape(sizes), lined).reshape((sizes[i],)))
        return sent

    return record("cartesian_prod", y, tensors, backward, aliases=True)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, as rows.

    Example:
        >>> tw.combinations(tw.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    x = array_of("combinations", "input", input)
    count = as_int("combinations", "r", r, 0)
    if x.ndim != 1:
        raise ValueError(f"combinations: expected a vector, got shape {x.shape}")
    if count == 0:
        return wrap(_core.Array.empty((0,), x.dtype))
    from tilewise._ops.indexing import index_select

    chosen = _core.combinations(
        x.size, count, as_bool("combinations", "with_replacement", with_replacement)
    )
    picked = index_select(input, 0, wrap(chosen.reshape((-1,))))
    return shape.reshape(picked, chosen.shape)


def vander(x: Tensor, N: int | None = None, *, increasing: bool = True) -> Tensor:
    """Powers 0 … N-1 of each element, as a new last dimension.

    Example:
        >>> tw.linalg.vander(tw.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [1, 2, 4],
                [1, 3, 9]])
    """
    a = array_of("vander", "x", x)
    if a.ndim == 0 and N is None:
        raise ValueError("vander: expected at least 1 dimension, or N, got a scalar")
    count = a.shape[-1] if N is None else as_int("vander", "N", N, 1)
    from tilewise._ops import arithmetic

    powers = wrap(_core.Array.arange(0, 1, count, int64))
    y = arithmetic.pow(shape.unsqueeze(shape.atleast_1d(x), -1), powers)
    return y if increasing else repeating.flip(y, -1)
