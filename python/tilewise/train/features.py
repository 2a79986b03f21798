"""What a frozen backbone makes of a dataset, computed once."""

from __future__ import annotations

from typing import Any

from .._operations import cat
from ..autograd import no_grad
from ..data import DataLoader, Dataset, TensorDataset
from ..nn import Module


def extract_features(
    backbone: Module,
    dataset: Dataset[tuple[Any, Any]],
    *,
    batch_size: int = 64,
    progress: bool = False,
) -> TensorDataset:
    """Run a backbone over a dataset once, so that a head can be trained on what it gives.

    An epoch of training a head on kept features costs a thousandth of one through the backbone. The
    price is memory (the features of all samples), and that random augmentations are drawn once.

    Args:
        backbone: images (N, …) → features (N, …); run in evaluation mode, which is put back.
        dataset: samples of (image, label).
        batch_size: images at a time.
        progress: whether to show a bar, where the output is a terminal.

    Returns:
        A dataset of (features, label), in the order of the samples.

    Raises:
        ValueError: the dataset is empty.

    Example:
        >>> images = data.TensorDataset(np.zeros((4, 1, 28, 28), np.float32), np.arange(4))
        >>> train.extract_features(models.create("lenet5").features, images).tensors[0].shape
        (4, 50, 7, 7)
    """
    from tqdm import tqdm

    features, labels = [], []
    training = backbone.training
    backbone.eval()
    bar = tqdm(
        total=len(dataset),
        desc="features",
        unit="image",
        disable=None if progress else True,
        leave=False,
    )
    try:
        with no_grad(), bar:
            for x, y in DataLoader(dataset, batch_size, seed=0):
                features.append(backbone(x))
                labels.append(y)
                bar.update(len(y))
    finally:
        backbone.train(training)
    if not labels:
        raise ValueError("extract_features: expected at least one sample, got an empty dataset")
    return TensorDataset(cat(features), cat(labels))
