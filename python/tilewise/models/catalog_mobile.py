"""The zoo's table, second part: networks made small, or found by search, or of separable layers."""

from __future__ import annotations

from typing import Any

from .catalog import imagenet, tv
from .model_info import Accuracy, ModelInfo

KERAS = "keras.applications, one crop"

# ------------------------------------------------------------ MobileNet

HOWARD = 'A. Howard et al., "MobileNets: efficient convolutional neural networks", 2017'
SANDLER = 'M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018'
HOWARD_V3 = 'A. Howard et al., "Searching for MobileNetV3", 2019'

MOBILENET = (
    ModelInfo(
        "mobilenet_v1", "mobilenet_v1:MobileNetV1", "mobilenet", HOWARD, 28, 4_231_976, 4_253_864,
        imagenet(70.4, 89.5, KERAS),
    ),
    ModelInfo(
        "mobilenet_v2", "mobilenet_v2:MobileNetV2", "mobilenet", SANDLER, 53, 3_504_872, 3_538_984,
        tv(71.878, 90.286), keras_arguments={"keras": True},
    ),
    ModelInfo(
        "mobilenet_v3_large", "mobilenet_v3:MobileNetV3", "mobilenet", HOWARD_V3, 64, 5_483_032,
        accuracy=tv(74.042, 91.340), arguments={"variant": "large"},
    ),
    ModelInfo(
        "mobilenet_v3_small", "mobilenet_v3:MobileNetV3", "mobilenet", HOWARD_V3, 54, 2_542_856,
        accuracy=tv(67.668, 87.402), arguments={"variant": "small"},
    ),
)  # fmt: skip

# ------------------------------------------------------------ ShuffleNet

ZHANG = 'X. Zhang et al., "ShuffleNet: an extremely efficient CNN for mobile devices", 2018'
MA = 'N. Ma et al., "ShuffleNet V2: practical guidelines for efficient CNN design", 2018'


def shufflenet_v1(groups: int, parameters: int, top1: float) -> ModelInfo:
    """A row by its groups."""
    accuracy = Accuracy(top1, None, "ImageNet-1k validation", "the paper, table 2")
    return ModelInfo(
        f"shufflenet_v1_g{groups}", "shufflenet:ShuffleNetV1", "shufflenet", ZHANG, 50, parameters,
        accuracy=accuracy, arguments={"groups": groups},
    )  # fmt: skip


def shufflenet_v2(width: float, parameters: int, accuracy: Accuracy) -> ModelInfo:
    """A row by its width."""
    name = f"shufflenet_v2_x{width:.1f}".replace(".", "_")
    return ModelInfo(
        name, "shufflenet:ShuffleNetV2", "shufflenet", MA, 51, parameters, accuracy=accuracy,
        arguments={"width": width},
    )  # fmt: skip


SHUFFLENET = (
    shufflenet_v1(1, 1_531_936, 66.4),
    shufflenet_v1(2, 1_733_848, 67.3),
    shufflenet_v1(3, 1_865_728, 67.4),
    shufflenet_v1(4, 1_968_344, 67.2),
    shufflenet_v1(8, 2_434_768, 67.6),
    shufflenet_v2(0.5, 1_366_792, tv(60.552, 81.746)),
    shufflenet_v2(1.0, 2_278_604, tv(69.362, 88.316)),
    shufflenet_v2(1.5, 3_503_624, tv(72.996, 91.086)),
    shufflenet_v2(2.0, 7_393_996, tv(76.230, 93.006)),
)

# ------------------------------------------------------------ found by search

MNASNET_PAPER = 'M. Tan et al., "MnasNet: platform-aware neural architecture search", 2019'
EFFICIENTNET_PAPER = 'M. Tan, Q. Le, "EfficientNet: rethinking model scaling for CNNs", 2019'
ZOPH = 'B. Zoph et al., "Learning transferable architectures for scalable image recognition", 2018'


def mnasnet(width: float, parameters: int, top1: float, top5: float) -> ModelInfo:
    """A row by its width."""
    return ModelInfo(
        f"mnasnet{width}".replace(".", "_"), "mnasnet:MNASNet", "mnasnet", MNASNET_PAPER, 53,
        parameters, accuracy=tv(top1, top5), arguments={"width": width},
    )  # fmt: skip


def efficientnet(
    scale: int, resolution: int, depth: int, parameters: int, accuracy: Accuracy
) -> ModelInfo:
    """A row by its scale."""
    return ModelInfo(
        f"efficientnet_b{scale}", "efficientnet:EfficientNet", "efficientnet", EFFICIENTNET_PAPER,
        depth, parameters, accuracy=accuracy, arguments={"variant": f"b{scale}"},
        input_shape=(3, resolution, resolution),
    )  # fmt: skip


SEARCHED = (
    mnasnet(0.5, 2_218_512, 67.734, 87.490),
    mnasnet(0.75, 3_170_208, 71.180, 90.496),
    mnasnet(1.0, 4_383_312, 73.456, 91.510),
    mnasnet(1.3, 6_282_256, 76.506, 93.522),
    efficientnet(0, 224, 82, 5_288_548, tv(77.692, 93.532)),
    efficientnet(1, 240, 116, 7_794_184, tv(78.642, 94.186)),
    efficientnet(2, 260, 116, 9_109_994, tv(80.608, 95.310)),
    efficientnet(3, 300, 131, 12_233_232, tv(82.008, 96.054)),
    efficientnet(4, 380, 161, 19_341_616, tv(83.384, 96.594)),
    efficientnet(5, 456, 195, 30_389_784, tv(83.444, 96.628)),
    efficientnet(6, 528, 225, 43_040_704, tv(84.008, 96.916)),
    efficientnet(7, 600, 274, 66_347_960, tv(84.122, 96.908)),
    ModelInfo(
        "nasnet_mobile", "nasnet:NASNet", "nasnet", ZOPH, 98, 5_289_978, 5_326_716,
        imagenet(74.4, 91.9, KERAS), {"variant": "mobile"},
    ),
    ModelInfo(
        "nasnet_large", "nasnet:NASNet", "nasnet", ZOPH, 128, 88_753_150, 88_949_818,
        imagenet(82.5, 96.0, KERAS), {"variant": "large"}, input_shape=(3, 331, 331),
    ),
)  # fmt: skip

# ------------------------------------------------------------ after Inception

CHOLLET = 'F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2017'
SZEGEDY_V4 = (
    'C. Szegedy et al., "Inception-v4, Inception-ResNet and the impact of residual connections on '
    'learning", 2017'
)
LARGE: dict[str, Any] = {"input_shape": (3, 299, 299)}

AFTER_INCEPTION = (
    ModelInfo(
        "xception", "xception:Xception", "xception", CHOLLET, 71, 22_855_952, 22_910_480,
        imagenet(79.0, 94.5, KERAS), **LARGE,
    ),
    ModelInfo(
        "inception_resnet_v2", "inception_resnet:InceptionResNetV2", "inception", SZEGEDY_V4, 176,
        55_843_464, 55_873_736, imagenet(80.3, 95.3, KERAS), keras_arguments={"keras": True},
        **LARGE,
    ),
)  # fmt: skip

ROWS: tuple[ModelInfo, ...] = (*MOBILENET, *SHUFFLENET, *SEARCHED, *AFTER_INCEPTION)
