"""Arguments checked at the edge: one message style for every public function.

Each helper returns the value in the form that the core takes, or raises before anything is
allocated: TypeError for the wrong type (a bool or a float where an int belongs), ValueError for the
wrong value. A message names the op, what was expected and what came.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

# Every attribute of a layer fits 32 bits, so that the core's 64-bit sums cannot overflow.
LARGEST = 2**31 - 1

IntOrTuple = int | Sequence[int]


def describe(value: object) -> str:
    """`value` for an error message: its type, and its text where that is short."""
    text = repr(value)
    name = type(value).__name__
    return f"{name} {text}" if len(text) <= 40 and "\n" not in text else name


def wrong_type(op: str, name: str, expected: str, value: object) -> TypeError:
    """The TypeError of an argument, to be raised."""
    return TypeError(f"{op}: expected {name} as {expected}, got {describe(value)}")


def array_of(op: str, name: str, value: Any) -> Array:
    """The core array of a tensor argument; TypeError for anything that is no tensor."""
    try:
        return value._array  # type: ignore[no-any-return]
    except AttributeError:
        raise wrong_type(op, name, "a Tensor", value) from None


def optional_array(op: str, name: str, value: Tensor | None) -> Array | None:
    """The core array of a tensor argument, or None."""
    return None if value is None else array_of(op, name, value)


def as_int(op: str, name: str, value: Any, minimum: int = -LARGEST, maximum: int = LARGEST) -> int:
    """An int in [minimum, maximum]; bools, floats and None are refused."""
    if type(value) is not int:
        if isinstance(value, bool | np.bool_):
            raise wrong_type(op, name, "an int", value)
        try:
            value = operator.index(value)
        except TypeError:
            raise wrong_type(op, name, "an int", value) from None
    if not minimum <= value <= maximum:
        bounds = f">= {minimum}" if value < minimum else f"<= {maximum}"
        raise ValueError(f"{op}: expected {name} {bounds}, got {value}")
    return int(value)


def as_tuple(op: str, name: str, value: Any, length: int, minimum: int) -> tuple[int, ...]:
    """`length` ints of at least `minimum`: one int stands for all of them."""
    if type(value) is int and minimum <= value <= LARGEST:
        return (value,) * length
    if not isinstance(value, tuple | list):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise wrong_type(op, name, f"an int or a tuple of {length} ints", value)
        return (as_int(op, name, value, minimum),) * length
    values = tuple(value)
    if len(values) == 1:
        values *= length
    if len(values) != length:
        raise ValueError(
            f"{op}: expected {name} as an int or a tuple of {length} ints, got {describe(value)}"
        )
    if set(map(type, values)) == {int} and min(values) >= minimum and max(values) <= LARGEST:
        return values
    return tuple(as_int(op, name, v, minimum) for v in values)


def as_float(op: str, name: str, value: Any, minimum: float | None = None) -> float:
    """A Python float; ints and NumPy scalars are accepted, bools and None are not."""
    if type(value) is not float:
        if isinstance(value, bool | str) or value is None:
            raise wrong_type(op, name, "a number", value)
        try:
            value = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise wrong_type(op, name, "a number", value) from None
    number = float(value)
    if minimum is not None and not number >= minimum:
        raise ValueError(f"{op}: expected {name} >= {minimum:g}, got {number}")
    return number


def as_probability(op: str, name: str, value: Any) -> float:
    """A float in [0, 1]."""
    number = as_float(op, name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{op}: expected {name} between 0 and 1, got {number}")
    return number


def as_bool(op: str, name: str, value: Any) -> bool:
    """A Python bool; nothing else is accepted, so that swapped arguments are noticed."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, np.bool_):
        return bool(value)
    raise wrong_type(op, name, "a bool", value)


def as_optional_bool(op: str, name: str, value: Any) -> bool | None:
    """A Python bool, or None for what the library chooses."""
    return None if value is None else as_bool(op, name, value)


def as_axis(op: str, dim: Any, ndim: int) -> int:
    """`dim` in [0, ndim); negative values count from the end, a scalar has dimension 0."""
    if type(dim) is not int:
        dim = as_int(op, "dim", dim)
    bound = ndim or 1
    if not -bound <= dim < bound:
        raise ValueError(
            f"{op}: expected dim between {-bound} and {bound - 1} for {ndim} dimensions, got {dim}"
        )
    return int(dim) + ndim if dim < 0 < ndim else max(int(dim), 0)


def as_axes(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions to reduce; the empty tuple means all of them."""
    if dim is None:
        return ()
    if isinstance(dim, list | tuple):
        axes = tuple([as_axis(op, d, ndim) for d in dim])
        if len(set(axes)) != len(axes):
            raise ValueError(f"{op}: expected distinct dimensions, got {tuple(dim)}")
        return axes
    return (as_axis(op, dim, ndim),)


def as_shape(op: str, shape: Any, minimum: int = 0) -> tuple[int, ...]:
    """A shape from `(2, 3)`, `[2, 3]`, `2, 3` (as the tuple of *args) or `((2, 3),)`."""
    if isinstance(shape, tuple | list):
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            shape = shape[0]
        for n in shape:
            if n.__class__ is not int or not minimum <= n <= LARGEST:
                return tuple([as_int(op, "sizes", n, minimum, 2**62) for n in shape])
        return tuple(shape)
    if isinstance(shape, Iterable) and not isinstance(shape, str):
        return as_shape(op, tuple(shape), minimum)
    return (as_int(op, "sizes", shape, minimum, 2**62),)


def as_choice(op: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """One of the strings in `choices`."""
    if isinstance(value, str) and value in choices:
        return value
    expected = ", ".join(map(repr, choices))
    if not isinstance(value, str):
        raise wrong_type(op, name, f"one of {expected}", value)
    raise ValueError(f"{op}: expected {name} as one of {expected}, got {value!r}")


def as_device(op: str, device: Any) -> None:
    """Accept None and the names of the CPU, where every tensor is.

    Raises:
        ValueError: for another device.
    """
    if device is not None and str(device) not in {"cpu", "cpu:0"}:
        raise ValueError(f"{op}: expected device 'cpu', got {device!r}")
