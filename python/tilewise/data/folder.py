"""Image files as datasets: decoded when they are read, in threads, and kept up to a bound."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arguments import as_int
from .._core import get_num_threads
from .dataset import Indices
from .decode import EXTENSIONS, MAX_PIXELS, as_mode, decode_image, read_image_file
from .labelled import LabelledImages
from .transforms.batches import Batch, joined

logger = logging.getLogger(__name__)

LabelOf = Callable[[str], str | int]


class ImageFiles(LabelledImages):
    """Base of the datasets whose images are files: subclasses define `find`, `class_of`, `content`.

    Args:
        root: where the files are.
        transform: applied to each image; any callable. Those of `tilewise.data.transforms` run on
            a whole batch at once. Without one, images are uint8 (H, W, 3).
        target_transform: applied to each label; any callable.
        label: the class of a file by its name: a name, or an integer that is the label.
        select: which files belong to the dataset, by their names.
        mode: "RGB", "L" (grey) or "RGBA".
        cache_bytes: decoded images are kept in memory up to this many bytes; those read first stay.
        max_pixels: the most that an image may hold.

    Raises:
        FileNotFoundError: there is no image.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        *,
        label: LabelOf | None = None,
        select: Callable[[str], bool] | None = None,
        mode: str = "RGB",
        cache_bytes: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        op = type(self).__name__
        self.root = Path(root)
        self.names, others = self.find(lambda name: select is None or select(name))
        if not self.names:
            raise FileNotFoundError(f"{op}: {self.root} holds no image ({', '.join(EXTENSIONS)})")
        if others:
            logger.info("%s: %s: %s other files", op, self.root, f"{others:,}")
        labels: Any = [(label or self.class_of)(name) for name in self.names]
        self.classes, self.labels = _numbered(op, labels)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.transform = transform
        self.target_transform = target_transform
        self.mode = as_mode(mode)
        self.cache_bytes = as_int(op, "cache_bytes", cache_bytes, 0, 1 << 62)
        self.max_pixels = as_int(op, "max_pixels", max_pixels, 1, 1 << 40)
        self.cached_bytes = 0
        self._cache: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def find(self, wanted: Callable[[str], bool]) -> tuple[list[str], int]:
        """The names of the wanted images, sorted, and how many other files there are."""
        raise NotImplementedError(f"{type(self).__name__} must define find")

    def class_of(self, name: str) -> str:
        """The class of a file."""
        raise NotImplementedError(f"{type(self).__name__} must define class_of")

    def content(self, index: int) -> bytes:
        """The bytes of image file `index`."""
        raise NotImplementedError(f"{type(self).__name__} must define content")

    def describe(self, index: int) -> str:
        """The place of image `index`, for messages."""
        raise NotImplementedError(f"{type(self).__name__} must define describe")

    def __repr__(self) -> str:
        name, classes = type(self).__name__, len(self.classes)
        return f"{name}({self.root}, {len(self):,} images in {classes} classes)"

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """Image `index`, decoded: uint8 (H, W, 3), (H, W) for "L", or (H, W, 4)."""
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        image = decode_image(self.content(index), self.describe(index), self.mode, self.max_pixels)
        if self.cache_bytes:
            self._keep(index, image)
        return image

    def _keep(self, index: int, image: npt.NDArray[np.uint8]) -> None:
        with self._lock:
            if index not in self._cache and self.cached_bytes + image.nbytes <= self.cache_bytes:
                image.flags.writeable = False  # every epoch reads it
                self._cache[index] = image
                self.cached_bytes += image.nbytes

    def read(self, indices: Indices) -> Batch:
        """The decoded images at `indices`; Pillow decodes without holding the interpreter."""
        wanted = [int(i) + (len(self) if i < 0 else 0) for i in indices]
        missing = sum(i not in self._cache for i in wanted)
        threads = min(get_num_threads(), missing)
        if threads > 1:
            with ThreadPoolExecutor(threads, thread_name_prefix="tilewise-decode") as pool:
                images = list(pool.map(self.image, wanted))
        else:
            images = [self.image(i) for i in wanted]
        return joined(images) if images else np.empty((0, 0, 0), np.uint8)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_cache": {}, "cached_bytes": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def _numbered(
    op: str, labels: Sequence[str] | Sequence[int]
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Names of the classes, sorted, and each label's number."""
    kinds = {isinstance(label, str) for label in labels}
    if kinds == {True}:
        classes = sorted(set(map(str, labels)))
        number = {name: i for i, name in enumerate(classes)}
        return classes, np.array([number[str(label)] for label in labels], np.int64)
    if kinds != {False}:
        raise TypeError(f"{op}: expected labels that are all names or all integers")
    numbers = np.array([as_int(op, "label", label, 0) for label in labels], np.int64)
    # Numbers stay as they are; classes are named by them.
    return [str(i) for i in range(min(int(numbers.max()) + 1, 1 << 20))], numbers


def is_image(name: str) -> bool:
    """Whether a file's name ends like an image's."""
    return name.lower().endswith(EXTENSIONS)


class ImageFolder(ImageFiles):
    """Images in folders named after their classes: `root/cat/1.jpg`, `root/dog/x/2.png`.

    Files are listed in sorted order and read when they are wanted; links to folders are not
    followed. An image that cannot be decoded raises when it is read, naming the file: none is
    skipped. Other files than images (by the end of the name) are passed over; how many is logged.

    Args:
        root: the folder.
        transform: applied to each image; any callable. Those of `tilewise.data.transforms` run on
            a whole batch at once. Without one, images are uint8 (H, W, 3).
        target_transform: applied to each label; any callable.
        label: the class of a file by its path below root ("cat/1.jpg"): a name, or an integer that
            is the label. By default the first folder's name.
        select: which files belong to the dataset, by the same path.
        mode: "RGB", "L" (grey) or "RGBA".
        cache_bytes: decoded images are kept in memory up to this many bytes; those read first stay.
        max_pixels: the most that an image may hold.

    Attributes:
        classes: names, sorted; class_to_idx: their numbers; labels: int64 (N,).
        names: paths below root; cached_bytes: memory that kept images take.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image that lies in no class's folder; when read, one that is corrupt.

    Example:
        >>> import pathlib
        >>> for name in ("cat", "dog"):
        ...     pathlib.Path("pets", name).mkdir(parents=True)
        ...     _ = pathlib.Path("pets", name, "1.pgm").write_bytes(b"P5 2 1 255 " + bytes(2))
        >>> pets = data.ImageFolder("pets")
        >>> len(pets), pets.classes, pets[1][0].shape, pets[1][1]
        (2, ['cat', 'dog'], (1, 2, 3), 1)
    """

    def find(self, wanted: Callable[[str], bool]) -> tuple[list[str], int]:
        """The paths of the wanted images below root, sorted, and how many other files there are."""
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder: there is no folder {self.root}")
        names, others = _walk(self.root)
        return [name for name in names if wanted(name)], others

    def class_of(self, name: str) -> str:
        """The first folder of a path."""
        folder, slash, _ = name.partition("/")
        if not slash:
            raise ValueError(
                f"ImageFolder: {self.root / name} lies in no class's folder: expected "
                "root/class/image, or the argument label"
            )
        return folder

    def content(self, index: int) -> bytes:
        """The bytes of image file `index`."""
        return read_image_file(self.root / self.names[index])

    def describe(self, index: int) -> str:
        """The path of image `index`."""
        return str(self.root / self.names[index])


def _walk(root: Path) -> tuple[list[str], int]:
    """Paths of the images below a folder, sorted, and the number of other files."""
    names: list[str] = []
    others = 0
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(root / below) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{name}/")
                elif is_image(name):
                    names.append(name)
                else:
                    others += 1
    return sorted(names), others
