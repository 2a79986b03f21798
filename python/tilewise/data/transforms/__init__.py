"""Transforms of images, vectorised over batches.

A transform works on a whole batch at once (`apply`) and can be called on one image, as in
torchvision. Images are uint8 arrays (H, W) or (H, W, C) before `ToTensor`, and float32 (C, H, W)
after it; the others accept both. Random transforms draw from (seed, epoch, sample
index) alone, so a sample is augmented alike whatever the batch size, the thread or the point at
which a run was resumed. Any callable of one image may stand beside these in a dataset; it is then
called image by image. `MixUp` and `CutMix` take a batch with its labels.
"""

from .base import Normalize, ToTensor, Transform
from .colour import ColorJitter, RandomGrayscale
from .compose import Compose
from .erasing import Cutout, RandomErasing
from .geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    RandomVerticalFlip,
)
from .mixing import BatchTransform, CutMix, MixUp, RandomChoice
from .resize import RandomResizedCrop, Resize
from .standardize import Standardize
from .warp import RandomAffine, RandomRotation

__all__ = [
    "BatchTransform",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "MixUp",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShift",
    "RandomVerticalFlip",
    "Resize",
    "Standardize",
    "ToTensor",
    "Transform",
]
