"""Networks people know, by name and by class; a family's file is imported when it is used.

Example:
    >>> from tilewise import models
    >>> models.create("fashion_cnn")(tw.zeros(2, 1, 28, 28)).shape
    (2, 10)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .model_info import Accuracy, ModelInfo
from .registry import available, count_parameters, create, info

if TYPE_CHECKING:
    from .fashion_mnist import MLP, FashionCNN
    from .lenet import LeNet5

# The file of each family, and what it offers.
_FAMILIES = {
    "fashion_mnist": ("MLP", "FashionCNN"),
    "lenet": ("LeNet5",),
}
_FILES = {name: file for file, names in _FAMILIES.items() for name in names}

__all__ = [
    "MLP",
    "Accuracy",
    "FashionCNN",
    "LeNet5",
    "ModelInfo",
    "available",
    "count_parameters",
    "create",
    "info",
]


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
