"""Facts of networks as courses teach them: parameter counts of layers and of the zoo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilewise as tw
from helpers import fact_table
from tilewise import models, nn

FACTS, fact = fact_table()


def parameters(*layers: nn.Module) -> int:
    return sum(models.count_parameters(layer) for layer in layers)


def conv(*sides: int, bias: bool = True) -> nn.Sequential:
    """Convolutions of (channels, filters, kernel) each."""
    return nn.Sequential(
        *(nn.Conv2d(*sides[i : i + 3], bias=bias) for i in range(0, len(sides), 3))
    )


def unfilled(name: str, **arguments: object) -> nn.Module:
    """A network of the zoo, to be counted."""
    with nn.init.skip():
        return models.create(name, **arguments)


def weight_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


# ------------------------------------------------------------------ layers


@fact("conv 3→64 k3: 1,792")
def _() -> None:
    assert parameters(conv(3, 64, 3)) == 1_792


@fact("256→256 k3, against the bottleneck 256→64→64→256: 589,824 / 69,632; 590,080 / 70,016")
def _() -> None:
    plain, bottleneck = (256, 256, 3), (256, 64, 1, 64, 64, 3, 64, 256, 1)
    assert parameters(conv(*plain, bias=False)) == 589_824
    assert parameters(conv(*bottleneck, bias=False)) == 69_632
    assert parameters(conv(*plain)) == 590_080
    assert parameters(conv(*bottleneck)) == 70_016


@fact("conv 16→32 k3 on 64²: 4,640; maps 65,536 and 131,072; the dense layer 8,590,065,664")
def _() -> None:
    found = tw.summary(nn.Conv2d(16, 32, 3, padding=1), (16, 64, 64))
    x, y = (int(np.prod(shape)) for shape in (*found.input_shapes, found.layers[0].output_shape))
    assert (found.totals.parameters, x, y) == (4_640, 65_536, 131_072)
    assert x * y + y == 8_590_065_664
    with nn.init.skip():  # the same at a quarter of the side, where it can be made
        dense = nn.Linear(16 * 16**2, 32 * 16**2)
    assert parameters(dense) == 16 * 16**2 * 32 * 16**2 + 32 * 16**2


@fact("its depthwise-separable form (144 + 512 + 32): 688")
def _() -> None:
    depthwise = nn.Conv2d(16, 16, 3, groups=16, bias=False)
    assert (parameters(depthwise), parameters(conv(16, 32, 1))) == (144, 512 + 32)
    assert parameters(depthwise, conv(16, 32, 1)) == 688


@fact("AlexNet conv1: 34,944 with bias, 34,848 without")
def _() -> None:
    assert parameters(conv(3, 96, 11)) == 34_944
    assert parameters(conv(3, 96, 11, bias=False)) == 34_848
    assert parameters(weight_layers(unfilled("alexnet_two_tower"))[0]) == 34_944


# ------------------------------------------------------------------ networks of the lectures


@fact("LeNet-5 (1×28²; 20 k5 p2; 50 k5 p2; 2450→500→10): 1,256,080")
def _() -> None:
    model = unfilled("lenet5")
    shapes = [tuple(layer.weight.shape) for layer in weight_layers(model)]
    assert shapes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 2450), (10, 500)]
    assert parameters(model) == 1_256_080


@fact("Fashion-MNIST CNN: 320 128 9248 128 18496 256 36928 256 1606144 2048 5130; 1,679,082")
def _() -> None:
    model = unfilled("fashion_cnn")
    assert isinstance(model, models.FashionCNN)
    table = [320, 128, 9248, 128, 18496, 256, 36928, 256, 1_606_144, 2048, 5130]
    layers = [*model.features, *model.classifier]
    assert [n for layer in layers if (n := models.count_parameters(layer, "keras"))] == table
    found = tw.summary(model, (1, 28, 28))
    assert [n for row in found.layers if (n := row.parameters + row.statistics)] == table
    assert (found.totals.trainable, found.totals.statistics) == (1_677_674, 1_408)
    assert models.count_parameters(model, "keras") == 1_677_674 + 1_408 == 1_679_082


@fact("dogs-vs-cats CNN: 896 … 2,359,808 16,777,728 513; 23,214,017; maps 150 75 37 18 8")
def _() -> None:
    found = tw.summary(unfilled("dogs_vs_cats"), (3, 150, 150))
    assert [layer.parameters for layer in found.layers if layer.parameters] == [
        896, 18_496, 73_856, 147_584, 295_168, 1_180_160, 2_359_808, 2_359_808, 16_777_728, 513,
    ]  # fmt: skip
    assert found.totals.parameters == 23_214_017
    sides = [row.output_shape[-1] for row in found.layers if row.type == "MaxPool2d"]
    assert [150, *sides] == [150, 75, 37, 18, 8]


@fact("VGG A, A-LRN / B / C / D / E: 132,863,336 … 143,667,240; weight layers 11 13 16 16 19")
def _() -> None:
    rows = {
        "vgg11": (132_863_336, 11), "vgg_a_lrn": (132_863_336, 11), "vgg13": (133_047_848, 13),
        "vgg_c": (133_638_952, 16), "vgg16": (138_357_544, 16), "vgg19": (143_667_240, 19),
    }  # fmt: skip
    for name, row in rows.items():
        model = unfilled(name)
        assert (parameters(model), len(weight_layers(model))) == row
        assert models.info(name).depth == row[1]


@fact("VGG-D without biases: 1,728 … 2,359,296 (convs); 102,760,448 16,777,216 4,096,000 (FC)")
def _() -> None:
    weights = [layer.weight.numel() for layer in weight_layers(unfilled("vgg16"))]
    assert sorted({*weights[:-3]}) == [
        1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 1_179_648, 2_359_296,
    ]  # fmt: skip
    assert weights[-3:] == [102_760_448, 16_777_216, 4_096_000]
    assert sum(weights) == 138_344_128


@fact("AlexNet, two towers (groups=2) / one tower: 60,965,224 / 62,378,344; 659,272 units; …")
def _() -> None:
    """96 % of the parameters are in linear layers, 92 % of the multiply-adds in convolutions."""
    one, two = unfilled("alexnet_one_tower"), unfilled("alexnet_two_tower")
    assert (parameters(two), parameters(one)) == (60_965_224, 62_378_344)
    assert parameters(unfilled("alexnet")) == 61_100_840
    found = tw.summary(two, (3, 227, 227))
    weighted = [layer for layer in found.layers if layer.parameters]
    assert sum(int(np.prod(layer.output_shape)) for layer in weighted) == 659_272
    linear = sum(layer.parameters for layer in weighted if layer.type == "Linear")
    assert round(100 * linear / found.totals.parameters) == 96
    products = sum(layer.multiply_adds for layer in weighted if layer.type == "Conv2d")
    assert round(100 * products / found.totals.multiply_adds) == 92


# ------------------------------------------------------------------ the ImageNet zoo

KERAS = {
    "xception": 22_910_480, "vgg16": 138_357_544, "vgg19": 143_667_240, "resnet50": 25_636_712,
    "resnet101": 44_707_176, "resnet152": 60_419_944, "resnet50_v2": 25_613_800,
    "resnet101_v2": 44_675_560, "resnet152_v2": 60_380_648, "inception_v3": 23_851_784,
    "inception_resnet_v2": 55_873_736, "mobilenet_v1": 4_253_864, "mobilenet_v2": 3_538_984,
    "densenet121": 8_062_504, "densenet169": 14_307_880, "densenet201": 20_242_984,
    "nasnet_mobile": 5_326_716, "nasnet_large": 88_949_818,
}  # fmt: skip
TORCHVISION = {
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "alexnet": 61_100_840,
    "squeezenet1_0": 1_248_424, "vgg16": 138_357_544, "densenet161": 28_681_000,
    "inception_v3": 27_161_264, "googlenet": 6_624_904, "shufflenet_v2_x1_0": 2_278_604,
    "mobilenet_v2": 3_504_872, "resnext50_32x4d": 25_028_904, "wide_resnet50_2": 68_883_240,
    "mnasnet1_0": 4_383_312,
}  # fmt: skip


@fact("ImageNet zoo, Keras convention: Xception 22,910,480 … NASNetLarge 88,949,818")
def _() -> None:
    """The zoo's table; `test_models.py` counts what its builders make."""
    assert {name: models.info(name).keras_parameters for name in KERAS} == KERAS


@fact("ImageNet zoo, torchvision convention: resnet18 11,689,512 … mnasnet1_0 4,383,312")
def _() -> None:
    assert {name: models.info(name).parameters for name in TORCHVISION} == TORCHVISION


@pytest.mark.parametrize("check", FACTS)
def test_fact(check: Callable[[], None]) -> None:
    check()
