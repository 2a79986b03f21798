"""Training gives the same bits at any number of threads, on every instruction set."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import tilewise as tw
from tilewise import nn, optim
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
