"""Measure a classifier on a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..autograd import no_grad
from ..data import DataLoader, Dataset
from ..functional import cross_entropy, softmax
from ..nn import Module
from ..tensor import Tensor

_NUMBERS = 1 << 22  # in a batch


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Args:
        labels, predictions: int64 (N,).
        loss: mean cross-entropy.
        classes: number of classes.

    Example:
        >>> labels, found = np.array([0, 1, 1]), np.array([0, 1, 0])
        >>> result = train.Evaluation(labels, found, loss=0.5, classes=2)
        >>> round(result.accuracy, 3)
        0.667
    """

    labels: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.int64]
    loss: float
    classes: int

    @property
    def accuracy(self) -> float:
        """Share of the samples whose class was predicted."""
        return float((self.labels == self.predictions).mean())

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """int64 (K, K); row: the true class, column: the predicted one."""
        pairs = self.labels * self.classes + self.predictions
        counts = np.bincount(pairs, minlength=self.classes**2)
        return counts.reshape(self.classes, self.classes).astype(np.int64)


def evaluate(
    model: Module,
    dataset: Dataset[tuple[Tensor, int]],
    *,
    batch_size: int | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Evaluation:
    """Run a classifier over a dataset in evaluation mode; its mode is put back afterwards.

    Args:
        model: images (N, …) → logits (N, K).
        dataset: samples of (image, label).
        batch_size: images at a time; the result does not depend on it but for rounding. By
            default 500, or fewer of large ones.
        on_batch: called after each batch with the number of its images.

    Raises:
        ValueError: the dataset is empty.

    Example:
        >>> images = data.TensorDataset(np.zeros((4, 1, 28, 28), np.float32), np.zeros(4, np.int64))
        >>> train.evaluate(models.create("mlp"), images).labels.tolist()
        [0, 0, 0, 0]
    """
    labels, predictions, losses, classes = [], [], 0.0, 0
    training = model.training
    model.eval()
    try:
        with no_grad():
            for x, y in DataLoader(dataset, batch_size or _batch_for(dataset), seed=0):
                logits = model(x)
                classes = int(logits.shape[1])
                losses += float(cross_entropy(logits, y, reduction="sum").item())
                labels.append(y.numpy())
                predictions.append(logits.numpy().argmax(axis=1))
                if on_batch is not None:
                    on_batch(len(labels[-1]))
    finally:
        model.train(training)
    if not labels:
        raise ValueError("evaluate: expected at least one sample, got an empty dataset")
    truth = np.concatenate(labels)
    return Evaluation(truth, np.concatenate(predictions), losses / len(truth), classes)


def _batch_for(dataset: Dataset[tuple[Tensor, int]]) -> int:
    """As many images as make four million numbers."""
    if not len(dataset):
        return 1
    return max(1, min(500, _NUMBERS // max(1, math.prod(dataset[0][0].shape))))


def probabilities(model: Module, x: Tensor) -> npt.NDArray[np.float32]:
    """Class probabilities float32 (N, K) of images (N, …), in evaluation mode.

    Example:
        >>> train.probabilities(models.create("mlp"), tw.zeros(2, 1, 28, 28)).shape
        (2, 10)
    """
    training = model.training
    model.eval()
    try:
        with no_grad():
            result: npt.NDArray[np.float32] = softmax(model(x), dim=1).numpy()
    finally:
        model.train(training)
    return np.ascontiguousarray(result)
