"""Select the embedded sample of Fashion-MNIST and write it into the package.

The first 600 training and the first 100 test images of each class, in the order of the official
files, so that the sample is balanced, small, and the same whoever makes it. xz is used because it
is the smallest that the standard library reads: 2.6 MB, against 3.1 MB with gzip and 2.8 MB with
bzip2; PNG's prediction filters before it make the files larger.

Example:
    python tools/make_sample.py /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tilewise.data import catalog
from tilewise.data.idx import write_idx
from tilewise.data.vision import load_split

PER_CLASS = {"train": 600, "t10k": 100}


def first_of_each_class(
    labels: npt.NDArray[np.int64], per_class: int, classes: int
) -> npt.NDArray[np.int64]:
    """Indices of the first `per_class` samples of each class, in the order of the file."""
    chosen = [np.flatnonzero(labels == label)[:per_class] for label in range(classes)]
    short = [label for label, indices in enumerate(chosen) if len(indices) < per_class]
    if short:
        raise ValueError(f"expected at least {per_class} images of each class, short of {short}")
    return np.sort(np.concatenate(chosen))


def make_sample(source: Path, target: Path) -> int:
    """Write the sample's four files; returns their size in bytes."""
    spec = catalog.FASHION_MNIST
    target.mkdir(parents=True, exist_ok=True)
    total = 0
    for split, per_class in PER_CLASS.items():
        images, labels = load_split(
            spec, catalog.Source("directory", source), train=split == "train"
        )
        chosen = first_of_each_class(labels, per_class, len(spec.classes))
        columns = (images[chosen], labels[chosen].astype(np.uint8))
        for stem, values in zip(catalog.stems(split), columns, strict=True):
            path = target / f"{stem}.xz"
            write_idx(path, values)
            total += path.stat().st_size
            print(f"{path}: {values.shape}, {path.stat().st_size:,} bytes")
    return total


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the embedded sample of Fashion-MNIST.")
    parser.add_argument("source", type=Path, help="folder of the four full IDX files")
    default = catalog.SAMPLE_ROOT / catalog.FASHION_MNIST.name
    parser.add_argument("--target", type=Path, default=default, help="default: %(default)s")
    arguments = parser.parse_args()
    print(f"{make_sample(arguments.source, arguments.target):,} bytes in all")


if __name__ == "__main__":
    main()
