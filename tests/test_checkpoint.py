"""Checkpoints: complete, exact, refused where they do not belong, and never half written."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tilewise as tw
from tilewise import io, nn, optim
from tilewise.io import Checkpoint, atomic, atomic_write, open_atomic
from tilewise.io.tree import flatten, unflatten

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def net(width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(width * 36, 3),
    )  # fmt: skip


def make(kind: str) -> tuple[nn.Module, Any, Any]:
    model = net()
    optimizer = OPTIMIZERS[kind](list(model.parameters()))
    return model, optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)


def steps(model: nn.Module, optimizer: Any, scheduler: Any, first: int, last: int) -> None:
    loss_fn = nn.CrossEntropyLoss()
    for step in range(first, last):
        rng = np.random.default_rng(step)
        x = tw.from_numpy(rng.normal(size=(4, 1, 8, 8)).astype(np.float32))
        y = tw.from_numpy(rng.integers(0, 3, 4))
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        scheduler.step()


def weights(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_restored_run_goes_on_bit_for_bit(tmp_path: Path, kind: str) -> None:
    tw.manual_seed(1)
    whole = make(kind)
    steps(*whole, 0, 5)
    extra = {"epoch": 3, "nested": {"a": [1, 2.5, None, True]}, "best": np.float32(0.1)}
    Checkpoint.capture(*whole, extra=extra).save(tmp_path / "c")
    steps(*whole, 5, 10)

    tw.manual_seed(99)
    parts = make(kind)
    checkpoint = Checkpoint.load(tmp_path / "c")
    checkpoint.restore(*parts)
    assert checkpoint.extra["epoch"] == 3
    assert checkpoint.extra["nested"] == extra["nested"]
    assert checkpoint.extra["best"] == float(np.float32(0.1))
    steps(*parts, 5, 10)
    assert weights(parts[0]) == weights(whole[0])
    assert parts[1].param_groups[0]["lr"] == whole[1].param_groups[0]["lr"]


def test_a_checkpoint_is_a_safetensors_file_without_pickle(tmp_path: Path) -> None:
    model, optimizer, scheduler = make("adamw")
    steps(model, optimizer, scheduler, 0, 1)
    Checkpoint.capture(model, optimizer, scheduler).save(tmp_path / "c")
    stored = tw.load(tmp_path / "c")
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(stored[f"model.{name}"].numpy(), tensor.numpy())
    json.loads(io.load_metadata(tmp_path / "c")["state"])


def test_another_model_is_refused_and_left_alone(tmp_path: Path) -> None:
    Checkpoint.capture(net(8)).save(tmp_path / "c")
    other = net(6)
    before = weights(other)
    with pytest.raises(ValueError, match="another model than Sequential") as caught:
        Checkpoint.load(tmp_path / "c").restore(other)
    message = str(caught.value)
    assert "0.weight (8, 1, 3, 3) where the model has (6, 1, 3, 3)" in message
    assert "more" in message
    assert weights(other) == before

    with pytest.raises(ValueError, match=r"missing 6\.weight \(2, 2\), 6\.bias .*; unexpected "):
        Checkpoint.load(tmp_path / "c").restore(
            nn.Sequential(*[nn.Flatten() for _ in range(6)], nn.Linear(2, 2))
        )


def test_state_that_is_not_there_is_refused(tmp_path: Path) -> None:
    model, optimizer, _ = make("sgd")
    Checkpoint.capture(model).save(tmp_path / "c")
    with pytest.raises(ValueError, match="no state of the optimizer"):
        Checkpoint.load(tmp_path / "c").restore(model, optimizer)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"tilewise_checkpoint": "999", "state": "{}"},
        {"tilewise_checkpoint": "1"},
        {"tilewise_checkpoint": "1", "state": "nonsense"},
        {"tilewise_checkpoint": "1", "state": "[]"},
        {"tilewise_checkpoint": "1", "state": "[" * 100_000},
        {"tilewise_checkpoint": "1", "state": '{"optimizer": null}'},
        {"tilewise_checkpoint": "1",
         "state": '{"optimizer":{"__tensor__":"x"},"scheduler":0,"rng":0,"extra":{}}'},
        {"tilewise_checkpoint": "1",
         "state": '{"optimizer":{"__items__":[1]},"scheduler":0,"rng":0,"extra":{}}'},
        {"tilewise_checkpoint": "1",
         "state": '{"optimizer":{"__tensor__":[]},"scheduler":0,"rng":0,"extra":{}}'},
        {"tilewise_checkpoint": "1",
         "state": '{"optimizer":0,"scheduler":0,"rng":0,"extra":[]}'},
    ],
)  # fmt: skip
def test_files_that_are_no_checkpoints(tmp_path: Path, metadata: dict[str, str]) -> None:
    io.save({"model.x": np.zeros(1)}, tmp_path / "strange", metadata)
    with pytest.raises(ValueError, match="strange"):
        Checkpoint.load(tmp_path / "strange")


state = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(value=state)
def test_any_state_comes_back(value: Any) -> None:
    tensors: dict[str, Any] = {}
    encoded = json.loads(json.dumps(flatten(value, "v", tensors)))
    back = unflatten(encoded, tensors)
    assert back == value
    assert repr(back) == repr(value)


def test_state_with_tensors_comes_back() -> None:
    tensors: dict[str, Any] = {}
    value = {"a": {0: tw.ones(2), 1: (np.arange(3), "x")}, "__tensor__": 5}
    flat = json.loads(json.dumps(flatten(value, "v", tensors)))
    back = unflatten(flat, {k: np.asarray(v.numpy() if isinstance(v, tw.Tensor) else v)
                            for k, v in tensors.items()})  # fmt: skip
    assert isinstance(back["a"][0], tw.Tensor)
    assert back["a"][1][0].tolist() == [0, 1, 2]
    assert back["__tensor__"] == 5
    with pytest.raises(TypeError, match=r"got set at v\.a"):
        flatten({"a": set()}, "v", {})


# ------------------------------------------------------------------ atomic files


def test_atomic_write(tmp_path: Path) -> None:
    atomic_write(tmp_path / "f", b"one")
    atomic_write(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    atomic_write(tmp_path / "f", b"old")
    with pytest.raises(type(error)), open_atomic(tmp_path / "f") as stream:
        stream.write(b"new")
        raise error
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    model = net()
    Checkpoint.capture(model, extra={"step": 1}).save(tmp_path / "c")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "fsync":
        monkeypatch.setattr(atomic.os, "fsync", full)
    else:
        monkeypatch.setattr(atomic.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        Checkpoint.capture(model, extra={"step": 2}).save(tmp_path / "c")
    monkeypatch.undo()
    assert Checkpoint.load(tmp_path / "c").extra == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_file_size_limit_loses_nothing(tmp_path: Path) -> None:
    """The kernel's own refusal, as a full disk gives it, in a process of its own."""
    script = f"""
import resource, signal, numpy as np
from tilewise import io
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = {str(tmp_path / "f")!r}
io.save({{"x": np.zeros(10)}}, path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    io.save({{"x": np.zeros(1_000_000)}}, path)
except OSError as error:
    print("refused:", error.strerror)
print(io.load(path)["x"].shape)
"""
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "refused: File too large\n(10,)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    for name in (".c.deadbeef.tmp", ".c.00000000.tmp", ".other.deadbeef.tmp", "c"):
        (tmp_path / name).touch()
    atomic.remove_leftovers(tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.deadbeef.tmp", "c"]
