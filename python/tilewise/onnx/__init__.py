"""ONNX files, into modules that run and train, and out of any network.

`load` reads a file into an `OnnxModule`, `export` writes a network for other programs; `Backend` is
the interface of the ONNX project, whose suite of tests it runs. Needs the package `onnx`:
`pip install 'tilewise[onnx]'`.

Example:
    >>> from tilewise import onnx
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> exported = onnx.export(net, tw.zeros(1, 1, 8, 8), "net.onnx")
    >>> onnx.load("net.onnx")(tw.zeros(2, 1, 8, 8)).shape
    (2, 4, 6, 6)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import Backend
    from .exporters import export
    from .importer import load
    from .module import OnnxModule

__all__ = ["Backend", "OnnxModule", "export", "load"]

_HOMES = {
    "Backend": "backend",
    "OnnxModule": "module",
    "export": "exporters",
    "load": "importer",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
