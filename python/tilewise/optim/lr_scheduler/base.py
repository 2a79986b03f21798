"""What schedulers share."""

from __future__ import annotations

from typing import Any

from tilewise._arguments import as_int, wrong_type
from tilewise.optim.optimizer import Optimizer


def check_optimizer(op: str, optimizer: Any) -> Optimizer:
    """The optimizer itself; TypeError for anything else."""
    if not isinstance(optimizer, Optimizer):
        raise wrong_type(op, "optimizer", "an Optimizer", optimizer)
    return optimizer


class LRScheduler:
    """Sets the learning rate of each group at every `step`.

    Subclasses define `get_lr`, which computes the next rates from the present ones. That is how
    PyTorch does it too: schedulers can be chained, and the numbers agree to the last bit.

    Args:
        optimizer: whose groups to change.
        last_epoch: the number of the last step; -1 to start.

    Raises:
        TypeError: where `optimizer` is none.
        ValueError: for a resumed schedule whose groups have no "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        op = type(self).__name__
        self.optimizer = check_optimizer(op, optimizer)
        self.last_epoch = as_int(op, "last_epoch", last_epoch, -1)
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(f"{op}: expected groups with 'initial_lr' to resume a schedule")
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self._last_lr: list[float] = []
        self._step_count = 0
        self._initial = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._initial = True
        self.step()
        self._initial = False

    def get_lr(self) -> list[float]:
        """The next rate of each group; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__}: expected a get_lr method, got none")

    def _restart_lr(self) -> list[float]:
        """The rates of step 0, when the schedule starts in the middle of another."""
        return self.get_lr()

    def _current(self) -> list[float]:
        """The present rate of each group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._current()]

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

    def step(self) -> None:
        """Go on to the next rate; call it after the optimizer's step."""
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def _restart(self) -> None:
        """Begin at step 0, from whatever the rates are now."""
        self.last_epoch = 0
        self._set(self._restart_lr())

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer (and functions, which cannot be saved)."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name != "optimizer" and not callable(value)
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another scheduler of the same kind.

        Raises:
            TypeError: where it is no dict.
            ValueError: for entries that this scheduler does not have.
        """
        op = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, dict):
            raise wrong_type(op, "state_dict", "a dict", state_dict)
        unknown = set(state_dict) - set(self.state_dict())
        if unknown:
            raise ValueError(f"{op}: expected entries of this scheduler, got {sorted(unknown)}")
        self.__dict__.update(state_dict)
