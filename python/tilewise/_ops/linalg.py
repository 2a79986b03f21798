"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_float, as_int
from tilewise._ops import arithmetic, reduction, shape
from tilewise._ops.common import SCALARS, reduced, unbroadcast
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
    from tilewise.tensor import Tensor


def _swapped(x: Array) -> Array:
    """A view with the last two dimensions exchanged."""
    n = x.ndim
    return x.permute((*range(n - 2), n - 1, n - 2))


def _gradients_of(
    a: Array, b: Array, needs_a: bool, needs_b: bool
) -> Callable[[Array], tuple[Array | None, Array | None]]:
    """How a product sends its gradient to its factors; holds no more of them than that reads."""
    a_shape, b_shape, dtype = a.shape, b.shape, a.dtype
    # A vector is a row on the left and a column on the right.
    rows = _core.unsqueeze(a, 0) if a.ndim == 1 else a
    columns = _core.unsqueeze(b, 1) if b.ndim == 1 else b
    kept_a, kept_b = rows if needs_b else None, columns if needs_a else None
    a_sizes, b_sizes = rows.shape, columns.shape

    def send(dy: Array) -> tuple[Array | None, Array | None]:
        if len(b_shape) == 1:
            dy = _core.unsqueeze(dy, dy.ndim)
        if len(a_shape) == 1:
            dy = _core.unsqueeze(dy, dy.ndim - 1)
        da = db = None
        if kept_b is not None:
            da = reduced(_core.matmul(dy, _swapped(kept_b)), a_sizes, dtype).reshape(a_shape)
        if kept_a is not None:
            db = reduced(_core.matmul(_swapped(kept_a), dy), b_sizes, dtype).reshape(b_shape)
        return da, db

    return send


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
    y = _core.matmul(a, b)
    needs_a, needs_b = input._requires_grad, other._requires_grad
    if not (grad_mode.enabled and (needs_a or needs_b)):
        return wrap(y)
    saved = (a,) * needs_b + (b,) * needs_a
    send = _gradients_of(a, b, needs_a, needs_b)
    return record("matmul", y, (input, other), send, saved)


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
    factors: tuple[Tensor, Tensor],
    beta: Any,
    alpha: Any,
) -> Tensor:
    """`beta · input + alpha · product`; `input` broadcasts and is not read for beta 0.

    The product is that of two matrices, batches of them (`addbmm` sums over these), a matrix and a
    vector, or the outer one of two vectors.
    """
    left, right = factors
    a, b = array_of(op, "the first factor", left), array_of(op, "the second factor", right)
    x = array_of(op, "input", input)
    if (a.ndim, b.ndim) != ranks:
        raise ValueError(
            f"{op}: expected factors of {ranks[0]} and {ranks[1]} dimensions, "
            f"got {a.shape}, {b.shape}"
        )
    if ranks == (3, 3) and a.shape[0] != b.shape[0]:
        raise ValueError(f"{op}: expected batches of one size, got {a.shape}, {b.shape}")
    for name, value in (("beta", beta), ("alpha", alpha)):
        if value.__class__ not in SCALARS:
            as_float(op, name, value)
    rows, columns = a, b
    if ranks == (1, 1):
        rows, columns = _core.unsqueeze(a, 1), _core.unsqueeze(b, 0)
    product = _core.matmul(rows, columns)
    if op == "addbmm":
        product = _core.sum(product, (0,), False)
    try:
        y = _core.combine_product(product, alpha, x, beta)
    except ValueError as error:
        raise ValueError(f"{op}: {error}") from None
    if not recording((input, left, right)):
        return wrap(y)
    needs_a, needs_b = left._requires_grad, right._requires_grad
    send = _gradients_of(rows, columns, needs_a, needs_b)
    like, dtype = x.shape, x.dtype
    batch = rows.shape[:1] if op == "addbmm" else ()

    def backward(dy: Array) -> list[Array | None]:
        sent: list[Array | None] = [reduced(_core.mul(dy, beta), like, dtype)]
        scaled = dy if alpha == 1 else _core.mul(dy, alpha)
        if batch:
            scaled = scaled.expand((*batch, *scaled.shape))
        for gradient, factor in zip(send(scaled), (a, b), strict=True):
            sent.append(None if gradient is None else gradient.reshape(factor.shape))
        return sent

    return record(op, y, (input, left, right), backward, (a,) * needs_b + (b,) * needs_a)


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (mat1 @ mat2)`; `input` broadcasts to the product.

    Example:
        >>> tw.addmm(tw.ones(2), tw.ones(2, 3), tw.ones(3, 2))
        tensor([[4., 4.],
                [4., 4.]])
    """
    return _sum_with("addmm", (2, 2), input, (mat1, mat2), beta, alpha)


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (mat @ vec)`.

    Example:
        >>> tw.addmv(tw.ones(2), tw.ones(2, 3), tw.ones(3))
        tensor([4., 4.])
    """
    return _sum_with("addmv", (2, 1), input, (mat, vec), beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · (batch1 @ batch2)` for batches of matrices.

    Example:
        >>> tw.baddbmm(tw.ones(1), tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape
        (5, 2, 4)
    """
    return _sum_with("baddbmm", (3, 3), input, (batch1, batch2), beta, alpha)


def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · Σ (batch1 @ batch2)`, summed over the batch.

    Example:
        >>> tw.addbmm(tw.zeros(2, 4), tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape
        (2, 4)
    """
    return _sum_with("addbmm", (3, 3), input, (batch1, batch2), beta, alpha)


def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """`beta · input + alpha · outer(vec1, vec2)`.

    Example:
        >>> tw.addr(tw.zeros(2, 3), tw.ones(2), tw.ones(3)).shape
        (2, 3)
    """
    return _sum_with("addr", (1, 1), input, (vec1, vec2), beta, alpha)


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
    x, z = array_of("tensordot", "a", a), array_of("tensordot", "b", b)
    if isinstance(dims, int):
        count = as_int("tensordot", "dims", dims, 0)
        if count > min(x.ndim, z.ndim):
            raise ValueError(f"tensordot: expected dims <= {min(x.ndim, z.ndim)}, got {count}")
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    else:
        if hasattr(dims, "_array"):
            dims = dims.tolist()
        pair = [d if isinstance(d, tuple | list) else (d,) for d in dims]
        left = tuple([as_axis("tensordot", d, x.ndim) for d in pair[0]])
        right = tuple([as_axis("tensordot", d, z.ndim) for d in pair[1]])
    for i, j in zip(left, right, strict=False):  # a size of 1 broadcasts: the other is summed
        if x.shape[i] != z.shape[j] and 1 in {x.shape[i], z.shape[j]}:
            if x.shape[i] == 1:
                b = reduction.sum(b, j, keepdim=True)
            else:
                a = reduction.sum(a, i, keepdim=True)
            x, z = a._array, b._array
    y = _core.tensordot(x, z, left, right)
    if not recording((a, b)):
        return wrap(y)
    return record("tensordot", y, (a, b), _contracted(x, z, left, right), (x, z))


def _contracted(
    x: Array, y: Array, left: tuple[int, ...], right: tuple[int, ...]
) -> Callable[[Array], tuple[Array, Array]]:
    """How a product over pairs of dimensions sends its gradient back."""
    rest_x = [i for i in range(x.ndim) if i not in left]
    rest_y = [i for i in range(y.ndim) if i not in right]

    def backward(dy: Array) -> tuple[Array, Array]:
        n = len(rest_x)
        # The other dimensions come first, then those that were summed, in the other's order.
        dx = _core.tensordot(dy, y, tuple(range(n, dy.ndim)), tuple(rest_y))
        summed = [left[right.index(j)] for j in sorted(right)]
        dx = _core.movedim(dx, tuple(range(dx.ndim)), (*rest_x, *summed))
        dz = _core.tensordot(x, dy, tuple(rest_x), tuple(range(n)))
        summed = [right[left.index(i)] for i in sorted(left)]
        return dx, _core.movedim(dz, tuple(range(dz.ndim)), (*summed, *rest_y))

    return backward


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: `other` scaled by every element of `input`, side by side.

    Example:
        >>> tw.kron(tw.tensor([1.0, 2.0]), tw.ones(2))
        tensor([1., 1., 2., 2.])
    """
    x, y = array_of("kron", "input", input), array_of("kron", "other", other)
    z = _core.kron(x, y)
    if not recording((input, other)):
        return wrap(z)

    def backward(dz: Array) -> tuple[Array, Array]:
        dx = _core.kron_backward_a(dz, y, x.shape)
        dy = _core.kron_backward_b(dz, x, y.shape)
        return reduced(dx, x.shape, x.dtype), reduced(dy, y.shape, y.dtype)

    return record("kron", z, (input, other), backward, (x, y))


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
    if len(factors) == 2:
        return matmul(factors[0], factors[1])
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
    axis = as_axis("cross", dim, max(a.ndim, b.ndim))
    y = _core.cross(a, b, axis)
    if not recording((input, other)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        da, db = _core.cross(b, dy, axis), _core.cross(dy, a, axis)
        return unbroadcast(da, a), unbroadcast(db, b)

    return record("cross", y, (input, other), backward, (a, b))
