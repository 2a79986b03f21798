"""Summaries: rows, totals, the ways to print them, and the commands."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

import tilewise as tw
from tilewise import cli, models, nn
from tilewise.nn import functional as F


class Branches(nn.Module):
    """Functions, a shared layer, a parameter of its own, a part that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.mix = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(tw.ones(1))
        self.unused = nn.Linear(5, 5)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        x = F.relu(self.norm(self.conv(x)))
        x = x + self.mix(self.mix(x)) * self.scale
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


def test_rows_and_totals() -> None:
    model = Branches()
    model.conv.weight.requires_grad_(False)
    found = tw.summary(model, (3, 8, 10), batch=2)
    rows = {layer.name: layer for layer in found.layers}
    assert list(rows) == [
        "conv", "norm", "relu", "mix", "mix:2", "mul", "add", "adaptive_avg_pool2d", "flatten",
    ]  # fmt: skip
    conv = rows["conv"]
    assert (conv.trainable, conv.frozen, conv.statistics) == (4, 108, 0)
    assert (rows["norm"].trainable, rows["norm"].statistics) == (8, 8)
    assert (rows["mix"].parameters, rows["mix:2"].parameters, rows["mul"].parameters) == (20, 0, 1)
    assert conv.output_shape == (2, 4, 8, 10)
    assert conv.multiply_adds == 2 * 80 * 108
    assert rows["mix:2"].multiply_adds == 2 * 80 * 16
    assert conv.activation_bytes == 4 * 2 * 4 * 80
    assert (conv.receptive_field, conv.jump) == ((3, 3), (1, 1))
    assert len(conv.algorithms) == 3
    why = tw.explain_conv((2, 3, 8, 10), (4, 3, 3, 3), padding=1)
    assert conv.algorithms == tuple(d.algorithm for d in why.directions)
    totals = found.totals
    assert (totals.trainable, totals.frozen, totals.statistics) == (4 + 8 + 20 + 1 + 30, 108, 8)
    assert totals.unused == 30
    assert totals.input_bytes == 4 * 2 * 3 * 80
    assert "30 of parts that did not run" in str(found)


def test_the_batch_scales() -> None:
    one, many = (tw.summary(models.create("lenet5"), (1, 28, 28), batch=n) for n in (1, 50))
    assert many.totals.multiply_adds == 50 * one.totals.multiply_adds
    assert many.totals.activation_bytes == 50 * one.totals.activation_bytes
    assert many.totals.parameters == one.totals.parameters == 1_256_080
    assert [x.output_shape for x in many.layers] == [(50, *x.output_shape[1:]) for x in one.layers]


def test_shapes_of_the_rows_are_those_of_a_run() -> None:
    model = models.create("shufflenet_v2_x0_5").eval()
    found = tw.summary(model, (3, 64, 64), batch=3)
    graph = tw.graph.trace(model, tw.rand(3, 3, 64, 64))
    assert [x.output_shape for x in found.layers] == [n.outputs[0].shape for n in graph.nodes]


def test_several_inputs_and_tensors() -> None:
    class Two(nn.Module):
        def forward(self, a: tw.Tensor, b: tw.Tensor) -> tw.Tensor:
            return a + b.flatten(1).mean(1).reshape(-1, 1, 1, 1)

    by_shape = tw.summary(Two(), [(1, 4, 4), (7,)], batch=3)
    by_tensor = tw.summary(Two(), [tw.ones(2, 1, 4, 4), tw.ones(2, 7)], batch=3)
    assert by_shape.input_shapes == by_tensor.input_shapes == ((3, 1, 4, 4), (3, 7))
    assert str(by_shape) == str(by_tensor)


def test_keras_style_is_the_lectures_table() -> None:
    text = str(tw.summary(models.create("fashion_cnn"), (1, 28, 28), style="keras"))
    lines = [line for line in text.splitlines() if not set(line) <= {"_", "="}]
    assert lines[0] == 'Model: "FashionCNN"'
    assert lines[2].split() == ["conv2d", "(Conv2d)", "(None,", "32,", "28,", "28)", "320"]
    assert lines[-3:] == [
        "Total params: 1,679,082",
        "Trainable params: 1,677,674",
        "Non-trainable params: 1,408",
    ]
    assert max(map(len, text.splitlines())) == 65


def test_torchsummary_style_has_that_packages_numbers() -> None:
    """The numbers that torchsummary prints for torchvision's ResNet-18."""
    with nn.init.skip():
        model = models.create("resnet18").eval()
    lines = str(tw.summary(model, (3, 224, 224), style="torchsummary")).splitlines()
    assert lines[3] == "            Conv2d-1         [-1, 64, 112, 112]           9,408"
    assert "       BasicBlock-11           [-1, 64, 56, 56]               0" in lines
    assert "           Linear-68                 [-1, 1000]         513,000" in lines
    assert lines[-9:-1] == [
        "Total params: 11,689,512",
        "Trainable params: 11,689,512",
        "Non-trainable params: 0",
        "-" * 64,
        "Input size (MB): 0.57",
        "Forward/backward pass size (MB): 62.79",
        "Params size (MB): 44.59",
        "Estimated Total Size (MB): 107.96",
    ]


def test_json_and_markdown() -> None:
    found = tw.summary(models.create("lenet5"), (1, 28, 28), style="json")
    record = json.loads(str(found))
    assert record["totals"]["trainable"] == 1_256_080
    assert [row["type"] for row in record["layers"]][:3] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert record["memory"]["training_peak"] > record["memory"]["inference_peak"]
    table = found.to_markdown().splitlines()
    assert len({line.count("|") for line in table[: len(found.layers) + 2]}) == 1


def test_rich() -> None:
    console = pytest.importorskip("rich.console")
    screen = console.Console(width=160, record=True, file=io.StringIO())
    screen.print(tw.summary(models.create("lenet5"), (1, 28, 28)))
    text = screen.export_text()
    assert "classifier" in text
    assert "1,256,080" in text


def test_an_auxiliary_head_is_there_in_training_only() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.aux = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: tw.Tensor) -> Any:
            x = self.body(x)
            return (x, self.aux(x)) if self.training else x

    model = Head()
    assert [x.name for x in tw.summary(model, (4,)).layers] == ["body", "aux"]
    assert [x.name for x in tw.summary(model.eval(), (4,)).layers] == ["body"]
    assert not model.training


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("model", (3, 8, 8)), TypeError, "expected model as a Module"),
        ((nn.ReLU(), 8), TypeError, "expected input_shape as a shape"),
        ((nn.ReLU(), (3, -1)), ValueError, "expected input_shape >= 1"),
        ((nn.ReLU(), (3, 8), 0), ValueError, "expected batch >= 1"),
        ((nn.ReLU(), (3, 8), 1, "html"), ValueError, "expected style .*html"),
        ((nn.Conv2d(4, 1, 3), (3, 8, 8)), ValueError, "conv2d: "),
    ],
)
def test_errors(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tw.summary(*arguments)


# ------------------------------------------------------------------ commands


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    printed = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, printed.out, printed.err


def test_summary_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "summary", "lenet5", "--batch", "8")
    assert code == 0
    assert out.splitlines()[0] == "LeNet5, input 8×1×28×28"
    code, out, _ = run(capsys, "summary", "resnet20_cifar", "--input", "1x24x20", "--style", "json")
    assert (code, json.loads(out)["input_shapes"]) == (0, [[1, 1, 24, 20]])
    code, out, _ = run(capsys, "summary", "lenet5", "--receptive-field")
    assert (code, out.splitlines()[0].split()[:2]) == (0, ["layer", "map"])
    code, out, _ = run(capsys, "summary", "lenet5", "--memory", "--optimizer", "momentum")
    assert code == 0
    assert "state of momentum" in out


def test_models_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "models", "resnet*")
    assert code == 0
    assert {"resnet18", "resnet152"} <= {line.split()[0] for line in out.splitlines()}
    row = next(line.split() for line in out.splitlines() if line.startswith("resnet50 "))
    assert row[1:3] == ["25,557,032", "50"]
    assert run(capsys, "models", "squeeze")[1].splitlines()[-1].startswith("squeezenet1_1")
    records = json.loads(run(capsys, "models", "--json")[1])
    assert len(records) == len(models.available())
    assert "Deep residual learning" in run(capsys, "models", "resnet18", "--sources")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("summary", "nope"), 1, "got 'nope'"),
        (("summary", "lenet5", "--input", "3y4"), 2, "expected sizes such as 3x224x224"),
        (("summary", "lenet5", "--input", "3x0x4"), 2, "expected sizes above 0"),
        (("summary", "lenet5", "--optimizer", "nope"), 1, "expected optimizer one of"),
        (("summary", "mlp", "--input", "9"), 1, "linear: "),
        (("models", "zzz"), 2, "no network is named like 'zzz'"),
    ],
)
def test_commands_say_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    left, out, error = run(capsys, *arguments)
    assert (left, out) == (code, "")
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("command", ["models", "summary"])
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Examples:" in out


def test_multiply_adds_of_other_layers() -> None:
    cases: list[tuple[nn.Module, tuple[int, ...], int]] = [
        (nn.ConvTranspose2d(3, 5, 2, 2), (3, 4, 4), 16 * 3 * 5 * 4),
        (nn.Conv2d(4, 8, 3, groups=2), (4, 5, 5), 9 * 8 * 2 * 9),
        (nn.Linear(6, 7), (6,), 42),
        (nn.Conv1d(2, 3, 5, stride=2), (2, 9), 3 * 3 * 10),
        (nn.MaxPool2d(2), (3, 4, 4), 0),
    ]
    for model, shape, count in cases:
        assert tw.summary(model, shape).totals.multiply_adds == count

    class Products(nn.Module):
        def forward(self, x: tw.Tensor) -> tw.Tensor:
            return x @ x.transpose(1, 2)

    assert tw.summary(Products(), (3, 5)).totals.multiply_adds == 3 * 3 * 5
