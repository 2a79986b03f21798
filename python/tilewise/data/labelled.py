"""Images with labels: what datasets of image files and of arrays in memory share."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from ..creation import from_numpy
from ..tensor import Tensor
from .collate import default_collate
from .dataset import Dataset, Indices
from .draws import Draws, sample_scope
from .transforms import Standardize, Transform
from .transforms.batches import Batch


class LabelledImages(Dataset[tuple[Any, Any]]):
    """Base of the datasets of (image, label): subclasses define `read` and `labels`.

    Attributes:
        labels: int64 (N,).
        transform: of an image; those of `tilewise.data.transforms` run on a batch at once.
        target_transform: of a label.

    Example:
        >>> class Ramps(data.LabelledImages):
        ...     labels = np.arange(3)
        ...     transform = target_transform = None
        ...     def read(self, indices):
        ...         return np.stack([np.full((2, 2), i, np.uint8) for i in indices])
        >>> Ramps()[2][0].tolist()
        [[2, 2], [2, 2]]
    """

    labels: npt.NDArray[np.int64]
    transform: Callable[[Any], Any] | None
    target_transform: Callable[[Any], Any] | None

    def read(self, indices: Indices) -> Batch:
        """The images at `indices`: one array (B, …), or a list where their sizes differ."""
        raise NotImplementedError(f"{type(self).__name__} must define read")

    @property
    def targets(self) -> Tensor:
        """The labels as an int64 Tensor (N,) that shares their memory."""
        return from_numpy(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        label: Any = int(self.labels[index])
        image: Any = self.read(np.array([index], np.int64))[0]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def gather(self, indices: Indices, draws: Draws) -> tuple[Any, Any]:
        """The transformed images and labels at `indices` (int64, (B,)): (B, …) and (B,)."""
        images: Any = self.read(indices)
        if isinstance(self.transform, Transform):
            if isinstance(images, list):
                images = self.transform.apply_each(images, draws)
            else:
                images = self.transform.apply(images, draws)
        elif self.transform is not None:
            images = default_collate(
                [
                    self._transform_one(image, int(index), draws)
                    for image, index in zip(images, indices, strict=True)
                ]
            )
        if isinstance(images, list):
            shapes = sorted({image.shape for image in images})
            raise ValueError(
                f"{type(self).__name__}: expected images of one shape in a batch, got "
                f"{', '.join(map(str, shapes[:4]))}{' …' if len(shapes) > 4 else ''}: a transform "
                "such as RandomResizedCrop, or Resize and CenterCrop, makes them so"
            )
        labels: Any = self.labels[indices]
        if self.target_transform is not None:
            labels = default_collate([self.target_transform(int(label)) for label in labels])
        return images, labels

    def _transform_one(self, image: npt.NDArray[np.uint8], index: int, draws: Draws) -> Any:
        assert self.transform is not None
        with sample_scope(draws.seed, draws.epoch, index):
            return self.transform(image)


class ImageArrays(LabelledImages):
    """Labelled images of one size that lie in memory.

    Args:
        images: uint8 (N, H, W) or (N, H, W, C).
        labels: int64 (N,).
        transform, target_transform: of an image, and of a label; any callables.

    Raises:
        ValueError: images and labels do not fit together.

    Example:
        >>> pictures = data.ImageArrays(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4))
        >>> pictures.mean_image.shape, pictures[3][1]
        ((8, 8, 3), 3)
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__}: expected uint8 images (N, H, W) or (N, H, W, C), got "
                f"{images.dtype.name} of shape {images.shape}"
            )
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{type(self).__name__}: expected {len(images)} integer labels, got "
                f"{labels.dtype.name} of shape {labels.shape}"
            )
        self.images = images
        self.labels = labels.astype(np.int64, copy=False)
        self.transform = transform
        self.target_transform = target_transform

    def read(self, indices: Indices) -> Batch:
        """The images at `indices` (int64, (B,)), a copy (B, H, W[, C])."""
        chosen: npt.NDArray[np.uint8] = self.images[indices]
        return chosen

    @property
    def data(self) -> Tensor:
        """The images as a uint8 Tensor (N, H, W[, C]) that shares their memory."""
        return from_numpy(self.images)

    @cached_property
    def mean_image(self) -> npt.NDArray[np.float32]:
        """float32 (H, W[, C]) in 0…255: the mean of all images; computed at the first use."""
        fitted = Standardize(per="feature", scale=False).fit(self.images)
        assert fitted.mean is not None
        return fitted.mean

    @cached_property
    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel, of pixels scaled to [0, 1].

        As `transforms.Normalize` takes them; computed at the first use.
        """
        pixels = self.images.reshape(-1, 1 if self.images.ndim == 3 else self.images.shape[-1])
        fitted = Standardize(per="feature").fit(pixels, batch_size=1 << 20)
        assert fitted.mean is not None
        assert fitted.std is not None
        return (fitted.mean / 255).tolist(), (fitted.std / 255).tolist()

    def fingerprint(self) -> str:
        """A checksum of the images and labels: two copies with the same one train alike."""
        crc = zlib.crc32(self.labels.tobytes(), zlib.crc32(np.ascontiguousarray(self.images).data))
        return f"{self.fingerprint_name}:{len(self)}:{crc:08x}"

    @property
    def fingerprint_name(self) -> str:
        """What the fingerprint begins with."""
        return type(self).__name__


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class PublishedImages(ImageArrays):
    """Base of the sets that everybody has: a split of what `spec` describes.

    Attributes:
        spec: has the name, by which copies of the set are the same wherever they were found.
        train: the training images, or the test images.
        origin: where they were found, for people.
    """

    spec: ClassVar[_Named]
    train: bool
    origin: str

    @property
    def fingerprint_name(self) -> str:
        """What the fingerprint begins with: the name of the dataset."""
        return self.spec.name

    def __repr__(self) -> str:
        split = "train" if self.train else "test"
        return f"{type(self).__name__}({split}, {len(self):,} images from {self.origin})"
