"""Module: registration, walking, state dicts, hooks, modes, printing; containers; utils."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import functional as F
from tilewise import nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.scale = nn.Parameter(tw.ones(1))
        self.register_buffer("mean", tw.zeros(2))
        self.register_buffer("cache", tw.zeros(5), persistent=False)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        return F.relu(self.bn(self.conv(x))) * self.scale


def test_registration() -> None:
    block = Block()
    assert [n for n, _ in block.named_parameters()] == [
        "scale", "conv.weight", "conv.bias", "bn.weight", "bn.bias",
    ]  # fmt: skip
    assert [n for n, _ in block.named_buffers()] == [
        "mean", "cache", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked",
    ]  # fmt: skip
    assert [n for n, _ in block.named_modules()] == ["", "conv", "bn"]
    assert [n for n, _ in block.named_children()] == ["conv", "bn"]
    assert list(block.children()) == [block.conv, block.bn]
    assert block.get_submodule("conv") is block.conv
    assert "conv" in dir(block)
    assert len(list(block.parameters(recurse=False))) == 1
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'depth'"):
        block.depth  # noqa: B018
    with pytest.raises(AttributeError, match="bn.nothing"):
        block.get_submodule("bn.nothing")


def test_assignment_replaces_and_removes() -> None:
    block = Block()
    block.conv = nn.Identity()
    assert [n for n, _ in block.named_parameters()] == ["scale", "bn.weight", "bn.bias"]
    block.scale = None
    assert "scale" not in dict(block.named_parameters())
    block.scale = nn.Parameter(tw.ones(2))
    with pytest.raises(TypeError, match="parameter 'scale' as a Parameter or None"):
        block.scale = tw.ones(1)
    with pytest.raises(TypeError, match="module 'bn'"):
        block.bn = 3
    block.mean = tw.ones(3)
    assert dict(block.named_buffers())["mean"].tolist() == [1, 1, 1]
    del block.bn
    assert [n for n, _ in block.named_children()] == ["conv"]
    block.note = "plain"
    assert block.note == "plain"
    del block.note
    block.plain = tw.ones(1)
    assert "plain" not in dict(block.named_buffers())
    block.buffer = nn.Buffer(tw.ones(1))
    assert "buffer" in dict(block.named_buffers())


def test_registration_faults() -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(tw.ones(1))

    with pytest.raises(AttributeError, match=r"super\(\).__init__"):
        Hasty()
    module = nn.Module()
    for name, error in (
        ("a.b", ValueError),
        ("", ValueError),
        ("train", ValueError),
        (3, TypeError),
    ):
        with pytest.raises(error):
            module.register_buffer(name, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Parameter or None"):
        module.register_parameter("w", tw.ones(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Module or None"):
        module.add_module("m", 3)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="forward"):
        module(1)


def test_shared_parts_count_once() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(list(net.parameters())) == 2
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_modes_and_freezing() -> None:
    net = nn.Sequential(Block(), nn.Dropout())
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(TypeError, match="bool"):
        net.train("no")  # type: ignore[arg-type]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad_and_apply_and_types() -> None:
    block = Block()
    block(tw.ones(1, 2, 4, 4)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum().item() == 0 for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    seen: list[str] = []
    assert block.apply(lambda m: seen.append(type(m).__name__)) is block
    assert seen == ["Conv2d", "BatchNorm2d", "Block"]
    weight = block.conv.weight
    block.double()
    assert block.conv.weight is weight
    assert {t.dtype for t in block.parameters()} == {tw.float64}
    assert block.bn.num_batches_tracked.dtype == tw.int64
    block(tw.ones(1, 2, 4, 4, dtype=tw.float64))
    assert block.to(tw.float32).conv.weight.dtype == tw.float32
    assert block.to("cpu") is block
    with pytest.raises(ValueError, match="cuda"):
        block.to("cuda")
    with pytest.raises(TypeError, match="float32 or float64"):
        block.to(tw.int64)


def test_hooks() -> None:
    layer = nn.Linear(2, 2)
    calls: list[Any] = []
    before = layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    after = layer.register_forward_hook(
        lambda m, args, out: calls.append((args[0].tolist(), out.shape))
    )
    x = tw.ones(1, 2)
    layer(x)
    assert calls == [([[2.0, 2.0]], (1, 2))]
    before.remove()
    before.remove()
    with after:
        layer(x)
    layer(x)
    assert len(calls) == 2
    layer.register_forward_hook(lambda m, args, out: out * 0)
    assert layer(x).tolist() == [[0, 0]]


def test_what_is_assigned_again_keeps_its_place() -> None:
    layers = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    setattr(layers, "0", nn.Linear(2, 3))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear]
    layer = nn.Linear(2, 3)
    layer.weight = nn.Parameter(tw.zeros(3, 2))
    assert list(layer.state_dict()) == ["weight", "bias"]


# ---------------------------------------------------------------- state dicts


def test_state_dict_round_trip() -> None:
    a, b = Block(), Block()
    a(tw.rand(2, 2, 4, 4))
    state = a.state_dict()
    assert "cache" not in state
    assert list(b.load_state_dict(state)) == [[], []]
    for name, value in b.state_dict().items():
        assert tw.equal(value, state[name]), name
    weight = b.conv.weight
    b.load_state_dict({k: v.numpy() for k, v in a.state_dict().items()})
    assert b.conv.weight is weight
    assert not b.state_dict()["scale"].requires_grad
    a.state_dict()["scale"].fill_(9)
    assert a.scale.item() == 9


def test_state_dict_mismatches_are_all_listed() -> None:
    block = Block()
    before = {k: v.clone() for k, v in block.state_dict().items()}
    state = {k: v * 0 + 5 for k, v in before.items()}
    del state["conv.bias"], state["mean"]
    state["extra"] = tw.ones(1)
    state["bn.weight"] = tw.ones(4)
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "Block",
        "missing",
        "mean",
        "conv.bias",
        "unexpected",
        "extra",
        "bn.weight",
        "(3,)",
        "(4,)",
    ):
        assert part in text
    assert all(tw.equal(v, before[k]) for k, v in block.state_dict().items())
    with pytest.raises(RuntimeError, match=r"bn.weight"):
        block.load_state_dict(state, strict=False)
    del state["bn.weight"]
    missing, unexpected = block.load_state_dict(state, strict=False)
    assert missing == ["mean", "conv.bias", "bn.weight"]
    assert unexpected == ["extra"]
    assert block.scale.item() == 5
    with pytest.raises(TypeError, match="mapping"):
        block.load_state_dict(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="scale"):
        block.load_state_dict({"scale": "text"}, strict=False)


@requires_torch
def test_state_dicts_interchange_with_torch() -> None:
    import torch

    def build(lib: Any, flatten: Any) -> Any:
        return lib.Sequential(
            lib.Conv2d(3, 8, 3, padding=1, groups=1), lib.BatchNorm2d(8), lib.ReLU(),
            lib.MaxPool2d(2), flatten, lib.Linear(8 * 16, 10), lib.BatchNorm1d(10),
        )  # fmt: skip

    ours, theirs = build(nn, nn.Flatten()), build(torch.nn, torch.nn.Flatten())
    theirs(torch.rand(4, 3, 8, 8))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).random((4, 3, 8, 8)).astype(np.float32)
    ours.eval()
    theirs.eval()
    want = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(tw.tensor(x)).detach().numpy(), want, rtol=1e-5, atol=1e-5)
    ours.train()
    ours(tw.tensor(x))
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), ours.state_dict()[name].numpy())


def test_copies_of_modules() -> None:
    block = Block()
    block.register_forward_hook(lambda m, a, o: None)
    for made in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert type(made.conv.weight) is nn.Parameter
        assert made.conv.weight.requires_grad
        assert [n for n, _ in made.named_parameters()] == [n for n, _ in block.named_parameters()]
        x = tw.ones(1, 2, 4, 4)
        assert tw.equal(made.eval()(x), copy.deepcopy(block).eval()(x))
        with tw.no_grad():
            made.conv.weight.zero_()
        assert block.conv.weight.abs().sum().item() > 0


# ---------------------------------------------------------------- containers


def test_sequential() -> None:
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential(a, b, c)
    x = tw.rand(4, 2)
    assert tw.equal(net(x), c(b(a(x))))
    assert len(net) == 3
    assert net[0] is a
    assert net[-1] is c
    assert list(net) == [a, b, c]
    part = net[1:]
    assert isinstance(part, nn.Sequential)
    assert list(part) == [b, c]
    named = nn.Sequential(OrderedDict([("first", a), ("act", b)]))
    assert named.first is a
    assert list(named.state_dict()) == ["first.weight", "first.bias"]
    net.append(nn.ReLU()).extend([nn.Linear(1, 1)]).insert(0, nn.Identity())
    assert len(net) == 6
    assert isinstance(net[0], nn.Identity)
    del net[0]
    assert net[0] is a
    assert list(dict(net.named_children())) == ["0", "1", "2", "3", "4"]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    for index in (9, -9):
        with pytest.raises(IndexError):
            net[index]
    with pytest.raises(TypeError, match="Module"):
        nn.Sequential(a, "relu")
    with pytest.raises(TypeError, match="int"):
        net["0"]


def test_lists_and_dicts() -> None:
    layers = nn.ModuleList([nn.Linear(1, 2), nn.Linear(2, 3)])
    layers.append(nn.ReLU())
    assert len(list(layers.parameters())) == 4
    assert list(layers[:2].state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert "a" in heads
    assert list(heads) == ["a", "b"]
    assert list(heads.keys()) == ["a", "b"]
    assert len(list(heads.values())) == len(heads) == 2
    assert isinstance(heads.pop("b"), nn.ReLU)
    heads["c"] = nn.Tanh()
    assert [n for n, _ in heads.items()] == ["a", "c"]
    with pytest.raises(KeyError):
        heads["nothing"]
    with pytest.raises(TypeError, match="Module"):
        nn.ModuleList([3])  # type: ignore[list-item]


# ---------------------------------------------------------------- printing


def test_repr() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same", bias=False),
        nn.Conv2d(8, 8, (3, 5), stride=2, padding=1, dilation=2, groups=4),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Dropout(0.25),
        nn.Sequential(nn.Flatten(), nn.Linear(8, 10)),
    )
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=same, bias=False)\n"
        "  (1): Conv2d(8, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), "
        "groups=4)\n"
        "  (2): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "  (3): ReLU(inplace=True)\n"
        "  (4): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n"
        "  (5): AdaptiveAvgPool2d(output_size=1)\n"
        "  (6): Dropout(p=0.25, inplace=False)\n"
        "  (7): Sequential(\n"
        "    (0): Flatten(start_dim=1, end_dim=-1)\n"
        "    (1): Linear(in_features=8, out_features=10, bias=True)\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter(tw.zeros(2))) == (
        "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    )
    assert repr(nn.Module()) == "Module()"


@requires_torch
def test_repr_as_torch() -> None:
    import torch

    for text in (
        "Conv1d(2, 4, 3, padding=1)", "Conv2d(2, 4, 3, padding=1)", "Conv3d(2, 4, 3, 2, groups=2)",
        "Linear(3, 4, bias=False)", "MaxPool2d(3, 2, 1)", "AvgPool2d(2)",
        "Softmax(dim=1)", "LogSoftmax(dim=-1)", "Identity()", "Sigmoid()", "Unflatten(1, (2, 3))",
        "CrossEntropyLoss()", "MSELoss()", "Dropout2d(0.3)", "AdaptiveAvgPool2d((1, None))",
        "ReLU()", "ModuleList([nn.Tanh()])",
    ):  # fmt: skip
        assert repr(eval(f"nn.{text}")) == repr(eval(f"nn.{text}", {"nn": torch.nn})), text


# ---------------------------------------------------------------- utils


def test_clip_grad() -> None:
    a, b = nn.Parameter(tw.zeros(2)), nn.Parameter(tw.zeros(1))
    a.grad, b.grad = tw.tensor([3.0, 0.0]), tw.tensor([4.0])
    assert nn.utils.clip_grad_norm_([a, b], 10.0).item() == 5
    assert a.grad.tolist() == [3, 0]
    assert nn.utils.clip_grad_norm_([a, b], 1.0).item() == 5
    np.testing.assert_allclose(b.grad.numpy(), [0.8], rtol=1e-5)
    assert nn.utils.clip_grad_norm_(a, 1.0, float("inf")).item() == pytest.approx(0.6)
    nn.utils.clip_grad_value_([a, b], 0.5)
    np.testing.assert_allclose(a.grad.numpy(), [0.5, 0])
    a.grad.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="finite"):
        nn.utils.clip_grad_norm_([a], 1.0, error_if_nonfinite=True)
    with pytest.raises(TypeError, match="norm_type"):
        nn.utils.clip_grad_norm_([a], 1.0, "two")
    assert nn.utils.clip_grad_norm_([nn.Parameter(tw.zeros(1))], 1.0).item() == 0


def test_parameters_as_a_vector() -> None:
    layer = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,)
    nn.utils.vector_to_parameters(tw.arange(9.0), layer.parameters())
    assert layer.bias.tolist() == [6, 7, 8]
    with pytest.raises(ValueError, match="9 elements"):
        nn.utils.vector_to_parameters(tw.arange(8.0), layer.parameters())


def test_parameter_containers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.many = nn.ParameterList([tw.ones(2), nn.Parameter(tw.zeros(3))])
            self.named = nn.ParameterDict({"a": tw.ones(1)})

    net = Net()
    net.many.append(tw.full((4,), 2.0))
    net.named["b"] = nn.Parameter(tw.zeros(2))
    assert list(net.state_dict()) == ["many.0", "many.1", "many.2", "named.a", "named.b"]
    assert [p.shape for p in net.many] == [(2,), (3,), (4,)]
    assert (len(net.many), len(net.named), "b" in net.named) == (3, 2, True)
    assert net.many[-1].tolist() == [2.0] * 4
    assert [p.shape for p in net.many[1:]] == [(3,), (4,)]
    net.many[0] = tw.zeros(5)
    assert net.many[0].shape == (5,)
    assert net.named.pop("b").shape == (2,)
    assert net.named.get("b") is None
    assert "many.0" in dict(copy.deepcopy(net).named_parameters())
    assert "of size 5" in repr(net)
    for bad in (3, [3], ["a"], tw.ones(2)):
        with pytest.raises(TypeError, match="ParameterList"):
            nn.ParameterList(bad)
    with pytest.raises(TypeError, match="ParameterDict"):
        nn.ParameterDict({"a": 3})


def test_to_and_names_as_pytorch_scripts_call_them() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer, nn.BatchNorm1d(2))
    assert len(list(net.named_parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 6
    assert len(list(net.named_modules(remove_duplicate=False))) == 4
    assert net.get_parameter("0.weight") is layer.weight
    assert net.get_buffer("2.running_mean").shape == (2,)
    for name in ("get_parameter", "get_buffer"):
        with pytest.raises(AttributeError, match=name):
            getattr(net, name)("0.nothing")
    for arguments, options in (
        ((tw.float64,), {}),
        (("cpu", tw.float64), {}),
        ((), {"dtype": tw.float64, "device": "cpu", "non_blocking": True}),
        ((tw.zeros(1, dtype=tw.float64),), {}),
    ):
        assert net.float().to(*arguments, **options) is net
        assert layer.weight.dtype == tw.float64
    assert net.to("cpu") is net
    for bad, error in (("cuda", ValueError), (tw.int64, TypeError)):
        with pytest.raises(error, match="to"):
            net.to(bad)
    with pytest.raises(TypeError, match="to: expected"):
        net.to(colour="red")
