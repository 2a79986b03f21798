"""Ops that only move values, on shapes of every kind, against NumPy: exactly equal."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tilewise as tw
from tilewise.nn import functional as F


def pair(
    rng: np.random.Generator, shape: tuple[int, ...], channels_last: bool
) -> tuple[np.ndarray, tw.Tensor]:
    values = rng.standard_normal(shape).astype(np.float32)
    x = tw.from_numpy(values)
    return values, tw.autograd.wrap(x._array.channels_last()) if channels_last else x


def assert_same(y: tw.Tensor, expected: np.ndarray, *what: object) -> None:
    np.testing.assert_array_equal(y.numpy(), expected, err_msg=str(what))


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("seed", range(6))
def test_shuffles(isa: str, seed: int, channels_last: bool) -> None:
    rng = np.random.default_rng(seed)
    n, c, groups, r, h, w = (int(rng.integers(1, most)) for most in (4, 40, 9, 5, 30, 30))

    values, x = pair(rng, (n, c * groups, h, w), channels_last)
    shuffled = values.reshape(n, groups, c, h, w).swapaxes(1, 2).reshape(values.shape)
    assert_same(F.channel_shuffle(x, groups), shuffled, values.shape, groups)

    values, x = pair(rng, (n, c * r * r, h, w), channels_last)
    pixels = values.reshape(n, c, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
    pixels = pixels.reshape(n, c, h * r, w * r)
    assert_same(F.pixel_shuffle(x, r), pixels, values.shape, r)
    back = F.pixel_unshuffle(F.pixel_shuffle(x, r), r)
    assert_same(back, values, values.shape, r)


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("seed", range(6))
def test_views_that_are_copied(isa: str, seed: int, channels_last: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(rng.integers(1, most)) for most in (4, 40, 50, 70))
    values, x = pair(rng, shape, channels_last)
    for order in itertools.permutations(range(4)):
        assert_same(x.permute(*order).contiguous(), values.transpose(order), shape, order)
    for _ in range(8):
        steps = tuple(
            slice(int(rng.integers(0, min(3, size))), None, int(rng.integers(1, 4)))
            for size in shape
        )
        assert_same(x[steps].contiguous(), values[steps], shape, steps)
    for dims in ((3,), (1,), (1, 2), (0, 2, 3)):
        assert_same(tw.flip(x, dims), np.flip(values, dims), shape, dims)
        by = [int(rng.integers(-90, 90)) for _ in dims]
        assert_same(tw.roll(x, by, dims), np.roll(values, by, dims), shape, dims, by)


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("seed", range(6))
def test_several_operands(isa: str, seed: int, channels_last: bool) -> None:
    rng = np.random.default_rng(seed)
    n, c, h, w = (int(rng.integers(1, most)) for most in (4, 40, 40, 40))
    a, x = pair(rng, (n, c, h, w), channels_last)
    b, y = pair(rng, (n, int(rng.integers(1, 20)), h, w), not channels_last)
    assert_same(tw.cat([x, y], 1), np.concatenate([a, b], 1), a.shape, b.shape)
    assert_same(tw.stack([x, -x], 2), np.stack([a, -a], 2), a.shape)
    for other, values in ((-x, -a), (0.5, np.float32(0.5)), (x[:, :1], a[:, :1])):
        assert_same(tw.where(x > 0, x, other), np.where(a > 0, a, values), a.shape)
        assert_same(tw.where(x > 0, other, x), np.where(a > 0, values, a), a.shape)
