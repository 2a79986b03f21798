"""The learning curve of a run: loss and accuracy over the epochs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .style import BLUE, GREY, ORANGE, RED, figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]


def learning_curve(
    records: Iterable[Record], path: str | os.PathLike[str], *, title: str = "Learning curve"
) -> None:
    """Draw loss and accuracy over the epochs as a PNG.

    Args:
        records: as in a run's `metrics.jsonl`: of kind "step" (epoch, loss, accuracy), "epoch"
            (epoch, loss, accuracy, and validation_loss, validation_accuracy where some of the
            data was held out) and "test" (epoch, accuracy). Other kinds are passed over.
        path: the PNG file to write.
        title: printed above.

    Raises:
        ValueError: the records hold neither a step nor an epoch.
        ImportError: matplotlib is not installed.

    Example:
        >>> figures = {"kind": "step", "loss": 0.5, "accuracy": 0.8}
        >>> steps = [{**figures, "progress": i} for i in (1, 2)]
        >>> viz.learning_curve(steps, "curve.png")
    """
    kinds: dict[str, list[Record]] = {"step": [], "epoch": [], "test": []}
    for record in records:
        kinds.get(str(record.get("kind")), []).append(record)
    if not kinds["step"] and not kinds["epoch"]:
        raise ValueError("learning_curve: expected records of steps or epochs, got none")
    with figure(11, 4.6) as drawn:
        drawn.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
        loss, accuracy = drawn.subplots(1, 2)
        _draw(loss, kinds, "loss", scale=1.0)
        _draw(accuracy, kinds, "accuracy", scale=100.0)
        loss.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
        accuracy.set(title="Accuracy", xlabel="epoch", ylabel="correct (%)")
        _limit(loss, kinds, "loss", low=True)
        _limit(accuracy, kinds, "accuracy", low=False)
        _mark_test(accuracy, kinds["test"])
        loss.legend(loc="upper right")
        accuracy.legend(loc="lower right")
        save_png(drawn, path)


def _column(records: list[Record], name: str) -> npt.NDArray[np.float64]:
    return np.array([float(record[name]) for record in records])


def _draw(axes: Axes, kinds: Mapping[str, list[Record]], name: str, scale: float) -> None:
    steps, epochs = kinds["step"], kinds["epoch"]
    if steps:
        x, y = _column(steps, "progress"), _column(steps, name) * scale
        axes.plot(x, y, color=BLUE, alpha=0.16, linewidth=0.8)
        axes.plot(*_smooth(x, y), color=BLUE, alpha=0.55, linewidth=1.2, label="training, by step")
    if epochs:
        x = _column(epochs, "epoch") - 0.5  # a mean stands in the middle of what it is of
        axes.plot(x, _column(epochs, name) * scale, "o-", color=BLUE, markersize=5, linewidth=2,
                  label="training, mean of the epoch")  # fmt: skip
    held_out = [record for record in epochs if record.get(f"validation_{name}") is not None]
    if held_out:
        axes.plot(_column(held_out, "epoch"), _column(held_out, f"validation_{name}") * scale,
                  "s-", color=ORANGE, markersize=5, linewidth=2,
                  label="validation (held out of training)")  # fmt: skip


def _smooth(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A running mean over a fiftieth of the run, centred."""
    width = max(1, len(y) // 50)
    kernel = np.full(width, 1 / width)
    return x[(width - 1) // 2 : len(x) - width // 2], np.convolve(y, kernel, mode="valid")


def _limit(axes: Axes, kinds: Mapping[str, list[Record]], name: str, *, low: bool) -> None:
    """Give the first, wild steps no say in the range of the axis."""
    axes.margins(x=0.02)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlim(left=0)
    records = kinds["step"] or kinds["epoch"]
    values = _column(records, name)
    if low:
        top = float(np.quantile(values, 0.98)) if len(values) > 50 else float(values.max())
        axes.set_ylim(0, max(top * 1.1, 1e-3))
    else:
        bottom = float(np.quantile(values, 0.03 if len(values) > 50 else 0.0)) * 100
        axes.set_ylim(max(0.0, min(bottom, 95.0) - 3), 100.5)


def _mark_test(axes: Axes, tests: list[Record]) -> None:
    if not tests:
        return
    epoch, accuracy = float(tests[-1]["epoch"]), float(tests[-1]["accuracy"]) * 100
    axes.plot([epoch], [accuracy], "*", color=RED, markersize=15, markeredgecolor="white",
              zorder=5, clip_on=False,
              label=f"test, after the last epoch: {accuracy:.2f} %")  # fmt: skip
    axes.axhline(accuracy, color=GREY, linewidth=0.8, linestyle=(0, (4, 4)))
