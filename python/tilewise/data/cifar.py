"""CIFAR-10 and CIFAR-100: the binary form, and folders or tar files of images."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .._arguments import as_bool
from . import catalog
from .folder import ImageFiles, ImageFolder
from .labelled import PublishedImages
from .tar import ImageTar
from .tar_format import read_members

logger = logging.getLogger(__name__)

_PIXELS = 3 * 32 * 32
_SITE = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class CifarSpec:
    """What is needed to find, fetch and describe CIFAR-10 or CIFAR-100.

    Args:
        name: the folder's name in TILEWISE_DATA and the cache; title: the name in print.
        folder: of the binary files, as the archive has it.
        archive: the official file's name, size and SHA-256.
        files: of the training and of the test images.
        label_bytes: at the front of each record; the last is the fine class.
        pickled: names of the form for Python, which is never read.
        classes, coarse_classes: names in the order of the labels.
    """

    name: str
    title: str
    folder: str
    archive: tuple[str, int, str]
    files: tuple[tuple[str, ...], tuple[str, ...]]
    label_bytes: int
    pickled: tuple[str, ...]
    classes: tuple[str, ...]
    coarse_classes: tuple[str, ...] = ()


_CIFAR10 = CifarSpec(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    archive=(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    files=(tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",)),
    label_bytes=1,
    pickled=("cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1", "test_batch"),
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
)

_CIFAR100 = CifarSpec(
    name="cifar100",
    title="CIFAR-100",
    folder="cifar-100-binary",
    archive=(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ),
    files=(("train.bin",), ("test.bin",)),
    label_bytes=2,
    pickled=("cifar-100-python", "cifar-100-python.tar.gz", "train", "test"),
    classes=(
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ),
    coarse_classes=(
        "aquatic_mammals",
        "fish",
        "flowers",
        "food_containers",
        "fruit_and_vegetables",
        "household_electrical_devices",
        "household_furniture",
        "insects",
        "large_carnivores",
        "large_man-made_outdoor_things",
        "large_natural_outdoor_scenes",
        "large_omnivores_and_herbivores",
        "medium_mammals",
        "non-insect_invertebrates",
        "people",
        "reptiles",
        "small_mammals",
        "trees",
        "vehicles_1",
        "vehicles_2",
    ),
)


@dataclass(frozen=True)
class _Copy:
    kind: str  # "binary", "archive" (of the binary form), "folder" or "tar" (of images)
    path: Path


class CIFAR10(PublishedImages):
    """CIFAR-10: 50,000 + 10,000 colour images of 32×32 pixels in 10 classes.

    Read from the binary form, unpacked (`data_batch_1.bin` …) or as `cifar-10-binary.tar.gz`, or
    from images in folders `train/cat/1.png`, in a directory or a tar file. The form for Python is
    pickled: reading it would run what the file says, so it is refused. (Source: A. Krizhevsky,
    "Learning multiple layers of features from tiny images", 2009.)

    Args:
        root: a folder that holds one of these forms, or the archive itself. By default
            TILEWISE_DATA, the system's datasets and the user's cache are searched for a folder
            `cifar10`.
        train: the training images, or the test images.
        transform: applied to each image; any callable. Those of `tilewise.data.transforms` run on
            a whole batch at once. Without one, images are uint8 arrays of shape (32, 32, 3).
        target_transform: applied to each label; any callable.
        download: fetch the official archive (170 MB, checksum verified) where no copy is found.

    Attributes:
        images: uint8 (N, 32, 32, 3); labels: int64 (N,).
        lossless: False where the pictures come from image files, which may be JPEG: accuracy on
            those is not accuracy on CIFAR-10.
        MEAN, STD: of the training pixels of each channel, scaled to [0, 1] (the figures in common
            use; the lossless files give them).

    Raises:
        FileNotFoundError: no copy was found.
        ValueError: only the pickled form is there, or a file is truncated or corrupt.

    Example:
        `data.CIFAR10("data", download=True)` fetches the archive; others can take its place:

        >>> record = bytes([6]) + bytes(3072)  # a black frog
        >>> for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        ...     with open(name, "wb") as stream:
        ...         _ = stream.write(2 * record)
        >>> frogs = data.CIFAR10(".")
        >>> frogs.images.shape, frogs.classes[frogs[0][1]]
        ((10, 32, 32, 3), 'frog')
    """

    spec: ClassVar[CifarSpec] = _CIFAR10
    MEAN: ClassVar[tuple[float, ...]] = (0.4914, 0.4822, 0.4465)
    STD: ClassVar[tuple[float, ...]] = (0.2470, 0.2435, 0.2616)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self._load(root, train, transform, target_transform, download, coarse=False)

    def _load(
        self,
        root: str | os.PathLike[str] | None,
        train: bool,
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        download: bool,
        *,
        coarse: bool,
    ) -> None:
        spec = self.spec
        self.train = as_bool(type(self).__name__, "train", train)
        copy = _locate(spec, root, download)
        self.path = copy.path
        self.origin = str(copy.path)
        self.classes = list(spec.coarse_classes if coarse else spec.classes)
        self.lossless = copy.kind in ("binary", "archive")
        if self.lossless:
            images, labels = _read_binary(spec, copy, self.train, coarse)
        else:
            if coarse:
                raise ValueError(f"{spec.name}: {copy.path} has no coarse labels")
            images, labels = _read_images(spec, copy, self.train)
        super().__init__(images, labels, transform, target_transform)


class CIFAR100(CIFAR10):
    """CIFAR-100: 50,000 + 10,000 colour images of 32×32 pixels in 100 classes.

    As `CIFAR10`: the binary form (`train.bin`, `test.bin`, or `cifar-100-binary.tar.gz`), or images
    in folders. (Source: A. Krizhevsky, "Learning multiple layers of features from tiny images",
    2009.)

    Args:
        root, train, transform, target_transform, download: as those of `CIFAR10`; the folder
            searched for is `cifar100`.
        coarse: the 20 superclasses as labels.

    Raises:
        FileNotFoundError: no copy was found.
        ValueError: only the pickled form is there, or a file is truncated or corrupt.

    Example:
        >>> for name in ("train.bin", "test.bin"):
        ...     with open(name, "wb") as stream:
        ...         _ = stream.write(bytes([4, 0]) + bytes(3072))
        >>> data.CIFAR100(".").classes[0], data.CIFAR100(".", coarse=True).classes[4]
        ('apple', 'fruit_and_vegetables')
    """

    spec: ClassVar[CifarSpec] = _CIFAR100
    MEAN: ClassVar[tuple[float, ...]] = (0.5071, 0.4865, 0.4409)
    STD: ClassVar[tuple[float, ...]] = (0.2673, 0.2564, 0.2762)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        *,
        coarse: bool = False,
    ) -> None:
        coarse = as_bool("CIFAR100", "coarse", coarse)
        self._load(root, train, transform, target_transform, download, coarse=coarse)


def _locate(spec: CifarSpec, root: str | os.PathLike[str] | None, download: bool) -> _Copy:
    """The copy to use; a `root` that the caller names is the only place looked at."""
    if root is not None:
        places = [Path(root)]
    else:
        environment = os.environ.get("TILEWISE_DATA")
        bases = [Path(environment)] if environment else []
        places = [base / spec.name for base in (*bases, catalog.SYSTEM_DATASETS)]
        places.append(catalog.cache_folder() / spec.name)
    for place in places:
        copy = _find(spec, place)
        if copy is not None:
            return copy
    if download:
        return _fetch(spec, places[-1])
    for place in places:
        _refuse_pickles(spec, place)
    wanted = f"{spec.archive[0]}, {spec.folder}/{spec.files[0][0]}, or train/<class>/<image>"
    if root is not None:
        raise FileNotFoundError(
            f"{spec.name}: {places[0]} holds no {spec.title}: expected {wanted}"
        )
    raise FileNotFoundError(
        f"{spec.name}: no copy of {spec.title} was found: name its folder, set TILEWISE_DATA, or "
        f"allow the download ({spec.archive[1] / 1e6:.0f} MB)"
    )


def _find(spec: CifarSpec, place: Path) -> _Copy | None:
    """The form of the dataset at a path, if there is one."""
    if place.is_file():
        if place.name in spec.pickled:
            return None
        return _Copy("archive" if place.name == spec.archive[0] else "tar", place)
    for folder in (place, place / spec.folder):
        if all((folder / name).is_file() for names in spec.files for name in names):
            return _Copy("binary", folder)
    if (place / spec.archive[0]).is_file():
        return _Copy("archive", place / spec.archive[0])
    if (place / "train").is_dir() and (place / "test").is_dir():
        return _Copy("folder", place)
    if place.is_dir():
        tars = [p for p in sorted(place.iterdir()) if p.name.endswith((".tar", ".tar.gz", ".tgz"))]
        tars = [p for p in tars if p.name not in spec.pickled]
        if len(tars) == 1:
            return _Copy("tar", tars[0])
    return None


def _refuse_pickles(spec: CifarSpec, place: Path) -> None:
    found = [place] if place.name in spec.pickled else [place / name for name in spec.pickled]
    for path in found:
        if path.exists():
            raise ValueError(
                f"{spec.name}: {path} is the pickled form of {spec.title}: loading a pickle runs "
                f"whatever code it holds, so tilewise does not; fetch {_SITE}{spec.archive[0]} "
                "instead (the same images), or pass download=True"
            )


def _fetch(spec: CifarSpec, folder: Path) -> _Copy:
    from .download import download_file

    name, size, sha256 = spec.archive
    folder.mkdir(parents=True, exist_ok=True)
    site = os.environ.get("TILEWISE_MIRROR", _SITE).rstrip("/")
    download_file(f"{site}/{name}", folder / name, size=size, sha256=sha256)
    return _Copy("archive", folder / name)


def _read_binary(
    spec: CifarSpec, copy: _Copy, train: bool, coarse: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The records of the binary files: labels, then three planes of 32×32 bytes."""
    names = spec.files[0 if train else 1]
    contents: dict[str, npt.NDArray[np.uint8]] = {}
    if copy.kind == "archive":

        def wanted(name: str) -> bool:
            return name.rsplit("/", 1)[-1] in names

        members, _ = read_members(spec.name, copy.path, wanted)
        for member in members:
            if member.content is not None:
                name = member.name.rsplit("/", 1)[-1]
                contents[name] = np.frombuffer(member.content, np.uint8)
    else:
        contents = {name: np.fromfile(copy.path / name, np.uint8) for name in names}
    record = spec.label_bytes + _PIXELS
    parts = []
    for name in names:
        if name not in contents:
            raise FileNotFoundError(f"{spec.name}: {copy.path} lacks {name}")
        values = contents[name]
        if not values.size or values.size % record:
            raise ValueError(
                f"{spec.name}: {copy.path} is truncated or corrupt: {name} has {values.size:,} "
                f"bytes, expected records of {record}"
            )
        parts.append(values.reshape(-1, record))
    records = np.concatenate(parts)
    labels = records[:, 0 if coarse else spec.label_bytes - 1].astype(np.int64)
    most = len(spec.coarse_classes if coarse else spec.classes)
    if int(labels.max()) >= most:
        raise ValueError(
            f"{spec.name}: {copy.path} is corrupt: expected labels of 0…{most - 1}, got "
            f"{int(labels.max())}"
        )
    planes = records[:, spec.label_bytes :].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _read_images(
    spec: CifarSpec, copy: _Copy, train: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """All images of a split, decoded."""
    split = "train" if train else "test"

    def selected(name: str) -> bool:
        return split in name.split("/")[:-2]

    def label(name: str) -> int:
        folder = name.split("/")[-2]
        if folder not in spec.classes:
            raise ValueError(f"{spec.name}: {copy.path}: {folder!r} is no class of {spec.title}")
        return spec.classes.index(folder)

    files: ImageFiles
    if copy.kind == "tar":
        files = ImageTar(copy.path, label=label, select=selected)
    else:
        files = ImageFolder(copy.path, label=label, select=selected)
    logger.warning(
        "%s: %s holds image files; where they are JPEG, accuracy on them is not accuracy on %s",
        spec.name,
        copy.path,
        spec.title,
    )
    return _decoded(spec, files), files.labels


def _decoded(spec: CifarSpec, files: ImageFiles) -> npt.NDArray[np.uint8]:
    from tqdm import tqdm

    images = np.empty((len(files), 32, 32, 3), np.uint8)
    part = 1024
    with tqdm(
        total=len(files), desc=spec.name, unit="image", disable=None, leave=False, delay=0.5
    ) as bar:
        for first in range(0, len(files), part):
            batch = files.read(np.arange(first, min(first + part, len(files))))
            if isinstance(batch, list) or batch.shape[1:] != (32, 32, 3):
                raise ValueError(f"{spec.name}: expected images of 32x32 pixels in {files}")
            images[first : first + len(batch)] = batch
            bar.update(len(batch))
    return images
