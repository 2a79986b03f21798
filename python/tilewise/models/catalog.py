"""The table of the zoo: one row a network, one block a family.

Its parameter counts are tested against the networks that the builders make, so a row is a claim
that holds. Accuracies are the publishers', not this library's.
"""

from __future__ import annotations

from .model_info import Accuracy, ModelInfo

LECTURE = "CNN course notes"


def imagenet(top1: float, top5: float, source: str) -> Accuracy:
    """Accuracy on ImageNet's 50,000 validation images, in per cent."""
    return Accuracy(top1, top5, "ImageNet-1k validation", source)


def tv(top1: float, top5: float) -> Accuracy:
    """Of torchvision's first weights, centre crop."""
    return imagenet(top1, top5, "torchvision, IMAGENET1K_V1 weights, one crop")


def fashion(top1: float) -> Accuracy:
    """Test accuracy on Fashion-MNIST, as courses report it."""
    return Accuracy(top1, None, "Fashion-MNIST", LECTURE)


# ------------------------------------------------------------ small images

LECUN = 'Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998'
SMALL = (1, 28, 28)

SMALL_IMAGES = (
    ModelInfo(
        "lenet5", "lenet:LeNet5", "lenet", LECUN, 4, 1_256_080, 1_256_080,
        input_shape=SMALL, num_classes=10,
    ),
    ModelInfo(
        "fashion_cnn", "fashion_mnist:FashionCNN", "fashion_mnist", LECTURE, 6, 1_677_674,
        1_679_082, fashion(93.5), input_shape=SMALL, num_classes=10,
    ),
    ModelInfo(
        "mlp", "fashion_mnist:MLP", "fashion_mnist", LECTURE, 2, 101_770, 101_770, fashion(88.0),
        input_shape=SMALL, num_classes=10,
    ),
)  # fmt: skip

ROWS: tuple[ModelInfo, ...] = (*SMALL_IMAGES,)
