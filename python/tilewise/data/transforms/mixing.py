"""MixUp and CutMix: transforms of whole batches that give soft labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ..._arguments import as_float, as_int, wrong_type
from ...creation import from_numpy
from ...tensor import Tensor
from ..draws import Draws, draw_seed
from .batches import Images, as_array, table, to_core


class BatchTransform:
    """Base of the transforms of a batch with its labels: subclasses define `mix`.

    It is called on (images, labels), in the loop or as `batch_transform` of a `DataLoader`, whose
    epochs then repeat to the bit. As in torchvision, one amount is drawn for a batch, and each
    image is mixed with the one before it.

    Args:
        alpha: of the Beta(alpha, alpha) distribution of the amount.
        num_classes: needed where labels are integers.

    Raises:
        TypeError, ValueError: an argument is out of its range, or labels do not fit the images.

    Example:
        >>> class Swap(data.transforms.BatchTransform):
        ...     def mix(self, images, amount, draws):
        ...         return np.roll(images, 1, 0), 0.0
        >>> Swap(num_classes=2)(tw.zeros(2, 1, 4, 4), tw.tensor([0, 1]))[1]
        tensor([[0., 1.],
                [1., 0.]])
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        op = type(self).__name__
        self.alpha = as_float(op, "alpha", alpha)
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"{op}: expected a positive, finite alpha, got {alpha}")
        self.num_classes = None
        if num_classes is not None:
            self.num_classes = as_int(op, "num_classes", num_classes, 1, 1 << 24)

    def mix(self, images: Images, amount: float, draws: Draws) -> tuple[Images, float]:
        """The mixed images, and how much of its own label each keeps."""
        raise NotImplementedError(f"{type(self).__name__} must define mix")

    def apply(self, images: Any, labels: Any, draws: Draws) -> tuple[Tensor, Tensor]:
        """Mix a batch; `draws` are those of its samples, of which the first decides.

        Returns:
            The images, and float32 labels (B, num_classes).
        """
        pixels, targets = as_array(images), self._soft(as_array(labels))
        if len(pixels) != len(targets):
            raise ValueError(
                f"{type(self).__name__}: expected as many labels as images, got {len(targets)} "
                f"and {len(pixels)}"
            )
        if not len(pixels):
            return _as_tensor(pixels), from_numpy(targets)
        first = draws.take(0)
        mixed, keep = self.mix(pixels, beta(first, self.alpha), first)
        soft = np.float32(keep) * targets + np.float32(1 - keep) * np.roll(targets, 1, 0)
        return _as_tensor(mixed), from_numpy(soft)

    def __call__(self, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
        """Mix a batch; the draws come from the generator that `manual_seed` sets."""
        return self.apply(images, labels, Draws(draw_seed(), 0, np.zeros(1, np.int64)))

    def _soft(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        op = type(self).__name__
        if labels.dtype.kind == "f" and labels.ndim == 2:
            return labels.astype(np.float32)
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise wrong_type(
                op, "labels", "integers (B,) or probabilities (B, classes)", labels.dtype.name
            )
        if self.num_classes is None:
            raise ValueError(f"{op}: expected num_classes beside integer labels")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(
                f"{op}: expected labels of 0…{self.num_classes - 1}, got "
                f"{labels.min()}…{labels.max()}"
            )
        soft = np.zeros((len(labels), self.num_classes), np.float32)
        soft[np.arange(len(labels)), labels] = 1
        return soft

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(BatchTransform):
    """Blend each image, and its label, with the one before it.

    (Source: H. Zhang et al., "mixup: beyond empirical risk minimization", 2018.) Images are float32
    (B, C, H, W) or uint8 (B, H, W[, C]).

    Args:
        alpha: the part λ of its own is drawn from Beta(alpha, alpha), once a batch.
        num_classes: needed where labels are integers.

    Example:
        >>> images, labels = MixUp(num_classes=10)(tw.rand(4, 3, 8, 8), tw.tensor([1, 2, 3, 4]))
        >>> images.shape, labels.shape
        ((4, 3, 8, 8), (4, 10))
    """

    def mix(self, images: Images, amount: float, draws: Draws) -> tuple[Images, float]:  # noqa: D102
        batch = to_core("MixUp", images)
        count = len(images)
        weights = table(np.full(count, amount), np.float64)
        return batch.back(_core.augment_blend(batch.handle, _before(count), weights)), amount


class CutMix(BatchTransform):
    """Put a box of the image before it into each image, and mix the labels by its area.

    (Source: S. Yun et al., "CutMix: regularization strategy to train strong classifiers with
    localizable features", 2019.) Images are float32 (B, C, H, W) or uint8 (B, H, W[, C]).

    Args:
        alpha: the part λ that stays is drawn from Beta(alpha, alpha), once a batch.
        num_classes: needed where labels are integers.

    Example:
        >>> images, labels = CutMix(num_classes=10)(tw.rand(4, 3, 8, 8), tw.tensor([1, 2, 3, 4]))
        >>> images.shape, labels.shape
        ((4, 3, 8, 8), (4, 10))
    """

    def mix(self, images: Images, amount: float, draws: Draws) -> tuple[Images, float]:  # noqa: D102
        batch = to_core("CutMix", images)
        sides = batch.sizes[0]
        half = 0.5 * math.sqrt(1 - amount) * sides
        middle = [int(draws.integers_below(sides[i : i + 1], draw=i)[0]) for i in (0, 1)]
        low = np.clip((middle - half).astype(np.int64), 0, sides)
        high = np.clip((middle + half).astype(np.int64), 0, sides)
        box = np.concatenate([low, high - low])
        boxes = table(np.tile(box, (len(images), 1)))
        keep = 1 - float((high - low).prod()) / max(1, int(sides.prod()))
        return batch.back(_core.augment_paste(batch.handle, _before(len(images)), boxes)), keep


class RandomChoice:
    """One of several batch transforms for each batch, as torchvision's `RandomChoice`.

    Args:
        transforms: `MixUp`, `CutMix` or others with their call.
        p: their weights; equal by default.

    Raises:
        ValueError: no transforms, or weights that do not fit them.

    Example:
        >>> mixing = data.transforms.RandomChoice([CutMix(num_classes=10), MixUp(num_classes=10)])
        >>> mixing(tw.rand(4, 3, 8, 8), tw.tensor([1, 2, 3, 4]))[1].sum().item()
        4.0
    """

    def __init__(self, transforms: list[BatchTransform], p: list[float] | None = None) -> None:
        self.transforms = list(transforms)
        weights = np.array([1.0] * len(self.transforms) if p is None else p, np.float64)
        if (
            not self.transforms
            or weights.shape != (len(self.transforms),)
            or not ((weights >= 0).all() and 0 < weights.sum() < math.inf)
        ):
            raise ValueError(
                f"RandomChoice: expected transforms and as many weights, got "
                f"{len(self.transforms)} and p={p}"
            )
        self.ends = np.cumsum(weights / weights.sum())

    def apply(self, images: Any, labels: Any, draws: Draws) -> tuple[Tensor, Tensor]:
        """One of the transforms; `draws` are those of the batch's samples."""
        place = draws.fork(len(self.transforms)).uniform()[0] if len(draws.indices) else 0.0
        chosen = min(int(np.searchsorted(self.ends, place, "right")), len(self.transforms) - 1)
        return self.transforms[chosen].apply(images, labels, draws.fork(chosen))

    def __call__(self, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
        """One of the transforms, drawn from the generator that `manual_seed` sets."""
        return self.apply(images, labels, Draws(draw_seed(), 0, np.zeros(1, np.int64)))


def _before(count: int) -> _core.Array:
    return table(np.roll(np.arange(count), 1))


def _as_tensor(images: Images) -> Tensor:
    return from_numpy(images)


def beta(draws: Draws, alpha: float) -> float:
    """A number from Beta(alpha, alpha): a ratio of two gamma numbers, by their logarithms."""
    first, second = (_log_gamma(draws.fork(10 + i), alpha) for i in (0, 1))
    return 1.0 / (1.0 + math.exp(min(second - first, 700.0)))


def _log_gamma(draws: Draws, shape: float) -> float:
    """The logarithm of a Gamma(shape) number.

    (Source: G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", 2000.)
    """
    if shape < 1:
        boost = math.log(1.0 - float(draws.uniform(0)[0])) / shape
        return _log_gamma(draws.fork(0), shape + 1.0) + boost
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    attempt = 0
    while True:
        u, v, w = (1.0 - float(draws.uniform(1 + 3 * attempt + i)[0]) for i in range(3))
        normal = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
        cube = (1 + c * normal) ** 3
        if cube > 0 and math.log(w) < normal**2 / 2 + d - d * cube + d * math.log(cube):
            return math.log(d * cube)
        attempt += 1
