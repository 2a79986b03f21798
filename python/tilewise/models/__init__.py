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
    from .boxes import batched_nms, box_iou, generalized_box_iou, nms
    from .dcgan import DCGANDiscriminator, DCGANGenerator
    from .efficientnet import EfficientNet
    from .fashion_mnist import MLP, FashionCNN
    from .inception_resnet import InceptionResNetV2
    from .lenet import LeNet5
    from .mnasnet import MNASNet
    from .mobilenet_v1 import MobileNetV1
    from .mobilenet_v2 import MobileNetV2
    from .mobilenet_v3 import MobileNetV3
    from .nasnet import NASNet
    from .shufflenet import ShuffleNetV1, ShuffleNetV2
    from .unet import UNet
    from .wavenet import WaveNet
    from .xception import Xception
    from .yolo import Detections, YOLOv3Tiny
    from .yolo_loss import EncodedTargets, YOLOLoss

# The file of each family, and what it offers.
_FAMILIES = {
    "fashion_mnist": ("MLP", "FashionCNN"),
    "lenet": ("LeNet5",),
    "boxes": ("batched_nms", "box_iou", "generalized_box_iou", "nms"),
    "dcgan": ("DCGANDiscriminator", "DCGANGenerator"),
    "efficientnet": ("EfficientNet",),
    "inception_resnet": ("InceptionResNetV2",),
    "mnasnet": ("MNASNet",),
    "mobilenet_v1": ("MobileNetV1",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3",),
    "nasnet": ("NASNet",),
    "shufflenet": ("ShuffleNetV1", "ShuffleNetV2"),
    "unet": ("UNet",),
    "wavenet": ("WaveNet",),
    "xception": ("Xception",),
    "yolo": ("Detections", "YOLOv3Tiny"),
    "yolo_loss": ("EncodedTargets", "YOLOLoss"),
}
_FILES = {name: file for file, names in _FAMILIES.items() for name in names}

__all__ = [
    "MLP",
    "Accuracy",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Detections",
    "EfficientNet",
    "EncodedTargets",
    "FashionCNN",
    "InceptionResNetV2",
    "LeNet5",
    "MNASNet",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "ModelInfo",
    "NASNet",
    "ShuffleNetV1",
    "ShuffleNetV2",
    "UNet",
    "WaveNet",
    "Xception",
    "YOLOLoss",
    "YOLOv3Tiny",
    "available",
    "batched_nms",
    "box_iou",
    "count_parameters",
    "create",
    "generalized_box_iou",
    "info",
    "nms",
]


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
