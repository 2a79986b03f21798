"""Variance, norms, medians: statistics over some or all dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_axes,
    as_axis,
    as_choice,
    as_float,
    as_int,
    wrong_type,
)
from tilewise._dtypes import FLOATING
from tilewise._ops import arithmetic, comparison, elementwise, reduction, search, select, shape
from tilewise._ops.common import converted
from tilewise._ops.reduction import ValuesIndices, reduce
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise._ops.reduction import Dims
    from tilewise.tensor import Tensor


def _freedom(
    op: str, dim: Any, unbiased: Any, keepdim: Any, correction: Any
) -> tuple[Any, Any, float]:
    """`var(x, unbiased)`, `var(x, dim, unbiased, keepdim)` and `var(x, dim, correction=…)`."""
    if dim is True or dim is False:
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{op}: expected unbiased or correction, got both")
        if unbiased is not True and unbiased is not False:
            raise wrong_type(op, "unbiased", "a bool", unbiased)
        return dim, keepdim, 1.0 if unbiased else 0.0
    if correction is None:
        return dim, keepdim, 1.0
    return dim, keepdim, as_float(op, "correction", correction)


def _spread(
    op: str,
    function: Callable[..., Array],
    input: Tensor,
    dim: Any,
    keepdim: Any,
    correction: float,
) -> Tensor:
    x = array_of(op, "input", input)
    y = reduce(op, function, x, dim, keepdim, correction)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axes = as_axes(op, dim, x.ndim)
    freedom = max(0.0, reduction._count(x.shape, axes) - correction)
    kept = reduction._kept_shape(x.shape, axes)
    root = op.startswith("std")

    def backward(dy: Array) -> tuple[Array]:
        if x.size == 0:
            return (_core.Array.full(x.shape, 0, x.dtype),)
        scale = (1.0 if root else 2.0) / freedom if freedom > 0 else math.inf
        sent = _core.mul(dy, scale)
        if root:  # 0 / 0 where all elements are equal: no direction, no gradient
            sent = _core.where(_core.eq(y, 0), _core.Array.full((), 0, y.dtype), _core.div(sent, y))
        centred = _core.sub(x, _core.mean(x, axes, True))
        return (_core.mul(centred, sent.reshape(kept)),)

    return record(op, y, (input,), backward, (x, y) if root else (x,))


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Variance over `dim`.

    Args:
        input: a floating-point tensor.
        dim: dimension or dimensions; None for all.
        unbiased: the older spelling of `correction`: True for 1, False for 0.
        keepdim: keep them with size 1.
        correction: the sum of squares is divided by `n - correction`; 1 by default.

    Raises:
        TypeError: where the tensor is of an integer type.

    Example:
        >>> tw.arange(4.0).var(correction=0)
        tensor(1.2500)
    """
    dims, keep, freedom = _freedom("var", dim, unbiased, keepdim, correction)
    return _spread("var", _core.var, input, dims, keep, freedom)


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Standard deviation over `dim`: the root of `var`, with its arguments.

    Example:
        >>> tw.tensor([1.0, 3.0]).std(correction=0)
        tensor(1.)
    """
    dims, keep, freedom = _freedom("std", dim, unbiased, keepdim, correction)
    return _spread("std", _core.std, input, dims, keep, freedom)


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `dim`; the arguments are those of `var`.

    Example:
        >>> tw.var_mean(tw.arange(4.0), correction=0)
        (tensor(1.2500), tensor(1.5000))
    """
    dims, keep, freedom = _freedom("var_mean", dim, unbiased, keepdim, correction)
    variance = _spread("var_mean", _core.var, input, dims, keep, freedom)
    return variance, reduction.mean(input, dims, keep)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over `dim`; the arguments are those of `var`.

    Example:
        >>> tw.std_mean(tw.tensor([1.0, 3.0]), correction=0)
        (tensor(1.), tensor(2.))
    """
    dims, keep, freedom = _freedom("std_mean", dim, unbiased, keepdim, correction)
    deviation = _spread("std_mean", _core.std, input, dims, keep, freedom)
    return deviation, reduction.mean(input, dims, keep)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """`log(sum(exp(x)))` over `dim`, without overflow; integers become float32.

    Example:
        >>> tw.tensor([1000.0, 1000.0]).logsumexp(0)
        tensor(1000.6932)
    """
    x = array_of("logsumexp", "input", input)
    if x.dtype not in FLOATING:
        x = x.astype(_core.DType.float32)
    y = reduce("logsumexp", _core.logsumexp, x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    kept = reduction._kept_shape(x.shape, as_axes("logsumexp", dim, x.ndim))

    def backward(dy: Array) -> tuple[Array]:
        share = _core.exp(_core.sub(x, y.reshape(kept)))
        return (_core.mul(share, dy.reshape(kept)),)

    return record("logsumexp", y, (input,), backward, (x, y))


def _vector_norm(op: str, input: Tensor, order: float, dim: Any, keepdim: bool) -> Tensor:
    x = array_of(op, "input", input)
    reduction._expect_floating(op, x)
    if order not in {0.0, 1.0, 2.0}:
        size = elementwise.abs(input)
        if math.isinf(order):
            if x.size == 0 and order > 0 and not _reduces_empty(x, dim):
                return reduction.sum(size, dim, keepdim)
            return (reduction.amax if order > 0 else reduction.amin)(size, dim, keepdim)
        return _general_norm(op, input, order, dim, keepdim)
    y = reduce(op, lambda a, axes, keep: _core.norm(a, order, axes, keep), x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    kept = reduction._kept_shape(x.shape, as_axes(op, dim, x.ndim))

    def backward(dy: Array) -> tuple[Array]:
        sent = dy.reshape(kept)
        if order == 0.0:
            return (_core.Array.full(x.shape, 0, x.dtype),)
        if order == 1.0:
            return (_core.mul(_core.sign(x), sent),)
        zero = _core.Array.full((), 0, x.dtype)
        scale = _core.where(_core.eq(y, 0), zero, _core.div(dy, y))  # no direction at 0
        return (_core.mul(x, scale.reshape(kept)),)

    return record(op, y, (input,), backward, (x, y))


def _general_norm(op: str, input: Tensor, order: float, dim: Any, keepdim: bool) -> Tensor:
    x = input._array
    powers = _core.pow(_core.abs(x), order)
    y = _core.pow(reduce(op, _core.sum, powers, dim, keepdim), 1.0 / order)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    kept = reduction._kept_shape(x.shape, as_axes(op, dim, x.ndim))

    def backward(dy: Array) -> tuple[Array]:
        # sign(x) (|x| / y)^(p - 1) dy, and nothing at 0, where there is no direction
        zero = _core.Array.full((), 0, x.dtype)
        total = y.reshape(kept)
        ratio = _core.pow(_core.div(_core.abs(x), total), order - 1)
        sent = _core.mul(_core.mul(_core.sign(x), ratio), dy.reshape(kept))
        return (_core.where(_core.logical_or(_core.eq(x, 0), _core.eq(total, 0)), zero, sent),)

    return record(op, y, (input,), backward, (x, y))


def _reduces_empty(x: Array, dim: Any) -> bool:
    axes = as_axes("norm", dim, x.ndim) or tuple(range(x.ndim))
    return any(x.shape[a] == 0 for a in axes)


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """The p-norm of a tensor as a vector, over `dim`.

    Args:
        input: a floating-point tensor.
        p: the order: a number, an infinity, or "fro" for 2.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Raises:
        TypeError: where the tensor is of an integer type.

    Example:
        >>> tw.tensor([3.0, 4.0]).norm()
        tensor(5.)
    """
    if dtype is not None:
        input = converted("norm", input, dtype)
    order = 2.0 if p is None or p == "fro" else as_float("norm", "p", p)
    return _vector_norm("norm", input, order, dim, keepdim)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """The norm of a tensor as a vector: `(Σ |x|^ord)^(1/ord)` over `dim`.

    Args:
        x: a floating-point tensor.
        ord: a number; an infinity for the largest or smallest magnitude, 0 counts non-zeros.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Example:
        >>> tw.linalg.vector_norm(tw.tensor([3.0, 4.0]))
        tensor(5.)
    """
    array_of("vector_norm", "x", x)
    order = as_float("vector_norm", "ord", ord)
    if dtype is not None:
        x = converted("vector_norm", x, dtype)
    return _vector_norm("vector_norm", x, order, dim, keepdim)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A norm of the matrices in two dimensions.

    Args:
        A: a floating-point tensor of at least 2 dimensions.
        ord: "fro" (root of the sum of squares), 1 or -1 (largest or smallest column sum of
            magnitudes), or an infinity (row sums).
        dim: the two dimensions of the matrices.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Raises:
        ValueError: for another order, or where `dim` does not name two dimensions.

    Example:
        >>> tw.linalg.matrix_norm(tw.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
        tensor(6.)
    """
    x = array_of("matrix_norm", "A", A)
    axes = as_axes("matrix_norm", dim, x.ndim)
    if len(axes) != 2:
        raise ValueError(f"matrix_norm: expected two dimensions in dim, got {dim}")
    if dtype is not None:
        A = converted("matrix_norm", A, dtype)
    if ord == "fro":
        return _vector_norm("matrix_norm", A, 2.0, axes, keepdim)
    order = math.nan if isinstance(ord, str) else as_float("matrix_norm", "ord", ord)
    if order not in {1.0, -1.0, math.inf, -math.inf}:
        raise ValueError(f"matrix_norm: expected ord as 'fro', 1, -1 or an infinity, got {ord!r}")
    summed, searched = axes if abs(order) == 1.0 else axes[::-1]
    sums = reduction.sum(elementwise.abs(A), summed, keepdim=True)
    found = (reduction.amax if order > 0 else reduction.amin)(sums, searched, keepdim=True)
    return found if keepdim else shape.squeeze(found, axes)


def _middle(op: str, input: Tensor, dim: Any, keepdim: bool, ignore_nan: bool) -> Any:
    x = array_of(op, "input", input)
    flat = dim is None
    if flat:
        input, dim = shape.reshape(input, -1), 0
        x = input._array
    axis = as_axis(op, dim, x.ndim)
    size = x.shape[axis] if x.ndim else 1
    if size == 0:
        if flat:
            return wrap(_core.Array.full((), math.nan, x.dtype))
        raise IndexError(f"{op}: expected at least one element along dim, got shape {x.shape}")
    if x.ndim == 0:
        return ValuesIndices(input, wrap(_core.Array.full((), 0, _core.DType.int64)))
    y, index = _core.middle(x, axis, ignore_nan)
    if not keepdim:
        index, y = _core.squeeze(index, (axis,)), _core.squeeze(y, (axis,))
    values = search.picked(op, input, y, axis, index)
    return values if flat else ValuesIndices(values, wrap(index))


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower of two; NaN where there is one.

    Args:
        input: a tensor of any shape.
        dim: None for the median of all elements (a scalar); an int for `(values, indices)`.
        keepdim: keep the dimension with size 1.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0, 4.0]).median()
        tensor(2.)
    """
    return _middle("median", input, dim, keepdim, ignore_nan=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of the elements that are not NaN; see `median`.

    Example:
        >>> tw.tensor([3.0, float("nan"), 2.0]).nanmedian()
        tensor(2.)
    """
    return _middle("nanmedian", input, dim, keepdim, ignore_nan=True)


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The element below which a fraction q of the others lies; NaN where there is one.

    Args:
        input: a floating-point tensor.
        q: a number in [0, 1], or a vector of them, which becomes the first dimension.
        dim: the dimension; None for all elements.
        keepdim: keep the dimension with size 1.
        interpolation: between two neighbours: "linear", "lower", "higher", "midpoint", "nearest".

    Example:
        >>> tw.arange(5.0).quantile(0.6)
        tensor(2.4000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """As `quantile` of the elements that are not NaN.

    Example:
        >>> tw.nanquantile(tw.tensor([1.0, float("nan"), 3.0]), 0.5)
        tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(
    op: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    x = array_of(op, "input", input)
    reduction._expect_floating(op, x)
    as_choice(op, "interpolation", interpolation, _INTERPOLATIONS)
    fractions = (
        q._array if hasattr(q, "_array") else (_core.Array.full((), as_float(op, "q", q), x.dtype))
    )
    if fractions.dtype != x.dtype or fractions.ndim > 1:
        raise ValueError(f"{op}: expected q of {x.dtype.name} and at most 1 dimension")
    if fractions.size and not (
        _core.min(fractions).item() >= 0 and _core.max(fractions).item() <= 1
    ):
        raise ValueError(f"{op}: expected q between 0 and 1")
    axis = as_axis(op, 0 if dim is None else dim, 1 if dim is None else x.ndim)
    flat = shape.reshape(input, -1) if dim is None or x.ndim == 0 else input
    if flat._array.shape[axis] == 0:
        raise ValueError(f"{op}: expected at least one element, got shape {x.shape}")
    ordered = search.sort(shape.movedim(flat, axis, -1), -1).values
    values, size = ordered._array, ordered.shape[-1]
    broken = _core.sum(_core.isnan(values), (values.ndim - 1,), True)
    count = (
        _core.sub(size, broken) if op == "nanquantile" else _core.add(_core.mul(broken, 0), size)
    )
    last = _core.maximum(_core.sub(count, 1), 0).astype(x.dtype)
    rank = _core.mul(last, fractions.reshape((-1,)))  # (..., fractions)
    if op == "quantile":  # NaN is last in order
        rank = _core.where(_core.gt(broken, 0), float(size - 1), rank)
    if interpolation in {"lower", "higher", "nearest"}:
        rank = {"lower": _core.floor, "higher": _core.ceil, "nearest": _core.round}[interpolation](
            rank
        )
    low = _core.floor(rank)
    from tilewise._ops.scatter import gather

    found = gather(ordered, values.ndim - 1, wrap(low.astype(_core.DType.int64)))
    if interpolation in {"linear", "midpoint"}:
        above = gather(ordered, values.ndim - 1, wrap(_core.ceil(rank).astype(_core.DType.int64)))
        weight = wrap(_core.sub(rank, low))
        if interpolation == "midpoint":
            weight = wrap(_core.where(_core.gt(weight._array, 0), 0.5, weight._array))
        elif getattr(q, "_requires_grad", False):  # the rank moves with q
            weight = arithmetic.sub(arithmetic.mul(wrap(last), shape.reshape(q, -1)), wrap(low))
        found = select.lerp(found, above, weight)
    if keepdim:
        found = shape.unsqueeze(found, axis if dim is not None else 0)
        if dim is None:
            found = shape.reshape(found, (*(1,) * x.ndim, -1))
    elif x.ndim == 0:
        found = shape.reshape(found, -1)
    if keepdim and x.ndim == 0:
        found = shape.reshape(found, -1)
    found = shape.movedim(found, -1, 0)
    return found if fractions.ndim else shape.squeeze(found, 0)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance matrix of variables, which are rows; columns are observations.

    Args:
        input: of at most 2 dimensions.
        correction: 1 (unbiased) or 0.
        fweights: how often each observation counts, integers.
        aweights: how much each observation counts.

    Example:
        >>> tw.cov(tw.tensor([[0.0, 2.0], [2.0, 0.0]]))
        tensor([[ 2., -2.],
                [-2.,  2.]])
    """
    x = array_of("cov", "input", input)
    if x.ndim > 2:
        raise ValueError(f"cov: expected at most 2 dimensions, got shape {x.shape}")
    single = x.ndim < 2 or x.shape[0] == 1
    rows = shape.reshape(input, 1, -1) if single else input
    if rows.dtype not in FLOATING:
        rows = rows.to(_core.DType.float32)
    freedom = as_int("cov", "correction", correction)
    weights: Tensor | None = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if array_of("cov", name, given).shape != (rows.shape[1],):
            raise ValueError(f"cov: expected {name} of shape ({rows.shape[1]},), got {given.shape}")
        if name == "fweights" and given.dtype in FLOATING:
            raise TypeError(f"cov: expected fweights of integers, got {given.dtype.name}")
        if given._array.size and _core.min(given._array).item() < 0:
            raise ValueError(f"cov: expected {name} >= 0, got a negative one")
        factor_of = given.to(rows.dtype)
        weights = factor_of if weights is None else arithmetic.mul(weights, factor_of)
    if weights is None:
        count: Any = float(rows.shape[1])
        centred = arithmetic.sub(rows, reduction.mean(rows, 1, True))
        product = centred @ shape.t(centred)
        factor: Any = count - freedom
        factor = max(factor, 0.0)
    else:
        total = reduction.sum(weights)
        mean = arithmetic.div(reduction.sum(arithmetic.mul(rows, weights), 1, True), total)
        centred = arithmetic.sub(rows, mean)
        product = centred @ shape.t(arithmetic.mul(centred, weights))
        if aweights is None or freedom == 0:
            factor = arithmetic.sub(total, freedom)
        else:
            squares = reduction.sum(arithmetic.mul(weights, aweights))
            factor = arithmetic.sub(total, arithmetic.div(arithmetic.mul(squares, freedom), total))
        factor = select.clamp(factor, 0)
    result = arithmetic.div(product, factor)
    return shape.reshape(result, ()) if single else result


def corrcoef(input: Tensor) -> Tensor:
    """The matrix of correlation coefficients of variables, which are rows.

    Example:
        >>> tw.corrcoef(tw.tensor([[0.0, 2.0], [2.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    covariance = cov(input)
    if covariance.ndim == 0:
        return arithmetic.div(covariance, covariance)
    from tilewise._ops.matrix import diagonal

    deviation = elementwise.sqrt(diagonal(covariance))
    scaled = arithmetic.div(covariance, shape.unsqueeze(deviation, 1))
    return select.clamp(arithmetic.div(scaled, shape.unsqueeze(deviation, 0)), -1, 1)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference.

    Example:
        >>> tw.dist(tw.tensor([3.0, 4.0]), tw.zeros(2))
        tensor(5.)
    """
    return norm(arithmetic.sub(input, other), p)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along a dimension scaled down to a p-norm of at most `maxnorm`.

    Example:
        >>> tw.renorm(tw.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    x = array_of("renorm", "input", input)
    if x.ndim < 2:
        raise ValueError(f"renorm: expected at least 2 dimensions, got shape {x.shape}")
    axis = as_axis("renorm", dim, x.ndim)
    order, limit = as_float("renorm", "p", p), as_float("renorm", "maxnorm", maxnorm, 0.0)
    if order <= 0:
        raise ValueError(f"renorm: expected p > 0, got {order}")
    others = tuple([i for i in range(x.ndim) if i != axis])
    size = _vector_norm("renorm", input, order, others, True)
    scale = arithmetic.div(limit, arithmetic.add(size, 1e-7))
    return arithmetic.mul(input, select.where(comparison.gt(size, limit), scale, 1.0))
