"""Networks people know, by name and by class; a family's file is imported when it is used.

Example:
    >>> from tilewise import models
    >>> models.create("fashion_cnn")(tw.zeros(2, 1, 28, 28)).shape
    (2, 10)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .conventions import Convention, conventions
from .model_info import Accuracy, ModelInfo
from .preprocessing import Preprocessing, preprocessing
from .registry import available, count_parameters, create, info

if TYPE_CHECKING:
    from .alexnet import AlexNet, AlexNetPaper
    from .boxes import batched_nms, box_iou, generalized_box_iou, nms
    from .dcgan import DCGANDiscriminator, DCGANGenerator
    from .densenet import DenseBlock, DenseLayer, DenseNet
    from .dogs_vs_cats import DogsVsCats
    from .efficientnet import EfficientNet
    from .fashion_mnist import MLP, FashionCNN
    from .googlenet import GoogLeNet, GoogLeNetAux, GoogLeNetOutputs, Inception
    from .heads import find_heads, replace_head
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
    from .inception_resnet import InceptionResNetV2
    from .lenet import LeNet5
    from .mnasnet import MNASNet
    from .mobilenet_v1 import MobileNetV1
    from .mobilenet_v2 import MobileNetV2
    from .mobilenet_v3 import MobileNetV3
    from .nasnet import NASNet
    from .pattern import from_pattern
    from .resnet import BasicBlock, BlockSettings, Bottleneck, ResNet, ZeroPadShortcut
    from .resnet_cifar import CifarBlock, CifarResNet
    from .resnet_v2 import PreactBottleneck, ResNetV2
    from .shufflenet import ShuffleNetV1, ShuffleNetV2
    from .squeezenet import Fire, SqueezeNet
    from .unet import UNet
    from .vgg import VGG
    from .wavenet import WaveNet
    from .xception import Xception
    from .yolo import Detections, YOLOv3Tiny
    from .yolo_loss import EncodedTargets, YOLOLoss

# The file of each family, and what it offers.
_FAMILIES = {
    "alexnet": ("AlexNet", "AlexNetPaper"),
    "boxes": ("batched_nms", "box_iou", "generalized_box_iou", "nms"),
    "dcgan": ("DCGANDiscriminator", "DCGANGenerator"),
    "densenet": ("DenseBlock", "DenseLayer", "DenseNet"),
    "dogs_vs_cats": ("DogsVsCats",),
    "efficientnet": ("EfficientNet",),
    "fashion_mnist": ("MLP", "FashionCNN"),
    "googlenet": ("GoogLeNet", "GoogLeNetAux", "GoogLeNetOutputs", "Inception"),
    "heads": ("find_heads", "replace_head"),
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
    "inception_resnet": ("InceptionResNetV2",),
    "lenet": ("LeNet5",),
    "mnasnet": ("MNASNet",),
    "mobilenet_v1": ("MobileNetV1",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3",),
    "nasnet": ("NASNet",),
    "pattern": ("from_pattern",),
    "resnet": ("BasicBlock", "BlockSettings", "Bottleneck", "ResNet", "ZeroPadShortcut"),
    "resnet_cifar": ("CifarBlock", "CifarResNet"),
    "resnet_v2": ("PreactBottleneck", "ResNetV2"),
    "shufflenet": ("ShuffleNetV1", "ShuffleNetV2"),
    "squeezenet": ("Fire", "SqueezeNet"),
    "unet": ("UNet",),
    "vgg": ("VGG",),
    "wavenet": ("WaveNet",),
    "xception": ("Xception",),
    "yolo": ("Detections", "YOLOv3Tiny"),
    "yolo_loss": ("EncodedTargets", "YOLOLoss"),
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
    "Convention",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DenseBlock",
    "DenseLayer",
    "DenseNet",
    "Detections",
    "DogsVsCats",
    "EfficientNet",
    "EncodedTargets",
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
    "InceptionResNetV2",
    "InceptionV3",
    "LeNet5",
    "MNASNet",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "ModelInfo",
    "NASNet",
    "PreactBottleneck",
    "Preprocessing",
    "ResNet",
    "ResNetV2",
    "ShuffleNetV1",
    "ShuffleNetV2",
    "SqueezeNet",
    "UNet",
    "WaveNet",
    "Xception",
    "YOLOLoss",
    "YOLOv3Tiny",
    "ZeroPadShortcut",
    "available",
    "batched_nms",
    "box_iou",
    "conventions",
    "count_parameters",
    "create",
    "find_heads",
    "from_pattern",
    "generalized_box_iou",
    "info",
    "nms",
    "preprocessing",
    "replace_head",
]


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
