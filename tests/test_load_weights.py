"""Weights of other libraries: PyTorch's files, ONNX initialisers, and files that lie."""

from __future__ import annotations

import io as streams
import logging
import random
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import io, nn


def torch_file(content: Any, *, legacy: bool = False) -> bytes:
    import torch

    stream = streams.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def refused(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message) as caught:
        io.load_weights(path)
    assert time.perf_counter() - start < 2
    assert path.name in str(caught.value)


# ------------------------------------------------------------------ kinds of files


def test_safetensors_by_content(tmp_path: Path) -> None:
    tw.save(nn.Linear(2, 1).state_dict(), tmp_path / "weights.pth")
    assert io.weights_format(tmp_path / "weights.pth") == "safetensors"
    assert sorted(io.load_weights(tmp_path / "weights.pth")) == ["bias", "weight"]
    with pytest.raises(ValueError, match="has no entries"):
        io.load_weights(tmp_path / "weights.pth", entry="model")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello", "neither"),
        (b"\x80", "neither"),
        (b"\x80\x09" + bytes(600), "neither"),
        (struct.pack("<Q", 50) + b"{}", "neither"),
        (bytes(257) + b"ustar" + bytes(300), "tar file"),
    ],
)
def test_files_of_no_kind(tmp_path: Path, data: bytes, message: str) -> None:
    refused(tmp_path / "strange", data, message)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        io.load_weights(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("module", "head", "message"),
    [("torch", b"PK\x03\x04", "pip install torch"), ("onnx", b"\x08\x07", r"tilewise\[onnx\]")],
)
def test_what_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, head: bytes, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "w").write_bytes(head + bytes(100))
    with pytest.raises(ImportError, match=message):
        io.load_weights(tmp_path / "w")


# ------------------------------------------------------------------ PyTorch


@requires_torch
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files(tmp_path: Path, legacy: bool, caplog: pytest.LogCaptureFixture) -> None:
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    data = torch_file({"state_dict": net.state_dict(), "best_prec1": 91.8}, legacy=legacy)
    path = tmp_path / "net.th"
    path.write_bytes(data)
    with caplog.at_level(logging.INFO):
        state = io.load_weights(path)
    assert "are in 'state_dict'; beside it: best_prec1" in caplog.text
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours.load_state_dict(state)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), value.numpy())


@requires_torch
def test_where_the_weights_lie(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "run.pt"
    weights = {"w": torch.ones(2), "note": "text"}
    path.write_bytes(torch_file({"a": {"model": weights}, "optimizer": {"state": {0: weights}}}))
    assert list(io.load_weights(path)) == ["w"]
    path.write_bytes(torch_file({"model": weights, "ema": {"w": torch.zeros(2)}}))
    with pytest.raises(ValueError, match="several sets of weights.*'model', 'ema'"):
        io.load_weights(path)
    assert io.load_weights(path, entry="ema")["w"].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"no weights in 'emma'; its entries: 'model', 'ema'"):
        io.load_weights(path, entry="emma")


@requires_torch
def test_torch_types(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "t.pt"
    values = torch.tensor([1.0, -2.5, float("inf")])
    strided = torch.arange(12.0).reshape(3, 4).T
    content = {
        "f16": values.half(),
        "bf16": values.bfloat16(),
        "i16": torch.tensor([-3], dtype=torch.int16),
        "f64": values.double(),
        "u8": torch.tensor([7], dtype=torch.uint8),
        "scalar": torch.tensor(3),
        "strided": strided,
        "parameter": torch.nn.Parameter(values),
    }
    path.write_bytes(torch_file(content))
    state = io.load_weights(path)
    for name, value in content.items():
        np.testing.assert_array_equal(state[name].numpy(), value.detach().double().numpy())
    assert state["bf16"].dtype == tw.float32
    assert state["f64"].dtype == tw.float64


@requires_torch
@pytest.mark.filterwarnings("ignore")
def test_what_torch_files_may_not_hold(tmp_path: Path) -> None:
    import torch

    class Attack:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return print, ("code of the file ran",)

    path = tmp_path / "bad.pt"
    shared: dict[str, Any] = {"w": torch.ones(2)}
    for _ in range(4):
        shared = {f"k{i}": shared for i in range(300)}
    for content, message in [
        ({"w": Attack()}, "more than weights"),
        (torch.nn.Linear(1, 1), "more than weights"),
        ({"w": torch.ones(1).expand(10**9)}, "is corrupt: tensors of 4,000,000,000 bytes"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "complex64"),
        ({"w": torch.ones(2).to_sparse()}, "sparse"),
        ({"w": torch.ones(2).to(torch.float8_e4m3fn)}, "float8|corrupt"),
        ({"epoch": 3}, "holds no weights"),
        ([torch.ones(2)], "holds no weights"),
    ]:
        for legacy in (False, True):
            refused(path, torch_file(content, legacy=legacy), message)
    path.write_bytes(torch_file(shared))
    assert list(io.load_weights(path)) == ["w"]  # one mapping, however often it is named


@requires_torch
def test_nothing_of_an_attack_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return print, ("code of the file ran",)

    for legacy in (False, True):
        refused(tmp_path / "a.pt", torch_file({"w": Attack()}, legacy=legacy), "more than weights")
    assert "ran" not in capsys.readouterr().out


@requires_torch
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files_that_are_cut_or_changed(tmp_path: Path, legacy: bool) -> None:
    import torch

    whole = torch_file({"weight": torch.arange(10.0), "bias": torch.ones(2, 3)}, legacy=legacy)
    path = tmp_path / "cut.pt"
    for length in range(0, len(whole), 9):
        refused(path, whole[:length], "load_weights")
    rng = random.Random(0)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            assert sum(t.numel() for t in io.load_weights(path).values()) < 100
        except ValueError as error:
            assert "cut.pt" in str(error)


@requires_torch
def test_sizes_that_a_torch_file_claims(tmp_path: Path) -> None:
    import torch

    whole = torch_file({"weight": torch.arange(10.0)}, legacy=True)
    at = whole.index(b"K\n")  # the storage's ten elements, as a pickled byte
    for count in (2**40, 2**60):
        huge = b"\x8a\x08" + count.to_bytes(8, "little")
        refused(tmp_path / "huge.pt", whole[:at] + huge + whole[at + 2 :], "corrupt")
    stream = streams.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    refused(tmp_path / "bomb.pt", stream.getvalue(), "claim to hold 10,000,000")


# ------------------------------------------------------------------ ONNX


def onnx_bytes(*tensors: Any) -> bytes:
    from onnx import helper

    graph = helper.make_graph([], "g", [], [], initializer=tensors)
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def test_onnx_types(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    values = np.array([[1.0, -2.5], [0.0, 65504.0]], np.float32)
    kinds = onnx.TensorProto
    tensors = [
        numpy_helper.from_array(values, "raw"),
        helper.make_tensor("fields", kinds.FLOAT, (2, 2), values.ravel()),
        helper.make_tensor("half", kinds.FLOAT16, (2, 2), values.ravel()),
        helper.make_tensor("bfloat", kinds.BFLOAT16, (2,), [1.0, -2.5]),
        helper.make_tensor("double", kinds.DOUBLE, (), [0.1]),
        helper.make_tensor("int8", kinds.INT8, (2,), [-128, 127]),
        helper.make_tensor("uint8", kinds.UINT8, (2,), [0, 255]),
        helper.make_tensor("int16", kinds.INT16, (1,), [-3]),
        helper.make_tensor("int32", kinds.INT32, (1,), [2**31 - 1]),
        helper.make_tensor("shape", kinds.INT64, (2,), [1, -1]),
    ]
    path = tmp_path / "model"
    path.write_bytes(onnx_bytes(*tensors))
    assert io.weights_format(path) == "onnx"
    state = {name: value.numpy() for name, value in io.load_weights(path).items()}
    assert "shape" not in state  # a constant of the graph
    for name in ("raw", "fields", "half"):
        np.testing.assert_array_equal(state[name], values)
        assert state[name].dtype == np.float32
    assert state["bfloat"].tolist() == [1.0, -2.5]
    assert state["double"].shape == ()
    assert float(state["double"]) == 0.1
    assert [state[n].tolist() for n in ("int8", "uint8", "int16", "int32")] == [
        [-128, 127], [0, 255], [-3], [2**31 - 1]
    ]  # fmt: skip


def test_onnx_files_that_lie(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx import TensorProto, numpy_helper

    def tensor(**changes: Any) -> Any:
        made = numpy_helper.from_array(np.ones((2, 2), np.float32), changes.pop("name", "w"))
        for name, value in changes.items():
            if name == "dims":
                del made.dims[:]
                made.dims.extend(value)
            else:
                setattr(made, name, value)
        return made

    path = tmp_path / "bad.onnx"
    for tensors, message in [
        ([tensor(dims=[2**31, 2**31])], "bytes for float32 of shape .*got 16"),
        ([tensor(dims=[-2, -2])], "sizes that are not negative"),
        ([tensor(dims=[1] * 100)], "100 sizes"),
        ([tensor(data_type=99)], "number 99"),
        ([tensor(data_type=TensorProto.COMPLEX64)], "COMPLEX64"),
        ([tensor(data_type=TensorProto.DOUBLE)], "expected 32 bytes for float64"),
        ([tensor(), tensor()], "occurs twice"),
        ([tensor(name="")], "is empty"),
        ([tensor(data_type=TensorProto.INT64)], "without weights"),
        ([], "without weights"),
    ]:
        refused(path, onnx_bytes(*tensors), message)
    whole = onnx_bytes(tensor())
    graph = len(onnx_bytes()) + tensor().ByteSize()  # what follows says nothing of the weights
    for length in range(min(graph, len(whole) - 8)):
        refused(path, whole[:length], "load_weights")


def external(location: str, **more: str) -> bytes:
    from onnx import TensorProto

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return onnx_bytes(tensor)


def test_onnx_external_data(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "m.onnx"
    secret = tmp_path / "secret"
    for file in (secret, folder / "w.bin"):
        file.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    path.write_bytes(external("w.bin", offset="4", length="8"))
    assert io.load_weights(path)["w"].tolist() == [1, 2]
    (folder / "link").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    for location in ("../secret", str(secret), "link", "up/secret", "", "a\0b", "./../secret"):
        refused(path, external(location, length="8"), "tensor 'w': expected external data")
    for offset, length in (("0", "9999999999999"), ("12", "8"), ("x", "8"), ("0", "4")):
        refused(path, external("w.bin", offset=offset, length=length), "tensor 'w'")
    refused(path, external("nowhere"), "cannot read .*nowhere: No such file")


@requires_torch
@pytest.mark.filterwarnings("ignore")
def test_onnx_of_a_torch_model(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Conv2d(2, 3, 1))
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), path, dynamo=False)
    ours = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 1))
    ours.load_state_dict(io.fit_state_dict(ours, io.load_weights(path)).state)
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    want = net(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(tw.from_numpy(x)).detach().numpy(), want, atol=1e-5)
