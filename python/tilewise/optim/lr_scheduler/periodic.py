"""Schedules that repeat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tilewise._arguments import as_bool, as_choice, as_float, as_int, wrong_type
from tilewise.optim.lr_scheduler.base import (
    LRScheduler,
    attributes_of,
    check_optimizer,
    for_each_group,
    set_momentum,
    use_beta1,
)
from tilewise.optim.optimizer import Optimizer

_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """The rate up from `base_lr` to `max_lr` and down again, and so on.

    Smith, "Cyclical learning rates for training neural networks", 2017. Call `step` after every
    batch.

    Args:
        optimizer: whose groups to change.
        base_lr: the lowest rate, or one for each group.
        max_lr: the highest.
        step_size_up: the number of steps up.
        step_size_down: the number of steps down, as many by default.
        mode: "triangular" for cycles of one height, "triangular2" for heights that halve,
            "exp_range" for heights that fall by gamma at every step.
        gamma: for "exp_range".
        scale_fn: a function that gives the height instead of `mode`.
        scale_mode: what it is given, the number of the "cycle", from 1, or of "iterations".
        cycle_momentum: whether to change momentum, or the first of betas, the other way round.
        base_momentum: the lowest momentum, or one for each group.
        max_momentum: the highest.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0, momentum=0.9)
        >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, 0.5, 1.0, step_size_up=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr(), optimizer.param_groups[0]["momentum"]
        ([0.75], 0.8500000000000001)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        op = "CyclicLR"
        self.optimizer = check_optimizer(op, optimizer)
        base_lrs = for_each_group(op, "base_lr", optimizer, base_lr)
        self.max_lrs = for_each_group(op, "max_lr", optimizer, max_lr)
        up = float(as_int(op, "step_size_up", step_size_up, 1))
        down = (
            up if step_size_down is None else float(as_int(op, "step_size_down", step_size_down, 0))
        )
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.gamma = as_float(op, "gamma", gamma)
        if scale_fn is not None and not callable(scale_fn):
            raise wrong_type(op, "scale_fn", "a function", scale_fn)
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            self.mode = as_choice(op, "mode", mode, _MODES)
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        else:
            self.mode = mode
            self.scale_mode = as_choice(op, "scale_mode", scale_mode, ("cycle", "iterations"))
        self.cycle_momentum = as_bool(op, "cycle_momentum", cycle_momentum)
        if self.cycle_momentum:
            self.use_beta1 = use_beta1(op, optimizer)
            self.base_momentums = for_each_group(op, "base_momentum", optimizer, base_momentum)
            self.max_momentums = for_each_group(op, "max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            self._set(base_lrs)
            for i, group in enumerate(optimizer.param_groups if self.cycle_momentum else ()):
                set_momentum(group, self.use_beta1, self.max_momentums[i])
                group["max_momentum"] = self.max_momentums[i]
                group["base_momentum"] = self.base_momentums[i]
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, of the number of the cycle or of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else float(self.gamma**x)

    def get_lr(self) -> list[float]:
        """The rule; it changes the momentum too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        part = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ends = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, ends, strict=True):
                set_momentum(group, self.use_beta1, high - (high - low) * part * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * part * height for low, high in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of a function of one's own what can be saved."""
        function = self._scale_fn_custom
        saved = None if function is None else attributes_of(function)
        return {**super().state_dict(), "_scale_fn_custom": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of another scheduler of this kind."""
        if not isinstance(state_dict, dict):
            raise wrong_type("CyclicLR.load_state_dict", "state_dict", "a dict", state_dict)
        function = self._scale_fn_custom
        super().load_state_dict({n: v for n, v in state_dict.items() if n != "_scale_fn_custom"})
        attributes = state_dict.get("_scale_fn_custom")
        if attributes is not None and function is not None:
            function.__dict__.update(attributes)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial rate to `eta_min`, and again from the start, over and over.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Args:
        optimizer: whose groups to change.
        T_0: the number of steps of the first half cosine.
        T_mult: each one is so many times as long as the one before.
        eta_min: the lowest rate.
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        op = "CosineAnnealingWarmRestarts"
        self.T_0 = as_int(op, "T_0", T_0, 1)
        self.T_i = self.T_0
        self.T_mult = as_int(op, "T_mult", T_mult, 1)
        self.eta_min = as_float(op, "eta_min", eta_min)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rule."""
        part = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * part / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next rate.

        Args:
            epoch: the number of the epoch with the part of it that is done, to set the rate after
                each batch: `step(epoch + batch / batches)`.

        Raises:
            ValueError: for an epoch below 0.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(as_float("CosineAnnealingWarmRestarts", "epoch", epoch, 0.0))
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        """The place in the cycle of any epoch."""
        self.T_i, self.T_cur = self.T_0, epoch
        if epoch < self.T_0:
            return
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
            return
        past = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        self.T_cur = epoch - self.T_0 * (self.T_mult**past - 1) / (self.T_mult - 1)
        self.T_i = self.T_0 * self.T_mult**past
