"""Facts of convolutional networks as courses teach them: sizes, values, parameter counts.

Where lecture notes err, the truth is tested and the slip named.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import to_numpy
from tilewise import nn
from tilewise.nn import functional as F

SIGNAL = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
KERNEL = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]


def image(rows: Any, dtype: Any = np.float32) -> tw.Tensor:
    """One picture of one channel."""
    return tw.from_numpy(np.array(rows, dtype)[None, None])


def parameters(module: nn.Module) -> int:
    return sum(int(np.prod(p.shape)) for p in module.parameters())


# ------------------------------------------------------------------ output sizes


@pytest.mark.parametrize(
    ("size", "kernel", "options", "out"),
    [
        (4, 3, {}, 2),
        (5, 3, {"padding": 1}, 5),  # slip: notes say 3
        (5, 3, {"padding": 1, "stride": 2}, 3),  # slip: notes say 2
        (5, 3, {"padding": 2}, 7),
        (7, 3, {}, 5),
        (7, 3, {"stride": 2}, 3),
        (7, 3, {"padding": 1}, 7),
        (7, 3, {"stride": 3}, 2),  # 2.33 rounded down
        (6, 3, {"stride": 2, "padding": 1}, 3),  # the last row and column stay unused
        (7, 3, {"dilation": 2}, 3),
        (7, 3, {"padding": "same"}, 7),
        (8, 5, {"padding": "same"}, 8),
        (9, 7, {"padding": "same"}, 9),
        (9, 7, {"padding": "valid"}, 3),
    ],
)
def test_size_of_a_convolution(size: int, kernel: int, options: dict[str, Any], out: int) -> None:
    x = tw.zeros((2, 1, size, size))
    assert tuple(F.conv2d(x, tw.zeros((3, 1, kernel, kernel)), **options).shape) == (2, 3, out, out)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_same_padding_is_half_the_kernel(kernel: int) -> None:
    x = tw.rand((1, 2, 11, 11))
    weight = tw.rand((3, 2, kernel, kernel))
    same = F.conv2d(x, weight, padding="same").numpy()
    np.testing.assert_array_equal(same, F.conv2d(x, weight, padding=(kernel - 1) // 2).numpy())


def test_sizes_of_named_layers() -> None:
    assert tuple(nn.Conv2d(3, 6, 5)(tw.zeros((2, 3, 32, 32))).shape) == (2, 6, 28, 28)
    assert tuple(nn.Conv2d(3, 10, 5, padding=2)(tw.zeros((1, 3, 32, 32))).shape) == (1, 10, 32, 32)
    alexnet = nn.Conv2d(3, 96, 11, stride=4)
    # Slip: on 224² this would be 54.25; 227² is meant.
    assert tuple(alexnet(tw.zeros((1, 3, 227, 227))).shape) == (1, 96, 55, 55)
    x = tw.zeros((1, 64, 224, 224))
    assert tuple(nn.MaxPool2d(2, 2)(x).shape) == (1, 64, 112, 112)
    assert tuple(nn.MaxPool2d(3, 2)(x).shape) == (1, 64, 111, 111)
    padded = nn.AvgPool2d((2, 2), padding=(1, 1))  # the stride is the window
    assert tuple(padded(tw.zeros((1, 1, 10, 10))).shape) == (1, 1, 6, 6)


def test_sizes_along_the_resnet_stem() -> None:
    x = tw.zeros((1, 3, 256, 256))
    sizes = []
    stem = nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    for layer in stem:
        x = layer(x)
        sizes.append(x.shape[-1])
    assert sizes == [128, 128, 128, 64]


def test_sizes_of_the_dogs_and_cats_network() -> None:
    """Slip: the last pool, 18 to 8, has a window of 3 and stride 2; a window of 2 gives 9."""
    x = tw.zeros((1, 1, 150, 150))
    sizes = []
    for window in (2, 2, 2, 3):
        x = F.max_pool2d(x, window, stride=2)
        sizes.append(x.shape[-1])
    assert sizes == [75, 37, 18, 8]
    assert F.max_pool2d(tw.zeros((1, 1, 18, 18)), 2).shape[-1] == 9


# ------------------------------------------------------------------ values


def test_max_pool_of_a_counted_square() -> None:
    x = tw.from_numpy(np.arange(100.0).reshape(1, 1, 10, 10))
    y = nn.MaxPool2d(2)(x).numpy()
    assert y.dtype == np.float64
    rows = [[10 * r + c for c in (1, 3, 5, 7, 9)] for r in (1, 3, 5, 7, 9)]
    np.testing.assert_array_equal(y[0, 0], rows)


def test_max_pool_of_the_textbook_square() -> None:
    x = image([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    np.testing.assert_array_equal(F.max_pool2d(x, 2).numpy()[0, 0], [[6, 8], [3, 4]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correlation_of_the_textbook_square(dtype: Any, isa: str) -> None:
    y = F.conv2d(image(SIGNAL, dtype), image(KERNEL, dtype)).numpy()
    np.testing.assert_array_equal(y[0, 0], [[12, 12, 17], [10, 17, 19], [9, 6, 14]])


def test_pools_of_the_textbook_square() -> None:
    average = F.avg_pool2d(image(SIGNAL), 3, stride=1).numpy()[0, 0]
    np.testing.assert_allclose(
        average.round(1), [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]], atol=1e-6
    )
    largest = F.max_pool2d(image(SIGNAL), 3, stride=1).numpy()[0, 0]
    np.testing.assert_array_equal(largest, [[3, 3, 3], [3, 3, 3], [3, 2, 3]])


# ------------------------------------------------------------------ gradients


def gradient(function: Any, x: np.ndarray, dy: np.ndarray | None = None) -> np.ndarray:
    leaf = tw.from_numpy(x.copy())
    leaf.requires_grad = True
    y = function(leaf)
    seed = np.ones(tuple(y.shape), x.dtype) if dy is None else dy
    (y * tw.from_numpy(seed)).sum().backward()
    return to_numpy(leaf.grad).copy()


def test_average_pool_shares_the_gradient() -> None:
    dx = gradient(lambda x: F.avg_pool2d(x, 2), np.ones((1, 1, 4, 4), np.float32))
    np.testing.assert_array_equal(dx, np.full((1, 1, 4, 4), 0.25))


def test_max_pool_gives_the_gradient_to_the_first_maximum() -> None:
    x = np.array([[1, 7, 0, 0], [7, 2, 0, 0]], np.float32)[None, None]
    dx = gradient(lambda t: F.max_pool2d(t, 2), x)
    np.testing.assert_array_equal(dx[0, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])


def test_residual_adds_the_identity() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 3, 6, 6))
    dy = rng.standard_normal(x.shape)
    weight = tw.from_numpy(rng.standard_normal((3, 3, 3, 3)))

    def branch(t: tw.Tensor) -> tw.Tensor:
        return F.conv2d(t, weight, padding=1)

    plain = gradient(branch, x, dy)
    residual = gradient(lambda t: branch(t) + t, x, dy)
    np.testing.assert_allclose(residual, plain + dy, rtol=1e-12)


def test_input_gradient_is_a_correlation_with_the_reflected_kernel() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, 7, 6))
    weight = rng.standard_normal((4, 3, 3, 2))
    dy = rng.standard_normal((2, 4, 5, 5))
    dx = gradient(lambda t: F.conv2d(t, tw.from_numpy(weight)), x, dy)
    reflected = np.ascontiguousarray(weight[:, :, ::-1, ::-1].swapaxes(0, 1))
    full = F.conv2d(tw.from_numpy(dy), tw.from_numpy(reflected), padding=(2, 1)).numpy()
    np.testing.assert_allclose(dx, full, rtol=1e-12, atol=1e-12)


def test_relu_has_derivative_zero_at_zero() -> None:
    """Slip: notes write the indicator of z ≥ 0."""
    dx = gradient(F.relu, np.array([-1.0, 0.0, 2.0], np.float32))
    np.testing.assert_array_equal(dx, [0, 0, 1])


def test_flatten_keeps_a_batch_of_one() -> None:
    """Slip: `squeeze()` after global pooling would drop the batch too."""
    pooled = F.adaptive_avg_pool2d(tw.ones((1, 5, 4, 4)), 1)
    assert tuple(pooled.flatten(1).shape) == (1, 5)


# ------------------------------------------------------------------ parameter counts


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ([(3, 64, 3, True)], 1_792),
        ([(3, 10, 5, True)], 760),
        ([(256, 256, 3, False)], 589_824),
        ([(256, 64, 1, False), (64, 64, 3, False), (64, 256, 1, False)], 69_632),
        ([(256, 256, 3, True)], 590_080),
        ([(256, 64, 1, True), (64, 64, 3, True), (64, 256, 1, True)], 70_016),
        ([(16, 32, 3, True)], 4_640),
        ([(3, 96, 11, True)], 34_944),
        ([(3, 96, 11, False)], 34_848),
    ],
)
def test_parameters_of_convolutions(layers: list[tuple[int, int, int, bool]], count: int) -> None:
    stack = nn.Sequential(*(nn.Conv2d(c, k, r, bias=bias) for c, k, r, bias in layers))
    assert parameters(stack) == count


def test_parameters_of_a_separable_convolution() -> None:
    depthwise = nn.Conv2d(16, 16, 3, groups=16, bias=False)
    pointwise = nn.Conv2d(16, 32, 1)
    assert (parameters(depthwise), parameters(pointwise)) == (144, 512 + 32)


def test_parameters_of_the_fashion_mnist_network() -> None:
    layers: list[nn.Module] = []
    for c, k in ((1, 32), (32, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(c, k, 3, padding="same"), nn.BatchNorm2d(k)]
    layers += [nn.Linear(3136, 512), nn.BatchNorm1d(512), nn.Linear(512, 10)]

    def with_statistics(module: nn.Module) -> int:
        buffers = {n: b for n, b in module.named_buffers() if n != "num_batches_tracked"}
        return parameters(module) + sum(int(np.prod(b.shape)) for b in buffers.values())

    counts = [320, 128, 9248, 128, 18496, 256, 36928, 256, 1606144, 2048, 5130]
    assert [with_statistics(layer) for layer in layers] == counts
    assert sum(counts) == 1_679_082
    assert sum(parameters(layer) for layer in layers) == 1_677_674


def test_parameters_of_lenet() -> None:
    layers = [nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5), nn.Linear(2450, 500), nn.Linear(500, 10)]
    assert sum(parameters(layer) for layer in layers) == 1_256_080


def test_parameters_of_the_dogs_and_cats_convolutions() -> None:
    widths = [3, 32, 64, 128, 128, 256, 512, 512, 512]
    counts = [parameters(nn.Conv2d(c, k, 3)) for c, k in itertools.pairwise(widths)]
    assert counts == [896, 18_496, 73_856, 147_584, 295_168, 1_180_160, 2_359_808, 2_359_808]
    assert sum(counts) + (32_768 * 512 + 512) + (512 + 1) == 23_214_017
