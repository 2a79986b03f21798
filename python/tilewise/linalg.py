"""Norms and products of vectors and matrices, under PyTorch's names of `torch.linalg`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise._arguments import array_of, as_axes
from tilewise._ops import matrix
from tilewise._ops.linalg import cross, matmul, matrix_power, multi_dot, vecdot
from tilewise._ops.matrix import vander
from tilewise._ops.norms import matrix_norm, vector_norm

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.tensor import Tensor

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "vander",
    "vecdot",
    "vector_norm",
]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the matrices in the last two dimensions; a view.

    Example:
        >>> tw.linalg.diagonal(tw.eye(2))
        tensor([1., 1.])
    """
    return matrix.diagonal(A, offset, dim1, dim2)


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A vector norm or a matrix norm.

    Args:
        A: a floating-point tensor.
        ord: the order; None for the root of the sum of squares of all elements.
        dim: an int for vectors, two for matrices; None takes the tensor as it is (with `ord`, of
            1 or 2 dimensions).
        keepdim: keep the dimensions with size 1.
        dtype: convert to this type first.

    Raises:
        ValueError: for an order that there is not.

    Example:
        >>> tw.linalg.norm(tw.tensor([3.0, 4.0]))
        tensor(5.)
    """
    x = array_of("norm", "A", A)
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes: Any = as_axes("norm", dim, x.ndim) or tuple(range(x.ndim))
    if dim is None and x.ndim > 2:
        raise ValueError(f"norm: expected 1 or 2 dimensions with ord and no dim, got {x.shape}")
    if len(axes) == 2:
        return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise ValueError(f"norm: expected a number as ord of a vector norm, got {ord!r}")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)
