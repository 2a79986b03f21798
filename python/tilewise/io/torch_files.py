"""Weights in PyTorch's own files, read by PyTorch.

Such a file is a pickle, and a pickle is a program. It is run by PyTorch's restricted reader
(`weights_only=True`), which builds tensors and plain containers and refuses everything else; this
module checks what the file claims before and after. (Format: the documentation of torch.save.)
"""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .safetensors import Array

logger = logging.getLogger(__name__)

_DEPTH = 4  # at which weights are looked for
_GROWTH = 8  # times the file's size: what tied and widened tensors may come to


def read_torch(path: Path, entry: str | None = None) -> dict[str, Array]:
    """The arrays of a PyTorch file; `load_weights` in terms of NumPy."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"{path} is a file of PyTorch, which alone can read it: pip install torch"
        ) from error
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how old files are stored
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"load_weights: {path} holds more than weights, or is corrupt, and is not loaded: "
            f"{_first_line(error)}"
        ) from error
    except Exception as error:  # PyTorch raises a dozen kinds for files that are cut or changed
        raise ValueError(
            f"load_weights: {path} is no file of PyTorch's weights, or is corrupt: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error
    tensors = _choose(content, entry, path, torch.Tensor)
    return _to_arrays(tensors, path)


def _check_archive(path: Path) -> None:
    """Refuse an archive whose entries claim more bytes than the file has."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"load_weights: {path} is corrupt: {error}") from error
    size = path.stat().st_size
    if claimed > size:
        raise ValueError(
            f"load_weights: {path} is no file of PyTorch's weights: {size:,} bytes that claim to "
            f"hold {claimed:,}"
        )


def _choose(content: Any, entry: str | None, path: Path, tensor: type) -> dict[str, Any]:
    """The tensors of a file, from where they lie in it."""
    found = _weights_in(content, tensor)
    if entry is not None:
        if entry not in found:
            known = ", ".join(map(repr, found)) or "none"
            raise ValueError(
                f"load_weights: {path} has no weights in {entry!r:.80}; its entries: {known}"
            )
        return found[entry]
    if not found:
        raise ValueError(f"load_weights: {path} holds no weights: {type(content).__name__}")
    if len(found) > 1:
        raise ValueError(
            f"load_weights: {path} holds several sets of weights; choose one with entry=: "
            f"{', '.join(map(repr, list(found)[:8]))}"
        )
    place = next(iter(found))
    if place:
        beside = sorted(str(key)[:40] for key in content if str(key) != place.split(".")[0])
        logger.info(
            "load_weights: the weights of %s are in %r; beside it: %s",
            path,
            place,
            ", ".join(beside[:8]) or "nothing",
        )
    return found[place]


def _weights_in(content: Any, tensor: Any) -> dict[str, dict[str, Any]]:
    """Dotted place → tensors by name, for each mapping that holds some."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()  # a pickle may hold one mapping in many places

    def visit(value: Any, place: str, depth: int) -> None:
        if not isinstance(value, Mapping) or depth > _DEPTH or id(value) in seen:
            return
        seen.add(id(value))
        named = {name: inner for name, inner in value.items() if isinstance(name, str)}
        own = {name: inner for name, inner in named.items() if isinstance(inner, tensor)}
        if any(inner.ndim for inner in own.values()):  # numbers alone are no weights
            found[place] = own
        for name, inner in named.items():
            visit(inner, f"{place}.{name}" if place else name, depth + 1)

    visit(content, "", 0)
    return found


def _to_arrays(tensors: Mapping[str, Any], path: Path) -> dict[str, Array]:
    limit = _GROWTH * path.stat().st_size
    claimed = sum(t.numel() * max(t.element_size(), 4) for t in tensors.values())
    if claimed > limit:
        raise ValueError(
            f"load_weights: {path} is corrupt: tensors of {claimed:,} bytes in a file of "
            f"{path.stat().st_size:,}"
        )
    return {name: _to_array(name, value, path) for name, value in tensors.items()}


def _to_array(name: str, value: Any, path: Path) -> Array:
    import torch

    if value.is_quantized or value.layout != torch.strided or value.is_complex():
        raise ValueError(
            f"load_weights: {path}: {name!r:.80} is {value.dtype}, {value.layout}: expected "
            "plain numbers"
        )
    value = value.detach()
    if value.dtype in (torch.float16, torch.bfloat16):
        value = value.float()
    elif value.dtype == torch.int16:
        value = value.int()
    try:
        array: Array = np.ascontiguousarray(value.numpy()).reshape(tuple(value.shape))
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"load_weights: {path}: {name!r:.80} has dtype {value.dtype}, which tilewise lacks"
        ) from error
    return array


def _first_line(error: BaseException) -> str:
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return text[:200]
