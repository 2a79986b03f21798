"""Reading what an untrusted ONNX file holds: everything it claims is checked before it is believed.

The package onnx parses the file. Sizes are compared with the bytes that are there before anything
is allocated, and data outside the file may lie in its own folder or below, in a plain file, and
nowhere else. (Format: https://github.com/onnx/onnx/blob/main/docs/IR.md.)
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from .safetensors import Array

logger = logging.getLogger(__name__)

MAX_DIMS = 16
_FLOAT, _UINT8, _INT8, _UINT16, _INT16, _INT32, _INT64 = 1, 2, 3, 4, 5, 6, 7
_STRING, _BOOL, _FLOAT16, _DOUBLE, _UINT32, _UINT64, _BFLOAT16 = 8, 9, 10, 11, 12, 13, 16
# ONNX's numbers of the types that a value can have here, and the field of each that is no raw data.
Types = dict[int, tuple[np.dtype[Any], str]]
TYPES: Types = {
    _FLOAT: (np.dtype(np.float32), "float_data"),
    _DOUBLE: (np.dtype(np.float64), "double_data"),
    _INT8: (np.dtype(np.int8), "int32_data"),
    _INT16: (np.dtype(np.int16), "int32_data"),
    _INT32: (np.dtype(np.int32), "int32_data"),
    _INT64: (np.dtype(np.int64), "int64_data"),
    _UINT8: (np.dtype(np.uint8), "int32_data"),
    _UINT16: (np.dtype(np.uint16), "int32_data"),
    _UINT32: (np.dtype(np.uint32), "uint64_data"),
    _UINT64: (np.dtype(np.uint64), "uint64_data"),
    _BOOL: (np.dtype(np.bool_), "int32_data"),
}
# What is stored in 16 bits becomes float32, which holds all of its values.
HALVES = (_FLOAT16, _BFLOAT16)
_STORED: Types = {**TYPES, **dict.fromkeys(HALVES, (np.dtype(np.uint16), "int32_data"))}
# Shapes, axes and the like: the graph's constants, not its weights.
_NO_WEIGHTS = (_INT64, _UINT64, _BOOL, _STRING)
# Integers that tilewise does not hold, in a type that does.
_WIDER = {_INT16: np.int32, _UINT16: np.int32, _UINT32: np.int64}
NUMBERS = {dtype: number for number, (dtype, _) in TYPES.items()}
_DATA_FIELDS = (
    "raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data",
    "string_data",
)  # fmt: skip


def require_onnx(op: str) -> Any:
    """The package `onnx`.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError(f"{op}: needs the package onnx: pip install 'tilewise[onnx]'") from error


def read_initializers(path: Path) -> dict[str, Array]:
    """The arrays of an ONNX file's initialisers; `load_weights` in terms of NumPy.

    Raises:
        ImportError: the package onnx is missing.
        ValueError: the file is corrupt, or holds no weights or such as are not read.
    """
    try:
        graph = read_model(path)[0].graph
        if graph.sparse_initializer:
            raise ValueError("sparse initialisers are not read")
        names = [tensor.name for tensor in graph.initializer]
        if "" in names or len(set(names)) < len(names):
            raise ValueError("the name of a tensor is empty or occurs twice")
        constants = [t.name for t in graph.initializer if t.data_type in _NO_WEIGHTS]
        weights = [t for t in graph.initializer if t.data_type not in _NO_WEIGHTS]
        found = {tensor.name: _weight(tensor, path.parent) for tensor in weights}
        if not found:
            raise ValueError("an ONNX file without weights, or no ONNX file")
    except ValueError as error:
        raise ValueError(f"load_weights: {path}: {error}") from error
    if constants:
        shown = ", ".join(constants[:8])
        logger.info("load_weights: %d constants of %s are left: %s", len(constants), path, shown)
    return found


def _weight(proto: Any, folder: Path) -> Array:
    values = decode(proto, folder)
    return values.astype(_WIDER.get(proto.data_type, values.dtype))


def type_name(number: int) -> str:
    """The name of one of ONNX's numbers for element types."""
    types = require_onnx("load").TensorProto.DataType
    name: str = types.Name(number) if number in types.values() else f"number {number}"
    return name


def dtype_of(number: int) -> np.dtype[Any]:
    """The NumPy dtype of one of ONNX's numbers for element types; float32 for 16-bit floats.

    Raises:
        ValueError: values of this type do not exist here.
    """
    if number not in _STORED:
        raise ValueError(f"type {type_name(number)} has no counterpart in tilewise")
    return np.dtype(np.float32) if number in HALVES else _STORED[number][0]


def read_model(source: Any) -> tuple[Any, Path | None, str]:
    """The ModelProto of a path, of bytes or itself; its folder if it has one; and what it is.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `source` is none of these.
        ValueError: it is no ONNX file, or is truncated.
    """
    onnx = require_onnx("load")
    if isinstance(source, onnx.ModelProto):
        return source, None, "the model"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _parse(bytes(source), "the bytes"), None, "the bytes"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return _parse(path.read_bytes(), str(path)), path.parent, str(path)
    raise TypeError(
        f"load: expected a path, bytes or an onnx.ModelProto, got {type(source).__name__}"
    )


def _parse(data: bytes, what: str) -> Any:
    from google.protobuf.message import DecodeError

    model = require_onnx("load").ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError, MemoryError) as error:
        raise ValueError(f"load: {what} is no ONNX file, or is truncated: {error}") from error
    if not model.HasField("graph"):
        raise ValueError(f"load: {what} is no ONNX file: it holds no graph")
    return model


def decode(proto: Any, folder: Path | None) -> Array:
    """The array of a TensorProto; it owns its memory.

    Raises:
        ValueError: its shape, its type and its data disagree, or its data lie where they may not.
    """
    values_type = dtype_of(proto.data_type)
    stored = _stored(proto, folder)
    if proto.data_type == _FLOAT16:
        return stored.view(np.float16).astype(values_type)
    if proto.data_type == _BFLOAT16:  # the upper half of a float32
        return (stored.astype(np.uint32) << np.uint32(16)).view(values_type)
    return stored


def _stored(proto: Any, folder: Path | None) -> Array:
    """The elements of a TensorProto; the bits of those that have no dtype."""
    name, dims = proto.name, tuple(proto.dims)
    dtype, field = _STORED[proto.data_type]
    if len(dims) > MAX_DIMS or any(n < 0 for n in dims):
        raise ValueError(
            f"tensor {name!r}: expected at most {MAX_DIMS} sizes that are not negative, got "
            f"{_short(dims)}"
        )
    count = math.prod(dims)
    if proto.HasField("segment"):
        raise ValueError(f"tensor {name!r}: expected whole tensors, got a segment")
    if proto.data_location == 1:
        data = _external(proto, folder, count * dtype.itemsize)
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(dims)
    held = [f for f in _DATA_FIELDS if len(getattr(proto, f))]
    if held not in ([], ["raw_data"], [field]):
        raise ValueError(f"tensor {name!r}: expected {dtype} data in {field}, got {held}")
    if held == ["raw_data"] or not held:
        raw = proto.raw_data
        if len(raw) != count * dtype.itemsize:
            raise ValueError(
                f"tensor {name!r}: expected {count * dtype.itemsize} bytes for {dtype} of shape "
                f"{_short(dims)}, got {len(raw)}"
            )
        return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(dims)
    values = getattr(proto, field)
    if len(values) != count:
        raise ValueError(
            f"tensor {name!r}: expected {count} elements for shape {_short(dims)}, got "
            f"{len(values)}"
        )
    wide = np.array(values, dtype={"int32_data": np.int32}.get(field))
    if dtype.kind in "iu" and count and not _fits(wide, dtype):
        raise ValueError(f"tensor {name!r}: expected elements that fit {dtype}")
    return wide.astype(dtype).reshape(dims)


def _fits(values: Array, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return int(values.min()) >= limits.min and int(values.max()) <= limits.max


def _short(dims: tuple[int, ...]) -> str:
    return str(dims) if len(dims) <= 8 else f"({dims[0]}, {dims[1]}, … {len(dims)} sizes)"


def _external(proto: Any, folder: Path | None, size: int) -> bytes:
    """The bytes of a tensor that lies in a file of its own beside the model."""
    name = proto.name
    if folder is None:
        raise ValueError(
            f"tensor {name!r}: its data lie outside the model, which has no folder: load a path"
        )
    entries = {entry.key: entry.value for entry in proto.external_data}
    path = _inside(name, folder, entries.get("location", ""))
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(size)))
    except ValueError:
        raise ValueError(f"tensor {name!r}: expected offset and length as integers") from None
    if offset < 0 or length != size:
        raise ValueError(f"tensor {name!r}: expected {size} bytes, got {length} at {offset}")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"tensor {name!r}: cannot read {path}: {error.strerror}") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size < offset + size:
            raise ValueError(
                f"tensor {name!r}: expected a file of at least {offset + size} bytes at {path}, "
                f"got {status.st_size}"
            )
        os.lseek(handle, offset, os.SEEK_SET)
        with os.fdopen(handle, "rb", closefd=False) as stream:
            data = stream.read(size)
    finally:
        os.close(handle)
    if len(data) != size:
        raise ValueError(f"tensor {name!r}: {path} is truncated")
    return data


def _inside(name: str, folder: Path, location: str) -> Path:
    """The path of external data: a relative one, without `..` and symbolic links on its way."""
    parts = location.replace("\\", "/").split("/")
    refused = (
        not location
        or "\0" in location
        or Path(location).is_absolute()
        or ":" in parts[0]
        or any(part in ("", "..") for part in parts)
    )
    if refused:
        raise ValueError(
            f"tensor {name!r}: expected external data in the model's folder, got {location!r}"
        )
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ValueError(f"tensor {name!r}: expected external data, got a link: {location!r}")
    return path
