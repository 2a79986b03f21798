"""Variance, norms, medians: statistics over some or all dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_axes,
    as_float,
    as_int,
    wrong_type,
)
from tilewise._dtypes import FLOATING
from tilewise._ops import arithmetic, reduction, select, shape
from tilewise._ops.reduction import reduce
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
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
        result = _covariance(rows, max(float(rows.shape[1]) - freedom, 0.0))
        return shape.reshape(result, ()) if single else result
    total = reduction.sum(weights)
    mean = arithmetic.div(reduction.sum(arithmetic.mul(rows, weights), 1, True), total)
    centred = arithmetic.sub(rows, mean)
    product = centred @ shape.t(arithmetic.mul(centred, weights))
    if aweights is None or freedom == 0:
        factor = arithmetic.sub(total, freedom)
    else:
        squares = reduction.sum(arithmetic.mul(weights, aweights))
        factor = arithmetic.sub(total, arithmetic.div(arithmetic.mul(squares, freedom), total))
    result = arithmetic.div(product, select.clamp(factor, 0))
    return shape.reshape(result, ()) if single else result


def _covariance(rows: Tensor, freedom: float) -> Tensor:
    """The products of the rows' deviations from their means, over the degrees of freedom."""
    x = rows._array
    centred = _core.sub(x, _core.mean(x, (1,), True))
    y = _core.div(_core.matmul(centred, centred.permute((1, 0))), freedom)
    if not (rows._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        both = _core.div(_core.add(dy, dy.permute((1, 0))), freedom)
        sent = _core.matmul(both, centred)
        return (_core.sub(sent, _core.mean(sent, (1,), True)),)

    return record("cov", y, (rows,), backward, (centred,))


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
    c = covariance._array
    deviation = _core.sqrt(_core.diagonal(c, 0, 0, 1))
    rows, columns = _core.unsqueeze(deviation, 1), _core.unsqueeze(deviation, 0)
    ratio = _core.div(_core.div(c, rows), columns)
    y = _core.clamp(ratio, -1.0, 1.0)
    if not covariance._requires_grad:
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        sent = _core.clamp_backward(dy, ratio, -1.0, 1.0)
        dc = _core.div(_core.div(sent, rows), columns)
        # A variance divides its row and its column by its root.
        moved = _core.mul(sent, ratio)
        both = _core.add(_core.sum(moved, (0,), False), _core.sum(moved, (1,), False))
        variance = _core.diagonal(dc, 0, 0, 1)
        _core.sub_(variance, _core.div(_core.mul(both, 0.5), _core.square(deviation)))
        return (dc,)

    return record("corrcoef", y, (covariance,), backward, (ratio, deviation))
