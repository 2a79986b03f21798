"""Schedules with one rule."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from tilewise._arguments import as_float, as_int, wrong_type
from tilewise.optim.lr_scheduler.base import LRScheduler, functions_for
from tilewise.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """The initial rate times a function of the step's number.

    Args:
        optimizer: whose groups to change.
        lr_lambda: a function, or one for each group.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = functions_for("LambdaLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


class MultiplicativeLR(LRScheduler):
    """The rate times a function of the step's number, at every step.

    Args:
        optimizer: whose groups to change.
        lr_lambda: a function, or one for each group.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for what is no function, or another number than groups.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = functions_for("MultiplicativeLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self._is_initial:
            return self._current()
        pairs = zip(self._current(), self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in pairs]


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` steps.

    Args:
        optimizer: whose groups to change.
        step_size: how many steps a rate lasts.
        gamma: the factor.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for _ in range(5):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = as_int("StepLR", "step_size", step_size, 1)
        self.gamma = as_float("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._current()
        return self._scaled(self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
        power = self.last_epoch // self.step_size
        return [base * self.gamma**power for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each milestone.

    Args:
        optimizer: whose groups to change.
        milestones: numbers of steps.
        gamma: the factor.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 3], gamma=0.5)
        >>> for _ in range(5):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, list | tuple):
            raise wrong_type("MultiStepLR", "milestones", "a list of ints", milestones)
        self.milestones = Counter(as_int("MultiStepLR", "milestones", m, 0) for m in milestones)
        self.gamma = as_float("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self.last_epoch not in self.milestones:
            return self._current()
        return self._scaled(self.gamma ** self.milestones[self.last_epoch])

    def _get_closed_form_lr(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at every step.

    Args:
        optimizer: whose groups to change.
        gamma: the factor.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = as_float("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        return self._current() if self._is_initial else self._scaled(self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """The rate times `factor` until step `total_iters`.

    Args:
        optimizer: whose groups to change.
        factor: from 0 to 1.
        total_iters: how long.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=3)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = as_float("ConstantLR", "factor", factor, 0.0)
        if self.factor > 1.0:
            raise ValueError(f"ConstantLR: expected factor between 0 and 1, got {factor}")
        self.total_iters = as_int("ConstantLR", "total_iters", total_iters, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        if self.last_epoch == self.total_iters:
            return self._scaled(1.0 / self.factor)
        return self._current()

    def _get_closed_form_lr(self) -> list[float]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """A warm-up: the rate times a factor that goes linearly from one value to another.

    Args:
        optimizer: whose groups to change.
        start_factor: the first factor, above 0 and at most 1.
        end_factor: the last, from 0 to 1.
        total_iters: the number of steps between them.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = as_float("LinearLR", "start_factor", start_factor)
        self.end_factor = as_float("LinearLR", "end_factor", end_factor)
        if not 0.0 < self.start_factor <= 1.0 or not 0.0 <= self.end_factor <= 1.0:
            raise ValueError(
                "LinearLR: expected 0 < start_factor <= 1 and 0 <= end_factor <= 1, got "
                f"{start_factor} and {end_factor}"
            )
        self.total_iters = as_int("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return self._scaled(1.0 + rise / before)

    def _get_closed_form_lr(self) -> list[float]:
        rise = (self.end_factor - self.start_factor) * min(self.total_iters, self.last_epoch)
        return [base * (self.start_factor + rise / self.total_iters) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate to `eta_min`, in `T_max` steps, and back.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Args:
        optimizer: whose groups to change.
        T_max: the number of steps down.
        eta_min: the lowest rate.
        last_epoch: -1 to start.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = as_int("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = as_float("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self._is_initial:
            return self._current()
        step, half, low = self.last_epoch, self.T_max, self.eta_min
        if self._step_count == 1 and step > 0:
            return [
                low + (base - low) * (1 + math.cos(step * math.pi / half)) / 2
                for base in self.base_lrs
            ]
        if (step - 1 - half) % (2 * half) == 0:  # the way up begins: the ratio below is 0 / 0
            pairs = zip(self._current(), self.base_lrs, strict=True)
            return [lr + (base - low) * (1 - math.cos(math.pi / half)) / 2 for lr, base in pairs]
        ratio = (1 + math.cos(math.pi * step / half)) / (1 + math.cos(math.pi * (step - 1) / half))
        return [ratio * (lr - low) + low for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The rate times (1 - step / total_iters) ** power, down to 0.

    Args:
        optimizer: whose groups to change.
        total_iters: the number of steps down.
        power: of the polynomial.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = as_int("PolynomialLR", "total_iters", total_iters, 1)
        self.power = as_float("PolynomialLR", "power", power)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        left = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return self._scaled((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[float]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]
