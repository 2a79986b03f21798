"""What Sequential fuses has the bits of one module after the other, collected statistics aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close
from tilewise import nn
from tilewise.nn import fusion

CHAINS: dict[str, Callable[[], list[nn.Module]]] = {
    "conv, relu": lambda: [nn.Conv2d(3, 20, 3, padding=1), nn.ReLU()],
    "conv, relu in place": lambda: [nn.Conv2d(3, 20, 3), nn.ReLU(inplace=True)],
    "conv, relu, norm": lambda: [nn.Conv2d(3, 20, 3), nn.ReLU(), nn.BatchNorm2d(20)],
    "conv, norm, relu": lambda: [nn.Conv2d(3, 20, 3, bias=False), nn.BatchNorm2d(20), nn.ReLU()],
    "norm, relu": lambda: [nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1)],
    "two blocks": lambda: [
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(16, affine=False),
        nn.MaxPool2d(2),
    ],
    "norm without statistics": lambda: [
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.BatchNorm2d(5, track_running_stats=False),
    ],
}


def one_by_one(net: nn.Sequential, x: tw.Tensor) -> tw.Tensor:
    for module in net:
        x = module(x)
    return x


def outcome(
    net: nn.Sequential, forward: Callable[[nn.Sequential, tw.Tensor], tw.Tensor], dtype: tw.DType
) -> list[np.ndarray]:
    tw.manual_seed(3)
    x = tw.randn(4, 3, 9, 11, dtype=dtype, requires_grad=True)
    y = forward(net, x)
    y.backward(tw.randn(*y.shape, dtype=dtype))
    gradients = [p.grad for p in net.parameters()]
    buffers = [b for _, b in net.named_buffers()]
    return [t.detach().numpy().copy() for t in (y, x.grad, *gradients, *buffers)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [tw.float32, tw.float64])
@pytest.mark.parametrize("chain", CHAINS)
def test_same_bits_as_one_by_one(chain: str, dtype: tw.DType, training: bool) -> None:
    results = []
    for forward in (nn.Sequential.__call__, one_by_one):
        tw.manual_seed(1)
        net = nn.Sequential(*CHAINS[chain]()).to(dtype).train(training)
        results.append(outcome(net, forward, dtype))
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(fused, plain)


COLLECTING: dict[str, Callable[[], list[nn.Module]]] = {
    "conv, norm": lambda: [nn.Conv2d(3, 20, 1, bias=False), nn.BatchNorm2d(20)],
    "conv, relu, norm": lambda: [nn.Conv2d(3, 20, 3), nn.ReLU(), nn.BatchNorm2d(20)],
    "conv, norm, relu": lambda: [
        nn.Conv2d(3, 20, 1, stride=2, bias=False),
        nn.BatchNorm2d(20),
        nn.ReLU(),
    ],
    "norm without running statistics": lambda: [
        nn.Conv2d(3, 5, 1, bias=False),
        nn.BatchNorm2d(5, track_running_stats=False),
    ],
}


@pytest.mark.parametrize("dtype", [tw.float32, tw.float64])
@pytest.mark.parametrize("chain", COLLECTING)
def test_collected_statistics(
    isa: str, chain: str, dtype: tw.DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums in another order: the same numbers within rounding, the same bits at any threads."""
    results = []
    for collects, threads in ((True, 1), (True, 2), (True, 3), (False, 1)):
        monkeypatch.setattr(fusion, "collect_statistics", collects)
        tw.set_num_threads(threads)
        tw.manual_seed(1)
        net = nn.Sequential(*COLLECTING[chain]()).to(dtype)
        results.append(outcome(net, nn.Sequential.__call__, dtype))
    for other in results[1:3]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    for collected, plain in zip(results[0], results[3], strict=True):
        assert_close(collected, plain, limit=1e-5 if dtype == tw.float32 else 1e-13)


def test_only_training_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    normalise = nn.BatchNorm2d.normalise

    def spy(self: nn.BatchNorm2d, input: tw.Tensor, **options: Any) -> tw.Tensor:
        seen.append(options["statistics"] is not None)
        return normalise(self, input, **options)

    monkeypatch.setattr(nn.BatchNorm2d, "normalise", spy)
    net = nn.Sequential(*CHAINS["conv, relu, norm"]())
    x = tw.rand(2, 3, 8, 8)
    net(x)
    monkeypatch.setattr(fusion, "collect_statistics", True)
    net(x)
    net.eval()(x)
    assert seen == [False, True, False]


def test_a_module_with_a_hook_runs_by_itself() -> None:
    net = nn.Sequential(*CHAINS["conv, relu, norm"]())
    seen: list[tw.Tensor] = []
    net[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = tw.randn(1, 3, 8, 8)
    net(x)
    assert (seen[0].detach().numpy() < 0).any(), "the hook sees the convolution before the ReLU"


def test_a_derived_class_runs_its_own_forward() -> None:
    class Doubled(nn.ReLU):
        def forward(self, input: tw.Tensor) -> tw.Tensor:
            return super().forward(input) * 2.0

    conv = nn.Conv2d(3, 4, 3)
    x = tw.randn(1, 3, 8, 8)
    expected = conv(x).relu() * 2.0
    np.testing.assert_array_equal(
        nn.Sequential(conv, Doubled())(x).detach().numpy(), expected.detach().numpy()
    )
