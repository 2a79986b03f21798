"""The fused optimizer steps against float64, PyTorch and the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers import assert_close, random_array, requires_torch, to_core
from tilewise import _core

SHAPES = [(1,), (7,), (16, 3, 3, 3), (33,), (130, 65), (40000,), (0, 4), ()]

SGD = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "maximize": True, "weight_decay": 0.1},
]
ADAM = [
    {},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decoupled": True},
    {"amsgrad": True},
    {"betas": (0.3, 0.99), "eps": 1e-3, "maximize": True},
    {"amsgrad": True, "weight_decay": 0.01, "decoupled": True, "betas": (0.0, 0.9)},
]


def tensors(seed: int, dtype: Any = np.float32) -> list[np.ndarray]:
    return [np.asarray(random_array(s, seed + i, dtype=dtype)) for i, s in enumerate(SHAPES)]


def core(arrays: list[np.ndarray], dtype: Any) -> list[_core.Array]:
    return [to_core(a.astype(dtype)) for a in arrays]


def zeros(arrays: list[_core.Array]) -> list[_core.Array]:
    return [_core.Array.full(a.shape, 0, a.dtype) for a in arrays]


def run_sgd(options: dict[str, Any], dtype: Any, steps: int) -> list[list[_core.Array]]:
    params = core(tensors(0), dtype)
    buffers = zeros(params) if options.get("momentum") else []
    for step in range(steps):
        grads = core(tensors(100 * step + 50), dtype)
        _core.sgd_step(params, grads, buffers, 0.1, first_step=step == 0, **options)
    return [params, buffers]


def run_adam(options: dict[str, Any], dtype: Any, steps: int) -> list[list[_core.Array]]:
    options = dict(options)
    beta1, beta2 = options.pop("betas", (0.9, 0.999))
    params = core(tensors(0), dtype)
    m, v = zeros(params), zeros(params)
    largest = zeros(params) if options.pop("amsgrad", False) else []
    options = {"eps": 1e-8, "weight_decay": 0.0, "decoupled": False, **options}
    for step in range(steps):
        grads = core(tensors(100 * step + 50), dtype)
        _core.adam_step(
            params, grads, m, v, step + 1, 0.01, beta1, beta2, max_exp_avg_sq=largest, **options
        )
    return [params, m, v, largest]


def torch_trajectory(name: str, options: dict[str, Any], steps: int) -> list[np.ndarray]:
    torch = pytest.importorskip("torch")
    options = dict(options)
    if name == "SGD":
        make = torch.optim.SGD
        options["lr"] = 0.1
    else:
        make = torch.optim.AdamW if options.pop("decoupled", False) else torch.optim.Adam
        options.update(lr=0.01)
        options.setdefault("weight_decay", 0.0)
    params = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in tensors(0)]
    optimizer = make(params, **options)
    for step in range(steps):
        for p, g in zip(params, tensors(100 * step + 50), strict=True):
            p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
    return [p.detach().numpy() for p in params]


@requires_torch
@pytest.mark.parametrize("options", SGD, ids=str)
def test_sgd_like_torch(isa: str, options: dict[str, Any]) -> None:
    want = torch_trajectory("SGD", options, 20)
    for dtype, limit in [(np.float32, 2e-6), (np.float64, 1e-13)]:
        params, _ = run_sgd(options, dtype, 20)
        for got, expected in zip(params, want, strict=True):
            assert_close(got, expected, limit=limit)


@requires_torch
@pytest.mark.parametrize("options", ADAM, ids=str)
def test_adam_like_torch(isa: str, options: dict[str, Any]) -> None:
    want = torch_trajectory("Adam", options, 20)
    for dtype, limit in [(np.float32, 2e-6), (np.float64, 1e-12)]:
        params, *_ = run_adam(options, dtype, 20)
        for got, expected in zip(params, want, strict=True):
            assert_close(got, expected, limit=limit)


@pytest.mark.parametrize(("run", "cases"), [(run_sgd, SGD), (run_adam, ADAM)])
def test_state_with_ref(isa: str, run: Any, cases: list[dict[str, Any]]) -> None:
    for options in cases:
        for got, want in zip(run(options, np.float32, 5), run(options, np.float64, 5), strict=True):
            for a, b in zip(got, want, strict=True):
                assert_close(a, b, limit=1e-5)


def test_sgd_formula() -> None:
    p, g, b = to_core(np.array([1.0])), to_core(np.array([2.0])), to_core(np.array([4.0]))
    _core.sgd_step([p], [g], [b], 0.1, 0.5, 0.25, 0.5)
    grad = 2.0 + 0.5 * 1.0
    buffer = 0.5 * 4.0 + 0.75 * grad
    assert b.item() == buffer
    assert abs(p.item() - (1 - 0.1 * buffer)) < 1e-15


def test_same_bits_at_any_thread_count(isa: str) -> None:
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        arrays = [a for group in run_adam(ADAM[3], np.float32, 2) for a in group]
        arrays += run_sgd(SGD[4], np.float32, 2)[0]
        norm = _core.norm_squared(arrays)
        results.append([norm, *(a.numpy().tobytes() for a in arrays)])
    assert all(r == results[0] for r in results)


def test_writes_in_place_and_counts_versions() -> None:
    p, g, m, v = (to_core(random_array((5, 3), i, low=0.1)) for i in range(4))
    before = [a.version for a in (p, g, m, v)]
    pointers = [a.data_ptr for a in (p, m, v)]
    _core.adam_step([p], [g], [m], [v], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False)
    after = [a.version for a in (p, g, m, v)]
    assert [b > a for a, b in zip(before, after, strict=True)] == [True, False, True, True]
    assert pointers == [a.data_ptr for a in (p, m, v)]


def test_strided_and_channels_last_tensors(isa: str) -> None:
    base = random_array((4, 6, 5, 5), 0)
    grad = random_array((4, 6, 5, 5), 1)
    dense, strided = to_core(base), to_core(base).channels_last()
    columns = to_core(np.concatenate([base.reshape(4, -1)] * 2, 1)).slice(1, 0, 150, 1)
    _core.sgd_step([dense], [to_core(grad).channels_last()], [], 0.5)
    _core.sgd_step([strided], [to_core(grad)], [], 0.5)
    _core.sgd_step([columns], [to_core(grad.reshape(4, -1))], [], 0.5)
    np.testing.assert_array_equal(dense.numpy(), strided.numpy())
    np.testing.assert_array_equal(dense.numpy().reshape(4, -1), columns.numpy())
    assert strided.is_channels_last()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_and_scale(isa: str, dtype: type) -> None:
    arrays = tensors(0, dtype)
    want = sum(float((a.astype(np.float64) ** 2).sum()) for a in arrays)
    values = core(arrays, dtype)
    assert abs(_core.norm_squared(values) - want) <= 1e-6 * want
    before = values[2].version
    _core.scale_(values, 0.25)
    assert values[2].version > before
    for got, a in zip(values, arrays, strict=True):
        np.testing.assert_array_equal(got.numpy(), a * dtype(0.25))
    assert _core.norm_squared([]) == 0.0
    large = [to_core(np.full(100, 1e30, np.float32))]
    assert abs(_core.norm_squared(large) / 1e62 - 1) < 1e-6
    assert np.isnan(_core.norm_squared([to_core(np.array([1, np.nan], np.float32))]))
    assert np.isinf(_core.norm_squared([to_core(np.array([1, np.inf], np.float32))]))


def test_nan_gradient_reaches_the_maximum() -> None:
    p, m, v, largest = (to_core(np.zeros(20, np.float32)) for _ in range(4))
    g = np.ones(20, np.float32)
    g[3] = np.nan
    _core.adam_step([p], [to_core(g)], [m], [v], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, [largest])
    np.testing.assert_array_equal(np.isnan(p.numpy()), np.isnan(g))
    np.testing.assert_array_equal(np.isnan(largest.numpy()), np.isnan(g))


def test_errors() -> None:
    p, q = to_core(np.ones(3, np.float32)), to_core(np.ones(4, np.float32))
    double = to_core(np.ones(3))
    for bad, error in [([], ValueError), ([q], ValueError), ([double], TypeError)]:
        with pytest.raises(error, match="sgd_step: expected .*grads"):
            _core.sgd_step([p], bad, [], 0.1)
        with pytest.raises(error, match="adam_step: expected .*exp_avg"):
            _core.adam_step([p], [p], bad, [p], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False)
    with pytest.raises(ValueError, match="momentum_buffers"):
        _core.sgd_step([p], [p], [q], 0.1, 0.9)
    with pytest.raises(ValueError, match="with momentum 0.9"):
        _core.sgd_step([p], [p], [], 0.1, 0.9)
    with pytest.raises(ValueError, match="max_exp_avg_sq"):
        _core.adam_step([p], [p], [p], [p], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, [q])
    with pytest.raises(ValueError, match="step >= 1"):
        _core.adam_step([p], [p], [p], [p], 0, 0.1, 0.9, 0.999, 1e-8, 0.0, False)
    with pytest.raises(TypeError, match="floating"):
        _core.norm_squared([to_core(np.ones(3, np.int64))])
    with pytest.raises(TypeError):
        _core.sgd_step([None], [p], [], 0.1)
    _core.sgd_step([], [], [], 0.1)
