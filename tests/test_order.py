"""Sorting, order statistics and counting beside NumPy: lengths on both sides of the radix sort."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array

DTYPES = ("float32", "float64", "int64", "int32", "int8", "uint8", "bool")
LENGTHS = (1, 2, 63, 64, 1023, 1024, 5000)


def _values(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers with many ties; floats with NaN, infinities and zeros of both signs."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) > 0.5
    if not dtype.startswith("float"):
        info = np.iinfo(dtype)
        few = rng.integers(0, 40, shape)
        wide = rng.integers(info.min, info.max, shape, endpoint=True, dtype=dtype)
        return np.where(rng.random(shape) < 0.5, few.astype(dtype), wide)
    special = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0], dtype)
    x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-40, 38, shape)).astype(dtype)
    return np.where(rng.random(shape) < 0.3, rng.choice(special, shape), x)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sort_is_stable_both_ways(dtype: str, length: int) -> None:
    x = _values(dtype, (3, length), length)
    t = tw.tensor(x)
    values, places = t.sort(1)
    np.testing.assert_array_equal(places.numpy(), np.argsort(x, 1, kind="stable"))
    np.testing.assert_array_equal(values.numpy(), np.sort(x, 1, kind="stable"))
    # Descending, equal elements keep their order, and NaN comes first.
    keys = x.astype(np.int64) if dtype == "bool" else x
    ranks = np.unique(keys, return_inverse=True)[1].reshape(x.shape)
    places = t.sort(1, descending=True).indices
    np.testing.assert_array_equal(places.numpy(), np.argsort(-ranks, 1, kind="stable"))


@pytest.mark.parametrize("keep", [0, 1, 7, 64, 65, 1500, 2000])
def test_topk_is_the_front_of_the_order(keep: int) -> None:
    x = _values("float32", (2, 2000), keep)
    found, places = tw.tensor(x).topk(keep, 1, largest=False)
    order = np.argsort(x, 1, kind="stable")[:, :keep]
    np.testing.assert_array_equal(places.numpy(), order)
    np.testing.assert_array_equal(found.numpy(), np.take_along_axis(x, order, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8"])
@pytest.mark.parametrize("k", [1, 500, 1100])
def test_kthvalue_along_each_dimension(dtype: str, k: int) -> None:
    x = _values(dtype, (3, 1100), k)
    order = np.argsort(x, 1, kind="stable")[:, k - 1]
    for t, dim in ((tw.tensor(x), 1), (tw.tensor(x).t(), 0)):
        value, place = t.kthvalue(k, dim)
        np.testing.assert_array_equal(place.numpy(), order)
        np.testing.assert_array_equal(value.numpy(), x[np.arange(3), order])


@pytest.mark.parametrize("between", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("fractions", [[0.3], [0.0, 0.25, 0.5, 1.0], np.linspace(0, 1, 9)])
def test_quantiles(between: str, fractions: list[float]) -> None:
    x = random_array((4, 33, 3), dtype=np.float64)
    q = np.asarray(fractions)
    got = tw.quantile(tw.tensor(x), tw.tensor(q), 1, interpolation=between).numpy()
    want = np.quantile(x, q, axis=1, method=between)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_quantiles_of_nan_and_infinity() -> None:
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, np.inf], [np.nan] * 3], np.float32)
    t = tw.tensor(x)
    assert np.isnan(t.quantile(0.5, 1).numpy()).tolist() == [True, False, True]
    np.testing.assert_array_equal(t.nanquantile(0.5, 1).numpy(), [2.0, 2.0, np.nan])
    assert tw.tensor([math.inf, math.inf]).quantile(0.5).item() == math.inf
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="q between 0 and 1"):
            t.quantile(bad)


def test_quantile_sends_gradients_to_its_neighbours() -> None:
    x = tw.tensor([4.0, 1.0, 3.0], dtype=tw.float64, requires_grad=True)
    q = tw.tensor([0.25, 0.5], dtype=tw.float64, requires_grad=True)
    y = x.quantile(q)
    y.backward(tw.tensor([1.0, 10.0], dtype=tw.float64))
    np.testing.assert_allclose(y.detach().numpy(), [2.0, 3.0])
    assert x.grad is not None and q.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 0.5, 10.5])
    np.testing.assert_allclose(q.grad.numpy(), [4.0, 0.0])


@pytest.mark.parametrize("size", [0, 5, 40000, 100_001])
def test_histograms(size: int) -> None:
    x = random_array((size,)) if size else np.zeros(0, np.float32)
    got = tw.histc(tw.tensor(x), 10, -2, 2).numpy()
    edges = np.linspace(-2, 2, 11)
    # A value on an edge, to rounding, may fall on either side.
    near = int((np.abs(x[:, None] - edges) < 1e-6).sum())
    assert np.abs(got - np.histogram(x, 10, (-2, 2))[0]).sum() <= 2 * near
    numbers = np.random.default_rng(size).integers(0, 50, size)
    np.testing.assert_array_equal(
        tw.bincount(tw.tensor(numbers), minlength=60).numpy(), np.bincount(numbers, minlength=60)
    )
    weights = random_array((size,), dtype=np.float64) if size else np.zeros(0)
    np.testing.assert_allclose(
        tw.bincount(tw.tensor(numbers), tw.tensor(weights)).numpy(), np.bincount(numbers, weights)
    )


@pytest.mark.parametrize("length", [1, 2, 3, 15, 16, 17, 1000])
@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(length: int, right: bool) -> None:
    rng = np.random.default_rng(length)
    rows = np.sort(rng.integers(0, length, (3, length)), 1).astype(np.float32)
    values = rng.integers(-1, length + 1, (3, 37)).astype(np.float32)
    got = tw.searchsorted(tw.tensor(rows), tw.tensor(values), right=right).numpy()
    side = "right" if right else "left"
    np.testing.assert_array_equal(
        got, [np.searchsorted(r, v, side) for r, v in zip(rows, values, strict=True)]
    )
    assert tw.searchsorted(tw.zeros(0), tw.ones(2)).tolist() == [0, 0]


def test_numbers_at_equal_distances() -> None:
    for count in (0, 1, 2, 7, 70_001):
        got = tw.linspace(-1, 3, count, dtype=tw.float64).numpy()
        np.testing.assert_allclose(got, np.linspace(-1, 3, count), atol=1e-15)
    big = 2**53 + 1
    assert tw.arange(big, big + 3).tolist() == [big, big + 1, big + 2]
    np.testing.assert_array_equal(tw.arange(0.0, 40_000.0).numpy(), np.arange(40_000.0))


def test_same_bits_at_any_thread_count() -> None:
    x = random_array((300_000,))
    before = tw.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            tw.set_num_threads(threads)
            t = tw.tensor(x)
            results.append(
                [
                    t.sort().indices.numpy(),
                    t.histc(13).numpy(),
                    tw.dot(t, t).numpy(),
                    (t.reshape(3, -1) @ t[:100_000]).numpy(),
                ]
            )
    finally:
        tw.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
