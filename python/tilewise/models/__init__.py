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
    from .alexnet import AlexNet, AlexNetPaper
    from .densenet import DenseBlock, DenseLayer, DenseNet
    from .dogs_vs_cats import DogsVsCats
    from .fashion_mnist import MLP, FashionCNN
    from .googlenet import GoogLeNet, GoogLeNetAux, GoogLeNetOutputs, Inception
    from .inception import (
        InceptionA,
        InceptionAux,
        InceptionB,
        InceptionC,
        InceptionD,
        InceptionE,
        InceptionOutputs,
        InceptionV3,
    )
    from .lenet import LeNet5
    from .pattern import from_pattern
    from .resnet import BasicBlock, BlockSettings, Bottleneck, ResNet, ZeroPadShortcut
    from .resnet_cifar import CifarBlock, CifarResNet
    from .resnet_v2 import PreactBottleneck, ResNetV2
    from .squeezenet import Fire, SqueezeNet
    from .vgg import VGG

# The file of each family, and what it offers.
_FAMILIES = {
    "alexnet": ("AlexNet", "AlexNetPaper"),
    "densenet": ("DenseBlock", "DenseLayer", "DenseNet"),
    "dogs_vs_cats": ("DogsVsCats",),
    "fashion_mnist": ("MLP", "FashionCNN"),
    "googlenet": ("GoogLeNet", "GoogLeNetAux", "GoogLeNetOutputs", "Inception"),
    "inception": (
        "InceptionA",
        "InceptionAux",
        "InceptionB",
        "InceptionC",
        "InceptionD",
        "InceptionE",
        "InceptionOutputs",
        "InceptionV3",
    ),
    "lenet": ("LeNet5",),
    "pattern": ("from_pattern",),
    "resnet": ("BasicBlock", "BlockSettings", "Bottleneck", "ResNet", "ZeroPadShortcut"),
    "resnet_cifar": ("CifarBlock", "CifarResNet"),
    "resnet_v2": ("PreactBottleneck", "ResNetV2"),
    "squeezenet": ("Fire", "SqueezeNet"),
    "vgg": ("VGG",),
}
_FILES = {name: file for file, names in _FAMILIES.items() for name in names}

__all__ = [
    "MLP",
    "VGG",
    "Accuracy",
    "AlexNet",
    "AlexNetPaper",
    "BasicBlock",
    "BlockSettings",
    "Bottleneck",
    "CifarBlock",
    "CifarResNet",
    "DenseBlock",
    "DenseLayer",
    "DenseNet",
    "DogsVsCats",
    "FashionCNN",
    "Fire",
    "GoogLeNet",
    "GoogLeNetAux",
    "GoogLeNetOutputs",
    "Inception",
    "InceptionA",
    "InceptionAux",
    "InceptionB",
    "InceptionC",
    "InceptionD",
    "InceptionE",
    "InceptionOutputs",
    "InceptionV3",
    "LeNet5",
    "ModelInfo",
    "PreactBottleneck",
    "ResNet",
    "ResNetV2",
    "SqueezeNet",
    "ZeroPadShortcut",
    "available",
    "count_parameters",
    "create",
    "from_pattern",
    "info",
]


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
