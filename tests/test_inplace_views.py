"""Writing in place to a view of a result: the gradients are PyTorch's, or there is an error."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import nn

# What makes a view of all of a (2, 3, 4) tensor.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda y: y.flatten(1),
    "reshape": lambda y: y.reshape(4, 6),
    "view": lambda y: y.view(-1),
    "permute": lambda y: y.permute(2, 0, 1),
    "transpose": lambda y: y.transpose(0, 2),
    "unsqueeze": lambda y: y.unsqueeze(1),
    "squeeze": lambda y: y.squeeze(),
    "movedim": lambda y: y.movedim(0, -1),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "relu_": lambda v: v.relu_(),
    "mul_": lambda v: v.mul_(3),
    "mul_, +=": lambda v: v.mul_(3).__iadd__(1),
    "clamp_": lambda v: v.clamp_(-0.5, 0.5),
    "setitem": lambda v: v.__setitem__(0, 2.0),
}


def gradient(library: Any, view: Any, write: Any) -> tuple[Any, Any]:
    """The value of the view after the write, and the gradient of what it was made of."""
    rng = np.random.default_rng(0)
    x = library.from_numpy(rng.normal(size=(2, 3, 4)))
    x.requires_grad = True
    v = view(x * x)
    write(v)
    (v * v).sum().backward()
    return v.detach().numpy(), x.grad.numpy()


@requires_torch
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("write", WRITES)
def test_gradients_are_pytorchs(view: str, write: str) -> None:
    import torch

    for got, want in zip(
        gradient(tw, VIEWS[view], WRITES[write]),
        gradient(torch, VIEWS[view], WRITES[write]),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def parts() -> tuple[tw.Tensor, tw.Tensor, tw.Tensor]:
    x = tw.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 2
    return x, y, y.view(4)


def test_what_shares_the_memory_has_no_gradient_afterwards() -> None:
    _, y, v = parts()
    v.relu_()
    with pytest.raises(RuntimeError, match="a view of it had been written in place"):
        (y * 1).sum().backward()

    _, y, v = parts()
    sibling = y.permute(1, 0)
    v.relu_()
    with pytest.raises(RuntimeError, match="permute needs was modified in place"):
        sibling.sum().backward()
    with pytest.raises(RuntimeError, match="got a view"):
        sibling.relu_()

    _, y, v = parts()
    later = v.view(2, 2)
    v.relu_()
    with pytest.raises(RuntimeError, match="reshape needs was modified in place"):
        later.sum().backward()


def test_what_was_computed_before_keeps_its_gradient() -> None:
    x, y, v = parts()
    before = (y + 1).sum()
    after = v.relu_().sum()
    (before + after).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[4, 2], [4, 4]]
    _, y, v = parts()
    squares = (y * y).sum()
    v.relu_()
    with pytest.raises(RuntimeError, match="modified in place"):
        squares.backward()


def test_views_of_a_part_and_of_leaves_are_refused() -> None:
    x, y, _ = parts()
    for view in (y[0], y[:, 1], y.view(4)[1:], y.unsqueeze(0).view(4), y.expand(3, 2, 2), y.T[:1]):
        with pytest.raises(RuntimeError, match="got a view"):
            view.mul_(2)
    with pytest.raises(RuntimeError, match="got a view"):
        x.view(4).mul_(2)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Linear(2, 4), nn.Unflatten(1, (2, 2)), nn.ReLU(inplace=True)),
        (nn.Linear(2, 4), nn.Unflatten(1, (2, 2)), nn.Dropout(0.5, inplace=True), nn.ReLU(True)),
        (nn.Unflatten(1, (1, 1, 2)), nn.Conv2d(1, 2, 1), nn.Flatten(), nn.LeakyReLU(0.1, True)),
        (nn.Linear(2, 4), nn.Flatten(0), nn.SiLU(True), nn.Unflatten(0, (2, 2)), nn.ELU(1.0, True)),
    ],
)
def test_layers_in_place_behind_a_change_of_shape(layers: Any) -> None:
    x = tw.tensor([[0.5, -1.0]], requires_grad=True)
    x_again = x.detach().clone().requires_grad_()
    net = nn.Sequential(*layers)
    tw.manual_seed(0)
    net(x).sum().backward()
    for layer in layers:
        if hasattr(layer, "inplace"):
            layer.inplace = False
    tw.manual_seed(0)
    net(x_again).sum().backward()
    assert x.grad is not None
    assert x_again.grad is not None
    assert x.grad.tolist() == x_again.grad.tolist()


def test_the_memory_is_given_back_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        import weakref

        _, y, v = parts()
        v.relu_()
        gone = weakref.ref(y)
        del y, v
        assert gone() is None
    finally:
        gc.enable()
