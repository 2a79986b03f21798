"""Classify single images with trained weights."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..creation import from_numpy
from .bundle import Bundle
from .evaluation import probabilities
from .images import Invert
from .preprocess import read_input

_BATCH = 16


def classify(
    bundle: Bundle,
    paths: Sequence[str | os.PathLike[str]],
    top: int,
    *,
    invert: Invert = "auto",
) -> list[list[tuple[str, float]]]:
    """The most probable classes of each image file, best first.

    Args:
        bundle: the trained model.
        paths: PNG, JPEG or anything else that Pillow reads.
        top: how many classes to name.
        invert: for networks that know light things on black: see `images.load_image`.

    Returns:
        For each image, up to `top` pairs of class and probability.

    Example:
        >>> classify(load_bundle("weights.safetensors"), ["bag.png"], top=1)  # doctest: +SKIP
        [[('Bag', 0.998)]]
    """
    ranked = []
    for first in range(0, len(paths), _BATCH):
        part = paths[first : first + _BATCH]
        x = from_numpy(np.stack([read_input(path, bundle.preprocessing, invert) for path in part]))
        for row in probabilities(bundle.model, x):
            best = np.argsort(-row, kind="stable")[:top]
            ranked.append([(bundle.classes[i], float(row[i])) for i in best.tolist()])
    return ranked
