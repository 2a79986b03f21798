"""Pictures: valid PNG files of the right size, and errors that say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilewise import viz

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")


def records(epochs: int = 3, steps: int = 20, *, validation: bool = False) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for epoch in range(epochs):
        for step in range(steps):
            at = epoch + (step + 1) / steps
            row = {"kind": "step", "progress": at, "loss": 2 / at, "accuracy": 1 - 0.3 / (1 + at)}
            rows.append(row)
        held_out = {"validation_loss": 1.0, "validation_accuracy": 0.7} if validation else {}
        rows.append({"kind": "epoch", "epoch": epoch + 1, "loss": 0.5, "accuracy": 0.8, **held_out})
    rows.append({"kind": "test", "epoch": epochs, "accuracy": 0.75, "loss": 1.0})
    return rows


def check_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 400
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    return pixels


@pytest.mark.parametrize("validation", [False, True])
def test_learning_curve(tmp_path: Path, validation: bool) -> None:
    path = tmp_path / "curve.png"
    viz.learning_curve(records(validation=validation), path, title="A run")
    check_picture(path)
    assert [p.name for p in tmp_path.iterdir()] == ["curve.png"]


def test_learning_curve_of_the_shortest_runs(tmp_path: Path) -> None:
    viz.learning_curve(records(1, 1), tmp_path / "a.png")
    viz.learning_curve([r for r in records() if r["kind"] == "epoch"], tmp_path / "b.png")
    viz.learning_curve([r for r in records() if r["kind"] == "step"], tmp_path / "c.png")
    for name in "abc":
        check_picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="steps or epochs, got none"):
        viz.learning_curve([{"kind": "other"}], tmp_path / "d.png")


def test_confusion_matrix(tmp_path: Path) -> None:
    counts = np.diag([50, 60, 0]) + np.array([[0, 3, 0], [1, 0, 0], [0, 0, 0]])
    viz.confusion_matrix(counts, ["cat", "a long name", "never seen"], tmp_path / "m.png")
    check_picture(tmp_path / "m.png")


def test_confusion_matrix_of_many_classes_is_no_larger(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install .[data]")
    names = [f"{i}" for i in range(250)]
    viz.confusion_matrix(np.eye(250, dtype=int), names, tmp_path / "m.png")
    with image.open(tmp_path / "m.png") as picture:
        assert max(picture.size) < 3000


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        viz.confusion_matrix(np.eye(2, dtype=int), ["0", "1"], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "counts",
    [np.zeros((2, 3), int), np.zeros((3, 3), int), np.zeros((2, 2)), -np.eye(2, dtype=int)],
)
def test_confusion_matrix_errors(tmp_path: Path, counts: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected non-negative integers \(2, 2\)"):
        viz.confusion_matrix(counts, ["0", "1"], tmp_path / "m.png")


def test_drawing_needs_no_pyplot(tmp_path: Path) -> None:
    """The user's own backend and figures are left alone."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    viz.learning_curve(records(1, 5), tmp_path / "a.png")
    assert dict(mpl.rcParams) == before
