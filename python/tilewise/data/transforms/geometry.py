"""Crops, flips and borders: transforms that move pixels without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ..._arguments import as_bool, as_choice, as_float, as_int, as_probability, as_tuple, wrong_type
from ..draws import Draws
from .base import ImageMaker
from .batches import Batch, Images, Normalization, table, to_core

Indices = npt.NDArray[np.int64]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def as_fill(op: str, fill: Any, name: str = "fill") -> list[float]:
    """Numbers of the fill: one, or one a channel."""
    values = list(fill) if isinstance(fill, tuple | list) else [fill]
    if not values:
        raise ValueError(f"{op}: expected {name} as a number or one for each channel, got none")
    return [as_float(op, name, value) for value in values]


def beyond_border(indices: Indices, extent: Indices, mode: str) -> Indices:
    """The pixel that stands at each index of an axis of `extent` (N, 1) pixels; -1 is the fill."""
    if mode == "edge":
        return np.clip(indices, 0, extent - 1)
    if mode == "constant":
        return np.where((indices >= 0) & (indices < extent), indices, -1)
    # Both reflections are periodic; "symmetric" repeats the border's pixel.
    last = extent - 1 if mode == "reflect" else extent
    period = np.maximum(2 * last, 1)
    place = indices % period
    mirrored = np.where(place > last, period - place, place)
    if mode == "reflect":
        return mirrored
    return np.where(place >= extent, period - 1 - place, place)


class PixelMap(ImageMaker):
    """Base of the transforms whose every pixel is a pixel of the input, or a constant."""

    fill: list[float]

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:
        """Source rows (N, h) and columns (N, w) for images of `sizes` (N, 2); -1 is the fill."""
        raise NotImplementedError(f"{type(self).__name__} must define maps")

    def make(  # noqa: D102 (inherited)
        self,
        images: Batch,
        draws: Draws,
        flips: npt.NDArray[np.bool_] | None = None,
        normalization: Normalization | None = None,
    ) -> Batch:
        batch = to_core(type(self).__name__, images)
        rows, columns = self.maps(batch.sizes, draws)
        if flips is not None:
            columns = np.where(flips[:, None], columns[:, ::-1], columns)
        return batch.back(
            _core.augment_gather(
                batch.handle, table(rows), table(columns), self.fill, normalization
            )
        )

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return self.make(images, draws)


def crop_maps(
    tops: Indices, lefts: Indices, sizes: Indices, size: tuple[int, int], mode: str
) -> tuple[Indices, Indices]:
    """Rows and columns of windows of `size` whose corner may lie outside the image."""
    rows = tops[:, None] + np.arange(size[0])
    columns = lefts[:, None] + np.arange(size[1])
    return (
        beyond_border(rows, sizes[:, :1], mode),
        beyond_border(columns, sizes[:, 1:], mode),
    )


def as_padding(op: str, padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of an int, (horizontal, vertical), or all four."""
    if padding is None:
        return (0, 0, 0, 0)
    if isinstance(padding, tuple | list):
        if len(padding) not in (1, 2, 4):
            raise ValueError(f"{op}: expected padding as 1, 2 or 4 ints, got {padding}")
        values = [as_int(op, "padding", value, 0, 1 << 20) for value in padding]
        left, top, right, bottom = values * (4 // len(values))
        return left, top, right, bottom
    side = as_int(op, "padding", padding, 0, 1 << 20)
    return (side, side, side, side)


class Pad(PixelMap):
    """Add pixels around the image.

    Args:
        padding: one int for every side, (left and right, top and bottom), or (left, top, right,
            bottom).
        fill: their value, one or one a channel.
        padding_mode: "constant", or "edge", "reflect", "symmetric" to continue the image.

    Example:
        >>> Pad(2)(np.zeros((28, 28), np.uint8)).shape
        (32, 32)
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        self.padding = as_padding("Pad", padding)
        self.fill = as_fill("Pad", fill)
        self.padding_mode = as_choice("Pad", "padding_mode", padding_mode, PADDING_MODES)

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:  # noqa: D102
        check_one_size("Pad", sizes)
        height, width = sizes[0].tolist() if len(sizes) else (0, 0)
        left, top, right, bottom = self.padding
        size = (top + height + bottom, left + width + right)
        count = len(sizes)
        return crop_maps(
            np.full(count, -top), np.full(count, -left), sizes, size, self.padding_mode
        )

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return ImageMaker.apply_each(self, images, draws)

    def __repr__(self) -> str:
        return f"Pad({self.padding})"


def check_one_size(op: str, sizes: Indices) -> None:
    """Raise unless the images have one size."""
    if len(sizes) and not (sizes == sizes[0]).all():
        raise ValueError(f"{op}: expected images of one size")


class RandomCrop(PixelMap):
    """Cut a window at a random place, after padding the sides.

    Args:
        size: side of the window, or (height, width).
        padding: pixels added first: one int, (left and right, top and bottom), or (left, top,
            right, bottom).
        pad_if_needed: pad smaller images up to the window, on both sides.
        fill: value of the added pixels, one or one a channel.
        padding_mode: "constant", or "edge", "reflect", "symmetric" to continue the image.

    Raises:
        ValueError: the window is larger than the padded image.

    Example:
        >>> RandomCrop(28, padding=2)(np.zeros((28, 28), np.uint8)).shape
        (28, 28)
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        op = type(self).__name__
        self.size = as_size(op, size)
        self.padding = as_padding(op, padding)
        self.pad_if_needed = as_bool(op, "pad_if_needed", pad_if_needed)
        self.fill = as_fill(op, fill)
        self.padding_mode = as_choice(op, "padding_mode", padding_mode, PADDING_MODES)

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:  # noqa: D102
        left, top, right, bottom = self.padding
        corner = np.tile(np.array([-top, -left]), (len(sizes), 1))
        room = sizes + np.array([top + bottom, left + right]) - np.array(self.size)
        if self.pad_if_needed:
            missing = np.maximum(-room, 0)
            corner, room = corner - missing, room + 2 * missing
        if room.size and int(room.min()) < 0:
            image = int(np.argmin(room.min(1)))
            raise ValueError(
                f"{type(self).__name__}: expected images of at least {self.size}, got "
                f"{tuple(sizes[image].tolist())} with padding {self.padding}"
            )
        tops = corner[:, 0] + draws.integers_below(room[:, 0] + 1, draw=0)
        lefts = corner[:, 1] + draws.integers_below(room[:, 1] + 1, draw=1)
        return crop_maps(tops, lefts, sizes, self.size, self.padding_mode)

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, padding={self.padding})"


class RandomShift(PixelMap):
    """Move the image by up to `pixels` in each direction and fill what appears.

    Example:
        >>> RandomShift(2)(np.zeros((28, 28), np.uint8)).shape
        (28, 28)
    """

    def __init__(self, pixels: int, fill: Any = 0) -> None:
        self.pixels = as_int("RandomShift", "pixels", pixels, 0, 1 << 20)
        self.fill = as_fill("RandomShift", fill)

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:  # noqa: D102
        check_one_size("RandomShift", sizes)
        room = np.full(len(sizes), 2 * self.pixels + 1)
        tops = draws.integers_below(room, draw=0) - self.pixels
        lefts = draws.integers_below(room, draw=1) - self.pixels
        height, width = sizes[0].tolist() if len(sizes) else (0, 0)
        return crop_maps(tops, lefts, sizes, (height, width), "constant")

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return ImageMaker.apply_each(self, images, draws)

    def __repr__(self) -> str:
        return f"RandomShift({self.pixels})"


class CenterCrop(PixelMap):
    """Cut the middle; smaller images are padded with `fill`.

    Args:
        size: side of the window, or (height, width).
        fill: value of added pixels.

    Example:
        >>> CenterCrop(224)(np.zeros((256, 300, 3), np.uint8)).shape
        (224, 224, 3)
    """

    def __init__(self, size: int | tuple[int, int], fill: Any = 0) -> None:
        self.size = as_size("CenterCrop", size)
        self.fill = as_fill("CenterCrop", fill)

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:  # noqa: D102
        room = sizes - np.array(self.size)
        corners = np.where(room >= 0, np.rint(room / 2).astype(np.int64), -(-room // 2))
        return crop_maps(corners[:, 0], corners[:, 1], sizes, self.size, "constant")

    def __repr__(self) -> str:
        return f"CenterCrop({self.size})"


class RandomHorizontalFlip(PixelMap):
    """Mirror left and right with probability `p`.

    Raises:
        ValueError: `p` lies outside [0, 1].

    Example:
        >>> RandomHorizontalFlip(p=1.0)(np.array([[1, 2]], np.uint8)).tolist()
        [[2, 1]]
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = as_probability(type(self).__name__, "p", p)
        self.fill = [0.0]

    def chosen(self, draws: Draws) -> npt.NDArray[np.bool_]:
        """Bool (N,): which images are mirrored."""
        return np.asarray(draws.uniform() < self.p)

    def maps(self, sizes: Indices, draws: Draws) -> tuple[Indices, Indices]:  # noqa: D102
        check_one_size(type(self).__name__, sizes)
        height, width = sizes[0].tolist() if len(sizes) else (0, 0)
        rows, columns = np.arange(height), np.arange(width)
        return self._mirrored(
            np.tile(rows, (len(sizes), 1)), np.tile(columns, (len(sizes), 1)), self.chosen(draws)
        )

    def _mirrored(
        self, rows: Indices, columns: Indices, chosen: npt.NDArray[np.bool_]
    ) -> tuple[Indices, Indices]:
        return rows, np.where(chosen[:, None], columns[:, ::-1], columns)

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return ImageMaker.apply_each(self, images, draws)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror top and bottom with probability `p`.

    Raises:
        ValueError: `p` lies outside [0, 1].

    Example:
        >>> RandomVerticalFlip(p=1.0)(np.array([[1], [2]], np.uint8)).tolist()
        [[2], [1]]
    """

    def _mirrored(
        self, rows: Indices, columns: Indices, chosen: npt.NDArray[np.bool_]
    ) -> tuple[Indices, Indices]:
        return np.where(chosen[:, None], rows[:, ::-1], rows), columns


def as_size(op: str, size: Any) -> tuple[int, int]:
    """(height, width) of an int or a pair."""
    if isinstance(size, bool) or not (hasattr(size, "__index__") or isinstance(size, tuple | list)):
        raise wrong_type(op, "size", "an int or (height, width)", size)
    pair = as_tuple(op, "size", size, 2, -(1 << 31))
    if not all(1 <= side <= 1 << 20 for side in pair):
        raise ValueError(f"{op}: expected a positive size of at most {1 << 20}, got {size}")
    return pair[0], pair[1]
