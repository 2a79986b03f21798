"""Optimizers and learning-rate schedulers, with PyTorch's names."""

from tilewise.optim import lr_scheduler, swa_utils
from tilewise.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from tilewise.optim.adaptive import Adadelta, Adagrad, RMSprop
from tilewise.optim.large_batch import LAMB, Lion
from tilewise.optim.optimizer import Optimizer
from tilewise.optim.param_groups import (
    param_groups_by_name,
    param_groups_layer_decay,
    param_groups_weight_decay,
)
from tilewise.optim.sgd import ASGD, SGD, Rprop

__all__ = [
    "ASGD",
    "LAMB",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "param_groups_by_name",
    "param_groups_layer_decay",
    "param_groups_weight_decay",
    "swa_utils",
]
