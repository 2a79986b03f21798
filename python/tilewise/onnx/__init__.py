"""ONNX files, out of any network.

`export` writes a network for other programs. Needs the package `onnx`:
`pip install 'tilewise[onnx]'`.

Example:
    >>> from tilewise import onnx
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> exported = onnx.export(net, tw.zeros(1, 1, 8, 8), "net.onnx")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exporters import export

__all__ = ["export"]

_HOMES = {"export": "exporters"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
