"""Transforms of images, vectorised over batches.

A transform works on a whole batch at once (`apply`) and can be called on one image, as in
torchvision. Images are uint8 arrays (H, W) or (H, W, C) before `ToTensor`, and float32 (C, H, W)
after it; the geometric transforms accept both forms. Random transforms draw from (seed, epoch,
sample index) alone, so a sample is augmented alike whatever the batch size, the thread or the
point at which a run was resumed. Any callable of one image may stand beside these in a dataset;
it is then called image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from .._arguments import as_bool, as_choice, as_int, wrong_type
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
        mean, std = (_as_array(state_dict[name]).astype(np.float32) for name in ("mean", "std"))
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
        images = _as_array(source)
        for first in range(0, len(images) if images.ndim else 0, batch_size):
            yield images[first : first + batch_size]
        return
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise wrong_type("Standardize", "source", "an array, a Tensor or a dataset", source)
    for first in range(0, len(source), batch_size):
        samples = (source[i] for i in range(first, min(first + batch_size, len(source))))
        firsts = [s[0] if isinstance(s, tuple | list) else s for s in samples]
        yield np.stack([_as_array(image) for image in firsts])


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
