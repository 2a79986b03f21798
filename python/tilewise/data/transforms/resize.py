"""Resizing: antialiased resampling of whole images and of random boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ..._arguments import as_bool, as_choice, as_float, as_int, wrong_type
from ..draws import Draws
from .base import ImageMaker
from .batches import Batch, CoreBatch, Images, Normalization, joined, table, to_core
from .geometry import Indices, as_size

FILTERS = ("nearest", "bilinear", "bicubic")
_MOST_PIXELS = 1 << 28  # of one image after Resize(int): a side of 1 makes the other enormous


def as_filter(op: str, interpolation: Any) -> str:
    """The name of a filter; members of torchvision's InterpolationMode are accepted."""
    return as_choice(op, "interpolation", getattr(interpolation, "value", interpolation), FILTERS)


def as_range(op: str, name: str, value: Any, least: float) -> tuple[float, float]:
    """A pair of finite numbers in order, of at least `least`."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise wrong_type(op, name, "a pair of numbers", value)
    low, high = (as_float(op, name, number) for number in value)
    if not (least <= low <= high and np.isfinite((low, high)).all()):
        raise ValueError(f"{op}: expected {name} in order and >= {least:g}, got {value}")
    return low, high


class Resize(ImageMaker):
    """Resample to a size, with the filter stretched where the image shrinks.

    Equal to Pillow's to one level of 255. (Source: P. S. Heckbert, "Fundamentals of texture mapping
    and image warping", 1989.)

    Args:
        size: (height, width), or the length of the shorter side: the other keeps the shape.
        interpolation: "bilinear", "bicubic" or "nearest".
        max_size: bounds the longer side, where `size` is an int.
        antialias: False takes the filter at its own width, as pixels' neighbours alone.

    Raises:
        ValueError: images without pixels, or a result beyond 2^28 pixels.

    Example:
        >>> Resize(256)(np.zeros((300, 400, 3), np.uint8)).shape
        (256, 341, 3)
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        interpolation: str = "bilinear",
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        pair = as_size("Resize", size)
        self.keeps_shape = not isinstance(size, tuple | list) or len(size) == 1
        self.size = pair
        self.interpolation = as_filter("Resize", interpolation)
        self.antialias = as_bool("Resize", "antialias", antialias)
        self.max_size = None
        if max_size is not None:
            self.max_size = as_int("Resize", "max_size", max_size, 1)
            if not self.keeps_shape or self.max_size < pair[0]:
                raise ValueError(
                    f"Resize: expected max_size beside one int of at most it, got size={size}, "
                    f"max_size={max_size}"
                )

    def sizes(self, sizes: Indices) -> Indices:
        """The sizes (N, 2) that images of `sizes` (N, 2) get."""
        if sizes.size and int(sizes.min()) < 1:
            raise ValueError("Resize: expected images with pixels")
        if not self.keeps_shape:
            return np.tile(np.array(self.size), (len(sizes), 1))
        shorter, longer = sizes.min(1), sizes.max(1)
        new_short = np.full(len(sizes), self.size[0])
        new_long = self.size[0] * longer // np.maximum(shorter, 1)
        if self.max_size is not None:
            over = new_long > self.max_size
            new_short = np.where(over, self.max_size * new_short // new_long, new_short)
            new_long = np.where(over, self.max_size, new_long)
        new_short = np.maximum(new_short, 1)
        if sizes.size and int((new_short * new_long).max()) > _MOST_PIXELS:
            raise ValueError(
                f"Resize: expected results of at most {_MOST_PIXELS:,} pixels, got one of "
                f"{int(new_short.max())}x{int(new_long.max())}"
            )
        tall = sizes[:, 0] >= sizes[:, 1]
        return np.stack(
            [np.where(tall, new_long, new_short), np.where(tall, new_short, new_long)], 1
        )

    def make(  # noqa: D102 (inherited)
        self,
        images: Batch,
        draws: Draws,
        flips: npt.NDArray[np.bool_] | None = None,
        normalization: Normalization | None = None,
    ) -> Batch:
        batch = to_core("Resize", images)
        sizes = self.sizes(batch.sizes)
        if len(sizes) and not (sizes == sizes[0]).all():
            if flips is not None or normalization is not None:
                raise ValueError("Resize: expected one size, or a crop, before ToTensor")
            if isinstance(images, list):
                return batch.back_each(
                    _core.augment_resize_each(
                        batch.handle, table(sizes), self.interpolation, self.antialias
                    )
                )
        size = sizes[0].tolist() if len(sizes) else list(self.size)
        boxes = np.concatenate([np.zeros_like(batch.sizes), batch.sizes], 1)
        return resample(self, batch, boxes, (size[0], size[1]), flips, normalization)

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        made = self.make(images, draws)
        return joined(made) if isinstance(made, list) else made

    def __repr__(self) -> str:
        return f"Resize({self.size[0] if self.keeps_shape else self.size})"


def resample(
    transform: Resize | RandomResizedCrop,
    batch: CoreBatch,
    boxes: Indices,
    size: tuple[int, int],
    flips: npt.NDArray[np.bool_] | None,
    normalization: Normalization | None,
) -> Images:
    """Boxes (N, 4) of top, left, height, width, each resampled to `size`."""
    mirrored = np.zeros(len(boxes), bool) if flips is None else flips
    return batch.back(
        _core.augment_resize(
            batch.handle,
            table(boxes),
            table(mirrored, bool),
            size,
            transform.interpolation,
            transform.antialias,
            normalization,
        )
    )


class RandomResizedCrop(ImageMaker):
    """Cut a box of random area and shape, and resample it to one size.

    (Source: C. Szegedy et al., "Going deeper with convolutions", 2015.) A box is tried ten times;
    images too narrow for the shapes asked for give their middle.

    Args:
        size: side of the result, or (height, width).
        scale: range of the box's area, as a part of the image's.
        ratio: range of its width over its height.
        interpolation: "bilinear", "bicubic" or "nearest".
        antialias: whether the filter is stretched where the box shrinks.

    Example:
        >>> crop = RandomResizedCrop(224, scale=(0.08, 1), ratio=(3 / 4, 4 / 3))
        >>> crop(np.zeros((300, 400, 3), np.uint8)).shape
        (224, 224, 3)
    """

    tries = 10

    def __init__(
        self,
        size: int | tuple[int, int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
        antialias: bool = True,
    ) -> None:
        op = "RandomResizedCrop"
        self.size = as_size(op, size)
        self.scale = as_range(op, "scale", scale, 0.0)
        self.ratio = as_range(op, "ratio", ratio, 1e-6)
        self.interpolation = as_filter(op, interpolation)
        self.antialias = as_bool(op, "antialias", antialias)

    def boxes(self, sizes: Indices, draws: Draws) -> Indices:
        """Boxes (N, 4) of top, left, height, width for images of `sizes` (N, 2)."""
        if sizes.size and int(sizes.min()) < 1:
            raise ValueError("RandomResizedCrop: expected images with pixels")
        extents = self._middle(sizes)
        waiting = np.arange(len(sizes))
        placed = np.zeros(len(sizes), bool)
        for attempt in range(self.tries):
            tried = self._extents(sizes[waiting], draws.take(waiting), 2 + 2 * attempt)
            fits = ((tried >= 1) & (tried <= sizes[waiting])).all(1)
            extents[waiting[fits]] = tried[fits]
            placed[waiting[fits]] = True
            waiting = waiting[~fits]
            if not len(waiting):
                break
        room = sizes - extents
        anywhere = np.stack([draws.integers_below(room[:, i] + 1, draw=i) for i in (0, 1)], 1)
        corners = np.where(placed[:, None], anywhere, room // 2)
        return np.concatenate([corners, extents], 1)

    def _extents(self, sizes: Indices, draws: Draws, draw: int) -> Indices:
        """Heights and widths (N, 2) of random area and shape, inside the image or not."""
        area = sizes.prod(1) * draws.between(*self.scale, draw=draw)
        low, high = np.log(self.ratio)
        shape = np.exp(draws.between(low, high, draw=draw + 1))
        sides = np.sqrt(np.stack([area / shape, area * shape], 1))
        return np.asarray(np.rint(sides), np.int64)

    def _middle(self, sizes: Indices) -> Indices:
        """Heights and widths of the largest middle whose shape is allowed."""
        height, width = sizes[:, 0], sizes[:, 1]
        shape = np.clip(width / np.maximum(height, 1), *self.ratio)
        wide = np.minimum(width, np.rint(height * shape).astype(np.int64))
        tall = np.minimum(height, np.rint(width / shape).astype(np.int64))
        return np.asarray(np.maximum(np.stack([tall, wide], 1), 1), np.int64)

    def make(  # noqa: D102 (inherited)
        self,
        images: Batch,
        draws: Draws,
        flips: npt.NDArray[np.bool_] | None = None,
        normalization: Normalization | None = None,
    ) -> Batch:
        batch = to_core("RandomResizedCrop", images)
        boxes = self.boxes(batch.sizes, draws)
        return resample(self, batch, boxes, self.size, flips, normalization)

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return self.make(images, draws)

    def __repr__(self) -> str:
        return f"RandomResizedCrop({self.size}, scale={self.scale}, ratio={self.ratio})"
