"""Positions of extremes, concatenation, flipping, gathering, indexing with arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from helpers import random_array, to_core, to_numpy
from tilewise import _core

ALL_DTYPES = ["float32", "float64", "int64", "int32", "int8", "uint8", "bool"]


def integers(shape: tuple[int, ...], high: int, seed: int = 0, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape)


def typed(shape: tuple[int, ...], dtype: str, seed: int = 1) -> np.ndarray:
    return integers(shape, 2 if dtype == "bool" else 100, seed).astype(dtype)


# ---------------------------------------------------------------- extremes


@pytest.mark.parametrize("shape", [(7,), (1,), (5, 10), (2, 5, 3, 4), (40, 1000), (3, 1, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_extremes_with_index(shape: tuple[int, ...], dtype: str) -> None:
    a = typed(shape, dtype)  # many ties: the first one counts
    for axis in range(-len(shape), len(shape)):
        for channels_last in (False, True):
            x = to_core(a, channels_last=channels_last and a.ndim >= 3)
            for pair, arg, values, places in (
                (_core.max_with_index, _core.argmax, np.max, np.argmax),
                (_core.min_with_index, _core.argmin, np.min, np.argmin),
            ):
                got, index = pair(x, axis)
                np.testing.assert_array_equal(to_numpy(got), values(a, axis=axis))
                assert to_numpy(got).dtype == np.dtype(dtype)
                np.testing.assert_array_equal(to_numpy(index), places(a, axis=axis))
                assert to_numpy(index).dtype == np.int64
                kept = to_numpy(arg(x, axis, True))
                np.testing.assert_array_equal(kept, places(a, axis=axis, keepdims=True))


def test_extremes_of_nan_and_nothing() -> None:
    x = to_core(np.float32([[1, np.nan, 3, np.nan], [-np.inf, -np.inf, -np.inf, -np.inf]]))
    values, index = _core.max_with_index(x, 1)
    np.testing.assert_array_equal(to_numpy(values), [np.nan, -np.inf])
    np.testing.assert_array_equal(to_numpy(index), [1, 0])
    np.testing.assert_array_equal(to_numpy(_core.argmin(x, 1)), [1, 0])
    scalar = to_core(np.array(2.0))
    assert _core.argmax(scalar, 0).item() == 0 and _core.argmax(scalar, -1).shape == ()
    assert _core.argmax(to_core(np.zeros((0, 3))), 1).shape == (0,)
    with pytest.raises(ValueError, match="max: expected at least one element"):
        _core.argmax(to_core(np.zeros((0, 3))), 0)
    with pytest.raises(IndexError, match="min: axis 2"):
        _core.argmin(x, 2)


# ---------------------------------------------------------------- order


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_sort_and_topk(dtype: str) -> None:
    a = typed((4, 7, 5), dtype)  # many ties: their order is kept
    for axis, channels_last in itertools.product((0, 1, -1), (False, True)):
        x = to_core(a, channels_last=channels_last)
        size = a.shape[axis]
        for descending in (False, True):
            key = -a.astype(np.int64) if descending else a.astype(np.int64)
            want = np.argsort(key, axis, kind="stable")
            values, index = _core.sort(x, axis, descending)
            np.testing.assert_array_equal(to_numpy(index), want)
            np.testing.assert_array_equal(to_numpy(values), np.take_along_axis(a, want, axis))
            for k in (0, 1, 3, size):
                values, index = _core.topk(x, k, axis, descending)
                first = want.take(np.arange(k), axis)
                np.testing.assert_array_equal(to_numpy(index), first)
                np.testing.assert_array_equal(to_numpy(values), np.take_along_axis(a, first, axis))


def test_sort_of_nan_and_nothing() -> None:
    x = to_core(np.float32([2, np.nan, -np.inf, np.nan, np.inf, 1]))
    np.testing.assert_array_equal(to_numpy(_core.sort(x)[1]), [2, 5, 0, 4, 1, 3])
    np.testing.assert_array_equal(to_numpy(_core.sort(x, 0, True)[1]), [1, 3, 4, 0, 5, 2])
    np.testing.assert_array_equal(to_numpy(_core.topk(x, 2)[1]), [1, 3])
    assert _core.sort(to_core(np.zeros((3, 0))))[0].shape == (3, 0)
    assert _core.sort(to_core(np.zeros((0, 3))))[1].shape == (0, 3)
    assert _core.sort(to_core(np.array(1.0)))[0].shape == ()
    for k in (-1, 7):
        with pytest.raises(ValueError, match="topk: expected k between 0 and 6"):
            _core.topk(x, k)
    with pytest.raises(IndexError, match="sort: axis 1"):
        _core.sort(x, 1)


# ---------------------------------------------------------------- concat and flip


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("axis", [-4, 0, 1, 2, 3])
def test_concat(dtype: str, axis: int) -> None:
    shapes = []
    for extent in (3, 1, 0, 5):
        shape = [2, 3, 4, 5]
        shape[axis] = extent
        shapes.append(tuple(shape))
    arrays = [typed(s, dtype, i) for i, s in enumerate(shapes)]
    want = np.concatenate(arrays, axis)
    for channels_last in (False, True):
        got = _core.concat([to_core(a, channels_last=channels_last) for a in arrays], axis)
        assert to_numpy(got).dtype == np.dtype(dtype)
        np.testing.assert_array_equal(to_numpy(got), want)
        assert got.is_channels_last() == channels_last
    x = to_core(arrays[0])
    np.testing.assert_array_equal(
        to_numpy(_core.concat([x.permute((1, 0, 2, 3))] * 2, 0)),
        np.concatenate([arrays[0].transpose(1, 0, 2, 3)] * 2, 0),
    )


def test_concat_promotes_and_checks() -> None:
    got = _core.concat([to_core(np.arange(3)), to_core(np.float32([0.5]))], 0)
    np.testing.assert_array_equal(to_numpy(got), np.float32([0, 1, 2, 0.5]))
    x = to_core(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="concat: expected at least one array"):
        _core.concat([], 0)
    with pytest.raises(ValueError, match=r"differ along axis 0 only, got \(2, 3\) and \(2, 4\)"):
        _core.concat([x, to_core(np.zeros((2, 4)))], 0)
    with pytest.raises(ValueError, match="differ along axis"):
        _core.concat([x, to_core(np.zeros(3))], 0)
    with pytest.raises(ValueError, match="at least one dimension"):
        _core.concat([to_core(np.array(1.0))], 0)
    with pytest.raises(IndexError, match="concat: axis 2"):
        _core.concat([x], 2)


def test_flip() -> None:
    a = random_array((3, 4, 5, 6))
    for count in range(1, 5):
        for axes in itertools.combinations(range(4), count):
            for channels_last in (False, True):
                got = _core.flip(to_core(a, channels_last=channels_last), axes)
                np.testing.assert_array_equal(to_numpy(got), np.flip(a, axes))
    np.testing.assert_array_equal(to_numpy(_core.flip(to_core(a))), np.flip(a))
    np.testing.assert_array_equal(to_numpy(_core.flip(to_core(a[:0]), (0,))), a[:0])
    np.testing.assert_array_equal(to_numpy(_core.flip(to_core(a[:1, :1]), (0, 1))), a[:1, :1])
    with pytest.raises(ValueError, match="appears twice"):
        _core.flip(to_core(a), (1, -3))


# ---------------------------------------------------------------- gather


@pytest.mark.parametrize("dtype", ALL_DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather(dtype: str, axis: int) -> None:
    a = typed((4, 5, 6), dtype)
    shape = [4, 5, 6]
    shape[axis] = 7
    i = integers(tuple(shape), a.shape[axis], 2)
    want = np.take_along_axis(a, i, axis)
    for channels_last in (False, True):
        x = to_core(a, channels_last=channels_last)
        np.testing.assert_array_equal(to_numpy(_core.gather(x, axis, to_core(i))), want)
    small = i[:2, :3, :4]
    cut = a[tuple(slice(None) if d == axis % 3 else slice(n) for d, n in enumerate((2, 3, 4)))]
    np.testing.assert_array_equal(
        to_numpy(_core.gather(to_core(a), axis, to_core(small))),
        np.take_along_axis(cut, small, axis),
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add(axis: int) -> None:
    shape = [4, 5, 6]
    shape[axis] = 9
    i = integers(tuple(shape), (4, 5, 6)[axis], 2)
    src = random_array(tuple(shape), dtype=np.float64)
    want = np.zeros((4, 5, 6))
    where = list(np.indices(shape))
    where[axis] = i
    np.add.at(want, tuple(where), src)
    got = _core.scatter_add((4, 5, 6), axis, to_core(i), to_core(src))
    np.testing.assert_allclose(to_numpy(got), want, rtol=1e-14, atol=1e-14)
    whole = _core.scatter_add((4, 5, 6), axis, to_core(i), to_core(np.ones(shape, np.int64)))
    assert to_numpy(whole).sum() == i.size


def test_gather_scalars_and_errors() -> None:
    scalar, zero = to_core(np.array(5.0)), to_core(np.array(0))
    assert _core.gather(scalar, 0, zero).shape == ()
    assert _core.scatter_add((), 0, zero, scalar).item() == 5
    x, i = to_core(np.zeros((2, 3))), to_core(np.zeros((2, 1), np.int64))
    for bad in (3, -1, 2**62):
        with pytest.raises(IndexError, match=f"index {bad} is out of range for size 3"):
            _core.gather(x, 1, to_core(np.full((2, 1), bad)))
        with pytest.raises(IndexError, match=f"index {bad} is out of range for size 3"):
            _core.scatter_add((2, 3), 1, to_core(np.full((2, 1), bad)), to_core(np.ones((2, 1))))
    with pytest.raises(TypeError, match="gather: expected an int64 index, got float64"):
        _core.gather(x, 1, x)
    with pytest.raises(ValueError, match="gather: expected an index of 2 dimensions"):
        _core.gather(x, 1, to_core(np.zeros(3, np.int64)))
    with pytest.raises(ValueError, match="no larger than shape"):
        _core.gather(x, 1, to_core(np.zeros((3, 1), np.int64)))
    with pytest.raises(ValueError, match="scatter_add: expected a source of the index's shape"):
        _core.scatter_add((2, 3), 1, i, x)
    with pytest.raises(ValueError, match="negative size"):
        _core.scatter_add((2, -3), 1, i, to_core(np.ones((2, 1))))


# ---------------------------------------------------------------- indexing with arrays

INDEX_CASES: list[tuple[tuple[int, ...], list[tuple[int, ...] | None]]] = [
    ((6,), [(4,)]),
    ((6,), [()]),
    ((6, 5), [(4,)]),
    ((6, 5), [None, (4,)]),
    ((6, 5), [(4,), (4,)]),
    ((6, 5), [(4, 1), (3,)]),
    ((6, 5, 4), [None, (2, 3)]),
    ((6, 5, 4), [(3,), None, (3,)]),
    ((6, 5, 4, 3), [None, (2, 1), (2,)]),
    ((6, 5, 4, 3), [(2,), None, None, (2,)]),
    ((6, 5, 4, 3), [None, (3,), None, (3,)]),
    ((6, 5, 4, 3), [(7,)]),
    ((6, 5, 4, 3), [(0,)]),
    ((6, 0, 4), [(3,)]),
    ((70, 900), [(50,)]),
]


def index_arrays(
    shape: tuple[int, ...], index_shapes: list[tuple[int, ...] | None]
) -> tuple[list[Any], tuple[Any, ...]]:
    """The same indices for the core (arrays or None) and for NumPy (arrays or slices)."""
    core: list[Any] = []
    numpy: list[Any] = []
    for dim, index_shape in enumerate(index_shapes):
        if index_shape is None:
            core.append(None)
            numpy.append(slice(None))
            continue
        values = integers(index_shape, shape[dim], dim, low=-shape[dim])
        core.append(to_core(np.asarray(values)))
        numpy.append(values)
    return core, tuple(numpy)


def layouts(a: np.ndarray) -> list[Any]:
    """The same values in several memory layouts."""
    if a.ndim == 0:
        return [to_core(a)]
    results = [to_core(a), to_core(np.ascontiguousarray(a.T)).permute(tuple(range(a.ndim))[::-1])]
    if a.ndim >= 3:
        results.append(to_core(a, channels_last=True))
    return results


@pytest.mark.parametrize(("shape", "index_shapes"), INDEX_CASES, ids=str)
def test_index(shape: tuple[int, ...], index_shapes: list[tuple[int, ...] | None]) -> None:
    core, numpy = index_arrays(shape, index_shapes)
    for dtype in ("float32", "uint8", "bool"):
        a = typed(shape, dtype)
        for x in layouts(a):
            got = to_numpy(_core.index(x, core))
            assert got.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(got, a[numpy])


@pytest.mark.parametrize(("shape", "index_shapes"), INDEX_CASES, ids=str)
def test_index_add(shape: tuple[int, ...], index_shapes: list[tuple[int, ...] | None]) -> None:
    core, numpy = index_arrays(shape, index_shapes)
    want = np.zeros(shape)
    src = random_array(want[numpy].shape, dtype=np.float64)
    np.add.at(want, numpy, src)
    for x in layouts(src):
        got = to_numpy(_core.index_add(shape, core, x))
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-14)
    single = _core.index_add(shape, core, to_core(src.astype(np.float32)))
    np.testing.assert_allclose(to_numpy(single), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "index_shapes"), INDEX_CASES, ids=str)
def test_index_put(shape: tuple[int, ...], index_shapes: list[tuple[int, ...] | None]) -> None:
    core, numpy = index_arrays(shape, index_shapes)
    a = random_array(shape)
    values = random_array(a[numpy].shape, 9)
    for x in layouts(a):
        version = x.version
        want = a.copy()
        _core.index_put_(x, core, to_core(values))
        want[numpy] = values
        np.testing.assert_array_equal(to_numpy(x), want)
        assert x.version > version or values.size == 0
        _core.index_put_(x, core, to_core(np.array(3)))  # broadcasts and casts
        want[numpy] = 3
        np.testing.assert_array_equal(to_numpy(x), want)


def test_index_of_a_batch_keeps_channels_last() -> None:
    a = random_array((6, 5, 4, 3))
    y = _core.index(to_core(a, channels_last=True), [to_core(np.array([5, 0, -1]))])
    assert y.is_channels_last() and not y.is_contiguous()
    np.testing.assert_array_equal(to_numpy(y), a[[5, 0, -1]])


def test_index_put_of_itself() -> None:
    a = np.arange(10.0)
    x = to_core(a)
    order = np.arange(10)[::-1].copy()
    _core.index_put_(x, [to_core(order)], x)
    np.testing.assert_array_equal(to_numpy(x), a[::-1])


def test_index_errors() -> None:
    x = to_core(random_array((4, 5)))
    good = to_core(np.array([0, 1]))
    operations: list[Callable[[list[Any]], Any]] = [
        lambda i: _core.index(x, i),
        lambda i: _core.index_add((4, 5), i, x),
        lambda i: _core.index_put_(x, i, to_core(np.float32(0))),
    ]
    for operation in operations:
        for bad in (4, -5, 2**62, -(2**63)):
            with pytest.raises(IndexError, match=f"index {bad} is out of range for size 4"):
                operation([to_core(np.array([0, bad]))])
        with pytest.raises(TypeError, match="expected indices of int64, got float32"):
            operation([x])
        with pytest.raises(ValueError, match="at most 2 indices"):
            operation([good, good, good])
        with pytest.raises(ValueError, match="at least one index array"):
            operation([None])
        with pytest.raises(ValueError, match="do not broadcast together"):
            operation([good, to_core(np.array([0, 1, 2]))])
    with pytest.raises(ValueError, match=r"index_add: expected a source of shape \(2, 5\)"):
        _core.index_add((4, 5), [good], x)
    with pytest.raises(ValueError, match=r"index_put_: .*broadcasts to \(2, 5\)|do not broadcast"):
        _core.index_put_(x, [good], x)
    with pytest.raises(ValueError, match="broadcasts to"):
        _core.index_put_(x, [good], to_core(np.zeros((1, 2, 5), np.float32)))
    with pytest.raises(IndexError):
        _core.index(to_core(np.zeros((0, 3))), [to_core(np.array([0]))])
    with pytest.raises(ValueError, match="cannot write to a broadcast array"):
        _core.index_put_(to_core(np.zeros((1, 5))).expand((4, 5)), [good], to_core(np.zeros(5)))


def test_same_bits_at_any_thread_count() -> None:
    rows = to_core(integers((5000,), 40))
    src = to_core(random_array((5000, 300)))
    columns = to_core(integers((5000, 300), 300))
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        added = to_numpy(_core.index_add((40, 300), [rows], src))
        scattered = to_numpy(_core.scatter_add((5000, 300), 1, columns, src))
        results.append(added.tobytes() + scattered.tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 3, 4, 5), (300, 400)])
def test_nonzero(shape: tuple[int, ...]) -> None:
    for dtype in ("bool", "float32", "int64"):
        a = np.asarray(random_array(shape, 3) > 0.2).astype(dtype)
        want = np.argwhere(a)
        for x in layouts(a):
            got = to_numpy(_core.nonzero(x))
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, want)


# ---------------------------------------------------------------- any shapes and indices


@hypothesis.given(data=st.data())
def test_index_of_random_shapes(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    count = data.draw(st.integers(1, len(shape)))
    common = tuple(data.draw(st.lists(st.integers(0, 3), max_size=2)))
    core: list[Any] = []
    numpy: list[Any] = []
    for dim in range(count):
        if dim < count - 1 and data.draw(st.booleans()):
            core.append(None)
            numpy.append(slice(None))
            continue
        keep = data.draw(st.integers(0, len(common)))
        values = integers(common[keep:], shape[dim], dim, low=-shape[dim])
        core.append(to_core(np.asarray(values)))
        numpy.append(values)
    a = typed(shape, "int64")
    want = a[tuple(numpy)]
    for x in layouts(a):
        np.testing.assert_array_equal(to_numpy(_core.index(x, core)), want)
    added = np.zeros_like(a)
    np.add.at(added, tuple(numpy), want)
    got = to_numpy(_core.index_add(shape, core, to_core(np.asarray(want))))
    np.testing.assert_array_equal(got, added)
