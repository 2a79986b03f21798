"""Reading and writing by index along one dimension: gather, scatter and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_choice
from tilewise._dtypes import FLOATING, bool_, int32, int64, to_numpy
from tilewise._ops import indexing, shape
from tilewise._ops.common import SCALARS, operand
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
    from tilewise.tensor import Tensor


def _index_of(op: str, index: Tensor) -> Array:
    i = array_of(op, "index", index)
    if i.dtype == int64:
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
    ones = tuple([1 if k == axis else n for k, n in enumerate(x.shape)])
    wanted = tuple([1 if k == axis else n for k, n in enumerate(i.shape)])
    if i.size and _core.min(i).item() < 0:  # counted from the end
        i = _core.where(_core.lt(i, 0), _core.add(i, x.shape[axis]), i)
        indices = wrap(i)
    common = list(shape.broadcast_shapes(ones, wanted))
    common[axis] = x.shape[axis]
    spread = shape.expand(input, common)
    common[axis] = i.shape[axis]
    return gather(spread, axis, shape.expand(indices, common))


_WRITES: dict[str, Callable[[Array, int, Array, Array], None]] = {
    "assign": _core.scatter_,
    "add": _core.scatter_add_,
    "multiply": _core.scatter_multiply_,
    "sum": _core.scatter_add_,
    "prod": _core.scatter_multiply_,
    "amax": _core.scatter_max_,
    "amin": _core.scatter_min_,
}


def _source(op: str, src: Any, x: Array, i: Array) -> Array:
    """The values to write: a tensor of the type of `x`, or a number for all."""
    if src.__class__ in SCALARS:
        return _core.Array.full((), src, x.dtype).expand(i.shape)
    array: Array = operand(op, "src", src)
    if not hasattr(array, "dtype"):
        return _core.Array.full((), array, x.dtype).expand(i.shape)
    if array.dtype != x.dtype:
        raise TypeError(f"{op}: expected src of dtype {x.dtype.name}, got {array.dtype.name}")
    return array


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
    y = x.copy()
    if i.size:
        _WRITES[how](y, axis, i, values)
    inputs = tuple([t for t in (input, src) if hasattr(t, "_array")])
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
        mask = _named(x, i, axis)
        from tilewise._ops.select import where

        neutral = _core.Array.full((), _neutral(reduce, x), x.dtype)
        cleared = where(wrap(mask), wrap(neutral), input)
        if reduce == "mean":
            return _mean(cleared, index, src, axis, own=0)
        return _scattered(op, cleared, dim, index, src, reduce)
    if reduce == "mean":
        return _mean(input, index, src, axis, own=1)
    return _scattered(op, input, dim, index, src, reduce)


def _named(x: Array, i: Array, axis: int) -> Array:
    """Where an index points at."""
    mask = _core.Array.full(x.shape, False, bool_)
    _core.scatter_(mask, axis, i, _core.Array.full((), True, bool_).expand(i.shape))
    return mask


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
    from tilewise._ops import arithmetic

    x, i = input._array, index._array
    total = _scattered("scatter_reduce", input, axis, index, src, "sum")
    count = _core.Array.full(x.shape, own, x.dtype)
    if i.size:
        _core.scatter_add_(count, axis, i, _core.Array.full((), 1, x.dtype).expand(i.shape))
    each = wrap(_core.maximum(count, 1))
    whole = x.dtype not in FLOATING
    return arithmetic.floor_divide(total, each) if whole else arithmetic.div(total, each)


# ---------------------------------------------------------------- whole entries of a dimension


def _entries(op: str, input: Tensor, dim: int, index: Tensor) -> tuple[Array, Array, int]:
    x, i = array_of(op, "input", input), array_of(op, "index", index)
    if i.dtype not in (int64, int32):
        raise TypeError(f"{op}: expected index of dtype int64 or int32, got {i.dtype.name}")
    if i.ndim > 1:
        raise ValueError(f"{op}: expected index of at most 1 dimension, got shape {i.shape}")
    return x, i.astype(int64).reshape((-1,)), as_axis(op, dim, x.ndim)


def _lined(index: Array, sizes: tuple[int, ...], axis: int) -> Array:
    """An index vector along one dimension, expanded over the others."""
    lined = index.reshape(tuple([-1 if k == axis else 1 for k in range(len(sizes))]))
    return lined.expand(tuple([index.size if k == axis else n for k, n in enumerate(sizes)]))


def _by_entry(op: str, input: Tensor, dim: int, index: Tensor, source: Tensor, how: str) -> Tensor:
    x, i, axis = _entries(op, input, dim, index)
    values = array_of(op, "source", source)
    sizes = x.shape or (1,)
    wanted = tuple([i.size if k == axis else n for k, n in enumerate(sizes)])
    scalar = values.ndim == 0 and wanted == (1,)
    if values.shape != wanted and not scalar:
        raise ValueError(f"{op}: expected a source of shape {wanted}, got {values.shape}")
    places = wrap(_core.index(_core.Array.arange(0, 1, sizes[axis], int64), [i]))  # from the end
    lined = wrap(_lined(places._array, sizes, axis))
    out = _scattered(
        op, shape.reshape(input, sizes), axis, lined, shape.reshape(source, wanted), how
    )
    return shape.reshape(out, x.shape)


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1
) -> Tensor:
    """A copy of `input` with `alpha · source` added to the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_add(0, tw.tensor([0, 0]), tw.ones(2))
        tensor([2., 0., 0.])
    """
    from tilewise._ops.arithmetic import mul

    scaled = source if alpha == 1 else mul(source, alpha)
    return _by_entry("index_add", input, dim, index, scaled, "add")


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with `source` in the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_copy(0, tw.tensor([2, 0]), tw.tensor([1.0, 2.0]))
        tensor([2., 0., 1.])
    """
    return _by_entry("index_copy", input, dim, index, source, "assign")


def index_fill(input: Tensor, dim: int, index: Tensor, value: Scalar | Tensor) -> Tensor:
    """A copy of `input` with one number in the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_fill(0, tw.tensor([1]), 5)
        tensor([0., 5., 0.])
    """
    from tilewise._ops.select import masked_fill

    x, i, axis = _entries("index_fill", input, dim, index)
    sizes = x.shape or (1,)
    named = _core.Array.full((sizes[axis],), False, bool_)
    _core.index_put_(named, [i], _core.Array.full((), True, bool_))
    lined = named.reshape(tuple([-1 if k == axis else 1 for k in range(len(sizes))]))
    mask = wrap(lined.expand(sizes).reshape(x.shape))
    return masked_fill(input, mask, value)


def index_put(
    input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy of `input` with `out[indices] = values`, or `+=` where `accumulate` is set.

    Example:
        >>> tw.zeros(3).index_put((tw.tensor([0, 0]),), tw.ones(2), accumulate=True)
        tensor([2., 0., 0.])
    """
    x, v = array_of("index_put", "input", input), array_of("index_put", "values", values)
    if v.dtype != x.dtype:
        raise TypeError(f"index_put: expected values of {x.dtype.name}, got {v.dtype.name}")
    out = input.clone()
    index = tuple(indices)
    if not as_bool("index_put", "accumulate", accumulate):
        indexing.setitem(out, index, values)
        return out
    from tilewise._ops.arithmetic import _add

    steps = indexing.plan(x.shape, index)
    places = [a for a in steps.arrays if a is not None]
    if not places:
        raise ValueError("index_put: expected at least one tensor of indices")
    picked = indexing.getitem(wrap(x), index)
    spread = shape.expand(values, picked.shape)
    added = _core.index_add(x.shape, list(steps.arrays), spread._array)
    if not (spread._requires_grad and grad_mode.enabled):
        return _add(out, wrap(added))

    def backward(dy: Array) -> tuple[Array]:
        return (_core.index(dy, list(steps.arrays)),)

    return _add(out, record("index_put", added, (spread,), backward))


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened tensor, in the shape of `index`.

    Example:
        >>> tw.tensor([[1, 2], [3, 4]]).take(tw.tensor([0, 3]))
        tensor([1, 4])
    """
    array_of("take", "input", input)
    return indexing.getitem(shape.reshape(input, -1), wrap(_index_of("take", index)))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `source` at places of the flattened tensor, or added there.

    Example:
        >>> tw.zeros(2, 2).put(tw.tensor([0, 3]), tw.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    x, i = array_of("put", "input", input), _index_of("put", index)
    if array_of("put", "source", source).size != i.size:
        raise ValueError(f"put: expected {i.size} elements in source, got {source.shape}")
    flat = shape.reshape(input, -1)
    values = shape.reshape(source, -1)
    return shape.reshape(index_put(flat, (wrap(i.reshape((-1,))),), values, accumulate), x.shape)


def _with_part(op: str, input: Tensor, src: Tensor, part: Callable[[Array], Array]) -> Tensor:
    """A copy of `input` whose view `part` holds `src`."""
    x, values = array_of(op, "input", input), array_of(op, "src", src)
    y = x.copy()
    target = part(y)
    if target.shape != values.shape:
        raise ValueError(f"{op}: expected src of shape {target.shape}, got {values.shape}")
    target.copy_(values)
    if not (grad_mode.enabled and (input._requires_grad or src._requires_grad)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        kept = dy.copy()
        part(kept).fill_(0)
        return kept, part(dy)

    return record(op, y, (input, src), backward, aliases=True)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` with `src` as the entry `index` of a dimension.

    Example:
        >>> tw.zeros(2, 2).select_scatter(tw.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    axis = as_axis("select_scatter", dim, array_of("select_scatter", "input", input).ndim)
    place = (*[slice(None)] * axis, index)
    if _core.basic_index(input._array, place) is None:
        raise IndexError(f"select_scatter: expected an index into {input.shape}, got {index}")
    return _with_part("select_scatter", input, src, lambda x: _core.basic_index(x, place))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy of `input` with `src` in a slice of a dimension.

    Example:
        >>> tw.zeros(4).slice_scatter(tw.ones(2), 0, 1, 3)
        tensor([0., 1., 1., 0.])
    """
    axis = as_axis("slice_scatter", dim, array_of("slice_scatter", "input", input).ndim)
    place = (*[slice(None)] * axis, slice(start, end, step))
    if _core.basic_index(input._array, place) is None:
        raise ValueError(f"slice_scatter: expected a slice with a step >= 1, got {place[-1]}")
    return _with_part("slice_scatter", input, src, lambda x: _core.basic_index(x, place))


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of `input` with `src` on a diagonal.

    Example:
        >>> tw.zeros(2, 2).diagonal_scatter(tw.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    array_of("diagonal_scatter", "input", input)
    return _with_part(
        "diagonal_scatter", input, src, lambda x: _core.diagonal(x, offset, dim1, dim2)
    )


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements where `mask` is true taken from `source`, in order.

    Example:
        >>> x, mask = tw.zeros(3), tw.tensor([True, False, True])
        >>> x.masked_scatter(mask, tw.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    x, flags = array_of("masked_scatter", "input", input), array_of("masked_scatter", "mask", mask)
    values = array_of("masked_scatter", "source", source)
    if flags.dtype != bool_:
        raise TypeError(f"masked_scatter: expected mask of dtype bool, got {flags.dtype.name}")
    if values.dtype != x.dtype:
        raise TypeError(
            f"masked_scatter: expected source of {x.dtype.name}, got {values.dtype.name}"
        )
    sizes = shape.broadcast_shapes(x.shape, flags.shape)
    base = shape.expand(input, sizes)
    chosen = _core.nonzero(flags.expand(sizes).reshape((-1,))).reshape((-1,))
    if values.size < chosen.size:
        raise ValueError(
            f"masked_scatter: expected at least {chosen.size} elements in source, got {values.size}"
        )
    from tilewise._ops.joining import narrow

    taken = narrow(shape.reshape(source, -1), 0, 0, chosen.size)
    flat = shape.reshape(base, -1)
    return shape.reshape(
        _scattered("masked_scatter", flat, 0, wrap(chosen), taken, "assign"), sizes
    )
