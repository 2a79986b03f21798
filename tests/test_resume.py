"""A run that is killed at any moment and resumed ends with the same bits as one that is not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from test_train import TINY, make_data, train
from tilewise.io import Checkpoint, atomic
from tilewise.train import read_metrics

ARGUMENTS = [
    "train", "fashion-mnist", "--model", "cnn", "--epochs", "2", "--batch-size", "16",
    "--augment", "flip-shift", "--validation", "16", "--checkpoint-every", "2", "--threads", "1",
]  # fmt: skip
STEPS = 10  # 80 images in steps of 16, twice

# Runs the command line in a process that kills itself at the N-th call of a function.
KILLER = """
import os, signal, sys
module, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
import importlib
owner = importlib.import_module(module)
for part in name.split(".")[:-1]:
    owner = getattr(owner, part)
attribute = name.split(".")[-1]
before = getattr(owner, attribute)
def counted(*args, **kwargs):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(*args, **kwargs)
setattr(owner, attribute, counted)
from tilewise.cli import main
main(sys.argv[4:])
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def command(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tilewise", *arguments],
        capture_output=True, text=True, check=False, env=environment(), timeout=120,
    )  # fmt: skip


def killed_at(function: str, count: int, arguments: Sequence[str]) -> None:
    module, _, name = function.partition(":")
    done = subprocess.run(
        [sys.executable, "-c", KILLER, module, name, str(count), *arguments],
        capture_output=True, text=True, check=False, env=environment(), timeout=120,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def without_times(path: Path) -> list[dict[str, Any]]:
    times = ("seconds", "images_per_second")
    return [{k: v for k, v in r.items() if k not in times} for r in read_metrics(path)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data and the folder of a run that was never interrupted."""
    root = tmp_path_factory.mktemp("resume")
    data = make_data(root / "data")
    done = command([*ARGUMENTS, "--data", str(data), "--out", str(root / "whole")])
    assert done.returncode == 0, done.stderr
    return data, root / "whole"


def check_equal(out: Path, whole: Path) -> None:
    for name in ("weights.safetensors", "learning_curve.png", "confusion_matrix.png"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert without_times(out / "metrics.jsonl") == without_times(whole / "metrics.jsonl")
    assert sum(r["kind"] == "step" for r in read_metrics(out / "metrics.jsonl")) == STEPS
    assert not list(out.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("function", "count"),
    [
        ("tilewise.train.trainer:Trainer.save", 1),  # before anything is written
        ("tilewise.io.atomic:os.fsync", 2),  # within the first checkpoint, before it has its name
        ("tilewise.io.atomic:_sync_directory", 2),  # the second has its name, and not yet its place
        ("tilewise.train.trainer:Trainer._step", 1),
        ("tilewise.train.trainer:Trainer._step", 4),
        ("tilewise.train.metrics:MetricsLog.write", 4),
        ("tilewise.train.trainer:Trainer._end_epoch", 1),
        ("tilewise.train.trainer:Trainer._measure", 2),
        ("tilewise.io.atomic:os.fsync", 9),
        ("tilewise.train.trainer:Trainer._step", STEPS),
        ("tilewise.train.runner:evaluate", 1),  # training is over, the test is not
        ("tilewise.train.runner:save_bundle", 1),
        ("tilewise.viz:confusion_matrix", 1),
    ],
)
def test_killed_and_resumed(
    whole: tuple[Path, Path], tmp_path: Path, function: str, count: int
) -> None:
    data, finished = whole
    arguments = [*ARGUMENTS, "--data", str(data), "--out", str(tmp_path / "r")]
    killed_at(function, count, arguments)
    assert not (tmp_path / "r" / "confusion_matrix.png").exists()
    done = command([*arguments, "--resume"])
    assert done.returncode == 0, done.stderr
    check_equal(tmp_path / "r", finished)


def test_killed_again_and_again_at_any_time(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """SIGKILL from outside, after waits that fall where they may."""
    data, finished = whole
    arguments = [*ARGUMENTS, "--data", str(data), "--out", str(tmp_path / "r"), "--resume"]
    for wait in (0.3, 0.7, 0.8, 0.9, 1.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "tilewise", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
        )  # fmt: skip
        time.sleep(wait)
        process.kill()
        process.wait()
    done = command(arguments)
    assert done.returncode == 0, done.stderr
    check_equal(tmp_path / "r", finished)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(
    whole: tuple[Path, Path], tmp_path: Path, number: signal.Signals
) -> None:
    data, _ = whole
    out = tmp_path / "r"
    arguments = [
        "train", "fashion-mnist", "--model", "cnn", "--epochs", "500", "--batch-size", "16",
        "--data", str(data), "--out", str(out), "--threads", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tilewise", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    wait_for_steps(out, 3, process)
    start = time.perf_counter()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert time.perf_counter() - start < 2  # one second, and the machine's other work
    assert process.returncode == 128 + number
    assert "Traceback" not in stdout + stderr
    assert f"tilewise train fashion-mnist --resume --out {out}" in stderr
    at = Checkpoint.load(out / "checkpoint.safetensors").extra["position"]
    steps = [r["step"] for r in read_metrics(out / "metrics.jsonl") if r["kind"] == "step"]
    assert at["step"] == steps[-1]


def wait_for_steps(out: Path, steps: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        path = out / "metrics.jsonl"
        if path.is_file() and path.read_text(encoding="utf-8").count("\n") >= steps:
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"the run has not come to step {steps}: {process.communicate()}")


def test_interrupted_equals_whole(whole: tuple[Path, Path], tmp_path: Path) -> None:
    data, finished = whole
    arguments = [*ARGUMENTS, "--data", str(data), "--out", str(tmp_path / "r")]
    script = KILLER.replace("signal.SIGKILL", "signal.SIGINT")
    done = subprocess.run(
        [sys.executable, "-c", script, "tilewise.train.trainer", "Trainer._step", "4", *arguments],
        capture_output=True, text=True, check=False, env=environment(), timeout=120,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert Checkpoint.load(tmp_path / "r" / "checkpoint.safetensors").extra["position"]["step"] == 4
    done = command([*arguments, "--resume", "--threads", "2"])  # threads do not matter either
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout
    assert "at step 4" in done.stdout
    check_equal(tmp_path / "r", finished)


def test_a_full_disk_in_training_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path / "data")
    train(TINY, data, tmp_path / "whole", quiet=True)

    real, calls = atomic.os.fsync, 0

    def full_at_the_fourth(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", full_at_the_fourth)
    with pytest.raises(OSError, match="No space left"):
        train(TINY, data, tmp_path / "r", quiet=True, checkpoint_every=2)
    monkeypatch.undo()
    assert Checkpoint.load(tmp_path / "r" / "checkpoint.safetensors").extra["position"]["step"] == 0
    train(TINY, data, tmp_path / "r", quiet=True, checkpoint_every=2, resume=True)
    for name in ("weights.safetensors", "confusion_matrix.png"):
        assert (tmp_path / "r" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_kernel_refuses_to_write_more(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """As on a full disk: one clear line, and the checkpoint before stays."""
    data, _ = whole
    arguments = [
        "train", "fashion-mnist", "--model", "mlp", "--epochs", "1", "--batch-size", "16",
        "--data", str(data), "--threads", "1", "--quiet", "--out",
    ]  # fmt: skip
    assert command([*arguments, str(tmp_path / "whole")]).returncode == 0
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
        "from tilewise.cli import main; main(sys.argv[1:])"  # without AdamW's state: 410 KB
    )
    out = tmp_path / "r"
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments, str(out)],
        capture_output=True, text=True, check=False, env=environment(), timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"tilewise: {out / 'checkpoint.safetensors'}: File too large; to go on: "
        f"tilewise train fashion-mnist --resume --out {out}\n"
    )
    assert Checkpoint.load(out / "checkpoint.safetensors").extra["position"]["step"] == 0
    assert command([*arguments, str(out), "--resume"]).returncode == 0
    weights = "weights.safetensors"
    assert (out / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


def test_a_finished_run_resumes_to_itself(whole: tuple[Path, Path], tmp_path: Path) -> None:
    data, finished = whole
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    done = command([*ARGUMENTS, "--data", str(data), "--out", str(finished), "--resume"])
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
