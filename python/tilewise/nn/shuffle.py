"""Layers that rearrange channels and pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_int
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class PixelShuffle(Module):
    """(..., C·r², H, W) to (..., C, H·r, W·r).

    Args:
        upscale_factor: r.

    Example:
        >>> nn.PixelShuffle(3)(tw.zeros(1, 9, 4, 4)).shape
        (1, 1, 12, 12)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = as_int("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        """The shuffled input."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H·r, W·r) to (..., C·r², H, W).

    Args:
        downscale_factor: r.

    Example:
        >>> nn.PixelUnshuffle(3)(tw.zeros(1, 1, 12, 12)).shape
        (1, 9, 4, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = as_int("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        """The shuffled input."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels of (N, C, spatial...) interleaved by groups.

    Args:
        groups: how many groups the channels form.

    Example:
        >>> nn.ChannelShuffle(2)(tw.arange(4.0).reshape(1, 4, 1, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = as_int("ChannelShuffle", "groups", groups, 1)

    def forward(self, input: Tensor) -> Tensor:
        """The shuffled input."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The groups."""
        return f"groups={self.groups}"
