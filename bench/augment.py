"""Images a second of each augmentation and of whole pipelines, on one thread by default.

    python bench/augment.py                         # transforms on 32x32 and 224x224 images
    python bench/augment.py --photos photos.tar     # also decode + ImageNet's pipeline, from JPEG
    python bench/augment.py --step                  # also what a training step consumes

torchvision's v2 transforms run beside them where it is installed, on the same images, one by one
(as datasets use them) on uint8 tensors. Both take turns; the fastest of each is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import tilewise as tw
from tilewise import data, models, optim
from tilewise.data import transforms as T
from tilewise.data.draws import Draws
from tilewise.nn import functional as F

MEAN, STD = data.IMAGENET_MEAN, data.IMAGENET_STD


def cases(size: int) -> dict[str, tuple[Any, str]]:
    """Transforms, and the same of torchvision as an expression over its module `V`."""
    crop = size - size // 8
    tail = "V.ToDtype(torch.float32, scale=True), V.Normalize(MEAN, STD)"
    return {
        "RandomCrop": (T.RandomCrop(size, padding=4), f"V.RandomCrop({size}, padding=4)"),
        "RandomHorizontalFlip": (T.RandomHorizontalFlip(), "V.RandomHorizontalFlip()"),
        "RandomResizedCrop": (
            T.RandomResizedCrop(crop),
            f"V.RandomResizedCrop({crop}, antialias=True)",
        ),
        "Resize": (T.Resize((crop, crop)), f"V.Resize(({crop}, {crop}), antialias=True)"),
        "CenterCrop": (T.CenterCrop(crop), f"V.CenterCrop({crop})"),
        "RandomRotation": (T.RandomRotation(15), "V.RandomRotation(15)"),
        "RandomRotation bilinear": (
            T.RandomRotation(15, "bilinear"),
            "V.RandomRotation(15, V.InterpolationMode.BILINEAR)",
        ),
        "ColorJitter": (T.ColorJitter(0.4, 0.4, 0.4, 0.1), "V.ColorJitter(0.4, 0.4, 0.4, 0.1)"),
        "RandomErasing": (T.RandomErasing(1.0), "V.RandomErasing(1.0)"),
        "Cutout": (T.Cutout(size // 2), ""),
        "ToTensor, Normalize": (
            T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)]),
            f"V.Compose([{tail}])",
        ),
        "crop, flip, normalize": (
            T.Compose(
                [
                    T.RandomCrop(size, padding=4),
                    T.RandomHorizontalFlip(),
                    T.ToTensor(),
                    T.Normalize(MEAN, STD),
                ]
            ),
            f"V.Compose([V.RandomCrop({size}, padding=4), V.RandomHorizontalFlip(), {tail}])",
        ),
    }


def seconds(run: Callable[[], Any], least: float = 0.12) -> float:
    """The time of one call, from as many as take `least` seconds."""
    start = time.perf_counter()
    calls = 0
    while time.perf_counter() - start < least:
        run()
        calls += 1
    return (time.perf_counter() - start) / calls


def torchvision_v2() -> Any:
    """torchvision.transforms.v2 with torch, or None."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision")):
        return None
    # Its compiled operators do not load beside every build of PyTorch; the transforms need none.
    sys.modules.setdefault(
        "torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations")
    )
    import torch
    from torchvision.transforms import v2

    v2.torch = torch
    return v2


def per_transform(size: int, batch: int, turns: int, other: Any) -> None:
    """One line a transform."""
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    draws = Draws(0, 0, np.arange(batch))
    print(f"\n{batch} images of {size}x{size}, images/s{'':14}tilewise  torchvision")
    for name, (transform, expression) in cases(size).items():
        runs: list[Callable[[], Any]] = [lambda t=transform: t.apply(images, draws)]
        if other is not None and expression:
            torch = other.torch
            names = {"V": other, "torch": torch, "MEAN": MEAN, "STD": STD}
            theirs = eval(expression, names)
            tensors = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().unbind(0)
            runs.append(lambda t=theirs, x=tensors: [t(image) for image in x])
        best = [
            min(times)
            for times in zip(*([seconds(r) for r in runs] for _ in range(turns)), strict=True)
        ]
        rates = [f"{batch / t:11,.0f}" for t in best]
        print(f"  {name:40}{'  '.join(rates)}")


def photos(path: str, batch: int, turns: int, other: Any) -> None:
    """From JPEG files to batches of 224x224."""
    augment = T.Compose(
        [
            T.RandomResizedCrop(224),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize(MEAN, STD),
        ]
    )
    evaluate = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), T.Normalize(MEAN, STD)])
    files = data.ImageTar(path)
    cached = data.ImageTar(path, cache_bytes=1 << 30)
    indices = np.random.default_rng(0).permutation(len(files))[:batch]
    cached.read(indices)
    draws = Draws(0, 0, indices)

    def gather(dataset: data.ImageTar, transform: Any) -> Callable[[], Any]:
        def run() -> Any:
            dataset.transform = transform
            return dataset.gather(indices, draws)

        return run

    rows: dict[str, tuple[Callable[[], Any], str]] = {
        "decode": (lambda: files.read(indices), "V.PILToTensor()"),
        "decode, ImageNet training": (
            gather(files, augment),
            (
                "V.Compose([V.PILToTensor(), V.RandomResizedCrop(224, antialias=True), "
                "V.RandomHorizontalFlip(), V.ToDtype(torch.float32, scale=True), "
                "V.Normalize(MEAN, STD)])"
            ),
        ),
        "decode, ImageNet evaluation": (
            gather(files, evaluate),
            (
                "V.Compose([V.PILToTensor(), V.Resize(256, antialias=True), V.CenterCrop(224), "
                "V.ToDtype(torch.float32, scale=True), V.Normalize(MEAN, STD)])"
            ),
        ),
        "ImageNet training, cached": (gather(cached, augment), ""),
    }
    print(f"\n{batch} photos of {path}, images/s{'':20}tilewise  torchvision")
    for name, (run, expression) in rows.items():
        runs = [run]
        if other is not None and expression:
            runs.append(_theirs(other, expression, files, indices))
        best = [
            min(times)
            for times in zip(*([seconds(r) for r in runs] for _ in range(turns)), strict=True)
        ]
        rates = [f"{batch / t:11,.0f}" for t in best]
        print(f"  {name:40}{'  '.join(rates)}")


def _theirs(other: Any, expression: str, files: data.ImageTar, indices: Any) -> Callable[[], Any]:
    import io

    from PIL import Image

    names = {"V": other, "torch": other.torch, "MEAN": MEAN, "STD": STD}
    transform = eval(expression, names)
    contents = [files.content(int(i)) for i in indices]

    def run() -> Any:
        return [transform(Image.open(io.BytesIO(c)).convert("RGB")) for c in contents]

    return run


def training(batch: int, threads: int) -> None:
    """What training consumes, and what it loses to a loader that feeds it."""
    model = models.create("resnet18", num_classes=10)
    step = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = np.random.default_rng(0).integers(0, 256, (2048, 32, 32, 3), dtype=np.uint8)
    pipeline, _ = cases(32)["crop, flip, normalize"]
    source = data.ImageArrays(images, np.arange(2048) % 10, pipeline)

    def train(x: tw.Tensor, y: tw.Tensor) -> None:
        step.zero_grad()
        F.cross_entropy(model(x), y).backward()
        step.step()

    tw.set_num_threads(threads)
    x, y = next(iter(data.DataLoader(source, batch, seed=0)))
    train(x, y)
    alone = seconds(lambda: train(x, y), 4.0)
    print(f"\nResNet-18 at 32x32, batch {batch}, {threads} threads, images/s")
    print(f"  {'training alone':40}{batch / alone:11,.0f}")
    for workers in (0, 1):
        loader = data.DataLoader(source, batch, shuffle=True, seed=0, num_workers=workers)
        batches = iter(loader)
        train(*next(batches))
        start, count = time.perf_counter(), 0
        for fed in batches:
            train(*fed)
            count += 1
            if time.perf_counter() - start > 4:
                break
        rate = count * batch / (time.perf_counter() - start)
        print(f"  {f'with the loader, {workers} workers':40}{rate:11,.0f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 224])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--photos", help="a tar file of JPEG images in folders")
    parser.add_argument("--step", action="store_true", help="time training ResNet-18 at 32x32")
    options = parser.parse_args()
    tw.set_num_threads(options.threads)
    other = torchvision_v2()
    if other is not None:
        other.torch.set_num_threads(options.threads)
    for size in options.sizes:
        per_transform(size, 128 if size <= 64 else 16, options.turns, other)
    if options.photos:
        photos(options.photos, 32, options.turns, other)
    if options.step:
        training(64, max(2, options.threads))


if __name__ == "__main__":
    main()
