"""Elementwise operations of two operands: values, broadcasting, dtypes, layouts, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers import random_array, requires_torch, to_core, to_numpy
from tilewise import _core

SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 1000]
DTYPES = ["float32", "float64", "int64", "int32", "int8", "uint8", "bool"]
SPECIAL = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e37, 0.25]

NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floor_div": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
BOOLEAN = {"eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"}


def same(got: Any, want: np.ndarray) -> None:
    """Bitwise, NaN equal to NaN."""
    array = to_numpy(got)
    assert array.dtype == want.dtype
    np.testing.assert_array_equal(array, want)


def expected(name: str, a: Any, b: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(NUMPY[name](a, b))


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("size", SIZES)
def test_flat(isa: str, name: str, size: int) -> None:
    a = random_array((size,), 1, low=-4, high=4)
    b = random_array((size,), 2, low=-4, high=4)
    b[::3] = a[::3]  # something to be equal to
    got = getattr(_core, name)(to_core(a), to_core(b))
    same(got, expected(name, a, b))
    wide = getattr(_core, name)(to_core(a.astype(np.float64)), to_core(b.astype(np.float64)))
    same(wide, expected(name, a.astype(np.float64), b.astype(np.float64)))


@pytest.mark.parametrize("name", NUMPY)
def test_special_values(isa: str, name: str) -> None:
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)), np.float32)
    a, b = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    got = to_numpy(getattr(_core, name)(to_core(a), to_core(b)))
    if name == "floor_div":  # NumPy gives NaN for inf // x, PyTorch the same; 0-divisors differ
        keep = (b != 0) & np.isfinite(a) & ~np.isnan(b)
        np.testing.assert_array_equal(got[keep], expected(name, a, b)[keep])
    elif name == "remainder":
        keep = np.isfinite(b)
        np.testing.assert_array_equal(got[keep], expected(name, a, b)[keep])
    else:
        np.testing.assert_array_equal(got, expected(name, a, b))


BROADCASTS = [
    ((3, 4), (4,)),
    ((3, 4), (3, 1)),
    ((3, 1), (1, 4)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((1,), (5,)),
    ((2, 5, 3, 4), (5, 1, 1)),
    ((2, 5, 3, 4), (1, 5, 1, 1)),
    ((2, 5, 3, 4), (2, 1, 3, 4)),
    ((2, 5, 3, 4), (1, 1, 1, 4)),
    ((2, 17, 3, 4), (2, 17, 1, 1)),
    ((0, 3), (3,)),
    ((2, 0, 3), (1, 3)),
    ((1, 1, 1), (2, 1, 3, 1)),
    ((70, 600), (600,)),
    ((600, 70), (600, 1)),
    ((3, 40000), (3, 1)),
]


@pytest.mark.parametrize(("a_shape", "b_shape"), BROADCASTS)
@pytest.mark.parametrize("name", ["sub", "lt", "maximum"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_broadcasting(
    isa: str, a_shape: tuple[int, ...], b_shape: tuple[int, ...], name: str, dtype: str
) -> None:
    a = random_array(a_shape, 1, dtype=dtype, low=-50, high=50)
    b = random_array(b_shape, 2, dtype=dtype, low=-50, high=50)
    for first, second in ((a, b), (b, a)):
        for layouts in itertools.product((False, True), repeat=2):
            x = to_core(first, channels_last=layouts[0] and first.ndim >= 3)
            y = to_core(second, channels_last=layouts[1] and second.ndim >= 3)
            same(getattr(_core, name)(x, y), expected(name, first, second))


def test_layout_of_the_result(isa: str) -> None:
    a = random_array((2, 5, 3, 4))
    plain, last = to_core(a), to_core(a, channels_last=True)
    bias = to_core(random_array((5, 1, 1)))
    assert _core.add(plain, bias).is_contiguous()
    assert _core.add(plain, plain).is_contiguous()
    for x, y in ((last, bias), (bias, last), (last, last), (plain, last), (last, plain)):
        z = _core.add(x, y)
        assert z.is_channels_last() and not z.is_contiguous()
        np.testing.assert_array_equal(to_numpy(z), to_numpy(x) + to_numpy(y))


def test_strided_views(isa: str) -> None:
    a = random_array((6, 10, 12))
    x = to_core(a)
    views = [
        (x.slice(2, 1, 12, 2), a[:, :, 1:12:2]),
        (x.slice(1, 0, 10, 3), a[:, ::3]),
        (x.permute((2, 0, 1)), a.transpose(2, 0, 1)),
        (x.permute((0, 2, 1)), a.transpose(0, 2, 1)),
        (x.slice(0, 2, 3, 1).expand((4, 10, 12)), np.broadcast_to(a[2:3], (4, 10, 12))),
    ]
    for view, want in views:
        same(_core.mul(view, view), want * want)
        same(_core.mul(view, 2.5), want * np.float32(2.5))
        same(_core.sub(1, view), np.float32(1) - want)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_integers_wrap_around(name: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    values = np.array([info.min, info.min + 1, 0, 1, 7, info.max - 1, info.max], dtype)
    a, b = (np.ascontiguousarray(m) for m in np.meshgrid(values, values))
    same(getattr(_core, name)(to_core(a), to_core(b)), expected(name, a, b))


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_integer_division(dtype: str) -> None:
    info = np.iinfo(dtype)
    values = np.array([info.min, -7, -3, 3, 7, info.max], np.int64).astype(dtype)
    values = values[values != 0]
    a, b = (np.ascontiguousarray(m) for m in np.meshgrid(values, values))
    same(_core.floor_div(to_core(a), to_core(b)), expected("floor_div", a, b))
    same(_core.remainder(to_core(a), to_core(b)), expected("remainder", a, b))
    same(_core.div(to_core(a), to_core(b)), a.astype(np.float32) / b.astype(np.float32))
    zeros = to_core(np.zeros_like(a))
    for name in ("floor_div", "remainder"):
        with pytest.raises(ValueError, match=f"{name}: integer division by zero"):
            getattr(_core, name)(to_core(a), zeros)


def test_pow(isa: str) -> None:
    a = random_array((300,), low=0.01, high=5)
    b = random_array((300,), 1, low=-3, high=3)
    got = to_numpy(_core.pow(to_core(a), to_core(b)))
    np.testing.assert_allclose(got, a.astype(np.float64) ** b, rtol=1e-7)
    for exponent in (2, 3, 0.5, -1, -0.5, 0, 1, 1.7, 2.0):
        got = to_numpy(_core.pow(to_core(a), exponent))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, a.astype(np.float64) ** exponent, rtol=3e-7)
    integers = np.arange(-6, 7, dtype=np.int32)
    same(_core.pow(to_core(integers), 3), integers**3)
    same(_core.pow(to_core(integers), 40), integers**40)
    with pytest.raises(ValueError, match="negative integer powers"):
        _core.pow(to_core(integers), -1)


def special_pairs() -> tuple[np.ndarray, np.ndarray]:
    """Every pair of signed zeros, infinities, NaN, whole and other numbers."""
    numbers = [0.0, 0.5, 1.0, 2.0, 3.0, 7.25, 1e-3, 16777215.0, 1e20, 3e38, np.inf]
    values = np.float32([*numbers, *(-x for x in numbers), np.nan])
    a, b = np.meshgrid(values, values)
    return np.ascontiguousarray(a), np.ascontiguousarray(b)


# The largest errors that csrc/kernels/binary.h and binary_math.h state, in units in the last place.
ERRORS = {"fmod": 0.5, "copysign": 0.5, "atan2": 1.7, "xlogy": 1.7}


def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(y), y, np.where(x == 0, 0, x * np.log(y)))


@pytest.mark.parametrize("name", ["pow", "fmod", "remainder", "atan2", "copysign", "xlogy"])
def test_vector_functions_of_two_numbers(name: str, isa: str) -> None:
    """Within the stated error of double arithmetic, every special value as in C."""
    numpy_function = {
        "pow": np.power, "fmod": np.fmod, "remainder": None, "atan2": np.arctan2,
        "copysign": np.copysign, "xlogy": xlogy,
    }  # fmt: skip
    rng = np.random.default_rng(4)
    wide = np.ldexp(rng.uniform(0.5, 1, 3001), rng.integers(-60, 60, 3001)).astype(np.float32)
    plain = rng.uniform(-4, 4, 3001).astype(np.float32)
    pairs = [special_pairs(), (plain, plain[::-1].copy()), (wide, wide[::-1].copy())]
    pairs += [(abs(plain), 20 * plain[::-1].copy())]
    # Rests near the smallest normal number, and quotients just below and above whole numbers.
    tiny = np.ldexp(rng.uniform(0.5, 1, 3001), rng.integers(-124, -90, 3001)).astype(np.float32)
    whole = (plain * rng.integers(1, 1 << 23, 3001)).astype(np.float32)
    pairs += [(tiny * 8, tiny[::-1].copy()), (whole, plain)]
    for a, b in pairs:
        with np.errstate(all="ignore"):
            x, y = a.astype(np.float64), b.astype(np.float64)
            if name == "remainder":
                rest = np.fmod(x, y)
                want = np.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)
            else:
                want = numpy_function[name](x, y)
            rounded = want.astype(np.float32)
            normal = ~((abs(want) < np.finfo(np.float32).tiny) & (want != 0))
        got = to_numpy(getattr(_core, name)(to_core(a), to_core(b)))
        np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
        finite = np.isfinite(rounded) & normal
        np.testing.assert_array_equal(got[~finite & normal], rounded[~finite & normal])
        np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(rounded[finite]))
        errors = abs(got[finite] - want[finite]) / np.spacing(abs(rounded[finite]))
        assert errors.max() <= ERRORS.get(name, 0.51)


def test_truncated_and_floored_quotients(isa: str) -> None:
    rng = np.random.default_rng(5)
    a = (rng.uniform(-4, 4, 3001) * rng.integers(1, 1 << 22, 3001)).astype(np.float32)
    b = rng.uniform(-4, 4, 3001).astype(np.float32)
    for x, y in ((a, b), (np.round(a), np.round(b)), special_pairs()):
        with np.errstate(all="ignore"):
            truncated = np.trunc(x / y)
        wide = to_numpy(
            _core.floor_div(to_core(x.astype(np.float64)), to_core(y.astype(np.float64)))
        )
        same(_core.trunc_div(to_core(x), to_core(y)), truncated)
        with np.errstate(all="ignore"):
            same(_core.floor_div(to_core(x), to_core(y)), wide.astype(np.float32))


def test_vector_functions_of_rows_and_columns(isa: str) -> None:
    a, b = random_array((5, 70), low=0.1, high=5), random_array((70,), 1, low=0.5, high=3)
    names = "pow fmod remainder floor_div atan2 trunc_div copysign xlogy"
    for name in names.split():
        function = getattr(_core, name)
        want = function(to_core(a.astype(np.float64)), to_core(b.astype(np.float64)))
        np.testing.assert_allclose(
            to_numpy(function(to_core(a), to_core(b))), to_numpy(want), rtol=3e-7, atol=3e-7
        )
        x, y = np.ascontiguousarray(a.T), b[:, None]
        want = function(to_core(x.astype(np.float64)), to_core(y.astype(np.float64)))
        np.testing.assert_allclose(
            to_numpy(function(to_core(x), to_core(y))), to_numpy(want), rtol=3e-7, atol=3e-7
        )


def test_scalars_keep_the_dtype_of_their_category() -> None:
    for dtype in DTYPES:
        x = to_core(np.ones(3, dtype))
        assert _core.add(x, 2).dtype == (x.dtype if dtype != "bool" else _core.DType.int64)
        floating = dtype in ("float32", "float64")
        assert _core.mul(2.5, x).dtype == (x.dtype if floating else _core.DType.float32)
        assert _core.add(x, True).dtype == x.dtype
        assert _core.div(x, 2).dtype == (x.dtype if floating else _core.DType.float32)
        assert _core.lt(x, 2.5).dtype == _core.DType.bool_
    same(_core.add(to_core(np.array([1], np.uint8)), -1), np.array([0], np.uint8))
    same(_core.lt(to_core(np.array([1, -2], np.int8)), 300), np.array([True, True]))
    same(_core.add(to_core(np.ones(2, np.float32)), np.float32(0.5)), np.full(2, 1.5, np.float32))


@requires_torch
def test_promotion_as_torch() -> None:
    import torch

    for a_name, b_name in itertools.product(DTYPES, DTYPES):
        if {a_name, b_name} == {"uint8", "int8"}:
            continue  # int16 in PyTorch
        for a_rank, b_rank in itertools.product((0, 1), repeat=2):
            a = np.ones((2,) * a_rank, a_name)
            b = np.ones((3, 2)[1:] * b_rank, b_name)
            want = torch.from_numpy(np.asarray(a)) + torch.from_numpy(np.asarray(b))
            got = to_numpy(_core.add(to_core(a), to_core(b)))
            assert got.dtype == want.numpy().dtype, (a_name, b_name, a_rank, b_rank)
            np.testing.assert_array_equal(got, want.numpy())


def test_booleans() -> None:
    a = to_core(np.array([False, False, True, True]))
    b = to_core(np.array([False, True, False, True]))
    same(_core.add(a, b), np.array([False, True, True, True]))
    same(_core.mul(a, b), np.array([False, False, False, True]))
    same(_core.ne(a, b), np.array([False, True, True, False]))
    for name in ("sub", "floor_div", "remainder", "pow"):
        with pytest.raises(TypeError, match=f"{name}: expected numbers"):
            getattr(_core, name)(a, b)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_in_place(isa: str, name: str) -> None:
    a, b = random_array((4, 5, 6), 1, low=1, high=2), random_array((5, 1), 2, low=1, high=2)
    update = getattr(_core, name + "_")
    x = to_core(a)
    version = x.version
    update(x, to_core(b))
    same(x, expected(name, a, b))
    assert x.version > version
    update(x, 2)
    same(x, expected(name, expected(name, a, b), np.float32(2)))

    x = to_core(a)
    update(x.slice(2, 1, 6, 2), 3.0)  # a view with gaps
    want = a.copy()
    want[:, :, 1::2] = expected(name, want[:, :, 1::2], np.float32(3))
    same(x, want)

    square = random_array((20, 20), 3, low=1, high=2)
    x = to_core(square)
    update(x, x.permute((1, 0)))  # overlapping, in another order
    same(x, expected(name, square, square.T))

    x = to_core(square)
    update(x.slice(0, 1, 20, 1), x.slice(0, 0, 19, 1))
    square[1:] = expected(name, square[1:], square[:-1].copy())
    same(x, square)


def test_add_scaled(isa: str) -> None:
    for size in SIZES:
        a, b = random_array((size,), 1), random_array((size,), 2)
        x = to_core(a)
        _core.add_(x, to_core(b), 0.25)  # exact: no difference between fused and separate
        same(x, a + b * np.float32(0.25))
    x = to_core(np.arange(4))
    _core.add_(x, to_core(np.arange(4)), -2)
    same(x, -np.arange(4))


def test_in_place_errors() -> None:
    x = to_core(np.arange(3))
    with pytest.raises(TypeError, match="cannot be stored in int64"):
        _core.add_(x, 0.5)
    with pytest.raises(TypeError, match="cannot be stored in int64"):
        _core.div_(x, 2)
    with pytest.raises(ValueError, match="broadcasts to"):
        _core.add_(x, to_core(np.zeros((2, 3), np.int64)))
    with pytest.raises(ValueError, match="cannot write to a broadcast array"):
        _core.add_(to_core(np.zeros((1, 3))).expand((2, 3)), 1.0)


def test_errors() -> None:
    x = to_core(random_array((2, 3)))
    with pytest.raises(ValueError, match=r"add: shapes \(2, 3\) and \(4,\) do not broadcast"):
        _core.add(x, to_core(random_array((4,))))
    with pytest.raises(TypeError, match="mul: expected an array or a number"):
        _core.mul(x, "2")
    with pytest.raises(TypeError, match="mul: expected an array or a number"):
        _core.mul(None, x)
    with pytest.raises(TypeError, match="mul: expected an array, got"):
        _core.mul(2, 3.0)
    with pytest.raises(ValueError, match="does not fit 64 bits"):
        _core.mul(x, 2**70)
    rank8 = to_core(np.zeros((1,) * 8, np.float32))
    huge = to_core(np.zeros((1,), np.float32)).expand((2**40,))
    with pytest.raises(ValueError, match="overflow"):
        _core.add(huge.reshape((2**40, 1)), huge)
    assert _core.add(rank8, 1.0).shape == (1,) * 8


def test_same_bits_at_any_thread_count(isa: str) -> None:
    a, b = to_core(random_array((70, 3000), 1)), to_core(random_array((70, 1), 2))
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        results.append(to_numpy(_core.div(a, b)).tobytes())
    assert len(set(results)) == 1
