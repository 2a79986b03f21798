"""Depthwise convolution: three directions, every ISA, against the plain loops in double."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from conv_problems import DIRECTIONS, Problem, integers, run
from helpers import requires_torch, to_core
from test_conv import check
from tilewise import _core


def depthwise(
    n: int, c: int, size: int, kernel: int, stride: int = 1, pad: int = 0, multiplier: int = 1
) -> Problem:
    lists = ((v, v) for v in (size, kernel, stride, pad, pad, 1))
    return Problem(n, c, c * multiplier, *lists, groups=c)


def random_problem(seed: int) -> Problem:
    """Odd sizes, tails of vectors, strides, dilations, asymmetric padding, multipliers."""
    rng = random.Random(seed)
    while True:
        dims = rng.choice((1, 2, 2, 2, 2, 3))
        most = {1: 70, 2: 21, 3: 6}[dims]
        channels = rng.randint(1, 70 if dims < 3 else 20)
        problem = Problem(
            n=rng.choice((1, 1, 2, 3)),
            c=channels,
            k=channels * rng.choice((1, 1, 1, 2, 3, 5)),
            size=tuple(rng.randint(1, most) for _ in range(dims)),
            kernel=tuple(rng.choice((1, 2, 3, 3, 4, 5, 6, 7, 9)) for _ in range(dims)),
            stride=tuple(rng.choice((1, 1, 2, 3)) for _ in range(dims)),
            pad_begin=tuple(rng.choice((0, 1, 1, 2, 3, 8)) for _ in range(dims)),
            pad_end=tuple(rng.choice((0, 1, 1, 2, 4)) for _ in range(dims)),
            dilation=tuple(rng.choice((1, 1, 1, 2, 3)) for _ in range(dims)),
            groups=channels,
        )
        if all(extent >= 1 for extent in problem.y_shape[2:]):
            return problem


NAMED = {
    "mobilenet-3x3": depthwise(2, 144, 28, 3, pad=1),
    "mobilenet-3x3-s2": depthwise(2, 96, 29, 3, stride=2, pad=1),
    "mobilenet-5x5": depthwise(2, 40, 14, 5, pad=2),
    "mobilenet-5x5-s2": depthwise(1, 72, 28, 5, stride=2, pad=2),
    "convnext-7x7": depthwise(1, 96, 14, 7, pad=3),
    "7x7-s2": depthwise(1, 33, 15, 7, stride=2, pad=3),
    "deep-7x7-map": depthwise(2, 576, 7, 3, pad=1),
    "kernel-larger-than-map": depthwise(2, 19, 2, 7, pad=3),
    "one-pixel": depthwise(1, 5, 1, 3, pad=1),
    "one-channel": depthwise(3, 1, 28, 5, pad=2, multiplier=6),
    "multiplier-2": depthwise(2, 24, 13, 3, pad=1, multiplier=2),
    "multiplier-3-s2": depthwise(2, 17, 13, 5, stride=2, pad=2, multiplier=3),
    "pointwise": depthwise(2, 20, 11, 1),
    "stride-beyond-input": depthwise(2, 3, 3, 1, stride=7),
    "wide-padding": depthwise(1, 6, 4, 3, pad=20),
    "long-row": Problem(1, 8, 8, (9000,), (9,), (1,), (4,), (4,), (1,), groups=8),
    "long-row-s2": Problem(1, 12, 24, (5000,), (5,), (2,), (1,), (2,), (3,), groups=12),
    "causal-dilated": Problem(2, 8, 8, (100,), (3,), (1,), (64,), (0,), (32,), groups=8),
    "far-padding": Problem(
        1, 2, 2, (2, 2), (3, 3), (15000,) * 2, (30000,) * 2, (30000,) * 2, (20000,) * 2, groups=2
    ),
    "volume": Problem(
        1, 10, 10, (5, 6, 7), (3, 3, 3), (1, 2, 1), (1, 1, 1), (1, 0, 2), (1, 1, 2), groups=10
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_problems_are_exact_on_integers(isa: str, name: str) -> None:
    check(NAMED[name], "depthwise")


@pytest.mark.parametrize("block", range(4))
def test_random_problems_are_exact_on_integers(isa: str, block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        check(random_problem(seed), "depthwise", seed=seed)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", ["mobilenet-3x3", "mobilenet-5x5-s2", "multiplier-2", "long-row"])
def test_same_bits_at_any_thread_count(name: str, direction: str) -> None:
    p = NAMED[name]
    rng = np.random.default_rng(1)
    shapes = (p.x_shape, p.w_shape, (p.k,), p.y_shape)
    operands = [to_core(rng.standard_normal(s).astype(np.float32)) for s in shapes]
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        outputs = run(direction, p, *operands, "depthwise")
        results.append([output.numpy().tobytes() for output in outputs])
    assert all(result == results[0] for result in results)


# Outputs past half of the last-level cache are stored past the caches.
@pytest.mark.parametrize("direction", DIRECTIONS[:2])
def test_large_outputs(isa: str, direction: str) -> None:
    p = Problem(1, 64, 64, (290, 301), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1), groups=64)
    x = np.ones(p.x_shape, np.float32)
    w = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None, None, None], p.w_shape)
    got = run(direction, p, to_core(x), to_core(w), None, to_core(x), "depthwise")[0].numpy()
    assert (got[0, :, 1:-1, 1:-1] == 9 * w[:, 0, :1, :1]).all()
    assert (got[0, :, 0, 1:-1] == 6 * w[:, 0, 0, :1]).all()
    assert (got[0, :, ::289, ::300] == 4 * w[:, 0, :1, :1]).all()


EPILOGUES = [("relu", False), ("relu6", False), ("hardswish", True), ("none", True)]


@pytest.mark.parametrize(("activation", "residual"), EPILOGUES)
@pytest.mark.parametrize("name", ["mobilenet-3x3", "multiplier-3-s2", "long-row-s2"])
def test_epilogue(isa: str, name: str, activation: str, residual: bool) -> None:
    """Forward and transposed, with statistics, against the plain loops in double."""
    p = NAMED[name]
    x, w, dy = (integers(s, i) for i, s in enumerate((p.x_shape, p.w_shape, p.y_shape)))
    bias = {"forward": integers((p.k,), 3), "transposed": integers((p.c,), 4)}

    def results(dtype: type, algorithm: str):
        a, b, d = (to_core(v.astype(dtype)) for v in (x, w, dy))
        for kind, shape in (("forward", p.y_shape), ("transposed", p.x_shape)):
            epilogue = _core.ConvEpilogue(
                bias=to_core(bias[kind].astype(dtype)),
                residual=to_core(integers(shape, 5).astype(dtype)) if residual else None,
                activation=activation,
                statistics=True,
            )
            common = (epilogue, *p.arguments, p.groups, algorithm)
            if kind == "forward":
                y, moments = _core.conv_fused(a, b, *common)
                yield from (v.numpy() for v in (y, *moments))
            else:
                yield _core.conv_transpose_forward(d, b, p.x_shape, *common).numpy()

    got = results(np.float32, "depthwise")
    for actual, expected in zip(got, results(np.float64, "reference"), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky_relu"])
@pytest.mark.parametrize("name", ["mobilenet-5x5", "mobilenet-5x5-s2", "multiplier-3-s2", "volume"])
def test_gated_gradients(isa: str, name: str, activation: str) -> None:
    p = NAMED[name]
    x, w, dy = (integers(s, i) for i, s in enumerate((p.x_shape, p.w_shape, p.y_shape)))
    y = np.maximum(4 * integers(p.y_shape, 4), 0)

    def results(dtype: type, algorithm: str):
        a, b, d, out = (to_core(v.astype(dtype)) for v in (x, w, dy, y))
        gate = _core.ConvGate(out, activation, 0.5)
        common = (*p.arguments, p.groups)
        yield _core.conv_backward_data(d, b, p.x_shape, *common, algorithm, gate)
        yield from _core.conv_backward_weight(d, a, p.w_shape, *common, True, algorithm, gate)

    got = results(np.float32, "depthwise")
    for actual, expected in zip(got, results(np.float64, "reference"), strict=True):
        np.testing.assert_array_equal(actual.numpy(), expected.numpy())


def test_non_finite_values_stay_where_they_are(isa: str) -> None:
    """Taps beyond the border are left out, not multiplied by zero."""
    p = depthwise(1, 20, 9, 3, pad=1)
    x = integers(p.x_shape, 0)
    x[:, :, 0, 0] = np.inf
    x[:, :, 4, 8] = np.nan
    w = np.abs(integers(p.w_shape, 1)) + 1
    y = _core.conv_forward(to_core(x), to_core(w), None, *p.arguments, p.groups, "depthwise")
    finite = np.isfinite(y.numpy())
    assert not finite[:, :, :2, :2].any() and not finite[:, :, 3:6, 7:].any()
    assert finite.sum() == y.size - 20 * (4 + 6)


def test_workspace_is_what_is_used() -> None:
    for name in ("mobilenet-3x3", "multiplier-2", "long-row-s2", "volume"):
        p = NAMED[name]
        x, w, dy = (to_core(integers(s, 0)) for s in (p.x_shape, p.w_shape, p.y_shape))
        x, dy = x.channels_last(), dy.channels_last()
        _core.set_num_threads(1)
        for direction in DIRECTIONS:
            _, _, rows = _core.explain_conv(
                p.x_shape,
                p.w_shape,
                _core.DType.float32,
                direction,
                *p.arguments,
                p.groups,
                "depthwise",
            )
            (stated,) = (row[3] for row in rows if row[0] == "depthwise")
            _core.reset_peak_memory()
            before = _core.memory_stats()["in_use"]
            results = run(direction, p, x, w, None, dy, "depthwise")
            used = _core.memory_stats()["peak_in_use"] - before
            outputs = sum(4 * r.size for r in results)
            assert used <= stated + 2 * outputs + 4096, (name, direction)


def test_choice_and_refusal() -> None:
    for name in ("mobilenet-3x3", "mobilenet-5x5-s2", "multiplier-2", "volume"):
        p = NAMED[name]
        for direction in DIRECTIONS:
            _, _, rows = _core.explain_conv(
                p.x_shape, p.w_shape, _core.DType.float32, direction, *p.arguments, p.groups
            )
            assert [row[0] for row in rows if row[4]] == ["depthwise"]
    p = Problem(1, 8, 8, (5, 5), (3, 3), (1, 1), (0, 0), (0, 0), (1, 1), groups=4)
    x, w = to_core(integers(p.x_shape, 0)), to_core(integers(p.w_shape, 1))
    with pytest.raises(ValueError, match="depthwise' does not apply: groups have more than one"):
        _core.conv_forward(x, w, None, *p.arguments, p.groups, "depthwise")


@requires_torch
@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_torch(seed: int) -> None:
    import torch

    p = random_problem(seed + 1000)
    p = dataclasses.replace(p, pad_end=p.pad_begin)
    if any(extent < 1 for extent in p.y_shape[2:]):
        pytest.skip("symmetric padding leaves no output for this draw")
    x, w, b = (integers(s, i) for i, s in enumerate((p.x_shape, p.w_shape, (p.k,))))
    dy = integers(p.y_shape, 3)
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
    conv = getattr(torch.nn.functional, f"conv{len(p.size)}d")
    y = conv(*leaves, p.stride, p.pad_begin, p.dilation, p.groups)
    y.backward(torch.tensor(dy))
    operands = [to_core(v) for v in (x, w, b, dy)]
    got = [result for d in DIRECTIONS for result in run(d, p, *operands, "depthwise")]
    for actual, expected in zip(got, [y.detach(), *(v.grad for v in leaves)], strict=True):
        np.testing.assert_array_equal(actual.numpy(), expected.numpy())
