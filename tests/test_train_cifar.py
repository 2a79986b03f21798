"""Training on CIFAR's binary form, from pictures of the real set, by networks of several heads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import data_dir
from tilewise import cli, models
from tilewise.train import network, read_metrics
from tilewise.train.trainer import Trainer

COPIES = 2  # of each picture among the training records


def write_binary(folder: Path, name: str, label_bytes: int, files: tuple[str, ...]) -> Path:
    """The set's twenty pictures as records: labels, then three planes; the last file is the test.

    Coarse labels of CIFAR-100 are left zero.
    """
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install .[data]")
    paths = sorted((data_dir("photos") / "foolbox_samples").glob(f"{name}_*.png"))
    assert len(paths) == 20
    records = []
    for path in paths:
        label = int(path.stem.rpartition("_")[2])
        planes = np.asarray(image.open(path).convert("RGB")).transpose(2, 0, 1)
        records.append(bytes([0] * (label_bytes - 1) + [label]) + planes.tobytes())
    folder.mkdir()
    *training, test = files
    for i, file in enumerate(training):
        part = (COPIES * records)[i :: len(training)]
        (folder / file).write_bytes(b"".join(part))
    (folder / test).write_bytes(b"".join(records))
    return folder


def cifar10(folder: Path) -> Path:
    batches = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    return write_binary(folder / "cifar10", "cifar10", 1, (*batches, "test_batch.bin"))


def cifar100(folder: Path) -> Path:
    return write_binary(folder / "cifar100", "cifar100", 2, ("train.bin", "test.bin"))


def tilewise(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def losses(out: Path) -> list[float]:
    return [r["loss"] for r in read_metrics(out / "metrics.jsonl") if r["kind"] == "step"]


@pytest.mark.parametrize(
    ("dataset", "write", "model", "options"),
    [
        (
            "cifar10",
            cifar10,
            "googlenet",
            ("--epochs", 3, "--augment", "none", "--lr", 1e-3),
        ),
        ("cifar100", cifar100, "resnet20_cifar", ("--epochs", 6)),
    ],
)
def test_the_loss_falls_and_a_resumed_run_has_the_same_bits(
    dataset: str,
    write: Callable[[Path], Path],
    model: str,
    options: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(name: str, *more: Any) -> int:
        return tilewise(
            *("train", dataset, "--data", data, "--model", model, "--quiet", *options),
            *("--batch-size", 8, "--threads", 1, "--checkpoint-every", 4, "--out", tmp_path / name),
            *more,
        )

    if model == "googlenet":  # with its two more heads, as it was first trained
        monkeypatch.setattr(network, "create", partial(models.create, aux_logits=True))
    data = write(tmp_path)
    assert train("whole") == 0
    found = losses(tmp_path / "whole")
    if model == "googlenet":  # at first each head knows nothing of the ten classes
        assert abs(found[0] / (1.6 * np.log(10)) - 1) < 0.2
        assert "aux2.fc2.weight" in tw.load(tmp_path / "whole" / "weights.safetensors")
    assert np.mean(found[-4:]) < 0.85 * np.mean(found[:2]), found

    step, seen = Trainer._step, list[int]()

    def stopping(trainer: Trainer, *arguments: Any) -> None:
        step(trainer, *arguments)
        seen.append(trainer.at.step)
        if len(seen) == 7:  # three steps after a checkpoint, in the middle of an epoch
            raise OSError("the power failed")

    monkeypatch.setattr(Trainer, "_step", stopping)
    assert train("parts") != 0
    assert train("parts", "--resume") == 0
    assert seen[6:8] == [7, 6]  # the checkpoint of the first epoch's end, five steps
    ours, theirs = (tmp_path / name / "weights.safetensors" for name in ("whole", "parts"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert losses(tmp_path / "parts") == found
