"""What transforms are, their sequence, and the step from bytes to normalised floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ...creation import from_numpy
from ..draws import Draws, current_draws
from .batches import Batch, Images, Normalization, as_array, joined, to_core


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

    def apply_each(self, images: list[Images], draws: Draws) -> Batch:
        """Transform images of several sizes; the result is one array where sizes agree."""
        return joined([self.apply(image[None], draws.take(i))[0] for i, image in enumerate(images)])

    def __call__(self, image: Any) -> Any:
        """Transform one image: an array, a Tensor or a Pillow image.

        Returns:
            A Tensor where the result is floating point, else an array.
        """
        result = self.apply(as_array(image)[None], current_draws())[0]
        return from_numpy(np.ascontiguousarray(result)) if result.dtype.kind == "f" else result


class ImageMaker(Transform):
    """Base of the transforms that place pixels anew, in one native call.

    The same call mirrors the result and turns it into normalised floats, where a `Compose` says
    so: a batch is then written once.
    """

    def make(
        self,
        images: Batch,
        draws: Draws,
        flips: npt.NDArray[np.bool_] | None = None,
        normalization: Normalization | None = None,
    ) -> Batch:
        """The new images; `flips` (N,) mirrors them, `normalization` gives float32."""
        raise NotImplementedError(f"{type(self).__name__} must define make")

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        made = self.make(images, draws)
        assert isinstance(made, np.ndarray)
        return made


def run(transform: Callable[[Any], Any], images: Batch, draws: Draws) -> Batch:
    """Apply a transform, or a plain callable of one image, to a batch."""
    if not isinstance(transform, Transform):
        return joined([as_array(transform(image)) for image in images])
    if isinstance(images, list):
        return transform.apply_each(images, draws)
    return transform.apply(images, draws)


def to_floats(op: str, images: Images, normalization: Normalization) -> Images:
    """uint8 images (N, H, W[, C]) → (x / 255 - mean) / std, float32 (N, C, H, W)."""
    mean, std = normalization
    batch = to_core(op, images if images.ndim == 4 else images[..., None])
    if max(len(mean), len(std)) not in (1, batch.channels):
        raise ValueError(
            f"{op}: expected images of {max(len(mean), len(std))} channels, "
            f"got shape {images.shape[1:]}"
        )
    return batch.back(_core.augment_normalize(batch.handle, mean, std))


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
        return to_floats("ToTensor", images, ([0.0], [1.0]))

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
