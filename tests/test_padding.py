"""Padding: against NumPy and PyTorch, gradients, bits at any number of threads, bad amounts."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilewise as tw
from helpers import random_array, requires_torch, to_core
from tilewise import _core, nn
from tilewise.nn import functional as F

NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
BORDERS = {
    "constant": "zeros",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


@st.composite
def problems(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], str]:
    """Shape, amounts before and after each dimension, mode."""
    mode = draw(st.sampled_from(sorted(NUMPY)))
    rank = draw(st.integers(1, 5))
    shape = tuple(draw(st.integers(1, 9)) for _ in range(rank))
    most = [{"reflect": n - 1, "circular": n}.get(mode, 5) for n in shape]
    before = tuple(draw(st.integers(0, m)) for m in most)
    after = tuple(draw(st.integers(0, m)) for m in most)
    return shape, before, after, mode


@settings(max_examples=150, deadline=None)
@given(problem=problems(), last=st.booleans(), seed=st.integers(0, 99))
def test_random_shapes(problem: Any, last: bool, seed: int) -> None:
    """float32 in both layouts, float64 and bytes against NumPy; the gradient as the adjoint."""
    shape, before, after, mode = problem
    border = BORDERS[mode]
    amounts = list(zip(before, after, strict=True))
    values = np.random.default_rng(seed).integers(-9, 9, shape)
    want = np.pad(values, amounts, mode=NUMPY[mode])  # type: ignore[call-overload]
    dy = np.random.default_rng(seed + 1).integers(-9, 9, want.shape)
    places = np.pad(np.arange(values.size).reshape(shape), amounts, mode=NUMPY[mode], **(
        {"constant_values": values.size} if mode == "constant" else {}
    ))  # type: ignore[call-overload]  # fmt: skip
    dx = np.bincount(places.ravel(), dy.ravel(), values.size + 1)[:-1].reshape(shape)
    for dtype in (np.float32, np.float64, np.int64, np.int8):
        x = to_core(values.astype(dtype), channels_last=last and len(shape) >= 3)
        y = _core.pad(x, before, after, border)
        np.testing.assert_array_equal(y.numpy(), want.astype(dtype))
        if np.issubdtype(dtype, np.floating):
            g = to_core(dy.astype(dtype), channels_last=last and len(shape) >= 3)
            got = _core.pad_backward(g, shape, before, after, border).numpy()
            np.testing.assert_array_equal(got, dx)


@pytest.mark.parametrize("mode", NUMPY)
@pytest.mark.parametrize(
    ("shape", "amounts"),
    [
        ((2, 33, 40), (3, 0)),
        ((2, 17, 20, 31), (1, 2, 3, 4)),
        ((1, 3, 300, 70), (2, 1, 0, 5)),
        ((1, 1, 70000), (5, 9)),
        ((1, 64, 5000), (7, 2)),
        ((1, 5, 6, 30, 40), (1, 1, 2, 0, 1, 3)),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_against_ref(isa: str, shape: Any, amounts: Any, mode: str, last: bool) -> None:
    """Rows that are cut into blocks, borders on some sides; to the bit, at any thread count."""
    rank, dims = len(shape), len(amounts) // 2
    before = (0,) * (rank - dims) + amounts[-2::-2]
    after = (0,) * (rank - dims) + amounts[::-2]
    x = random_array(shape, 1)
    fast = to_core(x, channels_last=last)
    border = BORDERS[mode]
    want = _core.pad(to_core(x.astype(np.float64)), before, after, border).numpy()
    dy = np.random.default_rng(2).integers(-9, 9, want.shape).astype(np.float32)
    want_dx = _core.pad_backward(to_core(dy.astype(np.float64)), shape, before, after, border)
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            y = _core.pad(fast, before, after, border)
            np.testing.assert_array_equal(y.numpy(), want.astype(np.float32))
            gradient = to_core(dy, channels_last=last)
            dx = _core.pad_backward(gradient, shape, before, after, border)
            np.testing.assert_array_equal(dx.numpy(), want_dx.numpy())
    finally:
        _core.set_num_threads(1)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_the_gradient_has_the_same_bits_at_any_number_of_threads(mode: str) -> None:
    dy = to_core(random_array((3, 40, 61, 67), 3), channels_last=True)
    sums = set()
    try:
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            dx = _core.pad_backward(dy, (3, 40, 51, 57), (0, 0, 5, 5), (0, 0, 5, 5), mode)
            sums.add(hashlib.sha256(np.ascontiguousarray(dx.numpy()).tobytes()).hexdigest())
    finally:
        _core.set_num_threads(1)
    assert len(sums) == 1


@pytest.mark.parametrize("mode", NUMPY)
def test_gradcheck(mode: str) -> None:
    x = tw.tensor(random_array((2, 2, 4, 5), 4, dtype=np.float64), requires_grad=True)
    assert tw.autograd.gradcheck(lambda t: F.pad(t, (2, 1, 0, 3), mode), (x,))
    assert tw.autograd.gradcheck(lambda t: F.pad(t, (-1, 2, 1, -2), mode), (x,))


def test_special_values_and_constants() -> None:
    x = tw.tensor([[np.nan, np.inf, -0.0]])
    y = F.pad(x, (1, 1), value=float("-inf")).numpy()
    np.testing.assert_array_equal(y, [[-np.inf, np.nan, np.inf, -0.0, -np.inf]])
    assert np.signbit(y[0, 3])
    integers = F.pad(tw.tensor([1, 2]), (1, 0), value=2**53 + 1)
    assert integers.tolist() == [2**53 + 1, 1, 2]
    assert F.pad(tw.tensor([True]), (1, 1)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("shape", "amounts"), [((0, 3, 4), (1, 1)), ((2, 0, 4), (1, 1)), ((2, 3, 4), ())]
)
def test_empty_edges(shape: Any, amounts: Any) -> None:
    x = tw.zeros(*shape, requires_grad=True)
    y = F.pad(x, amounts)
    y.sum().backward()
    assert y.shape == (*shape[:-1], shape[-1] + sum(amounts))
    assert x.grad is not None
    assert x.grad.shape == shape


X = tw.zeros(2, 3, 4, 5)
BAD: list[tuple[Any, dict[str, Any], type[Exception]]] = [
    ((5, 0), {"mode": "reflect"}, ValueError),  # two pairs are wanted for four dimensions
    ((5, 0, 0, 0), {"mode": "reflect"}, ValueError),
    ((0, 0, 0, 4), {"mode": "reflect"}, ValueError),
    ((6, 0, 0, 0), {"mode": "circular"}, ValueError),
    ((2**31 - 1,) * 4, {"mode": "reflect"}, ValueError),
    ((1, 1, 1, 1), {"mode": "reflect", "value": 1.0}, ValueError),
    ((1, 1, 1, 1, 1, 1, 1, 1), {"mode": "circular"}, ValueError),
    ((2**31 - 1,) * 8, {}, ValueError),
    ((2**62, 2**62), {}, ValueError),
    ((-(2**63), 1), {}, ValueError),
    ((-6, 4), {}, ValueError),
    ((-3, -3, 0, 0), {"mode": "replicate"}, ValueError),
    ((1, 1, 1), {}, ValueError),
    ((True, 1), {}, TypeError),
    ((None, 1), {}, TypeError),
    (("1", 1), {}, TypeError),
    ("12", {}, TypeError),
    ((1, 1), {"mode": None}, TypeError),
]


@pytest.mark.parametrize(("amounts", "named", "error"), BAD)
def test_bad_amounts(amounts: Any, named: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="pad"):
        F.pad(X, amounts, **named)
    assert F.pad(X, (1, 1)).shape == (2, 3, 4, 7)


LAYERS = [
    (f"{kind}Pad{dims}d", dims)
    for kind in ("Reflection", "Replication", "Zero", "Constant", "Circular")
    for dims in (1, 2, 3)
]


@requires_torch
@pytest.mark.parametrize(("name", "dims"), LAYERS)
def test_layers_as_pytorch(name: str, dims: int) -> None:
    import torch

    value = (0.5,) if name.startswith("Constant") else ()
    for padding in (1, tuple(range(2 * dims))):
        for batch in ((2, 3), (3,)):
            x = random_array((*batch, *(7, 8, 9)[:dims]), 5)
            ours, theirs = (getattr(m, name)(padding, *value) for m in (nn, torch.nn))
            assert repr(ours) == repr(theirs)
            np.testing.assert_array_equal(
                ours(tw.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy()
            )
    with pytest.raises(ValueError, match=name):
        getattr(nn, name)((1,) * (2 * dims + 1), *value)
    with pytest.raises(TypeError, match=name):
        getattr(nn, name)(1.5, *value)
