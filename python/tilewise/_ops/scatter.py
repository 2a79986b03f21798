"""Reading and writing by index along one dimension: gather, scatter and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_choice
from tilewise._dtypes import FLOATING, int32, int64, to_numpy
from tilewise._ops import shape
from tilewise._ops.common import operand
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
    from tilewise.tensor import Tensor


def _index_of(op: str, index: Tensor) -> Array:
    i = array_of(op, "index", index)
    if i.dtype is int64:
        return i
    if i.dtype == int32 or i.size == 0:
        return i.astype(int64)
    raise TypeError(f"{op}: expected index of dtype int64, got {i.dtype.name}")


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for dim=0: one element for each index.

    Args:
        input: a tensor of n dimensions.
        dim: the dimension that the indices run along.
        index: an int64 tensor of n dimensions, no larger than `input` but along `dim`.
        sparse_grad: must be False; gradients are dense.

    Raises:
        ValueError: where the shapes do not fit.
        IndexError: where an index is out of range.
        TypeError: where the index is not int64.

    Example:
        >>> tw.tensor([[1.0, 2.0], [3.0, 4.0]]).gather(1, tw.tensor([[1], [0]]))
        tensor([[2.],
                [3.]])
    """
    x, i = array_of("gather", "input", input), _index_of("gather", index)
    if sparse_grad:
        raise ValueError("gather: expected sparse_grad=False, got True")
    if i.size == 0:  # of any number of dimensions
        as_axis("gather", dim, x.ndim)
        y = _core.Array.empty(i.shape, x.dtype)
    else:
        if dim.__class__ is not int:
            dim = as_axis("gather", dim, x.ndim)
        try:
            y = _core.gather(x, dim, i)
        except (TypeError, IndexError):
            as_axis("gather", dim, x.ndim)
            raise
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axis, sizes = as_axis("gather", dim, x.ndim), x.shape

    def backward(dy: Array) -> tuple[Array]:
        if i.size == 0:
            return (_core.Array.full(sizes, 0, dy.dtype),)
        return (_core.scatter_add(sizes, axis, i, dy),)

    return record("gather", y, (input,), backward, (i,))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with broadcasting of the dimensions but `dim`; None takes the flattened tensor.

    Example:
        >>> x = tw.tensor([[3, 1], [2, 4]])
        >>> tw.take_along_dim(x, x.argsort(1), 1)
        tensor([[1, 3],
                [2, 4]])
    """
    x, i = array_of("take_along_dim", "input", input), _index_of("take_along_dim", indices)
    if dim is None:
        return gather(shape.reshape(input, -1), 0, shape.reshape(indices, -1))
    if x.ndim != i.ndim:
        raise ValueError(
            f"take_along_dim: expected as many dimensions, got {x.shape} and {i.shape}"
        )
    axis = as_axis("take_along_dim", dim, x.ndim)
    y, places = _core.take_along(x, i, axis)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    before = x.shape
    spread = (*y.shape[:axis], *before[axis : axis + 1], *y.shape[axis + 1 :])

    def backward(dy: Array) -> tuple[Array]:
        return (_core.sum_to(_core.scatter_add(spread, axis, places, dy), before),)

    return record("take_along_dim", y, (input,), backward, (places,))


_WRITES: dict[str, Callable[[Array, int, Array, Array], Array]] = {
    "assign": _core.scatter_to_copy,
    "add": _core.scatter_add_to_copy,
    "multiply": _core.scatter_multiply_to_copy,
    "sum": _core.scatter_add_to_copy,
    "prod": _core.scatter_multiply_to_copy,
    "amax": _core.scatter_max_to_copy,
    "amin": _core.scatter_min_to_copy,
}


def _source(op: str, src: Any, x: Array, i: Array) -> Array:
    """The values to write: a tensor of the type of `x`, or a number for all."""
    array = getattr(src, "_array", None)
    if array is None:
        return _core.Array.full((), operand(op, "src", src), x.dtype).expand(i.shape)
    if array.dtype is not x.dtype:
        raise TypeError(f"{op}: expected src of dtype {x.dtype.name}, got {array.dtype.name}")
    return array  # type: ignore[no-any-return]


def _cut(x: Array, sizes: tuple[int, ...]) -> Array:
    """The first entries of each dimension."""
    for dim, n in enumerate(sizes):
        if x.shape[dim] != n:
            x = x.slice(dim, 0, n, 1)
    return x


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | Scalar, *, reduce: str | None = None
) -> Tensor:
    """A copy of `input` with `out[index[i][j]][j] = src[i][j]` for dim=0.

    Args:
        input: a tensor of n dimensions.
        dim: the dimension that the indices run along.
        index: an int64 tensor of n dimensions. Where an index repeats, the last one wins.
        src: a tensor no smaller than `index`, or a number.
        reduce: "add" or "multiply" combines instead of writing.

    Raises:
        ValueError: where the shapes do not fit.
        IndexError: where an index is out of range.
        TypeError: where the index is not int64, or `src` is of another type than `input`.

    Example:
        >>> tw.zeros(3).scatter(0, tw.tensor([0, 2]), tw.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    if reduce is not None:
        as_choice("scatter", "reduce", reduce, ("add", "multiply"))
    return _scattered("scatter", input, dim, index, src, reduce or "assign")


def _scattered(op: str, input: Tensor, dim: int, index: Tensor, src: Any, how: str) -> Tensor:
    x, i = array_of(op, "input", input), _index_of(op, index)
    axis = as_axis(op, dim, x.ndim)
    values = _source(op, src, x, i)
    y = _WRITES[how](x, axis, i, values) if i.size else x.copy()
    inputs = (input, src) if hasattr(src, "_array") else (input,)
    if not recording(inputs):
        return wrap(y)
    if how not in {"assign", "add", "sum"}:
        return _record_reduced(op, y, inputs, (x, i, values), axis, how)

    def backward(dy: Array) -> list[Array]:
        if i.size == 0:
            empty = _core.Array.full(values.shape, 0, dy.dtype)
            return [dy.copy(), empty][: len(inputs)]
        kept = dy.copy()
        if how == "assign":
            _core.scatter_(kept, axis, i, _core.Array.full((), 0, dy.dtype).expand(i.shape))
        sent = [kept]
        if len(inputs) == 2:
            taken = _core.gather(dy, axis, i)
            if taken.shape != values.shape:
                whole = _core.Array.full(values.shape, 0, dy.dtype)
                _cut(whole, i.shape).copy_(taken)
                taken = whole
            sent.append(taken)
        return sent

    return record(op, y, inputs, backward, (i,))


def _record_reduced(
    op: str,
    y: Array,
    inputs: tuple[Any, ...],
    arrays: tuple[Array, Array, Array],
    axis: int,
    how: str,
) -> Tensor:
    """Gradients of products and extremes."""
    x, i, values = arrays
    chosen = _cut(values, i.shape)

    def spread(a: Array, like: Array) -> Array:
        if a.shape == like.shape:
            return a
        whole = _core.Array.full(like.shape, 0, a.dtype)
        _cut(whole, i.shape).copy_(a)
        return whole

    def extremes(dy: Array) -> list[Array]:
        own = _core.eq(x, y).astype(dy.dtype)  # equal ones share the gradient
        given = _core.eq(chosen, _core.gather(y, axis, i)).astype(dy.dtype)
        count = own.copy()
        _core.scatter_add_(count, axis, i, given)
        share = _core.div(dy, _core.maximum(count, 1))
        return [
            _core.mul(own, share),
            spread(_core.mul(given, _core.gather(share, axis, i)), values),
        ]

    def products(dy: Array) -> list[Array]:
        # y without one factor: y / factor; where a single factor is zero, the rest
        one, zero = _core.Array.full((), 1, dy.dtype), _core.Array.full((), 0, dy.dtype)
        no_x, no_v = _core.eq(x, 0), _core.eq(chosen, 0)
        rest = _core.where(no_x, one, x)
        _core.scatter_multiply_(rest, axis, i, _core.where(no_v, one, chosen))
        zeros = no_x.astype(dy.dtype)
        _core.scatter_add_(zeros, axis, i, no_v.astype(dy.dtype))

        def without(factor: Array, is_zero: Array, rest: Array, zeros: Array) -> Array:
            single = _core.where(_core.eq(zeros, 1), rest, zero)
            plain = _core.where(
                _core.eq(zeros, 0), _core.div(rest, _core.where(is_zero, one, factor)), zero
            )
            return _core.where(is_zero, single, plain)

        at = _core.gather(rest, axis, i), _core.gather(zeros, axis, i)
        own = _core.mul(dy, without(x, no_x, rest, zeros))
        given = _core.mul(_core.gather(dy, axis, i), without(chosen, no_v, *at))
        return [own, spread(given, values)]

    backward = products if how in {"multiply", "prod"} else extremes
    if i.size == 0:
        return record(op, y, inputs, lambda dy: [dy.copy(), _core.mul(values, 0)][: len(inputs)])
    return record(op, y, inputs, lambda dy: backward(dy)[: len(inputs)], (x, i, values, y))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of `input` to which `src` is added at the indices; see `scatter`.

    Example:
        >>> tw.zeros(2).scatter_add(0, tw.tensor([0, 0, 1]), tw.ones(3))
        tensor([2., 1.])
    """
    array_of("scatter_add", "src", src)
    return _scattered("scatter_add", input, dim, index, src, "add")


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Each element of `input` combined with all of `src` that its index names.

    Args:
        input: a tensor of n dimensions.
        dim: the dimension that the indices run along.
        index: an int64 tensor of n dimensions.
        src: a tensor no smaller than `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the elements of `input` take part where an index names them.

    Example:
        >>> x, i = tw.tensor([1.0, 2.0]), tw.tensor([0, 0])
        >>> x.scatter_reduce(0, i, tw.tensor([5.0, 3.0]), "amax")
        tensor([5., 2.])
    """
    op = "scatter_reduce"
    as_choice(op, "reduce", reduce, ("sum", "prod", "mean", "amax", "amin"))
    x, i = array_of(op, "input", input), _index_of(op, index)
    array_of(op, "src", src)
    axis = as_axis(op, dim, x.ndim)
    if not as_bool(op, "include_self", include_self) and i.size:
        cleared = _cleared(input, i, axis, _neutral(reduce, x))
        if reduce == "mean":
            return _mean(cleared, index, src, axis, own=0)
        return _scattered(op, cleared, dim, index, src, reduce)
    if reduce == "mean":
        return _mean(input, index, src, axis, own=1)
    return _scattered(op, input, dim, index, src, reduce)


def _cleared(input: Tensor, i: Array, axis: int, value: Any) -> Tensor:
    """The tensor with a number where an index points at."""
    x = input._array

    def clear(a: Array, value: Any) -> Array:
        number = _core.Array.full((), value, a.dtype).expand(i.shape)
        return _core.scatter_to_copy(a, axis, i, number)

    y = clear(x, value)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("scatter_reduce", y, (input,), lambda dy: (clear(dy, 0),), (i,))


def _neutral(reduce: str, x: Array) -> Any:
    """What changes no result."""
    if reduce in {"sum", "mean"}:
        return 0
    if reduce == "prod":
        return 1
    smallest = reduce == "amax"
    if x.dtype in FLOATING:
        return float("-inf") if smallest else float("inf")
    limits: Any = np.iinfo(to_numpy(x.dtype))
    return int(limits.min if smallest else limits.max)


def _mean(input: Tensor, index: Tensor, src: Tensor, axis: int, own: int) -> Tensor:
    x, i = input._array, index._array
    total = _scattered("scatter_reduce", input, axis, index, src, "sum")
    count = _core.Array.full(x.shape, own, x.dtype)
    if i.size:
        _core.scatter_add_(count, axis, i, _core.Array.full((), 1, x.dtype).expand(i.shape))
    each = _core.maximum(count, 1)
    y = (_core.div if x.dtype in FLOATING else _core.floor_div)(total._array, each)
    if not total._requires_grad:
        return wrap(y)
    return record("scatter_reduce", y, (total,), lambda dy: (_core.div(dy, each),), (each,))
