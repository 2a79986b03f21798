"""Running sums, products and extremes along a dimension, and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_float, as_int, optional_array
from tilewise._ops import arithmetic, comparison, joining, splitting
from tilewise._ops.common import converted, reduced, unbroadcast
from tilewise._ops.reduction import ValuesIndices
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor


def _reverse_cumsum(x: Array, axis: int) -> Array:
    """The sum of each element and all after it."""
    return _core.flip(_core.cumsum(_core.flip(x, (axis,)), axis), (axis,))


def _scan(op: str, function: Callable[[Array, int], Any], x: Array, dim: int) -> Any:
    if dim.__class__ is not int:
        dim = as_axis(op, dim, x.ndim)
    try:
        return function(x, dim)
    except (TypeError, IndexError):
        as_axis(op, dim, x.ndim)
        raise


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The sum of each element and all before it along a dimension. Integers give int64.

    Example:
        >>> tw.tensor([1.0, 2.0, 3.0]).cumsum(0)
        tensor([1., 3., 6.])
    """
    if dtype is not None:
        input = converted("cumsum", input, dtype)
    x = array_of("cumsum", "input", input)
    y = _scan("cumsum", _core.cumsum, x, dim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axis = as_axis("cumsum", dim, x.ndim)
    if x.ndim == 0:
        return record("cumsum", y, (input,), lambda dy: (dy,), aliases=True)
    return record("cumsum", y, (input,), lambda dy: (_reverse_cumsum(dy, axis),))


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The product of each element and all before it along a dimension; right for zeros too.

    Example:
        >>> tw.tensor([1.0, 2.0, 3.0]).cumprod(0)
        tensor([1., 2., 6.])
    """
    if dtype is not None:
        input = converted("cumprod", input, dtype)
    x = array_of("cumprod", "input", input)
    y = _scan("cumprod", _core.cumprod, x, dim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axis = as_axis("cumprod", dim, x.ndim)

    def backward(dy: Array) -> tuple[Array]:
        if x.ndim == 0:
            return (dy.copy(),)
        # dx_k = sum over i >= k of dy_i times the product of x_j, j <= i, without x_k. Before the
        # first zero that is y_i / x_k. At the first zero the product runs on with a one in its
        # place. After it every product holds that zero: nothing.
        zero = _core.eq(x, 0)
        seen = _core.cumsum(zero, axis)  # zeros up to and with this one
        nothing = _core.Array.full((), 0, x.dtype)
        one = _core.Array.full((), 1, x.dtype)
        first = _core.logical_and(zero, _core.eq(seen, 1))
        before = _core.eq(seen, 0)
        safe = _core.where(zero, one, x)
        whole = _core.div(_reverse_cumsum(_core.mul(dy, y), axis), safe)
        patched = _core.cumprod(_core.where(first, one, x), axis)
        from_first = _core.where(_core.ge(seen, 1), _core.mul(dy, patched), nothing)
        at_first = _reverse_cumsum(from_first, axis)
        return (_core.where(before, whole, _core.where(first, at_first, nothing)),)

    return record("cumprod", y, (input,), backward, (x, y))


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """`log(cumsum(exp(x)))` along a dimension, without overflow.

    Example:
        >>> tw.tensor([100.0, 100.0]).logcumsumexp(0)
        tensor([100.0000, 100.6931])
    """
    x = array_of("logcumsumexp", "input", input)
    y = _scan("logcumsumexp", _core.logcumsumexp, x, dim)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    axis = as_axis("logcumsumexp", dim, x.ndim)

    def backward(dy: Array) -> tuple[Array]:
        if x.ndim == 0:
            return (dy.copy(),)

        # dx_k = exp(x_k) * sum over i >= k of dy_i exp(-y_i), the signs of dy apart, in logarithms.
        def part(sign: Array) -> Array:
            sizes = _core.sub(_core.log(_core.maximum(sign, 0)), y)
            total = _core.flip(_core.logcumsumexp(_core.flip(sizes, (axis,)), axis), (axis,))
            return _core.exp(_core.add(total, x))

        return (_core.sub(part(dy), part(_core.neg(dy))),)

    return record("logcumsumexp", y, (input,), backward, (x, y))


def _extreme(
    op: str, function: Callable[[Array, int], Any], input: Tensor, dim: int
) -> ValuesIndices:
    x = array_of(op, "input", input)
    y, at = _scan(op, function, x, dim)
    if not (input._requires_grad and grad_mode.enabled):
        return ValuesIndices(wrap(y), wrap(at))
    axis, sizes = as_axis(op, dim, x.ndim), x.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.scatter_add(sizes, axis, at, dy),)

    return ValuesIndices(record(op, y, (input,), backward, (at,)), wrap(at))


def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """The largest element so far along a dimension, with its index: the last of equals.

    Example:
        >>> tw.tensor([1.0, 3.0, 2.0]).cummax(0).values
        tensor([1., 3., 3.])
    """
    return _extreme("cummax", _core.cummax, input, dim)


def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """The smallest element so far along a dimension, with its index: the last of equals.

    Example:
        >>> tw.tensor([3.0, 1.0, 2.0]).cummin(0).values
        tensor([3., 1., 1.])
    """
    return _extreme("cummin", _core.cummin, input, dim)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along a dimension, n times over.

    Args:
        input: of at least one dimension.
        n: how many times.
        dim: the dimension.
        prepend: entries to put before the first.
        append: entries to put after the last.

    Example:
        >>> tw.tensor([1.0, 4.0, 9.0]).diff()
        tensor([3., 5.])
    """
    x = array_of("diff", "input", input)
    if x.ndim == 0:
        raise ValueError("diff: expected at least 1 dimension, got a scalar")
    axis, times = as_axis("diff", dim, x.ndim), as_int("diff", "n", n, 0)
    if times == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    y = joining.cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(times, y.shape[axis])):
        size = y.shape[axis]
        if size == 0:
            break
        after = splitting.narrow(y, axis, 1, size - 1)
        before = splitting.narrow(y, axis, 0, size - 1)
        is_bool = y.dtype == _core.DType.bool_
        y = comparison.ne(after, before) if is_bool else arithmetic.sub(after, before)
    return y


def _integral(op: str, y: Tensor, x: Tensor | None, dx: Any, dim: int, running: bool) -> Tensor:
    values = array_of(op, "y", y)
    if values.ndim == 0:
        raise IndexError(f"{op}: expected at least 1 dimension, got a scalar")
    axis = as_axis(op, dim, values.ndim)
    places = optional_array(op, "x", x)
    width: Any = 1.0
    if places is None:
        width = dx._array if hasattr(dx, "_array") else as_float(op, "dx", dx)
    try:
        out = _core.trapezoid(values, places, width, axis, running)
    except ValueError as error:
        raise ValueError(str(error).replace("trapezoid", op, 1)) from None
    inputs = tuple([t for t in (y, x if x is not None else dx) if hasattr(t, "_array")])
    if not recording(inputs):
        return wrap(out)
    steps = width if places is None else _core.distances(places, values, axis)
    last, size = axis - values.ndim, values.shape[axis]  # counted from the end

    def halves(a: Array, at: int) -> tuple[Array, Array]:
        """The entries after the first, and those before the last."""
        return a.slice(at, min(1, size), size, 1), a.slice(at, 0, max(size - 1, 0), 1)

    def spread(a: Array, at: int, join: Any) -> Array:
        """What neighbours that were added or subtracted send back to each."""
        whole = tuple([size if k == at else n for k, n in enumerate(a.shape)])
        parts = _core.Array.full(whole, 0, a.dtype), _core.Array.full(whole, 0, a.dtype)
        halves(parts[0], at)[0].copy_(a)
        halves(parts[1], at)[1].copy_(a)
        return join(*parts)  # type: ignore[no-any-return]

    def backward(dy: Array) -> list[Array]:
        pairs = _core.add(*halves(values, axis))
        areas = _core.mul(pairs, steps).shape
        at = len(areas) + last
        if running:
            sent = _core.mul(_reverse_cumsum(dy, at), 0.5)
        else:
            sent = _core.unsqueeze(_core.mul(dy, 0.5), at).expand(areas)
        gradients = [unbroadcast(spread(_core.mul(sent, steps), at, _core.add), values)]
        if places is not None:
            moved = reduced(_core.mul(sent, pairs), steps.shape, dy.dtype)
            if places.ndim == 1:
                moved = moved.reshape((-1,))
            along = 0 if places.ndim == 1 else places.ndim + last
            gradients.append(unbroadcast(spread(moved, along, _core.sub), places))
        elif len(inputs) == 2:
            gradients.append(unbroadcast(_core.mul(sent, pairs), width))
        return gradients

    return record(op, out, inputs, backward, (values,))


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along a dimension by the trapezoidal rule.

    Args:
        y: the values.
        x: where they were taken; None for equal distances.
        dx: the distance.
        dim: the dimension.

    Example:
        >>> tw.trapezoid(tw.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    return _integral("trapezoid", y, x, dx, dim, running=False)


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1
) -> Tensor:
    """The running integral along a dimension; see `trapezoid`.

    Example:
        >>> tw.cumulative_trapezoid(tw.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    return _integral("cumulative_trapezoid", y, x, dx, dim, running=True)
