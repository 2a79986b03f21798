"""Optimizers: trajectories over 100 steps as in PyTorch, groups, state, faults."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array, requires_torch
from tilewise import nn, optim

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "maximize": True, "weight_decay": 0.5}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adam", {"lr": 0.001, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True}),
]
SHAPES = [(7, 3), (5,), (), (2, 3, 3, 3), (1, 33)]


def gradient(step: int, i: int) -> np.ndarray:
    return np.asarray(random_array(SHAPES[i], 1000 * i + step, dtype=np.float64) * (1 + step % 7))


@requires_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_trajectory_as_in_torch(name: str, options: dict[str, Any], dtype: str) -> None:
    import torch

    start = [random_array(s, i, dtype=np.float64).astype(dtype) for i, s in enumerate(SHAPES)]
    ours = [nn.Parameter(tw.tensor(a)) for a in start]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    a = getattr(optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options)
    for step in range(100):
        for i in range(len(SHAPES)):
            if i == 1 and step < 5:
                continue  # a parameter that joins later
            g = gradient(step, i).astype(dtype)
            ours[i].grad, theirs[i].grad = tw.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    limit = 1e-12 if dtype == "float64" else 2e-5
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=limit, atol=limit)


@requires_torch
def test_state_interchanges_with_torch() -> None:
    import torch

    for name, options in OPTIONS:
        ours, theirs = [nn.Parameter(tw.ones(3))], [torch.nn.Parameter(torch.ones(3))]
        a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
        for step in range(6):
            theirs[0].grad = torch.tensor(random_array((3,), step))
            if step == 3:
                a.load_state_dict(b.state_dict())
                ours[0].data = tw.tensor(theirs[0].detach().numpy())
            if step >= 3:
                ours[0].grad = tw.tensor(theirs[0].grad.numpy())
                a.step()
            b.step()
        np.testing.assert_allclose(
            ours[0].detach().numpy(),
            theirs[0].detach().numpy(),
            rtol=1e-5,
            err_msg=f"{name} {options}",
        )


def train(optimizer: optim.Optimizer, params: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for i, p in enumerate(params):
            p.grad = tw.tensor(gradient(step, i).astype(np.float32))
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_resumed_run_is_the_same(name: str, options: dict[str, Any]) -> None:
    whole = [nn.Parameter(tw.ones(s)) for s in SHAPES]
    train(getattr(optim, name)(whole, **options), whole, range(20))
    half = [nn.Parameter(tw.ones(s)) for s in SHAPES]
    first = getattr(optim, name)(half, **options)
    train(first, half, range(9))
    state = copy.deepcopy(first.state_dict())
    rest = [nn.Parameter(p.detach().clone()) for p in half]
    second = getattr(optim, name)(rest, lr=123.0)
    second.load_state_dict(state)
    train(first, half, range(9, 11))  # the copy is a copy
    assert second.param_groups[0]["lr"] == options["lr"]
    train(second, rest, range(9, 20))
    for p, q in zip(whole, rest, strict=True):
        assert tw.equal(p, q)


def test_groups() -> None:
    a, b, c = (nn.Parameter(tw.ones(2)) for _ in range(3))
    optimizer = optim.SGD(
        [{"params": [a], "lr": 1.0}, {"params": b, "weight_decay": 0.5}], lr=0.1, momentum=0.0
    )
    optimizer.add_param_group({"params": [c], "lr": 2.0})
    for p in (a, b, c):
        p.grad = tw.ones(2)
    optimizer.step()
    np.testing.assert_allclose(
        [a[0].item(), b[0].item(), c[0].item()], [0, 1 - 0.1 * 1.5, -1], rtol=1e-6
    )
    assert [len(g["params"]) for g in optimizer.param_groups] == [1, 1, 1]
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]
    assert "lr: 2.0" in repr(optimizer)
    named = optim.Adam(nn.Linear(2, 2).named_parameters())
    assert len(named.param_groups[0]["params"]) == 2


def test_closure_zero_grad_and_missing_gradients() -> None:
    p, q = nn.Parameter(tw.ones(2)), nn.Parameter(tw.ones(2))
    optimizer = optim.Adam([p, q], lr=0.1)

    def closure() -> tw.Tensor:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tw.no_grad():
        assert optimizer.step(closure).item() == 2
    assert q.tolist() == [1, 1]
    assert p[0].item() == pytest.approx(0.9)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None
    assert optimizer.step() is None


def test_steps_are_noticed_by_the_tape() -> None:
    p = nn.Parameter(tw.ones(2))
    loss = (p * p).sum()
    p.grad = tw.ones(2)
    for optimizer in (optim.SGD([p], 0.1), optim.Adam([p])):
        optimizer.step()
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_transposed_gradients_are_taken() -> None:
    p = nn.Parameter(tw.zeros(2, 3))
    p.grad = tw.arange(6.0).reshape(3, 2).T
    for optimizer in (optim.SGD([p], 1.0, momentum=0.5), optim.AdamW([p])):
        optimizer.step()
    assert p[0, 1].item() == pytest.approx(-2, abs=0.01)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_converges(name: str) -> None:
    tw.manual_seed(0)
    layer = nn.Linear(3, 1)
    x = tw.randn(64, 3)
    target = x @ tw.tensor([[1.0], [-2.0], [0.5]]) + 0.3
    optimizer = getattr(optim, name)(layer.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(layer(x), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2


P = nn.Parameter(tw.ones(1))
FAULTS: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("SGD", [], {}, ValueError),
    ("SGD", 3, {}, TypeError),
    ("SGD", P, {}, TypeError),
    ("SGD", [3], {}, TypeError),
    ("SGD", [P, P], {}, ValueError),
    ("SGD", [tw.arange(3)], {}, ValueError),
    ("SGD", [P * 2], {}, ValueError),
    ("SGD", [P], {"lr": -1}, ValueError),
    ("SGD", [P], {"lr": None}, TypeError),
    ("SGD", [P], {"lr": "1"}, TypeError),
    ("SGD", [P], {"momentum": -0.1}, ValueError),
    ("SGD", [P], {"nesterov": True}, ValueError),
    ("SGD", [P], {"nesterov": 1}, TypeError),
    ("SGD", [{"lr": 1}], {}, TypeError),
    ("SGD", [{"params": [P], "beta": 1}], {}, ValueError),
    ("Adam", [P], {"betas": 0.9}, TypeError),
    ("Adam", [P], {"betas": (0.9, 1.0)}, ValueError),
    ("Adam", [P], {"eps": -1}, ValueError),
    ("AdamW", [P], {"weight_decay": -1}, ValueError),
    ("AdamW", [P], {"amsgrad": None}, TypeError),
    ("AdamW", [P], {"lr": float("nan")}, ValueError),
]


@pytest.mark.parametrize(("name", "params", "options", "error"), FAULTS)
def test_faults(name: str, params: Any, options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error, match=name):
        getattr(optim, name)(params, **options)


def test_faults_of_state_dicts() -> None:
    optimizer = optim.Adam([nn.Parameter(tw.ones(2))])
    other = optim.Adam([nn.Parameter(tw.ones(3)), nn.Parameter(tw.ones(3))])
    for state, error in (
        (other.state_dict(), ValueError),
        ({}, TypeError),
        (3, TypeError),
        ({"state": {5: {}}, "param_groups": optimizer.state_dict()["param_groups"]}, ValueError),
        (
            {
                "state": {0: {"exp_avg": tw.ones(3)}},
                "param_groups": optimizer.state_dict()["param_groups"],
            },
            ValueError,
        ),
    ):
        with pytest.raises(error, match="load_state_dict"):
            optimizer.load_state_dict(state)
