"""Classical filters, im2col as an operation, causal and strided-same convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, random_array, requires_torch
from tilewise import nn
from tilewise.nn import functional as F

NUMPY = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def plain_correlate(x: np.ndarray, k: np.ndarray, mode: str, boundary: str) -> np.ndarray:
    """By definition, in float64."""
    borders = {
        "full": [(n - 1, n - 1) for n in k.shape],
        "same": [(n // 2, (n - 1) // 2) for n in k.shape],
        "valid": [(0, 0) for n in k.shape],
    }[mode]
    x = np.pad(x, [(0, 0)] * (x.ndim - k.ndim) + borders, mode=NUMPY[boundary])  # type: ignore[call-overload]
    windows = np.lib.stride_tricks.sliding_window_view(x, k.shape, tuple(range(-k.ndim, 0)))
    return np.tensordot(windows, k, k.ndim)


@pytest.mark.parametrize("boundary", NUMPY)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((20,), (4,)), ((9, 11), (3, 3)), ((3, 9, 11), (2, 5)), ((2, 17, 9, 8), (3, 4)),
     ((6, 7, 8), (3, 2, 3)), ((2, 3, 1, 9), (3,)), ((2, 1, 6, 7), (1, 3))],
)  # fmt: skip
def test_correlate_and_convolve(shape: Any, kernel: Any, mode: str, boundary: str) -> None:
    x, k = random_array(shape, 1), random_array(kernel, 2)
    for dtype, limit in ((np.float32, 3e-6), (np.float64, 1e-14)):
        a, b = tw.tensor(x.astype(dtype)), tw.tensor(k.astype(dtype))
        want = plain_correlate(x.astype(np.float64), k.astype(np.float64), mode, boundary)
        assert_close(tw.correlate(a, b, mode, boundary), want, limit=limit)
        flipped = np.flip(k).astype(np.float64)
        want = plain_correlate(x.astype(np.float64), flipped, mode, boundary)
        assert_close(tw.convolve(a, b, mode, boundary), want, limit=limit)


def test_as_numpy_and_commutative() -> None:
    x, k = random_array((30,), 3, dtype=np.float64), random_array((7,), 4, dtype=np.float64)
    a, b = tw.tensor(x), tw.tensor(k)
    for mode in ("full", "same", "valid"):
        assert_close(tw.convolve(a, b, mode), np.convolve(x, k, mode), limit=1e-14)
        assert_close(tw.correlate(a, b, mode), np.correlate(x, k, mode), limit=1e-14)
    assert_close(tw.convolve(a, b), tw.convolve(b, a), limit=1e-14)


def test_gradients_of_filters() -> None:
    x = tw.tensor(random_array((2, 3, 5, 6), 5, dtype=np.float64), requires_grad=True)
    k = tw.tensor(random_array((3, 2), 6, dtype=np.float64), requires_grad=True)
    for boundary in NUMPY:
        assert tw.autograd.gradcheck(lambda a, b, m=boundary: tw.correlate(a, b, "same", m), (x, k))
    assert tw.autograd.gradcheck(tw.convolve, (x, k))


def test_kernels() -> None:
    filters = tw.filters
    ramp = tw.arange(7.0).expand(7, 7).contiguous()
    for kernel in (filters.sobel, filters.scharr, filters.prewitt):
        across = tw.correlate(ramp, kernel(normalized=True), "valid")
        assert_close(across, np.ones((5, 5)), limit=1e-6)
        assert_close(tw.correlate(ramp, kernel("y"), "valid"), np.zeros((5, 5)), limit=0)
    for kernel in (filters.laplacian(), filters.laplacian(diagonals=True), filters.edge()):
        assert_close(tw.correlate(ramp, kernel, "valid"), np.zeros((5, 5)), limit=0)
    for kernel in (
        filters.box(3),
        filters.gaussian(1.5),
        filters.sharpen(2.0),
        filters.identity(5),
    ):
        assert abs(kernel.sum().item() - 1) < 1e-6
        assert_close(tw.correlate(ramp, kernel, boundary="replicate")[3, 3], 3.0, limit=1e-5)
    square = tw.rand(12, 13)
    twice = tw.filters.gaussian_blur(square, 0.8, 7)
    assert_close(
        twice, tw.correlate(square, filters.gaussian(0.8, 7), boundary="reflect"), limit=1e-6
    )
    assert filters.emboss().shape == (3, 3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tw.correlate(tw.ones(3), tw.ones(2, 2)), ValueError),
        (lambda: tw.correlate(tw.ones(3), tw.ones(4), "valid"), ValueError),
        (lambda: tw.correlate(tw.ones(3), tw.ones(5), "full", "reflect"), ValueError),
        (lambda: tw.correlate(tw.ones(3), tw.ones(2), "most"), ValueError),
        (lambda: tw.correlate(tw.ones(3), tw.ones(2), boundary="wrap"), ValueError),
        (lambda: tw.correlate(tw.ones(3), tw.ones(0)), ValueError),
        (lambda: tw.correlate([1.0], tw.ones(2)), TypeError),  # type: ignore[arg-type]
        (lambda: tw.correlate(tw.ones(3), tw.ones(2, dtype=tw.float64)), TypeError),
        (lambda: tw.convolve(tw.ones(3, dtype=tw.int64), tw.ones(2)), TypeError),
        (lambda: tw.filters.gaussian(0.0), ValueError),
        (lambda: tw.filters.gaussian(1.0, 4), ValueError),
        (lambda: tw.filters.gaussian(float("nan")), ValueError),
        (lambda: tw.filters.sobel("z"), ValueError),
        (lambda: tw.filters.identity(2**40), ValueError),
        (lambda: F.unfold(tw.ones(1, 2, 3, 3), 4), ValueError),
        (lambda: F.unfold(tw.ones(1, 2, 3, 3), 2, stride=0), ValueError),
        (lambda: F.unfold(tw.ones(1, 2, 3, 3), (1, 2, 3)), ValueError),
        (lambda: F.unfold(tw.ones(2, 3), 2), ValueError),
        (lambda: F.unfold(tw.ones(1, 2, 3, 3), None), TypeError),  # type: ignore[arg-type]
        (lambda: F.fold(tw.ones(1, 5, 4), 3, 2), ValueError),
        (lambda: F.fold(tw.ones(1, 4, 5), 3, 2), ValueError),
        (lambda: F.fold(tw.ones(1, 4, 4), 2**31, 2), ValueError),
        (lambda: nn.CausalConv1d(1, 1, 2, padding_mode="circular"), ValueError),
    ],
)
def test_bad_arguments(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
def test_no_output_of_a_causal_stack_sees_the_future(padding_mode: str) -> None:
    """WaveNet's stack: the gradient of output t reaches back 2^5 elements, and none ahead."""
    layers = [nn.CausalConv1d(4, 4, 2, dilation=2**i, padding_mode=padding_mode) for i in range(5)]
    stack = nn.Sequential(nn.CausalConv1d(1, 4, 1), *layers)
    x = tw.rand(1, 1, 48, requires_grad=True)
    y = stack(x)
    assert y.shape == (1, 4, 48)
    for t in (0, 7, 40, 47):
        (dx,) = tw.autograd.grad(y[0, :, t].sum(), x, retain_graph=True)
        seen = np.flatnonzero(dx.numpy()[0, 0])
        assert seen.max() == t
        assert seen.min() == max(0, t - 31)


def test_causal_is_padding_before_the_sequence() -> None:
    layer = nn.CausalConv1d(3, 5, 4, stride=2, dilation=3)
    assert "CausalConv1d(3, 5, kernel_size=(4,), stride=(2,), padding=causal" in repr(layer)
    assert set(layer.state_dict()) == {"weight", "bias"}
    for length in (1, 2, 9, 20):
        x = tw.rand(2, 3, length)
        y = layer(x)
        assert y.shape == (2, 5, -(-length // 2))
        want = F.conv1d(F.pad(x, (9, 0)), layer.weight, layer.bias, stride=2, dilation=3)
        assert_close(y, want.detach(), limit=1e-6)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize(
    ("size", "k", "s", "d"),
    [
        (7, 3, 2, 1), (8, 3, 2, 1), (5, 2, 1, 1), (9, 4, 3, 2),
        (3, 1, 2, 1), (4, 5, 7, 1), (1, 3, 2, 2),
    ],
)  # fmt: skip
def test_same_with_a_stride_as_onnx(size: int, k: int, s: int, d: int, upper: bool) -> None:
    """Output ceil(size / s); padding max((out - 1) s + d(k - 1) + 1 - size, 0), cut in halves."""
    x, w = tw.rand(1, 2, size, size + 1), tw.rand(3, 2, k, k)
    name = "same_upper" if upper else "same_lower"
    y = F.conv2d(x, w, stride=s, padding=name, dilation=d)
    amounts = []
    for n in (size + 1, size):
        out = -(-n // s)
        total = max((out - 1) * s + d * (k - 1) + 1 - n, 0)
        small, large = total // 2, total - total // 2
        amounts += [small, large] if upper else [large, small]
    assert y.shape[2:] == (-(-size // s), -(-(size + 1) // s))
    assert_close(y, F.conv2d(F.pad(x, amounts), w, stride=s, dilation=d), limit=1e-6)
    if upper:
        assert_close(F.conv2d(x, w, stride=s, padding="same", dilation=d), y, limit=0)


@requires_torch
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_layers_with_other_borders_as_pytorch(dims: int, mode: str) -> None:
    import torch

    for padding in (1, (2, 1, 3)[:dims], "same"):
        named: dict[str, Any] = {"padding": padding, "padding_mode": mode, "dilation": 2}
        ours = getattr(nn, f"Conv{dims}d")(4, 6, 3, **named)
        theirs = getattr(torch.nn, f"Conv{dims}d")(4, 6, 3, **named)
        assert repr(ours) == repr(theirs)
        ours.load_state_dict({k: tw.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
        x = random_array((2, 4, *(8, 9, 7)[:dims]), 7)
        a, b = tw.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got, want = ours(a), theirs(b)
        assert_close(got, want.detach(), limit=3e-6)
        dy = random_array(tuple(want.shape), 8)
        got.backward(tw.tensor(dy))
        want.backward(torch.tensor(dy))
        assert_close(a.grad, b.grad, limit=3e-6)
        assert_close(ours.weight.grad, theirs.weight.grad, limit=5e-6)
        assert_close(ours.bias.grad, theirs.bias.grad, limit=3e-6)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_fused_layers_keep_their_border(mode: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode=mode), nn.ReLU())
    x = tw.rand(2, 3, 9, 9)
    want = F.relu(F.conv2d(F.pad(x, (1,) * 4, mode), net[0].weight, net[0].bias))
    assert_close(net(x).detach(), want.detach(), limit=1e-6)
    with tw.no_grad():
        assert_close(net(x), want.detach(), limit=1e-6)


@requires_torch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((2, 3, 7, 6), {"kernel_size": 3}),
        ((3, 7, 6), {"kernel_size": (2, 3), "padding": (0, 2), "stride": (2, 1)}),
        ((2, 20, 9, 8), {"kernel_size": 3, "padding": 1, "dilation": 2, "stride": 2}),
        ((1, 1, 4, 4), {"kernel_size": 2, "stride": 2}),
        ((0, 3, 4, 4), {"kernel_size": 2}),
    ],
)
def test_unfold_and_fold_as_pytorch(shape: Any, named: dict[str, Any], dtype: Any) -> None:
    import torch

    x = random_array(shape, 9, dtype=dtype)
    a, b = tw.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ours, theirs = nn.Unfold(**named), torch.nn.Unfold(**named)
    assert repr(ours) == repr(theirs)
    got, want = ours(a), theirs(b)
    assert_close(got, want.detach(), limit=0)
    folded = nn.Fold(shape[-2:], **named), torch.nn.Fold(shape[-2:], **named)
    assert repr(folded[0]) == repr(folded[1])
    back, wanted = folded[0](got), folded[1](want)
    assert_close(back, wanted.detach(), limit=1e-6)
    dy = random_array(tuple(wanted.shape), 10, dtype=dtype)
    back.backward(tw.tensor(dy))
    wanted.backward(torch.tensor(dy))
    assert_close(a.grad, b.grad, limit=1e-6)
