"""The schedule that waits for a measure to stop improving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

from tilewise._arguments import as_choice, as_float, as_int, wrong_type
from tilewise.optim.lr_scheduler.base import check_optimizer
from tilewise.optim.optimizer import Optimizer


class ReduceLROnPlateau:
    """The rate times `factor` after more than `patience` steps without improvement.

    Args:
        optimizer: whose groups to change.
        mode: "min" where the measure should fall, "max" where it should rise.
        factor: below 1.
        patience: how many steps without improvement are borne.
        threshold: how much counts as an improvement.
        threshold_mode: "rel" for a part of the best, "abs" for a difference.
        cooldown: steps after a reduction that do not count.
        min_lr: the lowest rate, or one for each group.
        eps: smaller changes of the rate are not made.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
        >>> scheduler.step(validation_loss)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        op = "ReduceLROnPlateau"
        self.optimizer = check_optimizer(op, optimizer)
        self.mode = as_choice(op, "mode", mode, ("min", "max"))
        self.factor = as_float(op, "factor", factor)
        if self.factor >= 1.0:
            raise ValueError(f"{op}: expected factor below 1, got {factor}")
        self.patience = as_int(op, "patience", patience, 0)
        self.threshold = as_float(op, "threshold", threshold)
        self.threshold_mode = as_choice(op, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = as_int(op, "cooldown", cooldown, 0)
        groups = optimizer.param_groups
        many = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * len(groups)
        if len(many) != len(groups):
            raise ValueError(f"{op}: expected {len(groups)} of min_lr, got {len(many)}")
        self.min_lrs = [as_float(op, "min_lr", value) for value in many]
        self.eps = as_float(op, "eps", eps)
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = [float(group["lr"]) for group in groups]

    @property
    def in_cooldown(self) -> bool:
        """Whether steps do not count yet after a reduction."""
        return self.cooldown_counter > 0

    def is_better(self, value: float, best: float) -> bool:
        """Whether a measure improves on the best so far."""
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = best * (1.0 + sign * self.threshold)
        else:
            bound = best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound

    def step(self, metrics: SupportsFloat) -> None:
        """Take note of the measure, and reduce the rate when it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value, self.best):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        lowest = self.min_lrs + self.min_lrs[-1:] * (len(groups) - len(self.min_lrs))
        for group, low in zip(groups, lowest, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, low)
            if before - after > self.eps:
                group["lr"] = after

    def get_last_lr(self) -> list[float]:
        """The rates after the last step."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another scheduler of this kind."""
        if not isinstance(state_dict, dict):
            raise wrong_type(
                "ReduceLROnPlateau.load_state_dict", "state_dict", "a dict", state_dict
            )
        unknown = set(state_dict) - set(self.state_dict())
        if unknown:
            raise ValueError(f"ReduceLROnPlateau: expected its own entries, got {sorted(unknown)}")
        self.__dict__.update(state_dict)
