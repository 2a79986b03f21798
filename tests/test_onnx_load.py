"""ONNX graphs as modules: what they compute, what trains, what things are called."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnx_models
import tilewise as tw
from helpers import requires_onnx
from tilewise import functional as F
from tilewise import nn, optim

pytestmark = requires_onnx


def load(proto: Any) -> Any:
    from tilewise.onnx import load

    return load(proto)


class Twin(nn.Module):
    """The network of `onnx_models.cnn`, written by hand."""

    def __init__(self, p: float = 0.25) -> None:
        super().__init__()
        self.features = nn.Module()
        self.features.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.features.bn = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        self.p = p

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        y = F.relu(self.features.bn(self.features.conv(x)))
        y = F.dropout(y, self.p, self.training)
        return self.head(F.global_avg_pool(y).flatten(1))


def pair(opset: int = 17) -> tuple[Any, Twin]:
    twin = Twin()
    twin.load_state_dict(onnx_models.weights(), strict=False)
    return load(onnx_models.cnn(opset)), twin.eval()


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
def test_computes_what_the_same_module_does(opset: int) -> None:
    loaded, twin = pair(opset)
    for batch in (1, 4):  # the graph's own arithmetic on shapes keeps the batch
        x = tw.randn(batch, 3, 8, 8)
        np.testing.assert_allclose(loaded(x).detach(), twin(x).detach(), rtol=1e-5, atol=1e-6)


def test_state_has_the_names_of_the_file() -> None:
    loaded, twin = pair()
    names = set(onnx_models.SHAPES)
    assert set(loaded.state_dict()) == names
    assert {name for name, _ in loaded.named_parameters()} == {
        name for name in names if "running" not in name
    }
    assert all(p.requires_grad for p in loaded.parameters())
    for name, value in onnx_models.weights().items():
        np.testing.assert_array_equal(loaded.state_dict()[name].numpy(), value)
    missing = twin.load_state_dict(loaded.state_dict(), strict=False)
    assert missing.unexpected_keys == []


def test_trains_as_the_same_module_does() -> None:
    loaded, twin = pair()
    loaded.train()
    twin.train()
    optimizers = [optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (loaded, twin)]
    labels = tw.arange(18) % 3
    x = 0.3 * tw.randn(18, 3, 8, 8) + F.one_hot(labels, 3).reshape(18, 3, 1, 1)
    losses = []
    for step in range(20):
        for module, optimizer in zip((loaded, twin), optimizers, strict=True):
            tw.manual_seed(step)  # the same dropout in both
            loss = F.cross_entropy(module(x), labels)
            optimizer.zero_grad()
            loss.backward()
            losses.append(loss.item())
        theirs = dict(twin.named_parameters())
        for name, parameter in loaded.named_parameters():
            np.testing.assert_allclose(
                parameter.grad.numpy(), theirs[name].grad.numpy(), rtol=2e-3, atol=1e-5
            )
        for optimizer in optimizers:
            optimizer.step()
    assert losses[-2] < 0.6 * losses[0]
    for name, buffer in loaded.named_buffers():
        if "running" in name:
            found = dict(twin.named_buffers())[name].numpy()
            np.testing.assert_allclose(buffer.numpy(), found, rtol=1e-3, atol=1e-5)


def test_train_and_eval_switch_batch_norm_and_dropout() -> None:
    loaded, _ = pair()
    assert not loaded.training
    x = tw.randn(6, 3, 8, 8)
    before = {k: v.numpy().copy() for k, v in loaded.state_dict().items()}
    first, again = loaded(x).detach().numpy(), loaded(x).detach().numpy()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(
        loaded.state_dict()["features.bn.running_mean"].numpy(), before["features.bn.running_mean"]
    )
    loaded.train()
    one, two = loaded(x).detach().numpy(), loaded(x).detach().numpy()
    assert not np.array_equal(one, two), "dropout drops nothing"
    after = loaded.state_dict()["features.bn.running_mean"].numpy()
    assert not np.array_equal(after, before["features.bn.running_mean"])
    loaded.eval().load_state_dict(before)
    np.testing.assert_array_equal(loaded(x).detach().numpy(), first)


@pytest.mark.parametrize("training", [False, True])
def test_fused_nodes_have_the_bits_of_separate_ones(training: bool) -> None:
    """A ReLU runs in the convolution or batch norm before it, unless others read that too."""
    results = []
    for outputs in (["y"], ["y", "c", "n"]):
        proto = onnx_models.cnn()
        proto.graph.node[1].input[0] = "q"
        proto.graph.node.insert(1, onnx_models.node("Relu", ["c"], ["q"]))
        for name in outputs[1:]:
            proto.graph.output.add(name=name)
        module = load(proto).train(training)
        assert len(module._graph.nodes) == (9 if outputs == ["y"] else 11)
        tw.manual_seed(0)
        x = tw.rand(2, 3, 8, 8).requires_grad_()
        given = module(x)
        y = given if outputs == ["y"] else given[0]
        (y * y).sum().backward()
        results.append([y, x.grad, *(p.grad for p in module.parameters()), *module.buffers()])
    for fused, separate in zip(*results, strict=True):
        np.testing.assert_array_equal(fused.detach(), separate.detach())


def test_gradients_in_float64() -> None:
    from tilewise.autograd.gradcheck import gradcheck

    loaded = load(onnx_models.cnn()).double()
    x = tw.randn(2, 3, 8, 8, dtype=tw.float64)
    weight = loaded.get_parameter("features.conv.weight")
    assert gradcheck(lambda x, w: loaded(x), (x.requires_grad_(), weight))


GRADIENTS = {
    "asymmetric conv": ("Conv", {"pads": [0, 1, 2, 1], "strides": [2, 1]}, [(3, 2, 3, 2)]),
    "same_upper conv": ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [(3, 2, 3, 3)]),
    "transposed, cut": (
        "ConvTranspose",
        {"pads": [1, 0, 0, 2], "strides": [2, 3], "output_padding": [1, 0]},
        [(2, 3, 3, 3), (3,)],
    ),
    "deformable": ("DeformConv", {"pads": [1] * 4}, [(4, 2, 3, 3), (1, 18, 5, 5), (4,)]),
    "causal": ("CausalConvWithState", {"activation": "silu"}, [(2, 1, 3), (2,)]),
    "asymmetric mean": ("AveragePool", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1]}, []),
    "dilated mean": ("AveragePool", {"kernel_shape": [2, 2], "dilations": [2, 2]}, []),
    "ceil max": (
        "MaxPool",
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 0], "ceil_mode": 1},
        [],
    ),
    "p-norms": ("LpPool", {"kernel_shape": [2, 2], "p": 3, "pads": [1, 0, 0, 0]}, []),
    "even window": ("LRN", {"size": 2}, []),
    "group norm": ("GroupNormalization", {"num_groups": 2}, [(2,), (2,)]),
    "rms norm": ("RMSNormalization", {"axis": 2}, [(5, 5)]),
    "layer norm, broadcast": ("LayerNormalization", {"axis": 1}, [(5,), (5,)]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_what_is_composed(name: str) -> None:
    """Operators that are more than one call of a function that has been tested elsewhere."""
    from tilewise.autograd.gradcheck import gradcheck

    op, attributes, shapes = GRADIENTS[name]
    rng = np.random.default_rng(3)
    x = (1, 2, 6) if op.startswith("Causal") else (1, 2, 5, 5)
    inputs = {"x": x, **{f"w{i}": s for i, s in enumerate(shapes)}}
    outputs = ["y", "state"] if op.startswith("Causal") else ["y"]
    node = onnx_models.node(op, list(inputs), outputs, **attributes)
    module = load(onnx_models.model([node], inputs, ["y"], opset=27))
    # Offsets of deformable convolutions stay away from whole pixels, where the slope jumps.
    values = [tw.tensor(rng.uniform(0.1, 0.45, s), requires_grad=True) for s in inputs.values()]
    values[0] = tw.tensor(rng.permutation(np.arange(np.prod(x))).reshape(x) / 7.0 - 2.03)
    values[0].requires_grad_()
    assert gradcheck(module, values)


RESIZES = {
    "cubic, antialias": {"mode": "cubic", "antialias": 1},
    "linear, outside": {"mode": "linear", "exclude_outside": 1},
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "crop": {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
}


@pytest.mark.parametrize("name", RESIZES)
def test_gradients_of_resize(name: str) -> None:
    from tilewise.autograd.gradcheck import gradcheck

    node = onnx_models.node("Resize", ["x", "roi", "", "sizes"], ["y"], **RESIZES[name])
    tensors = {"roi": np.float32([0, 0, 0.1, 0.2, 1, 1, 0.8, 1.3]), "sizes": np.array([1, 2, 3, 7])}
    module = load(onnx_models.model([node], {"x": (1, 2, 5, 5)}, ["y"], tensors, 19))
    assert gradcheck(module, (tw.randn(1, 2, 5, 5, dtype=tw.float64).requires_grad_(),))


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5"])
def test_an_exported_network_trains_on(name: str, tmp_path: Path) -> None:
    """Out and in again: the same names, the same outputs, the same step of training."""
    from tilewise import models
    from tilewise.onnx import export

    network = models.create(name, num_classes=10).eval()
    images, labels = tw.randn(3, 3, 48, 48), tw.tensor([1, 5, 7])
    export(network, images[:2], tmp_path / "n.onnx")
    loaded = load(tmp_path / "n.onnx")
    names = dict(network.named_parameters())
    assert dict(loaded.named_parameters()).keys() == names.keys()
    np.testing.assert_allclose(
        loaded(images).detach(), network(images).detach(), rtol=1e-4, atol=1e-5
    )
    for module in (network, loaded):
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        F.cross_entropy(module(images), labels).backward()
    for key, parameter in loaded.named_parameters():
        scale = float(np.abs(names[key].grad.numpy()).max()) + 1e-6
        np.testing.assert_allclose(
            parameter.grad.numpy(), names[key].grad.numpy(), rtol=1e-3, atol=1e-4 * scale
        )
    # Batch norm with the statistics of the batch; dropout draws the same from the same seed.
    outputs = []
    for module in (network.train(), loaded.train()):
        tw.manual_seed(1)
        outputs.append(module(images).detach())
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-3, atol=1e-4)


def test_names_where_the_file_has_none() -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "onnx::Conv_12": rng.normal(size=(2, 1, 1, 1)).astype(np.float32),
        "13": np.ones(2, np.float32),
        "forward": np.ones((2, 2), np.float32),
        "a": np.ones(2, np.float32),
        "a.b": np.ones(2, np.float32),
    }
    nodes = [
        onnx_models.node(
            "Conv", ["x", "onnx::Conv_12", "13"], ["c"], name="/layer1/layer1.0/conv1/Conv"
        ),
        onnx_models.node("MatMul", ["c", "forward"], ["m"]),
        onnx_models.node("Add", ["m", "a"], ["n"]),
        onnx_models.node("Mul", ["n", "a.b"], ["y"]),
    ]
    module = load(onnx_models.model(nodes, {"x": (1, 1, 2, 2)}, ["y"], tensors))
    expected = {"layer1.0.conv1.weight", "layer1.0.conv1.bias", "forward_", "a", "a_.b"}
    assert set(module.state_dict()) == expected
    assert module(tw.ones(1, 1, 2, 2)).shape == (1, 2, 2, 2)


def test_single_numbers_and_integers_do_not_train() -> None:
    nodes = [
        onnx_models.node("Mul", ["x", "half"], ["m"]),
        onnx_models.node("Sub", ["m", "mean"], ["n"]),
        onnx_models.node("Transpose", ["w"], ["t"], perm=[1, 0]),
        onnx_models.node("MatMul", ["n", "t"], ["y"]),
    ]
    tensors = {
        "half": np.float32(0.5),
        "mean": np.ones(3, np.float32),
        "w": np.ones((2, 3), np.float32),
    }
    module = load(onnx_models.model(nodes, {"x": (1, 3)}, ["y"], tensors))
    assert list(module.state_dict()) == ["w"]
    module.double()  # constants follow
    assert module(tw.ones(1, 3, dtype=tw.float64)).dtype == tw.float64


def test_copies_are_independent() -> None:
    loaded, _ = pair()
    twin = copy.deepcopy(loaded)
    x = tw.randn(2, 3, 8, 8)
    before = loaded(x).detach().numpy()
    with tw.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not twin(x).detach().numpy().any()
    np.testing.assert_array_equal(loaded(x).detach().numpy(), before)
    twin.train()
    assert not loaded.training


def test_arguments_are_checked() -> None:
    loaded, _ = pair()
    x = tw.randn(2, 3, 8, 8)
    np.testing.assert_array_equal(loaded(x=x).detach(), loaded(x.numpy()).detach())
    assert "opset 17" in repr(loaded)
    assert str(loaded.inputs[0]) == "x: float32 (N, 3, 8, 8)"
    with pytest.raises(ValueError, match=r"\['x'\] are missing"):
        loaded()
    with pytest.raises(ValueError, match="expected 1 inputs"):
        loaded(x, x)
    with pytest.raises(ValueError, match="expected 'x' of shape"):
        loaded(x[0])
    with pytest.raises(ValueError, match="expected 'x' as float32, got int64"):
        loaded(tw.ones(2, 3, 8, 8, dtype=tw.int64))
    with pytest.raises(ValueError, match=r"Conv node 'Conv_0' on \(float32 \(2, 4, 8, 8\)"):
        loaded(tw.ones(2, 4, 8, 8))
    with pytest.raises(TypeError, match="expected a path, bytes"):
        load(3)


def test_branches_loops_and_functions() -> None:
    from onnx import helper

    double = helper.make_graph(
        [onnx_models.node("Add", ["x", "x"], ["twice"])], "t", [], [_value("twice")]
    )
    same = helper.make_graph(
        [onnx_models.node("Identity", ["x"], ["once"])], "e", [], [_value("once")]
    )
    body = helper.make_graph(
        [
            onnx_models.node("Mul", ["carried", "two"], ["next"]),
            onnx_models.node("Identity", ["going"], ["goes"]),
            onnx_models.node("Identity", ["carried"], ["row"]),
        ],
        "b",
        [_value("i"), _value("going"), _value("carried")],
        [_value("goes"), _value("next"), _value("row")],
    )
    nodes = [
        onnx_models.node("ReduceSum", ["x"], ["total"], keepdims=0),
        onnx_models.node("Greater", ["total", "zero"], ["positive"]),
        onnx_models.node("If", ["positive"], ["picked"], then_branch=double, else_branch=same),
        onnx_models.node("Loop", ["trips", "", "picked"], ["last", "rows"], body=body),
    ]
    tensors = {"zero": np.float32(0), "two": np.float32(2), "trips": np.array(3)}
    module = load(onnx_models.model(nodes, {"x": (2,)}, ["last", "rows"], tensors))
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    last, rows = module(x)
    np.testing.assert_array_equal(last.detach(), [16, 32])
    np.testing.assert_array_equal(rows.detach(), [[2, 4], [4, 8], [8, 16]])
    last.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [16, 16])
    np.testing.assert_array_equal(module(-x.detach())[0], [-8, -16])


def _value(name: str) -> Any:
    import onnx

    return onnx.ValueInfoProto(name=name)


def test_external_data_beside_the_file(tmp_path: Path) -> None:
    import onnx

    proto = onnx_models.cnn()
    onnx.save_model(
        proto, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    x = tw.randn(1, 3, 8, 8)
    expected = load(onnx_models.cnn())(x).detach()
    np.testing.assert_array_equal(load(tmp_path / "m.onnx")(x).detach(), expected)
    with pytest.raises(ValueError, match="load a path"):
        load((tmp_path / "m.onnx").read_bytes())


def test_run_node_and_devices() -> None:
    from tilewise.onnx import Backend

    a = np.float32([[1, 2], [3, 4]])
    (y,) = Backend.run_node(onnx_models.node("Softmax", ["a"], ["y"], axis=0), [a])
    np.testing.assert_allclose(y.sum(0), 1, rtol=1e-6)
    assert not Backend.supports_device("CUDA")
    with pytest.raises(ValueError, match="expected device CPU"):
        Backend.prepare(onnx_models.cnn(), "CUDA:0")


def test_the_package_is_named_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import tilewise.onnx as o\n"
        "for name in ('load', 'Backend'):\n"
        "    try: getattr(o, name)(b'')\n"
        "    except ImportError as error: assert \"pip install 'tilewise[onnx]'\" in str(error)\n"
        "    else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16"])
def test_16_bit_graphs_compute_in_float32(kind: str) -> None:
    """Weights and inputs are widened; the backend gives the type that the file names."""
    import onnx

    from tilewise.onnx import Backend

    number = getattr(onnx.TensorProto, kind)
    narrow = onnx.helper.tensor_dtype_to_np_dtype(number)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(narrow) for shape in ((2, 3, 6, 6), (4, 3, 3, 3)))
    value = onnx.helper.make_tensor_value_info
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx_models.node("Conv", ["x", "w"], ["c"]), onnx_models.node("Relu", ["c"], ["y"])],
            "half",
            [value("x", number, (2, 3, 6, 6))],
            [value("y", number, (2, 4, 4, 4))],
            [onnx.numpy_helper.from_array(w, "w")],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 22)],
    )
    wide, weight = (tw.from_numpy(array.astype(np.float32)) for array in (x, w))
    want = nn.functional.conv2d(wide, weight).relu().detach().numpy()
    module = load(proto)
    assert {p.dtype for p in module.parameters()} == {tw.float32}
    for given in (x, wide):
        np.testing.assert_array_equal(module(given).detach().numpy(), want)
    (y,) = Backend.run_model(proto, [x])
    assert y.dtype == narrow
    np.testing.assert_array_equal(y, want.astype(narrow))
