"""Activations beside relu, sigmoid and tanh: the ones that a convolution can apply itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_float
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

ACTIVATIONS = ("none", "relu", "relu6", "leaky_relu", "silu", "hardswish")


def told_by_output(name: str, slope: float) -> bool:
    """Whether the derivative can be told from the output: then the input need not be kept."""
    return name in {"relu", "relu6"} or (name == "leaky_relu" and slope >= 0)


def activate(name: str, input: Tensor, slope: float = 0.01) -> Tensor:
    """One of `ACTIVATIONS`, by name."""
    x = array_of(name, "input", input)
    if x.dtype not in FLOATING:
        raise TypeError(f"{name}: expected input of dtype float32 or float64, got {x.dtype.name}")
    y = _core.activation(x, name, slope)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    kept = y if told_by_output(name, slope) else x
    return record(
        name, y, (input,), lambda dy: (_core.activation_backward(dy, kept, name, slope),), (kept,)
    )


def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6), with a gradient of 0 at 0 and at 6.

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> tw.nn.functional.relu6(tw.tensor([-1.0, 3.0, 8.0]))
        tensor([0., 3., 6.])
    """
    return activate("relu6", input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """X where x > 0, else x · negative_slope.

    Args:
        input: any shape, float32 or float64.
        negative_slope: a finite number.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a slope that is not finite.

    Example:
        >>> tw.nn.functional.leaky_relu(tw.tensor([-1.0, 3.0]), 0.5)
        tensor([-0.5000,  3.0000])
    """
    return activate("leaky_relu", input, as_float("leaky_relu", "negative_slope", negative_slope))


def silu(input: Tensor) -> Tensor:
    """X / (1 + e⁻ˣ).

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> tw.nn.functional.silu(tw.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    return activate("silu", input)


def hardswish(input: Tensor) -> Tensor:
    """X · min(max(x + 3, 0), 6) / 6.

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> tw.nn.functional.hardswish(tw.tensor([-4.0, 0.0, 3.0]))
        tensor([-0., 0., 3.])
    """
    return activate("hardswish", input)
