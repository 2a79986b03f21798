"""Activations: rows of the core, their functions and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import check_with_ref, random_array, requires_torch, to_core, to_numpy
from tilewise import _core, nn
from tilewise.autograd import gradcheck
from tilewise.nn import functional as F

SIZES = (0, 1, 3, 5, 16, 33, 1000)
# Parameters of the core's row, and the largest relative error of value and gradient: of an
# exponential and a quotient or two.
ROWS: dict[str, tuple[tuple[float, ...], float]] = {
    "hardtanh": ((-1.0, 2.0), 0.0),
    "leaky_relu": ((0.1,), 1e-7),
    "elu": ((1.5, 2.0, 0.5), 4e-7),
    "gelu": ((), 6e-7),
    "gelu_tanh": ((), 1e-6),
    "silu": ((), 6e-7),
    "mish": ((), 6e-7),
    "hardswish": ((), 3e-7),
    "hardsigmoid": ((), 2e-7),
    "hardshrink": ((0.5,), 0.0),
    "softshrink": ((0.5,), 1e-7),
    "tanhshrink": ((), 4e-7),
    "threshold": ((0.5, 9.0), 0.0),
    "log_sigmoid": ((), 4e-7),
    "softplus": ((2.0, 20.0, 0.5), 4e-7),
    "softsign": ((), 3e-7),
    "relu": ((), 0.0),
    "frac": ((), 0.0),
}
FUNCTIONS: dict[str, dict[str, Any]] = {
    "relu": {},
    "relu6": {},
    "hardtanh": {"min_val": -0.5, "max_val": 2.0},
    "leaky_relu": {"negative_slope": 0.2},
    "elu": {"alpha": 1.5},
    "selu": {},
    "celu": {"alpha": 0.7},
    "gelu": {},
    "silu": {},
    "mish": {},
    "hardswish": {},
    "hardsigmoid": {},
    "hardshrink": {"lambd": 0.3},
    "softshrink": {"lambd": 0.3},
    "tanhshrink": {},
    "threshold": {"threshold": 0.3, "value": -2.0},
    "logsigmoid": {},
    "softplus": {"beta": 2.0, "threshold": 10.0},
    "softsign": {},
    "sigmoid": {},
    "tanh": {},
    "rrelu": {},
    "glu": {},
}
WITH_INPLACE = [
    "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardswish",
    "hardsigmoid", "threshold", "rrelu",
]  # fmt: skip
SPECIAL = np.array(
    [0.0, -0.0, 3, -3, 6, 0.5, -0.5, 1, -1, 20, 1e3, -1e3, 1e30, -1e30, np.inf, -np.inf, np.nan],
    np.float32,
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ROWS)
def test_rows_against_ref(isa: str, name: str, size: int) -> None:
    parameters, limit = ROWS[name]
    x, dy = random_array((size,), low=-8, high=8), random_array((size,), 1)
    forward, backward = getattr(_core, name), getattr(_core, name + "_backward")
    check_with_ref(lambda a: forward(a, *parameters), x, limit=limit)
    kept = to_numpy(forward(to_core(x), *parameters)) if name == "relu" else x
    check_with_ref(lambda g, a: backward(g, a, *parameters), dy, kept, limit=2 * limit)


@requires_torch
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_as_torch(isa: str, name: str) -> None:
    """NaN, infinities and kinks; long enough for both libraries' vectors."""
    import torch

    values = np.repeat(SPECIAL, 32)
    arguments = FUNCTIONS[name]
    x = tw.tensor(values, requires_grad=True)
    t = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y, want = getattr(F, name)(x, **arguments), getattr(torch.nn.functional, name)(t, **arguments)
    y.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), rtol=2e-6, atol=1e-12)
    got, expected = x.grad.numpy(), t.grad.numpy()
    # Where x is NaN PyTorch's gradients differ between its own scalar and vector loops.
    numbers = ~np.isnan(values)
    if name in ("softsign", "gelu"):  # the limits here, inf / inf or inf * 0 there
        numbers &= np.isfinite(values)
    np.testing.assert_allclose(got[numbers], expected[numbers], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradcheck(name: str) -> None:
    x = tw.tensor(np.random.default_rng(0).standard_normal((2, 4, 3)) * 2, requires_grad=True)
    arguments = {**FUNCTIONS[name], **({"dim": 1} if name == "glu" else {})}
    assert gradcheck(lambda a: getattr(F, name)(a, **arguments), [x])


UNARY = [
    "neg", "abs", "square", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt",
    "rsqrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "sigmoid", "frac", "trunc", "sign", "floor",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary_gradients(isa: str, name: str) -> None:
    low, high = (1.1, 3.0) if name == "acosh" else (0.1, 0.9)
    values = np.random.default_rng(0).uniform(low, high, 37)
    x = tw.tensor(values, requires_grad=True)
    assert gradcheck(getattr(tw, name), [x])
    single = tw.tensor(values.astype(np.float32), requires_grad=True)
    getattr(tw, name)(x).sum().backward()
    getattr(tw, name)(single).sum().backward()
    np.testing.assert_allclose(single.grad.numpy(), x.grad.numpy(), rtol=4e-6)


@pytest.mark.parametrize("name", [*UNARY, "relu"])
def test_in_place_methods(name: str) -> None:
    values = random_array((3, 5), low=0.1, high=0.9) + np.float32(name == "acosh")
    leaf = tw.tensor(values, requires_grad=True)
    want = getattr(leaf * 1.0, name)()
    want.sum().backward()
    gradient, leaf.grad = leaf.grad, None
    x = leaf * 1.0
    assert getattr(x, name + "_")() is x
    np.testing.assert_array_equal(x.detach().numpy(), want.detach().numpy())
    x.sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), gradient.numpy())
    plain = tw.tensor(np.ascontiguousarray(values[:, ::2]))
    view = tw.tensor(values)[:, ::2]
    getattr(view, name + "_")()  # with gaps
    np.testing.assert_array_equal(view.numpy(), getattr(plain, name)().numpy())


@pytest.mark.parametrize("name", WITH_INPLACE)
def test_inplace_argument(name: str) -> None:
    values = random_array((4, 7), low=-3, high=3)
    leaf = tw.tensor(values, requires_grad=True)
    arguments = FUNCTIONS[name]
    want = getattr(F, name)(leaf * 1.0, **arguments)
    want.sum().backward()
    gradient, leaf.grad = leaf.grad, None
    x = leaf * 1.0
    assert getattr(F, name)(x, **arguments, inplace=True) is x
    x.sum().backward()
    np.testing.assert_array_equal(x.detach().numpy(), want.detach().numpy())
    np.testing.assert_array_equal(leaf.grad.numpy(), gradient.numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        getattr(F, name)(leaf, **arguments, inplace=True)
    with pytest.raises(TypeError, match="inplace"):
        getattr(F, name)(x, **arguments, inplace=1)


def test_integers_are_refused() -> None:
    for name in set(FUNCTIONS) - {"relu", "sigmoid", "tanh"}:
        with pytest.raises(TypeError, match=name):
            getattr(F, name)(tw.tensor([1, 2]), **FUNCTIONS[name])
    with pytest.raises(TypeError, match="exp_: the result is float32"):
        tw.tensor([1]).exp_()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: F.hardtanh(x, 1.0, -1.0), ValueError),
        (lambda x: F.softshrink(x, -0.1), ValueError),
        (lambda x: F.celu(x, 0.0), ValueError),
        (lambda x: F.softplus(x, 0.0), ValueError),
        (lambda x: F.leaky_relu(x, float("nan")), ValueError),
        (lambda x: F.gelu(x, "fast"), ValueError),
        (lambda x: F.gelu(x, 1), TypeError),
        (lambda x: F.rrelu(x, 0.5, 0.1), ValueError),
        (lambda x: F.glu(x[:, :3]), ValueError),
        (lambda x: F.glu(x, 2), ValueError),
        (lambda x: F.glu(tw.tensor(1.0), 0), ValueError),
        (lambda x: F.prelu(x, tw.ones(3)), ValueError),
        (lambda x: F.prelu(x, tw.ones(1, 4)), ValueError),
        (lambda x: F.prelu(x, tw.ones(4, dtype=tw.float64)), TypeError),
        (lambda x: F.prelu(x, 0.25), TypeError),
        (lambda x: F.maxout(x, 3), ValueError),
        (lambda x: F.maxout(x, 0), ValueError),
        (lambda x: F.gumbel_softmax(x, 0.0), ValueError),
        (lambda x: F.elu(x, None), TypeError),
        (lambda x: F.elu([1.0]), TypeError),
        (nn.Softmax2d(), ValueError),
        (lambda x: nn.Hardtanh(1.0, 0.0), ValueError),
        (lambda x: _core.elu_backward(x._array, tw.ones(3)._array), ValueError),
        (lambda x: _core.elu_backward(x._array, tw.ones(2, 4, dtype=tw.float64)._array), TypeError),
        (lambda x: _core.glu_backward(x._array, x._array, 1), ValueError),
        (lambda x: _core.rrelu(x._array, tw.ones(2)._array), ValueError),
    ],
)
def test_bad_arguments(call: Callable[[tw.Tensor], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(tw.rand(2, 4))


# ---------------------------------------------------------------- prelu, rrelu, glu, maxout

SHAPES = [
    (5,),
    (3, 1),
    (2, 7),
    (4, 65),
    (2, 3, 5),
    (2, 5, 6, 7),
    (1, 64, 9, 9),
    (0, 4, 2),
    (2, 3, 4, 5, 6),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_prelu_against_ref(
    isa: str, shape: tuple[int, ...], per_channel: bool, channels_last: bool
) -> None:
    channels = shape[1] if per_channel and len(shape) > 1 else 1
    x, dy, w = random_array(shape), random_array(shape, 1), random_array((channels,), 2)
    if x.size:
        x.flat[0] = 0.0
    check_with_ref(_core.prelu, x, w, limit=1e-7, channels_last=channels_last)
    check_with_ref(
        lambda g, a, b: _core.prelu_backward(g, a, b, True, True),
        dy, x, w, limit=[1e-7, 2e-6], channels_last=channels_last,
    )  # fmt: skip


def test_prelu_gradient_has_the_same_bits_at_any_thread_count(isa: str) -> None:
    for channels in (1, 3, 64, 1500):
        shape = (4, channels, 20, 20)
        x, dy = (to_core(random_array(shape, s), channels_last=True) for s in (0, 1))
        results = []
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            parts = _core.prelu_backward(dy, x, to_core(random_array((channels,), 2)), True, True)
            results.append(b"".join(to_numpy(p).tobytes() for p in parts))
        assert len(set(results)) == 1


def test_prelu_gradients_that_are_not_wanted() -> None:
    x, w = to_core(random_array((2, 3))), to_core(random_array((3,)))
    assert _core.prelu_backward(x, x, w, False, True)[0] is None
    assert _core.prelu_backward(x, x, w, True, False)[1] is None
    leaf = tw.rand(2, 3, 4, dtype=tw.float64, requires_grad=True)
    weight = tw.tensor(np.array([0.1, -0.2, 0.3]), requires_grad=True)
    assert gradcheck(lambda a, b: F.prelu(a - 0.5, b), [leaf, weight])


def test_rrelu_in_training() -> None:
    x = tw.tensor(random_array((40, 50), low=-2, high=2), requires_grad=True)
    y = F.rrelu(x, 0.1, 0.4, training=True)
    y.sum().backward()
    a, b, g = x.detach().numpy(), y.detach().numpy(), x.grad.numpy()
    np.testing.assert_array_equal(b[a > 0], a[a > 0])
    slopes = (b / a)[a < 0]
    assert slopes.min() >= 0.0999 and slopes.max() <= 0.4001 and 0.2 < slopes.mean() < 0.3
    np.testing.assert_allclose(g[a < 0], slopes, rtol=1e-5)
    np.testing.assert_array_equal(g[a > 0], 1)
    module = nn.RReLU(0.1, 0.3).eval()
    np.testing.assert_array_equal(module(x).detach().numpy(), F.leaky_relu(x, 0.2).detach().numpy())


@pytest.mark.parametrize(("shape", "axis"), [((4,), 0), ((2, 6), 1), ((6, 3), 0), ((2, 8, 3), 1),
    ((2, 3, 8), 2), ((2, 34, 5, 3), 1), ((2, 3, 4, 6), 3), ((2, 3, 4, 6), 2), ((4, 3, 4, 6), 0),
    ((0, 4), 1), ((3, 70000), 1)])  # fmt: skip
@pytest.mark.parametrize("channels_last", [False, True])
def test_glu_against_ref(isa: str, shape: tuple[int, ...], axis: int, channels_last: bool) -> None:
    x = random_array(shape, low=-4, high=4)
    first, second = np.split(x.astype(np.float64), 2, axis)
    core = to_core(x.astype(np.float64), channels_last=channels_last and x.ndim >= 3)
    np.testing.assert_allclose(
        to_numpy(_core.glu(core, axis)), first / (1 + np.exp(-second)), rtol=1e-14
    )
    check_with_ref(lambda a: _core.glu(a, axis), x, limit=4e-7, channels_last=channels_last)
    dy = random_array(first.shape, 1)
    check_with_ref(
        lambda g, a: _core.glu_backward(g, a, axis), dy, x, limit=6e-7, channels_last=channels_last
    )


def test_maxout() -> None:
    x = tw.tensor(random_array((2, 6, 4, 5)), requires_grad=True)
    y = nn.Maxout(3)(x)
    want = x.detach().numpy().reshape(2, 2, 3, 4, 5).max(2)
    np.testing.assert_array_equal(y.detach().numpy(), want)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy().reshape(2, 2, 3, 4, 5).sum(2), np.ones_like(want))
    wide = tw.tensor(np.random.default_rng(0).standard_normal((2, 6)), requires_grad=True)
    assert gradcheck(lambda a: F.maxout(a, 2, -1), [wide])


def test_gumbel_softmax() -> None:
    logits = tw.tensor(np.log(np.float32([[0.1, 0.2, 0.7]])), requires_grad=True)
    many = logits.expand(20000, 3)
    hard = F.gumbel_softmax(many, tau=0.5, hard=True)
    rows = hard.detach().numpy()
    np.testing.assert_allclose(np.sort(rows, 1), [[0, 0, 1]] * len(rows), atol=1e-6)
    np.testing.assert_allclose(rows.mean(0), [0.1, 0.2, 0.7], atol=0.02)
    (hard[:, 0]).sum().backward()
    assert np.isfinite(logits.grad.numpy()).all() and np.abs(logits.grad.numpy()).max() > 0
    soft = F.gumbel_softmax(many, dim=1)
    np.testing.assert_allclose(soft.detach().numpy().sum(1), 1, rtol=1e-5)


# ---------------------------------------------------------------- softmax over any axis


@pytest.mark.parametrize("shape", [(3, 5), (2, 7, 9), (2, 10, 3, 5), (1, 3, 17, 33), (2, 3, 2, 70)])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_over_every_axis(
    isa: str, shape: tuple[int, ...], channels_last: bool, name: str
) -> None:
    x, dy = random_array(shape, low=-4, high=4), random_array(shape, 1)
    forward, backward = getattr(_core, name), getattr(_core, name + "_backward")
    for axis in range(len(shape)):
        y = check_with_ref(
            lambda a, k=axis: forward(a, k), x, limit=6e-7, channels_last=channels_last
        )
        check_with_ref(
            lambda g, a, k=axis: backward(g, a, k),
            dy, to_numpy(y), limit=2e-6, channels_last=channels_last,
        )  # fmt: skip
        wide = x.astype(np.float64)
        e = np.exp(wide - wide.max(axis, keepdims=True))
        want = e / e.sum(axis, keepdims=True)
        got = to_numpy(y)
        np.testing.assert_allclose(np.exp(got) if name == "log_softmax" else got, want, rtol=4e-6)


def test_softmax_beside_one_another_keeps_nan_and_infinities(isa: str) -> None:
    x = random_array((4, 5, 37))
    x[0, 2, 3] = np.nan
    x[1, 1, 7] = -np.inf
    x[2, 0, 36] = np.inf
    x[3, :, 20] = -np.inf
    for name in ("softmax", "log_softmax"):
        across = to_numpy(getattr(_core, name)(to_core(x), 1))
        along = to_numpy(getattr(_core, name)(to_core(np.moveaxis(x, 1, 2)), 2))
        np.testing.assert_allclose(across, np.moveaxis(along, 2, 1), rtol=2e-6)


@requires_torch
def test_softmax_without_a_dimension_is_torchs() -> None:
    import torch

    for shape in [(), (3,), (3, 4), (2, 3, 4), (2, 3, 4, 5)]:
        x = random_array(shape)
        for name in ("softmax", "log_softmax", "softmin"):
            with pytest.warns(UserWarning, match="dim"):
                got = getattr(F, name)(tw.tensor(x))
            with pytest.warns(UserWarning, match="mplicit"):
                want = getattr(torch.nn.functional, name)(torch.tensor(x))
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- layers

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}), ("ReLU", {"inplace": True}), ("ReLU6", {}), ("ReLU6", {"inplace": True}),
    ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.2, "inplace": True}), ("PReLU", {}),
    ("PReLU", {"num_parameters": 4, "init": 0.1}), ("RReLU", {}), ("ELU", {"alpha": 0.5}),
    ("SELU", {}), ("CELU", {"alpha": 2.0}), ("GELU", {}), ("GELU", {"approximate": "tanh"}),
    ("SiLU", {}), ("Mish", {}), ("Hardswish", {}), ("Hardsigmoid", {}), ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -2.0, "max_val": 3.0}), ("Hardshrink", {}), ("Softshrink", {}),
    ("Tanhshrink", {}), ("Threshold", {"threshold": 0.1, "value": 2.0}), ("LogSigmoid", {}),
    ("Sigmoid", {}), ("Tanh", {}), ("Softplus", {}), ("Softsign", {}), ("GLU", {"dim": 1}),
    ("Softmax", {"dim": 1}), ("Softmin", {"dim": 1}), ("LogSoftmax", {"dim": 1}),
    ("Softmax2d", {}),
]  # fmt: skip


@requires_torch
@pytest.mark.parametrize(("name", "arguments"), LAYERS)
def test_layers_as_torch(name: str, arguments: dict[str, Any]) -> None:
    import torch

    ours, theirs = getattr(nn, name)(**arguments), getattr(torch.nn, name)(**arguments)
    assert repr(ours) == repr(theirs)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    ours.eval(), theirs.eval()
    values = random_array((2, 4, 3, 5), low=-3, high=3)
    x, t = tw.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, want = ours(x * 1.0), theirs(t * 1.0)
    np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), rtol=2e-6, atol=1e-6)
    seed = random_array(y.shape, 1)
    y.backward(tw.tensor(seed))
    want.backward(torch.tensor(seed))
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=4e-6, atol=2e-6)
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), its.grad.numpy(), rtol=1e-5)


def test_results_larger_than_the_caches(isa: str) -> None:
    count = _core.config()["l3_cache"] // 4 + 1003
    if count > 2**24:
        pytest.skip("the last-level cache is too large to exceed in a test")
    a = random_array((count,), low=-3, high=3)
    x = to_core(a)
    dx = to_numpy(_core.leaky_relu_backward(x, x, 0.5))
    np.testing.assert_array_equal(dx, np.where(a > 0, a, a * np.float32(0.5)))
    y = to_numpy(
        _core.glu(
            x.reshape((1, count // 2 * 2)) if count % 2 == 0 else x.slice(0, 0, count - 1, 1), -1
        )
    )
    half = count // 2
    np.testing.assert_allclose(
        y.ravel(), a[:half] / (1 + np.exp(-a[half : 2 * half])), rtol=1e-5, atol=1e-6
    )


def test_relu_in_place() -> None:
    x = tw.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=True) is x
    assert x.tolist() == [0, 2]
    assert F.relu(tw.tensor([-1.0]), False).tolist() == [0]
    with pytest.raises(TypeError, match="relu: expected inplace as a bool"):
        F.relu(x, 1)  # type: ignore[arg-type]
