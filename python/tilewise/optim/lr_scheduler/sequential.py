"""Schedules one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tilewise._arguments import as_int, wrong_type
from tilewise.optim.lr_scheduler.base import LRScheduler, check_optimizer
from tilewise.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tilewise.optim.optimizer import Optimizer


def check_schedulers(op: str, schedulers: Sequence[Any], optimizer: Optimizer) -> None:
    """Raise for what is no scheduler by step of the optimizer."""
    for scheduler in schedulers:
        if not isinstance(scheduler, LRScheduler):
            raise wrong_type(op, "schedulers", "schedulers", scheduler)
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"{op}: expected schedulers by step, got a ReduceLROnPlateau")
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{op}: expected schedulers of one optimizer, got one of another")


def refuse_epoch(op: str, epoch: int | None) -> None:
    """Raise for the number of a step, which parts that run one after the other do not have."""
    if epoch is not None:
        raise ValueError(f"{op}.step: expected no epoch, got {epoch}")


class _Composed(LRScheduler):
    """A schedule made of schedules."""

    _schedulers: list[LRScheduler]

    def _undo(self) -> None:
        """Take back the step that each schedule made when it was constructed."""
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Composed):
                scheduler._undo()
            else:
                scheduler.last_epoch -= 1

    def state_dict(self) -> dict[str, Any]:
        """The state of this schedule and of its parts."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another schedule of the same parts."""
        parts = state_dict.get("_schedulers", ())
        if len(parts) != len(self._schedulers):
            raise ValueError(
                f"{type(self).__name__}: expected the state of {len(self._schedulers)} schedulers, "
                f"got {len(parts)}"
            )
        super().load_state_dict({n: v for n, v in state_dict.items() if n != "_schedulers"})
        for scheduler, state in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """Each schedule until its milestone, then the next, which starts from its own beginning.

    Args:
        optimizer: whose groups to change.
        schedulers: the schedules in order, all of this optimizer.
        milestones: the steps at which the second and the following ones begin.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for schedules of another optimizer, or milestones that do not fit.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> warmup = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> cosine = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
        >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [2])
        >>> for _ in range(6):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.0]
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
        check_schedulers(op, self._schedulers, optimizer)
        self.last_epoch = as_int(op, "last_epoch", last_epoch, -1) + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next rate; an epoch cannot be given."""
        refuse_epoch("SequentialLR", epoch)
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedules at once: each changes the rates that the one before it has set.

    Args:
        schedulers: the schedules, all of one optimizer.
        optimizer: theirs, the first one's by default.

    Raises:
        TypeError, ValueError: for none, or schedules of different optimizers.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> halves = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> warmup = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> scheduler = optim.lr_scheduler.ChainedScheduler([halves, warmup])
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        op = "ChainedScheduler"
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{op}: expected at least one scheduler, got none")
        if optimizer is None:
            optimizer = getattr(self._schedulers[0], "optimizer", None)
        self.optimizer = check_optimizer(op, optimizer)
        check_schedulers(op, self._schedulers, self.optimizer)
        self._last_lr = self._current()

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next rate of each; an epoch cannot be given."""
        refuse_epoch("ChainedScheduler", epoch)
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()
