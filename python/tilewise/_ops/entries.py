"""Copies with some entries replaced.

Whole entries of a dimension, elements that indices or a mask name, or the part that a view shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_float
from tilewise._dtypes import FLOATING, int32, int64
from tilewise._ops import indexing
from tilewise._ops.common import SCALARS, operand, unbroadcast
from tilewise._ops.scatter import _index_of
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Scalar
    from tilewise.tensor import Tensor


def _entries(op: str, input: Tensor, dim: int, index: Tensor) -> tuple[Array, list[Array | None]]:
    """The array, of at least one dimension, and the indices in the form of the core."""
    x, i = array_of(op, "input", input), array_of(op, "index", index)
    if i.dtype is not int64 and i.dtype is not int32:
        raise TypeError(f"{op}: expected index of dtype int64 or int32, got {i.dtype.name}")
    if i.ndim > 1:
        raise ValueError(f"{op}: expected index of at most 1 dimension, got shape {i.shape}")
    axis = as_axis(op, dim, x.ndim)
    return x if x.ndim else x.reshape((1,)), [
        *[None] * axis,
        i if i.ndim else i.reshape((1,)),
    ]


def _by_entry(op: str, input: Tensor, dim: int, index: Tensor, source: Tensor, how: Any) -> Tensor:
    """`source` in place of the entries of `input`, or, for a number, that many times added."""
    x, places = _entries(op, input, dim, index)
    values, axis, count = array_of(op, "source", source), len(places) - 1, index._array.size
    wanted = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    if values.shape != wanted and not (values.ndim == 0 and wanted == (1,)):
        raise ValueError(f"{op}: expected a source of shape {wanted}, got {values.shape}")
    if values.dtype is not x.dtype:
        raise TypeError(f"{op}: expected source of dtype {x.dtype.name}, got {values.dtype.name}")
    adds = how is not None
    scaled = values if how is None or how == 1 else _core.mul(values, how).astype(x.dtype)
    y = _core.index_put(x, places, scaled, adds)
    before, given = input._array.shape, values.shape
    if before != x.shape:
        y = y.reshape(before)
    if not recording((input, source)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        whole = dy.reshape(x.shape)
        kept = dy if adds else _core.index_put(whole, places, _core.Array.full((), 0, dy.dtype))
        sent = _core.index(whole, places) if count else whole.slice(axis, 0, 0, 1)
        if adds and how != 1:
            sent = _core.mul(sent, how)
        return kept.reshape(before), sent.reshape(given)

    return record(op, y, (input, source), backward, aliases=True)


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1
) -> Tensor:
    """A copy of `input` with `alpha · source` added to the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_add(0, tw.tensor([0, 0]), tw.ones(2))
        tensor([2., 0., 0.])
    """
    if alpha.__class__ not in SCALARS:
        as_float("index_add", "alpha", alpha)
    return _by_entry("index_add", input, dim, index, source, alpha)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with `source` in the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_copy(0, tw.tensor([2, 0]), tw.tensor([1.0, 2.0]))
        tensor([2., 0., 1.])
    """
    return _by_entry("index_copy", input, dim, index, source, None)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Scalar | Tensor) -> Tensor:
    """A copy of `input` with one number in the entries that `index` names.

    Example:
        >>> tw.zeros(3).index_fill(0, tw.tensor([1]), 5)
        tensor([0., 5., 0.])
    """
    x, places = _entries("index_fill", input, dim, index)
    tensor = hasattr(value, "_array")
    number: Any = value if value.__class__ in SCALARS else operand("index_fill", "value", value)
    new = (
        number
        if tensor
        else _core.Array.full(
            (), number, _core.DType.float64 if number.__class__ is float else x.dtype
        )
    )
    if new.ndim:
        raise ValueError(f"index_fill: expected value of no dimensions, got {new.shape}")
    if new.dtype in FLOATING and x.dtype not in FLOATING:
        raise TypeError(f"index_fill: expected value of {x.dtype.name}, got {new.dtype.name}")
    before = input._array.shape
    y = _core.index_put(x, places, new).reshape(before)
    inputs: Any = (input, value) if tensor else (input,)
    if not recording(inputs):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        whole = dy.reshape(x.shape)
        zero = _core.Array.full((), 0, dy.dtype)
        kept = _core.index_put(whole, places, zero)
        sent = [kept.reshape(before)]
        if tensor:  # every entry once, however often it is named
            sent.append(_core.sum(_core.sub(whole, kept)).astype(new.dtype))
        return sent

    return record("index_fill", y, inputs, backward)


def index_put(
    input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy of `input` with `out[indices] = values`, or `+=` where `accumulate` is set.

    Example:
        >>> tw.zeros(3).index_put((tw.tensor([0, 0]),), tw.ones(2), accumulate=True)
        tensor([2., 0., 0.])
    """
    x, v = array_of("index_put", "input", input), array_of("index_put", "values", values)
    if v.dtype is not x.dtype:
        raise TypeError(f"index_put: expected values of {x.dtype.name}, got {v.dtype.name}")
    adds = as_bool("index_put", "accumulate", accumulate)
    given = tuple(indices)
    steps = indexing.plan_of(x, given)
    if not any(a is not None for a in steps.arrays):
        if adds:
            raise ValueError("index_put: expected at least one tensor of indices")
        out = input.clone()
        indexing.setitem(out, given, values)
        return out
    places = list(steps.arrays)
    y = x.copy()
    _core.index_put_(steps.view(y), places, v, adds)
    if not recording((input, values)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        kept = dy
        if not adds:
            kept = dy.copy()
            _core.index_put_(steps.view(kept), places, _core.Array.full((), 0, dy.dtype))
        return kept, unbroadcast(_core.index(steps.view(dy), places), v)

    return record("index_put", y, (input, values), backward, aliases=True)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened tensor, in the shape of `index`.

    Example:
        >>> tw.tensor([[1, 2], [3, 4]]).take(tw.tensor([0, 3]))
        tensor([1, 4])
    """
    x, i = array_of("take", "input", input), _index_of("take", index)
    y = _core.index(x.reshape((-1,)), [i])
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        return (_core.index_add((x.size,), [i], dy).reshape(x.shape),)

    return record("take", y, (input,), backward, (i,))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `source` at places of the flattened tensor, or added there.

    Example:
        >>> tw.zeros(2, 2).put(tw.tensor([0, 3]), tw.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    x, i = array_of("put", "input", input), _index_of("put", index)
    values = array_of("put", "source", source)
    if values.size != i.size:
        raise ValueError(f"put: expected {i.size} elements in source, got {values.shape}")
    if values.dtype is not x.dtype:
        raise TypeError(f"put: expected source of {x.dtype.name}, got {values.dtype.name}")
    adds = as_bool("put", "accumulate", accumulate)
    y = _core.put(x, i, values, adds)
    if not recording((input, source)):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array]:
        flat, places = dy.reshape((-1,)), [i.reshape((-1,))]
        kept = flat if adds else _core.index_put(flat, places, _core.Array.full((), 0, dy.dtype))
        return kept.reshape(x.shape), _core.index(flat, places).reshape(values.shape)

    return record("put", y, (input, source), backward, aliases=True)


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
    y = _core.masked_scatter(x, flags, values)
    if not recording((input, source)):
        return wrap(y)
    chosen = flags.expand(y.shape)

    def backward(dy: Array) -> tuple[Array, Array]:
        kept = _core.where(chosen, _core.Array.full((), 0, dy.dtype), dy)
        taken = _core.masked_select(dy, chosen)
        sent = _core.Array.full((values.size,), 0, dy.dtype)
        sent.slice(0, 0, taken.size, 1).copy_(taken)
        return _core.sum_to(kept, x.shape), sent.reshape(values.shape)

    return record("masked_scatter", y, (input, source), backward, (flags,))
