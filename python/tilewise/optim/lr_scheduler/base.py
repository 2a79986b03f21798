"""What schedulers share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tilewise._arguments import as_float, as_int, wrong_type
from tilewise.optim.optimizer import Optimizer


def check_optimizer(op: str, optimizer: Any) -> Optimizer:
    """The optimizer itself; TypeError for anything else."""
    if not isinstance(optimizer, Optimizer):
        raise wrong_type(op, "optimizer", "an Optimizer", optimizer)
    return optimizer


def for_each_group(op: str, name: str, optimizer: Optimizer, value: Any) -> list[float]:
    """A number for each group, from one of them or a list."""
    groups = optimizer.param_groups
    many = list(value) if isinstance(value, list | tuple) else [value] * len(groups)
    if len(many) != len(groups):
        raise ValueError(f"{op}: expected {len(groups)} of {name}, got {len(many)}")
    return [as_float(op, name, one) for one in many]


def functions_for(op: str, optimizer: Optimizer, lr_lambda: Any) -> list[Callable[[int], float]]:
    """A function for each group, from one of them or a list."""
    groups = check_optimizer(op, optimizer).param_groups
    many = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * len(groups)
    if len(many) != len(groups):
        raise ValueError(f"{op}: expected {len(groups)} functions, got {len(many)}")
    for function in many:
        if not callable(function):
            raise wrong_type(op, "lr_lambda", "a function", function)
    return many


def use_beta1(op: str, optimizer: Optimizer) -> bool:
    """Whether a cycle of the momentum changes the first of betas.

    Raises:
        ValueError: for an optimizer without momentum.
    """
    if "betas" in optimizer.defaults:
        return True
    if "momentum" not in optimizer.defaults:
        raise ValueError(f"{op}: expected an optimizer with momentum or betas to cycle")
    return False


def set_momentum(group: dict[str, Any], beta1: bool, momentum: float) -> None:
    """Change a group's momentum, or the first of its betas."""
    if beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class LRScheduler:
    """Sets the learning rate of each group at every `step`.

    Subclasses define `get_lr`, which computes the next rates from the present ones, and where there
    is one `_get_closed_form_lr`, which computes them from the first ones. That is how PyTorch does
    it too: schedulers can be chained, and the numbers agree to the last bit.

    Args:
        optimizer: whose groups to change.
        last_epoch: the number of the last step; -1 to start.

    Raises:
        TypeError: where `optimizer` is none.
        ValueError: for a resumed schedule whose groups have no "initial_lr".

    Example:
        >>> class Halving(optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [base * 0.5**self.last_epoch for base in self.base_lrs]
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = Halving(optimizer)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    lr_lambdas: list[Any]

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
        self._is_initial = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The next rate of each group; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__}: expected a get_lr method, got none")

    def _current(self) -> list[float]:
        """The present rate of each group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._current()]

    def _set(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next rate; call it after the optimizer's step.

        Args:
            epoch: the number of the step to go to, from the closed form where there is one;
                PyTorch warns of it as deprecated, and so does this.
        """
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                f"{type(self).__name__}.step: the epoch is deprecated; call step() for the next",
                DeprecationWarning,
                stacklevel=2,
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next step, or of a given one."""
        if epoch is None:
            self.last_epoch += 1
            self._set(self.get_lr())
            return
        self.last_epoch = as_int(type(self).__name__, "epoch", epoch, 0)
        closed_form = getattr(self, "_get_closed_form_lr", self.get_lr)
        self._set(closed_form())

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, by PyTorch's names.

        Of functions that were passed in, those that are objects are saved by their attributes, the
        others not at all.
        """
        state = {
            name: value
            for name, value in self.__dict__.items()
            if name not in {"optimizer", "lr_lambdas"} and not callable(value)
        }
        if "lr_lambdas" in self.__dict__:
            state["lr_lambdas"] = [attributes_of(function) for function in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another scheduler of the same kind.

        Raises:
            TypeError: where it is no dict.
            ValueError: for entries that this scheduler does not have.
        """
        op = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, dict):
            raise wrong_type(op, "state_dict", "a dict", state_dict)
        unknown = set(state_dict) - set(self.state_dict()) - {"_get_lr_called_within_step"}
        if unknown:
            raise ValueError(f"{op}: expected entries of this scheduler, got {sorted(unknown)}")
        state = dict(state_dict)
        for function, attributes in zip(
            self.__dict__.get("lr_lambdas", ()), state.pop("lr_lambdas", ()), strict=True
        ):
            if attributes is not None:
                function.__dict__.update(attributes)
        self.__dict__.update(state)


def attributes_of(function: Any) -> dict[str, Any] | None:
    """What can be saved of a function: the attributes of an object that can be called."""
    return None if isinstance(function, FunctionType) else dict(function.__dict__)
