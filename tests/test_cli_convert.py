"""`tilewise convert`: what it writes, and one clear line for what it cannot read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from test_cli import assert_one_line, tilewise
from tilewise import io, models


def network() -> tw.nn.Module:
    tw.manual_seed(0)
    return models.create("lenet5", num_classes=3)


def assert_weights(path: Path, state: dict[str, tw.Tensor]) -> None:
    got = io.load(path)
    assert got.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(got[name].numpy(), tensor.numpy())


def test_onnx(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tilewise.onnx import export

    model = network()
    export(model, tw.zeros(1, 1, 28, 28), tmp_path / "in.onnx")
    out = tmp_path / "out.safetensors"
    arguments = ["convert", tmp_path / "in.onnx", out, "--model", "lenet5", "--classes", "3"]
    code, printed, error = tilewise(capsys, *arguments)
    assert (code, error) == (0, "")
    assert "tensors" in printed
    assert_weights(out, model.state_dict())
    assert io.load_metadata(out) == {"source": "in.onnx", "model": "lenet5"}


@requires_torch
def test_pytorch_with_an_entry_and_a_prefix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import torch

    state = network().state_dict()
    held = {f"module.{k}": torch.from_numpy(v.numpy().copy()) for k, v in state.items()}
    torch.save({"state_dict": held, "ema": held, "epoch": 3}, tmp_path / "in.pth")
    out = tmp_path / "out.safetensors"
    code, _, error = tilewise(
        capsys, "convert", tmp_path / "in.pth", out, "--entry", "state_dict", "--strip-prefix",
        "module.", "--quiet",
    )  # fmt: skip
    assert (code, error) == (0, "")
    assert_weights(out, state)


def test_renamed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = network().state_dict()
    io.save({f"net/{name}": value for name, value in state.items()}, tmp_path / "in.safetensors")
    out = tmp_path / "out.safetensors"
    arguments = ("convert", tmp_path / "in.safetensors", out, "--rename", "^net/", "")
    assert tilewise(capsys, *arguments)[0] == 0
    assert_weights(out, state)
    code, _, error = tilewise(capsys, *arguments)
    assert code == 1
    assert_one_line(error, "exists; --force replaces it")
    assert tilewise(capsys, *arguments, "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["in.safetensors", "out.npz"], 2, "ends in .safetensors"),
        (["missing.onnx", "out.safetensors"], 1, "missing.onnx: No such file"),
        (["junk.onnx", "out.safetensors"], 1, "junk.onnx"),
        (["in.safetensors", "out.safetensors", "--model", "lenet"], 1, "got 'lenet' .*lenet5"),
        (["in.safetensors", "out.safetensors", "--model", "lenet5"], 1, "does not fit"),
        (["in.safetensors", "out.safetensors", "--rename", "(", "x"], 1, "regular expression"),
        (["in.safetensors", "out.safetensors", "--classes", "3"], 2, "--model"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    io.save({"weight": tw.ones(2)}, "in.safetensors")
    Path("junk.onnx").write_bytes(bytes(range(256)) * 9)
    got, _, error = tilewise(capsys, "convert", *arguments)
    assert got == code
    assert_one_line(error, message)
    assert not Path("out.safetensors").exists()
