"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .style import figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELLED = 20  # classes whose cells have room for numbers


def confusion_matrix(
    counts: npt.NDArray[np.integer[Any]],
    classes: Sequence[str],
    path: str | os.PathLike[str],
    *,
    title: str = "Confusion matrix",
) -> None:
    """Draw a confusion matrix as a PNG, with counts and the percentage of each true class.

    Beyond 20 classes the picture stays as large as for these, and shows colours alone.

    Args:
        counts: integers (K, K); row: the true class, column: the predicted one.
        classes: names of the K classes.
        path: the PNG file to write.
        title: printed above.

    Raises:
        ValueError: the counts are no square of non-negative integers, or the names do not fit.
        ImportError: matplotlib is not installed.

    Example:
        >>> viz.confusion_matrix(np.eye(2, dtype=int), ["cat", "dog"], "confusion.png")
    """
    counts = np.asarray(counts)
    size = len(classes)
    if counts.shape != (size, size) or counts.dtype.kind not in "iu" or counts.min(initial=0) < 0:
        raise ValueError(
            f"confusion_matrix: expected non-negative integers ({size}, {size}) for {size} "
            f"classes, got {counts.dtype.name} of shape {counts.shape}"
        )
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    shown = min(size, _LABELLED)
    with figure(1.9 + 0.92 * shown, 1.6 + 0.82 * shown) as drawn:
        axes = drawn.subplots()
        _draw_cells(axes, counts, shares)
        if size <= _LABELLED:
            _write_counts(axes, counts, shares)
        _label(axes, classes, shares.diagonal())
        drawn.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
        save_png(drawn, path)


def _draw_cells(axes: Axes, counts: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> None:
    """Blue for what is right, orange for what is wrong; strong orange from 15 % on."""
    from matplotlib import colormaps

    size = len(counts)
    right = np.eye(size, dtype=bool)
    blue, orange = colormaps["Blues"], colormaps["Oranges"]
    colours = np.where(
        right[..., None],
        blue(0.12 + 0.68 * shares),
        orange(np.minimum(shares / 0.15, 1.0) * 0.62),
    )
    colours[~right & (counts == 0)] = (0.985, 0.985, 0.985, 1.0)
    axes.imshow(colours, aspect="auto")
    axes.grid(visible=False)
    if size <= _LABELLED:
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_counts(axes: Axes, counts: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts > 0):
        diagonal = row == column
        dark = diagonal and shares[row, column] > 0.7
        colour = "white" if dark else "#1F2937"
        axes.text(column, row - 0.11, f"{counts[row, column]:,}", ha="center", va="center",
                  fontsize=12, fontweight="bold" if diagonal else "normal",
                  color=colour)  # fmt: skip
        axes.text(column, row + 0.24, _percent(shares[row, column]), ha="center", va="center",
                  fontsize=8.5, color=colour, alpha=0.85)  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.0%}" if share == 1 else f"{100 * share:.1f} %"


def _label(axes: Axes, classes: Sequence[str], recall: npt.NDArray[np.float64]) -> None:
    places = range(0, len(classes), -(-len(classes) // _LABELLED))
    classes = [classes[i] for i in places]
    tilt = 30 if max(map(len, classes)) > 3 else 0
    axes.set_xticks(places, classes, rotation=tilt, ha="right" if tilt else "center",
                    rotation_mode="anchor", fontsize=11)  # fmt: skip
    axes.set_yticks(places, classes, fontsize=11)
    axes.set_xlabel("predicted class", fontsize=12, labelpad=10)
    axes.set_ylabel("true class", fontsize=12, labelpad=10)
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [f"{100 * recall[i]:.1f} %" for i in places], fontsize=11)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    right.set_ylabel("of the true class found (recall)", fontsize=11, labelpad=10)
