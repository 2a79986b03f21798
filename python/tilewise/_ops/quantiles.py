"""Order statistics: medians and quantiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_axis,
    as_bool,
    as_choice,
    as_float,
)
from tilewise._ops import reduction, search, shape
from tilewise._ops.reduction import ValuesIndices
from tilewise.autograd import record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


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
    y, index = _core.middle(x, axis, ignore_nan, as_bool(op, "keepdim", keepdim))
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
    between = _INTERPOLATIONS.get(interpolation)
    if between is None:
        between = _INTERPOLATIONS[
            as_choice(op, "interpolation", interpolation, tuple(_INTERPOLATIONS))
        ]
    fractions = getattr(q, "_array", None)
    if fractions is None:
        fractions = _core.Array.full((), as_float(op, "q", q), x.dtype)
    flat = dim is None or x.ndim == 0
    axis = as_axis(op, 0 if dim is None else dim, 1 if flat else x.ndim)
    rows = x.reshape((-1,)) if flat else x
    try:
        y, low, high, weight, slope = _core.quantile(
            rows, fractions, axis, op == "nanquantile", between
        )
    except ValueError as error:
        raise ValueError(str(error).replace("quantile", op, 1)) from None
    inner = y.shape[1:]
    if as_bool(op, "keepdim", keepdim):
        inner = (1,) * x.ndim if flat else (*inner[:axis], 1, *inner[axis:])
    out = y.reshape((*fractions.shape, *inner))
    inputs = (input, q) if hasattr(q, "_array") else (input,)
    if not recording(inputs):
        return wrap(out)
    before = y.shape

    def backward(dy: Array) -> list[Array]:
        sent = dy.reshape(before)
        dx = _core.Array.full(rows.shape, 0, dy.dtype)
        above = _core.mul(sent, weight)
        for at, part in ((low, _core.sub(sent, above)), (high, above)):
            lined = [_core.movedim(a, (0,), (axis,)) for a in (at, part)]
            _core.scatter_add_(dx, axis, *lined)
        gradients = [dx.reshape(x.shape)]
        if len(inputs) == 2:
            moved = _core.mul(sent, slope)
            others = tuple(range(1, len(before)))
            total = _core.sum(moved, others, False) if others else moved
            gradients.append(total.reshape(fractions.shape))
        return gradients

    return record(op, out, inputs, backward, (low, high, weight, slope))


_INTERPOLATIONS: dict[str, _core.Interpolation] = {
    name: getattr(_core.Interpolation, name)
    for name in ("linear", "lower", "higher", "midpoint", "nearest")
}
