"""ONNX files in: a graph that runs and trains like any other module.

`load` reads a file into an `OnnxModule`; `Backend` is the interface of the ONNX project, whose
suite of tests it runs. Needs the package `onnx`: `pip install 'tilewise[onnx]'`.

Example:
    >>> from tilewise import onnx
    >>> model = onnx.load("model.onnx")  # doctest: +SKIP
    >>> logits = model(images)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import Backend
    from .importer import load
    from .module import OnnxModule

__all__ = ["Backend", "OnnxModule", "load"]

_HOMES = {"Backend": "backend", "OnnxModule": "module", "load": "importer"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
