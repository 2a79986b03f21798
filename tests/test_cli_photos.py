"""The command line on colour photographs: training on folders, weights of other origins."""

from __future__ import annotations

import io as streams
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from tilewise import cli, models, train


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    tw.set_num_threads(1)


def tilewise(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def write_photos(folder: Path, count: int = 15) -> Path:
    """Red squares and blue ones, of several sizes."""
    pillow = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, channel in (("blue", 2), ("red", 0)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 80, (40 + i, 50, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            pillow.fromarray(pixels).save(folder / name / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "squares")


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "r"
    options = ["--model", "resnet20_cifar", "--image-size", "16", "--epochs", "4", "--quiet"]
    with pytest.raises(SystemExit) as left:
        cli.main(["train", str(photos), *options, "--batch-size", "8", "--out", str(out)])
    assert left.value.code == 0
    return out / "weights.safetensors"


def test_a_folder_is_trained_on_and_measured_again(
    capsys: pytest.CaptureFixture[str], run: Path, photos: Path
) -> None:
    bundle = train.load_bundle(run)
    assert bundle.classes == ("blue", "red")
    assert bundle.size == (16, 16)
    (tested,) = (r for r in train.read_metrics(run.parent / "metrics.jsonl") if r["kind"] == "test")
    assert tested["images"] == 6
    code, out, err = tilewise(capsys, "evaluate", run)
    assert (code, err) == (0, "")
    found = re.search(r"test accuracy ([\d.]+) %, loss ([\d.]+)", out)
    assert found
    assert float(found[1]) == pytest.approx(100 * tested["accuracy"], abs=0.01)
    assert float(found[2]) == pytest.approx(tested["loss"], abs=1e-4)
    code, out, _ = tilewise(capsys, "predict", run, photos / "red" / "00.png", "--top", "1")
    assert code == 0
    assert re.search(r"^  (red|blue)  +\d+\.\d %", out, re.MULTILINE)


def test_a_tar_in_parts_with_weights_and_a_frozen_backbone(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "parts.tar"
    with tarfile.open(path, "w") as tar:
        for file in sorted(photos.rglob("*.png")):
            part = "train" if int(file.stem) < 10 else "val"
            info = tarfile.TarInfo(f"all/{part}/{file.parent.name}/{file.name}")
            info.size = file.stat().st_size
            tar.addfile(info, streams.BytesIO(file.read_bytes()))
    tw.manual_seed(0)
    start = models.create("resnet20_cifar")
    before = {f"module.{name}": value for name, value in start.state_dict().items()}
    tw.save(before, tmp_path / "start.safetensors")
    out = tmp_path / "r"
    code, printed, _ = tilewise(
        capsys, "train", path, "--model", "resnet20_cifar", "--weights",
        tmp_path / "start.safetensors", "--freeze", "--augment", "flip", "--epochs", "1", "--out",
        out, "--batch-size", "8",
    )  # fmt: skip
    assert code == 0
    assert "20 training and 10 test images" in printed
    assert "took the prefix 'module.'" in printed
    assert "all but the last layer frozen" in printed
    after = tw.load(out / "weights.safetensors")
    for name, value in start.state_dict().items():
        if name.startswith("linear"):
            assert after[name].shape[0] == 2
        else:
            np.testing.assert_array_equal(after[name].numpy(), value.numpy(), err_msg=name)


def test_weights_of_another_origin(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    image, weights, labels = photos / "red" / "00.png", tmp_path / "w", tmp_path / "names.txt"
    tw.save(models.create("resnet20_cifar", num_classes=4).state_dict(), weights)
    labels.write_text("background\nröd\nblå\ngul\ngrön\n", encoding="utf-8")
    arguments = ("predict", "--weights", weights, "--model", "resnet20_cifar", image)
    code, out, err = tilewise(capsys, *arguments, "--labels", labels)
    assert code == 0
    assert "note: input 32×32" in err
    assert sorted(line.split()[0] for line in out.splitlines()[1:]) == ["blå", "grön", "gul", "röd"]
    code, out, _ = tilewise(capsys, *arguments, "--top", "2", "--preprocess", "caffe", "--rgb")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert "class " in out
    for extra, message in [
        (["--labels", tmp_path / "nowhere"], "No such file"),
        (["--labels", image], "expected text in UTF-8"),
        (["--labels", weights.with_name("names3.txt")], "expected 4 names of classes, got 3"),
        (["--mean", "1,2"], "mean of 1 or 3 numbers"),
        (["--std", "0"], "positive std"),
    ]:
        weights.with_name("names3.txt").write_text("a\nb\nc\n")
        code, _, err = tilewise(capsys, *arguments, *extra)
        assert code == 1
        assert message in err
        assert err.count("\n") == 1


def test_weights_that_do_not_say_what_they_are(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    image, weights = photos / "red" / "00.png", tmp_path / "w.safetensors"
    tw.save(models.create("resnet20_cifar").state_dict(), weights)
    code, _, err = tilewise(capsys, "predict", weights, image)
    assert code == 1
    assert "name it with --model" in err
    code, _, err = tilewise(capsys, "predict", weights, image, "--model", "resnet32_cifar")
    assert code == 1
    assert "of another model than resnet32_cifar: missing layer1.3.conv1.weight" in err
    assert err.count("\n") == 1
    code, _, err = tilewise(capsys, "predict", weights, image, "--model", "resnet21_cifar")
    assert code == 2
    assert re.search("close: .*resnet20_cifar", err)


def test_networks_that_cannot_take_the_images(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    arguments = ("train", photos, "--out", tmp_path / "r", "--epochs", "1")
    code, _, err = tilewise(capsys, *arguments, "--model", "mlp", "--image-size", "30")
    assert code == 1
    assert "mlp cannot" in err
    code, _, err = tilewise(capsys, *arguments, "--model", "alexnet", "--image-size", "20")
    assert code == 1
    assert "alexnet cannot take images of 3×20×20" in err
    code, _, err = tilewise(capsys, "train", tmp_path / "nowhere.tar")
    assert code == 2
    assert "nor a folder or tar file" in err
