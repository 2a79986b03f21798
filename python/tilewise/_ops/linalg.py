"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_float, as_int
from tilewise._ops import arithmetic, joining, reduction, shape
from tilewise._ops.common import SCALARS, unbroadcast
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
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


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices, (n, k) and (k, m), without broadcasting.

    Example:
        >>> tw.mm(tw.ones(2, 3), tw.ones(3, 4)).shape
        (2, 4)
    """
    return _of_rank("mm", 2, input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two batches of matrices, (batch, n, k) and (batch, k, m).

    Example:
        >>> tw.bmm(tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape
        (5, 2, 4)
    """
    a, b = array_of("bmm", "input", input), array_of("bmm", "mat2", mat2)
    if a.shape[:1] != b.shape[:1]:
        raise ValueError(f"bmm: expected batches of one size, got {a.shape}, {b.shape}")
    return _of_rank("bmm", 3, input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix (n, k) and a vector (k,).

    Example:
        >>> tw.mv(tw.ones(2, 3), tw.ones(3))
        tensor([3., 3.])
    """
    a, b = array_of("mv", "input", input), array_of("mv", "vec", vec)
    if a.ndim != 2 or b.ndim != 1:
        raise ValueError(f"mv: expected a matrix and a vector, got {a.shape}, {b.shape}")
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Inner product of two vectors of one length.

    Example:
        >>> tw.dot(tw.tensor([1.0, 2.0]), tw.tensor([3.0, 4.0]))
        tensor(11.)
    """
    return _of_rank("dot", 1, input, tensor)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Inner products over the last dimensions; with a scalar, the product.

    Example:
        >>> tw.inner(tw.ones(2, 3), tw.ones(4, 3)).shape
        (2, 4)
    """
    a, b = array_of("inner", "input", input), array_of("inner", "other", other)
    if a.ndim == 0 or b.ndim == 0:
        return arithmetic.mul(input, other)
    return tensordot(input, other, ([a.ndim - 1], [b.ndim - 1]))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Outer product of two vectors: (n,) and (m,) give (n, m).

    Example:
        >>> tw.outer(tw.ones(2), tw.ones(3)).shape
        (2, 3)
    """
    a, b = array_of("outer", "input", input), array_of("outer", "vec2", vec2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer: expected tensors of 1 dimension, got {a.shape}, {b.shape}")
    return arithmetic.mul(shape.unsqueeze(input, 1), shape.unsqueeze(vec2, 0))


def _sum_with(
    op: str,
    ranks: tuple[int, int],
    input: Tensor,
    left: Tensor,
    right: Tensor,
    beta: Any,
    alpha: Any,
) -> Tensor:
    """`beta · input + alpha · (left @ right)`; `input` broadcasts and is not read for beta 0."""
    a, b = array_of(op, "the first factor", left), array_of(op, "the second factor", right)
    x = array_of(op, "input", input)
    if (a.ndim, b.ndim) != ranks:
        raise ValueError(
            f"{op}: expected factors of {ranks[0]} and {ranks[1]} dimensions, "
            f"got {a.shape}, {b.shape}"
        )
    if ranks == (3, 3) and a.shape[0] != b.shape[0]:
        raise ValueError(f"{op}: expected batches of one size, got {a.shape}, {b.shape}")
    product = matmul(left, right)
    want = product._array.shape
    if x.shape != want and shape.broadcast_shapes(x.shape, want) != want:
        raise ValueError(f"{op}: expected input that broadcasts to {product.shape}, got {x.shape}")
    return _combined(op, input, product, beta, alpha)


def _combined(op: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    for name, value in (("beta", beta), ("alpha", alpha)):
        if value.__class__ not in SCALARS:
            as_float(op, name, value)
    scaled = product if alpha == 1 else arithmetic.mul(product, alpha)
    if beta == 0:
        return scaled
    return arithmetic.add(scaled, input if beta == 1 else arithmetic.mul(input, beta))


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (mat1 @ mat2)`; `input` broadcasts to the product.

    Example:
        >>> tw.addmm(tw.ones(2), tw.ones(2, 3), tw.ones(3, 2))
        tensor([[4., 4.],
                [4., 4.]])
    """
    return _sum_with("addmm", (2, 2), input, mat1, mat2, beta, alpha)


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (mat @ vec)`.

    Example:
        >>> tw.addmv(tw.ones(2), tw.ones(2, 3), tw.ones(3))
        tensor([4., 4.])
    """
    return _sum_with("addmv", (2, 1), input, mat, vec, beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (batch1 @ batch2)` for batches of matrices.

    Example:
        >>> tw.baddbmm(tw.ones(1), tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape
        (5, 2, 4)
    """
    return _sum_with("baddbmm", (3, 3), input, batch1, batch2, beta, alpha)


def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · Σ (batch1 @ batch2)`, summed over the batch.

    Example:
        >>> tw.addbmm(tw.zeros(2, 4), tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape
        (2, 4)
    """
    product = reduction.sum(bmm(batch1, batch2), 0)
    return _combined("addbmm", input, product, beta, alpha)


def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · outer(vec1, vec2)`.

    Example:
        >>> tw.addr(tw.zeros(2, 3), tw.ones(2), tw.ones(3)).shape
        (2, 3)
    """
    return _combined("addr", input, outer(vec1, vec2), beta, alpha)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over pairs of dimensions.

    Args:
        a: a tensor.
        b: a tensor.
        dims: how many of the last of `a` and the first of `b`; or two lists, which say which.

    Raises:
        ValueError: where the sizes differ.

    Example:
        >>> tw.tensordot(tw.ones(2, 3, 4), tw.ones(3, 4, 5)).shape
        (2, 5)
    """
    x, y = array_of("tensordot", "a", a), array_of("tensordot", "b", b)
    if isinstance(dims, int):
        count = as_int("tensordot", "dims", dims, 0)
        if count > min(x.ndim, y.ndim):
            raise ValueError(f"tensordot: expected dims <= {min(x.ndim, y.ndim)}, got {count}")
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    else:
        if hasattr(dims, "_array"):
            dims = dims.tolist()
        pair = [d if isinstance(d, tuple | list) else (d,) for d in dims]
        left = tuple([as_axis("tensordot", d, x.ndim) for d in pair[0]])
        right = tuple([as_axis("tensordot", d, y.ndim) for d in pair[1]])
    for i, j in zip(left, right, strict=False):  # a size of 1 broadcasts: the other is summed
        if x.shape[i] == 1 != y.shape[j]:
            b = reduction.sum(b, j, keepdim=True)
        elif y.shape[j] == 1 != x.shape[i]:
            a = reduction.sum(a, i, keepdim=True)
        x, y = a._array, b._array
    if [x.shape[i] for i in left] != [y.shape[i] for i in right]:
        raise ValueError(
            f"tensordot: expected equal sizes of dimensions {left} of {x.shape} and {right} of "
            f"{y.shape}"
        )
    rest_a = tuple([i for i in range(x.ndim) if i not in left])
    rest_b = tuple([i for i in range(y.ndim) if i not in right])
    inner_size = math.prod(x.shape[i] for i in left)
    sizes_a, sizes_b = [x.shape[i] for i in rest_a], [y.shape[i] for i in rest_b]
    rows = shape.reshape(shape.permute(a, rest_a + left), math.prod(sizes_a), inner_size)
    columns = shape.reshape(shape.permute(b, right + rest_b), inner_size, math.prod(sizes_b))
    return shape.reshape(matmul(rows, columns), (*sizes_a, *sizes_b))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: `other` scaled by every element of `input`, side by side.

    Example:
        >>> tw.kron(tw.tensor([1.0, 2.0]), tw.ones(2))
        tensor([1., 1., 2., 2.])
    """
    x, y = array_of("kron", "input", input), array_of("kron", "other", other)
    ndim = max(x.ndim, y.ndim)
    sizes_a = (1,) * (ndim - x.ndim) + x.shape
    sizes_b = (1,) * (ndim - y.ndim) + y.shape
    pairs = list(zip(sizes_a, sizes_b, strict=True))
    spread_a = shape.reshape(input, [n for size in sizes_a for n in (size, 1)])
    spread_b = shape.reshape(other, [n for size in sizes_b for n in (1, size)])
    return shape.reshape(arithmetic.mul(spread_a, spread_b), [n * m for n, m in pairs])


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Inner products along one dimension, the others broadcast.

    Example:
        >>> tw.linalg.vecdot(tw.ones(2, 3), tw.ones(3))
        tensor([3., 3.])
    """
    return reduction.sum(arithmetic.mul(x, y), dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices in the cheapest order; the first and last may be vectors.

    Example:
        >>> tw.linalg.multi_dot([tw.ones(2, 3), tw.ones(3, 4), tw.ones(4)]).shape
        (2,)
    """
    factors = list(tensors)
    if len(factors) < 2:
        raise ValueError(f"multi_dot: expected at least two tensors, got {len(factors)}")
    sizes = [array_of("multi_dot", f"tensors[{i}]", f).shape for i, f in enumerate(factors)]
    for i, size in enumerate(sizes):
        end = i in {0, len(sizes) - 1}
        if len(size) != 2 and not (end and len(size) == 1):
            raise ValueError(f"multi_dot: expected matrices, and vectors at the ends, got {sizes}")
    drop_first, drop_last = len(sizes[0]) == 1, len(sizes[-1]) == 1
    if drop_first:
        factors[0] = shape.unsqueeze(factors[0], 0)
    if drop_last:
        factors[-1] = shape.unsqueeze(factors[-1], 1)
    edges = [f.shape[0] for f in factors] + [factors[-1].shape[1]]
    result = _chain(factors, edges, _splits(edges), 0, len(factors) - 1)
    if drop_last:
        result = shape.squeeze(result, -1)
    return shape.squeeze(result, 0) if drop_first else result


def _splits(edges: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of matrices: the text-book dynamic programme."""
    n = len(edges) - 1
    cost = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + edges[i] * edges[k + 1] * edges[j + 1], k)
                for k in range(i, j)
            )
    return cut


def _chain(
    factors: list[Tensor], edges: Sequence[int], cut: dict[tuple[int, int], int], i: int, j: int
) -> Tensor:
    if i == j:
        return factors[i]
    k = cut[i, j]
    return matmul(_chain(factors, edges, cut, i, k), _chain(factors, edges, cut, k + 1, j))


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A square matrix, or a batch of them, multiplied with itself n times; n >= 0.

    Example:
        >>> tw.linalg.matrix_power(tw.eye(2) * 2, 3)
        tensor([[8., 0.],
                [0., 8.]])
    """
    x, count = array_of("matrix_power", "A", A), as_int("matrix_power", "n", n, 0)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power: expected square matrices, got shape {x.shape}")
    size = x.shape[-1]
    if count == 0:
        identity = _core.Array.full((size, size), 0, x.dtype)
        _core.diagonal(identity, 0, 0, 1).fill_(1)
        result = wrap(identity.expand(x.shape).contiguous())
        if not (A._requires_grad and grad_mode.enabled):
            return result
        return record("matrix_power", result._array, (A,), lambda dy: (_core.mul(dy, 0),))
    product: Tensor | None = None
    power = A
    while count:
        if count & 1:
            product = power if product is None else matmul(product, power)
        count >>= 1
        power = matmul(power, power) if count else power
    assert product is not None
    return product.clone() if product is A else product


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product of vectors of three elements along a dimension.

    Example:
        >>> tw.linalg.cross(tw.tensor([1.0, 0.0, 0.0]), tw.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    a, b = array_of("cross", "input", input), array_of("cross", "other", other)
    if a.ndim != b.ndim:
        raise ValueError(f"cross: expected as many dimensions, got {a.shape} and {b.shape}")
    axis = as_axis("cross", dim, a.ndim)
    if not (a.shape and a.shape[axis] == 3 and b.shape[axis] == 3):
        raise ValueError(f"cross: expected size 3 along dim, got {a.shape} and {b.shape}")
    left = arithmetic.mul(joining.roll(input, -1, axis), joining.roll(other, -2, axis))
    right = arithmetic.mul(joining.roll(input, -2, axis), joining.roll(other, -1, axis))
    return arithmetic.sub(left, right)
