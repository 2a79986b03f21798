"""The datasets that tilewise knows: names, files, checksums, mirrors and where copies may lie."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)

SPLITS = ("train", "t10k")
SYSTEM_DATASETS = Path("/usr/share/datasets")
SAMPLE_ROOT = Path(__file__).parent / "_sample"


@dataclass(frozen=True)
class Spec:
    """What is needed to find, fetch and describe one dataset of IDX files.

    Args:
        name: the folder's name, and the dataset's on the command line.
        title: the name in print.
        classes: names of the classes, in the order of the labels.
        mean, std: of the training images' pixels, scaled to [0, 1].
        shape: (N train, N test) of the full set.
        checksums: official `.gz` file name → (bytes, SHA-256).
        mirrors: base URLs that serve those files.
        aliases: other folder names that hold the same files (torchvision's, for one).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    mean: float
    std: float
    shape: tuple[int, int]
    checksums: dict[str, tuple[int, str]]
    mirrors: tuple[str, ...]
    aliases: tuple[str, ...]


FASHION_MNIST = Spec(
    name="fashion-mnist",
    title="Fashion-MNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mean=0.2860,
    std=0.3530,
    shape=(60_000, 10_000),
    checksums={
        "train-images-idx3-ubyte.gz": (
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    aliases=("fashion-mnist", "FashionMNIST/raw"),
)

MNIST = Spec(
    name="mnist",
    title="MNIST",
    classes=tuple("0123456789"),
    mean=0.1307,
    std=0.3081,
    shape=(60_000, 10_000),
    checksums={
        "train-images-idx3-ubyte.gz": (
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    aliases=("mnist", "MNIST/raw"),
)

SPECS = {spec.name: spec for spec in (FASHION_MNIST, MNIST)}

SourceKind = Literal["directory", "environment", "system", "cache", "download", "sample"]


@dataclass(frozen=True)
class Source:
    """Where a dataset was found.

    Args:
        kind: how: given by the caller, by TILEWISE_DATA, by the system's package, in the user's
            cache, downloaded just now, or the sample inside the package.
        folder: the folder of the four IDX files.
    """

    kind: SourceKind
    folder: Path

    def describe(self) -> str:
        """One phrase for people, for example `/usr/share/datasets/fashion-mnist (system)`."""
        names = {"environment": "TILEWISE_DATA", "sample": "embedded sample"}
        return f"{self.folder} ({names.get(self.kind, self.kind)})"


def cache_folder() -> Path:
    """The user's cache: XDG_CACHE_HOME/tilewise, or where the platform keeps such files."""
    override = os.environ.get("XDG_CACHE_HOME")
    if override:
        return Path(override) / "tilewise"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tilewise"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home()) / "tilewise" / "cache"
    return Path.home() / ".cache" / "tilewise"


def find_file(folder: Path, stem: str) -> Path | None:
    """The file `stem` in `folder`: compressed with gzip, with xz, or plain."""
    for suffix in (".gz", ".xz", ""):
        candidate = folder / (stem + suffix)
        if candidate.is_file():
            return candidate
    return None


def stems(split: str) -> tuple[str, str]:
    """Names of the image and the label file of a split ("train" or "t10k"), without suffix."""
    return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"


def missing_files(folder: Path) -> list[str]:
    """Which of the four files `folder` lacks."""
    wanted = [stem for split in SPLITS for stem in stems(split)]
    return [stem for stem in wanted if find_file(folder, stem) is None]


def find_in(spec: Spec, root: Path) -> Path | None:
    """The folder at or under `root` that holds all four files of the dataset, if there is one."""
    for folder in (*(root / alias for alias in spec.aliases), root):
        if folder.is_dir() and not missing_files(folder):
            return folder
    return None


def search(spec: Spec) -> Source | None:
    """Look where copies usually lie: TILEWISE_DATA, the system's package, the user's cache."""
    places: list[tuple[SourceKind, Path]] = []
    environment = os.environ.get("TILEWISE_DATA")
    if environment:
        places.append(("environment", Path(environment) / spec.name))
    places.append(("system", SYSTEM_DATASETS / spec.name))
    places.append(("cache", cache_folder() / spec.name))
    for kind, folder in places:
        if not folder.is_dir():
            continue
        missing = missing_files(folder)
        if not missing:
            return Source(kind, folder)
        logger.warning("%s: %s lacks %s; looking elsewhere", spec.name, folder, ", ".join(missing))
    return None


def locate(
    spec: Spec, root: str | os.PathLike[str] | None = None, *, download: bool = False
) -> Source:
    """Decide which copy of a dataset to use.

    A `root` that the caller names is the only place looked at, unless `download` allows others.
    Without one: TILEWISE_DATA, the system's package, the user's cache, the official files (with
    `download`), and last the sample inside the package.

    Raises:
        FileNotFoundError: nothing was found; the message says where it was looked for.
        OSError, ValueError: the download failed, or its checksum is wrong.
    """
    if root is not None:
        folder = find_in(spec, Path(root))
        if folder is not None:
            return Source("directory", folder)
        if not download:
            raise FileNotFoundError(_not_found(spec, Path(root)))
    found = search(spec)
    if found is not None:
        return found
    if download:
        from .download import download_dataset

        target = cache_folder() / spec.name if root is None else Path(root) / spec.name
        download_dataset(spec, target)
        return Source("download", target)
    sample = SAMPLE_ROOT / spec.name
    if sample.is_dir():
        return Source("sample", sample)
    raise FileNotFoundError(
        f"{spec.name}: no copy of {spec.title} was found: name its folder, set TILEWISE_DATA, "
        f"or allow the download ({_total_megabytes(spec):.0f} MB)"
    )


def _total_megabytes(spec: Spec) -> float:
    return sum(size for size, _ in spec.checksums.values()) / 1e6


def _not_found(spec: Spec, root: Path) -> str:
    if not root.is_dir():
        return f"{spec.name}: there is no folder {root}"
    for folder in (*(root / alias for alias in spec.aliases), root):
        if folder.is_dir():
            missing = missing_files(folder)
            if len(missing) < 4:
                return f"{spec.name}: {folder} lacks {', '.join(missing)}"
    return (
        f"{spec.name}: {root} holds no {spec.title}: expected train-images-idx3-ubyte.gz and "
        f"three more files there or in {root / spec.name}"
    )
