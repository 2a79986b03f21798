"""Export to ONNX: ONNX Runtime and ONNX's own evaluator compute what the model computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from onnx_cases import ACTIVATIONS, CASES, IMAGE, NORMS, RESHAPING, Case, Function
from tilewise import models, nn
from tilewise.nn import functional as F

onnx = pytest.importorskip("onnx")
from onnx.reference import ReferenceEvaluator  # noqa: E402

from tilewise.onnx import export  # noqa: E402
from tilewise.onnx.exporters import files  # noqa: E402
from tilewise.onnx.exporters.layers import FUNCTIONS  # noqa: E402
from tilewise.onnx.exporters.table import CONVERTERS  # noqa: E402

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

EVALUATOR = "the evaluator takes GlobalMaxPool over two dimensions alone"
UNLIKE_THE_DEFINITION = dict.fromkeys(
    ("AdaptiveMaxPool1d(1)", "GlobalMaxPool1d()", "GlobalMaxPool3d()"), EVALUATOR
)
needs_runtime = pytest.mark.skipif(onnxruntime is None, reason="needs onnxruntime")


def with_statistics(model: nn.Module) -> nn.Module:
    """Batch norms as if they had been trained: running statistics that are not 0 and 1."""
    draw = np.random.default_rng(0)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            values = draw.uniform(0.5, 1.5, buffer.shape) - (0.9 if "mean" in name else 0.0)
            buffer.copy_(tw.tensor(values).to(buffer.dtype))
    return model.eval()


def run(proto: Any, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))  # type: ignore[no-any-return]


def evaluate(proto: Any, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What the definitions of the operators say, in NumPy: slow."""
    evaluator = ReferenceEvaluator(proto)
    return evaluator.run(None, dict(zip(evaluator.input_names, arrays, strict=True)))  # type: ignore[no-any-return]


def flat(result: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(result, tw.Tensor):
        return [result.detach().numpy()]
    return [array for part in result for array in flat(part)]


def assert_equal(got: list[Any], wanted: list[Any], limit: float = 1e-4) -> None:
    """Equal dtypes and shapes; values within a share of the largest."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(float(np.abs(b).max(initial=0)), 1e-6)
        np.testing.assert_allclose(a, b, rtol=0, atol=limit * scale)


def check(model: nn.Module, case: Case, opset: int, **options: Any) -> Any:
    """Export and compare with a batch of the sample's size and another."""
    with_statistics(model)
    arrays = case.inputs(case.shapes[0][0])
    samples = tuple(tw.tensor(a) for a in arrays)
    proto = export(model, samples, opset=opset, **options)
    for batch in (2, 5):
        arrays = case.inputs(batch)
        with tw.no_grad():
            wanted = flat(model(*[tw.tensor(a) for a in arrays]))
        assert_equal(run(proto, arrays), wanted)
    return proto


@needs_runtime
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers_and_functions(case: Case) -> None:
    tw.manual_seed(3)
    check(case.build(), case, 18)


@needs_runtime
@pytest.mark.parametrize("opset", [13, 22])
@pytest.mark.parametrize("case", [*NORMS, *ACTIVATIONS, *RESHAPING], ids=lambda case: case.name)
def test_forms_that_depend_on_the_opset(case: Case, opset: int) -> None:
    if opset < case.least_opset:
        with pytest.raises(ValueError, match=f"came after opset {opset}"):
            check(case.build(), case, opset)
        return
    check(case.build(), case, opset)


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_the_evaluator_of_onnx_agrees(case: Case) -> None:
    """Slow and plain, from the definition of the operators; there where ONNX is."""
    if case.name in UNLIKE_THE_DEFINITION:
        pytest.skip(UNLIKE_THE_DEFINITION[case.name])
    model = with_statistics(case.build())
    arrays = case.inputs(2)
    proto = export(model, [tw.tensor(a) for a in arrays])
    with tw.no_grad():
        assert_equal(evaluate(proto, arrays), flat(model(*[tw.tensor(a) for a in arrays])))


def test_every_layer_has_a_row() -> None:
    """A new layer of tilewise.nn gets a converter, or its name here with the reason."""
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    layers -= {"Module", "ModuleDict", "ModuleList", "Sequential"}  # containers
    layers -= {"Buffer", "Parameter", "ParameterDict", "ParameterList"}
    assert layers - set(FUNCTIONS) == set()
    without = {name for name, function in FUNCTIONS.items() if function not in CONVERTERS}
    assert without == {
        # losses that networks in use are not exported with; the error says so
        "CosineEmbeddingLoss", "DiceLoss", "FocalLoss", "MultiLabelMarginLoss",
        "MultiLabelSoftMarginLoss", "MultiMarginLoss", "TripletMarginWithDistanceLoss",
    }  # fmt: skip


# ------------------------------------------------------------ names and options


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1),
        nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip


def operators(proto: Any) -> list[str]:
    return [node.op_type for node in proto.graph.node]


def sizes(value: Any) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_weights_keep_their_names_and_values() -> None:
    model = with_statistics(small())
    proto = export(model, tw.zeros(1, *IMAGE[1:]))
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    state = {k: v.numpy() for k, v in model.state_dict().items() if "num_batches" not in k}
    assert stored.keys() == state.keys()
    for name, values in state.items():
        np.testing.assert_array_equal(stored[name], values)
    assert proto.producer_name == "tilewise"
    assert proto.producer_version == tw.__version__


def test_inputs_and_outputs_are_named_and_typed() -> None:
    model = Function(lambda x, y: (x + y, x, (x * y).sum(0)))
    samples = (tw.zeros(3, 4), tw.zeros(3, 4))
    proto = export(model, samples)
    assert [v.name for v in proto.graph.input] == ["input0", "input1"]
    assert [v.name for v in proto.graph.output] == ["output0", "output1", "output2"]
    assert [sizes(v) for v in proto.graph.output] == [["batch", 4], ["batch", 4], [4]]
    named = export(model, samples, input_names=["a", "b"], output_names=["c", "d", "e"])
    assert [v.name for v in named.graph.input] == ["a", "b"]
    assert [v.name for v in named.graph.output] == ["c", "d", "e"]
    fixed = export(model, samples, dynamic_batch=False)
    assert [sizes(v) for v in fixed.graph.input] == [[3, 4], [3, 4]]
    with pytest.raises(ValueError, match="expected 2 different input_names"):
        export(model, samples, input_names=["a", "a"])


@needs_runtime
def test_results_that_are_inputs_weights_or_each_other() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(tw.ones(2))

        def forward(self, x: tw.Tensor) -> Any:
            y = F.relu(x)
            return x, self.weight, y, y

    x = np.array([[-1.0, 2.0]], np.float32)
    got = run(export(Shared(), tw.tensor(x)), [x])
    assert_equal(got, [x, np.ones(2, np.float32), *[np.maximum(x, 0)] * 2])


@needs_runtime
def test_folded_batch_norms() -> None:
    model = with_statistics(small())
    x = np.random.default_rng(0).standard_normal(IMAGE).astype(np.float32)
    proto = export(model, tw.tensor(x), fold_batch_norm=True)
    assert operators(proto).count("BatchNormalization") == 0
    assert {"0.weight", "0.bias"} < {t.name for t in proto.graph.initializer}
    assert_equal(run(proto, [x]), flat(model(tw.tensor(x))))
    assert "1.weight" in model.state_dict()  # the model itself stays


@needs_runtime
def test_a_batch_norm_that_something_else_reads_past_is_not_folded() -> None:
    class Past(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x: tw.Tensor) -> tw.Tensor:
            y = self.conv(x)
            return self.norm(y) + y

    model = with_statistics(Past())
    x = np.random.default_rng(0).standard_normal(IMAGE).astype(np.float32)
    proto = export(model, tw.tensor(x), fold_batch_norm=True)
    assert operators(proto).count("BatchNormalization") == 1
    assert_equal(run(proto, [x]), flat(model(tw.tensor(x))))


def test_modes_and_statistics_stay() -> None:
    model = small().train()
    model[1].eval()
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    export(model, tw.rand(*IMAGE))
    assert [m.training for m in model] == [True, False, *[True] * 6]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_float64() -> None:
    model = nn.Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten()).double()
    x = np.random.default_rng(0).standard_normal(IMAGE)
    wanted = flat(with_statistics(model)(tw.tensor(x, dtype=tw.float64)))
    assert_equal(evaluate(export(model, tw.tensor(x, dtype=tw.float64)), [x]), wanted, 1e-12)


# ------------------------------------------------------------ what cannot be exported


def test_an_operation_without_a_form_is_named() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.FractionalMaxPool2d(2, output_size=3)

        def forward(self, x: tw.Tensor) -> tw.Tensor:
            return self.pool(x)  # type: ignore[no-any-return]

    model = nn.Sequential(nn.ReLU(), Head())
    with pytest.raises(ValueError, match=r"onnx.export: .*FractionalMaxPool2d in '1.pool'.*random"):
        export(model, tw.zeros(*IMAGE))
    with pytest.raises(
        ValueError, match=r"cannot export histc in 'the model itself'.*no ONNX form"
    ):
        export(Function(tw.histc), tw.zeros(4, 3))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda x: x if x.shape[0] == 2 else x * 2, "same for every batch size"),
        (lambda x: x * (1.5 if x.shape[0] == 2 else 2.5), "depends on the batch size"),
        (lambda x: x + tw.arange(x.shape[0]).reshape(-1, 1), "constant depends on the batch size"),
        (lambda x: x[: x.shape[0] - 1], "fixed or multiples of the batch"),
        (lambda x: x[x[:, 0] > -1], "index"),
    ],
)
def test_what_a_free_batch_does_not_allow(form: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"onnx.export: .*{message}"):
        export(Function(form), tw.ones(2, 3))


def test_bad_arguments() -> None:
    x = tw.zeros(1, 4)
    with pytest.raises(TypeError, match="expected model as a Module"):
        export(F.relu, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected sample as a Tensor"):
        export(nn.ReLU(), np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="opset >= 13"):
        export(nn.ReLU(), x, opset=7)
    with pytest.raises(ValueError, match="at least one sample"):
        export(nn.ReLU(), ())
    with pytest.raises(ValueError, match="batch dimension"):
        export(nn.ReLU(), tw.zeros(()))
    export(nn.ReLU(), tw.zeros(()), dynamic_batch=False)


# ------------------------------------------------------------ files


def test_the_file_is_the_model(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    proto = export(small(), tw.zeros(*IMAGE), path)
    assert path.read_bytes() == proto.SerializeToString()
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="cannot export"):
        export(Function(tw.histc), tw.zeros(4, 3), path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


@needs_runtime
def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    model = with_statistics(nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 50)))
    path = tmp_path / "net.onnx"
    export(model, tw.zeros(1, 6), path, external_data=True)
    assert path.stat().st_size < 2000
    assert (tmp_path / "net.onnx.data").stat().st_size == 4096 + 50 * 50 * 4
    x = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    got = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"input": x}
    )
    assert_equal(got, flat(model(tw.tensor(x))))


def test_beyond_the_limit_of_protobuf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LIMIT", 2**24 + 5000)
    model = nn.Linear(50, 50)
    with pytest.raises(ValueError, match="expected a path for a model"):
        export(model, tw.zeros(1, 50))
    export(model, tw.zeros(1, 50), tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx.data").stat().st_size == 50 * 50 * 4


# ------------------------------------------------------------ networks

# Small ones, with images as small as they take; tools/export_zoo.py runs all of them.
SMALL_ZOO = {
    "lenet5": (1, 28, 28),
    "resnet20_cifar": (3, 32, 32),
    "mobilenet_v2": (3, 64, 64),
    "mobilenet_v3_small": (3, 64, 64),
    "shufflenet_v1_g3": (3, 64, 64),
    "shufflenet_v2_x0_5": (3, 64, 64),
    "squeezenet1_1": (3, 64, 64),
    "mnasnet0_5": (3, 64, 64),
    "googlenet": (3, 64, 64),
    "efficientnet_b0": (3, 64, 64),
    "wavenet": (256, 150),
}


@needs_runtime
@pytest.mark.parametrize("name", SMALL_ZOO)
def test_networks(name: str) -> None:
    tw.manual_seed(0)
    case = Case(name, nn.Identity, ((2, *SMALL_ZOO[name]),))
    check(models.create(name), case, 18)


@needs_runtime
def test_normalised_weights_have_the_names_that_they_would_have_without() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(tw.randn(4, 3, 3, 3))

        def forward(self, x: tw.Tensor) -> tw.Tensor:
            return F.conv2d(x, self.weight)

    layers = [nn.Conv2d(3, 3, 3), Own(), nn.Conv2d(4, 2, 1, bias=False)]
    net = nn.Sequential(*[nn.utils.weight_norm(layer) for layer in layers])
    with tw.no_grad():
        for module in net:
            module.weight_g.mul_(1.5)
    x = tw.randn(3, 3, 8, 8)
    proto = export(net, x)
    names = {initializer.name for initializer in proto.graph.initializer}
    assert names == {"0.weight", "0.bias", "1.weight", "2.weight"}
    assert_equal(run(proto, [x.numpy()]), flat(net(x)))
