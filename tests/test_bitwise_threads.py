"""The same bits at any number of threads: every convolution algorithm, and whole trainings."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import tilewise as tw
from conv_problems import (
    DIRECTIONS,
    Case,
    Operands,
    Problem,
    accepting,
    calls,
    operands_of,
    square,
)
from tilewise import _core, nn, optim
from tilewise.nn import functional as F

THREADS = (1, 2, 3, 8)


class Net(nn.Module):
    """Every kind of layer that sums over pixels, channels or the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 13, 3, padding="same"),
            nn.ReLU(),
            nn.BatchNorm2d(13),
            nn.Conv2d(13, 26, 5, stride=2, padding=2, groups=13),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Dropout2d(0.2),
            nn.Conv2d(26, 24, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(24 * 9, 50), nn.BatchNorm1d(50), nn.Dropout(0.5), nn.ReLU()
        )
        self.out = nn.Linear(50, 10)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        return self.out(self.head(self.features(x)))


def train(optimizer_type: type[optim.Optimizer], steps: int = 4) -> str:
    """A hash of everything learnt, drawn or accumulated."""
    tw.manual_seed(7)
    net = Net()
    optimizer = optimizer_type(net.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    digest = hashlib.sha256()
    for _ in range(steps):
        x = tw.from_numpy(rng.standard_normal((67, 1, 28, 28)).astype(np.float32))
        y = tw.from_numpy(rng.integers(0, 10, 67))
        loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        digest.update(np.float64(loss.item()).tobytes())
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_training_has_the_same_bits_at_any_number_of_threads(isa: str, optimizer: str) -> None:
    hashes = {}
    for threads in THREADS:
        tw.set_num_threads(threads)
        hashes[threads] = train(getattr(optim, optimizer))
    assert len(set(hashes.values())) == 1, hashes


def test_training_repeats() -> None:
    assert train(optim.SGD) == train(optim.SGD)


CONVOLUTIONS = {
    "3x3": square(3, 32, 40, 28, 3, pad=1),
    "3x3, few channels": square(5, 16, 16, 14, 3, pad=1),
    "3x3, deep": square(2, 256, 96, 7, 3, pad=1),
    "3x3, chunked gradient": square(9, 100, 130, 13, 3, pad=1),
    "3x3, batch 1": square(1, 64, 64, 28, 3, pad=1),
    "stride 2": square(2, 48, 64, 27, 3, stride=2, pad=1),
    "dilated": square(2, 32, 32, 20, 3, pad=2, dilation=2),
    "11x11 stride 4": square(1, 3, 24, 67, 11, stride=4),
    "stem": square(2, 3, 64, 56, 7, stride=2, pad=3),
    "1x1": square(2, 96, 160, 20, 1),
    "1x1, stride 2": square(2, 96, 160, 20, 1, stride=2),
    "one channel": square(16, 1, 32, 28, 3, pad=1),
    "depthwise": square(2, 67, 67, 28, 3, pad=1, groups=67),
    "depthwise, multiplier": square(2, 40, 80, 28, 5, stride=2, pad=2, groups=40),
    "groups of 4": square(2, 128, 128, 14, 3, pad=1, groups=32),
    "two groups": square(2, 48, 64, 14, 3, pad=1, groups=2),
    "1-D": square(3, 40, 48, 300, 9, pad=4, dims=1),
    "3-D": square(2, 16, 32, 10, 3, pad=1, dims=3),
}


def normal_operands(case: Case) -> Operands:
    rng = np.random.default_rng(2)

    def draw(_: str, a: np.ndarray) -> _core.Array:
        return _core.Array.from_numpy(rng.standard_normal(a.shape).astype(np.float32))

    return operands_of(case).map(draw)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_same_bits_at_any_number_of_threads(
    isa: str, name: str, fused: bool
) -> None:
    p: Problem = CONVOLUTIONS[name]
    case = Case(
        seed=0,
        problem=p,
        bias=fused,
        activation="silu" if fused else "none",
        residual=fused,
        statistics=fused,
        gate="relu" if fused else None,
        channels_last=False,
        at_start=False,
    )
    operands = normal_operands(case)
    algorithms = {a for direction in DIRECTIONS for a in accepting(p, direction)} - {"reference"}
    for algorithm in sorted(algorithms):
        bits: dict[str, list[bytes]] = {}
        for threads in THREADS:
            _core.set_num_threads(threads)
            for what, _, outputs in calls(case, operands, algorithm):
                got = [np.ascontiguousarray(o.numpy()).tobytes() for o in outputs]
                assert bits.setdefault(what, got) == got, f"{algorithm} {what}, {threads} threads"
