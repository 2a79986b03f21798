"""Schedulers: PyTorch's sequences over 100 steps, resuming, faults."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import nn, optim
from tilewise.optim import lr_scheduler

Make = Callable[[Any, Any], Any]  # of the scheduler module and the optimizer


def sequential(s: Any, o: Any) -> Any:
    parts = [s.LinearLR(o, 0.1, total_iters=10), s.CosineAnnealingLR(o, 60), s.StepLR(o, 4, 0.5)]
    return s.SequentialLR(o, parts, [10, 70])


def sequential_too(s: Any, o: Any) -> Any:
    parts = [
        s.ConstantLR(o, 0.5, 30), s.ExponentialLR(o, 0.9), s.MultiStepLR(o, [0, 3], 0.5),
        s.ConstantLR(o, 0.5, 3), s.LambdaLR(o, lambda k: 0.9**k), s.LinearLR(o, 0.2, total_iters=4),
    ]  # fmt: skip
    return s.SequentialLR(o, parts, [10, 20, 30, 40, 50])


def chained(s: Any, o: Any) -> Any:
    parts = [s.ConstantLR(o, 0.5, 8), s.ExponentialLR(o, 0.98), s.StepLR(o, 30, 0.5)]
    return s.ChainedScheduler(parts)


def sequential_of_chained(s: Any, o: Any) -> Any:
    parts = [
        s.PolynomialLR(o, 20, 2.0), s.CosineAnnealingWarmRestarts(o, 7, 2),
        s.MultiplicativeLR(o, lambda k: 0.9),
    ]  # fmt: skip
    return s.SequentialLR(o, parts, [15, 60])


class Power:
    """A function with something to save."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, step: float) -> float:
        return float(self.base**step)


def swa(s: Any, o: Any, **options: Any) -> Any:
    if s is lr_scheduler:
        return optim.swa_utils.SWALR(o, **options)
    import torch

    return torch.optim.swa_utils.SWALR(o, **options)


SCHEDULES: dict[str, Make] = {
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda k: 1 - 0.5 / k),
    "multiplicatives": lambda s, o: s.MultiplicativeLR(o, [Power(0.999), lambda k: 0.95]),
    "lambda objects": lambda s, o: s.LambdaLR(o, [Power(0.9), Power(0.8)]),
    "polynomial": lambda s, o: s.PolynomialLR(o, 30),
    "polynomial of power": lambda s, o: s.PolynomialLR(o, 80, 2.5),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 10),
    "warm restarts, longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 3, 1e-3),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.3, 12),
    "cyclic, down slowly": lambda s, o: s.CyclicLR(
        o, [0.01, 0.1], [0.3, 0.2], 5, 13, "triangular2"
    ),
    "cyclic exp_range": lambda s, o: s.CyclicLR(
        o, 0.01, 0.3, 6, mode="exp_range", gamma=0.98, base_momentum=0.7, max_momentum=0.95,
    ),
    "cyclic of a function": lambda s, o: s.CyclicLR(
        o, 0.01, 0.3, 6, scale_fn=Power(0.9), scale_mode="iterations",
    ),
    "cyclic of cycles": lambda s, o: s.CyclicLR(
        o, 0.01, 0.3, 6, 0, scale_fn=lambda k: 1 / k, cycle_momentum=False,
    ),
    "chained": chained,
    "sequential of more": sequential_of_chained,
    "swa": lambda s, o: swa(s, o, swa_lr=0.05),
    "swa linear": lambda s, o: swa(
        s, o, swa_lr=[0.5, 0.01], anneal_epochs=40, anneal_strategy="linear"
    ),
    "swa at once": lambda s, o: swa(s, o, swa_lr=0.05, anneal_epochs=0),
    "step": lambda s, o: s.StepLR(o, 7, 0.6),
    "multistep": lambda s, o: s.MultiStepLR(o, [5, 30, 30, 80], 0.3),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 20),
    "linear": lambda s, o: s.LinearLR(o, 0.05, 0.9, 30),
    "lambda": lambda s, o: s.LambdaLR(o, lambda k: 1 / (1 + k)),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda k: 0.9**k, lambda k: 1 - k / 200]),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 40, 1e-4),
    "cosine once": lambda s, o: s.CosineAnnealingLR(o, 100),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=100),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, [0.3, 0.1], epochs=10, steps_per_epoch=10, anneal_strategy="linear", three_phase=True,
        base_momentum=0.8, max_momentum=0.9,
    ),
    "one cycle lr alone": lambda s, o: s.OneCycleLR(
        o, 3e-3, total_steps=100, pct_start=0.1, div_factor=10.0, final_div_factor=100.0,
        cycle_momentum=False,
    ),
    "sequential": sequential,
    "sequential of others": sequential_too,
}  # fmt: skip


def optimizers(lib: Any, tensors: list[Any], kind: str) -> Any:
    groups = [{"params": [tensors[0]]}, {"params": [tensors[1]], "lr": 0.02}]
    if kind == "SGD":
        return lib.SGD(groups, lr=0.1, momentum=0.9)
    return getattr(lib, kind)(groups, lr=0.1)


def ours(kind: str = "SGD") -> Any:
    return optimizers(optim, [nn.Parameter(tw.ones(1)), nn.Parameter(tw.ones(1))], kind)


@requires_torch
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_sequence_as_in_torch(name: str, kind: str) -> None:
    import torch

    a = ours(kind)
    b = optimizers(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs = (
            SCHEDULES[name](lr_scheduler, a),
            SCHEDULES[name](torch.optim.lr_scheduler, b),
        )
        for step in range(100):
            assert mine.get_last_lr() == theirs.get_last_lr(), f"step {step}"
            for g, h in zip(a.param_groups, b.param_groups, strict=True):
                for key in ("lr", "momentum", "betas"):
                    assert g.get(key) == h.get(key), f"{key} at step {step}"
            if step < 99:
                b.step()
                mine.step()
                theirs.step()


@requires_torch
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2, "factor": 0.5, "cooldown": 3},
        {"mode": "max", "threshold": 0.05, "patience": 1, "min_lr": 1e-3},
        {"threshold_mode": "abs", "threshold": 0.1, "patience": 0, "min_lr": [1e-3, 1e-4]},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.1, "patience": 3},
    ],
)
def test_plateau_as_in_torch(options: dict[str, Any]) -> None:
    import torch

    a, b = (
        ours(),
        optimizers(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], "SGD"),
    )
    mine = lr_scheduler.ReduceLROnPlateau(a, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    for step in range(100):
        value = math.sin(step * 0.7) / (1 + step / 20) + (math.nan if step == 50 else 0)
        mine.step(tw.tensor(value))
        theirs.step(torch.tensor(value))
        assert mine.get_last_lr() == theirs.get_last_lr(), f"step {step}"
        assert mine.num_bad_epochs == theirs.num_bad_epochs


@pytest.mark.parametrize("name", SCHEDULES)
def test_resumed_schedule_is_the_same(name: str) -> None:
    whole, first, second = ours(), ours(), ours()
    a = SCHEDULES[name](lr_scheduler, whole)
    b = SCHEDULES[name](lr_scheduler, first)
    for _ in range(37):
        a.step()
        b.step()
    c = SCHEDULES[name](lr_scheduler, second)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    c.load_state_dict(copy.deepcopy(b.state_dict()))
    for _ in range(40):
        a.step()
        c.step()
        assert a.get_last_lr() == c.get_last_lr()
        assert [g.get("momentum") for g in whole.param_groups] == [
            g.get("momentum") for g in second.param_groups
        ]


def test_state_is_plain_data() -> None:
    import json

    for name, make in SCHEDULES.items():
        assert json.dumps(make(lr_scheduler, ours()).state_dict()), name
    plateau = lr_scheduler.ReduceLROnPlateau(ours())
    plateau.step(1.0)
    again = lr_scheduler.ReduceLROnPlateau(ours())
    again.load_state_dict(plateau.state_dict())
    assert again.best == 1.0


@requires_torch
@pytest.mark.parametrize("name", SCHEDULES)
def test_state_goes_to_torch_and_back(name: str) -> None:
    """The same names in the state; 20 steps here, 20 there, 20 here are 60."""
    import torch

    def theirs() -> Any:
        return optimizers(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], "SGD")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b, whole = ours(), theirs(), theirs()
        mine = SCHEDULES[name](lr_scheduler, a)
        other = SCHEDULES[name](torch.optim.lr_scheduler, b)
        want = SCHEDULES[name](torch.optim.lr_scheduler, whole)
        hidden = {"_get_lr_called_within_step"}
        assert set(mine.state_dict()) == set(other.state_dict()) - hidden
        for here in (True, False, True):
            for _ in range(20):
                (mine if here else other).step()
                want.step()
            first, second = (mine, other) if here else (other, mine)
            second.load_state_dict(copy.deepcopy(first.state_dict()))
            groups = (first.optimizer.param_groups, second.optimizer.param_groups)
            for g, h in zip(*groups, strict=True):
                h.update({k: v for k, v in g.items() if k != "params"})
        assert mine.get_last_lr() == pytest.approx(want.get_last_lr(), rel=1e-12)


CLOSED = ["step", "multistep", "exponential", "constant", "linear", "cosine", "polynomial"]


@requires_torch
@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.filterwarnings("ignore")
def test_closed_form_as_in_torch(name: str) -> None:
    import torch

    a = ours()
    b = optimizers(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], "SGD")
    mine = SCHEDULES[name](lr_scheduler, a)
    theirs = SCHEDULES[name](torch.optim.lr_scheduler, b)
    for epoch in (3, 17, 0, 99, 40):
        mine.step(epoch)
        theirs.step(epoch)
        assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-15)
        assert mine.last_epoch == epoch


@requires_torch
def test_parts_of_epochs() -> None:
    import torch

    a = ours()
    b = optimizers(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], "SGD")
    for factor in (1, 2):
        mine = lr_scheduler.CosineAnnealingWarmRestarts(a, 3, factor)
        theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 3, factor)
        for i in range(60):
            mine.step(i / 4)
            theirs.step(i / 4)
            assert mine.get_last_lr() == theirs.get_last_lr()
            assert (mine.T_cur, mine.T_i) == (theirs.T_cur, theirs.T_i)
        with pytest.raises(ValueError, match="epoch"):
            mine.step(-1)


@requires_torch
@pytest.mark.parametrize("schedule", ["one cycle", "cyclic", "cyclic exp_range", "warm restarts"])
@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax"])
@pytest.mark.filterwarnings("ignore")
def test_training_with_a_schedule(kind: str, schedule: str) -> None:
    """The weights after 100 steps with rates, and momenta, that change at each."""
    import torch

    start = np.random.default_rng(0).standard_normal((2, 9))
    p = [nn.Parameter(tw.tensor(x)) for x in start]
    q = [torch.nn.Parameter(torch.tensor(x)) for x in start]
    lr, momentum = (0.01, {"momentum": 0.9} if kind in {"SGD", "RMSprop"} else {})
    a, b = getattr(optim, kind)(p, lr, **momentum), getattr(torch.optim, kind)(q, lr, **momentum)
    make = SCHEDULES[schedule]
    mine, theirs = make(lr_scheduler, a), make(torch.optim.lr_scheduler, b)
    for step in range(99):
        g = np.random.default_rng(step).standard_normal((2, 9))
        for i in range(2):
            p[i].grad, q[i].grad = tw.tensor(g[i]), torch.tensor(g[i])
        a.step()
        b.step()
        mine.step()
        theirs.step()
    limit = 1e-5 if kind == "NAdam" else 1e-10  # PyTorch keeps a product in float32
    for i in range(2):
        np.testing.assert_allclose(
            p[i].detach().numpy(), q[i].detach().numpy(), rtol=limit, atol=limit
        )


P = nn.Parameter(tw.ones(1))
FAULTS: list[tuple[Make, Any]] = [
    (lambda s, o: s.StepLR(3, 1), TypeError),
    (lambda s, o: s.StepLR(o, 0), ValueError),
    (lambda s, o: s.StepLR(o, 2.5), TypeError),
    (lambda s, o: s.MultiStepLR(o, 3), TypeError),
    (lambda s, o: s.MultiStepLR(o, [1.5]), TypeError),
    (lambda s, o: s.LinearLR(o, 0.0), ValueError),
    (lambda s, o: s.LinearLR(o, total_iters=0), ValueError),
    (lambda s, o: s.LambdaLR(o, 3), TypeError),
    (lambda s, o: s.LambdaLR(o, [lambda k: 1]), ValueError),
    (lambda s, o: s.CosineAnnealingLR(o, 0), ValueError),
    (lambda s, o: s.CosineAnnealingLR(o, "10"), TypeError),
    (lambda s, o: s.OneCycleLR(o, 0.1), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1, 0), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=2.0), ValueError),
    (lambda s, o: s.OneCycleLR(o, [0.1], 10), ValueError),
    (lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="up"), ValueError),
    (lambda s, o: s.SequentialLR(o, [], []), ValueError),
    (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), s.StepLR(ours(), 1)], [3]), ValueError),
    (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1), 3], [3]), TypeError),
    (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), ValueError),
    (lambda s, o: s.ReduceLROnPlateau(o, "down"), ValueError),
    (lambda s, o: s.StepLR(o, 3, last_epoch=4), ValueError),
    (lambda s, o: s.StepLR(o, 3).load_state_dict(3), TypeError),
    (lambda s, o: s.MultiplicativeLR(o, 0.5), TypeError),
    (lambda s, o: s.PolynomialLR(o, 0), ValueError),
    (lambda s, o: s.CyclicLR(o, 0.1, [0.2]), ValueError),
    (lambda s, o: s.CyclicLR(o, 0.1, 0.2, 0), ValueError),
    (lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
    (lambda s, o: s.CyclicLR(optim.Adagrad([P]), 0.1, 0.2), ValueError),
    (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), ValueError),
    (lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 1.5), TypeError),
    (lambda s, o: s.ChainedScheduler([]), ValueError),
    (lambda s, o: s.ChainedScheduler([3]), TypeError),
    (lambda s, o: s.ChainedScheduler([s.StepLR(o, 1), s.StepLR(ours(), 1)]), ValueError),
    (lambda s, o: s.ChainedScheduler([s.ReduceLROnPlateau(o)]), ValueError),
    (lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []), ValueError),
    (lambda s, o: s.ChainedScheduler([s.StepLR(o, 1)]).step(3), ValueError),
    (lambda s, o: s.StepLR(o, 1)._update_lr(-1), ValueError),
    (lambda s, o: optim.swa_utils.SWALR(o, 0.1, -1), ValueError),
    (lambda s, o: optim.swa_utils.SWALR(o, 0.1, anneal_strategy="up"), ValueError),
    (lambda s, o: optim.swa_utils.SWALR(3, 0.1), TypeError),
    (lambda s, o: s.StepLR(o, 3).load_state_dict({"colour": 1}), ValueError),
]


@pytest.mark.parametrize("index", range(len(FAULTS)))
def test_faults(index: int) -> None:
    make, error = FAULTS[index]
    with pytest.raises(error, match="expected"):
        make(lr_scheduler, ours())


def test_one_cycle_ends() -> None:
    schedule = lr_scheduler.OneCycleLR(ours(), 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="at most 3 steps"):
        schedule.step()
    assert lr_scheduler.OneCycleLR(ours(), 0.1, total_steps=1).get_last_lr()
