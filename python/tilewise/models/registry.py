"""Models by name, and their sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..nn import Module
from .fashion_mnist import MLP, FashionCNN
from .lenet import LeNet5

_MODELS: dict[str, Callable[..., Module]] = {
    "fashion_cnn": FashionCNN,
    "lenet5": LeNet5,
    "mlp": MLP,
}


def available() -> list[str]:
    """Names that `create` knows.

    Example:
        >>> available()
        ['fashion_cnn', 'lenet5', 'mlp']
    """
    return sorted(_MODELS)


def create(name: str, **arguments: Any) -> Module:
    """Build a model by name, with freshly initialised weights.

    Args:
        name: one of `available()`.
        arguments: passed on to the model's class.

    Raises:
        ValueError: there is no model of that name.

    Example:
        >>> models.create("lenet5", classes=5)(tw.zeros(1, 1, 28, 28)).shape
        (1, 5)
    """
    if name not in _MODELS:
        raise ValueError(f"models.create: expected one of {', '.join(available())}, got {name!r}")
    return _MODELS[name](**arguments)


class ParameterCount(NamedTuple):
    """Numbers of trainable parameters and of normalisation statistics.

    Example:
        >>> models.ParameterCount(trainable=1_677_674, statistics=1_408).total
        1679082
    """

    trainable: int
    statistics: int

    @property
    def total(self) -> int:
        """Both together: the count that Keras prints."""
        return self.trainable + self.statistics


def count_parameters(model: Module) -> ParameterCount:
    """Count a model's trainable parameters and its batch norm statistics.

    Example:
        >>> count_parameters(create("fashion_cnn")).total
        1679082
    """
    trainable = sum(math.prod(p.shape) for p in model.parameters() if p.requires_grad)
    statistics = sum(
        math.prod(buffer.shape)
        for name, buffer in model.named_buffers()
        if name.rpartition(".")[2] in ("running_mean", "running_var")
    )
    return ParameterCount(trainable, statistics)
