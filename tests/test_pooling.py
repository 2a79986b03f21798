"""Max, average and adaptive pooling against a NumPy loop, float64, PyTorch and the lectures."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from helpers import EPS32, assert_close, random_array, requires_torch, to_core
from tilewise import _core

# shape, kernel, stride, padding, dilation, ceil_mode
MAX_CASES = [
    ((2, 3, 9), (2,), (2,), (0,), (1,), False),
    ((2, 17, 10), (3,), (1,), (1,), (2,), False),
    ((2, 32, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 20, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 20, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), True),
    ((2, 5, 7, 7), (2, 2), (2, 2), (1, 1), (1, 1), False),
    ((1, 64, 11, 11), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((1, 64, 11, 11), (3, 3), (2, 2), (0, 0), (1, 1), True),
    ((3, 1, 12, 10), (3, 2), (1, 3), (1, 0), (2, 1), False),
    ((2, 7, 9, 9), (1, 1), (3, 3), (0, 0), (1, 1), False),
    ((2, 7, 9, 9), (2, 2), (4, 4), (0, 0), (1, 1), False),
    ((1, 130, 9, 9), (5, 5), (2, 2), (2, 2), (1, 1), False),
    ((1, 3, 5, 6, 7), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), False),
    ((2, 6, 5, 6, 7), (3, 2, 3), (2, 1, 2), (1, 1, 0), (1, 2, 1), True),
]


def windows(shape: tuple[int, ...], case: tuple[Any, ...]) -> Any:
    """(output index, input coordinates) of every window, from the definition."""
    kernel, stride, padding, dilation, ceil_mode = case
    axes = []
    for n, k, s, p, d in zip(shape, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        count = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        starts = [o * s - p for o in range(count)]
        axes.append([[i for i in range(b, b + d * k, d) if 0 <= i < n] for b in starts])
    for out in itertools.product(*(range(len(a)) for a in axes)):
        taps = itertools.product(*(a[o] for a, o in zip(axes, out, strict=True)))
        yield out, list(taps), [len(a) for a in axes]


def reference_max(x: np.ndarray, *case: Any) -> tuple[np.ndarray, np.ndarray]:
    spatial = x.shape[2:]
    flat = x.reshape(*x.shape[:2], -1)
    every = list(windows(spatial, case))
    y = np.empty((*x.shape[:2], *every[0][2]), x.dtype)
    index = np.empty(y.shape, np.int64)
    for out, taps, _ in every:
        positions = np.array([np.ravel_multi_index(t, spatial) for t in taps])
        which = positions[flat[..., positions].argmax(-1)]
        index[(..., *out)] = which
        y[(..., *out)] = np.take_along_axis(flat, which[..., None], -1)[..., 0]
    return y, index


@pytest.mark.parametrize("case", MAX_CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_pool(isa: str, case: tuple[Any, ...], dtype: type) -> None:
    shape, *geometry = case
    # Integers: ties in most windows, of which the first must win.
    x = random_array(shape, 0, dtype=np.int64, low=-3, high=4).astype(dtype)
    want, index = reference_max(x, *geometry)
    y, argmax = _core.max_pool_forward(to_core(x), *geometry)
    assert y.is_channels_last()
    np.testing.assert_array_equal(y.numpy(), want)
    np.testing.assert_array_equal(argmax.numpy(), index)
    assert _core.max_pool_indices(argmax).dtype == _core.DType.int64
    alone, nothing = _core.max_pool_forward(to_core(x), *geometry, indices=False)
    assert nothing is None
    np.testing.assert_array_equal(alone.numpy(), want)

    dy = random_array(want.shape, 1, dtype=dtype)
    expected = np.zeros((*shape[:2], int(np.prod(shape[2:]))), np.float64)
    n, c = np.ogrid[: shape[0], : shape[1]]
    np.add.at(
        expected,
        (n[..., None], c[..., None], index.reshape(*shape[:2], -1)),
        dy.reshape(*shape[:2], -1),
    )
    for extra in [(), tuple(geometry)]:
        dx = _core.max_pool_backward(to_core(dy), argmax, shape, *extra)
        assert_close(dx, expected.reshape(shape), limit=4 * EPS32)


@pytest.mark.parametrize("case", MAX_CASES, ids=str)
def test_average_pool(isa: str, case: tuple[Any, ...]) -> None:
    shape, kernel, stride, padding, _, ceil_mode = case
    ones = (1,) * len(kernel)
    if any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        padding = tuple(k // 2 for k in kernel)
    x = random_array(shape, 0)
    every = list(windows(shape[2:], (kernel, stride, padding, ones, ceil_mode)))
    for include_pad, override in [(True, 0), (False, 0), (True, 5), (False, -3)]:
        arguments = (kernel, stride, padding, ceil_mode, include_pad, override)
        want = np.empty((*shape[:2], *every[0][2]))
        share = np.empty(every[0][2])
        for out, taps, _ in every:
            padded = 1
            for o, k, s, p, n in zip(out, kernel, stride, padding, shape[2:], strict=True):
                padded *= min(k, n + p - (o * s - p))
            share[out] = 1 / (override or (padded if include_pad else len(taps)))
            total = sum(x[(..., *t)].astype(np.float64) for t in taps)
            want[(..., *out)] = total * share[out]
        dy = random_array(want.shape, 1)
        dx = np.zeros(shape)
        for out, taps, _ in every:
            for t in taps:
                dx[(..., *t)] += dy[(..., *out)] * share[out]
        for dtype in (np.float32, np.float64):
            y = _core.avg_pool_forward(to_core(x.astype(dtype)), *arguments)
            assert_close(y, want, limit=8 * EPS32)
            got = _core.avg_pool_backward(to_core(dy.astype(dtype)), shape, *arguments)
            assert_close(got, dx, limit=8 * EPS32)


ADAPTIVE = [
    ((2, 3, 10), (4,)),
    ((2, 33, 7, 7), (1, 1)),
    ((1, 5, 7, 5), (3, 8)),
    ((20, 16, 6, 6), (6, 6)),
    ((2, 4, 5, 6, 7), (2, 3, 9)),
    ((1, 2, 100, 37), (29, 1)),
]


@pytest.mark.parametrize(("shape", "size"), ADAPTIVE, ids=str)
def test_adaptive_pools(isa: str, shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    x = random_array(shape, 0)
    average = np.empty((*shape[:2], *size))
    maximum = np.empty((*shape[:2], *size))
    dy = random_array(average.shape, 1)
    dx, dx_max = np.zeros(shape), np.zeros(shape)
    y_max, argmax = _core.adaptive_max_pool_forward(to_core(x), size)
    for out in np.ndindex(*size):
        box = tuple(
            slice(o * n // s, -(-(o + 1) * n // s))
            for o, n, s in zip(out, shape[2:], size, strict=True)
        )
        window = x[(..., *box)].reshape(*shape[:2], -1).astype(np.float64)
        average[(..., *out)] = window.mean(-1)
        maximum[(..., *out)] = window.max(-1)
        spread = dy[(..., *out)].astype(np.float64) / window.shape[-1]
        dx[(..., *box)] += spread.reshape(*shape[:2], *(1 for _ in size))
        for n, c in np.ndindex(*shape[:2]):
            at = np.unravel_index(argmax.numpy()[(n, c, *out)], shape[2:])
            dx_max[(n, c, *at)] += dy[(n, c, *out)]
    np.testing.assert_array_equal(y_max.numpy(), maximum)
    assert_close(_core.max_pool_backward(to_core(dy), argmax, shape), dx_max, limit=4 * EPS32)
    for dtype in (np.float32, np.float64):
        y = _core.adaptive_avg_pool_forward(to_core(x.astype(dtype)), size)
        assert_close(y, average, limit=8 * EPS32)
        got = _core.adaptive_avg_pool_backward(to_core(dy.astype(dtype)), shape)
        assert_close(got, dx, limit=8 * EPS32)


def test_long_adaptive_pool_is_exact() -> None:
    """5877 rows to 2855: window bounds by float rounding would be off (pytorch#81409)."""
    x = np.zeros((1, 1, 5877, 3), np.float32)
    y = _core.adaptive_avg_pool_forward(to_core(x + 1), (2855, 1))
    np.testing.assert_array_equal(y.numpy(), 1)
    counts = [-(-(o + 1) * 5877 // 2855) - o * 5877 // 2855 for o in range(2855)]
    dx = _core.adaptive_avg_pool_backward(y, x.shape).numpy()
    assert_close(dx.sum(), np.float64(2855), limit=1e-5)
    assert dx[0, 0, 0, 0] == pytest.approx(1 / (3 * counts[0]), rel=2 * EPS32)


@requires_torch
@pytest.mark.parametrize("case", MAX_CASES, ids=str)
def test_like_torch(case: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    shape, kernel, stride, padding, dilation, ceil_mode = case
    x = random_array(shape, 0)
    x.reshape(-1)[::7] = np.nan
    x.reshape(-1)[3::11] = -np.inf
    function = getattr(torch.nn.functional, f"max_pool{len(kernel)}d")
    want, index = function(
        torch.tensor(x), kernel, stride, padding, dilation, ceil_mode, return_indices=True
    )
    y, argmax = _core.max_pool_forward(to_core(x), kernel, stride, padding, dilation, ceil_mode)
    np.testing.assert_array_equal(y.numpy(), want.numpy())
    np.testing.assert_array_equal(argmax.numpy(), index.numpy())
    if max(dilation) == 1:
        x = random_array(shape, 0)
        function = getattr(torch.nn.functional, f"avg_pool{len(kernel)}d")
        want = function(torch.tensor(x), kernel, stride, padding, ceil_mode, False)
        y = _core.avg_pool_forward(to_core(x), kernel, stride, padding, ceil_mode, False)
        assert_close(y, want, limit=8 * EPS32)


def test_nan_wins(isa: str) -> None:
    x = np.zeros((1, 20, 2, 4), np.float32)
    x[0, 5, 0, 1] = x[0, 5, 1, 0] = np.nan  # the last one is reported
    x[0, 6] = -np.inf
    x[0, 7, 1, 1] = np.inf
    y, argmax = _core.max_pool_forward(to_core(x), (2, 2), (2, 2), (0, 0), (1, 1))
    assert np.isnan(y.numpy()[0, 5, 0, 0]) and argmax.numpy()[0, 5, 0, 0] == 4
    assert y.numpy()[0, 6, 0, 0] == -np.inf and argmax.numpy()[0, 6, 0, 0] == 0
    assert y.numpy()[0, 7, 0, 0] == np.inf and argmax.numpy()[0, 7, 0, 0] == 5


def two(n: int) -> tuple[int, int]:
    return n, n


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "want"),
    [
        (224, 2, 2, 0, 112), (224, 3, 2, 0, 111), (10, 2, 2, 1, 6), (7, 3, 3, 0, 2),
        (6, 3, 2, 1, 3), (4, 3, 1, 0, 2), (7, 3, 1, 1, 7), (150, 2, 2, 0, 75), (18, 3, 2, 0, 8),
    ],
)  # fmt: skip
def test_output_sizes_of_the_lectures(
    size: int, kernel: int, stride: int, padding: int, want: int
) -> None:
    x = to_core(np.zeros((1, 3, size, size), np.float32))
    y, _ = _core.max_pool_forward(x, two(kernel), two(stride), two(padding), (1, 1))
    assert y.shape == (1, 3, want, want)
    y = _core.avg_pool_forward(x, two(kernel), two(stride), two(padding))
    assert y.shape == (1, 3, want, want)


def test_values_of_the_lectures(isa: str) -> None:
    x = np.arange(100.0).reshape(1, 1, 10, 10)
    y, argmax = _core.max_pool_forward(to_core(x), (2, 2), (2, 2), (0, 0), (1, 1))
    want = np.add.outer(np.arange(11, 100, 20), np.arange(0, 10, 2))[None, None]
    assert y.dtype == _core.DType.float64
    np.testing.assert_array_equal(y.numpy(), want)
    np.testing.assert_array_equal(argmax.numpy(), want)
    dx = _core.max_pool_backward(
        to_core(want.astype(np.float64)), argmax, x.shape, (2, 2), (2, 2), (0, 0), (1, 1)
    )
    np.testing.assert_array_equal(dx.numpy(), np.where(np.isin(x, want), x, 0))

    image = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
    x = np.array(image, np.float32)[None, None]
    average = _core.avg_pool_forward(to_core(x), (3, 3), (1, 1), (0, 0)).numpy()[0, 0]
    np.testing.assert_allclose(
        average, [[1.7, 1.7, 1.7], [1, 1.2, 1.8], [1.1, 0.8, 1.3]], atol=0.0501
    )
    maximum, _ = _core.max_pool_forward(to_core(x), (3, 3), (1, 1), (0, 0), (1, 1))
    np.testing.assert_array_equal(maximum.numpy()[0, 0], [[3, 3, 3], [3, 3, 3], [3, 2, 3]])

    textbook = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
    x = np.array(textbook, np.float32)[None, None]
    y, _ = _core.max_pool_forward(to_core(x), (2, 2), (2, 2), (0, 0), (1, 1))
    np.testing.assert_array_equal(y.numpy()[0, 0], [[6, 8], [3, 4]])


def test_same_bits_at_any_thread_count(isa: str) -> None:
    x = random_array((3, 70, 13, 11), 0)
    single = random_array((1, 200, 13, 11), 0)
    pool = (3, 3), (2, 2), (1, 1), (1, 1)
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        found = []
        for a in (to_core(x), to_core(single)):
            y, argmax = _core.max_pool_forward(a, *pool)
            found += [y, argmax, _core.max_pool_backward(y, argmax, a.shape)]
            found.append(_core.max_pool_backward(y, argmax, a.shape, *pool))
            found.append(_core.avg_pool_forward(a, *pool[:3]))
            found.append(_core.avg_pool_backward(found[-1], a.shape, *pool[:3]))
            found.append(_core.adaptive_avg_pool_forward(a, (1, 1)))
        results.append([a.numpy().tobytes() for a in found])
    assert all(r == results[0] for r in results)


def test_larger_than_the_caches(isa: str) -> None:
    """Results stored past the caches are those of a sample alone, which stays in them."""
    x = random_array((4, 16, 363, 367), 0)
    for kernel, padding in [(2, 0), (3, 1)]:
        pool = (kernel, kernel), (2, 2), (padding, padding)
        y, argmax = _core.max_pool_forward(to_core(x), *pool, (1, 1))
        plain, _ = _core.max_pool_forward(to_core(x), *pool, (1, 1), indices=False)
        mean = _core.avg_pool_forward(to_core(x), *pool)
        dx = _core.max_pool_backward(y, argmax, x.shape, *pool, (1, 1))
        spread = _core.avg_pool_backward(mean, x.shape, *pool)
        for n in (0, 3):
            one = to_core(x[n : n + 1])
            part, places = _core.max_pool_forward(one, *pool, (1, 1))
            average = _core.avg_pool_forward(one, *pool)
            pairs = [
                (y, part),
                (plain, part),
                (argmax, places),
                (mean, average),
                (dx, _core.max_pool_backward(part, places, one.shape, *pool, (1, 1))),
                (spread, _core.avg_pool_backward(average, one.shape, *pool)),
            ]
            for whole, alone in pairs:
                np.testing.assert_array_equal(whole.numpy()[n], alone.numpy()[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_empty_batch(dtype: type) -> None:
    for shape, out in [((0, 3, 8, 8), (0, 3, 4, 4)), ((2, 0, 8, 8), (2, 0, 4, 4))]:
        x = to_core(np.zeros(shape, dtype))
        pool = (2, 2), (2, 2), (0, 0), (1, 1)
        y = _core.avg_pool_forward(x, *pool[:3])
        assert y.shape == out
        if shape[1]:
            maxima, argmax = _core.max_pool_forward(x, *pool)
            assert maxima.shape == argmax.shape == out
            assert _core.max_pool_backward(y, argmax, shape, *pool).shape == shape
        else:
            with pytest.raises(ValueError, match="with channels and pixels"):
                _core.max_pool_forward(x, *pool)
        assert _core.avg_pool_backward(y, shape, *pool[:3]).shape == shape
        assert _core.adaptive_avg_pool_forward(x, (3, 1)).shape == (*shape[:2], 3, 1)
    x = to_core(np.ones((2, 3, 4), dtype))
    y = _core.adaptive_avg_pool_forward(x, (0,))
    assert y.shape == (2, 3, 0)
    assert not _core.adaptive_avg_pool_backward(y, x.shape).numpy().any()


HUGE = 2**62


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "message"),
    [
        ((0, 2), (1, 1), (0, 0), (1, 1), "kernel >= 1"),
        ((2, -2), (1, 1), (0, 0), (1, 1), "kernel >= 1"),
        ((2, 2), (0, 1), (0, 0), (1, 1), "stride >= 1"),
        ((2, 2), (-1, 1), (0, 0), (1, 1), "stride >= 1"),
        ((2, 2), (1, 1), (-1, 0), (1, 1), "padding >= 0"),
        ((2, 2), (1, 1), (0, 0), (0, 1), "dilation >= 1"),
        ((2, 2), (1, 1), (2, 0), (1, 1), "at most half the kernel"),
        ((2, 2), (1, 1), (HUGE, 0), (1, 1), "at most half the kernel"),
        ((7, 2), (1, 1), (0, 0), (1, 1), "does not fit"),
        ((HUGE, 2), (1, 1), (0, 0), (1, 1), "does not fit"),
        ((HUGE, 2), (1, 1), (HUGE // 2, 0), (2, 1), "overflow|large|does not fit|too"),
        ((2, 2), (1, 1), (0, 0), (HUGE, 1), "overflow|large|does not fit|too"),
        ((2, 2), (1, 1), (0, 0), (8, 1), "does not fit"),
        ((2,), (1, 1), (0, 0), (1, 1), "2 values of kernel"),
        ((2, 2), (), (0, 0), (1, 1), "2 values of stride"),
        ((2, 2), (1, 1), (0, 0, 0), (1, 1), "2 values of padding"),
        ((2, 2), (1, 1), (2, 2), (3, 9), "at most half the kernel"),
    ],
)
def test_bad_attributes(
    kernel: Any, stride: Any, padding: Any, dilation: Any, message: str
) -> None:
    x = to_core(np.zeros((1, 2, 6, 6), np.float32))
    with pytest.raises(ValueError, match=message):
        _core.max_pool_forward(x, kernel, stride, padding, dilation)
    if dilation == (1, 1):
        with pytest.raises(ValueError, match=message):
            _core.avg_pool_forward(x, kernel, stride, padding)
        with pytest.raises(ValueError, match=message):
            _core.avg_pool_backward(x, x.shape, kernel, stride, padding)


def test_large_strides_and_kernels_that_fit() -> None:
    x = to_core(random_array((1, 2, 6, 6), 0))
    y, _ = _core.max_pool_forward(x, (2, 2), (HUGE, HUGE), (0, 0), (1, 1))
    assert y.shape == (1, 2, 1, 1)
    y, _ = _core.max_pool_forward(x, (2, 2), (HUGE, HUGE), (0, 0), (1, 1), True)
    assert y.shape == (1, 2, 1, 1)
    y = _core.avg_pool_forward(x, (HUGE, 6), (1, 1), (HUGE // 2, 0))
    assert y.shape == (1, 2, 7, 1)
    with pytest.raises(ValueError, match="padding alone"):
        ones = to_core(np.ones((1, 1, 2), np.float32))
        _core.max_pool_forward(ones, (2,), (1,), (1,), (3,))


def test_wrong_arguments() -> None:
    x = to_core(np.zeros((1, 2, 6, 6), np.float32))
    pool = (2, 2), (2, 2), (0, 0), (1, 1)
    y, argmax = _core.max_pool_forward(x, *pool)
    other = to_core(np.zeros((1, 2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="argmax of shape"):
        _core.max_pool_backward(other, argmax, x.shape)
    with pytest.raises(ValueError, match="gradient of shape"):
        _core.max_pool_backward(y, argmax, (1, 2, 8, 8), *pool)
    with pytest.raises(ValueError, match="gradient of shape"):
        _core.max_pool_backward(y, argmax, (2, 2, 6, 6))
    with pytest.raises(ValueError, match="sizes >= 0"):
        _core.max_pool_backward(y, argmax, (1, 2, -6, -6))
    for bad in (-1, 36, 2**31 - 1, -(2**31)):
        index = argmax.copy()
        index.numpy()[0, 1, 2, 2] = bad
        for extra in [(), pool]:
            with pytest.raises(ValueError, match="argmax"):
                _core.max_pool_backward(y, index, x.shape, *extra)
    with pytest.raises(TypeError, match="int32"):
        _core.max_pool_backward(y, argmax.astype(_core.DType.int64), x.shape)
    with pytest.raises(ValueError, match="gradient"):
        _core.avg_pool_backward(other, x.shape, *pool[:3])
    with pytest.raises(ValueError, match="output_size >= 0"):
        _core.adaptive_avg_pool_forward(x, (-1, 2))
    with pytest.raises(ValueError, match="with pixels"):
        _core.adaptive_avg_pool_forward(to_core(np.zeros((1, 2, 0, 6), np.float32)), (1, 1))
    with pytest.raises((ValueError, MemoryError)):
        _core.adaptive_avg_pool_forward(x, (HUGE, HUGE))
    with pytest.raises((ValueError, MemoryError)):
        _core.adaptive_max_pool_forward(x, (2**45, 1))
    with pytest.raises(TypeError, match="floating"):
        _core.max_pool_forward(to_core(np.zeros((1, 1, 4), np.int64)), (2,), (2,), (0,), (1,))
    with pytest.raises(ValueError, match="1 to 3 spatial"):
        _core.max_pool_forward(to_core(np.zeros((1, 4), np.float32)), (), (), (), ())
    for bad in [(2.0, 2), (True, 2), None, (2, "a")]:
        with pytest.raises(TypeError):
            _core.max_pool_forward(x, bad, (2, 2), (0, 0), (1, 1))
