"""Facts of convolutional networks as courses teach them: sizes, values, slips.

Where lecture notes err, the truth is tested and the slip named.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import fact_table, to_numpy
from tilewise import nn
from tilewise.nn import functional as F

SIGNAL = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
KERNEL = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]


def image(rows: Any, dtype: Any = np.float32) -> tw.Tensor:
    """One picture of one channel."""
    return tw.from_numpy(np.array(rows, dtype)[None, None])


def parameters(module: nn.Module) -> int:
    return sum(int(np.prod(p.shape)) for p in module.parameters())


def gradient(function: Any, x: np.ndarray, dy: np.ndarray | None = None) -> np.ndarray:
    leaf = tw.from_numpy(x.copy())
    leaf.requires_grad = True
    y = function(leaf)
    seed = np.ones(tuple(y.shape), x.dtype) if dy is None else dy
    (y * tw.from_numpy(seed)).sum().backward()
    return to_numpy(leaf.grad).copy()


def side(size: int, kernel: int, **options: Any) -> int:
    """The output of a square map."""
    y = F.conv2d(tw.zeros(2, 1, size, size), tw.zeros(3, 1, kernel, kernel), **options)
    assert y.shape[:2] == (2, 3)
    assert y.shape[2] == y.shape[3]
    return y.shape[2]


FACTS, fact = fact_table()


# ------------------------------------------------------------------ output sizes


@fact('4², k3 · 5², k3 p1 · 5², k3 p2 ("full"): 2² · 5² · 7²')
def _() -> None:
    assert [side(4, 3), side(5, 3, padding=1), side(5, 3, padding=2)] == [2, 5, 7]


@fact("7², k3: s1 · s2 · s1 p1: 5² · 3² · 7²")
def _() -> None:
    assert [side(7, 3), side(7, 3, stride=2), side(7, 3, padding=1)] == [5, 3, 7]


@fact('7², k3 s3 ("does not fit", 2.33): floor gives 2²; a strict mode must reject it')
def _() -> None:
    assert side(7, 3, stride=3) == 2
    assert F.max_pool2d(tw.zeros(1, 1, 7, 7), 3, 3).shape[-1] == 2
    with pytest.raises(ValueError, match="max_pool2d: expected .* got"):
        F.max_pool2d(tw.zeros(1, 1, 7, 7), 3, 3, strict=True)
    with pytest.raises(ValueError, match="conv2d: expected .* got"):
        F.conv2d(tw.zeros(1, 1, 7, 7), tw.zeros(1, 1, 3, 3), stride=3, strict=True)


@fact("6², k3 s2 p1 (last row and column unused): 3²")
def _() -> None:
    assert side(6, 3, stride=2, padding=1) == 3
    x = np.zeros((1, 1, 6, 6), np.float32)
    dx = gradient(lambda t: F.conv2d(t, tw.ones(1, 1, 3, 3), stride=2, padding=1), x)
    assert (dx[0, 0, :5, :5] > 0).all()  # with a row of padding in front, the fifth is the last
    x[0, 0, 5] = x[0, 0, :, 5] = 1
    assert F.conv2d(tw.from_numpy(x), tw.ones(1, 1, 3, 3), stride=2).sum() == 0


@fact("7², k3 d2: 3²")
def _() -> None:
    assert side(7, 3, dilation=2) == 3


@fact("32², 6 filters 3×5×5, no padding: 28²; batch 2×3×32² → 2×6×28²")
def _() -> None:
    assert nn.Conv2d(3, 6, 5)(tw.zeros(2, 3, 32, 32)).shape == (2, 6, 28, 28)


@fact('"same" padding p=(k-1)/2: k 3, 5, 7 → p 1, 2, 3')
def _() -> None:
    for kernel, padding in ((3, 1), (5, 2), (7, 3)):
        x, weight = tw.rand(1, 2, 11, 11), tw.rand(3, 2, kernel, kernel)
        same = F.conv2d(x, weight, padding="same").numpy()
        np.testing.assert_array_equal(same, F.conv2d(x, weight, padding=padding).numpy())


@fact("3×32², 10 filters k5 p2: 10×32²; 760 parameters (76 a filter); 768,000 multiply-adds")
def _() -> None:
    layer = nn.Conv2d(3, 10, 5, padding=2)
    y = layer(tw.zeros(1, 3, 32, 32))
    assert y.shape == (1, 10, 32, 32)
    assert parameters(layer) == 10 * 76 == 760
    assert y.numel() * layer.weight[0].numel() == 768_000


@fact("64×224² max pool 2/2, and k3 s2: 64×112², 64×111²")
def _() -> None:
    x = tw.zeros(1, 64, 224, 224)
    assert nn.MaxPool2d(2, 2)(x).shape == (1, 64, 112, 112)
    assert nn.MaxPool2d(3, 2)(x).shape == (1, 64, 111, 111)


@fact("AvgPool2d((2,2), padding=(1,1)) on 10²: 6²; a pool's stride defaults to its kernel")
def _() -> None:
    assert nn.AvgPool2d((2, 2), padding=(1, 1))(tw.zeros(1, 1, 10, 10)).shape == (1, 1, 6, 6)


@fact("AlexNet conv1: 3×227², 96 filters k11 s4: 96×55²")
def _() -> None:
    assert nn.Conv2d(3, 96, 11, stride=4)(tw.zeros(1, 3, 227, 227)).shape == (1, 96, 55, 55)


@fact('dilation, transposed and "same" with stride > 1: as PyTorch; same_upper/same_lower as ONNX')
def _() -> None:
    for size, k, s, p, d in itertools.product((7, 10), (2, 3), (1, 2, 3), (0, 1), (1, 2)):
        assert side(size, k, stride=s, padding=p, dilation=d) == (
            (size + 2 * p - d * (k - 1) - 1) // s + 1
        )
        weight = tw.zeros(1, 1, k, k)
        up = F.conv_transpose2d(tw.zeros(1, 1, size, size), weight, stride=s, padding=p, dilation=d)
        assert up.shape[-1] == (size - 1) * s - 2 * p + d * (k - 1) + 1
        for mode in ("same_upper", "same_lower"):
            assert side(size, k, stride=s, padding=mode, dilation=d) == -(-size // s)
    # The odd row of padding comes after the map in same_upper, before it in same_lower.
    x, weight = tw.tensor([[[1.0, 2.0, 3.0]]]), tw.ones(1, 1, 2)
    assert F.conv1d(x, weight, padding="same_upper").tolist() == [[[3, 5, 3]]]
    assert F.conv1d(x, weight, padding="same_lower").tolist() == [[[1, 3, 5]]]


# ------------------------------------------------------------------ values


@fact("MaxPool2d(2) on arange(100) reshaped 1×1×10×10, float64: rows 11 13 15 17 19 / 31 …")
def _() -> None:
    x = tw.from_numpy(np.arange(100.0).reshape(1, 1, 10, 10))
    y = nn.MaxPool2d(2)(x).numpy()
    assert y.dtype == np.float64
    rows = [[10 * r + c for c in (1, 3, 5, 7, 9)] for r in (1, 3, 5, 7, 9)]
    np.testing.assert_array_equal(y[0, 0], rows)


@fact("correlation of the 5×5 textbook square: [[12,12,17],[10,17,19],[9,6,14]]")
def _() -> None:
    for dtype in (np.float32, np.float64):
        y = F.conv2d(image(SIGNAL, dtype), image(KERNEL, dtype)).numpy()
        np.testing.assert_array_equal(y[0, 0], [[12, 12, 17], [10, 17, 19], [9, 6, 14]])


@fact("the same input, 3×3 average pool s1 / max pool s1")
def _() -> None:
    average = F.avg_pool2d(image(SIGNAL), 3, stride=1).numpy()[0, 0]
    np.testing.assert_allclose(
        average.round(1), [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]], atol=1e-6
    )
    largest = F.max_pool2d(image(SIGNAL), 3, stride=1).numpy()[0, 0]
    np.testing.assert_array_equal(largest, [[3, 3, 3], [3, 3, 3], [3, 2, 3]])


@fact("max pool 2/2 of the 4×4 textbook example: [[6,8],[3,4]]")
def _() -> None:
    x = image([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    np.testing.assert_array_equal(F.max_pool2d(x, 2).numpy()[0, 0], [[6, 8], [3, 4]])


@fact("average pool backward: 1/Q of the gradient to each of the Q pixels")
def _() -> None:
    dx = gradient(lambda x: F.avg_pool2d(x, 2), np.ones((1, 1, 4, 4), np.float32))
    np.testing.assert_array_equal(dx, np.full((1, 1, 4, 4), 0.25))


@fact("max pool backward: all of the gradient to the argmax (first one on a tie)")
def _() -> None:
    x = np.array([[1, 7, 0, 0], [7, 2, 0, 0]], np.float32)[None, None]
    dx = gradient(lambda t: F.max_pool2d(t, 2), x)
    np.testing.assert_array_equal(dx[0, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])


@fact("residual: dH/dx = dF/dx + I")
def _() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 3, 6, 6))
    dy = rng.standard_normal(x.shape)
    weight = tw.from_numpy(rng.standard_normal((3, 3, 3, 3)))

    def branch(t: tw.Tensor) -> tw.Tensor:
        return F.conv2d(t, weight, padding=1)

    plain = gradient(branch, x, dy)
    residual = gradient(lambda t: branch(t) + t, x, dy)
    np.testing.assert_allclose(residual, plain + dy, rtol=1e-12)


@fact("input gradient of a convolution: correlation of dY with the reflected kernel")
def _() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, 7, 6))
    weight = rng.standard_normal((4, 3, 3, 2))
    dy = rng.standard_normal((2, 4, 5, 5))
    dx = gradient(lambda t: F.conv2d(t, tw.from_numpy(weight)), x, dy)
    reflected = np.ascontiguousarray(weight[:, :, ::-1, ::-1].swapaxes(0, 1))
    full = F.conv2d(tw.from_numpy(dy), tw.from_numpy(reflected), padding=(2, 1)).numpy()
    np.testing.assert_allclose(dx, full, rtol=1e-12, atol=1e-12)


@fact("convolution as a matrix product: forward and both gradients through im2col and col2im")
def _() -> None:
    rng = np.random.default_rng(2)
    x, weight = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 3, 2))
    dy = rng.standard_normal((2, 4, 4, 4))
    image_, filters = tw.from_numpy(x), tw.from_numpy(weight)
    columns, rows = F.unfold(image_, (3, 2)), filters.reshape(4, -1)
    y = rows @ columns
    np.testing.assert_allclose(y.numpy().reshape(dy.shape), F.conv2d(image_, filters).numpy())
    flat = tw.from_numpy(dy.reshape(2, 4, 16))
    dx = F.fold(rows.T @ flat, (6, 5), (3, 2)).numpy()
    np.testing.assert_allclose(dx, gradient(lambda t: F.conv2d(t, filters), x, dy))
    dw = (flat @ columns.transpose(1, 2)).sum(0).numpy().reshape(weight.shape)
    np.testing.assert_allclose(dw, gradient(lambda w: F.conv2d(image_, w), weight, dy))


@fact("true convolution and cross-correlation: both offered for filtering; layers use correlation")
def _() -> None:
    square, kernel = tw.tensor(SIGNAL, dtype=tw.float32), tw.tensor(KERNEL, dtype=tw.float32)
    correlated = tw.correlate(square, kernel, mode="valid")
    assert correlated.tolist() == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]
    reflected = kernel.flip(0, 1)
    assert tw.convolve(square, reflected, mode="valid").tolist() == correlated.tolist()
    assert F.conv2d(square[None, None], kernel[None, None])[0, 0].tolist() == correlated.tolist()


# ------------------------------------------------------------------ receptive fields and summaries


@fact("L stride-1 layers of kernel K: 1 + L(K-1)")
def _() -> None:
    for kernel, count in ((3, 1), (3, 4), (5, 3), (7, 2)):
        net = nn.Sequential(*(nn.Conv2d(1, 1, kernel) for _ in range(count)))
        assert tw.receptive_field(net, (1, 32, 32)).rows[-1].size == (1 + count * (kernel - 1),) * 2


@fact("conv7 s2 p3, BN, ReLU, maxpool3 s2 p1 on 3×256²: sizes, start, jump, receptive field")
def _() -> None:
    field = tw.receptive_field(
        nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ),
        (3, 256, 256),
    )
    table = [(row.map_size[0], row.start[0], row.jump[0], row.size[0]) for row in field.rows]
    assert table == [(256, 0.5, 1, 1), *[(128, 0.5, 2, 7)] * 3, (64, 0.5, 4, 11)]
    assert field.unit_box(2, (1, 1)) == ((0, 6), (0, 6))
    assert field.unit_box(2, (2, 2)) == ((1, 8), (1, 8))  # the unit that the notes meant: slip 3


@fact("slip 4 once more, from the summary of VGG-16: 15,237,608 values = 58.1 MiB")
def _() -> None:
    with nn.init.skip():
        found = tw.summary(tw.models.create("vgg16").eval(), (3, 224, 224))
    kinds = ("Conv2d", "MaxPool2d", "Linear")
    maps = sum(int(np.prod(x.output_shape)) for x in found.layers if x.type in kinds)
    assert 3 * 224 * 224 + maps == 15_237_608


# ------------------------------------------------------------------ slips


@fact("slip 1: 5², k3 p1 s1 is 5², not 3²; with s2 it is 3², not 2²")
def _() -> None:
    assert [side(5, 3, padding=1), side(5, 3, padding=1, stride=2)] == [5, 3]


@fact("slip 2: the dogs-vs-cats net's last pool 18→8 needs k3 s2 (k2 gives 9), 150→75 needs k2")
def _() -> None:
    x = tw.zeros(1, 1, 150, 150)
    sizes = []
    for window in (2, 2, 2, 3):
        x = F.max_pool2d(x, window, stride=2)
        sizes.append(x.shape[-1])
    assert sizes == [75, 37, 18, 8]
    assert F.max_pool2d(tw.zeros(1, 1, 18, 18), 2).shape[-1] == 9


@fact("slip 3: the receptive-field script is called with unit (2,2) but prints unit (1,1)")
def _() -> None:
    """Unit (1, 1) after a 7×7 convolution of stride 2 and padding 3 sees rows and columns 0 to 5;
    the notes' (0, 6) is the box's end. Unit (2, 2) sees 1 to 7.
    """
    x = np.ones((1, 1, 16, 16), np.float32)
    for unit, seen in ((1, (0, 6)), (2, (1, 8))):
        dy = np.zeros((1, 1, 8, 8), np.float32)
        dy[0, 0, unit, unit] = 1
        dx = gradient(lambda t: F.conv2d(t, tw.ones(1, 1, 7, 7), stride=2, padding=3), x, dy)
        rows = np.flatnonzero(dx[0, 0].any(1))
        assert (rows[0], rows[-1] + 1) == seen


@fact('slip 4: VGG\'s "24M × 4 bytes = 93 MB" a forward image: the maps sum to 15,237,608 values')
def _() -> None:
    maps, channels, size = 3 * 224 * 224, 3, 224
    for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _layer in range(convolutions):
            y = F.conv2d(tw.zeros(1, channels, 3, 3), tw.zeros(width, channels, 3, 3), padding=1)
            assert y.shape == (1, width, 3, 3)
            channels = width
            maps += width * size * size
        size //= 2
        maps += width * size * size
    assert size == 7
    assert maps + 4096 + 4096 + 1000 == 15_237_608
    assert round(15_237_608 * 4 / 2**20, 1) == 58.1


@fact("slip 5: AlexNet's conv1 on 224² without padding gives 54.25; 227² is meant")
def _() -> None:
    assert (224 - 11) / 4 + 1 == 54.25
    assert [side(224, 11, stride=4), side(227, 11, stride=4)] == [54, 55]


@fact("slip 6: the ReLU derivative at 0 is written Ind(z ≥ 0); libraries use 0 there")
def _() -> None:
    dx = gradient(F.relu, np.array([-1.0, 0.0, 2.0], np.float32))
    np.testing.assert_array_equal(dx, [0, 0, 1])


@fact("slip 7: squeeze() after global pooling breaks at batch size 1; flatten from dimension 1")
def _() -> None:
    pooled = F.adaptive_avg_pool2d(tw.ones(1, 5, 4, 4), 1)
    assert pooled.squeeze().shape == (5,)
    assert pooled.flatten(1).shape == (1, 5)


@pytest.mark.parametrize("check", FACTS)
def test_fact(check: Callable[[], None]) -> None:
    check()


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
