"""Memory known before the run, against what the pool counts when the network runs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tilewise as tw
from tilewise import _core, models, nn, optim
from tilewise.analysis.kept import kept_letters
from tilewise.analysis.kinds import kind_of
from tilewise.analysis.memory import _Run
from tilewise.analysis.steps import Plan
from tilewise.analysis.traced import trace_batch
from tilewise.nn import functional as F


def in_use() -> int:
    gc.collect()
    return int(_core.memory_stats()["in_use"])


@pytest.mark.parametrize("count", [0, 1, 64, 500, 512, 513, 1000, 4096, 5000, 1 << 20, 1_000_001])
def test_blocks_are_the_pools(count: int) -> None:
    before = in_use()
    array = _core.Array.empty((count,), _core.DType.uint8)
    assert in_use() - before == _core.block_bytes(count)
    del array


# ------------------------------------------------------------------ what the tape keeps

CHANNELS = 8
OPS: dict[str, Callable[[tw.Tensor], Any]] = {
    name: getattr(F, name)
    for name in (
        "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "hardswish",
        "hardsigmoid", "hardtanh", "softplus", "sigmoid", "tanh", "logsigmoid",
    )
}  # fmt: skip
OPS |= {
    "neg": lambda x: -x,
    "exp": tw.exp,
    "sqrt": lambda x: (x * x + 1).sqrt(),
    "square": tw.square,
    "add": lambda x: x + tw.relu(x),
    "add a number": lambda x: x + 1.0,
    "sub": lambda x: tw.relu(x) - x,
    "mul": lambda x: x * tw.sigmoid(x),
    "mul by a number": lambda x: x * 2.0,
    "div": lambda x: x / (tw.sigmoid(x) + 1.0),
    "maximum": lambda x: tw.maximum(x, tw.relu(x)),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 3),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 3),
    "mean": lambda x: x.mean((2, 3)),
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "local_response_norm": lambda x: F.local_response_norm(x, 5),
    "cat": lambda x: tw.cat([x, tw.relu(x)], 1),
    "chunk": lambda x: tw.cat(list(reversed(x.chunk(2, 1))), 1),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1)),
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 2),
    "glu": lambda x: F.glu(x, 1),
    "dropout": lambda x: F.dropout(x, 0.5),
    "squeeze-and-excite": lambda x: x * tw.sigmoid(F.adaptive_avg_pool2d(x, 1)),
    "getitem": lambda x: x[:, :, ::2, ::2] + 1.0,
}
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Conv2d": lambda: nn.Conv2d(CHANNELS, 12, 3),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(CHANNELS, 4, 2, 2),
    "BatchNorm2d": lambda: nn.BatchNorm2d(CHANNELS),
    "GroupNorm": lambda: nn.GroupNorm(2, CHANNELS),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(CHANNELS),
    "PReLU": nn.PReLU,
    "ReLU in place": lambda: nn.ReLU(inplace=True),
    "Dropout2d": nn.Dropout2d,
    "frozen Conv2d": lambda: nn.Conv2d(CHANNELS, 12, 3).requires_grad_(False),
    "Conv2d, ReLU": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 12, 3), nn.ReLU()),
    "Conv2d, ReLU, BatchNorm2d": lambda: nn.Sequential(
        nn.Conv2d(CHANNELS, 12, 3), nn.ReLU(), nn.BatchNorm2d(12)
    ),
    "Conv2d, BatchNorm2d, ReLU": lambda: nn.Sequential(
        nn.Conv2d(CHANNELS, 12, 3), nn.BatchNorm2d(12), nn.ReLU()
    ),
    "BatchNorm2d, ReLU": lambda: nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.ReLU()),
    "Flatten, Linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * 32 * 32, 7)),
}


class After(nn.Module):
    """An operation on what a convolution made, so that it has a gradient to send."""

    def __init__(self, op: Callable[[tw.Tensor], Any]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS, 1)
        self.op = op

    def forward(self, x: tw.Tensor) -> Any:
        return self.op(self.first(x))


@pytest.mark.parametrize("name", [*OPS, *LAYERS])
def test_the_rows_say_what_the_tape_keeps(name: str) -> None:
    batch = 6
    model = After(OPS[name] if name in OPS else LAYERS[name]())
    plan = Plan(trace_batch("test", model, (3, 32, 32), batch, training=True), training=True)
    assert not plan.assumed
    run = _Run(plan, 0)
    inputs = run.heap.live
    run.forward()
    x = tw.rand(batch, 3, 32, 32)
    model(x)  # what is made once
    before = in_use()
    y = model(x)
    held = in_use() - before
    told = run.heap.live - inputs
    assert abs(told - held) <= 0.01 * held + 4096, f"told {told}, held {held}"
    del y


def test_functions_of_one_number_have_rows() -> None:
    graph = tw.graph.trace(lambda x: F.silu(tw.relu(x)), tw.ones(2))
    assert [kept_letters(kind_of(node)) for node in graph.nodes] == ["y", "x"]


# ------------------------------------------------------------------ peaks


def plain(width: int) -> nn.Module:
    """VGG's pattern."""
    layers: list[nn.Module] = []
    channels = 3
    for block in range(4):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width << block, 3, padding=1), nn.ReLU()]
            channels = width << block
        layers.append(nn.MaxPool2d(2))
    tail = [nn.Flatten(), nn.Linear(channels * 4, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 10)]
    return nn.Sequential(*layers, *tail)


def normalised(width: int) -> nn.Module:
    """The same with weights that are made before each pass."""
    model = plain(width)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.utils.weight_norm(layer)
    return model


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "LeNet-5": (lambda: models.create("lenet5"), (1, 28, 28), 48),
    "Fashion-MNIST CNN": (lambda: models.create("fashion_cnn"), (1, 28, 28), 32),
    "ResNet-20": (lambda: models.create("resnet20_cifar"), (3, 32, 32), 16),
    "VGG-like": (lambda: plain(16), (3, 32, 32), 24),
    "weight norm": (lambda: normalised(32), (3, 32, 32), 2),
    "SqueezeNet": (lambda: models.create("squeezenet1_1", num_classes=10), (3, 64, 64), 8),
    "MobileNetV2": (lambda: models.create("mobilenet_v2", num_classes=10), (3, 64, 64), 4),
    "ShuffleNet": (lambda: models.create("shufflenet_v2_x0_5", num_classes=10), (3, 64, 64), 8),
}


def measured(model: nn.Module, shape: tuple[int, ...], batch: int, make: Any, base: int) -> Any:
    """The peaks of the third training step and of the second inference, above `base`."""
    x, target = tw.rand(batch, *shape), tw.zeros(batch, dtype=tw.int64)
    optimizer = make(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()

    def peak(run: Callable[[], Any]) -> int:
        _core.reset_peak_memory()
        result = run()
        del result
        return int(_core.memory_stats()["peak_in_use"]) - base

    step()
    training = peak(step)
    optimizer.zero_grad()
    optimizer.state.clear()
    model.eval()
    with tw.no_grad():
        model(x)
        inference = peak(lambda: model(x))
    return training, inference


@pytest.mark.parametrize("name", NETWORKS)
def test_the_peaks_are_within_a_tenth(name: str) -> None:
    make, shape, batch = NETWORKS[name]
    tw.set_num_threads(1)
    told = tw.memory_estimate(make(), shape, batch, "adamw")
    base = in_use()
    training, inference = measured(make(), shape, batch, optim.AdamW, base)
    assert 0.9 <= told.training_peak / training <= 1.1, f"{training}\n{told}"
    assert 0.9 <= told.inference_peak / inference <= 1.1, f"{inference}\n{told}"


# Three training steps, or two passes of inference; prints by how much the process grew, at most.
GROWTH = """
import sys
import tilewise as tw
from tilewise import models, optim
from tilewise.nn import functional as F

def resident(name):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))

def run(model, x, training):
    optimizer = optim.AdamW(model.parameters())
    for _ in range(3):
        if training:
            optimizer.zero_grad()
            F.cross_entropy(model(x), tw.zeros(len(x), dtype=tw.int64)).backward()
            optimizer.step()
        else:
            with tw.no_grad():
                model.eval()(x)

name, batch, side, training = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
tw.set_num_threads(1)
run(models.create("resnet20_cifar"), tw.rand(1, 3, 8, 8), training)  # what is loaded once
before = resident("VmRSS")
run(models.create(name, num_classes=10), tw.rand(batch, 3, side, side), training)
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("name", "batch", "side"),
    [("resnet20_cifar", 128, 32), ("squeezenet1_1", 16, 96), ("mobilenet_v2", 16, 64)],
)
def test_the_process_grows_by_the_estimate_and_the_pools_slack(
    name: str, batch: int, side: int, training: bool
) -> None:
    told = tw.memory_estimate(models.create(name, num_classes=10), (3, side, side), batch, "adamw")
    peak = told.training_peak if training else told.inference_peak
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, name, str(batch), str(side), str(training)],
        capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    # What stood before, and the pool had in store, serves too: a few MiB.
    assert 0.9 * peak - (8 << 20) <= int(done.stdout) <= 1.1 * peak + (64 << 20), str(told)


@pytest.mark.parametrize(
    ("optimizer", "name", "states"),
    [
        ("sgd", "sgd", 0),
        ("momentum", "momentum", 1),
        ("adamw", "adamw", 2),
        (lambda p: optim.Adam(p, amsgrad=True), "<lambda>", 3),
        (optim.Lion, "Lion", 1),
        (None, "", 0),
    ],
)
def test_the_state_of_optimizers(optimizer: Any, name: str, states: int) -> None:
    told = tw.memory_estimate(nn.Linear(32, 32), (32,), 4, optimizer)
    assert told.optimizer == name
    assert told.optimizer_state == states * told.gradients
    assert told.gradients == _core.block_bytes(4 * 32 * 32) + _core.block_bytes(4 * 32)


def test_an_optimizer_stands_for_its_class_and_options() -> None:
    model = nn.Linear(32, 32)
    used = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert tw.memory_estimate(model, (32,), 4, used).optimizer_state > 0
    assert not used.state


def test_a_frozen_backbone_keeps_nothing() -> None:
    model = nn.Sequential(plain(8), nn.ReLU(), nn.Linear(10, 10))
    whole = tw.memory_estimate(model, (3, 32, 32), 16)
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    frozen = tw.memory_estimate(model, (3, 32, 32), 16)
    assert frozen.gradients < 1000
    assert frozen.training_peak < 0.6 * whole.training_peak


def test_sums_keep_nothing_of_their_operands() -> None:
    x = tw.rand(256, 256, requires_grad=True)
    a, b = x * 2.0, x * 3.0
    before = in_use()
    y = a + b
    del a, b
    assert (
        in_use() - before
        <= _core.block_bytes(4 * 256 * 256) - 2 * _core.block_bytes(4 * 256 * 256) + 4096
    )
    y.sum().backward()


def test_nothing_is_changed() -> None:
    model = models.create("fashion_cnn")
    model.features[2].eval()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    draws = tw.get_rng_state()
    tw.memory_estimate(model, (1, 28, 28), 4)
    assert [module.training for module in model.modules()] == modes
    assert all(bool((model.state_dict()[name] == value).all()) for name, value in state.items())
    assert bool((tw.get_rng_state() == draws).all())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((3, 8, 8), 0), "batch"),
        (((3, 8, 8), 1, "nope"), "expected optimizer one of"),
        (((0, 8, 8),), "input_shape"),
        (((1 << 40, 1 << 40),), "input_shape"),
    ],
)
def test_errors(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tw.memory_estimate(nn.Conv2d(3, 4, 3), *arguments)
