"""The schedule that waits for a measure to stop improving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat

from tilewise._arguments import as_choice, as_float, as_int
from tilewise.optim.lr_scheduler.base import LRScheduler, check_optimizer, for_each_group
from tilewise.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
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
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for validation_loss in (0.8, 0.7, 0.7, 0.7):
        ...     optimizer.step()
        ...     scheduler.step(validation_loss)
        >>> scheduler.get_last_lr()
        [0.5]
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
        self.min_lrs = for_each_group(op, "min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else self.min_lrs[0]
        self.eps = as_float(op, "eps", eps)
        self.last_epoch = 0
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.best = self.mode_worse
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = self._current()

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

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the measure, and reduce the rate when it is time."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
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
        self._last_lr = self._current()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: expected {len(self.min_lrs)} groups, one for each of "
                    f"min_lr, got {len(groups)}"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, low in zip(groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, low)
            if before - after > self.eps:
                group["lr"] = after
