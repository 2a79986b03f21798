"""Rotation and other affine maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ..._arguments import as_choice, as_float, wrong_type
from ..draws import Draws
from .base import Transform
from .batches import Images, table, to_core
from .geometry import as_fill
from .resize import as_range

Numbers = npt.NDArray[np.float64]


def as_angles(op: str, name: str, value: Any) -> tuple[float, float]:
    """(low, high) of a pair, or of one number that stands for both signs."""
    if isinstance(value, tuple | list):
        return as_range(op, name, value, -math.inf)
    limit = as_float(op, name, value, 0.0)
    return as_range(op, name, (-limit, limit), -math.inf)


class RandomAffine(Transform):
    """Rotate, shift, scale and shear about the centre, by random amounts.

    Args:
        degrees: range of the angle, or d for (-d, d); positive angles turn clockwise, as in
            torchvision's `RandomAffine`.
        translate: largest shifts, as parts of (width, height); each in [0, 1].
        scale: range of the factor.
        shear: range of the shear along x in degrees, or d for (-d, d); four numbers are ranges
            along x and along y.
        interpolation: "nearest" or "bilinear".
        fill: value of what appears, one or one a channel.
        center: (x, y) of the point that stays, from the top left; the middle by default.

    Raises:
        TypeError, ValueError: an argument is out of its range.

    Example:
        >>> RandomAffine(10, translate=(0.1, 0.1))(np.zeros((28, 28), np.uint8)).shape
        (28, 28)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        op = type(self).__name__
        self.degrees = as_angles(op, "degrees", degrees)
        self.translate = (0.0, 0.0)
        if translate is not None:
            across, down = as_pair(op, "translate", translate)
            if not (0 <= across <= 1 and 0 <= down <= 1):
                raise ValueError(f"{op}: expected translate in [0, 1], got {translate}")
            self.translate = (across, down)
        self.scale = (1.0, 1.0) if scale is None else as_range(op, "scale", scale, 1e-6)
        self.shear = _shears(op, shear)
        self.interpolation = as_choice(
            op, "interpolation", getattr(interpolation, "value", interpolation),
            ("nearest", "bilinear"),
        )  # fmt: skip
        self.fill = as_fill(op, fill)
        self.center = None if center is None else as_pair(op, "center", center)

    def matrices(self, count: int, height: int, width: int, draws: Draws) -> Numbers:
        """float64 (N, 6): where each output pixel's centre comes from."""
        angle = np.radians(self._angles(draws))
        shifts = [
            np.rint(draws.between(-part * side, part * side, draw=1 + i))
            for i, (part, side) in enumerate(zip(self.translate, (width, height), strict=True))
        ]
        factor = draws.between(*self.scale, draw=3)
        across = np.radians(draws.between(*self.shear[0], draw=4))
        down = np.radians(draws.between(*self.shear[1], draw=5))
        # Forward: rotation · shear along y · shear along x · factor, about the centre.
        a = np.cos(angle - down) / np.cos(down)
        b = -a * np.tan(across) - np.sin(angle)
        c = np.sin(angle - down) / np.cos(down)
        d = -c * np.tan(across) + np.cos(angle)
        x, y = (width / 2, height / 2) if self.center is None else self.center
        inverse = np.round(np.stack([d, -b, -c, a]) / factor, 15)
        offsets = [
            inverse[i] * (-x - shifts[0]) + inverse[i + 1] * (-y - shifts[1]) + middle
            for i, middle in ((0, x), (2, y))
        ]
        rows = [inverse[0], inverse[1], offsets[0], inverse[2], inverse[3], offsets[1]]
        return np.stack(rows, 1).reshape(count, 6)

    def _angles(self, draws: Draws) -> Numbers:
        return draws.between(*self.degrees, draw=0)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        batch = to_core(type(self).__name__, images)
        height, width = batch.sizes[0].tolist() if len(batch.sizes) else (0, 0)
        matrices = self.matrices(len(images), height, width, draws)
        return batch.back(
            _core.augment_warp(
                batch.handle,
                table(matrices, np.float64),
                self.interpolation == "bilinear",
                self.fill,
            )
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(degrees={self.degrees})"


class RandomRotation(RandomAffine):
    """Turn by a random angle about the centre.

    Args:
        degrees: range of the angle, or d for (-d, d); positive angles turn counter-clockwise.
        interpolation: "nearest" or "bilinear".
        center: (x, y) of the point that stays, from the top left; the middle by default.
        fill: value of what appears, one or one a channel.

    Raises:
        TypeError, ValueError: an argument is out of its range.

    Example:
        >>> quarter = RandomRotation((90, 90))
        >>> quarter(np.array([[1, 2], [3, 4]], np.uint8)).tolist()
        [[2, 4], [1, 3]]
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__(degrees, interpolation=interpolation, fill=fill, center=center)

    def _angles(self, draws: Draws) -> Numbers:
        return -super()._angles(draws)


def as_pair(op: str, name: str, value: Any) -> tuple[float, float]:
    """Two finite numbers."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise wrong_type(op, name, "a pair of numbers", value)
    first, second = (as_float(op, name, number) for number in value)
    if not (math.isfinite(first) and math.isfinite(second)):
        raise ValueError(f"{op}: expected finite {name}, got {value}")
    return first, second


def _shears(op: str, shear: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    if shear is None:
        return (0.0, 0.0), (0.0, 0.0)
    if isinstance(shear, tuple | list) and len(shear) == 4:
        both = (as_angles(op, "shear", shear[:2]), as_angles(op, "shear", shear[2:]))
    else:
        both = (as_angles(op, "shear", shear), (0.0, 0.0))
    if not all(low >= -89 and high <= 89 for low, high in both):
        raise ValueError(f"{op}: expected shear between -89 and 89 degrees, got {shear}")
    return both
