"""Sums, extremes and statistics over some or all dimensions.

`dim` is an int, a tuple of ints, or None for all dimensions; `keepdim` keeps them with size 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_axis, as_bool, as_int
from tilewise._dtypes import FLOATING, bool_
from tilewise._ops import arithmetic
from tilewise._ops.arithmetic import maximum, minimum
from tilewise._ops.common import converted
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor

    Dims = int | Sequence[int] | None


class ValuesIndices(NamedTuple):
    """What a search along one dimension returns."""

    values: Tensor
    indices: Tensor


def _kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction with keepdim=True."""
    if not axes:
        return (1,) * len(shape)
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def _count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    count = 1
    for axis in axes or range(len(shape)):
        count *= shape[axis] if shape else 1
    return count


def reduce(
    op: str, function: Callable[..., Array], x: Array, dim: Any, keepdim: Any, *more: Any
) -> Array:
    """Call a reduction of the core, which checks the dimensions once; the error is ours."""
    try:
        return function(x, dim, *more, keepdim)
    except (TypeError, IndexError, ValueError):
        as_axes(op, dim, x.ndim)
        as_bool(op, "keepdim", keepdim)
        raise


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over `dim`. Integers and bools give int64.

    Args:
        input: a tensor of any shape.
        dim: dimension or dimensions to sum over; None for all.
        keepdim: keep them with size 1.
        dtype: convert to this type first.

    Raises:
        ValueError: where a dimension is out of range or named twice.

    Example:
        >>> tw.ones(2, 3).sum(dim=1)
        tensor([3., 3.])
    """
    if dtype is not None:
        input = converted("sum", input, dtype)
    x = array_of("sum", "input", input)
    y = reduce("sum", _core.sum, x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape, axes = x.shape, as_axes("sum", dim, x.ndim)

    def backward(dy: Array) -> tuple[Array]:
        return (dy.reshape(_kept_shape(shape, axes)).expand(shape),)

    return record("sum", y, (input,), backward, aliases=True)


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Arithmetic mean over `dim`; the arguments are those of `sum`.

    Raises:
        TypeError: where the tensor is of an integer type and no `dtype` is given.

    Example:
        >>> tw.arange(4.0).mean()
        tensor(1.5000)
    """
    if dtype is not None:
        input = converted("mean", input, dtype)
    x = array_of("mean", "input", input)
    y = reduce("mean", _core.mean, x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape, axes = x.shape, as_axes("mean", dim, x.ndim)
    scale = 1.0 / (_count(shape, axes) or 1)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.mul(dy, scale).reshape(_kept_shape(shape, axes)).expand(shape),)

    return record("mean", y, (input,), backward, aliases=True)


def _expect_floating(op: str, x: Array) -> None:
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected a floating-point tensor, got {x.dtype.name}")


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product over one dimension, or of all elements; the gradient is right for zeros too.

    Example:
        >>> tw.tensor([2.0, 3.0, 4.0]).prod()
        tensor(24.)
    """
    if dtype is not None:
        input = converted("prod", input, dtype)
    x = array_of("prod", "input", input)
    y = reduce("prod", _core.prod, x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axes = as_axes("prod", dim, x.ndim)
    kept = _kept_shape(x.shape, axes)

    def backward(dy: Array) -> tuple[Array]:
        # The product of the others is y / x, but where a zero is in it: there it is the product
        # of the non-zeros for a single zero, and 0 for more.
        zero = _core.eq(x, 0)
        ones = _core.Array.full((), 1, x.dtype)
        nothing = _core.Array.full((), 0, x.dtype)
        rest = _core.prod(_core.where(zero, ones, x), axes, True)
        zeros = _core.sum(zero, axes, True)
        at_zero = _core.where(_core.eq(zeros, 1), rest, nothing)
        elsewhere = _core.where(_core.eq(zeros, 0), rest, nothing)
        others = _core.where(zero, at_zero, _core.div(elsewhere, _core.where(zero, ones, x)))
        return (_core.mul(dy.reshape(kept), others),)

    return record("prod", y, (input,), backward, (x,))


def _extreme(
    op: str, function: Callable[..., Array], input: Tensor, dim: Dims, keepdim: bool
) -> Tensor:
    """Largest or smallest element; those that attain it share the gradient."""
    x = array_of(op, "input", input)
    y = reduce(op, function, x, dim, keepdim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axes = as_axes(op, dim, x.ndim)
    kept = _kept_shape(x.shape, axes)

    def backward(dy: Array) -> tuple[Array]:
        attained = _core.eq(x, y.reshape(kept)).astype(dy.dtype)
        share = _core.div(dy.reshape(kept), _core.sum(attained, axes, True))
        return (_core.mul(attained, share),)

    return record(op, y, (input,), backward, (x, y))


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; NaN wins; equal elements share the gradient.

    Example:
        >>> tw.tensor([[1.0, 5.0], [3.0, 2.0]]).amax(dim=(0, 1))
        tensor(5.)
    """
    return _extreme("amax", _core.max, input, dim, keepdim)


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; see `amax`.

    Example:
        >>> tw.tensor([3.0, 1.0]).amin()
        tensor(1.)
    """
    return _extreme("amin", _core.min, input, dim, keepdim)


def _search(
    op: str, find: Callable[..., tuple[Array, Array]], input: Tensor, dim: int, keepdim: bool
) -> ValuesIndices:
    """Extreme along one dimension with its place; the gradient goes to that place."""
    x = array_of(op, "input", input)
    if dim.__class__ is not int:
        dim = as_int(op, "dim", dim)
    try:
        y, index = find(x, dim, keepdim)
    except (TypeError, IndexError):
        as_axis(op, as_int(op, "dim", dim), x.ndim)
        as_bool(op, "keepdim", keepdim)
        raise
    if not (input._requires_grad and grad_mode.enabled):
        return ValuesIndices(wrap(y), wrap(index))
    shape, axis = x.shape, as_axis(op, dim, x.ndim)
    kept = _kept_shape(shape, (axis,))

    def backward(dy: Array) -> tuple[Array]:
        return (_core.scatter_add(shape, axis, index.reshape(kept), dy.reshape(kept)),)

    return ValuesIndices(record(op, y, (input,), backward, (index,)), wrap(index))


@overload
def max(input: Tensor) -> Tensor: ...
@overload
def max(input: Tensor, dim: Tensor) -> Tensor: ...
@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Largest element; with `dim`, along that dimension and with the indices.

    Args:
        input: a tensor of any shape.
        dim: None for the largest of all elements (a scalar); an int for `(values, indices)` along
            that dimension, the first on a tie; a tensor for the elementwise `maximum` of the two.
        keepdim: keep the dimension with size 1.

    Raises:
        ValueError: for an empty tensor or a dimension out of range.

    Example:
        >>> values, indices = tw.tensor([[1.0, 5.0], [3.0, 2.0]]).max(dim=1)
        >>> indices
        tensor([1, 0])
    """
    if dim is None:
        return _extreme("max", _core.max, input, None, keepdim)
    if hasattr(dim, "_array"):
        return maximum(input, dim)
    return _search("max", _core.max_with_index, input, dim, keepdim)


@overload
def min(input: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Smallest element; with `dim`, along that dimension and with the indices; see `max`.

    Example:
        >>> tw.tensor([3.0, 1.0]).min()
        tensor(1.)
    """
    if dim is None:
        return _extreme("min", _core.min, input, None, keepdim)
    if hasattr(dim, "_array"):
        return minimum(input, dim)
    return _search("min", _core.min_with_index, input, dim, keepdim)


def _place(
    op: str, find: Callable[..., Array], input: Tensor, dim: int | None, keepdim: bool
) -> Tensor:
    x = array_of(op, "input", input)
    if dim is None:
        if x.size == 0:
            raise ValueError(f"{op}: expected at least one element, got shape {x.shape}")
        index = find(x.reshape((-1,)), 0, False)
        return wrap(index.reshape((1,) * x.ndim) if keepdim else index)
    if dim.__class__ is not int:
        dim = as_int(op, "dim", dim)
    try:
        return wrap(find(x, dim, keepdim))
    except (TypeError, IndexError, ValueError):
        axis = as_axis(op, dim, x.ndim)
        if x.ndim and x.shape[axis] == 0:
            raise ValueError(f"{op}: expected at least one element, got shape {x.shape}") from None
        as_bool(op, "keepdim", keepdim)
        raise


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element, the first on a tie; int64.

    Args:
        input: a tensor of any shape, not empty.
        dim: the dimension to search; None for the index into the flattened tensor.
        keepdim: keep the dimension with size 1.

    Raises:
        ValueError: for an empty tensor or a dimension out of range.

    Example:
        >>> tw.tensor([[1.0, 5.0], [3.0, 2.0]]).argmax(1)
        tensor([1, 0])
    """
    return _place("argmax", _core.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element; see `argmax`.

    Example:
        >>> tw.tensor([3.0, 1.0]).argmin()
        tensor(1)
    """
    return _place("argmin", _core.argmin, input, dim, keepdim)


def _truth(x: Array) -> Array:
    return x if x.dtype == bool_ else _core.ne(x, 0)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element is non-zero; a bool tensor.

    Example:
        >>> tw.tensor([True, False]).any()
        tensor(True)
    """
    x = array_of("any", "input", input)
    return wrap(reduce("any", _core.any, _truth(x), dim, keepdim))


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are non-zero; a bool tensor.

    Example:
        >>> tw.tensor([True, False]).all()
        tensor(False)
    """
    x = array_of("all", "input", input)
    return wrap(reduce("all", _core.all, _truth(x), dim, keepdim))


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero; int64.

    Example:
        >>> tw.tensor([0.0, 3.0, 4.0]).count_nonzero()
        tensor(2)
    """
    x = array_of("count_nonzero", "input", input)
    return wrap(reduce("count_nonzero", _core.sum, _truth(x), dim, False))


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element, of all or along one dimension.

    Example:
        >>> low, high = tw.tensor([3.0, 1.0, 2.0]).aminmax()
        >>> low, high
        (tensor(1.), tensor(3.))
    """
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _without_nan(op: str, input: Tensor) -> Tensor:
    """The tensor with zeros for NaN."""
    x = array_of(op, "input", input)
    if x.dtype not in FLOATING:
        return input
    y = _core.nan_to_num(x, 0.0, math.inf, -math.inf)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    zero = _core.Array.full((), 0, x.dtype)
    return record(op, y, (input,), lambda dy: (_core.where(_core.isnan(x), zero, dy),), (x,))


def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The sum of the elements that are not NaN; the arguments are those of `sum`.

    Example:
        >>> tw.tensor([1.0, float("nan"), 2.0]).nansum()
        tensor(3.)
    """
    return sum(_without_nan("nansum", input), dim, keepdim, dtype=dtype)


def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The mean of the elements that are not NaN; the arguments are those of `mean`.

    Example:
        >>> tw.tensor([1.0, float("nan"), 2.0]).nanmean()
        tensor(1.5000)
    """
    x = array_of("nanmean", "input", input)
    _expect_floating("nanmean", x)
    total = sum(_without_nan("nanmean", input), dim, keepdim, dtype=dtype)
    count = reduce("nanmean", _core.sum, _core.logical_not(_core.isnan(x)), dim, keepdim)
    return arithmetic.div(total, wrap(count))
