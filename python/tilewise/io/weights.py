"""One door for weights of any kind of file, told apart by what is in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..creation import from_numpy
from ..tensor import Tensor
from .safetensors import Array, read

Format = Literal["safetensors", "torch", "onnx"]

_ZIP = b"PK\x03\x04"
# A pickle's first byte and its protocol: what PyTorch wrote before version 1.6.
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
_TAR = (257, b"ustar")  # and before 0.1.10


def weights_format(path: str | os.PathLike[str]) -> Format:
    """What kind of weights a file holds, by its first bytes; its name does not matter.

    Returns:
        "safetensors", "torch" (PyTorch's own, with or without zip) or "onnx".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none of these.

    Example:
        >>> tw.save(nn.Linear(2, 1).state_dict(), "weights.bin")
        >>> io.weights_format("weights.bin")
        'safetensors'
    """
    path = Path(path)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(512)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        return "safetensors"
    if head.startswith((_ZIP, *_PICKLE)):
        return "torch"
    if head[_TAR[0] :].startswith(_TAR[1]):
        raise ValueError(
            f"load_weights: {path} is a tar file, which PyTorch stopped writing with 0.1.10"
        )
    if head.startswith(b"\x08") and len(head) > 2:  # field 1 of ModelProto: ir_version
        return "onnx"
    kind = "empty" if not head else "neither safetensors nor of PyTorch or ONNX, or is cut off"
    raise ValueError(f"load_weights: {path} is {kind}")


def load_weights(path: str | os.PathLike[str], *, entry: str | None = None) -> dict[str, Tensor]:
    """Read the weights in a file: safetensors, PyTorch's `.pth`, `.pt` and `.th`, or ONNX.

    The names are the file's; `fit_state_dict` makes them a model's. Nothing is ever unpickled by
    tilewise: PyTorch reads its own files, with `weights_only=True`, so they need PyTorch installed.
    Of an ONNX file the initialisers are taken (`pip install 'tilewise[onnx]'`). Floating-point
    types of 16 bits become float32.

    Args:
        path: the file.
        entry: the part of a PyTorch file that holds the weights, such as "state_dict", dotted
            where it lies deeper. Needed only where there are several.

    Returns:
        Name → Tensor, in the file's order.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: PyTorch or onnx is needed and not installed.
        ValueError: the file is truncated or corrupt, holds no weights, holds something that is not
            safe to load, or several sets of weights; the message names the path.

    Example:
        >>> tw.save(nn.Linear(2, 1).state_dict(), "weights.safetensors")
        >>> sorted(io.load_weights("weights.safetensors"))
        ['bias', 'weight']
    """
    path = Path(path)
    kind = weights_format(path)
    if entry is not None and kind != "torch":
        raise ValueError(f"load_weights: {path} has no entries, it is of {kind}: got {entry!r}")
    arrays: dict[str, Array]
    if kind == "safetensors":
        arrays = read(path)[0]
    elif kind == "torch":
        from .torch_files import read_torch

        arrays = read_torch(path, entry)
    else:
        from .onnx_files import read_initializers

        arrays = read_initializers(path)
    return {name: from_numpy(array) for name, array in arrays.items()}
