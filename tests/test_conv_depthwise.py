"""Depthwise convolution: three directions, every ISA, against the plain loops in double."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from helpers import requires_torch, to_core
from test_conv import DIRECTIONS, Problem, check, integers, run
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
    "far-padding": Problem(1, 2, 2, (2, 2), (3, 3), (15000,) * 2, (30000,) * 2, (30000,) * 2,
                           (20000,) * 2, groups=2),
    "volume": Problem(1, 10, 10, (5, 6, 7), (3, 3, 3), (1, 2, 1), (1, 1, 1), (1, 0, 2), (1, 1, 2),
                      groups=10),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_problems_are_exact_on_integers(isa: str, name: str) -> None:
    check(NAMED[name], "depthwise")


@pytest.mark.parametrize("block", range(4))
def test_random_problems_are_exact_on_integers(isa: str, block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        check(random_problem(seed), "depthwise", seed=seed)
