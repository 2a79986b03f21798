"""Averages of weights: as in PyTorch, in one pass, with batch norm's statistics."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array, requires_torch
from tilewise import nn
from tilewise.optim import swa_utils

FUNCTIONS: dict[str, Any] = {
    "plain": lambda u: {},
    "plain, of one": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "plain, of all": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
    "exponential, of one": lambda u: {"avg_fn": u.get_ema_avg_fn(0.9)},
    "exponential, of all": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
    "fast": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.25)},
    "with buffers": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "of one with buffers": lambda u: {"avg_fn": u.get_swa_avg_fn(), "use_buffers": True},
}


def network(lib: Any) -> Any:
    return lib.Sequential(lib.Conv2d(1, 3, 3), lib.BatchNorm2d(3), lib.Flatten(), lib.Linear(12, 2))


def pair() -> tuple[Any, Any]:
    import torch

    ours, theirs = network(nn), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def check_same(ours: Any, theirs: Any, limit: float) -> None:
    state, want = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(want)
    for name, value in want.items():
        np.testing.assert_allclose(
            state[name].numpy(), value.numpy(), rtol=limit, atol=limit, err_msg=name
        )


@requires_torch
@pytest.mark.parametrize("name", FUNCTIONS)
def test_average_as_in_torch(name: str) -> None:
    import torch
    from torch.optim import swa_utils as other

    ours, theirs = pair()
    a = swa_utils.AveragedModel(ours, **FUNCTIONS[name](swa_utils))
    b = other.AveragedModel(theirs, **FUNCTIONS[name](other))
    for step in range(8):
        state = {
            key: value + torch.tensor(random_array(value.shape, step))
            if value.is_floating_point()
            else value + step
            for key, value in theirs.state_dict().items()
        }
        theirs.load_state_dict(state)
        ours.load_state_dict(state)
        a.update_parameters(ours)
        b.update_parameters(theirs)
    assert int(a.n_averaged) == 8
    check_same(a, b, 3e-6)


@requires_torch
def test_state_goes_to_torch_and_back() -> None:
    from torch.optim import swa_utils as other

    ours, theirs = pair()
    a, b = swa_utils.AveragedModel(ours), other.AveragedModel(theirs)
    for _ in range(3):
        b.update_parameters(theirs)
    a.load_state_dict(b.state_dict())
    assert int(a.n_averaged) == 3
    check_same(a, b, 0.0)


@requires_torch
@pytest.mark.parametrize("form", [lambda x, i: x, lambda x, i: (x, i)])
def test_batch_norm_as_in_torch(form: Any) -> None:
    import torch
    from torch.optim import swa_utils as other

    ours, theirs = pair()
    batches = [random_array((5, 1, 4, 4), i) for i in range(3)]
    ours.eval()
    theirs.eval()
    swa_utils.update_bn([form(tw.tensor(x), i) for i, x in enumerate(batches)], ours)
    other.update_bn([form(torch.tensor(x), i) for i, x in enumerate(batches)], theirs)
    check_same(ours, theirs, 1e-5)
    assert ours[1].momentum == 0.1
    assert not ours.training
    swa_utils.update_bn([], nn.Linear(1, 1))


def test_copies_are_independent_and_updates_in_place() -> None:
    net = network(nn)
    average = swa_utils.AveragedModel(net)
    assert average.module is not net
    before = [p.data_ptr() for p in average.parameters()]
    average.update_parameters(net)
    with tw.no_grad():
        net[0].weight.add_(2.0)
    average.update_parameters(net)
    assert [p.data_ptr() for p in average.parameters()] == before
    again = copy.deepcopy(average)
    again.update_parameters(net)
    assert (int(average.n_averaged), int(again.n_averaged)) == (2, 3)
    want = net[0].weight.detach().numpy() - 1.0
    np.testing.assert_allclose(average.module[0].weight.detach().numpy(), want, rtol=1e-6)
    x = tw.randn(2, 1, 4, 4)
    assert tw.equal(average.eval()(x), average.module(x))


def test_faults() -> None:
    with pytest.raises(TypeError, match="AveragedModel"):
        swa_utils.AveragedModel(3)
    with pytest.raises(ValueError, match="AveragedModel"):
        swa_utils.AveragedModel(
            nn.Linear(1, 1),
            avg_fn=swa_utils.get_swa_avg_fn(),
            multi_avg_fn=swa_utils.get_swa_multi_avg_fn(),
        )
    with pytest.raises(ValueError, match="same parameters"):
        swa_utils.AveragedModel(nn.Linear(1, 1)).update_parameters(nn.Linear(2, 1))
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        for decay in (-0.1, 1.5):
            with pytest.raises(ValueError, match="decay"):
                make(decay)
    update = swa_utils.get_ema_multi_avg_fn()
    with pytest.raises(TypeError, match="ema_update"):
        update([3], [tw.ones(1)], 1)
    with pytest.raises(ValueError, match="lerp"):
        update([tw.ones(1)], [tw.ones(2)], 1)
    layer = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match="BatchNorm1d"):
        swa_utils.update_bn([tw.ones(3, 5)], layer)
    assert layer.momentum == 0.1
