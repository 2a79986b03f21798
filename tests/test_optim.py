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
    ("Adam", {"lr": 0.01, "betas": (0.3, 0.5), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.001, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("NAdam", {"lr": 0.01, "momentum_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.9), "decoupled_weight_decay": True, "eps": 1e-3}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.01, "betas": (0.4, 0.9), "maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "centered": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1},
    ),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.95, "weight_decay": 0.1, "maximize": True}),
    ("ASGD", {"lr": 0.05, "t0": 20, "lambd": 0.01}),
    ("ASGD", {"lr": 0.05, "alpha": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.01, "etas": (0.4, 1.3), "step_sizes": (1e-4, 0.1), "maximize": True}),
]
# The ones that PyTorch does not have.
MORE: list[tuple[str, dict[str, Any]]] = [
    ("Lion", {"lr": 0.01, "weight_decay": 0.1}),
    ("Lion", {"lr": 0.01, "betas": (0.5, 0.3), "maximize": True}),
    ("LAMB", {"lr": 0.01}),
    ("LAMB", {"lr": 0.01, "weight_decay": 0.0, "eps": 1e-3, "maximize": True}),
]
NAMES = sorted({name for name, _ in OPTIONS + MORE})
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
    rough = name in {"NAdam", "ASGD"}  # PyTorch keeps numbers of their state in float32
    limit = 2e-5 if dtype == "float32" else 1e-6 if rough else 1e-11
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=limit, atol=limit)


@requires_torch
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_state_interchanges_with_torch(name: str, options: dict[str, Any]) -> None:
    """After 4 steps PyTorch's state moves here, after 4 more it moves back, and so on."""
    import torch

    theirs = [torch.nn.Parameter(torch.ones(s)) for s in SHAPES]
    alone = [torch.nn.Parameter(torch.ones(s)) for s in SHAPES]
    ours = [nn.Parameter(tw.ones(s)) for s in SHAPES]
    a = getattr(optim, name)(ours, **options)
    b, c = (getattr(torch.optim, name)(p, **options) for p in (theirs, alone))
    for step in range(16):
        if step in (4, 12):
            a.load_state_dict(b.state_dict())
            for p, q in zip(ours, theirs, strict=True):
                p.data = tw.tensor(q.detach().numpy())
        if step == 8:
            b.load_state_dict(to_torch(a.state_dict()))
            for p, q in zip(ours, theirs, strict=True):
                q.data = torch.tensor(p.detach().numpy())
        here = 4 <= step < 8 or step >= 12
        for i, (p, q, r) in enumerate(zip(ours, theirs, alone, strict=True)):
            g = gradient(step, i).astype(np.float32)
            p.grad, q.grad, r.grad = tw.tensor(g), torch.tensor(g), torch.tensor(g)
        (a if here else b).step()
        c.step()
    for p, r in zip(ours, alone, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), r.detach().numpy(), rtol=2e-5, atol=2e-5)


def to_torch(state: Any) -> Any:
    """A state dict with PyTorch's tensors."""
    import torch

    if isinstance(state, dict):
        return {key: to_torch(value) for key, value in state.items()}
    return torch.tensor(state.numpy()) if isinstance(state, tw.Tensor) else state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), MORE)
def test_trajectory_by_the_formula(name: str, options: dict[str, Any], dtype: str) -> None:
    """Lion and LAMB against their papers' algorithms in NumPy."""
    start = [random_array(s, i, dtype=np.float64) for i, s in enumerate(SHAPES)]
    start[1][:] = 0  # a tensor without length moves by the plain step
    ours = [nn.Parameter(tw.tensor(a.astype(dtype))) for a in start]
    optimizer = getattr(optim, name)(ours, **options)
    group = optimizer.param_groups[0]
    (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
    m, v = ([np.zeros(s) for s in SHAPES] for _ in range(2))
    for step in range(100):
        for i in range(len(SHAPES)):
            g = gradient(step, i)
            ours[i].grad = tw.tensor(g.astype(dtype))
            g = -g if group["maximize"] else g
            p = start[i]
            if name == "Lion":
                move = np.sign(beta1 * m[i] + (1 - beta1) * g) + decay * p
                m[i] = beta2 * m[i] + (1 - beta2) * g
            else:
                m[i] = beta1 * m[i] + (1 - beta1) * g
                v[i] = beta2 * v[i] + (1 - beta2) * g**2
                mean, square = m[i] / (1 - beta1 ** (step + 1)), v[i] / (1 - beta2 ** (step + 1))
                move = mean / (np.sqrt(square) + group["eps"]) + decay * p
                ratio = np.linalg.norm(p.ravel()) / np.linalg.norm(move.ravel())
                move = move * (ratio or 1.0)
            start[i] = p - lr * move
        optimizer.step()
    limit = 1e-11 if dtype == "float64" else 2e-5
    for p, q in zip(ours, start, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q, rtol=limit, atol=limit)


def train(optimizer: optim.Optimizer, params: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for i, p in enumerate(params):
            p.grad = tw.tensor(gradient(step, i).astype(np.float32))
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), OPTIONS + MORE)
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


@pytest.mark.parametrize("name", NAMES)
def test_converges(name: str) -> None:
    tw.manual_seed(0)
    layer = nn.Linear(3, 1)
    x = tw.randn(64, 3)
    target = x @ tw.tensor([[1.0], [-2.0], [0.5]]) + 0.3
    rates = {"Adadelta": 8.0, "Adagrad": 1.0, "LAMB": 0.05, "Lion": 0.06}
    optimizer = getattr(optim, name)(layer.parameters(), lr=rates.get(name, 0.1))
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(layer(x), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 2e-2


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
    ("Adam", {P}, {}, TypeError),
    ("Adam", [P], {"capturable": True}, ValueError),
    ("Adam", [P], {"differentiable": True}, ValueError),
    ("Adam", [P], {"foreach": True, "fused": True}, RuntimeError),
    ("Adam", [("a", P), nn.Parameter(tw.ones(1))], {}, ValueError),
    ("LAMB", [P], {"eps": 0.0}, ValueError),
    ("Lion", [P], {"betas": (0.9, 2.0)}, ValueError),
    ("Rprop", [P], {"step_sizes": (1e-6, -1)}, ValueError),
    ("RMSprop", [P], {"centered": 1}, TypeError),
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


def test_hooks_names_and_hints() -> None:
    layer = nn.Linear(2, 2)
    optimizer = optim.Adam(layer.named_parameters(), fused=True, foreach=None)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    seen: list[str] = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert seen == ["before", "after", "after"]


def test_own_optimizer() -> None:
    class Plain(optim.Optimizer):
        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    memory = self.state[p]
                    memory["step"] = memory.get("step", 0) + 1
                    p.data.add_(p.grad, alpha=-group["lr"])

    p = nn.Parameter(tw.ones(2))
    optimizer = Plain([p])
    p.grad = tw.ones(2)
    optimizer.step()
    assert p.tolist() == [0.5, 0.5]
    assert optimizer.state_dict()["state"] == {0: {"step": 1}}


def test_copies() -> None:
    """A copy of a model with its optimizer goes on by itself."""
    layer = nn.Linear(2, 2)
    optimizer = optim.AdamW(layer.parameters(), lr=0.1)
    for p in layer.parameters():
        p.grad = tw.ones_like(p)
    optimizer.step()
    both = copy.deepcopy([layer, optimizer])
    before = layer.weight.tolist()
    for p in both[0].parameters():
        p.grad = tw.ones_like(p)
    both[1].step()
    assert layer.weight.tolist() == before
    assert both[0].weight.tolist() != before
    assert both[1].state[both[0].weight]["step"] == 2


def test_decay_is_for_weights() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    net[3].bias.requires_grad_(False)
    none, some = optim.param_groups_weight_decay(net, 0.1, ["3.weight"])
    assert (none["weight_decay"], some["weight_decay"]) == (0.0, 0.1)
    assert [tuple(p.shape) for p in none["params"]] == [(2,), (2,), (2,), (2, 2)]
    assert some["params"] == [net[0].weight]
    assert len(optim.AdamW([none, some]).param_groups) == 2
    with pytest.raises(TypeError, match="param_groups_weight_decay"):
        optim.param_groups_weight_decay([P])
    with pytest.raises(ValueError, match="weight_decay"):
        optim.param_groups_weight_decay(net, -1.0)
