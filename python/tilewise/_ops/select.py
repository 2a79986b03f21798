"""Choice between elements, and limits on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_float
from tilewise._dtypes import FLOATING, bool_
from tilewise._ops.common import SCALARS, operand, unbroadcast
from tilewise.autograd import grad_mode, record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Operand, Scalar
    from tilewise.tensor import Tensor


def clamp(
    input: Tensor, min: Scalar | Tensor | None = None, max: Scalar | Tensor | None = None
) -> Tensor:
    """Limit every element to [min, max].

    The gradient passes where the element lies within the limits, the limits included.

    Args:
        input: a tensor of any shape.
        min: lower limit, a number or a tensor that broadcasts; None for no limit.
        max: upper limit, which wins where it is below the lower one.

    Raises:
        ValueError: where both limits are None.

    Example:
        >>> tw.tensor([-1.0, 0.5, 2.0]).clamp(0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    x = array_of("clamp", "input", input)
    low: Any = min if min is None or min.__class__ in SCALARS else operand("clamp", "min", min)
    high: Any = max if max is None or max.__class__ in SCALARS else operand("clamp", "max", max)
    if low is None and high is None:
        raise ValueError("clamp: expected min or max, got None for both")
    y = _core.clamp(x, low, high)
    recorded = [t for t in (input, min, max) if getattr(t, "_requires_grad", False)]
    if not (recorded and grad_mode.enabled):
        return wrap(y)
    if not (hasattr(low, "dtype") or hasattr(high, "dtype")):
        return record(
            "clamp", y, (input,), lambda dy: (_core.clamp_backward(dy, x, low, high),), (x,)
        )
    return _clamp_by_tensors(y, input, (x, low, high), (min, max))


def _clamp_by_tensors(
    y: Array, input: Tensor, arrays: tuple[Array, Any, Any], limits: tuple[Any, Any]
) -> Tensor:
    x, low, high = arrays
    tensors = [t for t in limits if hasattr(t, "_array")]

    def backward(dy: Array) -> list[Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        below: Any = None if low is None else _core.lt(x, low)
        above: Any = None if high is None else _core.gt(x, high)
        if low is not None and high is not None:  # the upper limit wins
            crossed = _core.lt(high, low)
            above = _core.logical_or(above, _core.logical_and(crossed, _core.ge(high, x)))
            below = _core.logical_and(below, _core.logical_not(crossed))
        moved = (
            below if above is None else above if below is None else _core.logical_or(below, above)
        )
        sent = [unbroadcast(_core.where(moved, zero, dy), x)]
        for limit, hit in ((low, below), (high, above)):
            if hasattr(limit, "dtype"):
                sent.append(unbroadcast(_core.where(hit, dy, zero), limit))
        return sent

    return record(
        "clamp", y, (input, *tensors), backward, tuple(a for a in arrays if hasattr(a, "dtype"))
    )


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """Limit every element from below; see `clamp`.

    Example:
        >>> tw.tensor([-1.0, 2.0]).clamp_min(0)
        tensor([0., 2.])
    """
    return clamp(input, min)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """Limit every element from above; see `clamp`.

    Example:
        >>> tw.tensor([-1.0, 2.0]).clamp_max(1)
        tensor([-1.,  1.])
    """
    return clamp(input, None, max)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` is true, `other` elsewhere; all three broadcast.

    Args:
        condition: a bool tensor. Alone, it gives the indices of its true elements, one vector for
            each dimension.
        input: a tensor or a number.
        other: a tensor or a number.

    Raises:
        TypeError: where `condition` is not bool.

    Example:
        >>> x = tw.tensor([-1.0, 2.0])
        >>> tw.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    c = array_of("where", "condition", condition)
    if input is None and other is None:
        from tilewise._ops.search import nonzero

        return nonzero(condition, as_tuple=True)
    if c.dtype != bool_:
        raise TypeError(f"where: expected condition of dtype bool, got {c.dtype.name}")
    a: Any = input if input.__class__ in SCALARS else operand("where", "input", input)
    b: Any = other if other.__class__ in SCALARS else operand("where", "other", other)
    y = _core.where(c, a, b)
    inputs = tuple([t for t in (input, other) if hasattr(t, "_array")])
    if not recording(inputs):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        sent = []
        if hasattr(input, "_array"):
            sent.append(unbroadcast(_core.where(c, dy, zero), a))
        if hasattr(other, "_array"):
            sent.append(unbroadcast(_core.where(c, zero, dy), b))
        return sent

    return record("where", y, inputs, backward, (c,))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` is true, the tensor elsewhere; the type stays.

    Args:
        input: a tensor of any shape.
        mask: a bool tensor that broadcasts with it.
        value: a number, or a tensor of no dimensions.

    Raises:
        TypeError: where the mask is not bool, or the value does not fit the type.

    Example:
        >>> tw.tensor([1.0, 2.0]).masked_fill(tw.tensor([True, False]), 0)
        tensor([0., 2.])
    """
    x, flags = array_of("masked_fill", "input", input), array_of("masked_fill", "mask", mask)
    if flags.dtype != bool_:
        raise TypeError(f"masked_fill: expected mask of dtype bool, got {flags.dtype.name}")
    new: Any = value if value.__class__ in SCALARS else operand("masked_fill", "value", value)
    plain = value.__class__ is float and x.dtype in FLOATING
    if plain:
        y = _core.where(flags, new, x)
    elif hasattr(new, "dtype"):
        if new.ndim:
            raise ValueError(f"masked_fill: expected value of no dimensions, got {new.shape}")
        if new.dtype in FLOATING and x.dtype not in FLOATING:
            raise TypeError(f"masked_fill: expected value of {x.dtype.name}, got {new.dtype.name}")
        y = _core.where(flags, new.astype(x.dtype), x)
    else:
        if new.__class__ is float and x.dtype not in FLOATING:
            raise TypeError(f"masked_fill: expected value of {x.dtype.name}, got float {new}")
        if x.dtype in FLOATING:
            new = float(new)
        elif x.dtype == bool_:
            new = bool(new)
        y = _core.where(flags, new, x)
    inputs = tuple([t for t in (input, value) if hasattr(t, "_array")])
    if not recording(inputs):
        return wrap(y)

    def backward(dy: Array) -> list[Array]:
        zero = _core.Array.full((), 0, dy.dtype)
        sent = [unbroadcast(_core.where(flags, zero, dy), x)]
        if len(inputs) == 2:
            total = _core.sum(_core.where(flags, dy, zero))
            sent.append(total if total.dtype == new.dtype else total.astype(new.dtype))
        return sent

    return record("masked_fill", y, inputs, backward, (flags,))


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Numbers in place of NaN and infinities.

    Args:
        input: a tensor of any shape; integers are returned as they are.
        nan: for NaN; 0 by default.
        posinf: for infinity; the largest number of the type by default.
        neginf: for minus infinity; the smallest number of the type by default.

    Example:
        >>> tw.tensor([float("nan"), 1.0]).nan_to_num()
        tensor([0., 1.])
    """
    x = array_of("nan_to_num", "input", input)
    if x.dtype not in FLOATING:
        return input.clone()
    single = x.dtype == _core.DType.float32
    largest = (2.0 - 2.0**-23) * 2.0**127 if single else 1.7976931348623157e308
    high = largest if posinf is None else as_float("nan_to_num", "posinf", posinf)
    low = -largest if neginf is None else as_float("nan_to_num", "neginf", neginf)
    value = 0.0 if nan is None else as_float("nan_to_num", "nan", nan)
    y = _core.nan_to_num(x, value, high, low)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    zero = _core.Array.full((), 0, x.dtype)
    return record(
        "nan_to_num", y, (input,), lambda dy: (_core.where(_core.isfinite(x), dy, zero),), (x,)
    )


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, and `values` at zero.

    Example:
        >>> tw.heaviside(tw.tensor([-1.0, 0.0, 2.0]), tw.tensor(0.5))
        tensor([0.0000, 0.5000, 1.0000])
    """
    x, at_zero = array_of("heaviside", "input", input), array_of("heaviside", "values", values)
    return wrap(_core.heaviside(x, at_zero))


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """`input + weight · (end - input)`: the running averages of optimizers and of weights.

    Example:
        >>> tw.lerp(tw.zeros(2), tw.ones(2), 0.25)
        tensor([0.2500, 0.2500])
    """
    x, y = array_of("lerp", "input", input), array_of("lerp", "end", end)
    w: Any = weight if weight.__class__ in SCALARS else operand("lerp", "weight", weight)
    z = _core.lerp(x, y, w)
    inputs: Any = (input, end, weight) if hasattr(weight, "_array") else (input, end)
    if not recording(inputs):
        return wrap(z)

    def backward(dz: Array) -> list[Array]:
        part = _core.mul(dz, w)
        sent = [unbroadcast(_core.sub(dz, part), x), unbroadcast(part, y)]
        if len(inputs) == 3:
            sent.append(unbroadcast(_core.mul(dz, _core.sub(y, x)), w))
        return sent

    return record("lerp", z, inputs, backward, (x, y))


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """`input + value · tensor1 · tensor2`, with broadcasting.

    Example:
        >>> tw.addcmul(tw.ones(2), tw.tensor([1.0, 2.0]), tw.tensor([3.0, 4.0]), value=10)
        tensor([31., 81.])
    """
    x = array_of("addcmul", "input", input)
    a, b = array_of("addcmul", "tensor1", tensor1), array_of("addcmul", "tensor2", tensor2)
    y = _core.addcmul(x, a, b, value)
    inputs = (input, tensor1, tensor2)
    if not recording(inputs):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        sent = dy if value == 1 else _core.mul(dy, value)
        return (
            unbroadcast(dy, x),
            unbroadcast(_core.mul(sent, b), a),
            unbroadcast(_core.mul(sent, a), b),
        )

    return record("addcmul", y, inputs, backward, (a, b), aliases=True)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """`input + value · tensor1 / tensor2`, with broadcasting; floating-point only.

    Example:
        >>> tw.addcdiv(tw.ones(2), tw.tensor([3.0, 4.0]), tw.tensor([1.0, 2.0]), value=10)
        tensor([31., 21.])
    """
    x = array_of("addcdiv", "input", input)
    a, b = array_of("addcdiv", "tensor1", tensor1), array_of("addcdiv", "tensor2", tensor2)
    y = _core.addcdiv(x, a, b, value)
    inputs = (input, tensor1, tensor2)
    if not recording(inputs):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        part = _core.div(dy if value == 1 else _core.mul(dy, value), b)
        down = _core.neg(_core.mul(part, _core.div(a, b)))
        return unbroadcast(dy, x), unbroadcast(part, a), unbroadcast(down, b)

    return record("addcdiv", y, inputs, backward, (a, b), aliases=True)
