"""Order and search: sorting, the largest, the distinct, counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_float, as_int, optional_array
from tilewise._dtypes import FLOATING, float32, int32, int64
from tilewise._ops.reduction import ValuesIndices, _truth
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the non-zero elements: (count, ndim), int64, in order.

    With `as_tuple`, one vector of indices for each dimension: what `x[...]` takes.

    Example:
        >>> tw.tensor([0.0, 3.0, 4.0]).nonzero()
        tensor([[1],
                [2]])
    """
    x = array_of("nonzero", "input", input)
    if as_tuple and x.ndim == 0:
        return nonzero(input.reshape(1), as_tuple=True)
    found = _core.nonzero(_truth(x))
    return tuple([wrap(i) for i in _core.unbind(found, 1)]) if as_tuple else wrap(found)


def argwhere(input: Tensor) -> Tensor:
    """The indices of the non-zero elements; see `nonzero`.

    Example:
        >>> tw.argwhere(tw.tensor([0, 3]))
        tensor([[1]])
    """
    return nonzero(input)  # type: ignore[no-any-return]


def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: ARG001
) -> ValuesIndices:
    """The k largest (or smallest) elements along a dimension, in order, with their indices.

    Args:
        input: a tensor of at least one dimension.
        k: how many, at most the size of the dimension.
        dim: the dimension to search.
        largest: the largest, or the smallest.
        sorted: whether the order matters; they are in order either way.

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
        return (
            ValuesIndices(values.reshape(()), indices.reshape(()))
            if count
            else (ValuesIndices(values, indices))
        )
    found, places = _core.topk(x, count, axis, largest)
    return ValuesIndices(_scattered("topk", input, found, axis, places), wrap(places))


def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,  # noqa: ARG001
) -> ValuesIndices:
    """The elements along a dimension in order, with their indices; equal ones keep theirs.

    Args:
        input: a tensor of any shape.
        dim: the dimension to sort.
        descending: from the largest to the smallest.
        stable: whether equal elements keep their order; they do either way.

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


def argsort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,  # noqa: ARG001
) -> Tensor:
    """The indices that `sort` gives.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0]).argsort()
        tensor([1, 2, 0])
    """
    x = array_of("argsort", "input", input)
    axis = as_axis("argsort", dim, x.ndim)
    return wrap(_core.sort(x, axis, as_bool("argsort", "descending", descending))[1])


def _scattered(op: str, input: Tensor, values: Array, axis: int, indices: Array) -> Tensor:
    """A selection along a dimension: the gradient goes back to where each element came from."""
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(values)
    shape = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.scatter_add(shape, axis, indices, dy),)

    return record(op, values, (input,), backward, (indices,))


def picked(op: str, input: Tensor, values: Array, axis: int, index: Array) -> Tensor:
    """One element along a dimension: the gradient goes to where it came from."""
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(values)
    shape = input._array.shape
    kept = (*shape[:axis], 1, *shape[axis + 1 :])

    def backward(dy: Array) -> tuple[Array]:
        return (_core.scatter_add(shape, axis, index.reshape(kept), dy.reshape(kept)),)

    return record(op, values, (input,), backward, (index,))


def msort(input: Tensor) -> Tensor:
    """The elements along the first dimension in order.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0]).msort()
        tensor([1., 2., 3.])
    """
    x = array_of("msort", "input", input)
    if x.ndim == 0:
        return input.clone()
    values, places = _core.sort(x, 0, False)
    return _scattered("msort", input, values, 0, places)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest element along a dimension (k counts from 1), with its index.

    Raises:
        ValueError: where k is out of range.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0]).kthvalue(2).values
        tensor(2.)
    """
    x = array_of("kthvalue", "input", input)
    axis = as_axis("kthvalue", dim, x.ndim)
    count = as_int("kthvalue", "k", k, 1, x.shape[axis] if x.ndim else 1)
    if x.ndim == 0:
        return ValuesIndices(input, wrap(_core.Array.full((), 0, int64)))
    keep = as_bool("kthvalue", "keepdim", keepdim)
    values, index = _core.kth_smallest(x, count, axis, keep)
    return ValuesIndices(picked("kthvalue", input, values, axis, index), wrap(index))


def unique(
    input: Tensor,
    sorted: bool = True,  # noqa: ARG001
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order.

    Args:
        input: a tensor of any shape.
        sorted: whether the order matters; they are in order either way.
        return_inverse: also the index, for each element, of its value in the result.
        return_counts: also how often each occurs.
        dim: the dimension whose entries are compared as wholes; None for single elements.

    Returns:
        The distinct elements, or a tuple (elements, inverse, counts) of those asked for.

    Example:
        >>> tw.unique(tw.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    x = array_of("unique", "input", input)
    if dim is not None and x.ndim != 1:
        return _distinct_entries("unique", x, dim, True, return_inverse, return_counts)
    as_axis("unique", 0 if dim is None else dim, x.ndim)
    values, places = _core.sort(x.reshape((-1,)), 0, False)
    return _distinct(x, values, places, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The elements without those that equal the one before; see `unique`.

    Example:
        >>> tw.unique_consecutive(tw.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    x = array_of("unique_consecutive", "input", input)
    if dim is not None and x.ndim != 1:
        return _distinct_entries("unique_consecutive", x, dim, False, return_inverse, return_counts)
    as_axis("unique_consecutive", 0 if dim is None else dim, x.ndim)
    return _distinct(x, x.reshape((-1,)), None, return_inverse, return_counts)


def _distinct(x: Array, values: Array, places: Array | None, inverse: bool, counts: bool) -> Any:
    """From values whose equal elements are neighbours; `places` is where each was."""
    size = values.size
    starts = _core.Array.full((size,), True, _core.DType.bool_)
    if size > 1:
        before, after = values.slice(0, 0, size - 1, 1), values.slice(0, 1, size, 1)
        starts.slice(0, 1, size, 1).copy_(_core.ne(before, after))
    out = [wrap(_core.masked_select(values, starts))]
    if inverse:
        group = _core.sub(_core.cumsum(starts, 0), 1)
        if places is not None:
            ordered, group = group, _core.Array.empty((size,), int64)
            _core.scatter_(group, 0, places, ordered)
        out.append(wrap(group.reshape(x.shape)))
    if counts:
        first = _core.nonzero(starts).reshape((-1,))
        ends = _core.concat([first, _core.Array.full((1,), size, int64)], 0)
        n = first.size
        out.append(wrap(_core.sub(ends.slice(0, 1, n + 1, 1), first)))
    return tuple(out) if len(out) > 1 else out[0]


def _distinct_entries(
    op: str, x: Array, dim: int, ordered: bool, inverse: bool, counts: bool
) -> Any:
    """The distinct entries of a dimension, which are brought into order where wanted."""
    axis = as_axis(op, dim, x.ndim)
    size = x.shape[axis]
    if x.size == 0 and size:
        raise ValueError(f"{op}: expected entries with elements, got shape {x.shape}")
    order = (axis, *[i for i in range(x.ndim) if i != axis])
    rows = x.permute(order).reshape((size, -1 if x.size else 0))
    places = _core.Array.arange(0, 1, size, int64)
    if ordered:
        places = _core.order_rows(rows)
        rows = _core.index(rows, [places])
    starts = _core.Array.full((size,), True, _core.DType.bool_)
    if size > 1:
        changed = _core.ne(rows.slice(0, 0, size - 1, 1), rows.slice(0, 1, size, 1))
        starts.slice(0, 1, size, 1).copy_(_core.any(changed, (1,), False))
    first = _core.nonzero(starts).reshape((-1,))
    kept = _core.index(places, [first]) if size else places
    out = [wrap(_core.index(x, [*[None] * axis, kept]))]
    if inverse:
        group, back = _core.sub(_core.cumsum(starts, 0), 1), _core.Array.empty((size,), int64)
        if size:
            _core.scatter_(back, 0, places, group)
        out.append(wrap(back))
    if counts:
        ends = _core.concat([first, _core.Array.full((1,), size, int64)], 0)
        out.append(wrap(_core.sub(ends.slice(0, 1, ends.size, 1), first)))
    return tuple(out) if len(out) > 1 else out[0]


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Indices into a flattened tensor as one vector of indices for each dimension.

    Example:
        >>> tw.unravel_index(tw.tensor([5]), (2, 3))
        (tensor([1]), tensor([2]))
    """
    flat = array_of("unravel_index", "indices", indices)
    listed = shape if isinstance(shape, tuple | list) else (shape,)
    sizes = [as_int("unravel_index", "shape", n, 0, 2**63 - 1) for n in listed]
    if flat.dtype in FLOATING or flat.dtype == _core.DType.bool_:
        raise TypeError(f"unravel_index: expected integers, got {flat.dtype.name}")
    parts: list[Tensor] = []
    for n in reversed(sizes):
        parts.append(wrap(_core.remainder(flat, n)))
        flat = _core.floor_div(flat, n)
    return tuple(reversed(parts))


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number 0, 1, 2, … occurs.

    Args:
        input: a vector of integers >= 0.
        weights: what each counts for; None for 1.
        minlength: the least length of the result.

    Returns:
        int64, or the type of `weights`, of length max(minlength, largest + 1).

    Example:
        >>> tw.bincount(tw.tensor([0, 2, 2]))
        tensor([1, 0, 2])
    """
    x = array_of("bincount", "input", input)
    least = as_int("bincount", "minlength", minlength, 0)
    return wrap(_core.bincount(x, optional_array("bincount", "weights", weights), least))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max]; others are not counted.

    Args:
        input: a floating-point tensor.
        bins: the number of parts.
        min: where the first begins; the smallest element where `min` equals `max`.
        max: where the last ends, included.

    Raises:
        ValueError: where max < min or a bound is not finite.

    Example:
        >>> tw.histc(tw.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    x = array_of("histc", "input", input)
    if x.dtype not in FLOATING:
        raise TypeError(f"histc: expected a floating-point tensor, got {x.dtype.name}")
    parts = as_int("histc", "bins", bins, 1)
    low, high = as_float("histc", "min", min), as_float("histc", "max", max)
    if low == high and x.size:
        low, high = float(_core.min(x).item()), float(_core.max(x).item())
    if low == high:
        low, high = low - 1, high + 1
    if not (low < high and abs(low) != float("inf") and abs(high) != float("inf")):
        raise ValueError(f"histc: expected finite min <= max, got {low} and {high}")
    return wrap(_core.histogram(x, parts, low, high))


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values would go into ascending rows.

    Args:
        sorted_sequence: a vector, or rows with the leading dimensions of `input`.
        input: the values; a number gives a scalar.
        out_int32: indices of int32, not int64.
        right: after equal elements, not before them.
        side: "right" or "left": the same.
        sorter: the indices that would sort rows that are not in order.

    Example:
        >>> tw.searchsorted(tw.tensor([1, 3, 5]), tw.tensor([3, 4]))
        tensor([1, 2])
    """
    rows = array_of("searchsorted", "sorted_sequence", sorted_sequence)
    if side is not None and side not in {"left", "right"}:
        raise ValueError(f"searchsorted: expected side as 'left' or 'right', got {side!r}")
    if side == "left" and right:
        raise ValueError("searchsorted: expected side and right to agree, got 'left' and True")
    if sorter is not None:
        order = array_of("searchsorted", "sorter", sorter)
        if order.dtype != int64 or order.shape != rows.shape:
            raise ValueError(
                f"searchsorted: expected an int64 sorter of shape {rows.shape}, got "
                f"{order.dtype.name} {order.shape}"
            )
        rows = _core.gather(rows, rows.ndim - 1, order)
    number = not hasattr(input, "_array")
    values = (
        _core.Array.full((), as_float("searchsorted", "input", input), float32)
        if number
        else (
            input._array  # type: ignore[union-attr]
        )
    )
    if number and rows.ndim != 1:
        raise ValueError(f"searchsorted: expected a vector for a number, got shape {rows.shape}")
    found = _core.search_sorted(rows, values, right or side == "right")
    return wrap(found.astype(int32) if out_int32 else found)


def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Which interval between ascending boundaries each value lies in.

    Example:
        >>> tw.bucketize(tw.tensor([2.0, 6.0]), tw.tensor([1.0, 3.0, 5.0]))
        tensor([1, 3])
    """
    if array_of("bucketize", "boundaries", boundaries).ndim != 1:
        raise ValueError(f"bucketize: expected boundaries as a vector, got {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,  # noqa: ARG001
    invert: bool = False,
) -> Tensor:
    """Whether each element occurs among others; a bool tensor.

    Example:
        >>> tw.isin(tw.tensor([1, 2, 3]), tw.tensor([2, 5]))
        tensor([False,  True, False])
    """
    first = elements if hasattr(elements, "_array") else test_elements
    like = array_of("isin", "elements", first)

    def as_array(value: Any) -> Array:
        if hasattr(value, "_array"):
            return value._array  # type: ignore[no-any-return]
        return _core.add(_core.Array.full((), 0, like.dtype), value)

    x, others = as_array(elements), as_array(test_elements).reshape((-1,))
    if others.size == 0:
        found = _core.Array.full(x.shape, False, _core.DType.bool_)
    else:
        row = _core.sort(others, 0, False)[0]
        at = _core.minimum(_core.search_sorted(row, x, False), row.size - 1)
        found = _core.eq(_core.index(row, [at]), x)
    return wrap(_core.logical_not(found) if invert else found)
