"""The package `onnx`, which this library needs for ONNX files alone."""

from __future__ import annotations

import importlib
from typing import Any


def require_onnx(op: str) -> Any:
    """The package `onnx`.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError(f"{op}: needs the package onnx: pip install 'tilewise[onnx]'") from error
