"""Optimizers and learning-rate schedulers, with PyTorch's names."""

from tilewise.optim import lr_scheduler
from tilewise.optim.adam import Adam, AdamW
from tilewise.optim.optimizer import Optimizer
from tilewise.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
