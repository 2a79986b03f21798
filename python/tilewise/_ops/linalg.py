"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of
from tilewise._ops.common import unbroadcast
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def _swapped(x: Array) -> Array:
    """A view with the last two dimensions exchanged."""
    n = x.ndim
    return x.permute((*range(n - 2), n - 1, n - 2))


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with the rules of `@`.

    Two vectors give their inner product; a vector counts as a row on the left and as a column on
    the right; dimensions before the last two broadcast.

    Args:
        input: (…, n, k), or (k,).
        other: (…, k, m), or (k,).

    Returns:
        (…, n, m), without the dimensions that the vectors stand for.

    Raises:
        ValueError: where the inner dimensions differ or a scalar is given.

    Example:
        >>> (tw.ones(2, 3) @ tw.ones(3, 4)).shape
        (2, 4)
    """
    a, b = array_of("matmul", "input", input), array_of("matmul", "other", other)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: expected at least 1 dimension, got shapes {a.shape}, {b.shape}")
    needs_a, needs_b = input._requires_grad, other._requires_grad
    if not (grad_mode.enabled and (needs_a or needs_b)):
        return wrap(_core.matmul(a, b))
    if a.ndim == 1:
        return matmul(input.unsqueeze(0), other).squeeze(-1 if b.ndim == 1 else -2)
    if b.ndim == 1:
        return matmul(input, other.unsqueeze(-1)).squeeze(-1)
    y = _core.matmul(a, b)

    def backward(dy: Array) -> tuple[Array | None, Array | None]:
        da = unbroadcast(_core.matmul(dy, _swapped(b)), a) if needs_a else None
        db = unbroadcast(_core.matmul(_swapped(a), dy), b) if needs_b else None
        return da, db

    saved = (a,) * needs_b + (b,) * needs_a
    return record("matmul", y, (input, other), backward, saved)


def _of_rank(op: str, rank: int, input: Tensor, other: Tensor) -> Tensor:
    a, b = array_of(op, "input", input), array_of(op, "other", other)
    if a.ndim != rank or b.ndim != rank:
        raise ValueError(f"{op}: expected tensors of {rank} dimensions, got {a.shape}, {b.shape}")
    return matmul(input, other)


def mm(input: Tensor, other: Tensor) -> Tensor:
    """Product of two matrices, (n, k) and (k, m), without broadcasting."""
    return _of_rank("mm", 2, input, other)


def bmm(input: Tensor, other: Tensor) -> Tensor:
    """Product of two batches of matrices, (batch, n, k) and (batch, k, m)."""
    if input.shape[:1] != other.shape[:1]:
        raise ValueError(f"bmm: expected batches of one size, got {input.shape}, {other.shape}")
    return _of_rank("bmm", 3, input, other)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """Inner product of two vectors of one length."""
    return _of_rank("dot", 1, input, other)


def outer(input: Tensor, other: Tensor) -> Tensor:
    """Outer product of two vectors: (n,) and (m,) give (n, m)."""
    a, b = array_of("outer", "input", input), array_of("outer", "other", other)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer: expected tensors of 1 dimension, got {a.shape}, {b.shape}")
    return input.unsqueeze(1) * other.unsqueeze(0)
