"""Schedulers: PyTorch's sequences over 100 steps, resuming, faults."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

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


SCHEDULES: dict[str, Make] = {
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
