"""State dicts as safetensors files, which PyTorch, JAX and others read and write as well.

A file holds named tensors and a string-to-string dictionary, never code: nothing is unpickled.
Files are written completely or not at all, and everything a file claims is checked before it is
believed. (Format: https://github.com/huggingface/safetensors.)
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..creation import from_numpy
from ..tensor import Tensor
from .atomic import open_atomic
from .tree import flatten, unflatten

Array = npt.NDArray[Any]

_MAX_HEADER = 100_000_000  # the limit of the reference implementation
_NATIVE = {
    "F64": np.float64,
    "F32": np.float32,
    "I64": np.int64,
    "I32": np.int32,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
# Types that tilewise lacks, read as the smallest of its own that holds every value.
_WIDENED = {
    "F16": (np.float16, np.float32),
    "I16": (np.int16, np.int32),
    "U16": (np.uint16, np.int32),
    "U32": (np.uint32, np.int64),
}


_NESTED = "tilewise_state"  # the metadata's key of what is not a flat dictionary of tensors


def save(
    state: Any,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a state dict, or state dicts beside numbers and strings, as a safetensors file.

    The bytes depend on the arguments alone; the file appears complete or not at all. Nothing is
    pickled: what is no tensor becomes JSON in the file's metadata.

    Args:
        state: name → Tensor or array of any shape, or a tensor, or dicts and lists of tensors,
            numbers, strings, booleans and None, nested as you like.
        path: the file to write; by custom it ends in `.safetensors`.
        metadata: strings to keep beside the tensors.

    Raises:
        TypeError: `state` holds something else, a module say, or a dtype cannot be stored.
        OSError: the file cannot be written; an older file of that name is left as it was.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> tw.save(model.state_dict(), "weights.safetensors", {"model": "linear"})
        >>> tw.save({"net": model.state_dict(), "epoch": 3}, "run.ckpt")
        >>> tw.load("run.ckpt")["epoch"]
        3
    """
    strings: dict[Any, Any] = dict(metadata or {})
    for key, text in strings.items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"save: expected metadata of strings, got {key!r}: {text!r}")
    tensors = state
    if not _is_flat(state):
        tensors = {}
        strings[_NESTED] = json.dumps(flatten(state, "", tensors))
    arrays = {name: _to_array(name, value) for name, value in tensors.items()}
    from safetensors.numpy import save as serialize

    serialized = memoryview(serialize(arrays, strings or None))
    length = struct.unpack("<Q", serialized[:8])[0]
    with open_atomic(path) as stream:
        stream.write(_in_order(bytes(serialized[8 : 8 + length])))
        stream.write(serialized[8 + length :])


def _is_flat(state: Any) -> bool:
    """Whether it is a dictionary of names and tensors, which any reader of the format knows."""
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(value, (Tensor, np.ndarray, np.generic))
        for name, value in state.items()
    )


def _in_order(header: bytes) -> bytes:
    """The header with its metadata sorted, which the package leaves in an order of chance."""
    parsed = json.loads(header)
    if "__metadata__" in parsed:
        parsed["__metadata__"] = dict(sorted(parsed["__metadata__"].items()))
    text = json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return struct.pack("<Q", len(text)) + text


def _to_array(name: str, value: Tensor | Array) -> Array:
    if name == "__metadata__":
        raise TypeError(f"save: {name!r} is no name for a tensor: the format keeps it for itself")
    array: Array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.newbyteorder("=") not in [np.dtype(kind) for kind in _NATIVE.values()]:
        raise TypeError(f"save: {name!r} has dtype {array.dtype}, which tilewise does not store")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native).reshape(array.shape)  # ascontiguousarray makes 0-d 1-d


def load(path: str | os.PathLike[str]) -> Any:
    """Read a safetensors file: the state dict, or the nested state, that `save` was given.

    float16 and bfloat16 become float32, and small integer types the next larger one of tilewise;
    no value changes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or corrupt, or holds a dtype without a counterpart; the
            message names the path.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> tw.save(model.state_dict(), "weights.safetensors")
        >>> model.load_state_dict(tw.load("weights.safetensors"))
        <All keys matched successfully>
    """
    arrays, metadata = read(path)
    if _NESTED not in metadata:
        return {name: from_numpy(array) for name, array in arrays.items()}
    try:
        return unflatten(json.loads(metadata[_NESTED]), arrays)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"load: {Path(path)} is corrupt: {error}") from error


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read only the strings that a safetensors file keeps beside its tensors.

    Raises:
        FileNotFoundError, ValueError: as `load`.

    Example:
        >>> tw.save(nn.Linear(2, 1).state_dict(), "weights.safetensors", {"model": "linear"})
        >>> io.load_metadata("weights.safetensors")["model"]
        'linear'
    """
    path = Path(path)
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
        if not 0 <= length <= min(_MAX_HEADER, os.fstat(stream.fileno()).st_size - 8):
            raise ValueError(f"load: {path} is no safetensors file, or is truncated")
        return _metadata(_parse_header(stream.read(length), path), path)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays and the metadata of a safetensors file; `load` in terms of NumPy."""
    from safetensors import SafetensorError, deserialize

    path = Path(path)
    data = path.read_bytes()
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call,unused-ignore]
    except (SafetensorError, OverflowError, MemoryError) as error:
        raise ValueError(f"load: {path} is no safetensors file, or is corrupt: {error}") from error
    # The package lets a name occur twice and keeps the last; which was meant cannot be known.
    length = struct.unpack("<Q", data[:8])[0]
    header = _parse_header(data[8 : 8 + length], path)
    metadata = _metadata(header, path)
    found = {name: _decode(name, entry, path) for name, entry in entries}
    return {name: found[name] for name in header if name != "__metadata__"}, metadata


def _parse_header(header: bytes, path: Path) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        parsed = json.loads(header, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"load: {path} is no safetensors file, or is corrupt: {error}") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"load: {path} is no safetensors file: its header is no object")
    return parsed


def _metadata(header: dict[str, Any], path: Path) -> dict[str, str]:
    metadata = header.get("__metadata__") or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError(f"load: {path} is corrupt: its metadata are not strings")
    return metadata


def _decode(name: str, entry: Mapping[str, Any], path: Path) -> Array:
    kind, shape, data = entry["dtype"], tuple(entry["shape"]), entry["data"]
    try:
        if kind in _NATIVE:
            return np.frombuffer(data, dtype=_NATIVE[kind]).reshape(shape)
        if kind in _WIDENED:
            stored, wide = _WIDENED[kind]
            return np.frombuffer(data, dtype=stored).astype(wide).reshape(shape)
        if kind == "BF16":  # the upper half of a float32
            bits = np.frombuffer(data, dtype=np.uint16).astype(np.uint32) << np.uint32(16)
            return bits.view(np.float32).reshape(shape)
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(
            f"load: {path} is corrupt: {name!r} claims shape {shape}: {error}"
        ) from error
    raise ValueError(f"load: {path}: {name!r} has dtype {kind}, which tilewise does not read")
