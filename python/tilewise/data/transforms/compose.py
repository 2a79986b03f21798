"""A sequence of transforms, with what can be done in one pass done in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..draws import Draws
from .base import ImageMaker, Normalize, ToTensor, Transform, run, to_floats
from .batches import Batch, Images, Normalization
from .geometry import RandomHorizontalFlip


class Compose(Transform):
    """Apply transforms one after the other.

    Neighbours that the core can do in one pass run in one: a crop or resize, the horizontal flip
    after it, and `ToTensor` with `Normalize`. The bits are those of one after the other.

    Example:
        >>> T = data.transforms
        >>> augment = T.Compose([T.RandomShift(2), T.RandomHorizontalFlip(), T.ToTensor()])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        result = self._run(images, draws)
        if isinstance(result, list):
            raise ValueError("Compose: expected images of one size after all transforms")
        return result

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:  # noqa: D102 (inherited)
        return self._run(images, draws)

    def _run(self, images: Batch, draws: Draws) -> Batch:
        position = 0
        while position < len(self.transforms):
            transform = self.transforms[position]
            if isinstance(transform, ImageMaker) and _bytes(images):
                images, position = self._make(transform, images, draws, position)
                continue
            last = self._normalization(position)
            if last is not None and isinstance(images, np.ndarray) and _bytes(images):
                images = to_floats("Normalize", images, last)
                position += 2
                continue
            images = run(transform, images, draws.fork(position))
            position += 1
        return images

    def _make(
        self, maker: ImageMaker, images: Batch, draws: Draws, position: int
    ) -> tuple[Batch, int]:
        """Run a maker with what it can take along; returns the position after it."""
        end, flips = position + 1, None
        follower = self.transforms[end] if end < len(self.transforms) else None
        if type(follower) is RandomHorizontalFlip:
            flips = follower.chosen(draws.fork(end))
            end += 1
        last = self._normalization(end)
        if last is not None:
            end += 2
        return maker.make(images, draws.fork(position), flips, last), end

    def _normalization(self, position: int) -> Normalization | None:
        """The numbers of `ToTensor` and `Normalize` at a position, if both stand there."""
        pair = self.transforms[position : position + 2]
        if len(pair) == 2 and type(pair[0]) is ToTensor and type(pair[1]) is Normalize:
            return pair[1].mean.tolist(), pair[1].std.tolist()
        return None

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


def _bytes(images: Batch) -> bool:
    return bool(len(images)) and all(
        image.dtype == np.uint8 and image.ndim in (2, 3)
        for image in (images if isinstance(images, list) else images[:1])
    )
