"""Trained weights of other origins on all the photos that tests see a few of.

    TILEWISE_DATA=/path/to/data python tools/check_pretrained.py

Prints the right answers of the CIFAR-10 ResNets on 20 lossless pictures, and top-1 and top-5 of the
SqueezeNets on 200 photos of ImageNet's classes. (ResNet-20 on the 10,000 JPEG test pictures:
`tilewise evaluate --weights resnet20.th --model resnet20_cifar --on cifar10`.)
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tilewise as tw
from tilewise import models
from tilewise.train.images import load_photo
from tilewise.train.pretrained import create_fitted

DATA = Path(os.environ.get("TILEWISE_DATA", "."))
CIFAR = tuple(f"resnet{depth}_cifar" for depth in (20, 32, 44, 56))
SQUEEZENETS = {"squeezenet1_1": "squeezenet1_1", "squeezenet1_0": "squeezenet1_0_dc"}


def ranks(name: str, weights: Path, photos: list[Path], labels: list[int]) -> list[int]:
    """The place of the right class among a network's answers, for each photo."""
    model, _, preset = create_fitted(name, weights)
    model.eval()
    rule = models.preprocessing(name, preset)
    found = []
    for photo, label in tqdm(
        list(zip(photos, labels, strict=True)), desc=name, leave=False, disable=None
    ):
        with tw.no_grad():
            logits = model(tw.from_numpy(load_photo(photo, rule)[None])).numpy()[0]
        found.append(int((logits > logits[label]).sum()))
    return found


def main() -> None:
    """Print the table."""
    photos = sorted(DATA.glob("photos/foolbox_samples/cifar10_*.png"))
    labels = [int(photo.stem.rpartition("_")[2]) for photo in photos]
    for name in CIFAR:
        depth = name.removeprefix("resnet").removesuffix("_cifar")
        (weights,) = DATA.glob(f"weights/resnet_cifar10/resnet{depth}-*.th")
        right = sum(rank == 0 for rank in ranks(name, weights, photos, labels))
        print(f"{name:<16} {right} of {len(photos)} right")
    photos = sorted(DATA.glob("photos/imagenet_samples/*.JPEG"))
    labels = [int(photo.name[:4]) for photo in photos]
    for name, file in SQUEEZENETS.items():
        path = DATA / "weights" / "squeezenet" / f"{file}.safetensors"
        found = np.array(ranks(name, path, photos, labels))
        top1, top5 = 100 * (found < 1).mean(), 100 * (found < 5).mean()
        print(f"{name:<16} top-1 {top1:.1f} %, top-5 {top5:.1f} % of {len(photos)}")


if __name__ == "__main__":
    main()
