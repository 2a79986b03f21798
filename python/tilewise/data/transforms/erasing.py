"""Rectangles taken out of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..._arguments import as_int, as_probability
from ..draws import Draws, hash_words
from .base import Transform
from .batches import Images, table, to_core
from .geometry import as_fill, as_size
from .resize import as_range


class RandomErasing(Transform):
    """Replace a random rectangle with probability `p`.

    (Source: Z. Zhong et al., "Random erasing data augmentation", 2020.) It stands before or after
    `ToTensor`. A rectangle is tried ten times; an image that none fits stays as it is.

    Args:
        p: of an image's being changed.
        scale: range of the rectangle's area, as a part of the image's.
        ratio: range of its height over its width.
        value: of its pixels: one number or one a channel, or "random" for standard normal numbers
            (bytes of any value in uint8 images).

    Raises:
        TypeError, ValueError: an argument is out of its range.

    Example:
        >>> RandomErasing(p=1.0)(np.ones((3, 32, 32), np.float32)).sum() < 3 * 32 * 32
        tensor(True)
    """

    tries = 10

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
    ) -> None:
        op = "RandomErasing"
        self.p = as_probability(op, "p", p)
        self.scale = as_range(op, "scale", scale, 0.0)
        if self.scale[1] > 1:
            raise ValueError(f"{op}: expected scale between 0 and 1, got {scale}")
        self.ratio = as_range(op, "ratio", ratio, 1e-6)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"{op}: expected value as numbers or 'random', got {value!r}")
        self.value = None if isinstance(value, str) else as_fill(op, value, "value")

    def boxes(self, height: int, width: int, draws: Draws) -> Any:
        """int64 (N, 4) of top, left, height, width; images that stay have height and width 0."""
        count = len(draws.indices)
        extents = np.zeros((count, 2), np.int64)
        waiting = np.flatnonzero(draws.uniform(0) < self.p)
        logs = np.log(self.ratio)
        for attempt in range(self.tries):
            if not len(waiting):
                break
            some = draws.take(waiting)
            area = height * width * some.between(*self.scale, draw=3 + 2 * attempt)
            shape = np.exp(some.between(logs[0], logs[1], draw=4 + 2 * attempt))
            tried = np.rint(np.sqrt(np.stack([area * shape, area / shape], 1))).astype(np.int64)
            fits = (tried < (height, width)).all(1)
            extents[waiting[fits]] = tried[fits]
            waiting = waiting[~fits]
        room = np.array([height, width]) - extents
        corners = [draws.integers_below(room[:, i] + 1, draw=1 + i) for i in (0, 1)]
        return np.concatenate([np.stack(corners, 1), extents], 1)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        batch = to_core("RandomErasing", images)
        height, width = batch.sizes[0].tolist() if len(batch.sizes) else (0, 0)
        boxes = table(self.boxes(height, width, draws)[:, None])
        if self.value is not None:
            return batch.back(_core.augment_erase(batch.handle, boxes, self.value))
        seeds = hash_words(draws.indices, draws.seed, draws.epoch, draws.stream, -1)
        return batch.back(
            _core.augment_erase_normal(batch.handle, boxes, table(seeds.view(np.int64)))
        )

    def __repr__(self) -> str:
        return f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio})"


class Cutout(Transform):
    """Fill squares around random pixels; parts beyond the border do not count.

    (Source: T. DeVries and G. W. Taylor, "Improved regularization of convolutional neural networks
    with cutout", 2017: a square of 16 for CIFAR-10.)

    Args:
        size: side of a square, or (height, width).
        holes: squares an image.
        fill: their value, one or one a channel.

    Raises:
        TypeError, ValueError: an argument is out of its range.

    Example:
        >>> int(Cutout(2)(np.ones((8, 8), np.uint8)).sum()) >= 60
        True
    """

    def __init__(self, size: int | tuple[int, int], holes: int = 1, fill: Any = 0) -> None:
        self.size = as_size("Cutout", size)
        self.holes = as_int("Cutout", "holes", holes, 1, 1000)
        self.fill = as_fill("Cutout", fill)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        batch = to_core("Cutout", images)
        boxes = np.empty((len(images), self.holes, 4), np.int64)
        boxes[..., 2:] = self.size
        for hole in range(self.holes):
            for axis in (0, 1):
                middle = draws.integers_below(batch.sizes[:, axis], draw=2 * hole + axis)
                boxes[:, hole, axis] = middle - self.size[axis] // 2
        return batch.back(_core.augment_erase(batch.handle, table(boxes), self.fill))

    def __repr__(self) -> str:
        return f"Cutout({self.size}, holes={self.holes})"
