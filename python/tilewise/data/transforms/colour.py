"""Brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..._arguments import as_float, as_probability
from ..draws import Draws
from .base import Transform
from .batches import Images, table, to_core
from .resize import as_range

_NAMES = ("brightness", "contrast", "saturation", "hue")


def _factors(name: str, value: Any) -> tuple[float, float] | None:
    """The range of a factor, or None where it stays 1 (a hue's: 0)."""
    hue = name == "hue"
    if not isinstance(value, tuple | list):
        amount = as_float("ColorJitter", name, value, 0.0)
        value = (-amount, amount) if hue else (max(0.0, 1.0 - amount), 1.0 + amount)
    low, high = as_range("ColorJitter", name, value, -0.5 if hue else 0.0)
    if hue and high > 0.5:
        raise ValueError(f"ColorJitter: expected hue between -0.5 and 0.5, got {value}")
    neutral = 0.0 if hue else 1.0
    return None if low == high == neutral else (low, high)


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue by random amounts, in random order.

    Each is a blend: with black, with the mean grey of the image, with its grey version; hue turns
    in HSV. Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). uint8 images are rounded once, after
    all of them.

    Args:
        brightness, contrast, saturation: the factor's range (low, high), or x for
            (max(0, 1 - x), 1 + x).
        hue: range of the turn, as a part of the circle within [-0.5, 0.5], or x for (-x, x).

    Raises:
        TypeError, ValueError: an argument is out of its range; images of neither 1 nor 3 channels.

    Example:
        >>> jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        >>> jitter(np.zeros((32, 32, 3), np.uint8)).shape
        (32, 32, 3)
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        given = (brightness, contrast, saturation, hue)
        self.ranges = [_factors(name, v) for name, v in zip(_NAMES, given, strict=True)]

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        factors = np.full((len(images), 4), np.nan)
        for i, limits in enumerate(self.ranges):
            if limits is not None:
                factors[:, i] = draws.between(*limits, draw=i)
        keys = np.stack([draws.uniform(4 + i) for i in range(4)], 1)
        return adjust("ColorJitter", images, factors, np.argsort(keys, 1, kind="stable"))

    def __repr__(self) -> str:
        shown = zip(_NAMES, self.ranges, strict=True)
        return f"ColorJitter({', '.join(f'{n}={r}' for n, r in shown if r is not None)})"


def adjust(op: str, images: Images, factors: Any, order: Any) -> Images:
    """Apply factors (N, 4), NaN for none, in the order (N, 4) given."""
    batch = to_core(op, images)
    if batch.channels not in (1, 3):
        raise ValueError(
            f"{op}: expected images of 1 or 3 channels, got {batch.dtype.name} of shape "
            f"{images.shape[1:]}"
        )
    return batch.back(_core.augment_colour(batch.handle, table(factors, np.float64), table(order)))


class RandomGrayscale(Transform):
    """Take the colour away with probability `p`; the channels stay three.

    Raises:
        ValueError: `p` lies outside [0, 1].

    Example:
        >>> RandomGrayscale(p=1.0)(np.array([[[255, 0, 0]]], np.uint8)).tolist()
        [[[76, 76, 76]]]
    """

    def __init__(self, p: float = 0.1) -> None:
        self.p = as_probability("RandomGrayscale", "p", p)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        factors = np.full((len(images), 4), np.nan)
        factors[draws.uniform() < self.p, 2] = 0.0
        return adjust("RandomGrayscale", images, factors, np.tile(np.arange(4), (len(images), 1)))

    def __repr__(self) -> str:
        return f"RandomGrayscale(p={self.p})"
