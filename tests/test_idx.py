"""The IDX reader: what it reads, and that it believes nothing a file says."""

from __future__ import annotations

import gzip
import lzma
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewise.data import read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
PACK = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def idx_bytes(shape: tuple[int, ...], payload: bytes, code: int = 8) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + payload


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path: Path, dtype: str, suffix: str) -> None:
    values = np.arange(-12, 12).astype(dtype).reshape(2, 3, 4)
    path = tmp_path / f"values{suffix}"
    write_idx(path, values)
    back = read_idx(path)
    assert back.dtype == values.dtype
    assert back.dtype.isnative
    assert back.flags.c_contiguous
    assert back.flags.writeable
    np.testing.assert_array_equal(back, values)


def test_same_values_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(9, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_compression_is_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(gzip.compress(idx_bytes((3,), b"abc")))
    assert read_idx(path).tolist() == [97, 98, 99]


def test_empty_arrays(tmp_path: Path) -> None:
    write_idx(tmp_path / "none", np.zeros((0, 28, 28), np.uint8))
    assert read_idx(tmp_path / "none").shape == (0, 28, 28)


def test_missing_file_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.gz"):
        read_idx(tmp_path / "nowhere.gz")


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"\0\0\x08", "truncated"),
        (b"\0\0\x08\x03\0\0", "truncated within its 3 dimensions"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\1\x08\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\x00", "not an IDX file"),
        (b"\0\0\x08\xff" + b"\0" * 1020, "not an IDX file"),
        (b"<html>404</html>", "not an IDX file"),
        (idx_bytes((4,), b"abc"), r"truncated|3 bytes of values"),
        (idx_bytes((2,), b"abc"), r"more values|3 bytes of values"),
        (idx_bytes((2**32 - 1,) * 3, b"abc"), r"\(4294967295, 4294967295, 4294967295\)"),
        (idx_bytes((2**31, 2**31), b"abc", code=0x0E), "36,893,488,147,419,103,232 bytes"),
        (idx_bytes((0, 2**32 - 1), b"abc"), r"more values|3 bytes of values"),
    ],
)
def test_corrupt_files(tmp_path: Path, data: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"corrupt{suffix}"
    path.write_bytes(PACK[suffix](data))
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", PACK)
def test_truncation_at_every_byte(tmp_path: Path, suffix: str) -> None:
    whole = PACK[suffix](idx_bytes((5, 2), bytes(range(10))))
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut"):
            read_idx(path)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_flipped_bits_are_noticed(tmp_path: Path, suffix: str) -> None:
    whole = PACK[suffix](idx_bytes((64,), bytes(range(64))))
    path = tmp_path / "flipped"
    expected = np.arange(64)
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        try:
            np.testing.assert_array_equal(read_idx(path), expected)  # a byte without a meaning
        except ValueError as error:
            assert "flipped" in str(error)


def test_a_large_claim_allocates_nothing(tmp_path: Path) -> None:
    for name, pack in PACK.items():
        path = tmp_path / f"bomb{name}"
        path.write_bytes(pack(idx_bytes((1 << 30,), b"abc")))
        tracemalloc.start()
        with pytest.raises(ValueError, match="claims"):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16_000_000  # xz: a dictionary of 8 MB


def test_xz_headers_cannot_ask_for_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    packed = bytearray(lzma.compress(idx_bytes((3,), b"abc"), filters=filters))
    header = packed[12:24]  # block header: size, flags, filter id, properties, dictionary, CRC
    assert header[2:4] == b"\x21\x01"
    header[4] = 39  # 3 GB
    header[8:] = struct.pack("<I", zlib.crc32(header[:8]))
    packed[12:24] = header
    path.write_bytes(packed)
    with pytest.raises(ValueError, match="emory"):
        read_idx(path)


def test_a_bomb_behind_the_values_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx_bytes((3,), b"abc" + bytes(1 << 26))))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more values"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@given(data=st.binary(max_size=64))
def test_any_bytes_give_an_array_or_a_value_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    for prefix in (b"", b"\0\0\x08\x01", b"\x1f\x8b\x08", b"\xfd7zXZ\0"):
        path.write_bytes(prefix + data)
        try:
            assert isinstance(read_idx(path), np.ndarray)
        except ValueError as error:
            assert "fuzz" in str(error)


def test_write_refuses_other_types(tmp_path: Path) -> None:
    for values in (np.zeros(3, np.int64), np.zeros((), np.uint8), np.zeros((1,) * 9, np.uint8)):
        with pytest.raises(ValueError, match="write_idx: expected"):
            write_idx(tmp_path / "x", values)
    assert not list(tmp_path.iterdir())
