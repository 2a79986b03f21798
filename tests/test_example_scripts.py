"""The scripts of examples/ run: here for a few steps, on the data that comes with the package."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import tilewise as tw
from helpers import REPO
from tilewise import models

EXAMPLES = REPO / "examples"


def run(script: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (EXAMPLES / script).is_file():
        pytest.skip(f"examples/{script} is not beside the tests")
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


@pytest.fixture
def sample_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only the embedded sample of Fashion-MNIST, in an empty folder."""
    for name in ("TILEWISE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_detect_shapes(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "3", "--batch-size", "4", "--images", "20"]
    files = ["--weights", "found.safetensors", "--picture", "found.png"]
    run("detect_shapes.py", *options, *files, monkeypatch=monkeypatch)
    shown = capsys.readouterr().out
    assert re.search(r"step +3  loss \d+\.\d+\n20 new images: .* average precision \d", shown)
    model = models.YOLOv3Tiny(3, width=0.25, anchors=(((1, 1),), ((1, 1),)))
    model.load_state_dict(tw.load("found.safetensors"))
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install .[data]")

    with Image.open("found.png") as picture:
        assert picture.size == (1152, 1152)


def test_shapes_are_where_their_boxes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    script = EXAMPLES / "detect_shapes.py"
    if not script.is_file():
        pytest.skip(f"{script} is not beside the tests")
    draw = runpy.run_path(str(script))["draw"]
    rng = np.random.default_rng(5)
    for _ in range(20):
        image, boxes, labels = draw(rng)
        assert image.shape == (3, 96, 96)
        assert len(boxes) == len(labels) >= 1
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= 96).all()
        # The last one drawn is covered by none: its middle has its colour, outside is another.
        x, y = ((boxes[-1, :2] + boxes[-1, 2:]) / 2).astype(int)
        inside = image[:, y - 2 : y + 3, x - 2 : x + 3]
        assert inside.std((1, 2)).max() < 0.1


def test_dcgan(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "2", "--batch-size", "8", "--width", "4"]
    run(
        "dcgan.py", *options, "--weights", "g.safetensors", "--picture", "clothes.png",
        monkeypatch=monkeypatch,
    )  # fmt: skip
    assert re.search(r"step +2  discriminator \d.*of the made images", capsys.readouterr().out)
    generator = models.DCGANGenerator(64, channels=1, width=4, size=32)
    generator.load_state_dict(tw.load("g.safetensors"))
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install .[data]")

    with Image.open("clothes.png") as picture:
        assert picture.size == (768, 768)


@pytest.mark.parametrize("script", ["detect_shapes.py", "dcgan.py"])
def test_help(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(script, "--help", monkeypatch=monkeypatch)
    assert stop.value.code == 0
    assert "--steps" in capsys.readouterr().out
