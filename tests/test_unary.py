"""Elementwise functions of one operand, choice and clamping."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers import REPO, random_array, to_core, to_numpy
from tilewise import _core

SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 70_001]

EXACT: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "sqrt": np.sqrt,
    "trunc": np.trunc,
    "reciprocal": np.reciprocal,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
}
ELEMENTARY_NUMPY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
# Largest error in units in the last place: what kernels/simd/math.h states.
ULPS: dict[str, float] = {
    name: float(limit)
    for header in ("math.h", "math_more.h")
    for name, limit in re.findall(
        r"(\w+) (\d\.\d)", (REPO / "csrc/kernels/simd" / header).read_text().split("#pragma")[0]
    )
}
ANGLES = {"sin", "cos", "tan"}  # the reduction in registers holds up to 8192
SMALL_DOMAIN = {"asin", "acos", "atanh", "erfinv"}
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def every_exponent() -> np.ndarray:
    """Normal float32 numbers of both signs, evenly over all bit patterns, and the infinities."""
    bits = np.arange(0x00800000, 0x7F800000, 9973, dtype=np.uint32)
    positive = bits.view(np.float32)
    return np.concatenate([positive, -positive, np.float32([0.0, -0.0, np.inf, -np.inf, np.nan])])


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("size", SIZES)
def test_exact_functions(isa: str, name: str, size: int) -> None:
    a = random_array((size,), low=-5, high=5)
    a[::7] = 0
    a[1::11] = np.round(a[1::11]) + np.float32(0.5)
    a[2::13] = np.inf
    with np.errstate(all="ignore"):
        for values in (a, a.astype(np.float64)):
            want = EXACT[name](values)
            got = to_numpy(getattr(_core, name)(to_core(values)))
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
            if name in ("neg", "abs"):
                np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("name", ELEMENTARY_NUMPY)
def test_elementary_functions_over_all_exponents(isa: str, name: str) -> None:
    function = ELEMENTARY_NUMPY[name]
    x = every_exponent()
    got = to_numpy(getattr(_core, name)(to_core(x)))
    with np.errstate(all="ignore"):
        want = function(x.astype(np.float64))
        rounded = want.astype(np.float32)
    inside = (np.abs(want) >= SMALLEST_NORMAL) & np.isfinite(rounded)
    if name in ANGLES:
        inside &= np.abs(x) <= 8192
    ulp = np.ldexp(1.0, np.frexp(want[inside])[1] - 24)
    error = np.abs(got[inside] - want[inside]) / ulp
    assert error.max() <= ULPS[name], (x[inside][error.argmax()], error.max())

    special = ~np.isfinite(rounded)
    np.testing.assert_array_equal(got[special], rounded[special])
    # Results below the smallest normal number may be flushed to zero.
    tiny = np.abs(want) < SMALLEST_NORMAL
    assert (np.abs(got[tiny]) <= SMALLEST_NORMAL).all()


def test_erfinv_inverts_erf(isa: str) -> None:
    """No library function to compare with: y - (erf(y) - x) / erf'(y) corrects y's last digits."""
    x = every_exponent()
    x = x[np.abs(x) < 1]
    x = np.concatenate([x, np.linspace(-1, 1, 200_001, dtype=np.float32)[1:-1]])
    got = to_numpy(_core.erfinv(to_core(x))).astype(np.float64)
    wide = to_numpy(_core.erfinv(to_core(x.astype(np.float64))))
    back = np.where(np.abs(x) > 0.5, 0.0, ELEMENTARY_NUMPY["erf"](wide) - x)
    assert np.abs(back).max() <= 2e-16
    tails = np.abs(x) > 0.5
    complement = ELEMENTARY_NUMPY["erfc"](np.abs(wide[tails]))
    np.testing.assert_allclose(complement, 1 - np.abs(x[tails].astype(np.float64)), rtol=1e-13)
    ulp = np.ldexp(1.0, np.frexp(wide)[1] - 24)
    inside = np.abs(wide) >= SMALLEST_NORMAL
    assert (np.abs(got - wide)[inside] / ulp[inside]).max() <= ULPS["erfinv"]
    ends = to_numpy(_core.erfinv(to_core(np.float32([1, -1, 1.5, -np.inf, np.nan]))))
    np.testing.assert_array_equal(ends, [np.inf, -np.inf, np.nan, np.nan, np.nan])


def test_exact_powers() -> None:
    k = np.arange(-126, 128)
    powers = to_core(np.ldexp(1.0, k).astype(np.float32))
    np.testing.assert_array_equal(to_numpy(_core.log2(powers)), k)
    np.testing.assert_array_equal(
        to_numpy(_core.exp2(to_core(k.astype(np.float32)))), to_numpy(powers)
    )


@pytest.mark.parametrize("name", ELEMENTARY_NUMPY)
@pytest.mark.parametrize("size", SIZES)
def test_elementary_functions_by_length(isa: str, name: str, size: int) -> None:
    function = ELEMENTARY_NUMPY[name]
    a = random_array((size,), low=0.1, high=3)
    if name in SMALL_DOMAIN:
        a /= 4
    if name == "acosh":
        a += 1
    want = function(a.astype(np.float64))
    got = to_numpy(getattr(_core, name)(to_core(a)))
    np.testing.assert_allclose(got, want, rtol=4e-7, atol=1e-7)
    got = to_numpy(getattr(_core, name)(to_core(a.astype(np.float64))))
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)


def test_limits_of_exp(isa: str) -> None:
    x = np.float32([88.72283, 88.72284, 1e30, np.inf, -87.33654, -87.33655, -1e30, -np.inf, -0.0])
    got = to_numpy(_core.exp(to_core(x)))
    assert np.isfinite(got[0]) and got[0] > 3.4e38
    np.testing.assert_array_equal(got[1:4], np.inf)
    assert got[4] >= SMALLEST_NORMAL
    np.testing.assert_array_equal(got[5:], [0, 0, 0, 1])


def test_angles_beyond_the_reduction(isa: str) -> None:
    x = np.float32([8192.5, -1e5, 1e20, 3e38, np.inf, np.nan, 1.0])
    with np.errstate(invalid="ignore"):
        for name, function in (("sin", np.sin), ("cos", np.cos), ("tan", np.tan)):
            want = function(x.astype(np.float64))
            np.testing.assert_allclose(to_numpy(getattr(_core, name)(to_core(x))), want, rtol=3e-7)


@pytest.mark.parametrize("size", SIZES)
def test_relu(isa: str, size: int) -> None:
    a, dy = random_array((size,)), random_array((size,), 1)
    a[::5] = 0
    a[1::7] = np.nan
    for kind in (np.float32, np.float64):
        x, gradient = to_core(a.astype(kind)), to_core(dy.astype(kind))
        y = _core.relu(x)
        np.testing.assert_array_equal(to_numpy(y), np.maximum(a, 0))
        got = to_numpy(_core.relu_backward(gradient, y))
        np.testing.assert_array_equal(got, np.where(a <= 0, 0, dy))  # NaN lets it through
    with pytest.raises(ValueError, match="relu backward: gradient of shape"):
        _core.relu_backward(to_core(np.zeros(size + 1, np.float32)), to_core(a))
    integers = np.arange(size) - 3
    np.testing.assert_array_equal(to_numpy(_core.relu(to_core(integers))), np.maximum(integers, 0))


def test_layouts(isa: str) -> None:
    a = random_array((2, 5, 3, 4), low=0.5, high=2)
    x = to_core(a, channels_last=True)
    y = _core.exp(x)
    assert y.is_channels_last() and not y.is_contiguous()
    np.testing.assert_allclose(to_numpy(y), np.exp(a), rtol=1e-6)
    view = to_core(a).slice(3, 1, 4, 2)
    np.testing.assert_array_equal(to_numpy(_core.neg(view)), -a[..., 1::2])
    assert _core.exp(to_core(np.array(0.0, np.float32))).shape == ()


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_integers(dtype: str) -> None:
    info = np.iinfo(dtype)
    a = np.array([info.min, 0, 1, 5, info.max], dtype)
    with np.errstate(over="ignore"):
        for name in ("neg", "abs", "sign", "square", "floor", "ceil", "round", "trunc"):
            got = to_numpy(getattr(_core, name)(to_core(a)))
            assert got.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(got, EXACT[name](a), err_msg=name)
    assert to_numpy(_core.exp(to_core(a))).dtype == np.float32
    np.testing.assert_array_equal(to_numpy(_core.isfinite(to_core(a))), True)
    np.testing.assert_array_equal(to_numpy(_core.isnan(to_core(a))), False)
    np.testing.assert_array_equal(to_numpy(_core.logical_not(to_core(a))), a == 0)


def test_booleans() -> None:
    x = to_core(np.array([True, False]))
    np.testing.assert_array_equal(to_numpy(_core.logical_not(x)), [False, True])
    with pytest.raises(TypeError, match="neg: expected numbers, got bool"):
        _core.neg(x)


def test_results_larger_than_the_caches(isa: str) -> None:
    """They are stored past the caches, which must not change them."""
    count = _core.config()["l3_cache"] // 4 + 1003
    if count > 2**25:
        pytest.skip("the last-level cache is too large to exceed in a test")
    a = random_array((count,), low=-3, high=3)
    x = to_core(a)
    np.testing.assert_array_equal(to_numpy(_core.neg(x)), -a)
    y = _core.relu(x)
    np.testing.assert_array_equal(to_numpy(y), np.maximum(a, 0))
    np.testing.assert_array_equal(to_numpy(_core.relu_backward(x, y)), np.where(a > 0, a, 0))
    np.testing.assert_array_equal(to_numpy(_core.add(x, x)), a + a)
    np.testing.assert_array_equal(to_numpy(_core.mul(2.5, x)), np.float32(2.5) * a)
    np.testing.assert_array_equal(to_numpy(_core.square(x.slice(0, 1, count, 1))), a[1:] ** 2)


def test_same_bits_at_any_thread_count(isa: str) -> None:
    x = to_core(random_array((200_001,), low=-20, high=20))
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        results.append(to_numpy(_core.tanh(x)).tobytes() + to_numpy(_core.exp(x)).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_where(dtype: str) -> None:
    a = random_array((2, 5, 3, 4), 1, dtype=np.int64, low=0, high=2).astype(dtype)
    b = random_array((5, 1, 1), 2, dtype=np.int64, low=0, high=2).astype(dtype)
    condition = random_array((2, 1, 3, 4), 3) > 0
    want = np.where(condition, a, b)
    for channels_last in (False, True):
        x = to_core(a, channels_last=channels_last)
        z = _core.where(to_core(condition, channels_last=channels_last), x, to_core(b))
        assert to_numpy(z).dtype == np.dtype(dtype)
        np.testing.assert_array_equal(to_numpy(z), want)
        assert z.is_channels_last() == channels_last
        swapped = _core.where(to_core(condition), to_core(b), x)
        np.testing.assert_array_equal(to_numpy(swapped), np.where(condition, b, a))
    rows = to_core(np.array([[True], [False]]))
    z = _core.where(rows, 1.5, to_core(np.array([1, 2, 3])))
    np.testing.assert_array_equal(to_numpy(z), np.float32([[1.5] * 3, [1, 2, 3]]))
    with pytest.raises(ValueError, match=r"where: shapes \(3,\) and \(2,\) do not broadcast"):
        _core.where(to_core(np.ones(3, bool)), to_core(np.ones(2)), 0)


def test_clamp(isa: str) -> None:
    a = random_array((40,), low=-3, high=3)
    a[3] = np.nan
    x = to_core(a)
    np.testing.assert_array_equal(to_numpy(_core.clamp(x, -1, 2)), np.clip(a, -1, 2))
    np.testing.assert_array_equal(to_numpy(_core.clamp(x, None, 0.5)), np.minimum(a, 0.5))
    np.testing.assert_array_equal(to_numpy(_core.clamp(x, low=0)), np.maximum(a, 0))
    got = to_numpy(_core.clamp(to_core(np.arange(6)), 1, 3))
    np.testing.assert_array_equal(got, np.arange(6).clip(1, 3))
    assert got.dtype == np.int64
    assert to_numpy(_core.clamp(to_core(np.arange(6)), 1.5)).dtype == np.float32
    with pytest.raises(ValueError, match="clamp: expected a lower or an upper bound"):
        _core.clamp(x)
