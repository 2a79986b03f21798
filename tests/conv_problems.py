"""Convolution problems for the tests: one description, the calls of each direction, random draws.

A problem with everything that may come along with it (epilogue, gate, memory layouts) is a `Case`;
`check_case` runs it through every algorithm that accepts it and compares with the plain loops in
float64.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tilewise import _core

DIRECTIONS = ("forward", "backward_data", "backward_weight")
F32, F64 = _core.DType.float32, _core.DType.float64
Array = Any  # of NumPy


@dataclasses.dataclass(frozen=True)
class Problem:
    n: int
    c: int
    k: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def arguments(self) -> tuple[tuple[int, ...], ...]:
        return self.stride, self.pad_begin, self.pad_end, self.dilation

    @property
    def x_shape(self) -> tuple[int, ...]:
        return self.n, self.c, *self.size

    @property
    def w_shape(self) -> tuple[int, ...]:
        return self.k, self.c // self.groups, *self.kernel

    @property
    def y_shape(self) -> tuple[int, ...]:
        out = [
            (s + a + b - d * (k - 1) - 1) // t + 1
            for s, k, t, a, b, d in zip(
                self.size,
                self.kernel,
                self.stride,
                self.pad_begin,
                self.pad_end,
                self.dilation,
                strict=True,
            )
        ]
        return self.n, self.k, *out

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.y_shape) * math.prod(self.w_shape[1:])

    def terms(self, direction: str) -> int:
        """Products in a sum of this direction."""
        taps = math.prod(self.kernel)
        return {
            "forward": self.c // self.groups * taps,
            "backward_data": self.k // self.groups * taps,
            "backward_weight": self.n * math.prod(self.y_shape[2:]),
        }[direction]


def square(n, c, k, size, kernel, stride=1, pad=0, dilation=1, groups=1, dims=2) -> Problem:
    lists = ((v,) * dims for v in (size, kernel, stride, pad, pad, dilation))
    return Problem(n, c, k, *lists, groups)


def explain(p: Problem, direction: str, dtype: Any = F32, algorithm: str = "auto") -> list[Any]:
    """Rows of (algorithm, refusal or empty, cost, workspace, chosen)."""
    _, _, rows = _core.explain_conv(
        p.x_shape, p.w_shape, dtype, direction, *p.arguments, p.groups, algorithm
    )
    return rows


def accepting(p: Problem, direction: str) -> list[str]:
    """The algorithms that compute the problem in float32."""
    return [row[0] for row in explain(p, direction) if not row[1]]


def integers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small integers: every sum is exact in float32, whatever its order."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def run(direction: str, p: Problem, x, w, b, dy, algorithm: str = "auto", gate=None) -> list[Any]:
    """The core's outputs: [y], [dx] or [dw, db]."""
    if direction == "forward":
        return [_core.conv_forward(x, w, b, *p.arguments, p.groups, algorithm)]
    if direction == "backward_data":
        return [_core.conv_backward_data(dy, w, p.x_shape, *p.arguments, p.groups, algorithm, gate)]
    return list(
        _core.conv_backward_weight(dy, x, p.w_shape, *p.arguments, p.groups, True, algorithm, gate)
    )


# ---------------------------------------------------------------- random problems

ACTIVATIONS = ("none", "relu", "relu6", "leaky_relu", "silu", "hardswish")
GATES = ("relu", "relu6", "leaky_relu")
SLOPE = 0.25  # exact in float32
MOST_MULTIPLY_ADDS = 600_000  # the plain loops do some 500 million in a second


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem, what is fused with it, and where its operands lie."""

    seed: int
    problem: Problem
    bias: bool
    activation: str
    residual: bool
    statistics: bool
    gate: str | None
    channels_last: bool  # x, dy, residual and the gate's y
    at_start: bool  # guarded operands begin, instead of end, at an inaccessible page

    def __str__(self) -> str:
        return repr(self)


def _channels(rng: random.Random) -> tuple[int, int, int]:
    """(c, k, groups): one group; depthwise with multipliers; few or several channels a group."""
    few, several = (1, 2, 3, 4, 5, 7, 8), (9, 15, 16, 17, 24, 31, 33, 48, 64, 65, 70)
    kind = rng.choice(("one", "one", "one", "one", "depthwise", "few", "mixed"))
    if kind == "one":
        return rng.choice(few + several), rng.choice(few + several), 1
    if kind == "depthwise":
        groups = rng.choice((2, 3, 8, 15, 16, 17, 32, 33, 40, 67))
        return groups, groups * rng.choice((1, 1, 1, 2, 3)), groups
    if kind == "few":
        groups = rng.choice((2, 3, 4, 5, 8, 16))
        each = rng.choice((2, 3, 4, 8))
        return groups * each, groups * rng.choice((each, each, 1, 2, 5)), groups
    groups = rng.choice((2, 3))
    return groups * rng.choice((1, 5, 16, 20)), groups * rng.choice((1, 7, 16, 33)), groups


def _draw(rng: random.Random) -> Problem:
    dims = rng.choice((1, 2, 2, 2, 2, 3))
    most = {1: 60, 2: 19, 3: 8}[dims]
    c, k, groups = _channels(rng)
    style = rng.choice(("any", "any", "same", "winograd", "depthwise", "strided"))
    kernels, strides, pads, dilations = (
        (1, 1, 2, 3, 3, 4, 5, 7),
        (1, 1, 2, 3),
        (0, 1, 2, 4),
        (1, 1, 2, 3),
    )
    if style == "winograd" and dims >= 2:
        kernel = (1,) * (dims - 2) + (3, 3)
        lists = [
            kernel,
            (1,) * dims,
            *([0] * (dims - 2) + [rng.choice((0, 1, 2)) for _ in "hw"] for _ in "be"),
            (1,) * dims,
        ]
    elif style == "depthwise":
        size, stride = rng.choice((3, 5, 7)), rng.choice((1, 2))
        lists = [
            (size,) * dims,
            (stride,) * dims,
            (size // 2,) * dims,
            (size // 2,) * dims,
            (1,) * dims,
        ]
    elif style == "same":
        size, dilation = rng.choice((1, 3, 5)), rng.choice((1, 1, 2))
        pad = size // 2 * dilation
        lists = [(size,) * dims, (1,) * dims, (pad,) * dims, (pad,) * dims, (dilation,) * dims]
    elif style == "strided":
        stride = rng.choice((2, 2, 3, 4, 5))
        lists = [[rng.choice(kernels) for _ in range(dims)], (stride,) * dims]
        lists += [[rng.choice(pads) for _ in range(dims)] for _ in "be"] + [(1,) * dims]
    else:
        lists = [
            [rng.choice(v) for _ in range(dims)] for v in (kernels, strides, pads, pads, dilations)
        ]
    size = tuple(
        rng.choice((1, 2, 3, rng.randint(1, most), rng.randint(4, most), most)) for _ in range(dims)
    )
    n = rng.choice((1, 1, 1, 2, 2, 3, 5, 0 if rng.random() < 0.1 else 1))
    if rng.random() < 0.02:
        c, k = rng.choice(((0, k), (c, 0)))
    return Problem(n, c, k, size, *(tuple(values) for values in lists), groups)


def random_case(seed: int) -> Case:
    """The case of a seed: the same on every machine."""
    rng = random.Random(seed)
    while True:
        p = _draw(rng)
        if min(p.y_shape[2:]) >= 1 and p.multiply_adds <= MOST_MULTIPLY_ADDS:
            break
    plain = rng.random() < 0.3
    return Case(
        seed=seed,
        problem=p,
        bias=rng.random() < 0.6,
        activation="none" if plain else rng.choice(ACTIVATIONS),
        residual=not plain and rng.random() < 0.4,
        statistics=not plain and rng.random() < 0.3,
        gate=rng.choice((None, *GATES)),
        channels_last=rng.random() < 0.8,
        at_start=rng.random() < 0.3,
    )


# ---------------------------------------------------------------- a case through all algorithms

# Maximum error over the RMS of the sums; the other algorithms are exact on integers.
WINOGRAD_LIMITS = {
    "winograd4": {"forward": 2e-5, "backward_data": 2e-5, "backward_weight": 5e-5},
    "winograd2": {"forward": 5e-6, "backward_data": 5e-6, "backward_weight": 5e-6},
}
# silu and hardswish round: float32's exp and products, and no activation is steeper than 1.5.
ROUNDED = ("silu", "hardswish")


@dataclasses.dataclass
class Operands:
    x: Array
    w: Array
    b: Array | None
    dy: Array
    residual: Array | None
    transposed_bias: Array | None
    transposed_residual: Array | None
    gate_y: Array

    def map(self, convert: Callable[[str, Array], Any]) -> Operands:
        named = dataclasses.asdict(self)
        return Operands(**{k: None if v is None else convert(k, v) for k, v in named.items()})


def operands_of(case: Case) -> Operands:
    p, seed = case.problem, case.seed * 10
    bias, residual = case.bias, case.residual
    gate_y = np.random.default_rng(seed + 9).integers(-2, 8, p.y_shape).astype(np.float32)
    return Operands(
        x=integers(p.x_shape, seed),
        w=integers(p.w_shape, seed + 1),
        b=integers((p.k,), seed + 2) if bias else None,
        dy=integers(p.y_shape, seed + 3),
        residual=integers(p.y_shape, seed + 4) if residual else None,
        transposed_bias=integers((p.c,), seed + 5) if bias else None,
        transposed_residual=integers(p.x_shape, seed + 6) if residual else None,
        gate_y=gate_y,
    )


def calls(case: Case, o: Operands, algorithm: str) -> Iterator[tuple[str, str, list[Any]]]:
    """(what, direction, outputs) of every call of the case that the algorithm takes.

    Statistics come as two more outputs behind y.
    """
    p = case.problem
    common = (*p.arguments, p.groups, algorithm)

    def epilogue(bias: Any, residual: Any, *, statistics: bool) -> Any:
        return _core.ConvEpilogue(bias, residual, case.activation, SLOPE, statistics)

    if algorithm in accepting(p, "forward"):
        e = epilogue(o.b, o.residual, statistics=case.statistics)
        y, statistics = _core.conv_fused(o.x, o.w, e, *common)
        yield "forward", "forward", [y, *(statistics or ())]
    if algorithm in accepting(p, "backward_data"):
        gate = _core.ConvGate(o.gate_y, case.gate, SLOPE) if case.gate else None
        yield (
            "backward_data",
            "backward_data",
            run("backward_data", p, None, o.w, None, o.dy, algorithm, gate),
        )
        e = epilogue(o.transposed_bias, o.transposed_residual, statistics=False)
        y = _core.conv_transpose_forward(o.dy, o.w, p.x_shape, e, *common)
        yield "transposed", "backward_data", [y]
    if algorithm in accepting(p, "backward_weight"):
        gate = _core.ConvGate(o.gate_y, case.gate, SLOPE) if case.gate else None
        yield (
            "backward_weight",
            "backward_weight",
            run("backward_weight", p, o.x, o.w, None, o.dy, algorithm, gate),
        )


def compare(
    case: Case, what: str, direction: str, algorithm: str, got: list[Any], want: list[Any]
) -> None:
    """Outputs against those in float64. Raises AssertionError with the problem."""
    where = f"{algorithm} {what} on {_core.isa()} with {_core.get_num_threads()} threads: {case}"
    limits = WINOGRAD_LIMITS.get(algorithm)
    fused = what in ("forward", "transposed")
    statistics = got[1:] if what == "forward" else []
    for i, (g, r) in enumerate(zip(got[: len(got) - len(statistics)], want, strict=False)):
        actual, expected = g.numpy(), r.numpy()
        assert actual.shape == expected.shape, where
        limit: Any = 0.0
        if limits is not None and i == 0:
            # Of sums of `terms` products of integers with a standard deviation of 2 each.
            scale = 4.0 * max(1, case.problem.terms(direction)) ** 0.5
            rms = float(np.sqrt(np.mean(expected**2))) if expected.size else 0.0
            limit = limits[direction] * max(scale, rms) * (1.5 if fused else 1.0)
        if fused and case.activation in ROUNDED:
            limit = limit + 2e-6 * np.abs(expected) + 1e-30
        error = np.abs(actual - expected)
        bad = ~(error <= limit)
        assert not bad.any(), (
            f"{where}\n  output {i}: {int(bad.sum())} of {bad.size} differ, first at"
            f" {tuple(map(int, np.argwhere(bad)[0]))}: {actual[bad][0]!r},"
            f" expected {expected[bad][0]!r}"
        )
    if statistics and got[0].numpy().size:
        check_statistics(where, got[0].numpy(), *(s.numpy() for s in statistics))


def check_statistics(where: str, outputs: Array, mean: Array, variance: Array) -> None:
    """Mean and biased variance of each channel, to 1e-6.

    Relative to the channel's spread: squares are summed in float32 about one of its values.
    """
    y = np.moveaxis(outputs, 1, 0).reshape(len(mean), -1).astype(np.float64)
    rms = np.sqrt((y**2).mean(axis=1))
    assert (np.abs(mean - y.mean(axis=1)) <= 1e-6 * rms).all(), f"{where}\n  mean {mean}"
    spread = y.var(axis=1) + (np.ptp(y, axis=1) / 2) ** 2 + 1e-30
    assert (np.abs(variance - y.var(axis=1)) <= 1e-6 * spread).all(), (
        f"{where}\n  variance {variance}, expected {y.var(axis=1)}"
    )


def check_case(
    case: Case,
    place: Callable[[str, Array], Array],
    before: Callable[[str], None] = lambda _: None,
) -> int:
    """Every algorithm, direction and ISA; returns the number of calls compared.

    `place` puts an operand of a given name into memory; `before` is told what comes next.
    """
    values = operands_of(case)
    as_double = values.map(lambda _, v: _core.Array.from_numpy(v.astype(np.float64)))
    before(f"reference: {case}")
    wanted = {what: outputs for what, _, outputs in calls(case, as_double, "reference")}
    placed = values.map(place)
    operands = placed.map(lambda _, v: _core.Array.from_numpy(v))
    _core.set_num_threads(2 if case.seed % 4 == 0 else 1)
    count = 0
    isas, isa_before = _core.available_isas(), _core.isa()
    try:
        for isa in isas:
            _core.set_isa(isa)
            for algorithm in sorted({a for d in DIRECTIONS for a in accepting(case.problem, d)}):
                if algorithm == "reference" and isa != isas[0]:
                    continue
                before(f"{algorithm} {isa}: {case}")
                for what, direction, outputs in calls(case, operands, algorithm):
                    compare(case, what, direction, algorithm, outputs, wanted[what])
                    count += 1
    finally:
        _core.set_isa(isa_before)
    return count
