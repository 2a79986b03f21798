"""Transforms of images, vectorised over batches.

A transform works on a whole batch at once (`apply`) and can be called on one image, as in
torchvision. Images are uint8 arrays (H, W) or (H, W, C) before `ToTensor`, and float32 (C, H, W)
after it; the geometric transforms accept both forms. Random transforms draw from (seed, epoch,
sample index) alone, so a sample is augmented alike whatever the batch size, the thread or the
point at which a run was resumed. Any callable of one image may stand beside these in a dataset;
it is then called image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ..creation import from_numpy
from ..tensor import Tensor
from .draws import Draws, current_draws

Images = npt.NDArray[Any]


class Transform:
    """Base of the transforms: subclasses define `apply` on a batch.

    Example:
        >>> class Invert(Transform):
        ...     def apply(self, images, draws):
        ...         return 255 - images
        >>> int(Invert()(np.zeros((2, 2), np.uint8))[0, 0])
        255
    """

    def apply(self, images: Images, draws: Draws) -> Images:
        """Transform a batch (N, …); `draws` gives each sample its random numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def __call__(self, image: Any) -> Any:
        """Transform one image: an array, a Tensor or a Pillow image.

        Returns:
            A Tensor where the result is floating point, else an array.
        """
        array = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
        result = self.apply(array[None], current_draws())[0]
        return from_numpy(np.ascontiguousarray(result)) if result.dtype.kind == "f" else result


class Compose(Transform):
    """Apply transforms one after the other.

    Example:
        >>> augment = Compose([RandomShift(2), RandomHorizontalFlip(), ToTensor()])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        for position, transform in enumerate(self.transforms):
            if isinstance(transform, Transform):
                images = transform.apply(images, draws.fork(position))
            else:
                images = np.stack([_as_array(transform(image)) for image in images])
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class ToTensor(Transform):
    """uint8 images (H, W) or (H, W, C) in 0…255 → float32 (C, H, W) in [0, 1].

    Raises:
        TypeError: the images are not uint8.
        ValueError: an image has neither two nor three dimensions.

    Example:
        >>> ToTensor()(np.full((28, 28), 255, np.uint8)).shape
        (1, 28, 28)
    """

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        if images.dtype != np.uint8:
            raise TypeError(f"ToTensor: expected uint8 images, got {images.dtype.name}")
        if images.ndim not in (3, 4):
            raise ValueError(
                f"ToTensor: expected images (H, W) or (H, W, C), got shape {images.shape[1:]}"
            )
        channels_last = images if images.ndim == 4 else images[..., None]
        scaled = np.divide(channels_last, np.float32(255), dtype=np.float32)
        return np.moveaxis(scaled, -1, 1)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize(Transform):
    """Subtract the mean and divide by the standard deviation, channel by channel.

    Args:
        mean, std: one number, or one for each channel.

    Raises:
        ValueError: a standard deviation is not positive, or the channels do not fit.
        TypeError: the images are not floating point (put `ToTensor` before).

    Example:
        >>> Normalize(0.5, 0.5)(np.ones((1, 2, 2), np.float32)).numpy().max()
        np.float32(1.0)
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float32))
        self.std = np.atleast_1d(np.asarray(std, dtype=np.float32))
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape or not (self.std > 0).all():
            raise ValueError(
                f"Normalize: expected as many positive stds as means, got mean={mean}, std={std}"
            )

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: expected floating-point images, got {images.dtype.name}; "
                "put ToTensor before it"
            )
        if self.mean.size not in (1, images.shape[1]):
            raise ValueError(
                f"Normalize: expected images of {self.mean.size} channels, "
                f"got shape {images.shape[1:]}"
            )
        shape = (1, -1) + (1,) * (images.ndim - 2)
        shifted: Images = images - self.mean.reshape(shape)
        shifted /= self.std.reshape(shape)
        return shifted

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean.tolist()}, std={self.std.tolist()})"


class RandomCrop(Transform):
    """Cut a window at a random place, after padding all sides.

    Args:
        size: side of the window, or (height, width).
        padding: pixels added to every side first.
        fill: value of the added pixels.

    Raises:
        ValueError: the window is larger than the padded image.

    Example:
        >>> RandomCrop(28, padding=2)(np.zeros((28, 28), np.uint8)).shape
        (28, 28)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self.padding = padding
        self.fill = fill
        if min(self.size) <= 0 or padding < 0:
            raise ValueError(
                f"{type(self).__name__}: expected a positive size and no negative padding, "
                f"got size={size}, padding={padding}"
            )

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        return self._crop(images, draws, self.size)

    def _crop(self, images: Images, draws: Draws, size: tuple[int, int]) -> Images:
        rows, columns = _spatial_axes(images)
        widths = [(0, 0)] * images.ndim
        widths[rows] = widths[columns] = (self.padding, self.padding)
        padded = np.pad(images, widths, constant_values=self.fill)
        room = (padded.shape[rows] - size[0], padded.shape[columns] - size[1])
        if min(room) < 0:
            raise ValueError(
                f"{type(self).__name__}: expected images of at least {size}, got "
                f"{(images.shape[rows], images.shape[columns])} with padding {self.padding}"
            )
        windows = sliding_window_view(padded, size, axis=(rows, columns))
        top = draws.integers(0, room[0] + 1, draw=0)
        left = draws.integers(0, room[1] + 1, draw=1)
        samples = np.arange(len(images))
        if rows == 1:  # (N, tops, lefts[, C], h, w)
            cropped = windows[samples, top, left]
            return cropped if images.ndim == 3 else np.moveaxis(cropped, 1, -1)
        cropped = windows[samples, :, top, left]  # from (N, C, tops, lefts, h, w)
        return cropped

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, padding={self.padding})"


class RandomShift(RandomCrop):
    """Move the image by up to `pixels` in each direction and fill what appears.

    Example:
        >>> RandomShift(2)(np.zeros((28, 28), np.uint8)).shape
        (28, 28)
    """

    def __init__(self, pixels: int, fill: float = 0) -> None:
        super().__init__(1, padding=pixels, fill=fill)

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        rows, columns = _spatial_axes(images)
        return self._crop(images, draws, (images.shape[rows], images.shape[columns]))

    def __repr__(self) -> str:
        return f"RandomShift({self.padding})"


class RandomHorizontalFlip(Transform):
    """Mirror left and right with probability `p`.

    Raises:
        ValueError: `p` lies outside [0, 1].

    Example:
        >>> RandomHorizontalFlip(p=1.0)(np.array([[1, 2]], np.uint8)).tolist()
        [[2, 1]]
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: expected p in [0, 1], got {p}")
        self.p = p

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        _, columns = _spatial_axes(images)
        chosen = draws.uniform() < self.p
        flipped = images.copy()
        flipped[chosen] = np.flip(images[chosen], axis=columns)
        return flipped

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


def _spatial_axes(images: Images) -> tuple[int, int]:
    """Axes of height and width in a batch: uint8 (N, H, W[, C]), or floating point (N, …, H, W)."""
    if images.dtype == np.uint8 and images.ndim in (3, 4):
        return 1, 2
    if images.dtype.kind == "f" and images.ndim in (3, 4):
        return images.ndim - 2, images.ndim - 1
    raise ValueError(
        "expected a batch of uint8 images (H, W) or (H, W, C), or of floating-point images "
        f"(C, H, W), got {images.dtype.name} of shape {images.shape}"
    )


def _as_array(value: Any) -> Images:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)
