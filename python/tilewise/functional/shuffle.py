"""Channels and pixels rearranged: one native pass each, and its inverse as the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_int
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


def _images(op: str, input: Tensor) -> Tensor:
    """The input as (N, C, H, W): leading dimensions become one, or one is added.

    Raises:
        TypeError, ValueError: for no tensor, or fewer than three dimensions.
    """
    shape = array_of(op, "input", input).shape
    if len(shape) < 3:
        raise ValueError(f"{op}: expected input of shape (..., C, H, W), got {shape}")
    if len(shape) == 4:
        return input
    batch = 1
    for n in shape[:-3]:
        batch *= n
    return input.reshape(batch, *shape[-3:])


def _rearranged(op: str, input: Tensor, factor: int) -> Tensor:
    images = _images(op, input)
    forward, backward = getattr(_core, op), getattr(_core, _INVERSE[op])
    y = forward(images._array, factor)
    if images._requires_grad and grad_mode.enabled:
        out = record(op, y, (images,), lambda dy: (backward(dy, factor),))
    else:
        out = wrap(y)
    shape = input.shape
    return out if len(shape) == 4 else out.reshape(*shape[:-3], *y.shape[1:])


_INVERSE = {"pixel_shuffle": "pixel_unshuffle", "pixel_unshuffle": "pixel_shuffle"}


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to pixels: (..., C·r², H, W) to (..., C, H·r, W·r) (Shi et al. 2016).

    Args:
        input: a tensor of at least three dimensions, any dtype.
        upscale_factor: r.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: where r² does not divide the channels.

    Example:
        >>> F.pixel_shuffle(tw.arange(4.0).reshape(1, 4, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    op = "pixel_shuffle"
    return _rearranged(op, input, as_int(op, "upscale_factor", upscale_factor, 1))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels to channels: (..., C, H·r, W·r) to (..., C·r², H, W), the inverse of `pixel_shuffle`.

    Args:
        input: a tensor of at least three dimensions, any dtype.
        downscale_factor: r.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: where r does not divide height and width.

    Example:
        >>> F.pixel_unshuffle(tw.arange(4.0).reshape(1, 1, 2, 2), 2).shape
        (1, 4, 1, 1)
    """
    op = "pixel_unshuffle"
    return _rearranged(op, input, as_int(op, "downscale_factor", downscale_factor, 1))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the groups of channels: channel i·C/g + k moves to k·g + i (Zhang et al. 2018).

    Args:
        input: (N, C, spatial...), any dtype.
        groups: g, how many groups the channels form.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: where the groups do not divide the channels.

    Example:
        >>> F.channel_shuffle(tw.arange(6.0).reshape(1, 6, 1), 2).flatten()
        tensor([0., 3., 1., 4., 2., 5.])
    """
    op = "channel_shuffle"
    x = array_of(op, "input", input)
    count = as_int(op, "groups", groups, 1)
    y = _core.channel_shuffle(x, count)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    back = max(x.shape[1] // count, 1)
    return record(op, y, (input,), lambda dy: (_core.channel_shuffle(dy, back),))
