"""Sums, extremes and statistics over some or all dimensions.

`dim` is an int, a tuple of ints, or None for all dimensions; `keepdim` keeps them with size 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from tilewise import _core
from tilewise._arguments import array_of, as_axes, as_axis, as_bool, as_float, as_int
from tilewise._dtypes import FLOATING, as_dtype, bool_, int64
from tilewise._ops.arithmetic import maximum, minimum
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
        count *= shape[axis]
    return count


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
        input = input.to(as_dtype("sum", dtype))
    x = array_of("sum", "input", input)
    axes = as_axes("sum", dim, x.ndim)
    y = _core.sum(x, axes, bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape = x.shape

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
        input = input.to(as_dtype("mean", dtype))
    x = array_of("mean", "input", input)
    axes = as_axes("mean", dim, x.ndim)
    _expect_floating("mean", x)
    y = _core.mean(x, axes, bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape = x.shape
    scale = 1.0 / (_count(shape, axes) or 1)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.mul(dy, scale).reshape(_kept_shape(shape, axes)).expand(shape),)

    return record("mean", y, (input,), backward, aliases=True)


def _expect_elements(op: str, x: Array) -> None:
    if x.size == 0:
        raise ValueError(f"{op}: expected at least one element, got shape {x.shape}")


def _expect_floating(op: str, x: Array) -> None:
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected a floating-point tensor, got {x.dtype.name}")


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Product over one dimension, or of all elements; the gradient is right for zeros too.

    Example:
        >>> tw.tensor([2.0, 3.0, 4.0]).prod()
        tensor(24.)
    """
    x = array_of("prod", "input", input)
    axes = () if dim is None else (as_axis("prod", dim, x.ndim),)
    y = _core.prod(x, axes, bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
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
    op: str, reduce: Callable[..., Array], input: Tensor, dim: Dims, keepdim: bool
) -> Tensor:
    """Largest or smallest element; those that attain it share the gradient."""
    x = array_of(op, "input", input)
    _expect_elements(op, x)
    axes = as_axes(op, dim, x.ndim)
    y = reduce(x, axes, bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
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
    """Smallest element over `dim`; see `amax`."""
    return _extreme("amin", _core.min, input, dim, keepdim)


def _search(
    op: str, find: Callable[..., tuple[Array, Array]], input: Tensor, dim: int, keepdim: bool
) -> ValuesIndices:
    """Extreme along one dimension with its place; the gradient goes to that place."""
    x = array_of(op, "input", input)
    _expect_elements(op, x)
    axis = as_axis(op, dim, x.ndim)
    if x.ndim == 0:
        values, indices = _search(op, find, input.reshape(1), 0, False)
        return ValuesIndices(values, indices)
    y, index = find(x, axis, bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return ValuesIndices(wrap(y), wrap(index))
    shape = x.shape
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
    return _search("max", _core.max_with_index, input, as_int("max", "dim", dim), keepdim)


@overload
def min(input: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Smallest element; with `dim`, along that dimension and with the indices; see `max`."""
    if dim is None:
        return _extreme("min", _core.min, input, None, keepdim)
    if hasattr(dim, "_array"):
        return minimum(input, dim)
    return _search("min", _core.min_with_index, input, as_int("min", "dim", dim), keepdim)


def _place(
    op: str, find: Callable[..., Array], input: Tensor, dim: int | None, keepdim: bool
) -> Tensor:
    x = array_of(op, "input", input)
    _expect_elements(op, x)
    if dim is None or x.ndim == 0:
        index = find(x.reshape((-1,)), 0, False)
        return wrap(index.reshape((1,) * x.ndim) if keepdim else index)
    return wrap(find(x, as_axis(op, dim, x.ndim), bool(keepdim)))


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
    """Index of the smallest element; see `argmax`."""
    return _place("argmin", _core.argmin, input, dim, keepdim)


def _truth(x: Array) -> Array:
    return x if x.dtype == bool_ else _core.ne(x, 0)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element is non-zero; a bool tensor."""
    x = array_of("any", "input", input)
    return wrap(_core.any(_truth(x), as_axes("any", dim, x.ndim), bool(keepdim)))


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are non-zero; a bool tensor."""
    x = array_of("all", "input", input)
    return wrap(_core.all(_truth(x), as_axes("all", dim, x.ndim), bool(keepdim)))


def var(input: Tensor, dim: Dims = None, keepdim: bool = False, *, correction: float = 1) -> Tensor:
    """Variance over `dim`.

    Args:
        input: a floating-point tensor.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.
        correction: the sum of squares is divided by `n - correction`: 1 (unbiased) or 0.

    Raises:
        TypeError: where the tensor is of an integer type.

    Example:
        >>> tw.arange(4.0).var(correction=0)
        tensor(1.2500)
    """
    x = array_of("var", "input", input)
    _expect_floating("var", x)
    axes = as_axes("var", dim, x.ndim)
    y = _core.var(x, axes, as_float("var", "correction", correction), bool(keepdim))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    freedom = _count(x.shape, axes) - correction
    kept = _kept_shape(x.shape, axes)

    def backward(dy: Array) -> tuple[Array]:
        centred = _core.sub(x, _core.mean(x, axes, True))
        scale = 2.0 / freedom if freedom > 0 else float("nan")
        return (_core.mul(centred, _core.mul(dy.reshape(kept), scale)),)

    return record("var", y, (input,), backward, (x,))


def std(input: Tensor, dim: Dims = None, keepdim: bool = False, *, correction: float = 1) -> Tensor:
    """Standard deviation over `dim`: the root of `var`, with its arguments."""
    return var(input, dim, keepdim, correction=correction).sqrt()


def norm(input: Tensor, p: float | str = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The p-norm of a tensor as a vector, over `dim`.

    Args:
        input: a floating-point tensor.
        p: the order: a number >= 1, infinity, or "fro" for 2.
        dim: dimension or dimensions; None for all.
        keepdim: keep them with size 1.

    Example:
        >>> tw.tensor([3.0, 4.0]).norm()
        tensor(5.)
    """
    _expect_floating("norm", array_of("norm", "input", input))
    order = 2.0 if p == "fro" else as_float("norm", "p", p, 1.0)
    if order == 2.0:
        return (input * input).sum(dim, keepdim).sqrt()
    size = input.abs()
    if order == float("inf"):
        return amax(size, dim, keepdim)
    return (size**order).sum(dim, keepdim) ** (1.0 / order)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """`log(sum(exp(x)))` over `dim`, without overflow.

    Example:
        >>> tw.tensor([1000.0, 1000.0]).logsumexp(0)
        tensor(1000.6931)
    """
    x = array_of("logsumexp", "input", input)
    axes = as_axes("logsumexp", dim, x.ndim)
    top = _core.max(x, axes, True)
    finite = _core.where(_core.isfinite(top), top, _core.Array.full((), 0, x.dtype))
    total = _core.log(_core.sum(_core.exp(_core.sub(x, finite)), axes, True))
    kept = _core.add(total, finite)
    shape = _core.sum(x, axes, False).shape
    y = kept if keepdim else kept.reshape(shape)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.mul(_core.exp(_core.sub(x, kept)), dy.reshape(kept.shape)),)

    return record("logsumexp", y, (input,), backward, (x,))


def nonzero(input: Tensor) -> Tensor:
    """The indices of the non-zero elements: (count, ndim), int64, in order.

    Example:
        >>> tw.tensor([0.0, 3.0, 4.0]).nonzero()
        tensor([[1],
                [2]])
    """
    return wrap(_core.nonzero(_truth(array_of("nonzero", "input", input))))


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True) -> ValuesIndices:
    """The k largest (or smallest) elements along a dimension, in order, with their indices.

    Args:
        input: a tensor of at least one dimension.
        k: how many, at most the size of the dimension.
        dim: the dimension to search.
        largest: the largest, or the smallest.

    Raises:
        ValueError: where k is out of range.

    Example:
        >>> tw.tensor([1.0, 4.0, 2.0]).topk(2).indices
        tensor([1, 2])
    """
    x = array_of("topk", "input", input)
    axis = as_axis("topk", dim, x.ndim)
    count = as_int("topk", "k", k, 0, x.shape[axis] if x.ndim else 1)
    largest = as_bool("topk", "largest", largest)
    if x.ndim == 0:
        values, indices = topk(input.reshape(1), count, 0, largest)
        return ValuesIndices(values, indices)
    found, places = _core.topk(x, count, axis, largest)
    return ValuesIndices(_scattered("topk", input, found, axis, places), wrap(places))


def sort(input: Tensor, dim: int = -1, descending: bool = False) -> ValuesIndices:
    """The elements along a dimension in order, with their indices; equal ones keep theirs.

    Args:
        input: a tensor of any shape.
        dim: the dimension to sort.
        descending: from the largest to the smallest.

    Raises:
        ValueError: where `dim` is out of range.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0]).sort().indices
        tensor([1, 2, 0])
    """
    x = array_of("sort", "input", input)
    axis = as_axis("sort", dim, x.ndim)
    down = as_bool("sort", "descending", descending)
    if x.ndim == 0:
        values, indices = sort(input.reshape(1), 0, down)
        return ValuesIndices(values.reshape(()), indices.reshape(()))
    found, places = _core.sort(x, axis, down)
    return ValuesIndices(_scattered("sort", input, found, axis, places), wrap(places))


def argsort(input: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The indices that `sort` gives."""
    return sort(input, dim, descending).indices


def _scattered(op: str, input: Tensor, values: Array, axis: int, indices: Array) -> Tensor:
    """A selection along a dimension: the gradient goes back to where each element came from."""
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(values)
    shape = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.scatter_add(shape, axis, indices, dy),)

    return record(op, values, (input,), backward, (indices,))


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for dim=0: one element for each index.

    Args:
        input: a tensor of n dimensions.
        dim: the dimension that the indices run along.
        index: an int64 tensor of n dimensions, no larger than `input` but along `dim`.

    Raises:
        ValueError: where the shapes do not fit or an index is out of range.
        TypeError: where the index is not int64.

    Example:
        >>> tw.tensor([[1.0, 2.0], [3.0, 4.0]]).gather(1, tw.tensor([[1], [0]]))
        tensor([[2.],
                [3.]])
    """
    x, i = array_of("gather", "input", input), array_of("gather", "index", index)
    if i.dtype != int64:
        raise TypeError(f"gather: expected index of dtype int64, got {i.dtype.name}")
    axis = as_axis("gather", dim, x.ndim)
    return _scattered("gather", input, _core.gather(x, axis, i), axis, i)
