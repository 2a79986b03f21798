"""Classify single images with trained weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..creation import from_numpy
from ..data.draws import Draws
from .bundle import Bundle
from .evaluation import probabilities


def classify(
    bundle: Bundle, images: Sequence[npt.NDArray[np.uint8]], top: int
) -> list[list[tuple[str, float]]]:
    """The most probable classes of each image, best first.

    Args:
        bundle: the trained model.
        images: uint8 arrays of `bundle.size`, light on black.
        top: how many classes to name.

    Returns:
        For each image, up to `top` pairs of class and probability.

    Example:
        >>> classify(load_bundle("weights.safetensors"), [image], top=1)  # doctest: +SKIP
        [[('Bag', 0.998)]]
    """
    stacked = np.stack(images)
    draws = Draws(0, 0, np.arange(len(stacked)))
    x = from_numpy(np.ascontiguousarray(bundle.transform().apply(stacked, draws)))
    ranked = []
    for row in probabilities(bundle.model, x):
        best = np.argsort(-row, kind="stable")[:top]
        ranked.append([(bundle.classes[i], float(row[i])) for i in best.tolist()])
    return ranked
