"""Tracing: what the graph of a model holds, and that it computes what the model does."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from tilewise import graph, models, nn
from tilewise.graph.functions import table
from tilewise.nn import functional as F


class Block(nn.Module):
    """Branches, an operator, a function and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.scale = nn.Parameter(tw.full((4, 1, 1), 2.0))

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        y = self.relu(self.norm(self.conv(x)))
        y = self.relu(y + x) * self.scale
        return 1.0 - tw.cat([y, F.max_pool2d(x, 3, stride=1, padding=1)], dim=1)


def ops(of: Any, *inputs: tw.Tensor) -> list[str]:
    return [node.op for node in graph.trace(of, *inputs).nodes]


def test_nodes_of_a_network() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), Block())
    g = graph.trace(net.eval(), tw.zeros(2, 1, 8, 8))
    assert [(node.op, node.path) for node in g.nodes] == [
        ("Conv2d", "0"),
        ("Conv2d", "1.conv"),
        ("BatchNorm2d", "1.norm"),
        ("ReLU", "1.relu"),
        ("add", "1"),
        ("ReLU", "1.relu"),
        ("mul", "1"),
        ("max_pool2d", "1"),
        ("cat", "1"),
        ("sub", "1"),
    ]
    stem, pool, minus = g.nodes[0], g.nodes[7], g.nodes[9]
    assert stem.module is net[0] and stem.inputs == g.inputs
    assert pool.arguments["kernel_size"] == 3 and pool.arguments["dilation"] == 1
    assert pool.inputs == stem.outputs
    assert minus.arguments["input"] == 1.0 and minus.inputs == g.nodes[8].outputs
    scale = g.nodes[6].inputs[1]
    assert (scale.kind, scale.name) == ("parameter", "1.scale")
    assert scale.tensor is net[1].scale
    assert g.outputs[0].producer is minus and g.outputs[0].shape == (2, 8, 6, 6)


@pytest.mark.parametrize("training", [False, True])
def test_run_computes_the_model(training: bool) -> None:
    tw.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), Block(), nn.Dropout(0.5)).train(training)
    g = graph.trace(net, tw.zeros(1, 1, 8, 8))
    x = tw.randn(3, 1, 9, 7)
    state = tw.get_rng_state()
    want = net(x).detach().numpy()
    tw.set_rng_state(state)
    np.testing.assert_array_equal(g.run(x).numpy(), want)


@pytest.mark.parametrize("name", ["fashion_cnn", "lenet5", "mlp"])
def test_models(name: str) -> None:
    model = models.create(name).eval()
    g = graph.trace(model, tw.zeros(1, 1, 28, 28))
    x = tw.rand(2, 1, 28, 28)
    np.testing.assert_array_equal(g.run(x).numpy(), model(x).detach().numpy())


def test_model_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    before = {name: np.array(t.numpy()) for name, t in net.state_dict().items()}
    x = tw.randn(4, 1, 6, 6)
    random, hook = tw.get_rng_state().numpy().copy(), sys.getprofile()
    g = graph.trace(net, x)
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    np.testing.assert_array_equal(tw.get_rng_state().numpy(), random)
    assert sys.getprofile() is hook
    assert [node.op for node in g.nodes] == ["Conv2d", "BatchNorm2d", "Dropout"]
    with pytest.raises(ValueError, match="conv2d"):
        graph.trace(net, tw.zeros(4, 3, 6, 6))
    assert sys.getprofile() is hook


CASES: dict[str, Any] = {
    "add": lambda x: x + 2,
    "sub": lambda x: 3.0 - x,
    "div": lambda x: 1 / x,
    "pow": lambda x: x**2,
    "remainder": lambda x: x % 2,
    "matmul": lambda x: x @ x,
    "neg": lambda x: -x,
    "lt": lambda x: x < 1,
    "exp": lambda x: x.exp(),
    "abs": tw.absolute,
    "relu": lambda x: x.clone().relu_(),
    "mul": lambda x: x.clone().mul_(3.0),
    "reshape": lambda x: x.view(-1),
    "t": lambda x: x.T,
    "getitem": lambda x: x[1:, 0],
    "stack": lambda x: tw.stack([x, x], 1),
    "split": lambda x: x.split([1, 2])[1],
    "max": lambda x: x.max(1).values,
    "permute": lambda x: x.permute(1, 0),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": lambda x: F.elu_(x.clone()),
    "pad": lambda x: F.pad(x, (1, 2)),
    "softmax": lambda x: x.softmax(1),
    "logical_not": tw.logical_not,
    "hstack": lambda x: tw.hstack([x, x]),
    "detach": lambda x: x.data,
    "where": lambda x: tw.where(x > 1, x, 0.0),
    "einsum": lambda x: tw.einsum("ij,kj->ik", x, x),
}


@pytest.mark.parametrize("name", CASES)
def test_names_and_values_of_functions(name: str) -> None:
    g = graph.trace(CASES[name], tw.ones(3, 3))
    assert g.nodes[-1].op == name
    x = tw.arange(9).float().reshape(3, 3) + 0.5
    want = CASES[name](x).numpy()
    np.testing.assert_array_equal(g.run(x).numpy(), want)


def test_writes_in_place_make_new_values() -> None:
    def f(x: tw.Tensor) -> tw.Tensor:
        y = x * 2
        z = y + 0
        y += 1
        y[0] = z[1]
        y.clamp_(0, 5)
        return y + z

    g = graph.trace(f, tw.ones(3))
    assert [node.op for node in g.nodes] == [
        "mul", "add", "add", "getitem", "setitem", "clamp", "add",
    ]  # fmt: skip
    x = tw.tensor([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(g.run(x).numpy(), f(x).numpy())
    with pytest.raises(ValueError, match=r"expected relu_ to write to a tensor of its own"):
        graph.trace(lambda x: x[0].relu_(), tw.ones(3, 3))


def test_several_inputs_and_structured_results() -> None:
    def f(a: tw.Tensor, b: tw.Tensor) -> Any:
        return {"sum": a + b, "rest": [b, (a * 2).max(0)]}

    g = graph.trace(f, tw.ones(2, 2), tw.zeros(2, 2))
    assert len(g.inputs) == 2 and len(g.outputs) == 4
    assert g.outputs[1] is g.inputs[1]
    result = g.run(tw.tensor([[1.0, 5.0], [3.0, 2.0]]), tw.zeros(2, 2))
    assert result["rest"][1].values.tolist() == [6.0, 10.0]
    with pytest.raises(ValueError, match="expected 2 inputs, got 1"):
        g.run(tw.ones(2))


def test_constants() -> None:
    held = tw.tensor([1.0, 2.0])
    g = graph.trace(lambda x: x * held + tw.arange(2), tw.ones(2))
    kinds = [value.kind for node in g.nodes for value in node.inputs]
    assert kinds == ["input", "constant", "node", "constant"]
    assert g.run(tw.ones(2)).tolist() == [1.0, 3.0]


def test_an_op_of_ones_own_raises() -> None:
    def cube(x: tw.Tensor) -> tw.Tensor:
        return tw.autograd.wrap((x * x * x)._array.copy())

    with pytest.raises(ValueError, match=r"expected tensors made by public functions.*cube made"):
        graph.trace(lambda x: cube(x) + 1, tw.ones(2))
    with pytest.raises(ValueError, match=r"cube made"):
        graph.trace(cube, tw.ones(2))


def test_values_that_python_reads_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="tilewise"):
        graph.trace(lambda x: x * x.sum().item(), tw.ones(2))
    assert "item() in 'the model' read a tensor of shape ()" in caplog.text


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (3, (tw.ones(2),), "expected model a Module or a function"),
        (nn.ReLU(), ([1.0],), "expected each input a Tensor"),
    ],
)
def test_bad_arguments(model: Any, inputs: Any, message: str) -> None:
    with pytest.raises(TypeError, match="graph.trace"):
        graph.trace(model, *inputs)


def test_a_model_that_returns_no_tensor() -> None:
    with pytest.raises(ValueError, match="expected a model that returns tensors"):
        graph.trace(lambda x: 3, tw.ones(2))


def test_values_are_not_kept_alive() -> None:
    g = graph.trace(lambda x: x.exp().log(), tw.ones(1000))
    gc.collect()
    alive = [t for t in gc.get_objects() if type(t) is tw.Tensor and t.shape == (1000,)]
    assert g.nodes and not alive


def test_every_layer_is_known() -> None:
    forwards = table().forwards
    for name, kind in vars(nn).items():
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            computes = kind.forward is not nn.Module.forward and kind is not nn.Sequential
            assert (id(kind.forward.__code__) in forwards) == computes, name


class Normalised(nn.Module):
    """A parameter of its own, which is normalised like the layers around it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(tw.randn(4, 3, 3, 3))
        self.last = nn.utils.weight_norm(nn.Conv2d(4, 2, 1), dim=None)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        return self.last(F.conv2d(x, self.weight).relu())


def normalised() -> nn.Module:
    stem = nn.utils.weight_norm(nn.Conv2d(3, 3, 3, padding=1, bias=False))
    head = nn.utils.weight_norm(nn.Linear(72, 5), dim=1)
    return nn.Sequential(stem, nn.utils.weight_norm(Normalised()), nn.Flatten(), head)


def test_weights_that_are_normalised() -> None:
    net = normalised()
    g = graph.trace(net, tw.zeros(1, 3, 8, 8))
    assert [node.op for node in g.nodes] == [
        "Conv2d", "weight_norm", "conv2d", "relu", "Conv2d", "Flatten", "Linear",
    ]  # fmt: skip
    assert [value.name for value in g.nodes[1].inputs] == ["1.weight_v", "1.weight_g"]
    with tw.no_grad():  # the graph computes with the parameters as they are now
        for parameter in net.parameters():
            parameter.add_(0.25)
    x = tw.randn(2, 3, 8, 8)
    np.testing.assert_array_equal(g.run(x).numpy(), net(x).detach().numpy())
    net(x).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def asked(self: nn.Module) -> float:
    return 2.0 if self.training else 1.0


class Asking(nn.Module):
    """Asks for its mode in one of several ways, or not."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = {
            "attribute": lambda: 2.0 if self.training else 1.0,
            "string": lambda: float(getattr(self, "training")) + 1,  # noqa: B009
            "function": lambda: asked(self),
            "no": lambda: 1.0,
        }[how]
        self.parts = nn.ModuleList([nn.Dropout(), nn.BatchNorm1d(3), nn.Dropout()])

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        for part in self.parts[:2]:
            x = part(x)
        return x * self.how()


@pytest.mark.parametrize("how", ["attribute", "string", "function", "no"])
def test_whether_a_model_asks_for_its_mode(how: str) -> None:
    assert graph.trace(Asking(how), tw.ones(2, 3)).asks_mode == (how != "no")
