"""Learning rates that change during training, with PyTorch's names and numbers."""

from tilewise.optim.lr_scheduler.base import LRScheduler
from tilewise.optim.lr_scheduler.one_cycle import OneCycleLR
from tilewise.optim.lr_scheduler.periodic import CosineAnnealingWarmRestarts, CyclicLR
from tilewise.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tilewise.optim.lr_scheduler.sequential import ChainedScheduler, SequentialLR
from tilewise.optim.lr_scheduler.simple import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
