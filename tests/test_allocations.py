"""After the first calls of a shape nothing is asked of the system any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tilewise as tw
from tilewise import _core, nn, optim

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "winograd": (lambda: nn.Conv2d(32, 48, 3, padding=1), (4, 32, 28, 28)),
    "strided": (lambda: nn.Conv2d(16, 32, 5, stride=2, padding=2), (4, 16, 28, 28)),
    "pointwise": (lambda: nn.Conv2d(64, 32, 1), (4, 64, 14, 14)),
    "grouped": (lambda: nn.Conv2d(32, 32, 3, padding=1, groups=4), (4, 32, 14, 14)),
    "depthwise": (lambda: nn.Conv2d(32, 32, 3, padding=1, groups=32), (4, 32, 14, 14)),
    "1-D": (lambda: nn.Conv1d(16, 32, 9), (4, 16, 200)),
    "3-D": (lambda: nn.Conv3d(8, 16, 3, padding=1), (2, 8, 6, 10, 10)),
    "transposed": (lambda: nn.ConvTranspose2d(32, 16, 4, 2, 1), (4, 32, 14, 14)),
    "batch norm": (lambda: nn.BatchNorm2d(32), (4, 32, 28, 28)),
    "pooling": (lambda: nn.MaxPool2d(2), (4, 32, 28, 28)),
    "linear": (lambda: nn.Linear(300, 200), (64, 300)),
    "block": (
        lambda: nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(32),
            nn.Conv2d(32, 64, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        ),
        (4, 32, 28, 28),
    ),
}  # fmt: skip


def asked_of_the_system(run: Callable[[], None], warm: int = 3) -> int:
    for _ in range(warm):
        run()
    before = _core.memory_stats()["system_allocations"]
    for _ in range(5):
        run()
    return int(_core.memory_stats()["system_allocations"] - before)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    tw.set_num_threads(1)  # with more, how many scratch blocks are in use at once is chance
    make, shape = LAYERS[layer]
    module = make()
    x = tw.rand(*shape, requires_grad=True)
    optimizer = optim.SGD(module.parameters(), lr=0.01) if list(module.parameters()) else None

    def train() -> None:
        x.grad = None
        if optimizer is not None:
            optimizer.zero_grad()
        module(x).sum().backward()
        if optimizer is not None:
            optimizer.step()

    assert asked_of_the_system(train, warm=1) == 0
    module.eval()

    def infer() -> None:
        with tw.no_grad():
            module(x)

    assert asked_of_the_system(infer, warm=1) == 0


def test_fused_arguments() -> None:
    tw.set_num_threads(1)
    x, w = tw.rand(2, 32, 20, 20, requires_grad=True), tw.rand(32, 32, 3, 3, requires_grad=True)
    for activation in ("relu", "relu6", "leaky_relu", "silu", "hardswish"):

        def run(activation: str = activation) -> None:
            x.grad = w.grad = None
            y = nn.functional.conv2d(x, w, padding=1, activation=activation, residual=x)
            y.sum().backward()

        assert asked_of_the_system(run, warm=2) == 0


def test_several_threads_settle() -> None:
    tw.set_num_threads(2)
    module = LAYERS["block"][0]()
    x = tw.rand(4, 32, 28, 28)

    def run() -> None:
        module.zero_grad()
        module(x).sum().backward()

    # No more than the scratch that both threads can hold at once, ever.
    assert asked_of_the_system(run, warm=20) <= 4
