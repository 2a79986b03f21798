"""The weights in an ONNX file: its graph's initialisers.

The package onnx parses the file. What the file says about sizes and about other files is checked
here before it is believed. (Format: https://github.com/onnx/onnx/blob/main/docs/IR.md.)
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .safetensors import Array

if TYPE_CHECKING:
    from onnx import TensorProto

logger = logging.getLogger(__name__)

# ONNX's name of an element type → the type on disk, and the type that holds each of its values.
_TYPES: dict[str, tuple[Any, Any]] = {
    "FLOAT": (np.float32, np.float32),
    "DOUBLE": (np.float64, np.float64),
    "FLOAT16": (np.float16, np.float32),
    "BFLOAT16": (np.uint16, np.float32),
    "INT8": (np.int8, np.int8),
    "UINT8": (np.uint8, np.uint8),
    "INT16": (np.int16, np.int32),
    "UINT16": (np.uint16, np.int32),
    "INT32": (np.int32, np.int32),
    "UINT32": (np.uint32, np.int64),
}
# Where values lie that are stored as numbers of the protocol buffer, and not as bytes.
_FIELDS = {"FLOAT": "float_data", "DOUBLE": "double_data", "UINT32": "uint64_data"}
# Shapes, axes and the like: the graph's constants, not its weights.
_NO_WEIGHTS = {"INT64", "UINT64", "BOOL", "STRING"}
_MAX_RANK = 32


def read_initializers(path: Path) -> dict[str, Array]:
    """The arrays of an ONNX file's initialisers; `load_weights` in terms of NumPy."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise ImportError("reading ONNX files needs onnx: pip install 'tilewise[onnx]'") from error
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except (DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"load_weights: {path} is no ONNX file, or is corrupt: {error}") from error
    if model.graph.sparse_initializer:
        raise ValueError(f"load_weights: {path} has sparse initialisers, which are not read")
    found: dict[str, Array] = {}
    left_out = []
    for tensor in model.graph.initializer:
        kind = _kind(tensor)
        if not tensor.name or tensor.name in found:
            raise ValueError(f"load_weights: {path} is corrupt: a name is empty or occurs twice")
        if kind in _NO_WEIGHTS:
            left_out.append(tensor.name)
        else:
            found[tensor.name] = _decode(tensor, kind, path)
    if left_out:
        logger.info(
            "load_weights: %d constants of %s are no weights: %s", len(left_out), path,
            ", ".join(left_out[:8]),
        )  # fmt: skip
    if not found:
        raise ValueError(
            f"load_weights: {path} is an ONNX file without weights, or is no ONNX file"
        )
    return found


def _kind(tensor: TensorProto) -> str:
    from onnx import TensorProto

    return next((n for n, v in TensorProto.DataType.items() if v == tensor.data_type), "UNDEFINED")


def _decode(tensor: TensorProto, kind: str, path: Path) -> Array:
    name = f"{path}: {tensor.name[:80]!r}"
    if kind not in _TYPES:
        raise ValueError(f"load_weights: {name} has type {kind}, which tilewise does not read")
    stored, wide = _TYPES[kind]
    shape = tuple(tensor.dims)
    if len(shape) > _MAX_RANK or any(size < 0 for size in shape):
        raise ValueError(f"load_weights: {name} is corrupt: it claims shape {shape[:_MAX_RANK]}")
    data = _bytes_of(tensor, kind, np.dtype(stored), path)
    if len(data) != math.prod(shape) * np.dtype(stored).itemsize:
        raise ValueError(
            f"load_weights: {name} is corrupt: {len(data):,} bytes of {kind} for shape {shape}"
        )
    array = np.frombuffer(data, dtype=np.dtype(stored).newbyteorder("<")).reshape(shape)
    if kind == "BFLOAT16":  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(wide)


def _bytes_of(tensor: TensorProto, kind: str, stored: np.dtype[Any], path: Path) -> bytes:
    """The values as little-endian bytes, from wherever the file keeps them."""
    from onnx import TensorProto

    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(tensor, path)
    if tensor.HasField("raw_data"):
        return bytes(tensor.raw_data)
    values = np.array(getattr(tensor, _FIELDS.get(kind, "int32_data")))
    if kind in ("FLOAT16", "BFLOAT16"):
        stored = np.dtype(np.uint16)  # the bits of each value, in an int32
    return bytes(values.astype(stored.newbyteorder("<")).tobytes())


def _external(tensor: TensorProto, path: Path) -> bytes:
    """The bytes of a tensor that lie in another file beside the model's, and nowhere else."""
    where = {entry.key: entry.value for entry in tensor.external_data}
    location = where.get("location", "")
    name = f"{path}: {tensor.name[:80]!r}"
    file = path.parent / location
    parts = Path(location).parts
    inside = bool(parts) and not Path(location).is_absolute() and ".." not in parts
    walk = [path.parent.joinpath(*parts[:i]) for i in range(1, len(parts) + 1)]
    if not inside or "\0" in location or any(step.is_symlink() for step in walk):
        raise ValueError(
            f"load_weights: {name} lies in {location[:80]!r}: expected a file beside the model, "
            "without .. and links"
        )
    try:
        offset, length = (int(where.get(key, "-1")) for key in ("offset", "length"))
    except ValueError as error:
        raise ValueError(f"load_weights: {name} is corrupt: its place is no number") from error
    if not file.is_file():
        raise FileNotFoundError(f"load_weights: {name} lies in {file}, which is not there")
    size = file.stat().st_size
    offset = max(offset, 0)
    length = size - offset if length < 0 else length
    if not 0 <= offset <= offset + length <= size:
        raise ValueError(
            f"load_weights: {name} is corrupt: bytes {offset:,} to {offset + length:,} of "
            f"{file.name}, which has {size:,}"
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        content: bytes = stream.read(length)
        return content
