"""Steps of optimizers as operators (domain ai.onnx.preview.training)."""

from __future__ import annotations

from collections.abc import Callable

from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import TRAINING, operator
from ..values import Value, number, tensor

Step = Callable[..., tuple[Tensor, ...]]


def _each(
    step: Step, node: Node, rate: Value, count: Value, states: tuple[Value, ...], per: int
) -> tuple[Tensor, ...]:
    """A step for each of the tensors, which come sorted by what they are."""
    if len(states) % per:
        raise ValueError(f"expected {per} inputs for each tensor, got {len(states)}")
    groups = len(states) // per
    r, t = float(number("R", rate)), int(number("T", count))
    results = [
        step(node, r, t, *[tensor(states[i + groups * k]) for k in range(per)])
        for i in range(groups)
    ]
    return tuple(part for parts in zip(*results, strict=True) for part in parts)


def _momentum(node: Node, r: float, t: int, x: Tensor, g: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    g = g + x * node["norm_coefficient"]
    alpha, beta = node["alpha"], node["beta"] if t > 0 else 1.0
    new = v * alpha + g * beta
    if node["mode"] not in ("standard", "nesterov"):
        raise ValueError(f"expected mode standard or nesterov, got {node['mode']!r}")
    step = new if node["mode"] == "standard" else g + new * alpha
    return x - step * r, new


@operator("Momentum", domain=TRAINING)
def momentum(node: Node, rate: Value, count: Value, *states: Value) -> tuple[Tensor, ...]:
    """Gradient descent with momentum, standard or Nesterov's: X, G, V give X, V."""
    return _each(_momentum, node, rate, count, states, 3)


def _adam(
    node: Node, r: float, t: int, x: Tensor, g: Tensor, v: Tensor, h: Tensor
) -> tuple[Tensor, ...]:
    alpha, beta = node["alpha"], node["beta"]
    g = g + x * node["norm_coefficient"]
    first = v * alpha + g * (1 - alpha)
    second = h * beta + g * g * (1 - beta)
    rate = r * (1 - beta**t) ** 0.5 / (1 - alpha**t) if t > 0 else r
    new = x - first / (tw.sqrt(second) + node["epsilon"]) * rate
    return new * (1 - node["norm_coefficient_post"]), first, second


@operator("Adam", domain=TRAINING)
def adam(node: Node, rate: Value, count: Value, *states: Value) -> tuple[Tensor, ...]:
    """Adam (Kingma and Ba 2015): X, G, V, H give X, V, H."""
    return _each(_adam, node, rate, count, states, 4)


def _adagrad(node: Node, r: float, t: int, x: Tensor, g: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    g = g + x * node["norm_coefficient"]
    total = h + g * g
    rate = r / (1 + t * node["decay_factor"])
    return x - g / (tw.sqrt(total) + node["epsilon"]) * rate, total


@operator("Adagrad", domain=TRAINING)
def adagrad(node: Node, rate: Value, count: Value, *states: Value) -> tuple[Tensor, ...]:
    """Adagrad (Duchi et al. 2011): X, G, H give X, H."""
    return _each(_adagrad, node, rate, count, states, 3)
