"""The IDX format of MNIST and Fashion-MNIST, plain or compressed with gzip or xz.

A file is two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
32-bit integer, and the values in C order, big-endian. (Source: Y. LeCun, C. Cortes and
C. Burges, "The MNIST database of handwritten digits", section "File formats".)

Nothing in a file is believed: the header is checked against the size of the file before memory
for the values is asked for, and decompression stops one byte after the size that it claims.
"""

from __future__ import annotations

import gzip
import io
import lzma
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ..io.atomic import atomic_write

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_DIMS = 8
# Deflate stores at most 258 bytes in two bits, so no gzip file expands by more than 1032 times;
# xz has no such bound, and none of the files in use comes near this one.
_MAX_EXPANSION = {"gzip": 1032, "xz": 8192, "": 1}
_XZ_MEMORY = 128 << 20  # the strongest preset needs 65 MB; a header may ask for 4 GB
_DECODE_ERRORS = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read an IDX file into a new array in the machine's byte order.

    Args:
        path: the file; gzip and xz are recognised by their content, whatever the name.

    Returns:
        C-contiguous array of the file's shape; uint8, int8, int16, int32, float32 or float64.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, corrupt, or holds more or less than its header says;
            the message names the path.

    Example:
        >>> data.write_idx("images-idx3-ubyte.gz", np.zeros((5, 28, 28), np.uint8))
        >>> data.read_idx("images-idx3-ubyte.gz").shape
        (5, 28, 28)
    """
    path = Path(path)
    with path.open("rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        packing = _packing(raw.read(6))
        raw.seek(0)
        stream: BinaryIO = raw
        if packing == "gzip":
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))
        elif packing == "xz":
            stream = io.BufferedReader(_XzStream(raw))
        try:
            return _read_stream(stream, path, size, packing)
        except _DECODE_ERRORS as error:
            raise ValueError(
                f"read_idx: {path} is truncated or corrupt: {str(error) or type(error).__name__}"
            ) from error


class _XzStream(io.RawIOBase):
    """The content of an xz file; unlike `lzma.LZMAFile`, it bounds the decoder's memory."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._decoder.eof:
            packed = self._raw.read(1 << 16) if self._decoder.needs_input else b""
            if not packed and self._decoder.needs_input:
                raise EOFError("the compressed data ends early")
            piece = self._decoder.decompress(packed, max_length=len(target))
            if piece:
                target[: len(piece)] = piece
                return len(piece)
        return 0


def _packing(magic: bytes) -> str:
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    return "xz" if magic == b"\xfd7zXZ\x00" else ""


def _read_stream(stream: BinaryIO, path: Path, size: int, packing: str) -> npt.NDArray[Any]:
    dtype, shape, header_bytes = _read_header(stream, path)
    payload = math.prod(shape) * dtype.itemsize
    claim = f"its header claims {dtype.name} values of shape {shape}, {payload:,} bytes"
    if not packing and size != header_bytes + payload:
        raise ValueError(
            f"read_idx: {path} has {size - header_bytes:,} bytes of values, but {claim}"
        )
    if payload > size * _MAX_EXPANSION[packing]:
        raise ValueError(
            f"read_idx: {path} has {size:,} compressed bytes, too few for what it says: {claim}"
        )
    values = np.empty(payload, dtype=np.uint8)
    done = _read_fully(stream, values.data)
    if done != payload:
        raise ValueError(f"read_idx: {path} is truncated: {done:,} bytes of values, but {claim}")
    if stream.read(1):
        raise ValueError(f"read_idx: {path} holds more values than it says: {claim}")
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"read_idx: {path} is truncated: {len(magic)} bytes where 4 begin a file")
    zeros, code, ndim = struct.unpack(">HBB", magic)
    if zeros != 0 or code not in _DTYPES or not 1 <= ndim <= _MAX_DIMS:
        raise ValueError(
            f"read_idx: {path} is not an IDX file: expected magic 00 00, a type of 08…0e and "
            f"1 to {_MAX_DIMS} dimensions, got {magic.hex(' ')}"
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(f"read_idx: {path} is truncated within its {ndim} dimensions")
    return _DTYPES[code], struct.unpack(f">{ndim}I", sizes), 4 + 4 * ndim


def _read_fully(stream: BinaryIO, target: memoryview, chunk: int = 1 << 20) -> int:
    done = 0
    while done < len(target):
        piece = stream.read(min(chunk, len(target) - done))
        if not piece:
            break
        target[done : done + len(piece)] = piece
        done += len(piece)
    return done


def write_idx(path: str | os.PathLike[str], values: npt.NDArray[Any]) -> None:
    """Write an array as IDX, compressed where the name ends in `.gz` or `.xz`.

    The bytes depend on the values alone (no time or name is stored), and the file appears
    complete or not at all.

    Args:
        path: the file to write.
        values: uint8, int8, int16, int32, float32 or float64; 1 to 8 dimensions.

    Raises:
        ValueError: the format has no such dtype or rank.

    Example:
        >>> data.write_idx("labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
    """
    path = Path(path)
    codes = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
    code = codes.get(values.dtype.newbyteorder("="))
    if code is None or not 1 <= values.ndim <= _MAX_DIMS:
        raise ValueError(
            f"write_idx: expected 1 to {_MAX_DIMS} dimensions of {[d.name for d in codes]}, "
            f"got {values.dtype.name} of shape {values.shape}"
        )
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    data = header + values.astype(_DTYPES[code]).tobytes()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
            stream.write(data)
        data = packed.getvalue()
    elif path.suffix == ".xz":
        data = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
    atomic_write(path, data)
