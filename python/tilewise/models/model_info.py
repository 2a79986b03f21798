"""What the zoo's table says about a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Accuracy:
    """What a network reached where it was published, in per cent.

    Args:
        top1: images whose best class was right.
        top5: images whose right class was among the best five; None where it was not given.
        dataset: what it was measured on.
        source: who measured it, and how where that varies.

    Example:
        >>> models.info("fashion_cnn").accuracy.top1
        93.5
    """

    top1: float
    top5: float | None
    dataset: str
    source: str


@dataclass(frozen=True)
class ModelInfo:
    """A row of the zoo: how a network is built, its size, what it reached, where it comes from.

    Args:
        name: torchvision's, where torchvision has the network.
        builder: "module:Class" within `tilewise.models`, imported when the network is built.
        family: the networks that share a builder's file.
        source: the paper, with its year.
        depth: weight layers (convolutions and linear layers) on the longest way through.
        parameters: what training changes; torchvision's count.
        keras_parameters: Keras's count of its form of the network, batch norm statistics
            included; None where Keras's form is not offered.
        accuracy: published, or None.
        arguments: what the builder is called with.
        keras_arguments: what differs where Keras's form is wanted.
        input_shape: what it was made for: (C, H, W), (C, L) of a sequence, (C,) of a vector.
        num_classes: outputs it was made for; 0 where it makes images instead.

    Example:
        >>> row = models.info("lenet5")
        >>> row.input_shape, row.depth, row.parameters
        ((1, 28, 28), 4, 1256080)
    """

    name: str
    builder: str
    family: str
    source: str
    depth: int
    parameters: int
    keras_parameters: int | None = None
    accuracy: Accuracy | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    keras_arguments: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (3, 224, 224)
    num_classes: int = 1000
