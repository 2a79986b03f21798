"""Hooks around modules' forward passes and after their backward passes, against PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import nn


def test_order_and_arguments_by_name() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, *, scale: float = 1.0) -> Any:
            return x * scale

    layer, calls = Scaled(), []
    layer.register_forward_hook(lambda m, a, out: calls.append("second"))
    layer.register_forward_hook(lambda m, a, out: calls.append("first"), prepend=True)
    layer.register_forward_hook(
        lambda m, a, kwargs, out: calls.append(kwargs["scale"]), with_kwargs=True
    )
    layer.register_forward_pre_hook(
        lambda m, a, kwargs: (a, {"scale": kwargs["scale"] + 1}), with_kwargs=True
    )
    assert layer(tw.ones(1), scale=2.0).tolist() == [3]
    assert calls == ["first", "second", 3]


def test_hooks_that_are_always_called() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ArithmeticError("broken")

    layer, calls = Broken(), []
    layer.register_forward_hook(lambda m, a, out: calls.append("never"))
    layer.register_forward_hook(lambda m, a, out: calls.append(out), always_call=True)
    with pytest.raises(ArithmeticError):
        layer(tw.ones(1))
    assert calls == [None]
    with pytest.raises(TypeError, match="always_call as a bool"):
        layer.register_forward_hook(print, always_call=1)  # type: ignore[arg-type]


def net(library: Any) -> Any:
    """A small network with seeded weights."""
    parts = library.nn.Conv2d(2, 3, 3), library.nn.ReLU(), library.nn.Flatten()
    made = library.nn.Sequential(*parts, library.nn.Linear(12, 2))
    rng = np.random.default_rng(0)
    for parameter in made.parameters():
        values = rng.normal(size=tuple(parameter.shape)).astype(np.float32)
        parameter.data = library.from_numpy(values)
    return made


def gradients(library: Any, layer: int, leaf: bool, factor: float) -> list[Any]:
    """What a backward hook of a layer is told, then the gradients of the input and a weight."""
    made = net(library)
    rng = np.random.default_rng(1)
    x = library.from_numpy(rng.normal(size=(1, 2, 4, 4)).astype(np.float32))
    x.requires_grad = leaf
    seen: list[Any] = []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.extend([*grad_input, *grad_output])
        return None if factor == 1 or grad_input[0] is None else (grad_input[0] * factor,)

    handle = made[layer].register_full_backward_hook(hook)
    made(x)[0, 1].backward()
    found = [*seen, x.grad, made[0].weight.grad]
    handle.remove()
    made(x).sum().backward()
    assert len(seen) == 2
    return [None if g is None else g.detach().numpy() for g in found]


@requires_torch
@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("layer", [0, 2, 3])
@pytest.mark.parametrize("leaf", [True, False])
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_full_backward_hooks(layer: int, leaf: bool, factor: float) -> None:
    import torch

    want, got = (gradients(library, layer, leaf, factor) for library in (torch, tw))
    assert [g is None for g in got] == [w is None for w in want]
    for g, w in zip(got, want, strict=True):
        if g is not None:
            np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6)


def test_a_backward_hook_of_several_inputs() -> None:
    class Product(nn.Module):
        def forward(self, x: Any, y: Any, label: str) -> Any:
            return x * y, x + y

    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = tw.tensor([2.0], requires_grad=True), tw.tensor([3.0], requires_grad=True)
    a, b = layer(x, y, "label")
    (a + 10 * b).backward()
    ((gx, gy, none), (ga, gb)) = seen[0]
    assert [gx.item(), gy.item(), none, ga.item(), gb.item()] == [13, 12, None, 1, 10]
    with tw.no_grad():
        layer(x, y, "label")
    assert len(seen) == 1
    layer.register_full_backward_hook(lambda m, gi, go: gi)
    a, _ = layer(x, y, "label")
    with pytest.raises(RuntimeError, match="several inputs"):
        a.backward()


def test_copies_keep_what_weight_norm_does() -> None:
    layer = nn.utils.weight_norm(nn.Linear(3, 4))
    x = tw.ones(1, 3)
    want = layer(x).tolist()
    for made in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert made(x).tolist() == want
        with tw.no_grad():
            made.weight_g.zero_()
        assert made(x).tolist() == [made.bias.tolist()]
        made(x).sum().backward()
        assert made.weight_g.grad is not None
    assert layer(x).tolist() == want


def test_state_dicts_with_parameters_and_by_assignment() -> None:
    layer = nn.BatchNorm1d(2)
    into: dict[str, Any] = {"before": tw.ones(1)}
    state = layer.state_dict(destination=into, prefix="bn.", keep_vars=True)
    assert state is into
    assert state["bn.weight"] is layer.weight
    assert list(state)[:2] == ["before", "bn.weight"]
    weight, values = layer.weight, {k: v.clone() for k, v in layer.state_dict().items()}
    values["weight"] = tw.tensor([3.0, 4.0], dtype=tw.float64)
    layer.load_state_dict(values, assign=True)
    assert layer.weight is weight
    assert layer.weight.dtype == tw.float64
    assert layer.weight.data_ptr() == values["weight"].data_ptr()


def test_pop() -> None:
    for made in (nn.Sequential, nn.ModuleList):
        parts = nn.Linear(1, 1), nn.ReLU(), nn.Tanh()
        container = made(*parts) if made is nn.Sequential else made(parts)
        assert container.pop(-2) is parts[1]
        assert list(dict(container.named_children())) == ["0", "1"]
        with pytest.raises(IndexError):
            container.pop(5)
