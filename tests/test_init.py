"""Initial values: ranges and moments, PyTorch's defaults, orthogonality, faults."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import _core, nn
from tilewise.nn import init


def spread(x: tw.Tensor) -> tuple[float, float, float]:
    """Mean, standard deviation and largest magnitude."""
    a = x.detach().numpy()
    return float(a.mean()), float(a.std()), float(np.abs(a).max())


WEIGHT = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9
UNIFORM: dict[str, tuple[Callable[[Any], Any], float]] = {
    "uniform_": (lambda w: init.uniform_(w, -0.5, 0.5), 0.5),
    "kaiming_uniform_": (init.kaiming_uniform_, math.sqrt(6 / FAN_IN)),
    "kaiming_uniform_ default of layers": (
        lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)),
        1 / math.sqrt(FAN_IN),
    ),
    "kaiming_uniform_ out": (
        lambda w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
        math.sqrt(6 / FAN_OUT),
    ),
    "xavier_uniform_": (
        lambda w: init.xavier_uniform_(w, 2.0),
        2 * math.sqrt(6 / (FAN_IN + FAN_OUT)),
    ),
}
NORMAL: dict[str, tuple[Callable[[Any], Any], float]] = {
    "normal_": (lambda w: init.normal_(w, 0.0, 0.02), 0.02),
    "kaiming_normal_": (init.kaiming_normal_, math.sqrt(2 / FAN_IN)),
    "kaiming_normal_ out": (
        lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"),
        5 / 3 / math.sqrt(FAN_OUT),
    ),
    "xavier_normal_": (init.xavier_normal_, math.sqrt(2 / (FAN_IN + FAN_OUT))),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name: str) -> None:
    fill, bound = UNIFORM[name]
    w = nn.Parameter(tw.zeros(*WEIGHT))
    assert fill(w) is w
    mean, std, largest = spread(w)
    assert abs(mean) < bound * 0.02
    assert std == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert bound * 0.98 < largest <= bound


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name: str) -> None:
    fill, std = NORMAL[name]
    w = nn.Parameter(tw.zeros(*WEIGHT))
    fill(w)
    mean, got, largest = spread(w)
    assert abs(mean) < std * 0.03
    assert got == pytest.approx(std, rel=0.03)
    assert largest > 3 * std


def test_constants() -> None:
    w = nn.Parameter(tw.zeros(3, 4))
    assert init.constant_(w, 2.5).tolist() == np.full((3, 4), 2.5).tolist()
    assert init.ones_(w).tolist() == np.ones((3, 4)).tolist()
    assert init.eye_(w).tolist() == np.eye(3, 4).tolist()
    assert init.zeros_(w).tolist() == np.zeros((3, 4)).tolist()
    assert w.requires_grad
    assert w.is_leaf


def test_trunc_normal() -> None:
    w = init.trunc_normal_(tw.zeros(200, 200), std=1.0, a=-1.0, b=2.0)
    a = w.numpy()
    assert -1 <= a.min() < -0.9
    assert 1.9 < a.max() <= 2
    from_scratch = np.random.default_rng(0).normal(size=400_000)
    kept = from_scratch[(from_scratch >= -1) & (from_scratch <= 2)]
    assert a.mean() == pytest.approx(kept.mean(), abs=0.02)
    assert a.std() == pytest.approx(kept.std(), abs=0.02)
    for options in ({"a": 2.0, "b": 1.0}, {"std": 0.0}):
        with pytest.raises(ValueError, match="trunc_normal_"):
            init.trunc_normal_(w, **options)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (8, 2, 2, 2), (4, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(tw.zeros(*shape), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(product.shape[0]), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 7), (33, 33), (70, 333), (0, 4), (0, 0)])
def test_orthonormal_rows_are_numpys(isa: str, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(3).standard_normal(shape)
    q = [None, None]
    for i, threads in enumerate((1, 3)):
        _core.set_num_threads(threads)
        q[i] = _core.orthonormal_rows(_core.Array.from_numpy(x)).numpy()
    np.testing.assert_array_equal(q[0], q[1])
    want, r = np.linalg.qr(x.T)
    np.testing.assert_allclose(q[0], (want * np.sign(np.diag(r))).T, atol=1e-13)


def test_orthonormal_rows_of_an_ill_conditioned_matrix(isa: str) -> None:
    x = 1 / (np.arange(1, 41)[:, None] + np.arange(60)) + 1e-9 * np.eye(40, 60)
    q = _core.orthonormal_rows(_core.Array.from_numpy(x)).numpy()
    np.testing.assert_allclose(q @ q.T, np.eye(40), atol=1e-14)
    with pytest.raises(ValueError, match="row 1 depends on those before it"):
        _core.orthonormal_rows(_core.Array.from_numpy(np.array([[1.0, 0, 0], [0, 0, 0]])))
    with pytest.raises(ValueError, match="at most as many rows as columns"):
        _core.orthonormal_rows(_core.Array.from_numpy(np.zeros((3, 2))))
    with pytest.raises(TypeError, match="expected float64"):
        _core.orthonormal_rows(_core.Array.from_numpy(np.zeros((2, 3), np.float32)))


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_passes_channels_on(groups: int) -> None:
    layer = nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=False)
    init.dirac_(layer.weight, groups)
    x = tw.rand(2, 4, 5, 5)
    assert tw.equal(layer(x), x)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: nn.Conv2d(32, 64, 3), 288),
        (lambda: nn.Conv2d(32, 256, 3, groups=8), 36),
        (lambda: nn.Conv1d(16, 300, 5), 80),
        (lambda: nn.Linear(100, 300), 100),
    ],
)
def test_default_of_layers(layer: Callable[[], Any], fan_in: int) -> None:
    made = layer()
    bound = 1 / math.sqrt(fan_in)
    for p in (made.weight, made.bias):
        _, std, largest = spread(p)
        assert largest <= bound
        assert std == pytest.approx(bound / math.sqrt(3), rel=0.15)


@requires_torch
def test_gains_as_in_torch() -> None:
    import torch

    for name in (
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "selu",
    ):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_seeds_repeat() -> None:
    weights = []
    for _ in range(2):
        tw.manual_seed(5)
        weights.append(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)).state_dict())
    for name, value in weights[0].items():
        assert tw.equal(value, weights[1][name])
    a = init.normal_(tw.zeros(5), generator=tw.Generator(2))
    assert tw.equal(a, init.normal_(tw.zeros(5), generator=tw.Generator(2)))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: init.kaiming_uniform_(tw.zeros(3)), ValueError),
        (lambda: init.kaiming_uniform_(tw.zeros(3, 3), mode="fan"), ValueError),
        (lambda: init.kaiming_uniform_(tw.zeros(3, 3), nonlinearity="swish"), ValueError),
        (lambda: init.xavier_normal_(3), TypeError),
        (lambda: init.uniform_(tw.zeros(3), 2.0, 1.0), ValueError),
        (lambda: init.normal_(tw.zeros(3), 0.0, -1.0), ValueError),
        (lambda: init.constant_(tw.zeros(3), "a"), TypeError),
        (lambda: init.constant_([1], 1.0), TypeError),
        (lambda: init.eye_(tw.zeros(3)), ValueError),
        (lambda: init.dirac_(tw.zeros(3, 3)), ValueError),
        (lambda: init.dirac_(tw.zeros(3, 3, 3), 2), ValueError),
        (lambda: init.orthogonal_(tw.zeros(3)), ValueError),
        (lambda: init.normal_(tw.arange(3)), TypeError),
        (lambda: init.calculate_gain("gelu"), ValueError),
    ],
)
def test_faults(call: Callable[[], Any], error: Any) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.5, 2.0, -1.0, 0.25),
        (0.0, 1.0, 1.5, 9.0),
        (1.0, 0.1, -50.0, 0.5),
        (0.0, 1.0, 50.0, 60.0),
        (0.0, 10.0, -0.5, 0.75),
    ],
)
def test_truncated_normal_distribution(
    mean: float, std: float, low: float, high: float, dtype: str
) -> None:
    """The share of values below each of 20 places is that of the distribution."""
    tw.manual_seed(5)
    w = init.trunc_normal_(tw.zeros(20000, dtype=dtype), mean, std, low, high)
    values = np.sort(w.numpy().astype(np.float64))
    assert low <= values[0] <= values[-1] <= np.float32(high)
    # A fine sum of the density, from its peak on so that a far tail does not underflow.
    x = np.linspace(low, high, 400001)
    exponent = -0.5 * ((x - mean) / std) ** 2
    total = np.cumsum(np.exp(exponent - exponent.max()))
    places = np.interp(np.linspace(0.05, 0.95, 20), total / total[-1], x)
    shares = np.searchsorted(values, places) / values.size
    np.testing.assert_allclose(shares, np.linspace(0.05, 0.95, 20), atol=0.015)


def test_sparse() -> None:
    w = init.sparse_(nn.Parameter(tw.zeros(50, 40)), 0.31, 0.5)
    zero = (w.detach().numpy() == 0).sum(0)
    assert (zero == 16).all()
    assert float(w.detach().numpy()[w.detach().numpy() != 0].std()) == pytest.approx(0.5, rel=0.1)
    assert len({tuple(np.flatnonzero(column == 0)) for column in w.detach().numpy().T}) > 30
    for bad in (tw.zeros(3), tw.zeros(1, 2, 3)):
        with pytest.raises(ValueError, match="sparse_"):
            init.sparse_(bad, 0.5)
    with pytest.raises(ValueError, match="sparsity"):
        init.sparse_(tw.zeros(2, 2), 1.5)


@requires_torch
def test_gains_and_fans_as_in_torch() -> None:
    import torch

    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for n in (1, 2, 3):
        for name in (f"conv{n}d", f"conv_transpose{n}d"):
            assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    for shape in ((3, 4), (5, 2, 3), (6, 2, 3, 5), (2, 3, 1, 2, 4)):
        ours = init._calculate_fan_in_and_fan_out(tw.zeros(*shape))
        assert ours == torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(*shape))


@requires_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("ones_", (2, 3), {}),
        ("zeros_", (2, 3), {}),
        ("constant_", (2, 3), {"val": 0.3}),
        ("eye_", (3, 5), {}),
        ("eye_", (5, 3), {}),
        *[
            ("dirac_", (filters, channels, *kernel), {"groups": groups})
            for filters, channels, groups in ((4, 4, 1), (6, 2, 3), (2, 5, 1), (8, 3, 2))
            for kernel in ((3,), (3, 4), (2, 3, 5))
        ],
    ],
)
def test_exact_ones_as_in_torch(
    name: str, shape: tuple[int, ...], options: dict[str, Any], dtype: str
) -> None:
    import torch

    ours = getattr(init, name)(tw.full(shape, 7.0, dtype=dtype), **options)
    theirs = getattr(torch.nn.init, name)(
        torch.full(shape, 7.0, dtype=getattr(torch, dtype)), **options
    )
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert ours.dtype == tw.full((1,), 0.0, dtype=dtype).dtype
