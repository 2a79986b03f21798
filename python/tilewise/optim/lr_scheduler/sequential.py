"""Schedules one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tilewise._arguments import as_int, wrong_type
from tilewise.optim.lr_scheduler.base import LRScheduler, check_optimizer
from tilewise.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """Each schedule until its milestone, then the next, which starts from its own beginning.

    Args:
        optimizer: whose groups to change.
        schedulers: the schedules in order, all of this optimizer.
        milestones: the steps at which the second and the following ones begin.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for schedules of another optimizer, or milestones that do not fit.

    Example:
        >>> warmup = LinearLR(optimizer, start_factor=0.1, total_iters=100)
        >>> cosine = CosineAnnealingLR(optimizer, T_max=900)
        >>> scheduler = SequentialLR(optimizer, [warmup, cosine], milestones=[100])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        op = "SequentialLR"
        self.optimizer = check_optimizer(op, optimizer)
        self._schedulers = list(schedulers)
        self._milestones = [as_int(op, "milestones", m, 0) for m in milestones]
        if not self._schedulers or len(self._milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"{op}: expected one milestone less than schedulers, got {len(self._milestones)} "
                f"and {len(self._schedulers)}"
            )
        for scheduler in self._schedulers:
            if not isinstance(scheduler, LRScheduler):
                raise wrong_type(op, "schedulers", "schedulers by step", scheduler)
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{op}: expected schedulers of the optimizer that it was given")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = as_int(op, "last_epoch", last_epoch, -1) + 1
        self._step_count = 0
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _undo(self) -> None:
        """Take back the step that each schedule made when it was constructed."""
        for scheduler in self._schedulers:
            if isinstance(scheduler, SequentialLR):
                scheduler._undo()
            else:
                scheduler.last_epoch -= 1

    def step(self) -> None:
        """Go on to the next rate."""
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """The state of this schedule and of its parts."""
        own = {name: v for name, v in self.__dict__.items() if name != "optimizer"}
        return {**own, "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another schedule of the same parts."""
        parts = state_dict.get("_schedulers", ())
        if len(parts) != len(self._schedulers):
            raise ValueError(
                f"SequentialLR: expected the state of {len(self._schedulers)} schedulers, got "
                f"{len(parts)}"
            )
        super().load_state_dict({n: v for n, v in state_dict.items() if n != "_schedulers"})
        for scheduler, state in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(state)
