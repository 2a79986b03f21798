"""The fused optimizer steps of the core: kernels against float64, threads, layouts, faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers import assert_close, random_array, requires_torch, to_core
from tilewise import _core

SHAPES = [(1,), (7,), (16, 3, 3, 3), (33,), (130, 65), (40000,), (0, 4), ()]

MEANS = {"beta1": 0.8, "one_minus_beta1": 0.2, "beta2": 0.95, "one_minus_beta2": 0.05}
FAR = {"beta1": 0.3, "one_minus_beta1": 0.7, "beta2": 0.4, "one_minus_beta2": 0.6}
ADAM = {"l2": 0.0, "shrink": 1.0, "correction": 1.5, "eps": 1e-3, "step_size": 0.01}
SGD = {"l2": 0.1, "momentum": 0.9, "one_minus_dampening": 0.7, "lr": 0.1, "first": 0, "nesterov": 0}
RMSPROP = {"l2": 0.1, "alpha": 0.9, "one_minus_alpha": 0.1, "momentum": 0.5, "eps": 1e-2, "lr": 0.1}
ADADELTA = {"l2": 0.0, "rho": 0.9, "one_minus_rho": 0.1, "eps": 1e-2, "lr": 0.5}
LAMB = {"weight_decay": 0.1, "correction": 1.5, "eps": 1e-3, "mean_scale": 2.0, "lr": 0.1}

# The rule, which of its lists of state are given, its factors besides the sign.
RULES: list[tuple[str, tuple[bool, ...], dict[str, float]]] = [
    ("sgd", (False,), SGD),
    ("sgd", (True,), SGD),
    ("sgd", (True,), {**SGD, "first": 1, "nesterov": 1}),
    ("sgd", (True,), {**SGD, "nesterov": 1}),
    ("adam", (True, True, False), {**MEANS, **ADAM, "gradient_share": 0.0}),
    ("adam", (True, True, True), {**FAR, **ADAM, "gradient_share": 0.1, "shrink": 0.9}),
    ("adam", (True, True, False), {**MEANS, **ADAM, "gradient_share": 0.1, "l2": 0.3}),
    ("adamax", (True, True), {"l2": 0.1, **MEANS, "eps": 1e-3, "step_size": 0.1}),
    ("rmsprop", (True, False, False), RMSPROP),
    ("rmsprop", (True, True, False), RMSPROP),
    ("rmsprop", (True, True, True), RMSPROP),
    ("adagrad", (True,), {"l2": 0.1, "eps": 1e-3, "lr": 0.1}),
    ("adadelta", (True, True), ADADELTA),
    ("lion", (True,), {**MEANS, "shrink": 0.9, "lr": 0.1}),
    ("lamb", (True, True), {**MEANS, **LAMB}),
    ("asgd", (True,), {"l2": 0.1, "shrink": 0.9, "eta": 0.1, "mu": 0.25}),
    ("asgd", (True,), {"l2": 0.0, "shrink": 1.0, "eta": 0.1, "mu": 1.0}),
    ("rprop", (True, True), {"eta_minus": 0.5, "eta_plus": 1.2, "smallest": 0.3, "largest": 0.9}),
    ("lerp", (), {"weight": 0.25, "one_minus_weight": 0.75}),
    ("lerp", (), {"weight": 0.875, "one_minus_weight": 0.125}),
]
IDS = [f"{rule}-{i}" for i, (rule, _, _) in enumerate(RULES)]


def factors_of(rule: str, factors: dict[str, float], sign: float = 1.0) -> dict[str, float]:
    """Only what the rule takes: `adamax` has one mean."""
    unused = {"one_minus_beta2"} if rule == "adamax" else set()
    chosen = {name: value for name, value in factors.items() if name not in unused}
    return chosen if rule == "lerp" else {"sign": sign, **chosen}


def tensors(
    seed: int, dtype: Any = np.float32, low: float = -1.0, high: float = 1.0
) -> list[_core.Array]:
    arrays = (random_array(s, seed + i, low=low, high=high) for i, s in enumerate(SHAPES))
    return [to_core(np.asarray(a, dtype=dtype)) for a in arrays]


def states_of(given: tuple[bool, ...], dtype: Any = np.float32) -> list[list[_core.Array]]:
    """Running squares above the squares of the means that come after them."""
    bounds = ((0.5, 1.0), (0.5, 0.6), (0.5, 0.6))
    return [tensors(200 * i + 9, dtype, *bounds[i]) if used else [] for i, used in enumerate(given)]


def run(
    rule: str, given: tuple[bool, ...], factors: dict[str, float], dtype: Any = np.float32
) -> list[list[_core.Array]]:
    """Three steps; the lists that changed."""
    params = tensors(0, dtype)
    states = states_of(given, dtype)
    for step in range(3):
        grads = tensors(1000 * step + 50, dtype)
        sign = -1.0 if step == 1 else 1.0
        _core.optimizer_step(rule, params, grads, states, factors_of(rule, factors, sign))
    return [params, *states]


@pytest.mark.parametrize(("rule", "given", "factors"), RULES, ids=IDS)
def test_against_ref(isa: str, rule: str, given: tuple[bool, ...], factors: dict[str, Any]) -> None:
    fast, oracle = run(rule, given, factors), run(rule, given, factors, np.float64)
    for got, want in zip(fast, oracle, strict=True):
        for a, b in zip(got, want, strict=True):
            assert_close(a, b, limit=3e-6, scale=1.0, what=rule)


def test_same_bits_at_any_thread_count(isa: str) -> None:
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        arrays = [a for row in RULES for group in run(*row) for a in group]
        norms = [_core.total_norm(arrays, order) for order in (2.0, 1.0, np.inf, 3.0)]
        results.append([norms, *(a.numpy().tobytes() for a in arrays)])
    assert all(r == results[0] for r in results)


@pytest.mark.parametrize(("rule", "given", "factors"), RULES, ids=IDS)
def test_a_nan_stays_where_it_is(
    isa: str, rule: str, given: tuple[bool, ...], factors: dict[str, Any]
) -> None:
    """Neighbours of a gradient that is NaN are not touched."""
    params, grads = tensors(0), tensors(50)
    states = states_of(given)
    bad = random_array(SHAPES[4], 3)
    bad[100, 60] = np.nan
    grads[4] = to_core(bad)
    _core.optimizer_step(rule, params, grads, states, factors_of(rule, factors))
    for array in [params[4], *(s[4] for s in states if s and rule != "rprop")]:
        np.testing.assert_array_equal(np.isnan(array.numpy()), np.isnan(bad))
    assert not np.isnan(params[3].numpy()).any()


def test_sgd_formula() -> None:
    p, g, b = to_core(np.array([1.0])), to_core(np.array([2.0])), to_core(np.array([4.0]))
    factors = {**SGD, "sign": 1.0, "l2": 0.5, "momentum": 0.5, "one_minus_dampening": 0.75}
    _core.optimizer_step("sgd", [p], [g], [[b]], factors)
    grad = 2.0 + 0.5 * 1.0
    buffer = 0.5 * 4.0 + 0.75 * grad
    assert b.item() == buffer
    assert abs(p.item() - (1 - 0.1 * buffer)) < 1e-15


def test_writes_in_place_and_counts_versions() -> None:
    p, g, m, v = (to_core(random_array((5, 3), i, low=0.1)) for i in range(4))
    before = [a.version for a in (p, g, m, v)]
    pointers = [a.data_ptr for a in (p, m, v)]
    factors = {**MEANS, **ADAM, "gradient_share": 0.0, "sign": 1.0}
    _core.optimizer_step("adam", [p], [g], [[m], [v], []], factors)
    after = [a.version for a in (p, g, m, v)]
    assert [b > a for a, b in zip(before, after, strict=True)] == [True, False, True, True]
    assert pointers == [a.data_ptr for a in (p, m, v)]


def sgd(params: list[Any], grads: list[Any], lr: float = 0.5) -> None:
    factors = {**dict.fromkeys(SGD, 0.0), "sign": 1.0, "lr": lr}
    _core.optimizer_step("sgd", params, grads, [[]], factors)


def test_strided_and_channels_last_tensors(isa: str) -> None:
    base = random_array((4, 6, 5, 5), 0)
    grad = random_array((4, 6, 5, 5), 1)
    dense, strided = to_core(base), to_core(base).channels_last()
    columns = to_core(np.concatenate([base.reshape(4, -1)] * 2, 1)).slice(1, 0, 150, 1)
    sgd([dense], [to_core(grad).channels_last()])
    sgd([strided], [to_core(grad)])
    sgd([columns], [to_core(grad.reshape(4, -1))])
    np.testing.assert_array_equal(dense.numpy(), strided.numpy())
    np.testing.assert_array_equal(dense.numpy().reshape(4, -1), columns.numpy())
    assert strided.is_channels_last()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [2.0, 1.0, np.inf, -np.inf, 3.0, 0.5, 0.0, -1.0])
@requires_torch
def test_norm_as_in_torch(isa: str, order: float, dtype: type) -> None:
    import torch

    arrays = [a for a in tensors(0, dtype) if a.size]
    exact = [torch.tensor(a.numpy()).double() for a in arrays]  # float32 sums err by 6e-6 there
    want = torch.nn.utils.get_total_norm(exact, order).item()
    assert _core.total_norm(arrays, order) == pytest.approx(want, rel=3e-6)


def test_norms_at_the_edges(isa: str) -> None:
    assert _core.total_norm([], 2.0) == 0.0
    empty = to_core(np.zeros((0, 3), np.float32))
    assert _core.total_norm([empty], 2.0) == _core.total_norm([empty], np.inf) == 0.0
    large = to_core(np.full(100, 1e30, np.float32))
    assert _core.total_norm([large], 2.0) == pytest.approx(1e31, rel=1e-6)
    assert _core.total_norm([to_core(np.full(9, 3e38, np.float32))], 1.0) == pytest.approx(2.7e39)
    for size in (1, 17, 300):
        for value in (np.nan, np.inf):
            x = np.ones(size, np.float32)
            x[size // 2] = value
            for order in (1.0, 2.0, 3.0, np.inf):
                norm = _core.total_norm([to_core(x), to_core(np.ones(40, np.float32))], order)
                assert np.isnan(norm) if np.isnan(value) else np.isinf(norm)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_and_clamp(isa: str, dtype: type) -> None:
    values = tensors(0, dtype)
    arrays = [a.numpy().copy() for a in values]
    before = values[2].version
    _core.scale_(values, 0.25)
    assert values[2].version > before
    for got, a in zip(values, arrays, strict=True):
        np.testing.assert_array_equal(got.numpy(), a * dtype(0.25))
    _core.clamp_(values, 0.125)
    for got, a in zip(values, arrays, strict=True):
        np.testing.assert_array_equal(got.numpy(), np.clip(a * dtype(0.25), -0.125, 0.125))
    x = to_core(np.array([np.nan, np.inf, -np.inf], dtype))
    _core.clamp_([x], 2.0)
    np.testing.assert_array_equal(x.numpy(), [np.nan, 2, -2])


def test_errors() -> None:
    p, q = to_core(np.ones(3, np.float32)), to_core(np.ones(4, np.float32))
    double = to_core(np.ones(3))
    adam = {**MEANS, **ADAM, "gradient_share": 0.0, "sign": 1.0}
    for bad, error in [([], ValueError), ([q], ValueError), ([double], TypeError)]:
        with pytest.raises(error, match="sgd: expected .*gradients"):
            sgd([p], bad)
        with pytest.raises(error, match="adam: expected .*state 0"):
            _core.optimizer_step("adam", [p], [p], [bad, [p], []], adam)
    with pytest.raises(ValueError, match="state 2"):
        _core.optimizer_step("adam", [p], [p], [[p], [p], [q]], adam)
    with pytest.raises(ValueError, match="3 lists of state"):
        _core.optimizer_step("adam", [p], [p], [[p], [p]], adam)
    with pytest.raises(ValueError, match="factor eps"):
        less = {name: value for name, value in adam.items() if name != "eps"}
        _core.optimizer_step("adam", [p], [p], [[p], [p], []], less)
    with pytest.raises(ValueError, match="11 factors, got 12"):
        _core.optimizer_step("adam", [p], [p], [[p], [p], []], {**adam, "more": 0.0})
    with pytest.raises(TypeError):
        _core.optimizer_step("adam", [p], [p], [[p], [p], []], {**adam, "eps": "small"})
    with pytest.raises(ValueError, match="name of a rule"):
        _core.optimizer_step("newton", [p], [p], [], {})
    with pytest.raises(TypeError, match="floating"):
        _core.total_norm([to_core(np.ones(3, np.int64))], 2.0)
    with pytest.raises(ValueError, match="NaN"):
        _core.total_norm([p], np.nan)
    with pytest.raises(ValueError, match="bound"):
        _core.clamp_([p], -1.0)
    with pytest.raises(TypeError):
        sgd([None], [p])
    sgd([], [])
