"""Diagonals, triangles and grids."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_choice, as_device, as_int
from tilewise._dtypes import as_dtype, int64
from tilewise._ops import joining, reduction, shape
from tilewise._ops.shape import view_of
from tilewise.autograd import grad_mode, record, wrap

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

    return view_of("diagonal", input, y, backward)


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
    rows, columns = (
        as_axis("diag_embed", dim1, x.ndim + 1),
        as_axis("diag_embed", dim2, x.ndim + 1),
    )
    if rows == columns:
        raise ValueError(f"diag_embed: expected two different dimensions, got {dim1} and {dim2}")
    above = as_int("diag_embed", "offset", offset)
    size = x.shape[-1] + abs(above)
    rest = iter(x.shape[:-1])
    sizes = tuple([size if i in {rows, columns} else next(rest) for i in range(x.ndim + 1)])
    y = _core.Array.full(sizes, 0, x.dtype)
    _core.diagonal(y, above, rows, columns).copy_(x)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.diagonal(dy, above, rows, columns),)

    return record("diag_embed", y, (input,), backward, aliases=True)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix as a copy, or the matrix of a diagonal.

    Example:
        >>> tw.diag(tw.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    x = array_of("diag", "input", input)
    if x.ndim == 1:
        return diag_embed(input, diagonal)
    if x.ndim != 2:
        raise ValueError(f"diag: expected 1 or 2 dimensions, got shape {x.shape}")
    return _diagonal_of(input, diagonal).clone()


_diagonal_of = diagonal


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal.

    Example:
        >>> tw.diagflat(tw.ones(2, 2)).shape
        (4, 4)
    """
    return diag_embed(shape.reshape(input, -1), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Example:
        >>> tw.eye(3).trace()
        tensor(3.)
    """
    if array_of("trace", "input", input).ndim != 2:
        raise ValueError(f"trace: expected 2 dimensions, got shape {input.shape}")
    return reduction.sum(diagonal(input))


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
    rows = []
    blocks = []
    for i, x in enumerate(tensors):
        if array_of("block_diag", f"tensors[{i}]", x).ndim > 2:
            raise ValueError(f"block_diag: expected at most 2 dimensions, got shape {x.shape}")
        blocks.append(shape.atleast_2d(x))
    columns = [b.shape[1] for b in blocks]
    for i, block in enumerate(blocks):
        sides = (sum(columns[:i]), sum(columns[i + 1 :]))
        left, right = (wrap(_core.Array.full((block.shape[0], n), 0, block.dtype)) for n in sides)
        rows.append(joining.cat([left, block, right], 1))
    return joining.cat(rows, 0)


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
    as_choice("meshgrid", "indexing", indexing, ("ij", "xy"))
    if not parts:
        raise ValueError("meshgrid: expected at least one tensor, got none")
    for i, x in enumerate(parts):
        if array_of("meshgrid", f"tensors[{i}]", x).ndim > 1:
            raise ValueError(f"meshgrid: expected vectors, got shape {x.shape}")
        if x.dtype != parts[0].dtype:
            raise TypeError(
                f"meshgrid: expected one dtype, got {parts[0].dtype.name} and {x.dtype.name}"
            )
    swap = indexing == "xy" and len(parts) > 1
    order = [1, 0, *range(2, len(parts))] if swap else list(range(len(parts)))
    sizes = [parts[i]._array.size for i in order]
    grids = []
    for i, x in enumerate(parts):
        place = order.index(i)
        lined = shape.reshape(x, [-1 if k == place else 1 for k in range(len(parts))])
        grids.append(shape.expand(lined, sizes))
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each vector, as rows.

    Example:
        >>> tw.cartesian_prod(tw.tensor([1, 2]), tw.tensor([3, 4])).shape
        (4, 2)
    """
    for i, x in enumerate(tensors):
        if array_of("cartesian_prod", f"tensors[{i}]", x).ndim != 1:
            raise ValueError(f"cartesian_prod: expected vectors, got shape {x.shape}")
    if len(tensors) == 1:
        return tensors[0]
    return joining.stack([shape.reshape(g, -1) for g in meshgrid(*tensors)], 1)


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
    choose: Any = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )
    chosen: Sequence[Sequence[int]] = list(choose(range(x.size), count))
    from tilewise._ops.indexing import index_select

    flat = np.array(chosen, dtype=np.int64).reshape(-1)
    picked = index_select(input, 0, wrap(_core.Array.from_numpy(flat)))
    return shape.reshape(picked, len(chosen), count)


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
    return y if increasing else joining.flip(y, -1)
