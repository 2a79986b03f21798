"""Averages of a model's weights over its training, with PyTorch's names.

Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tilewise import _core
from tilewise._arguments import array_of, as_choice, as_float, as_int, wrong_type
from tilewise._dtypes import FLOATING
from tilewise.autograd import no_grad
from tilewise.creation import tensor
from tilewise.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from tilewise.nn.module import Module
from tilewise.optim.lr_scheduler.base import LRScheduler, check_optimizer, for_each_group
from tilewise.optim.optimizer import Optimizer
from tilewise.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]
Average = Callable[[Tensor, Tensor, Any], Tensor]


def _lerp(op: str, averages: Sequence[Tensor], values: Sequence[Tensor], weight: float) -> None:
    """Average ← average + weight · (value - average), of all tensors in one call."""
    ours = [array_of(op, "averages", t) for t in averages]
    theirs = [array_of(op, "values", t) for t in values]
    factors = {"weight": weight, "one_minus_weight": 1.0 - weight}
    floating = [i for i, a in enumerate(ours) if a.dtype in FLOATING]
    _core.optimizer_step(
        "lerp", [ours[i] for i in floating], [theirs[i] for i in floating], [], factors
    )
    for i, average in enumerate(averages):
        if ours[i].dtype not in FLOATING:  # counters
            average.copy_(average * (1.0 - weight) + values[i] * weight)


def _decay(op: str, decay: float) -> float:
    if not 0.0 <= as_float(op, "decay", decay) <= 1.0:
        raise ValueError(f"{op}: expected decay between 0 and 1, got {decay}")
    return float(decay)


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The exponential moving average of all tensors at once, for `AveragedModel`.

    Args:
        decay: how much of the average is kept at each update.

    Returns:
        A function of averages, values and the number of updates that changes the averages.

    Raises:
        ValueError: for a decay outside [0, 1].

    Example:
        >>> average = tw.tensor([0.0])
        >>> optim.swa_utils.get_ema_multi_avg_fn(0.75)([average], [tw.tensor([1.0])], 1)
        >>> average.tolist()
        [0.25]
    """
    kept = _decay("get_ema_multi_avg_fn", decay)

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], _: Any) -> None:
        with no_grad():
            _lerp("ema_update", averages, values, 1.0 - kept)

    return update


def get_swa_multi_avg_fn() -> MultiAverage:
    """The plain average of all tensors at once, for `AveragedModel`.

    Returns:
        A function of averages, values and the number of values that the averages are of.

    Example:
        >>> average = tw.tensor([0.0])
        >>> optim.swa_utils.get_swa_multi_avg_fn()([average], [tw.tensor([1.0])], 3)
        >>> average.tolist()
        [0.25]
    """

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            _lerp("swa_update", averages, values, 1.0 / (int(count) + 1))

    return update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average of one tensor, for `AveragedModel`.

    Raises:
        ValueError: for a decay outside [0, 1].

    Example:
        >>> average = optim.swa_utils.get_ema_avg_fn(0.75)
        >>> average(tw.tensor([0.0]), tw.tensor([1.0]), 1).tolist()
        [0.25]
    """
    kept = _decay("get_ema_avg_fn", decay)

    def update(average: Tensor, value: Tensor, _: Any) -> Tensor:
        with no_grad():
            return kept * average + (1.0 - kept) * value

    return update


def get_swa_avg_fn() -> Average:
    """The plain average of one tensor, for `AveragedModel`.

    Example:
        >>> average = optim.swa_utils.get_swa_avg_fn()
        >>> average(tw.tensor([0.0]), tw.tensor([1.0]), 3).tolist()
        [0.25]
    """

    def update(average: Tensor, value: Tensor, count: Any) -> Tensor:
        with no_grad():
            return average + (value - average) / (int(count) + 1)

    return update


class AveragedModel(Module):
    """A copy of a model with the average of its parameters.

    The first `update_parameters` copies, the following ones average. Batch norm's statistics are
    those of the model unless `use_buffers`; `update_bn` computes those of the average.

    Args:
        model: the model; the copy is `module`.
        device: None or "cpu".
        avg_fn: how one tensor is averaged; a plain average by default.
        multi_avg_fn: how all tensors are averaged at once.
        use_buffers: whether to average the buffers too, or to copy them.

    Attributes:
        n_averaged: how many models are in the average.

    Raises:
        ValueError: for both functions.
        TypeError: where `model` is no module.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> ema = optim.swa_utils.AveragedModel(
        ...     net, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.5))
        >>> for value in (0.0, 1.0):
        ...     _ = nn.init.constant_(net.weight, value)
        ...     ema.update_parameters(net)
        >>> ema.module.weight.tolist()
        [[0.5]]
    """

    n_averaged: Tensor
    module: Module

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise wrong_type("AveragedModel", "model", "a Module", model)
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected one of avg_fn and multi_avg_fn, got both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of the model, as they are now, into the average.

        Raises:
            ValueError: for a model of other parameters.
        """
        ours, theirs = list(self.module.parameters()), list(model.parameters())
        our_buffers, their_buffers = list(self.module.buffers()), list(model.buffers())
        averages: list[Tensor] = [*ours, *(our_buffers if self.use_buffers else ())]
        values: list[Tensor] = [*theirs, *(their_buffers if self.use_buffers else ())]
        if [t.shape for t in averages] != [t.shape for t in values]:
            raise ValueError("AveragedModel: expected a model of the same parameters")
        count = int(self.n_averaged)
        with no_grad():
            if count == 0:
                for average, value in zip(averages, values, strict=True):
                    average.data.copy_(value.data)
            elif self.avg_fn is not None:
                for average, value in zip(averages, values, strict=True):
                    average.data.copy_(self.avg_fn(average.data, value.data, self.n_averaged))
            elif averages:
                update = self.multi_avg_fn or get_swa_multi_avg_fn()
                update([t.data for t in averages], [t.data for t in values], self.n_averaged)
            if not self.use_buffers:
                for average, value in zip(our_buffers, their_buffers, strict=True):
                    average.copy_(value)
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: str | None = None) -> None:
    """Compute batch norm's statistics anew, over all batches of a loader.

    Args:
        loader: gives tensors, or tuples whose first entry is the model's input.
        model: whose layers to update, an `AveragedModel` for example.
        device: None or "cpu".

    Example:
        >>> net = nn.BatchNorm1d(1)
        >>> optim.swa_utils.update_bn([tw.tensor([[1.0], [3.0]]), tw.tensor([[3.0], [5.0]])], net)
        >>> net.running_mean.tolist()
        [3.0]
    """
    layers = [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    was_training = model.training
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the average of all batches
        model.train()
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, list | tuple) else batch
                model(x if device is None else x.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """The rate of each group to a fixed one, where it stays while weights are averaged.

    Args:
        optimizer: whose groups to change.
        swa_lr: the rate to reach, or one for each group.
        anneal_epochs: in so many steps.
        anneal_strategy: "cos" or "linear".
        last_epoch: -1 to start.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
        >>> scheduler = optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = for_each_group("SWALR", "swa_lr", check_optimizer("SWALR", optimizer), swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        strategies = ("cos", "linear")
        self._anneal_strategy = as_choice("SWALR", "anneal_strategy", anneal_strategy, strategies)
        self.anneal_epochs = as_int("SWALR", "anneal_epochs", anneal_epochs, 0)
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """How much of the way is behind."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        """The rule."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = float(group["lr"]), group["swa_lr"]
            first = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + first * (1 - now))
        return rates
