"""Dropout of elements and of whole channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_probability
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import AXES
from tilewise.random import Generator, as_generator

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def _dropout(
    op: str,
    forward: Callable[[Array, float, Generator], tuple[Array, Array]],
    input: Tensor,
    p: float,
    training: bool,
    generator: Generator | None,
) -> Tensor:
    x = array_of(op, "input", input)
    chance = as_probability(op, "p", p)
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {x.dtype.name}")
    if not as_bool(op, "training", training) or chance == 0.0:
        return input
    y, mask = forward(x, chance, as_generator(op, generator))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(op, y, (input,), lambda dy: (_core.dropout_backward(dy, mask, chance),), (mask,))


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set each element to zero with probability p and scale the others by 1 / (1 - p).

    The mask depends on the generator's seed and position alone, not on the number of threads.

    Args:
        input: any shape, float32 or float64.
        p: the probability, between 0 and 1.
        training: without it the input is returned as it is.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1].

    Example:
        >>> x = tw.nn.functional.dropout(tw.ones(4, 100), p=0.25)
    """
    y = _dropout("dropout", _core.dropout_forward, input, p, training, generator)
    return input.copy_(y) if as_bool("dropout", "inplace", inplace) and y is not input else y


def _channels(
    op: str,
    dims: int,
    input: Tensor,
    p: float,
    training: bool,
    inplace: bool,
    generator: Generator | None,
) -> Tensor:
    x = array_of(op, "input", input)
    if x.ndim not in {dims + 1, dims + 2}:
        raise ValueError(
            f"{op}: expected input of shape {AXES[dims]}, with or without N, got {x.shape}"
        )
    batch = input.unsqueeze(0) if x.ndim == dims + 1 else input
    y = _dropout(op, _core.dropout_channels_forward, batch, p, training, generator)
    y = y.squeeze(0) if x.ndim == dims + 1 else y
    return input.copy_(y) if as_bool(op, "inplace", inplace) and training else y


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels of (N, C, L) or (C, L) to zero; see `dropout`."""
    return _channels("dropout1d", 1, input, p, training, inplace, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels of (N, C, H, W) or (C, H, W) to zero, one draw a channel; see `dropout`.

    Example:
        >>> x = tw.nn.functional.dropout2d(tw.ones(8, 64, 14, 14), p=0.25)
    """
    return _channels("dropout2d", 2, input, p, training, inplace, generator)


def dropout3d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to zero; see `dropout`."""
    return _channels("dropout3d", 3, input, p, training, inplace, generator)
