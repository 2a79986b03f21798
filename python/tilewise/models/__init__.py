"""Ready-made networks.

Example:
    >>> from tilewise import models
    >>> model = models.create("fashion_cnn")  # doctest: +SKIP
"""

from .fashion_mnist import MLP, FashionCNN
from .lenet import LeNet5
from .registry import ParameterCount, available, count_parameters, create

__all__ = [
    "MLP",
    "FashionCNN",
    "LeNet5",
    "ParameterCount",
    "available",
    "count_parameters",
    "create",
]
