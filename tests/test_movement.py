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


def past_caches(*inner: int) -> tuple[int, ...]:
    """A shape with these last sizes whose float32 array is larger than the last-level cache."""
    l3 = int(tw._core.config()["l3_cache"])
    return (l3 // (4 * int(np.prod(inner))) + 2, *inner)


INDICES = {
    "every other column": np.s_[..., ::2],
    "every third column": np.s_[..., 1::3],
    "far columns": np.s_[..., 2::9],
    "every other pixel": np.s_[:, ::2, ::2],
    "a block": np.s_[1:, 2:5, 3:],
    "one column": np.s_[..., 5],
    "few": np.s_[1, 2, ::40],
    "one image": np.s_[0],
}


@pytest.mark.parametrize("name", INDICES)
def test_gradients_of_slices_past_the_caches(isa: str, name: str) -> None:
    shape = past_caches(6, 37, 113)
    for channels_last in (False, True) if name in ("every other pixel", "a block") else (False,):
        x = tw.zeros(shape, requires_grad=True)
        y = (x.permute(0, 3, 1, 2) if channels_last else x)[INDICES[name]]
        dy = np.arange(1, y.numel() + 1, dtype=np.float32).reshape(y.shape)
        (dx,) = tw.autograd.grad(y, x, tw.from_numpy(dy))
        expected = np.zeros(shape, dtype=np.float32)
        (expected.transpose(0, 3, 1, 2) if channels_last else expected)[INDICES[name]] = dy
        assert dx is not None
        assert_same(dx, expected, name, channels_last)


def test_copies_past_the_caches(isa: str) -> None:
    shape = past_caches(24, 36, 64)
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    x = tw.from_numpy(values)
    for dims in ((1,), (2,), (0, 1), (1, 2, 3)):
        assert_same(tw.flip(x, dims), np.flip(values, dims), "flip", dims)
    assert_same(x[:, ::2, ::2].contiguous(), values[:, ::2, ::2], "pixels")
    assert_same(x[1:, 3:, ::5].contiguous(), values[1:, 3:, ::5], "pixels")
    for by in (5, -3):
        assert_same(tw.roll(x, by, 3), np.roll(values, by, 3), "roll", by)
        assert_same(tw.roll(x, (by, 7), (2, 1)), np.roll(values, (by, 7), (2, 1)), "roll", by)
    images = tw.autograd.wrap(x._array.permute((0, 3, 1, 2)))
    n, h, w, c = shape
    pixels = values.reshape(n, h, w, c // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    shuffled = F.pixel_shuffle(images, 2)
    assert_same(shuffled.permute(0, 2, 3, 1), pixels.reshape(n, 2 * h, 2 * w, c // 4), "shuffle")
    assert_same(F.pixel_unshuffle(shuffled, 2).permute(0, 2, 3, 1), values, "unshuffle")
    groups = values.reshape(n, h, w, 4, c // 4).swapaxes(3, 4).reshape(shape)
    assert_same(F.channel_shuffle(images, 4).permute(0, 2, 3, 1), groups, "channels")
    halves = [images[:, :16], images[:, 16:]]
    assert_same(tw.cat(halves, 1).permute(0, 2, 3, 1), values, "cat")
