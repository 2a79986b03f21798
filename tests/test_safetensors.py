"""State dicts on disk: exact, interchangeable with PyTorch's, and safe to read from strangers."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tilewise as tw
from helpers import requires_torch
from tilewise import io, nn

DTYPES = ["float32", "float64", "int64", "int32", "int8", "uint8", "bool"]


def raw_file(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype: str = "U8", shape: Any = (2,), offsets: Any = (0, 2)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_round_trip(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    tw.save({"x": tw.from_numpy(values), "y": values}, tmp_path / "t")
    for back in tw.load(tmp_path / "t").values():
        assert back.shape == shape
        assert back.numpy().dtype == values.dtype
        np.testing.assert_array_equal(back.numpy(), values)


def test_special_values_and_layouts(tmp_path: Path) -> None:
    floats = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)
    strided = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[:, ::-1]
    swapped = np.arange(3).astype(">f4")
    tw.save({"floats": floats, "strided": strided, "swapped": swapped}, tmp_path / "t")
    back = tw.load(tmp_path / "t")
    assert back["floats"].numpy().tobytes() == floats.tobytes()
    np.testing.assert_array_equal(back["strided"].numpy(), strided)
    np.testing.assert_array_equal(back["swapped"].numpy(), swapped)


def test_metadata(tmp_path: Path) -> None:
    io.save({"x": np.zeros(1)}, tmp_path / "t", {"model": "fashion_cnn", "ä": "€"})
    assert io.load_metadata(tmp_path / "t") == {"model": "fashion_cnn", "ä": "€"}
    io.save({}, tmp_path / "empty")
    assert io.load_metadata(tmp_path / "empty") == {}
    assert tw.load(tmp_path / "empty") == {}


def test_the_same_state_writes_the_same_bytes(tmp_path: Path) -> None:
    metadata = {f"key {i}": "ü" * i for i in range(9)}
    tensors = {f"t{i}": np.arange(i) for i in range(9)}
    for name in ("a", "b", "c"):
        io.save(tensors, tmp_path / name, metadata)
        assert io.load_metadata(tmp_path / name) == metadata
        assert list(io.load(tmp_path / name)) == list(tensors)
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


def test_a_module_goes_to_disk_and_back(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))

    first, second = build(), build()
    first(tw.rand(4, 1, 8, 8))
    tw.save(first.state_dict(), tmp_path / "m.safetensors")
    second.load_state_dict(tw.load(tmp_path / "m.safetensors"))
    x = tw.rand(3, 1, 8, 8)
    np.testing.assert_array_equal(
        first.eval()(x).detach().numpy(), second.eval()(x).detach().numpy()
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([("x", {1})], r"got set at 0\.1"),
        ({"x": {"y": lambda: 0}}, r"got function at x\.y"),
        ({"net": nn.Linear(1, 1)}, r"got Linear at net; pass its state_dict\(\)"),
        ({(1, 2): np.zeros(1)}, "got dict at the root"),
        ({"__metadata__": np.zeros(1)}, "no name for a tensor"),
        ({"x": np.zeros(1, np.complex64)}, "dtype complex64"),
        ({"x": np.array(["a"])}, "does not store"),
    ],
)
def test_save_refuses(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        tw.save(value, tmp_path / "t")
    assert not list(tmp_path.iterdir())


def test_nested_state(tmp_path: Path) -> None:
    """What training scripts save: state dicts beside numbers."""
    model = nn.Linear(2, 1)
    optimizer = tw.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(tw.ones(1, 2)).sum().backward()
    optimizer.step()
    state = {
        "net": model.state_dict(),
        "net.weight": tw.zeros(1),  # the name that the weight below "net" would have
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "history": [(0.5, None, "best")],
        "counts": {1: np.arange(3)},
    }
    tw.save(state, tmp_path / "run.ckpt", {"by": "test"})
    back = tw.load(tmp_path / "run.ckpt")
    assert list(back) == list(state)
    model.load_state_dict(back["net"])
    optimizer.load_state_dict(back["optimizer"])
    assert back["net.weight"].tolist() == [0.0]
    assert back["epoch"] == 3 and back["history"] == [(0.5, None, "best")]
    np.testing.assert_array_equal(back["counts"][1], [0, 1, 2])
    assert io.load_metadata(tmp_path / "run.ckpt")["by"] == "test"
    tw.save(tw.ones(2), tmp_path / "one")
    assert tw.load(tmp_path / "one").tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"__tensor__": "y"}', '{"__tuple__": 1}']
)
def test_nested_state_is_not_believed(tmp_path: Path, text: str) -> None:
    io.save({"x": np.zeros(1)}, tmp_path / "t", {"tilewise_state": text})
    with pytest.raises(ValueError, match="is corrupt"):
        tw.load(tmp_path / "t")


def test_save_refuses_a_module(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="state_dict"):
        tw.save(nn.Linear(1, 1), tmp_path / "t")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metadata of strings"):
        io.save({}, tmp_path / "t", {"x": 1})  # type: ignore[dict-item]


# ------------------------------------------------------------------ PyTorch


@requires_torch
@pytest.mark.parametrize("dtype", DTYPES)
def test_interchange_with_torch(tmp_path: Path, dtype: str) -> None:
    import torch
    from safetensors import torch as st_torch

    values = np.random.default_rng(1).integers(0, 2, (2, 3)).astype(dtype)
    st_torch.save_file({"x": torch.from_numpy(values), "s": torch.tensor(3)}, tmp_path / "torch")
    ours = tw.load(tmp_path / "torch")
    np.testing.assert_array_equal(ours["x"].numpy(), values)
    assert ours["s"].shape == ()
    tw.save(ours, tmp_path / "ours")
    theirs = st_torch.load_file(tmp_path / "ours")
    assert str(theirs["x"].dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(theirs["x"].numpy(), values)


@requires_torch
def test_modules_interchange_with_torch(tmp_path: Path) -> None:
    import torch
    from safetensors import torch as st_torch

    def layers(lib: Any) -> list[Any]:
        return [lib.Conv2d(1, 4, 3), lib.BatchNorm2d(4), lib.ReLU(), lib.Flatten(),
                lib.Linear(144, 5)]  # fmt: skip

    theirs = torch.nn.Sequential(*layers(torch.nn))
    ours = nn.Sequential(*layers(nn))
    x = np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32)
    theirs(torch.from_numpy(x))
    st_torch.save_file(theirs.state_dict(), tmp_path / "a")
    ours.load_state_dict(tw.load(tmp_path / "a"))
    want = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(tw.from_numpy(x)).detach().numpy(), want, atol=1e-5)
    tw.save(ours.state_dict(), tmp_path / "b")
    back = st_torch.load_file(tmp_path / "b")
    assert back.keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(back[name], tensor)
        assert back[name].dtype == tensor.dtype


@requires_torch
def test_half_precision_is_widened_exactly(tmp_path: Path) -> None:
    import torch
    from safetensors import torch as st_torch

    values = torch.tensor([1.0, -2.5, 65504.0, 1e-7, float("inf"), float("nan")])
    kinds = {"f16": torch.float16, "bf16": torch.bfloat16, "i16": torch.int16}
    stored = {name: values[:2].to(kind) if name == "i16" else values.to(kind)
              for name, kind in kinds.items()}  # fmt: skip
    st_torch.save_file(stored, tmp_path / "t")
    back = tw.load(tmp_path / "t")
    for name in ("f16", "bf16"):
        assert back[name].dtype == tw.float32
        np.testing.assert_array_equal(back[name].numpy(), stored[name].float().numpy())
    assert back["i16"].dtype == tw.int32


# ------------------------------------------------------------------ files from strangers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        raw_file(b""),
        raw_file(b"[]"),
        raw_file(b"null"),
        raw_file(b"[" * 100_000),
        raw_file(b'{"\xff": 1}'),
        raw_file({"x": 1}),
        raw_file({"x": entry()}, b"a"),
        raw_file({"x": entry()}, b"abc"),
        raw_file({"x": entry(offsets=(1, 3))}, b"abc"),
        raw_file({"x": entry(offsets=(2, 0))}, b"ab"),
        raw_file({"x": entry(shape=(-2,))}, b"ab"),
        raw_file({"x": entry(shape=(2**63, 2))}, b"ab"),
        raw_file({"x": entry(shape=(2**32, 2**32))}, b"ab"),
        raw_file({"x": entry(shape=[1] * 100, offsets=(0, 1))}, b"a"),
        raw_file({"x": entry(dtype="F8")}, b"ab"),
        raw_file({"x": entry(dtype="F8_E4M3")}, b"ab"),
        raw_file({"x": entry(dtype="F32")}, b"ab"),
        raw_file({"x": entry(), "y": entry()}, b"ab"),
        raw_file({"x": entry(), "y": entry(offsets=(1, 3))}, b"abc"),
        raw_file(b'{"x":%s,"x":%s}' % ((json.dumps(entry()).encode(),) * 2), b"ab"),
        raw_file({"__metadata__": {"a": 1}}),
        raw_file({"__metadata__": "a"}),
        b"PK\x03\x04" + bytes(100),
        b"\x80\x02}q\x00." + bytes(100),
    ],
)
def test_hostile_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="hostile"):
        tw.load(path)
    assert time.perf_counter() - start < 1


def test_truncation_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    tw.save({"x": np.arange(5), "y": np.zeros((2, 2), np.float32)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut"):
            tw.load(path)


@given(data=st.binary(max_size=100))
def test_any_bytes_load_or_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    vast = raw_file({"x": entry(shape=(0, 2**62), offsets=(0, 0))})  # of no bytes
    for content in (data, raw_file(data), raw_file({"x": entry()}, data), vast):
        path.write_bytes(content)
        for read in (tw.load, io.load_metadata):
            try:
                assert isinstance(read(path), dict)
            except ValueError as error:
                assert "fuzz" in str(error)


def test_a_hundred_thousand_entries(tmp_path: Path) -> None:
    header = {f"t{i}": entry(shape=(1,), offsets=(i, i + 1)) for i in range(100_000)}
    (tmp_path / "many").write_bytes(raw_file(header, bytes(100_000)))
    start = time.perf_counter()
    assert len(tw.load(tmp_path / "many")) == 100_000
    assert time.perf_counter() - start < 20


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        tw.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        io.load_metadata(tmp_path / "nowhere")
