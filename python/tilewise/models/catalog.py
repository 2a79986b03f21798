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
        Accuracy(99.05, None, "MNIST", "the paper, of its own smaller LeNet-5"),
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
    ModelInfo(
        "dogs_vs_cats", "dogs_vs_cats:DogsVsCats", "dogs_vs_cats", LECTURE, 10, 23_214_017,
        23_214_017, input_shape=(3, 150, 150), num_classes=1,
    ),
)  # fmt: skip

# ------------------------------------------------------------ AlexNet

KRIZHEVSKY = (
    'A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional '
    'neural networks", 2012'
)
ONE_WEIRD_TRICK = (
    'A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014'
)

ALEXNET = (
    ModelInfo(
        "alexnet", "alexnet:AlexNet", "alexnet", ONE_WEIRD_TRICK, 8, 61_100_840,
        accuracy=tv(56.522, 79.066),
    ),
    ModelInfo(
        "alexnet_one_tower", "alexnet:AlexNetPaper", "alexnet", KRIZHEVSKY, 8, 62_378_344,
        arguments={"towers": 1}, input_shape=(3, 227, 227),
    ),
    ModelInfo(
        "alexnet_two_tower", "alexnet:AlexNetPaper", "alexnet", KRIZHEVSKY, 8, 60_965_224,
        accuracy=imagenet(59.3, 81.8, "the paper, table 2, one network, ten crops"),
        arguments={"towers": 2}, input_shape=(3, 227, 227),
    ),
)  # fmt: skip

# ------------------------------------------------------------ VGG

SIMONYAN = (
    'K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image '
    'recognition", 2014'
)


def vgg(
    name: str, configuration: str, depth: int, parameters: int, accuracy: Accuracy | None = None,
    keras: int | None = None,
) -> ModelInfo:  # fmt: skip
    """A row; a name that ends in _bn has batch norm."""
    arguments = {"configuration": configuration, "batch_norm": name.endswith("_bn")}
    return ModelInfo(
        name, "vgg:VGG", "vgg", SIMONYAN, depth, parameters, keras, accuracy, arguments
    )


VGG_TABLE = "the paper, table 3, trained and tested at scale 256"

VGG = (
    vgg("vgg11", "A", 11, 132_863_336, tv(69.020, 88.628)),
    vgg("vgg13", "B", 13, 133_047_848, tv(69.928, 89.246)),
    vgg("vgg16", "D", 16, 138_357_544, tv(71.592, 90.382), 138_357_544),
    vgg("vgg19", "E", 19, 143_667_240, tv(72.376, 90.876), 143_667_240),
    vgg("vgg11_bn", "A", 11, 132_868_840, tv(70.370, 89.810)),
    vgg("vgg13_bn", "B", 13, 133_053_736, tv(71.586, 90.374)),
    vgg("vgg16_bn", "D", 16, 138_365_992, tv(73.360, 91.516)),
    vgg("vgg19_bn", "E", 19, 143_678_248, tv(74.218, 91.842)),
    vgg("vgg_a_lrn", "A-LRN", 11, 132_863_336, imagenet(70.3, 89.5, VGG_TABLE)),
    vgg("vgg_c", "C", 16, 133_638_952, imagenet(71.9, 90.6, VGG_TABLE)),
    vgg("vgg_c_bn", "C", 16, 133_647_400),
)

# ------------------------------------------------------------ ResNet and what followed

HE = 'K. He et al., "Deep residual learning for image recognition", 2015'
HE_V2 = 'K. He et al., "Identity mappings in deep residual networks", 2016'
XIE = 'S. Xie et al., "Aggregated residual transformations for deep neural networks", 2016'
ZAGORUYKO = 'S. Zagoruyko, N. Komodakis, "Wide residual networks", 2016'
BLOCKS = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}


def resnet(
    name: str, depth: int, parameters: int, accuracy: Accuracy, keras: int | None = None,
    source: str = HE, **arguments: int,
) -> ModelInfo:  # fmt: skip
    """A row of the first version, or of ResNeXt or Wide ResNet."""
    block, layers = BLOCKS[depth]
    return ModelInfo(
        name, "resnet:ResNet", "resnet", source, depth, parameters, keras, accuracy,
        {"block": block, "layers": layers, **arguments}, {"keras": True},
    )  # fmt: skip


def resnet_v2(depth: int, parameters: int, keras: int, top1: float, top5: float) -> ModelInfo:
    """A row of the second version."""
    return ModelInfo(
        f"resnet{depth}_v2", "resnet_v2:ResNetV2", "resnet", HE_V2, depth, parameters, keras,
        imagenet(top1, top5, "keras.applications, one crop"), {"layers": BLOCKS[depth][1]},
    )  # fmt: skip


def resnet_cifar(depth: int, parameters: int, top1: float) -> ModelInfo:
    """A row of the ResNets for CIFAR-10."""
    return ModelInfo(
        f"resnet{depth}_cifar", "resnet_cifar:CifarResNet", "resnet", HE, depth, parameters, None,
        Accuracy(top1, None, "CIFAR-10", "the paper, table 6"), {"depth": depth},
        input_shape=(3, 32, 32), num_classes=10,
    )  # fmt: skip


RESNET = (
    resnet("resnet18", 18, 11_689_512, tv(69.758, 89.078)),
    resnet("resnet34", 34, 21_797_672, tv(73.314, 91.420)),
    resnet("resnet50", 50, 25_557_032, tv(76.130, 92.862), 25_636_712),
    resnet("resnet101", 101, 44_549_160, tv(77.374, 93.546), 44_707_176),
    resnet("resnet152", 152, 60_192_808, tv(78.312, 94.046), 60_419_944),
    resnet("resnext50_32x4d", 50, 25_028_904, tv(77.618, 93.698), None, XIE,
           groups=32, width_per_group=4),
    resnet("resnext101_32x8d", 101, 88_791_336, tv(79.312, 94.526), None, XIE,
           groups=32, width_per_group=8),
    resnet("resnext101_64x4d", 101, 83_455_272, tv(83.246, 96.454), None, XIE,
           groups=64, width_per_group=4),
    resnet("wide_resnet50_2", 50, 68_883_240, tv(78.468, 94.086), None, ZAGORUYKO,
           width_per_group=128),
    resnet("wide_resnet101_2", 101, 126_886_696, tv(78.848, 94.284), None, ZAGORUYKO,
           width_per_group=128),
    resnet_v2(50, 25_568_360, 25_613_800, 76.0, 93.0),
    resnet_v2(101, 44_577_896, 44_675_560, 77.2, 93.8),
    resnet_v2(152, 60_236_904, 60_380_648, 78.0, 94.2),
    resnet_cifar(20, 269_722, 91.25),
    resnet_cifar(32, 464_154, 92.49),
    resnet_cifar(44, 658_586, 92.83),
    resnet_cifar(56, 853_018, 93.03),
    resnet_cifar(110, 1_727_962, 93.57),
)  # fmt: skip

# ------------------------------------------------------------ Inception

SZEGEDY = 'C. Szegedy et al., "Going deeper with convolutions", 2014'
SZEGEDY_V3 = 'C. Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015'

INCEPTION = (
    ModelInfo(
        "googlenet", "googlenet:GoogLeNet", "inception", SZEGEDY, 22, 6_624_904,
        accuracy=tv(69.778, 89.530), arguments={"aux_logits": False},
    ),
    ModelInfo(
        "inception_v3", "inception:InceptionV3", "inception", SZEGEDY_V3, 48, 27_161_264,
        23_851_784, tv(77.294, 93.450), keras_arguments={"aux_logits": False, "keras": True},
        input_shape=(3, 299, 299),
    ),
)  # fmt: skip

# ------------------------------------------------------------ DenseNet

HUANG = 'G. Huang et al., "Densely connected convolutional networks", 2016'


def densenet(
    depth: int, layers: tuple[int, ...], parameters: int, accuracy: Accuracy,
    keras: int | None = None, growth_rate: int = 32, stem: int = 64,
) -> ModelInfo:  # fmt: skip
    """A row."""
    return ModelInfo(
        f"densenet{depth}", "densenet:DenseNet", "densenet", HUANG, depth, parameters, keras,
        accuracy, {"growth_rate": growth_rate, "layers": layers, "stem": stem}, {"keras": True},
    )  # fmt: skip


DENSENET = (
    densenet(121, (6, 12, 24, 16), 7_978_856, tv(74.434, 91.972), 8_062_504),
    densenet(161, (6, 12, 36, 24), 28_681_000, tv(77.138, 93.560), growth_rate=48, stem=96),
    densenet(169, (6, 12, 32, 32), 14_149_480, tv(75.600, 92.806), 14_307_880),
    densenet(201, (6, 12, 48, 32), 20_013_928, tv(76.896, 93.370), 20_242_984),
)

# ------------------------------------------------------------ SqueezeNet

IANDOLA = (
    'F. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB '
    'model size", 2016'
)

SQUEEZENET = (
    ModelInfo(
        "squeezenet1_0", "squeezenet:SqueezeNet", "squeezenet", IANDOLA, 18, 1_248_424,
        accuracy=tv(58.092, 80.420), arguments={"version": "1.0"},
    ),
    ModelInfo(
        "squeezenet1_1", "squeezenet:SqueezeNet", "squeezenet", IANDOLA, 18, 1_235_496,
        accuracy=tv(58.178, 80.624), arguments={"version": "1.1"},
    ),
)  # fmt: skip

ROWS: tuple[ModelInfo, ...] = (
    *SMALL_IMAGES,
    *ALEXNET,
    *VGG,
    *RESNET,
    *INCEPTION,
    *DENSENET,
    *SQUEEZENET,
)
