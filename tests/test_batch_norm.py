"""Batch norm: float32 kernels against the float64 loops, the formulas and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
import tilewise.nn.functional as F
from helpers import EPS32, assert_close, check_with_ref, random_array, requires_torch, to_core
from tilewise import _core

SHAPES = [
    (2, 1),
    (7, 3),
    (5, 16),
    (33, 130),
    (2, 1, 5),
    (3, 5, 9),
    (2, 3, 7, 5),
    (4, 17, 6, 6),
    (1, 20, 13, 11),
    (2, 32, 28, 28),
    (3, 64, 7, 7),
    (2, 6, 3, 4, 5),
    (2, 1500, 3),
]


def parameters(channels: int) -> tuple[np.ndarray, np.ndarray]:
    return random_array((channels,), 1, low=0.5, high=1.5), random_array((channels,), 2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_forward_training(isa: str, shape: tuple[int, ...], channels_last: bool) -> None:
    x = random_array(shape, 0, low=-1, high=3)
    weight, bias = parameters(shape[1])

    def run(x, weight, bias, mean, var):
        outputs = _core.batch_norm_forward(x, weight, bias, mean, var, True, 0.3, 1e-5)
        return (*outputs, mean, var)

    mean, var = np.zeros(shape[1]), np.ones(shape[1])
    y, batch_mean, invstd, running_mean, running_var = check_with_ref(
        run, x, weight, bias, mean, var, limit=16 * EPS32, channels_last=channels_last
    )
    axes = (0, *range(2, x.ndim))
    x64 = x.astype(np.float64)
    assert_close(batch_mean, x64.mean(axes), limit=8 * EPS32)
    assert_close(invstd, 1 / np.sqrt(x64.var(axes) + 1e-5), limit=16 * EPS32)
    assert_close(running_mean, 0.3 * x64.mean(axes), limit=8 * EPS32)
    assert_close(running_var, 0.7 + 0.3 * x64.var(axes, ddof=1), limit=16 * EPS32)
    if x.ndim >= 3:
        assert y.is_channels_last()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_backward(isa: str, shape: tuple[int, ...], training: bool) -> None:
    x = random_array(shape, 0, low=-1, high=3)
    dy = random_array(shape, 3)
    weight, _ = parameters(shape[1])
    axes = (0, *range(2, x.ndim))
    x64 = x.astype(np.float64)
    mean = x64.mean(axes)
    invstd = 1 / np.sqrt(x64.var(axes) + 1e-5)

    def run(dy, x, weight, mean, invstd):
        return _core.batch_norm_backward(dy, x, weight, mean, invstd, training)

    scale = float(np.abs(weight * invstd).max())  # of dx before its terms cancel
    fast = run(*(to_core(a.astype(np.float32)) for a in (dy, x, weight, mean, invstd)))
    oracle = run(*(to_core(a.astype(np.float64)) for a in (dy, x, weight, mean, invstd)))
    for got, want, size in zip(fast, oracle, (scale, None, None), strict=True):
        assert_close(got, want, limit=64 * EPS32, scale=size)


@pytest.mark.parametrize("shape", SHAPES[2:], ids=str)
def test_with_relu_in_the_same_pass(isa: str, shape: tuple[int, ...]) -> None:
    """A ReLU after (relu) or before (input_relu) the normalisation, as two separate operations."""
    x = np.maximum(random_array(shape, 0), 0)
    dy = random_array(shape, 3)
    weight, bias = parameters(shape[1])
    for dtype, limit in [(np.float32, 16 * EPS32), (np.float64, 1e-13)]:
        cx, cdy, cw, cb = (to_core(a.astype(dtype)) for a in (x, dy, weight, bias))
        plain, mean, invstd = _core.batch_norm_forward(cx, cw, cb)
        y, *_ = _core.batch_norm_forward(cx, cw, cb, relu=True)
        np.testing.assert_array_equal(y.numpy(), _core.relu(plain).numpy())
        before = _core.relu_backward(cdy, y)
        want = _core.batch_norm_backward(before, cx, cw, mean, invstd, True)
        got = _core.batch_norm_backward(cdy, cx, cw, mean, invstd, True, relu=True, bias=cb)
        scale = float(np.abs(weight * invstd.numpy()).max())
        for a, b, size in zip(got, want, (scale, None, None), strict=True):
            assert_close(a, b, limit=limit, scale=size)
        got = _core.batch_norm_backward(before, cx, cw, mean, invstd, True, input_relu=True)
        first = _core.relu_backward(want[0].channels_last() if x.ndim > 2 else want[0], cx)
        for a, b in zip(got, (first, *want[1:]), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_float64_gradient_is_the_derivative() -> None:
    x = random_array((3, 2, 4), 0, dtype=np.float64)
    dy = random_array((3, 2, 4), 1, dtype=np.float64)
    weight = random_array((2,), 2, dtype=np.float64)
    bias = random_array((2,), 3, dtype=np.float64)

    def loss(x, weight, bias):
        y, _, _ = _core.batch_norm_forward(to_core(x), to_core(weight), to_core(bias))
        return float((y.numpy() * dy).sum())

    _, mean, invstd = _core.batch_norm_forward(to_core(x), to_core(weight), to_core(bias))
    grads = _core.batch_norm_backward(to_core(dy), to_core(x), to_core(weight), mean, invstd, True)
    for which, grad in enumerate(grads):
        numeric = np.zeros(grad.shape)
        for i in np.ndindex(*grad.shape):
            values = []
            for h in (1e-6, -1e-6):
                arguments = [x.copy(), weight.copy(), bias.copy()]
                arguments[which][i] += h
                values.append(loss(*arguments))
            numeric[i] = (values[0] - values[1]) / 2e-6
        assert_close(grad, numeric, limit=1e-7)


@requires_torch
@pytest.mark.parametrize("training", [True, False])
def test_like_torch(isa: str, training: bool) -> None:
    torch = pytest.importorskip("torch")
    x = random_array((4, 18, 9, 7), 0, low=-2, high=5)
    dy = random_array(x.shape, 1)
    weight, bias = parameters(18)
    mean, var = random_array((18,), 4), random_array((18,), 5, low=0.5, high=2)
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, weight, bias))
    tmean, tvar = torch.tensor(mean), torch.tensor(var)
    ty = torch.nn.functional.batch_norm(tx, tmean, tvar, tw, tb, training, 0.1, 1e-5)
    ty.backward(torch.tensor(dy))
    cmean, cvar = to_core(mean), to_core(var)
    y, saved_mean, invstd = _core.batch_norm_forward(
        to_core(x), to_core(weight), to_core(bias), cmean, cvar, training, 0.1, 1e-5
    )
    dx, dweight, dbias = _core.batch_norm_backward(
        to_core(dy), to_core(x), to_core(weight), saved_mean, invstd, training
    )
    for got, want in [
        (y, ty), (dx, tx.grad), (dweight, tw.grad), (dbias, tb.grad), (cmean, tmean), (cvar, tvar),
    ]:  # fmt: skip
        assert_close(got, want, limit=32 * EPS32)


@pytest.mark.parametrize("offset", [1e3, -1e4])
def test_mean_far_from_zero(isa: str, offset: float) -> None:
    x = (random_array((8, 32, 16, 16), 0, dtype=np.float64) + offset).astype(np.float32)
    y, _, invstd = _core.batch_norm_forward(to_core(x))
    expected = 1 / np.sqrt(x.astype(np.float64).var((0, 2, 3)) + 1e-5)
    assert_close(invstd, expected, limit=1e-5)
    assert np.isfinite(y.numpy()).all()


@pytest.mark.parametrize("shape", [(2, 64, 280, 281), (1, 3, 1900, 1777)], ids=str)
def test_outputs_larger_than_the_caches(isa: str, shape: tuple[int, ...]) -> None:
    """Above 40 MB the kernels store past the caches."""
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    weight, bias = parameters(shape[1])
    mean, var = np.full(shape[1], 0.5, np.float32), np.full(shape[1], 0.25, np.float32)
    scale = (weight / np.sqrt(np.float32(0.25 + 1e-5))).reshape(-1, 1, 1)
    want = (x - np.float32(0.5)) * scale + bias.reshape(-1, 1, 1)
    for relu in (False, True):
        y, *_ = _core.batch_norm_forward(
            to_core(x), *map(to_core, (weight, bias, mean, var)), False, relu=relu
        )
        assert_close(y, np.maximum(want, 0) if relu else want, limit=4 * EPS32)


def test_same_bits_at_any_thread_count(isa: str) -> None:
    for shape in [(16, 32, 28, 28), (300, 7), (3, 5, 41, 43), (2, 700, 9, 9)]:
        x, dy = random_array(shape, 0), random_array(shape, 1)
        weight, bias = parameters(shape[1])
        results = []
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            forward = _core.batch_norm_forward(to_core(x), to_core(weight), to_core(bias))
            backward = _core.batch_norm_backward(
                to_core(dy), to_core(x), to_core(weight), forward[1], forward[2], True
            )
            results.append([a.numpy().tobytes() for a in (*forward, *backward)])
        assert all(r == results[0] for r in results)


def test_nan_stays_in_its_channel(isa: str) -> None:
    x = random_array((2, 5, 30), 0)
    x[1, 3, 7] = np.nan
    y, mean, _ = _core.batch_norm_forward(to_core(x))
    bad = np.isnan(y.numpy()).any(axis=(0, 2))
    np.testing.assert_array_equal(bad, np.arange(5) == 3)
    np.testing.assert_array_equal(np.isnan(mean.numpy()), np.arange(5) == 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_evaluating_the_gradient_does_not_read_the_input(isa: str, dtype: type) -> None:
    """dx = dy scale: finite where x is not, as in PyTorch."""
    x = tw.tensor(np.array([[1.0, np.nan, np.inf], [2.0, 3.0, 4.0]], dtype), requires_grad=True)
    weight = tw.tensor(np.array([1.0, 2.0, -4.0], dtype))
    zeros, ones = tw.zeros(3, dtype=x.dtype), tw.ones(3, dtype=x.dtype)
    F.batch_norm(x, zeros, ones, weight, eps=0.0).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [[1, 2, -4], [1, 2, -4]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4), (2, 3, 0), (0, 0)], ids=str)
def test_empty(shape: tuple[int, ...], dtype: type) -> None:
    x = to_core(np.zeros(shape, dtype))
    c = shape[1]
    mean, var = to_core(np.full(c, 2, dtype)), to_core(np.full(c, 3, dtype))
    y, saved_mean, invstd = _core.batch_norm_forward(x, None, None, mean, var, True)
    assert y.shape == shape
    assert (mean.numpy() == 2).all() and (var.numpy() == 3).all()
    dx, dweight, dbias = _core.batch_norm_backward(y, x, None, saved_mean, invstd, True)
    assert dx.shape == shape
    assert not dweight.numpy().any() and not dbias.numpy().any()


def test_running_statistics_are_written_in_place() -> None:
    x = to_core(random_array((4, 3, 2), 0))
    mean, var = to_core(np.zeros(3, np.float32)), to_core(np.ones(3, np.float32))
    before = mean.version
    _core.batch_norm_forward(x, None, None, mean, var, True)
    assert mean.version > before
    before = mean.version
    _core.batch_norm_forward(x, None, None, mean, var, False)
    assert mean.version == before


def test_errors() -> None:
    x = to_core(np.zeros((2, 3, 4), np.float32))
    three, four = to_core(np.ones(3, np.float32)), to_core(np.ones(4, np.float32))
    none = to_core(np.ones(0, np.float32))
    forward, backward = _core.batch_norm_forward, _core.batch_norm_backward
    for wrong in (four, none, to_core(np.ones((3, 1), np.float32))):
        for name in ("weight", "bias"):
            with pytest.raises(ValueError, match=rf"batch_norm: expected {name} of shape \(3,\)"):
                forward(x, **{name: wrong})
        with pytest.raises(ValueError, match="running_mean"):
            forward(x, None, None, wrong, three)
        with pytest.raises(ValueError, match="batch_norm_backward: expected mean"):
            backward(x, x, None, wrong, three, True)
        with pytest.raises(ValueError, match="batch_norm_backward: expected invstd"):
            backward(x, x, None, three, wrong, True)
    with pytest.raises(ValueError, match="when not training"):
        forward(x, training=False)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        forward(to_core(np.ones((1, 3), np.float32)))
    with pytest.raises(ValueError, match="eps"):
        forward(x, eps=-1.0)
    with pytest.raises(ValueError, match="shape"):
        forward(three)
    with pytest.raises(TypeError, match="floating"):
        forward(to_core(np.zeros((2, 3), np.int64)))
    with pytest.raises(TypeError, match="dtype"):
        forward(x, to_core(np.ones(3)))
    with pytest.raises(ValueError, match="gradient of shape"):
        backward(to_core(np.zeros((2, 3, 5), np.float32)), x, None, three, three, True)
