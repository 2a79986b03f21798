"""Learning rates that change during training, with PyTorch's names and numbers."""

from tilewise.optim.lr_scheduler.base import LRScheduler
from tilewise.optim.lr_scheduler.one_cycle import OneCycleLR
from tilewise.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tilewise.optim.lr_scheduler.sequential import SequentialLR
from tilewise.optim.lr_scheduler.simple import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
