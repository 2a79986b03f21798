"""Convolutions whose padding holds other values than zeros.

Every algorithm and direction against the plain loops in float64 on an input that NumPy padded:
exactly, on integers.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from conv_problems import WINOGRAD_LIMITS, Problem, integers, random_case, square
from tilewise import _core

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
ALGORITHMS = (
    "winograd4",
    "winograd2",
    "depthwise",
    "grouped",
    "implicit_gemm",
    "im2col",
    "reference",
)

WINOGRAD = [
    square(2, 5, 20, 9, 3, pad=1),
    square(1, 20, 18, 12, 3, pad=2, dilation=2),
    Problem(1, 3, 17, (5, 7, 6), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    Problem(1, 4, 4, (7, 8), (3, 3), (1, 1), (2, 0), (1, 2), (1, 1)),
]


def fitting(p: Problem, border: str) -> Problem:
    """The problem with as much of its padding as the border allows."""
    most = [{"reflect": n - 1, "circular": n}.get(border, 9) for n in p.size]
    begin = tuple(min(a, m) for a, m in zip(p.pad_begin, most, strict=True))
    end = tuple(min(a, m) for a, m in zip(p.pad_end, most, strict=True))
    return dataclasses.replace(p, pad_begin=begin, pad_end=end)


def possible(p: Problem) -> bool:
    sizes = (*p.x_shape, *p.w_shape, *p.y_shape)
    return min(sizes) >= 1 and any((*p.pad_begin, *p.pad_end)) and p.multiply_adds < 3e6


def unpad(gradient: np.ndarray, p: Problem, border: str) -> np.ndarray:
    """Adds what lies on the border to the pixels that it was taken from."""
    places = np.arange(math.prod(p.size)).reshape(p.size)
    amounts = list(zip(p.pad_begin, p.pad_end, strict=True))
    places = np.pad(places, amounts, mode=MODES[border])
    flat = gradient.reshape(p.n, p.c, -1)
    out = np.zeros((p.n, p.c, math.prod(p.size)))
    for i, place in enumerate(places.ravel()):
        out[:, :, place] += flat[:, :, i]
    return out.reshape(p.x_shape)


def check(p: Problem, border: str, seed: int) -> int:
    """Every algorithm that takes the problem; returns their number."""
    x, w, dy = (
        integers(shape, seed + i) for i, shape in enumerate((p.x_shape, p.w_shape, p.y_shape))
    )
    amounts = [(0, 0), (0, 0), *zip(p.pad_begin, p.pad_end, strict=True)]
    padded = np.pad(x.astype(np.float64), amounts, mode=MODES[border])
    none = (0,) * len(p.size)
    inside = (p.stride, none, none, p.dilation, p.groups)
    to_core = _core.Array.from_numpy
    px, pw, pdy = (to_core(a.astype(np.float64)) for a in (padded, w, dy))
    full = _core.conv_backward_data(pdy, pw, padded.shape, *inside).numpy()
    wanted = {
        "forward": _core.conv_forward(px, pw, None, *inside).numpy(),
        "backward_data": unpad(full, p, border),
        "backward_weight": _core.conv_backward_weight(pdy, px, p.w_shape, *inside, False)[
            0
        ].numpy(),
    }
    ours = to_core(x).channels_last(), to_core(w), to_core(dy).channels_last()
    count = 0
    for algorithm in ALGORITHMS:
        for direction, want in wanted.items():
            rows = _core.explain_conv(
                p.x_shape, p.w_shape, _core.DType.float32, direction, *p.arguments, p.groups,
                border=border,
            )[2]  # fmt: skip
            if any(row[0] == algorithm and row[1] for row in rows):
                continue
            got = _run(direction, p, ours, algorithm, border)
            limit = 0.0
            if algorithm in WINOGRAD_LIMITS:
                scale = max(4.0 * p.terms(direction) ** 0.5, float(np.sqrt(np.mean(want**2))))
                limit = 2 * WINOGRAD_LIMITS[algorithm][direction] * scale
            error = float(np.abs(got - want).max())
            assert error <= limit, f"{algorithm} {direction} {border} {p}: {error}"
            count += 1
    return count


def _run(direction: str, p: Problem, operands: Any, algorithm: str, border: str) -> np.ndarray:
    x, w, dy = operands
    common: Any = (*p.arguments, p.groups)
    named = {"algorithm": algorithm, "border": border}
    if direction == "forward":
        return _core.conv_forward(x, w, None, *common, **named).numpy()
    if direction == "backward_data":
        return _core.conv_backward_data(dy, w, p.x_shape, *common, **named).numpy()
    return _core.conv_backward_weight(dy, x, p.w_shape, *common, False, **named)[0].numpy()


@pytest.mark.parametrize("border", MODES)
def test_every_algorithm_on_random_problems(isa: str, border: str) -> None:
    done = calls = 0
    for seed in range(300):
        p = fitting(random_case(seed).problem, border)
        if possible(p) and done < 40:
            calls += check(p, border, seed)
            done += 1
    assert done == 40
    assert calls > 6 * done


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("p", WINOGRAD, ids=str)
def test_problems_for_winograd(isa: str, border: str, p: Problem) -> None:
    assert check(p, border, 1) >= 12
