"""The error each algorithm declares, against float64: maximum over the RMS of the outputs.

Inputs are normal(0, 1). Sums in float32 grow their error with the square root of their length;
Winograd's transforms lose about two bits more, F(2x2, 3x3) next to none.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from conv_problems import DIRECTIONS, WINOGRAD_LIMITS, Problem, accepting, run, square
from helpers import to_core
from tilewise import _core

PROBLEMS = {
    "3x3 32 channels": square(3, 32, 32, 28, 3, pad=1),
    "3x3 64 channels": square(2, 64, 64, 14, 3, pad=1),
    "3x3 512 channels": square(1, 512, 48, 7, 3, pad=1),
    "3x3 512 filters": square(1, 48, 512, 7, 3, pad=1),
    "3x3 many tiles": square(9, 24, 40, 29, 3, pad=1),
    "3x3 chunked gradient": square(9, 100, 130, 13, 3, pad=1),
    "3x3 few channels": square(1, 2, 3, 9, 3, pad=1),
    "3x3 one vector": square(2, 16, 16, 8, 3, pad=1),
    "3x3 one pixel": square(2, 20, 30, 1, 3, pad=1),
    "3x3 tails": Problem(1, 17, 33, (9, 14), (3, 3), (1, 1), (0, 0), (0, 0), (1, 1)),
    "3x3 full padding": Problem(1, 100, 40, (13, 7), (3, 3), (1, 1), (2, 2), (2, 2), (1, 1)),
    "3x3 asymmetric": Problem(2, 24, 20, (6, 11), (3, 3), (1, 1), (0, 3), (2, 1), (1, 1)),
    "1x3x3 volume": Problem(
        1, 8, 16, (3, 9, 6), (1, 3, 3), (1, 1, 1), (0, 1, 1), (0, 1, 1), (1, 1, 1)
    ),
    "3x3 stride 2": square(2, 32, 48, 28, 3, stride=2, pad=1),
    "3x3 dilated": square(2, 32, 32, 20, 3, pad=2, dilation=2),
    "5x5": square(2, 20, 50, 14, 5, pad=2),
    "1x1": square(2, 256, 80, 12, 1),
    "7x7 stem": square(1, 3, 32, 56, 7, stride=2, pad=3),
    "11x11 stride 4": square(1, 3, 24, 67, 11, stride=4),
    "depthwise": square(2, 40, 40, 28, 3, pad=1, groups=40),
    "depthwise 5x5 stride 2": square(2, 40, 80, 28, 5, stride=2, pad=2, groups=40),
    "depthwise 7x7": square(2, 40, 40, 28, 7, pad=3, groups=40),
    "depthwise, many pixels": square(8, 3, 3, 96, 3, pad=1, groups=3),
    "groups of 4": square(2, 64, 64, 14, 3, pad=1, groups=16),
    "1-D": square(2, 32, 48, 300, 9, pad=4, dims=1),
    "3-D": square(1, 16, 24, 9, 3, pad=1, dims=3),
}


def limit(p: Problem, algorithm: str, direction: str) -> float:
    """The declared limit; of a bias gradient, a plain sum, that of the direct form."""
    if algorithm in WINOGRAD_LIMITS:
        return WINOGRAD_LIMITS[algorithm][direction]
    # Without fused multiply-add each product is rounded once more.
    fused = 1.0 if _core.isa() != "baseline" else 1.5
    return fused * 3e-6 * max(1.0, p.terms(direction) / 576) ** 0.5


@pytest.mark.parametrize("name", PROBLEMS)
def test_error_is_within_the_declared_limit(name: str) -> None:
    p = PROBLEMS[name]
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s).astype(np.float32) for s in operand_shapes(p)]
    operands = [to_core(v) for v in values]
    exact = [to_core(v.astype(np.float64)) for v in values]
    before = _core.isa()
    try:
        for direction in DIRECTIONS:
            want = [o.numpy() for o in run(direction, p, *exact, "reference")]
            for isa in _core.available_isas():
                _core.set_isa(isa)
                for algorithm in accepting(p, direction):
                    got = [o.numpy() for o in run(direction, p, *operands, algorithm)]
                    where = f"{algorithm} {direction} {isa} {p}"
                    check(got[0], want[0], limit(p, algorithm, direction), where)
                    if direction == "backward_weight":
                        check(got[1], want[1], limit(p, "direct", direction), f"bias, {where}")
    finally:
        _core.set_isa(before)


def operand_shapes(p: Problem) -> tuple[tuple[int, ...], ...]:
    return p.x_shape, p.w_shape, (p.k,), p.y_shape


def check(got: np.ndarray, want: np.ndarray, limit: float, where: str) -> None:

    rms = math.sqrt(float((want**2).mean()))
    error = float(np.abs(got - want).max()) / rms
    assert error <= limit, f"{where}: {error:.2e} > {limit:.2e}"


@pytest.mark.parametrize("scale", [1e-18, 1e15])
def test_the_error_does_not_depend_on_the_scale(isa: str, scale: float) -> None:
    """Transforms stay near the inputs' size: nothing overflows, nothing flushes to zero."""
    p = PROBLEMS["3x3 64 channels"]
    rng = np.random.default_rng(1)
    factors = (scale, 1.0, scale, scale)
    values = [
        (f * rng.standard_normal(s)).astype(np.float32)
        for f, s in zip(factors, operand_shapes(p), strict=True)
    ]
    exact = [to_core(v.astype(np.float64)) for v in values]
    for direction in DIRECTIONS[:2]:
        want = run(direction, p, *exact, "reference")[0].numpy()
        for algorithm in accepting(p, direction):
            got = run(direction, p, *map(to_core, values), algorithm)[0].numpy()
            check(got, want, limit(p, algorithm, direction), f"{algorithm} {direction} {scale}")


def test_infinities_and_nan_stay_where_direct_sums_put_them(isa: str) -> None:
    """Winograd spreads them over a tile, never further; the others are exact."""
    p = square(1, 8, 8, 12, 3, pad=1)
    x = np.ones(p.x_shape, np.float32)
    x[0, 3, 6, 6] = np.inf
    w = np.ones(p.w_shape, np.float32)
    want = np.zeros(p.y_shape[2:], bool)
    want[5:8, 5:8] = True
    for algorithm in accepting(p, "forward"):
        y = run("forward", p, to_core(x), to_core(w), None, None, algorithm)[0].numpy()[0]
        finite = np.isfinite(y).all(axis=0)
        assert not finite[want].any(), algorithm
        if algorithm not in WINOGRAD_LIMITS:
            assert finite[~want].all(), algorithm
        else:
            assert finite[:4].all() and finite[:, :4].all(), algorithm
