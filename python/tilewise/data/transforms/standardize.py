"""Standardisation by the statistics of a training set: mean image, channel means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..._arguments import as_bool, as_choice, as_int, wrong_type
from ...creation import from_numpy
from ...tensor import Tensor
from ..draws import Draws
from .base import Transform
from .batches import Images, as_array


class Standardize(Transform):
    """Subtract the mean and divide by the standard deviation of a training set.

    With `per="feature"` every pixel of every channel has its own mean: `scale=False` is then the
    subtraction of the mean image. `fit` reads the training set once; the numbers belong to the
    model, so `state_dict` hands them to its checkpoint, and other data are transformed with them.

    Args:
        per: "feature" for a number a pixel and channel, "channel" for one a channel (axis 1 of
            floating-point images), "all" for a single one.
        scale: whether to divide by the standard deviation; one of zero counts as 1.

    Attributes:
        mean, std: float32 arrays of the shape of an image, (C, 1, …) or (1, …); None before `fit`.

    Raises:
        ValueError: for another `per`, images of another shape, or a transform before `fit`.
        TypeError: for settings of the wrong type, and "channel" on uint8 images.

    Example:
        >>> images = np.array([[[[1.0]], [[4.0]]], [[[3.0]], [[4.0]]]], np.float32)  # (2, 2, 1, 1)
        >>> standardize = data.transforms.Standardize().fit(images)
        >>> standardize(images[0]).flatten()
        tensor([-1.,  0.])
    """

    def __init__(self, per: str = "feature", scale: bool = True) -> None:
        self.per = as_choice("Standardize", "per", per, ("feature", "channel", "all"))
        self.scale = as_bool("Standardize", "scale", scale)
        self.mean: Images | None = None
        self.std: Images | None = None

    def fit(self, source: Any, batch_size: int = 1024) -> Standardize:
        """Take mean and standard deviation from a training set; returns the transform.

        Args:
            source: images (N, …) as an array or a Tensor, or a dataset whose samples are images or
                tuples that begin with one.
            batch_size: of the parts that are read at a time.

        Raises:
            TypeError: for another source.
            ValueError: for one without images, or images of several shapes.
        """
        count, mean, deviations = 0, np.zeros(()), np.zeros(())
        for images in _batches(source, as_int("Standardize", "batch_size", batch_size, 1)):
            axes = self._axes(images)
            part = images.astype(np.float64)
            added = part.size // max(1, part.mean(axes).size)
            part_mean = part.mean(axes, keepdims=True)
            part_deviations = np.square(part - part_mean).sum(axes, keepdims=True)[0]
            if count and part_mean[0].shape != mean.shape:
                raise ValueError(
                    f"Standardize: expected images of one shape, got {images.shape[1:]} after "
                    f"others with means of {mean.shape}"
                )
            # Chan, Golub, LeVeque 1983: the parts' deviations add up about the common mean.
            gap = part_mean[0] - mean
            total = count + added
            deviations = deviations + part_deviations + gap**2 * (count * added / total)
            mean = mean + gap * (added / total)
            count = total
        if not count:
            raise ValueError("Standardize: expected at least one image, got none")
        std = np.sqrt(deviations / count)
        self.mean = mean.astype(np.float32)
        self.std = np.where(std > 0, std, 1).astype(np.float32)
        return self

    def _axes(self, images: Images) -> tuple[int, ...]:
        """The axes of a batch over which mean and deviation are taken."""
        if self.per == "feature":
            return (0,)
        if self.per == "all":
            return tuple(range(images.ndim))
        if images.dtype.kind != "f" or images.ndim < 2:
            raise TypeError(
                "Standardize: expected floating-point images (C, …) for per='channel', got "
                f"{images.dtype.name} of shape {images.shape[1:]}; put ToTensor before it"
            )
        return (0, *range(2, images.ndim))

    def apply(self, images: Images, draws: Draws) -> Images:  # noqa: D102 (inherited)
        if self.mean is None or self.std is None:
            raise ValueError("Standardize: expected fit or load_state_dict before images")
        wanted, shape = self.mean.shape, images.shape[1:]
        fits = len(wanted) == len(shape) and all(
            m == n or (m == 1 and self.per != "feature") for m, n in zip(wanted, shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"Standardize: expected images that fit means of shape {self.mean.shape}, got "
                f"{images.shape[1:]}"
            )
        shifted: Images = np.subtract(images, self.mean, dtype=np.float32)
        if self.scale:
            shifted /= self.std
        return shifted

    def state_dict(self) -> dict[str, Tensor]:
        """Mean and standard deviation as tensors, for a checkpoint; empty before `fit`."""
        if self.mean is None or self.std is None:
            return {}
        return {"mean": from_numpy(self.mean.copy()), "std": from_numpy(self.std.copy())}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ValueError: where mean or std is missing, or their shapes differ.
        """
        if set(state_dict) != {"mean", "std"}:
            raise ValueError(
                f"Standardize: expected a state of mean and std, got {sorted(state_dict)}"
            )
        mean, std = (as_array(state_dict[name]).astype(np.float32) for name in ("mean", "std"))
        if mean.shape != std.shape:
            raise ValueError(
                f"Standardize: expected mean and std of one shape, got {mean.shape} and {std.shape}"
            )
        self.mean, self.std = mean, std

    def __repr__(self) -> str:
        return f"Standardize(per={self.per!r}, scale={self.scale})"


def _batches(source: Any, batch_size: int) -> Iterator[Images]:
    """The images of an array, a Tensor or a dataset, in parts."""
    if isinstance(source, Tensor | np.ndarray):
        images = as_array(source)
        for first in range(0, len(images) if images.ndim else 0, batch_size):
            yield images[first : first + batch_size]
        return
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise wrong_type("Standardize", "source", "an array, a Tensor or a dataset", source)
    for first in range(0, len(source), batch_size):
        samples = (source[i] for i in range(first, min(first + batch_size, len(source))))
        firsts = [s[0] if isinstance(s, tuple | list) else s for s in samples]
        yield np.stack([as_array(image) for image in firsts])
