"""Softmax, log-softmax, cross entropy and NLL against float64, NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers import EPS32, assert_close, check_with_ref, random_array, requires_torch, to_core
from tilewise import _core

SHAPES = [
    ((1,), 0),
    ((7, 10), 1),
    ((7, 10), 0),
    ((5, 16), -1),
    ((3, 1000), 1),
    ((4, 33), 1),
    ((2, 5, 6), 1),
    ((2, 21, 4, 5), 1),
    ((2, 3, 4, 5), 3),
    ((2, 3, 4, 5), -2),
    ((2, 1, 4, 5), 1),
    ((6, 4, 1), 1),
]


@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_softmax(isa: str, shape: tuple[int, ...], axis: int, channels_last: bool) -> None:
    x = random_array(shape, 0, low=-20, high=20)
    x64 = x.astype(np.float64)
    e = np.exp(x64 - x64.max(axis, keepdims=True))
    p = e / e.sum(axis, keepdims=True)
    for function, want in [(_core.softmax, p), (_core.log_softmax, np.log(p))]:
        y = check_with_ref(
            lambda a, f=function: f(a, axis), x, limit=8 * EPS32, channels_last=channels_last
        )
        assert_close(y, want, limit=8 * EPS32)
    dy = random_array(shape, 1)
    for backward, y, want in [
        (_core.softmax_backward, p, p * (dy - (dy * p).sum(axis, keepdims=True))),
        (_core.log_softmax_backward, np.log(p), dy - p * dy.sum(axis, keepdims=True)),
    ]:
        y32 = y.astype(np.float32)
        dx = check_with_ref(
            lambda a, b, f=backward: f(a, b, axis), dy, y32, limit=64 * EPS32,
            channels_last=channels_last,
        )  # fmt: skip
        assert_close(dx, want, limit=64 * EPS32, scale=1.0)


@pytest.mark.parametrize("function", [_core.softmax, _core.log_softmax])
def test_rows_of_every_length(isa: str, function: Any) -> None:
    """Rows that stay in registers, the last one partial, and the first that do not."""
    for columns in (*range(1, 20), 31, 32, 33, 63, 64, 65, 66, 127, 128, 129):
        x = random_array((3, columns), columns, low=-90, high=90)
        check_with_ref(lambda a: function(a, 1), x, limit=8 * EPS32)
        x[1, columns // 2] = np.nan
        x[2, columns - 1] = np.inf
        got = function(to_core(x), 1).numpy()
        assert np.isfinite(got[0]).all() and np.isnan(got[1:]).all()
        assert np.isnan(
            function(to_core(np.full((1, columns), -np.inf, np.float32)), 1).numpy()
        ).all()


def test_scalar_and_empty() -> None:
    assert _core.softmax(to_core(np.float32(3)), -1).item() == 1.0
    for shape in [(0, 5), (5, 0), (2, 0, 3)]:
        assert _core.log_softmax(to_core(np.zeros(shape, np.float32)), 1).shape == shape


def test_large_scores_and_nan(isa: str) -> None:
    x = np.array([[1e30, 0, -1e30], [3e38, 3e38, -3e38], [-1e4, -1e4, -1e4]], np.float32)
    y = _core.softmax(to_core(x), 1).numpy()
    np.testing.assert_allclose(y, [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6)
    x = np.array([[0, -np.inf, 1], [0, np.nan, 1], [np.inf, 0, 1], [-np.inf] * 3], np.float32)
    y = _core.softmax(to_core(x), 1).numpy()
    assert y[0, 1] == 0 and np.isfinite(y[0]).all()
    assert np.isnan(y[1:]).all()
    z = _core.log_softmax(to_core(x), 1).numpy()
    assert z[0, 1] == -np.inf and np.isnan(z[1:]).all()


LOSS_CASES = [
    ((4, 10), {}),
    ((1, 3), {"reduction": "sum"}),
    ((33, 17), {"reduction": "none"}),
    ((6, 130), {"weight": True, "ignore_index": 2}),
    ((9, 5), {"weight": True, "label_smoothing": 0.1}),
    ((9, 5), {"label_smoothing": 1.0, "ignore_index": 0}),
    ((40, 7), {"weight": True, "label_smoothing": 0.3, "ignore_index": 1, "reduction": "sum"}),
    ((8, 20), {"label_smoothing": 0.2, "reduction": "none", "weight": True, "ignore_index": 3}),
    ((2, 6, 5), {"weight": True}),
    ((2, 21, 4, 5), {"ignore_index": 4, "label_smoothing": 0.1}),
    ((2, 3, 2, 4, 3), {"reduction": "none"}),
    ((5,), {"weight": True, "label_smoothing": 0.25}),
]


def loss_inputs(shape: tuple[int, ...], options: dict[str, Any]) -> Any:
    options = dict(options)
    classes = shape[0] if len(shape) == 1 else shape[1]
    rows = () if len(shape) == 1 else (shape[0], *shape[2:])
    x = random_array(shape, 0, low=-5, high=5)
    target = np.asarray(random_array(rows, 1, dtype=np.int64, low=0, high=classes), np.int64)
    weight = random_array((classes,), 2, low=0.2, high=2) if options.pop("weight", False) else None
    return x, target, weight, options


def run_cross_entropy(x, target, weight, dloss, options: dict[str, Any]) -> Any:
    loss, *state = _core.cross_entropy_forward(x, target, weight, **options)
    dx = _core.cross_entropy_backward(dloss, x, *state, target, weight, **options)
    return loss, dx


@requires_torch
@pytest.mark.parametrize(("shape", "options"), LOSS_CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_like_torch(
    isa: str, shape: tuple[int, ...], options: dict[str, Any], dtype: type
) -> None:
    torch = pytest.importorskip("torch")
    x, target, weight, options = loss_inputs(shape, options)
    tx = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    tw = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    want = torch.nn.functional.cross_entropy(tx, torch.tensor(target), tw, **options)
    dloss = random_array(tuple(want.shape), 3, low=0.5, high=2)
    want.backward(torch.tensor(dloss, dtype=torch.float64))
    core = [None if a is None else to_core(np.asarray(a, dtype)) for a in (x, weight, dloss)]
    loss, dx = run_cross_entropy(core[0], to_core(target), core[1], core[2], options)
    assert_close(loss, want, limit=8 * EPS32)
    assert_close(dx, tx.grad, limit=16 * EPS32)
    if len(shape) >= 3:
        assert dx.is_channels_last()

    if not options.get("label_smoothing"):
        log_probs = torch.nn.functional.log_softmax(tx.detach(), 0 if len(shape) == 1 else 1)
        log_probs.requires_grad_()
        want = torch.nn.functional.nll_loss(log_probs, torch.tensor(target), tw, **options)
        want.backward(torch.tensor(dloss, dtype=torch.float64))
        y = to_core(log_probs.detach().numpy().astype(dtype))
        options.pop("label_smoothing", None)
        loss, total = _core.nll_loss_forward(y, to_core(target), core[1], **options)
        assert_close(loss, want, limit=8 * EPS32)
        dy = _core.nll_loss_backward(core[2], shape, total, to_core(target), core[1], **options)
        assert_close(dy, log_probs.grad, limit=8 * EPS32)


@pytest.mark.parametrize(("shape", "options"), LOSS_CASES, ids=str)
def test_cross_entropy_with_ref(isa: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    x, target, weight, options = loss_inputs(shape, options)
    none = options.get("reduction") == "none"
    dloss = random_array(target.shape if none else (), 3, low=0.5, high=2)
    if weight is None:
        check_with_ref(
            lambda x, t, d: run_cross_entropy(x, t, None, d, options),
            x, target, dloss, limit=16 * EPS32, channels_last=True,
        )  # fmt: skip
    else:
        check_with_ref(
            lambda x, t, w, d: run_cross_entropy(x, t, w, d, options),
            x, target, weight, dloss, limit=16 * EPS32, channels_last=True,
        )  # fmt: skip


def test_large_scores_lose_nothing(isa: str) -> None:
    """log(sum(exp)) of scores near 10^4 rounds to 10^-3; the loss must not."""
    x = np.array([[10000.0, 9999.0, 9998.5]], np.float32)
    want = np.log(np.exp(x.astype(np.float64) - 1e4).sum())
    loss, *_ = _core.cross_entropy_forward(to_core(x), to_core(np.array([0])))
    assert abs(loss.item() - want) < 1e-6
    loss, *_ = _core.cross_entropy_forward(to_core(x), to_core(np.array([0])), label_smoothing=0.3)
    expected = 0.7 * want + 0.1 * (3 * want + 1 + 1.5)
    assert abs(loss.item() - expected) < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ignored_and_empty(dtype: type) -> None:
    x = to_core(np.full((3, 4), np.nan, dtype))
    ignored = to_core(np.full(3, -100))
    one = to_core(np.ones((), dtype))
    for reduction, want in [("mean", np.nan), ("sum", 0.0)]:
        loss, *state = _core.cross_entropy_forward(x, ignored, reduction=reduction)
        np.testing.assert_equal(loss.item(), want)
        dx = _core.cross_entropy_backward(one, x, *state, ignored, reduction=reduction)
        assert not dx.numpy().any()
        loss, _ = _core.nll_loss_forward(x, ignored, reduction=reduction)
        np.testing.assert_equal(loss.item(), want)
    x, nobody = to_core(np.zeros((0, 4), dtype)), to_core(np.zeros(0, np.int64))
    for reduction, want in [("mean", np.nan), ("sum", 0.0)]:
        loss, *state = _core.cross_entropy_forward(x, nobody, reduction=reduction)
        np.testing.assert_equal(loss.item(), want)
        dx = _core.cross_entropy_backward(one, x, *state, nobody, reduction=reduction)
        assert dx.shape == (0, 4)
    loss, *_ = _core.cross_entropy_forward(x, nobody, reduction="none")
    assert loss.shape == (0,)


def test_same_bits_at_any_thread_count(isa: str) -> None:
    x = to_core(random_array((3000, 11), 0, low=-5, high=5))
    target = to_core(random_array((3000,), 1, dtype=np.int64, low=0, high=11))
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        loss, *state = _core.cross_entropy_forward(x, target, label_smoothing=0.1)
        dx = _core.cross_entropy_backward(loss, x, *state, target, label_smoothing=0.1)
        y = _core.log_softmax(x, 1)
        back = _core.log_softmax_backward(x, y, 1)
        results.append([a.numpy().tobytes() for a in (loss, dx, y, back)])
    assert all(r == results[0] for r in results)


@pytest.mark.parametrize("label", [-1, 4, 2**62, -(2**63)])
def test_labels_outside_the_classes(label: int) -> None:
    x = to_core(np.zeros((3, 4), np.float32))
    good, bad = to_core(np.array([1, 2, 3])), to_core(np.array([1, label, 3]))
    message = rf"target {label} is outside the 4 classes"
    for threads in (1, 3):
        _core.set_num_threads(threads)
        with pytest.raises(IndexError, match="cross_entropy: " + message):
            _core.cross_entropy_forward(x, bad)
        with pytest.raises(IndexError, match="nll_loss: " + message):
            _core.nll_loss_forward(x, bad)
        loss, *state = _core.cross_entropy_forward(x, good)
        with pytest.raises(IndexError, match=message):
            _core.cross_entropy_backward(loss, x, *state, bad)
        with pytest.raises(IndexError, match=message):
            _core.nll_loss_backward(loss, x.shape, state[1], bad)
    _core.cross_entropy_forward(x, bad, ignore_index=label)


def test_errors() -> None:
    x = to_core(np.zeros((3, 4), np.float32))
    target = to_core(np.array([0, 1, 2]))
    forward = _core.cross_entropy_forward
    with pytest.raises(ValueError, match=r"target of shape \(3,\)"):
        forward(x, to_core(np.array([0, 1])))
    with pytest.raises(TypeError, match="int64"):
        forward(x, to_core(np.zeros(3, np.float32)))
    for size in (0, 3, 5):
        with pytest.raises(ValueError, match=r"weight of shape \(4,\)"):
            forward(x, target, to_core(np.ones(size, np.float32)))
    with pytest.raises(TypeError, match="dtype"):
        forward(x, target, to_core(np.ones(4)))
    for smoothing in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="label_smoothing"):
            forward(x, target, label_smoothing=smoothing)
    with pytest.raises(ValueError, match="reduction"):
        forward(x, target, reduction="median")
    with pytest.raises(ValueError, match="scalar"):
        forward(to_core(np.float32(1)), target)
    with pytest.raises(TypeError, match="float32 or float64"):
        forward(to_core(np.zeros((3, 4), np.int64)), target)
    with pytest.raises(ValueError, match="at least one class"):
        forward(to_core(np.zeros((3, 0), np.float32)), target)
    loss, state, total = forward(x, target)
    backward = _core.cross_entropy_backward
    with pytest.raises(ValueError, match="gradient of shape"):
        backward(x, x, state, total, target)
    with pytest.raises(ValueError, match="log_sum_exp"):
        backward(loss, x, x, total, target)
    with pytest.raises(ValueError, match="sizes >= 0"):
        _core.nll_loss_backward(loss, (-3, 4), total, target)
    for axis in (2, -3, 2**40):
        with pytest.raises(ValueError, match="axis"):
            _core.softmax(x, axis)
    with pytest.raises(TypeError, match="floating"):
        _core.softmax(target, 0)
    with pytest.raises(ValueError, match="gradient of shape"):
        _core.softmax_backward(to_core(np.zeros((3, 5), np.float32)), x, 1)
