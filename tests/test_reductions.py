"""Reductions: values against NumPy in float64, accuracy, layouts, threads, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers import EPS32, random_array, to_core, to_numpy
from tilewise import _core

NUMPY: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
}

SHAPES = [
    (7,),
    (1,),
    (3, 5),
    (4, 1, 6),
    (2, 5, 3, 4),
    (2, 17, 3, 3),
    (3, 64, 5, 5),
    (2, 3, 2, 3, 2),
]


def subsets(rank: int) -> list[tuple[int, ...]]:
    return [c for k in range(rank + 1) for c in itertools.combinations(range(rank), k)]


def numpy_axes(axes: tuple[int, ...]) -> tuple[int, ...] | None:
    return axes or None


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_axes_and_layouts(isa: str, name: str, shape: tuple[int, ...]) -> None:
    low, high = (0.99, 1.01) if name == "prod" else (0.5, 1.5)  # products stay in range
    a = random_array(shape, low=low, high=high)
    if name in ("any", "all"):
        a = np.where(random_array(shape, 3) > (0.8 if name == "any" else -0.8), a, 0)
    a = a.astype(np.float32)
    for axes, channels_last, keepdims in itertools.product(
        subsets(len(shape)), (False, True), (False, True)
    ):
        x = to_core(a, channels_last=channels_last and a.ndim >= 3)
        got = to_numpy(getattr(_core, name)(x, axes, keepdims))
        wide = a.astype(np.float64)
        want = np.asarray(NUMPY[name](wide, axis=numpy_axes(axes), keepdims=keepdims))
        assert got.shape == want.shape
        if name in ("any", "all"):
            assert got.dtype == bool
            np.testing.assert_array_equal(got, want)
        else:
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, want, rtol=4 * EPS32)
        oracle = to_numpy(getattr(_core, name)(x.astype(_core.DType.float64), axes, keepdims))
        np.testing.assert_allclose(oracle, want, rtol=1e-13)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 1023, 5000, 100_003])
def test_lengths(isa: str, size: int) -> None:
    a = random_array((size,))
    x = to_core(a)
    scale = max(1.0, float(np.abs(a).sum()))
    assert abs(_core.sum(x).item() - a.astype(np.float64).sum()) <= 1e-7 * scale
    columns = to_core(np.stack([a, a + 1, -a], axis=1))
    want = np.stack([a, a + np.float32(1), -a], axis=1).astype(np.float64).sum(axis=0)
    np.testing.assert_allclose(to_numpy(_core.sum(columns, (0,))), want, atol=2e-7 * scale)
    if size:
        assert _core.max(x).item() == a.max()
        assert _core.min(x).item() == a.min()
        np.testing.assert_array_equal(to_numpy(_core.max(columns, (0,)))[2], -a.min())


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((40000, 3), (0,)),
        ((40000, 3), (1,)),
        ((3, 40000), (0,)),
        ((3, 70000), (1,)),
        ((8, 32, 28, 28), (0, 2, 3)),
        ((4, 33, 50, 50), (2, 3)),
        ((5, 1000, 9), (1,)),
        ((2, 200_000), (0,)),
        ((100, 1000), (0,)),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_large(
    isa: str, shape: tuple[int, ...], axes: tuple[int, ...], channels_last: bool
) -> None:
    a = random_array(shape)
    x = to_core(a, channels_last=channels_last and a.ndim >= 3)
    want = a.astype(np.float64).sum(axis=axes)
    scale = np.abs(a).astype(np.float64).sum(axis=axes).max()
    np.testing.assert_allclose(to_numpy(_core.sum(x, axes)), want, atol=1.5e-7 * scale)
    np.testing.assert_array_equal(to_numpy(_core.max(x, axes)), a.max(axis=axes))
    np.testing.assert_array_equal(to_numpy(_core.min(x, axes)), a.min(axis=axes))


def test_sum_is_accurate(isa: str) -> None:
    """Ten million times 0.1: plain float32 accumulation is wrong in the third digit."""
    a = np.full(10_000_000, 0.1, np.float32)
    want = float(np.float32(0.1)) * 10_000_000
    assert _core.sum(to_core(a)).item() == pytest.approx(want, rel=3e-7)
    assert _core.mean(to_core(a)).item() == pytest.approx(float(np.float32(0.1)), rel=3e-7)


def test_same_bits_at_any_thread_count(isa: str) -> None:
    cases = [
        ((1_000_003,), ()),
        ((70_000, 5), (0,)),
        ((6, 40, 30, 30), (0, 2, 3)),
        ((9, 999), (1,)),
    ]
    for shape, axes in cases:
        x = to_core(random_array(shape), channels_last=len(shape) > 2)
        results = []
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            results.append(
                b"".join(
                    to_numpy(f(x, axes)).tobytes()
                    for f in (_core.sum, _core.max, _core.mean, _core.var, _core.logsumexp)
                )
            )
        assert len(set(results)) == 1


@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_propagates(isa: str, name: str) -> None:
    for size in (1, 2, 7, 16, 17, 40, 100):
        for position in {0, size // 2, size - 1}:
            a = random_array((size,))
            a[position] = np.nan
            assert np.isnan(getattr(_core, name)(to_core(a)).item())
            table = np.zeros((size, 20), np.float32)
            table[position, 3] = np.nan
            got = to_numpy(getattr(_core, name)(to_core(table), (0,)))
            np.testing.assert_array_equal(np.isnan(got), np.arange(20) == 3)
    infinite = np.array([np.inf, -np.inf, 0.0], np.float32)
    assert _core.max(to_core(infinite)).item() == np.inf
    assert _core.min(to_core(infinite)).item() == -np.inf
    assert np.isnan(_core.sum(to_core(infinite)).item())


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "bool"])
def test_integers(dtype: str) -> None:
    high = 2 if dtype == "bool" else 100
    a = random_array((5, 7, 3), dtype=np.int64, low=0, high=high).astype(dtype)
    x = to_core(a)
    for axes in subsets(3):
        got = to_numpy(_core.sum(x, axes))
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, a.sum(axis=numpy_axes(axes), dtype=np.int64))
        got = to_numpy(_core.max(x, axes))
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(got, a.max(axis=numpy_axes(axes)))
        np.testing.assert_array_equal(to_numpy(_core.any(x, axes)), a.any(axis=numpy_axes(axes)))
    with pytest.raises(TypeError, match="mean: expected a floating tensor, got"):
        _core.mean(x)
    wrapped = _core.prod(to_core(np.full(70, 3)))
    with np.errstate(over="ignore"):
        assert wrapped.item() == np.full(70, 3).prod()


def test_strided_views(isa: str) -> None:
    a = random_array((6, 10, 12))
    x = to_core(a)
    for view, want in (
        (x.slice(2, 1, 12, 2), a[:, :, 1::2]),
        (x.permute((2, 0, 1)), a.transpose(2, 0, 1)),
        (x.slice(1, 0, 1, 1).expand((6, 10, 12)), np.broadcast_to(a[:, :1], a.shape)),
    ):
        for axes in subsets(3):
            got = to_numpy(_core.sum(view, axes))
            np.testing.assert_allclose(
                got, want.astype(np.float64).sum(axis=numpy_axes(axes)), rtol=1e-5, atol=1e-5
            )


def test_empty() -> None:
    x = to_core(np.zeros((0, 3), np.float32))
    np.testing.assert_array_equal(to_numpy(_core.sum(x, (0,))), np.zeros(3))
    np.testing.assert_array_equal(to_numpy(_core.prod(x, (0,))), np.ones(3))
    assert _core.sum(x).item() == 0
    assert np.isnan(_core.mean(x).item())
    assert _core.any(x).item() is False and _core.all(x).item() is True
    assert _core.max(x, (1,)).shape == (0,)
    for name in ("max", "min"):
        with pytest.raises(ValueError, match=f"{name}: expected at least one element"):
            getattr(_core, name)(x, (0,))


def test_scalar_arrays() -> None:
    x = to_core(np.array(2.5, np.float32))
    assert _core.sum(x).shape == () and _core.sum(x).item() == 2.5
    assert _core.sum(x, (0,)).item() == 2.5 and _core.max(x, (-1,)).item() == 2.5


@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_var(isa: str, correction: float) -> None:
    a = random_array((3, 5, 4, 6)) + np.float32(10)
    for axes, channels_last in itertools.product([(), (1,), (0, 2, 3), (-1,)], (False, True)):
        x = to_core(a, channels_last=channels_last)
        want = a.astype(np.float64).var(axis=numpy_axes(axes), ddof=correction, keepdims=True)
        got = to_numpy(_core.var(x, axes, correction, True))
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=2e-6)
    assert np.isnan(_core.var(to_core(np.ones(1, np.float32))).item())


# Rows and columns of one register and less, tails, several blocks, strips and chunks.
STATISTICS = [((1, 1), 0), ((1, 7), 1), ((5, 3), 0), ((9, 33), 1), ((40, 600), 0), ((3, 5000), 1),
              ((70_001,), 0), ((200, 17), 0), ((3, 70, 40), 1), ((40_000, 2), 0)]  # fmt: skip


@pytest.mark.parametrize(("shape", "axis"), STATISTICS, ids=str)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_var_in_one_read(isa: str, shape: tuple[int, ...], axis: int, offset: float) -> None:
    """The deviations survive a mean that is ten thousand times as large, and outliers in front."""
    a = (random_array(shape, dtype=np.float64) + offset).astype(np.float32)
    for first in (a.flat[0], 1e3 + offset):
        a.flat[0] = first
        got = to_numpy(_core.var(to_core(a), (axis,), 0.0, False))
        want = a.astype(np.float64).var(axis)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-12)


@pytest.mark.parametrize(("shape", "axis"), STATISTICS, ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_logsumexp_in_one_read(isa: str, shape: tuple[int, ...], axis: int, scale: float) -> None:
    a = random_array(shape, low=-3, high=3) * np.float32(scale)
    rising = np.sort(a, axis)  # each block moves the origin
    for values in (a, rising, np.flip(rising, axis).copy()):
        wide = values.astype(np.float64)
        top = wide.max(axis, keepdims=True)
        want = (np.log(np.exp(wide - top).sum(axis, keepdims=True)) + top).squeeze(axis)
        for x in (values, wide):
            got = to_numpy(_core.logsumexp(to_core(x), (axis,), False))
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_of_infinities(isa: str, axis: int, dtype: Any) -> None:
    a = random_array((3000, 6), dtype=np.float64).astype(dtype)
    a[:, 1] = -np.inf
    a[:2000, 2] = -np.inf
    a[5, 3] = np.inf
    a[2999, 3] = 3e38
    a[7, 4] = np.nan
    a[9, 4] = np.inf
    a[:, 5] = 3e38
    x = to_core(np.ascontiguousarray(a if axis == 0 else a.T))
    got = to_numpy(_core.logsumexp(x, (axis,), False))
    want = np.log(np.exp(a[2000:, 2].astype(np.float64)).sum())
    np.testing.assert_allclose(got[2], want, rtol=1e-6)
    assert got[1] == -np.inf and got[3] == np.inf and np.isnan(got[4])
    assert got[5] == np.float32(3e38) or dtype is np.float64
    assert np.isfinite(got[0])
    assert np.isnan(to_numpy(_core.var(x, (axis,), 0.0, False))[[1, 2, 3, 4]]).all()


@pytest.mark.parametrize(
    "shape", [(2, 5, 3, 4), (5, 1, 1), (1, 5, 1, 1), (4,), (), (1,), (2, 1, 3, 4), (1, 1, 3, 1)]
)
def test_sum_to(isa: str, shape: tuple[int, ...]) -> None:
    a = random_array((2, 5, 3, 4))
    axes = tuple(range(4 - len(shape)))
    axes += tuple(i + 4 - len(shape) for i, n in enumerate(shape) if n == 1)
    want = a.astype(np.float64).sum(axis=axes).reshape(shape)
    for channels_last in (False, True):
        got = to_numpy(_core.sum_to(to_core(a, channels_last=channels_last), shape))
        assert got.shape == shape
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_all_finite(isa: str) -> None:
    for size in (0, 1, 15, 16, 33, 100_000):
        a = random_array((size,))
        assert _core.all_finite([to_core(a), to_core(np.arange(3))])
        for bad in (np.nan, np.inf, -np.inf):
            for position in {0, size // 2, size - 1} if size else set():
                broken = a.copy()
                broken[position] = bad
                assert not _core.all_finite([to_core(a), to_core(broken)])
                assert not _core.all_finite([to_core(broken.astype(np.float64))])
    assert _core.all_finite([to_core(np.full(100, 3e38, np.float32))])  # the sum would overflow


def test_errors() -> None:
    x = to_core(random_array((2, 3)))
    with pytest.raises(IndexError, match="sum: axis 2 is out of range for 2 dimensions"):
        _core.sum(x, (2,))
    with pytest.raises(IndexError, match="mean: axis -3"):
        _core.mean(x, (-3,))
    with pytest.raises(ValueError, match="max: axis 1 appears twice"):
        _core.max(x, (1, -1))
    with pytest.raises(TypeError):
        _core.sum(x, (0.5,))
    for shape in ((4,), (2, 2), (1, 2, 3, 1)):
        with pytest.raises(ValueError, match="sum_to: shape"):
            _core.sum_to(x, shape)
