"""What a run trains on: datasets by name, and folders and tar files of images."""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import (
    CIFAR10,
    CIFAR100,
    IMAGENET_MEAN,
    IMAGENET_STD,
    MNIST,
    Dataset,
    FashionMNIST,
    ImageFolder,
    ImageTar,
    LabelledImages,
    Subset,
    random_split,
)
from ..data.transforms import Transform

KNOWN: dict[str, type[MNIST | CIFAR10]] = {
    "fashion-mnist": FashionMNIST,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
}
TARS = (".tar", ".tar.gz", ".tgz")
_TRAIN, _TEST = r"train(ing)?(_data)?", r"(test|val|valid|validation)(ing)?(_data)?"
_HELD_OUT = 5  # one image in so many is for the test where a folder has no test part
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Known:
    """What is known of a dataset before its files are opened.

    Args:
        title: the name in print.
        classes: names, in the order of the labels.
        size: (height, width), or None where images differ.
        channels: 1 or 3.
        mean, std: for each channel, of pixels scaled to [0, 1].
    """

    title: str
    classes: tuple[str, ...]
    size: tuple[int, int] | None
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Images:
    """A dataset with its two parts, images as they are in the files.

    Args:
        known: see `Known`.
        train, test: what is trained on, and what is measured in the end.
        place: where they were found, in a phrase.
        notes: what should be said about them.
        fingerprint: two copies with the same one train alike.
    """

    known: Known
    train: Dataset[Any]
    test: Dataset[Any]
    place: str
    notes: tuple[str, ...]
    fingerprint: str


def is_dataset(name: str) -> bool:
    """Whether this is a dataset's name, or the path of a folder or a tar file."""
    return name in KNOWN or Path(name).is_dir() or _is_tar(name)


def _is_tar(name: str) -> bool:
    return name.lower().endswith(TARS) and Path(name).is_file()


def short_name(name: str) -> str:
    """A dataset's name, or the last part of its path, for the name of a folder."""
    if name in KNOWN:
        return name
    stem = Path(name).name
    bare = next(
        (stem[: -len(end)] for end in sorted(TARS, key=len)[::-1] if stem.endswith(end)), ""
    )
    return re.sub(r"[^\w.-]+", "-", bare or stem) or "images"


def known_of(name: str) -> Known:
    """What is known of a dataset that has a name."""
    kind = KNOWN[name]
    small = issubclass(kind, MNIST)
    size = (28, 28) if small else (32, 32)
    spec: Any = kind.spec
    return Known(spec.title, spec.classes, size, 1 if small else 3, kind.MEAN, kind.STD)


def open_images(
    name: str, folder: Path | None = None, *, download: bool = False, seed: int = 0
) -> Images:
    """Open a dataset by name or path.

    A folder or tar has a folder for each class, below "train" and "test" (or "val") where it is
    parted; otherwise a fifth of the images, chosen by the seed, is kept for the test.

    Args:
        name: of `KNOWN`, or the path of a folder or tar file.
        folder: where a dataset that has a name lies; None searches.
        download: fetch it where it is not found.
        seed: of the images for the test.

    Raises:
        FileNotFoundError, ValueError: there is no such dataset, or it is not usable.
        OSError: it cannot be read.
    """
    if name in KNOWN:
        return _open_known(name, folder, download)
    if Path(name).is_dir() or _is_tar(name):
        return _open_files(name, seed)
    raise FileNotFoundError(
        f"expected {', '.join(KNOWN)} or a folder or tar file of images, got {name}"
    )


def _open_known(name: str, folder: Path | None, download: bool) -> Images:
    kind = KNOWN[name]
    train = kind(folder, download=download)
    if isinstance(train, MNIST):
        place, root, notes = train.source.describe(), train.source.folder, list[str]()
        if train.source.kind == "sample":
            full = f"{train.spec.shape[0]:,} + {train.spec.shape[1]:,}"
            notes.append(
                f"note: this is a sample of the {full} images; the accuracy is not that of the "
                "full set, which --download or --data DIR gives"
            )
    else:
        place, root, notes = str(train.path), train.path, []
        if not train.lossless:
            notes.append(
                "note: these pictures are image files and may be lossy; the accuracy is not that "
                f"on {train.spec.title}"
            )
    test = kind(root, train=False)
    return Images(known_of(name), train, test, place, tuple(notes), train.fingerprint())


def _open_files(name: str, seed: int) -> Images:
    def opened(part: str | None = None) -> ImageFolder | ImageTar:
        select = None if part is None else _lies_in(part)
        kind = ImageTar if _is_tar(name) else ImageFolder
        label = None if kind is ImageTar else _folder_of
        return kind(name, label=label, select=select, cache_bytes=_CACHE_BYTES)

    whole = opened()
    train: Dataset[Any]
    test: Dataset[Any]
    if all(any(map(_lies_in(part), whole.names)) for part in (_TRAIN, _TEST)):
        train, test = opened(_TRAIN), opened(_TEST)
        if train.classes != test.classes:
            raise ValueError(
                f"{name}: expected the same classes in both parts, got {len(train.classes)} to "
                f"train on and {len(test.classes)} to test on"
            )
        classes = train.classes
    else:
        held_out = len(whole) // _HELD_OUT
        if not held_out:
            raise ValueError(f"{name}: expected {_HELD_OUT} images or more, got {len(whole)}")
        train, test = random_split(whole, [len(whole) - held_out, held_out], seed=seed)
        classes = whole.classes
    # What photographs are like, where nothing else is known.
    known = Known(Path(name).name, tuple(classes), None, 3, IMAGENET_MEAN, IMAGENET_STD)
    names = "\n".join(whole.names).encode()
    fingerprint = f"files:{len(whole)}:{zlib.crc32(whole.labels.tobytes(), zlib.crc32(names)):08x}"
    return Images(known, train, test, name, (), fingerprint)


def _lies_in(part: str) -> Callable[[str], bool]:
    """Whether a path has a folder of that name (a pattern), its last part aside."""
    pattern = re.compile(part, re.IGNORECASE)
    return lambda name: any(pattern.fullmatch(folder) for folder in name.split("/")[:-2])


def _folder_of(name: str) -> str:
    parts = name.split("/")
    if len(parts) < 2:
        raise ValueError(f"{name} lies in no class's folder: expected class/image")
    return parts[-2]


def with_transform(dataset: Dataset[Any], transform: Transform) -> Dataset[Any]:
    """The same images seen through a transform."""
    if isinstance(dataset, Subset):
        return Subset(with_transform(dataset.dataset, transform), dataset.indices)
    if not isinstance(dataset, LabelledImages):
        raise TypeError(f"with_transform: expected labelled images, got {type(dataset).__name__}")
    seen = copy.copy(dataset)
    seen.transform = transform
    return seen


def with_classes(dataset: Dataset[Any], own: Sequence[str], wanted: Sequence[str]) -> Dataset[Any]:
    """The same images with the labels of a network that has its classes in another order.

    Raises:
        ValueError: the network lacks a class of the dataset.
    """
    if tuple(own) == tuple(wanted):
        return dataset
    absent = [name for name in own if name not in wanted]
    if absent:
        raise ValueError(
            f"the network has no class {absent[0]!r} of the dataset's {len(own)}: it has "
            f"{', '.join(map(repr, wanted[:4]))}{' …' if len(wanted) > 4 else ''}"
        )
    if isinstance(dataset, Subset):
        return Subset(with_classes(dataset.dataset, own, wanted), dataset.indices)
    if not isinstance(dataset, LabelledImages):
        raise TypeError(f"with_classes: expected labelled images, got {type(dataset).__name__}")
    places: npt.NDArray[np.int64] = np.array([list(wanted).index(name) for name in own], np.int64)
    moved = copy.copy(dataset)
    moved.labels = places[dataset.labels]
    return moved
