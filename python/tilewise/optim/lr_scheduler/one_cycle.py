"""The one-cycle schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tilewise._arguments import as_bool, as_choice, as_float, as_int
from tilewise.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    for_each_group,
    set_momentum,
    use_beta1,
)
from tilewise.optim.optimizer import Optimizer


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _linear(start: float, end: float, part: float) -> float:
    return (end - start) * part + start


class OneCycleLR(LRScheduler):
    """The rate up to `max_lr` and down to almost nothing, the momentum the other way round.

    Smith and Topin, "Super-convergence", 2018. Call `step` after every batch.

    Args:
        optimizer: whose groups to change.
        max_lr: the highest rate, or one for each group.
        total_steps: the number of batches; or give the next two.
        epochs: the number of epochs.
        steps_per_epoch: the number of batches in one.
        pct_start: the part of the cycle that goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether to change momentum, or the first of betas.
        base_momentum: the lowest momentum, or one for each group.
        max_momentum: the highest.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last is the first / final_div_factor.
        three_phase: go down to the first rate as fast as up, and then to the last.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for a step beyond the last.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), momentum=0.9)
        >>> scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr(), optimizer.param_groups[0]["momentum"]
        ([0.5], 0.85)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op = "OneCycleLR"
        self.optimizer = check_optimizer(op, optimizer)
        self.total_steps = _total_steps(op, total_steps, epochs, steps_per_epoch)
        part = as_float(op, "pct_start", pct_start)
        if not 0.0 <= part <= 1.0:
            raise ValueError(f"{op}: expected pct_start between 0 and 1, got {pct_start}")
        self._schedule_phases = _phases(
            part, self.total_steps, as_bool(op, "three_phase", three_phase)
        )
        self._anneal_func_type = as_choice(
            op, "anneal_strategy", anneal_strategy, ("cos", "linear")
        )
        self.cycle_momentum = as_bool(op, "cycle_momentum", cycle_momentum)
        if self.cycle_momentum:
            self.use_beta1 = use_beta1(op, optimizer)
        if last_epoch == -1:
            self._set_ends("max_lr", max_lr)
            for group in optimizer.param_groups:
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
            if self.cycle_momentum:
                self._set_ends("max_momentum", max_momentum)
                self._set_ends("base_momentum", base_momentum)
        super().__init__(optimizer, last_epoch)

    def _set_ends(self, name: str, values: float | Sequence[float]) -> None:
        """Write one value, or one for each, into the groups."""
        numbers = for_each_group("OneCycleLR", name, self.optimizer, values)
        for group, value in zip(self.optimizer.param_groups, numbers, strict=True):
            group[name] = value

    def get_lr(self) -> list[float]:
        """The rule; it changes the momentum too."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: expected at most {self.total_steps} steps, got {step}")
        anneal = _cosine if self._anneal_func_type == "cos" else _linear
        start = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        length = phase["end_step"] - start
        part = (step - start) / length if length else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                set_momentum(group, self.use_beta1, anneal(*ends, part))
        return rates


def _total_steps(
    op: str, total_steps: int | None, epochs: int | None, steps_per_epoch: int | None
) -> int:
    if total_steps is not None:
        return as_int(op, "total_steps", total_steps, 1)
    if epochs is None or steps_per_epoch is None:
        raise ValueError(f"{op}: expected total_steps, or epochs and steps_per_epoch, got neither")
    return as_int(op, "epochs", epochs, 1) * as_int(op, "steps_per_epoch", steps_per_epoch, 1)


def _phase(end_step: float, lr: tuple[str, str], momentum: tuple[str, str]) -> dict[str, Any]:
    """A stretch of the schedule, between two of a group's entries."""
    return {
        "end_step": end_step,
        "start_lr": lr[0],
        "end_lr": lr[1],
        "start_momentum": momentum[0],
        "end_momentum": momentum[1],
    }


def _phases(pct_start: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    falls, rises = ("max_momentum", "base_momentum"), ("base_momentum", "max_momentum")
    up = _phase(float(pct_start * total_steps) - 1, ("initial_lr", "max_lr"), falls)
    last = total_steps - 1
    if not three_phase:
        return [up, _phase(last, ("max_lr", "min_lr"), rises)]
    down = _phase(float(2 * pct_start * total_steps) - 2, ("max_lr", "initial_lr"), rises)
    stays = ("max_momentum", "max_momentum")
    return [up, down, _phase(last, ("initial_lr", "min_lr"), stays)]
