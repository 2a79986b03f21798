"""Dropout: the mask is a function of seed and position; statistics; gradients."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import random_array, to_core
from tilewise import _core

SHAPES = [(1,), (64,), (63,), (65,), (7, 40), (2, 3, 5), (2, 32, 14, 14), (1, 5, 3, 4, 6), (70000,)]


def philox(seed: int, counter: int) -> list[int]:
    """Philox4x32-10 with the constants of the paper."""
    c = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def keeps(seed: int, offset: int, count: int, p: float) -> np.ndarray:
    """Which elements are kept, in the order of memory."""
    first = -(-offset // 32) * 32
    blocks = -(-count // 128)
    words = np.array([philox(seed, first + i) for i in range(16 * blocks)], np.uint32)
    words = words.reshape(blocks, 16, 4).transpose(0, 2, 1).reshape(blocks, 64)
    decisions = np.concatenate([words, (words << 16) | (words >> 16)], 1).reshape(-1)[:count]
    return decisions >= np.uint32(round(p * 2**32))


def memory_order(a: np.ndarray) -> np.ndarray:
    return (np.moveaxis(a, 1, -1) if a.ndim >= 3 else a).reshape(-1)


@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mask_is_philox(isa: str, shape: tuple[int, ...], dtype: type) -> None:
    x = random_array(shape, 0, dtype=dtype, low=1, high=2)
    seed, p = 0x123456789ABCDEF, 0.3
    for offset in (0, 5, 2**32 - 16, 2**40):
        generator = _core.Generator(seed)
        generator.offset = offset
        y, mask = _core.dropout_forward(to_core(x), p, generator)
        kept = keeps(seed, offset, x.size, p)
        want = np.where(kept, memory_order(x) * dtype(1 / (1 - p)), 0)
        np.testing.assert_allclose(memory_order(y.numpy()), want, rtol=1e-6)
        assert generator.offset >= offset + -(-x.size // 8)
        dx = _core.dropout_backward(to_core(x), mask, p)
        np.testing.assert_array_equal(dx.numpy(), y.numpy())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_bits_everywhere(shape: tuple[int, ...]) -> None:
    """Every instruction set, thread count, dtype and layout makes the same mask."""
    x = random_array(shape, 0, low=1, high=2)
    before = _core.isa()
    masks, values = set(), set()
    try:
        for isa in _core.available_isas():
            _core.set_isa(isa)
            for threads in (1, 2, 3, 8):
                _core.set_num_threads(threads)
                for a in (to_core(x), to_core(x).channels_last()):
                    y, mask = _core.dropout_forward(a, 0.25, _core.Generator(7))
                    masks.add(mask.numpy().tobytes())
                    values.add(y.numpy().tobytes())
        _, mask = _core.dropout_forward(to_core(x.astype(np.float64)), 0.25, _core.Generator(7))
        masks.add(mask.numpy().tobytes())
    finally:
        _core.set_isa(before)
    assert len(masks) == len(values) == 1


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_rate_and_scale(isa: str, p: float) -> None:
    x = np.ones((64, 1000), np.float32)
    y, _ = _core.dropout_forward(to_core(x), p, _core.Generator(3))
    y = y.numpy()
    assert abs((y == 0).mean() - p) < 5 * (p * (1 - p) / x.size) ** 0.5 + 1e-9
    if p < 1:
        np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-6)
    generator = _core.Generator(3)
    first, _ = _core.dropout_forward(to_core(x), 0.5, generator)
    second, _ = _core.dropout_forward(to_core(x), 0.5, generator)
    agree = (first.numpy() == second.numpy()).mean()
    assert abs(agree - 0.5) < 0.02


@pytest.mark.parametrize("shape", [(3, 5), (4, 33, 7), (2, 16, 5, 5), (1, 3, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_channels(isa: str, shape: tuple[int, ...], dtype: type) -> None:
    x = random_array(shape, 0, dtype=dtype, low=1, high=2)
    y, mask = _core.dropout_channels_forward(to_core(x), 0.4, _core.Generator(11))
    kept = keeps(11, 0, shape[0] * shape[1], 0.4).reshape(shape[:2])
    factors = np.where(kept, 1 / (1 - 0.4), 0).reshape(*shape[:2], *(1 for _ in shape[2:]))
    np.testing.assert_allclose(y.numpy(), x * factors, rtol=1e-6)
    dx = _core.dropout_backward(to_core(x), mask, 0.4)
    np.testing.assert_array_equal(dx.numpy(), y.numpy())


def test_empty_and_nan(isa: str) -> None:
    for shape in [(0,), (0, 3, 4, 4), (2, 0, 4)]:
        x = to_core(np.zeros(shape, np.float32))
        y, mask = _core.dropout_forward(x, 0.5, _core.Generator(1))
        assert y.shape == shape
        assert _core.dropout_backward(y, mask, 0.5).shape == shape
        if len(shape) > 1:
            y, mask = _core.dropout_channels_forward(x, 0.5, _core.Generator(1))
            assert _core.dropout_backward(y, mask, 0.5).shape == shape
    y, _ = _core.dropout_forward(to_core(np.full(100, np.nan, np.float32)), 1.0, _core.Generator(1))
    assert np.isnan(y.numpy()).all()  # as PyTorch: NaN times 0


def test_errors() -> None:
    x = to_core(np.zeros((2, 3), np.float32))
    generator = _core.Generator(0)
    for p in (-0.1, 1.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="probability between 0 and 1"):
            _core.dropout_forward(x, p, generator)
    with pytest.raises(TypeError, match="floating"):
        _core.dropout_forward(to_core(np.zeros(3, np.int64)), 0.5, generator)
    with pytest.raises(ValueError, match="N, C"):
        _core.dropout_channels_forward(to_core(np.zeros(3, np.float32)), 0.5, generator)
    _, mask = _core.dropout_forward(x, 0.5, generator)
    with pytest.raises(ValueError, match="mask of 16 bytes"):
        _core.dropout_backward(to_core(np.zeros((2, 60), np.float32)), mask, 0.5)
    with pytest.raises(ValueError, match="mask of shape"):
        _core.dropout_backward(x, to_core(np.zeros((2, 4), np.float32)), 0.5)
    with pytest.raises(TypeError, match="mask"):
        _core.dropout_backward(x, to_core(np.zeros(8, np.int64)), 0.5)
