"""Random numbers: golden values, the same bits at any thread count, moments, uniformity."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers import to_numpy
from tilewise import _core
from tilewise._core import Generator

F32, F64, I64 = _core.DType.float32, _core.DType.float64, _core.DType.int64

DRAWS: dict[str, Callable[[Generator, int], Any]] = {
    "uniform": lambda g, n: _core.uniform((n,), -1.0, 2.0, g, F32),
    "uniform64": lambda g, n: _core.uniform((n,), -1.0, 2.0, g, F64),
    "normal": lambda g, n: _core.normal((n,), 1.0, 3.0, g, F32),
    "normal64": lambda g, n: _core.normal((n,), 1.0, 3.0, g, F64),
    "randint": lambda g, n: _core.randint((n,), -5, 17, g),
    "bernoulli": lambda g, n: _core.bernoulli((n,), 0.3, g, F32),
    "permutation": lambda g, n: _core.permutation(n, g),
}

GOLDEN_NORMAL = np.float32([-0.116917349, 0.997857511, 0.152437612, 0.0883456841])
GOLDEN_ORDER = [7, 9, 5, 1, 4, 8, 3, 6, 0, 2]
GOLDEN_INTEGERS = [8, 46, 7, 25, 84, 2]


def test_philox_known_answers() -> None:
    """The first line is of Random123's known-answer tests; the rest by an independent program."""
    assert _core.philox(0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)

    def philox(seed: int, counter: int) -> tuple[int, ...]:
        c = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
        k = [seed & 0xFFFFFFFF, seed >> 32]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [
                (p1 >> 32) ^ c[1] ^ k[0],
                p1 & 0xFFFFFFFF,
                (p0 >> 32) ^ c[3] ^ k[1],
                p0 & 0xFFFFFFFF,
            ]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        return tuple(c)

    for seed, counter in [(1, 0), (0, 1), (2**64 - 1, 2**64 - 1), (123456789012, 98765432109876)]:
        assert _core.philox(seed, counter) == philox(seed, counter)


def test_uniform_is_the_stream_of_words(isa: str) -> None:
    words = [w for counter in range(3) for w in _core.philox(7, counter)]
    got = to_numpy(_core.uniform((10,), 0.0, 1.0, Generator(7), F32))
    np.testing.assert_array_equal(got, [(w >> 8) / 2**24 for w in words[:10]])
    got = to_numpy(_core.uniform((5,), 0.0, 1.0, Generator(7), F64))
    pairs = [words[2 * i] | words[2 * i + 1] << 32 for i in range(5)]
    np.testing.assert_array_equal(got, [(p >> 11) / 2**53 for p in pairs])


def test_golden_values(isa: str) -> None:
    """A checkpoint's random stream must continue with the same numbers in later versions."""
    normal = to_numpy(_core.normal((4,), 0.0, 1.0, Generator(2024), F32))
    np.testing.assert_array_equal(normal, GOLDEN_NORMAL)
    np.testing.assert_array_equal(to_numpy(_core.permutation(10, Generator(2024))), GOLDEN_ORDER)
    integers = to_numpy(_core.randint((6,), 0, 100, Generator(2024)))
    np.testing.assert_array_equal(integers, GOLDEN_INTEGERS)


def test_draws_have_the_same_bits_on_every_instruction_set() -> None:
    draws = []
    first = _core.isa()
    try:
        for name in _core.available_isas():
            _core.set_isa(name)
            generator = Generator(11)
            generator.offset = 2**32 - 100  # the counter's low word wraps around
            draws.append(
                [
                    to_numpy(draw((4003,), 0.5, 3.0, generator, F32))
                    for draw in (_core.normal, _core.uniform)
                ]
            )
    finally:
        _core.set_isa(first)
    for other in draws[1:]:
        for a, b in zip(draws[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    words = np.array([_core.philox(11, 2**32 - 100 + 1001 + c) for c in range(1000)], np.float64)
    uniform = 0.5 + np.floor(words / 256) / 2**24 * 2.5
    np.testing.assert_allclose(draws[0][1][:4000], uniform.reshape(-1), rtol=1e-7)


def test_normal_follows_box_muller() -> None:
    words = [np.array(_core.philox(3, c), np.float64) for c in range(1000)]
    u1 = np.stack([(w[[0, 2]] + 1) / 2**32 for w in words])
    u2 = np.stack([w[[1, 3]] / 2**32 for w in words])
    radius = np.sqrt(-2 * np.log(u1))
    pairs = np.stack([radius * np.cos(2 * np.pi * u2), radius * np.sin(2 * np.pi * u2)], axis=2)
    got = to_numpy(_core.normal((4000,), 0.0, 1.0, Generator(3), F32))
    np.testing.assert_allclose(got, pairs.reshape(-1), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_at_any_thread_count_and_isa(name: str) -> None:
    results = []
    for isa in _core.available_isas():
        before = _core.isa()
        _core.set_isa(isa)
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            results.append(to_numpy(DRAWS[name](Generator(5), 70_001)).tobytes())
        _core.set_isa(before)
    assert len(set(results)) == 1


@pytest.mark.parametrize("name", DRAWS)
def test_stream(name: str) -> None:
    draw = DRAWS[name]
    g = Generator(11)
    first, position, second = to_numpy(draw(g, 101)), g.offset, to_numpy(draw(g, 101))
    assert position > 0 and not np.array_equal(first, second)
    again = Generator(11)
    again.offset = position
    np.testing.assert_array_equal(to_numpy(draw(again, 101)), second)
    g.manual_seed(11)
    assert (g.seed, g.offset) == (11, 0)
    np.testing.assert_array_equal(to_numpy(draw(g, 101)), first)
    assert not np.array_equal(to_numpy(draw(Generator(12), 101)), first)
    if name != "permutation":
        np.testing.assert_array_equal(to_numpy(draw(Generator(11), 50)), first[:50])
    draw(Generator(0), 0)


def test_pickle() -> None:
    g = Generator(2**64 - 1)
    g.offset = 12345
    copy = pickle.loads(pickle.dumps(g))
    assert (copy.seed, copy.offset) == (g.seed, g.offset)
    assert repr(copy) == f"Generator(seed={2**64 - 1}, offset=12345)"


@pytest.mark.parametrize("dtype", [F32, F64])
def test_distributions(dtype: Any) -> None:
    n = 400_000
    u = to_numpy(_core.uniform((n,), 0.0, 1.0, Generator(1), dtype)).astype(np.float64)
    assert u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, bins=64, range=(0, 1))[0]
    assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 63 + 6 * np.sqrt(2 * 63)
    z = to_numpy(_core.normal((n,), 0.0, 1.0, Generator(2), dtype)).astype(np.float64)
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 5 / np.sqrt(n / 2)
    assert abs((np.abs(z) < 1).mean() - 0.6826894921) < 5 * np.sqrt(0.22 / n)
    b = to_numpy(_core.bernoulli((n,), 0.3, Generator(3), dtype))
    assert set(np.unique(b)) == {0, 1} and abs(b.mean() - 0.3) < 5 * np.sqrt(0.21 / n)


def test_uniform_bounds() -> None:
    for low, high in [
        (0.0, 1e-30),
        (1.0, 1.0 + 2**-22),
        (-3.0, -3.0),
        (1e8, 1e8 + 16),
        (-1e38, 1e38),
    ]:
        for dtype, kind in ((F32, np.float32), (F64, np.float64)):
            x = to_numpy(_core.uniform((10_000,), low, high, Generator(4), dtype))
            assert x.min() >= kind(low) and (x.max() < kind(high) or low == high)


def test_integers() -> None:
    x = to_numpy(_core.randint((60_000,), -3, 3, Generator(6)))
    assert x.dtype == np.int64
    counts = np.bincount(x + 3, minlength=6)
    assert len(counts) == 6 and (np.abs(counts - 10_000) < 5 * np.sqrt(10_000)).all()
    wide = to_numpy(_core.randint((1000,), -(2**63), 2**63 - 1, Generator(6)))
    assert wide.min() < -(2**62) and wide.max() > 2**62
    np.testing.assert_array_equal(to_numpy(_core.randint((9,), 5, 6, Generator(0))), 5)


def test_permutation() -> None:
    for n in (0, 1, 2, 3, 1000):
        x = to_numpy(_core.permutation(n, Generator(8)))
        np.testing.assert_array_equal(np.sort(x), np.arange(n))
    g = Generator(9)
    orders = [tuple(to_numpy(_core.permutation(3, g))) for _ in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and all(abs(c - 1000) < 5 * np.sqrt(1000) for c in counts)


def test_errors() -> None:
    g = Generator(0)
    with pytest.raises(TypeError, match="uniform: expected float32 or float64, got int64"):
        _core.uniform((2,), 0.0, 1.0, g, I64)
    for low, high in [(1.0, 0.0), (0.0, np.inf), (np.nan, 1.0), (-1e308, 1e308)]:
        with pytest.raises(ValueError, match="uniform: expected finite bounds"):
            _core.uniform((2,), low, high, g, F32)
    with pytest.raises(ValueError, match="standard deviation >= 0"):
        _core.normal((2,), 0.0, -1.0, g, F32)
    with pytest.raises(ValueError, match="randint: expected low < high"):
        _core.randint((2,), 3, 3, g)
    with pytest.raises(ValueError, match="bernoulli: expected a probability"):
        _core.bernoulli((2,), 1.5, g, F32)
    with pytest.raises(ValueError, match="permutation: expected a size >= 0"):
        _core.permutation(-1, g)
    with pytest.raises(ValueError, match="overflow"):
        _core.uniform((2**40, 2**40), 0.0, 1.0, g, F32)
    with pytest.raises(ValueError, match="negative size"):
        _core.normal((-1,), 0.0, 1.0, g, F32)
    with pytest.raises(TypeError):
        Generator(-1)
