"""MNIST and Fashion-MNIST as datasets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import catalog
from .idx import read_idx
from .labelled import PublishedImages

logger = logging.getLogger(__name__)


class MNIST(PublishedImages):
    """The MNIST digits: 60,000 + 10,000 grey images of 28×28 pixels in 10 classes.

    Args:
        root: a folder that holds the four IDX files, or a folder of them named `mnist` or
            `MNIST/raw` (torchvision's). By default the places of `catalog.locate` are searched.
        train: the training images, or the test images.
        transform: applied to each image; any callable. Those of `tilewise.data.transforms` run on
            a whole batch at once. Without one, images are uint8 arrays of shape (28, 28).
        target_transform: applied to each label; any callable.
        download: fetch the official files (checksums verified) where no copy is found.

    Attributes:
        images: uint8 (N, 28, 28); labels: int64 (N,).
        source: where the files were found. `source.kind` is "sample" for the embedded sample.
        MEAN, STD: of the training pixels, scaled to [0, 1] (measured).

    Raises:
        FileNotFoundError: no copy was found.
        ValueError: a file is truncated or corrupt, or images and labels do not fit together.

    Example:
        `data.MNIST("mnist", download=True)` fetches the files; other pictures can take their place:

        >>> labels = np.array([7, 2], np.uint8)
        >>> data.write_idx("t10k-images-idx3-ubyte.gz", np.zeros((2, 28, 28), np.uint8))
        >>> data.write_idx("t10k-labels-idx1-ubyte.gz", labels)
        >>> data.read_idx("t10k-labels-idx1-ubyte.gz")
        array([7, 2], dtype=uint8)
    """

    spec: ClassVar[catalog.Spec] = catalog.MNIST
    MEAN: ClassVar[tuple[float, ...]] = (catalog.MNIST.mean,)
    STD: ClassVar[tuple[float, ...]] = (catalog.MNIST.std,)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.train = train
        self.source = catalog.locate(self.spec, root, download=download)
        self.origin = self.source.describe()
        images, labels = load_split(self.spec, self.source, train=train)
        super().__init__(images, labels, transform, target_transform)
        if self.source.kind == "sample":
            logger.warning(
                "%s: the full set was not found; using the embedded sample of %s images",
                self.spec.name,
                f"{len(self.images):,}",
            )

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the labels."""
        return list(self.spec.classes)


class FashionMNIST(MNIST):
    """Zalando's clothing images, in the format of MNIST; the arguments are those of `MNIST`.

    60,000 + 10,000 grey images of 28×28 pixels in 10 classes. Where no full copy is found, a
    balanced sample of 6,000 + 1,000 images that ships with tilewise is used, and a warning is
    logged. (Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms", 2017; MIT licence.)

    Example:
        >>> test = data.FashionMNIST(train=False, transform=data.transforms.ToTensor())
        >>> test[0][0].shape, test.classes[test[0][1]]
        ((1, 28, 28), 'Ankle boot')
    """

    spec: ClassVar[catalog.Spec] = catalog.FASHION_MNIST
    MEAN: ClassVar[tuple[float, ...]] = (catalog.FASHION_MNIST.mean,)
    STD: ClassVar[tuple[float, ...]] = (catalog.FASHION_MNIST.std,)


def load_split(
    spec: catalog.Spec, source: catalog.Source, *, train: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read and check one split: images uint8 (N, 28, 28), labels int64 (N,).

    Raises:
        FileNotFoundError, ValueError: a file is missing, corrupt, or does not fit the other.
    """
    image_stem, label_stem = catalog.stems("train" if train else "t10k")
    image_path = catalog.find_file(source.folder, image_stem)
    label_path = catalog.find_file(source.folder, label_stem)
    if image_path is None or label_path is None:
        absent = image_stem if image_path is None else label_stem
        raise FileNotFoundError(f"{spec.name}: {source.folder} lacks {absent}")
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"{spec.name}: expected uint8 images of shape (N, 28, 28) in {image_path}, "
            f"got {images.dtype.name} of shape {images.shape}"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1] or not len(labels):
        raise ValueError(
            f"{spec.name}: expected {len(images)} uint8 labels in {label_path}, "
            f"got {labels.dtype.name} of shape {labels.shape}"
        )
    if int(labels.max()) >= len(spec.classes):
        raise ValueError(
            f"{spec.name}: expected labels of 0…{len(spec.classes) - 1} in {label_path}, "
            f"got {int(labels.max())}"
        )
    return images, labels.astype(np.int64)
