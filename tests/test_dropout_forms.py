"""Alpha dropout, DropBlock and stochastic depth: statistics, gradients, seeds, threads, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array
from tilewise import _core, nn
from tilewise.nn import functional as F

Call = Callable[..., tw.Tensor]


def draw(seed: int = 3) -> tw.Generator:
    return tw.Generator(seed)


FORMS: dict[str, Call] = {
    "dropout": lambda x, g: F.dropout(x, 0.3, generator=g),
    "dropout2d": lambda x, g: F.dropout2d(x, 0.3, generator=g),
    "alpha_dropout": lambda x, g: F.alpha_dropout(x, 0.3, True, generator=g),
    "feature_alpha_dropout": lambda x, g: F.feature_alpha_dropout(x, 0.3, True, generator=g),
    "drop_block2d": lambda x, g: F.drop_block2d(x, 0.3, 3, generator=g),
    "stochastic_depth": lambda x, g: F.stochastic_depth(x, 0.3, "row", generator=g),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_seed_decides_whatever_the_threads_and_the_instruction_set(name: str) -> None:
    x, dy = random_array((5, 17, 23, 31), 0), tw.from_numpy(random_array((5, 17, 23, 31), 1))
    before, bits = _core.isa(), set()
    try:
        for isa in _core.available_isas():
            _core.set_isa(isa)
            for threads in (1, 2, 3, 8):
                _core.set_num_threads(threads)
                leaf = tw.from_numpy(x).requires_grad_()
                y = FORMS[name](leaf, draw())
                y.backward(dy)
                assert leaf.grad is not None
                kept = leaf.grad.numpy() != 0
                bits.add(kept.tobytes())
                if name not in {"alpha_dropout", "feature_alpha_dropout"}:  # a fused addition
                    bits.add((np.ascontiguousarray(y.detach().numpy()) != 0).tobytes())
    finally:
        _core.set_isa(before)
    assert len(bits) == 1
    other = FORMS[name](tw.from_numpy(x), draw(4)).numpy()
    assert (other != FORMS[name](tw.from_numpy(x), draw(3)).numpy()).any()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_is_the_factor_of_each_element(isa: str, name: str, dtype: type) -> None:
    """y is affine in x with the gradient as its slope."""
    x = random_array((3, 5, 7, 6), 0, dtype=dtype, low=1, high=2)
    leaf = tw.from_numpy(x).requires_grad_()
    y = FORMS[name](leaf, draw())
    y.sum().backward()
    assert leaf.grad is not None
    moved = FORMS[name](tw.from_numpy(x + dtype(1)), draw()).numpy()
    np.testing.assert_allclose(moved - y.detach().numpy(), leaf.grad.numpy(), atol=4e-6)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("features", [False, True])
def test_alpha_dropout_keeps_mean_and_variance(isa: str, p: float, features: bool) -> None:
    x = tw.randn(400, 300, 2, generator=draw())
    function = F.feature_alpha_dropout if features else F.alpha_dropout
    y = function(x, p, True, generator=draw(5)).numpy().astype(np.float64)
    error = 6 / (x.numel() / (2 if features else 1)) ** 0.5
    assert abs(y.mean()) < 2 * error and abs(y.var() - 1) < 10 * error
    scale = ((1.7580993408473766**2 * p + 1) * (1 - p)) ** -0.5
    dropped = np.float32(scale * 1.7580993408473766 * (p - 1))
    share = (np.abs(y - dropped) < 1e-6).mean()
    assert abs(share - p) < error
    same = (np.abs(y - dropped) < 1e-6).all(2) | (np.abs(y - dropped) > 1e-6).all(2)
    assert same.all() == features


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_drop_block_drops_whole_blocks(isa: str, dims: int, block: int) -> None:
    shape = (6, 16, *(13, 12, 11)[:dims])
    function = getattr(F, f"drop_block{dims}d")
    y = function(tw.ones(shape), 0.1, block, generator=draw()).numpy()
    gone = y == 0
    assert abs(gone.mean() - 0.1) < 0.05
    kept = y[~gone]
    np.testing.assert_allclose(kept, y.size / kept.size, rtol=1e-6)
    # Every dropped pixel lies in a block that is gone as a whole.
    windows = np.lib.stride_tricks.sliding_window_view(
        gone, (block,) * dims, tuple(range(2, dims + 2))
    )
    starts = windows.all(tuple(range(-dims, 0)))
    covered = np.zeros_like(gone)
    for offset in np.ndindex(*(block,) * dims):
        place = tuple(slice(o, o + n) for o, n in zip(offset, starts.shape[2:], strict=True))
        covered[(slice(None), slice(None), *place)] |= starts
    np.testing.assert_array_equal(covered, gone)


def test_drop_block_larger_than_the_image() -> None:
    y = F.drop_block2d(tw.ones(50, 40, 3, 4), 0.5, 99, generator=draw()).numpy()
    gone = (y == 0).sum((2, 3))
    assert set(gone.ravel().tolist()) <= {0, 9, 12} and (gone > 0).any()
    assert not F.drop_block2d(tw.ones(2, 3, 4, 4), 1.0, 1, generator=draw()).numpy().any()


@pytest.mark.parametrize("mode", ["row", "batch"])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_stochastic_depth(isa: str, mode: str, p: float) -> None:
    y = F.stochastic_depth(tw.ones(2000, 3, 2), p, mode, generator=draw()).numpy()
    rows = y.reshape(2000, -1)
    assert (rows == rows[:, :1]).all()
    if mode == "batch" or p in {0.0, 1.0}:
        assert len(set(rows[:, 0].tolist())) == 1
    if mode == "row":
        assert abs((rows[:, 0] == 0).mean() - p) < 0.05
    if p < 1:
        np.testing.assert_allclose(rows[rows != 0], 1 / (1 - p), rtol=1e-6)


def test_inplace_evaluation_and_empty() -> None:
    for name in ("Dropout", "AlphaDropout", "FeatureAlphaDropout"):
        x = tw.ones(4, 8, 3, 3)
        layer = getattr(nn, name)(0.5, inplace=True)
        assert layer(x) is x and (x.numpy() != 1).any()
        x = tw.ones(4, 8, 3, 3)
        assert layer.eval()(x) is x and (x.numpy() == 1).all()
    x = tw.ones(4, 8, 9, 9)
    layer = nn.DropBlock2d(0.3, 3, inplace=True)
    assert layer(x) is x and (x.numpy() == 0).any()
    assert layer.eval()(x) is x
    assert nn.StochasticDepth(0.5, "row").eval()(x) is x
    for name, form in FORMS.items():
        for shape in [(0, 3, 4, 4), (2, 3, 0, 4), (2, 0, 4, 4)]:
            assert form(tw.zeros(shape), draw()).shape == shape, name


def test_one_image_and_three_dimensions() -> None:
    """dropout1d and 3d take an image without N; dropout2d takes (N, C, L), as PyTorch."""
    for function, shape in [(F.dropout1d, (64, 9)), (F.dropout3d, (64, 3, 2, 2))]:
        y = function(tw.ones(shape), 0.5, generator=draw()).numpy().reshape(64, -1)
        assert (y == y[:, :1]).all() and 10 < (y[:, 0] == 0).sum() < 54
    y = F.dropout2d(tw.ones(8, 64, 9), 0.5, generator=draw()).numpy()
    assert (y == y[..., :1]).all() and 150 < (y[..., 0] == 0).sum() < 362


ERRORS: list[tuple[str, Callable[[], Any], type[Exception]]] = [
    ("alpha_dropout", lambda: F.alpha_dropout(tw.ones(3), -0.1), ValueError),
    ("alpha_dropout", lambda: F.alpha_dropout(tw.ones(3), training=1), TypeError),
    ("alpha_dropout", lambda: F.alpha_dropout(tw.arange(3), 0.5), TypeError),
    ("dropout_channels", lambda: F.feature_alpha_dropout(tw.ones(3), training=True), ValueError),
    ("dropout1d", lambda: F.dropout1d(tw.ones(3)), ValueError),
    ("dropout2d", lambda: F.dropout2d(tw.tensor(1.0)), ValueError),
    ("dropout3d", lambda: F.dropout3d(tw.ones(2, 3, 4)), ValueError),
    ("drop_block2d", lambda: F.drop_block2d(tw.ones(2, 3, 4), 0.1, 2), ValueError),
    ("drop_block2d", lambda: F.drop_block2d(tw.ones(2, 3, 4, 4), 0.1, 0), ValueError),
    ("drop_block2d", lambda: F.drop_block2d(tw.ones(2, 3, 4, 4), 0.1, 2**62), ValueError),
    ("drop_block2d", lambda: F.drop_block2d(tw.ones(2, 3, 4, 4), 0.1, 2.0), TypeError),
    ("drop_block2d", lambda: F.drop_block2d(tw.ones(2, 3, 4, 4), 1.1, 2), ValueError),
    ("stochastic_depth", lambda: F.stochastic_depth(tw.ones(3), 0.5, "rows"), ValueError),
    ("stochastic_depth", lambda: F.stochastic_depth(tw.ones(3), 0.5, None), TypeError),
    ("stochastic_depth", lambda: F.stochastic_depth(tw.tensor(1.0), 0.5, "row"), ValueError),
    ("StochasticDepth", lambda: nn.StochasticDepth(2.0, "row"), ValueError),
    ("DropBlock1d", lambda: nn.DropBlock1d(0.1, -1), ValueError),
]


@pytest.mark.parametrize("case", range(len(ERRORS)), ids=lambda i: ERRORS[i][0])
def test_errors(case: int) -> None:
    op, call, kind = ERRORS[case]
    with pytest.raises(kind, match=op):
        call()
