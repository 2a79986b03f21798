"""A network's rule for its input, as transforms of datasets and for single image files."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from ..data.draws import Draws
from ..data.transforms import Compose, Normalize, ToTensor, Transform
from ..models import Preprocessing
from .images import Invert, load_image, load_photo

_DRAWING = 64  # pixels: smaller grey inputs are drawings on black, as MNIST's


class ReverseChannels(Transform):
    """Red, green, blue to blue, green, red.

    Example:
        >>> reverse = train.preprocess.ReverseChannels()
        >>> reverse(np.arange(3, dtype=np.float32).reshape(3, 1, 1)).numpy().ravel().tolist()
        [2.0, 1.0, 0.0]
    """

    def apply(self, images: npt.NDArray[np.generic], draws: Draws) -> npt.NDArray[np.generic]:  # noqa: D102
        return images[:, ::-1]

    def __repr__(self) -> str:
        return "ReverseChannels()"


def to_input(rule: Preprocessing) -> Transform:
    """What turns uint8 images of the input's size into input.

    Example:
        >>> rule = models.preprocessing("resnet20_cifar")
        >>> train.preprocess.to_input(rule)(np.zeros((32, 32, 3), np.uint8)).shape
        (3, 32, 32)
    """
    unit = 255 * rule.scale  # ToTensor gives 0 to 1
    mean, std = ([value / unit for value in values] for values in (rule.mean, rule.std))
    order: list[Transform] = [ReverseChannels()] if rule.bgr else []
    return Compose([ToTensor(), *order, Normalize(mean, std)])


def read_input(
    path: str | os.PathLike[str], rule: Preprocessing, invert: Invert = "auto"
) -> npt.NDArray[np.float32]:
    """An image file as input, float32 (C, H, W).

    Small grey inputs are taken for drawings, light on black, and the image is fitted in whole;
    photographs are resized and cut.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `images.load_photo`.
    """
    if rule.channels == 1 and max(rule.size) < _DRAWING:
        image = load_image(path, rule.size, invert=invert)
        return np.ascontiguousarray(to_input(rule)(image).numpy())
    return load_photo(path, rule)
