"""Winograd F(4x4, 3x3) and F(2x2, 3x3) in three directions against the plain loops in double.

Error limits are of the output's RMS: the transforms of F(4x4) cost about two bits, those of F(2x2)
nothing to speak of.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from helpers import to_core
from tilewise import _core

ALGORITHMS = ("winograd4", "winograd2")
DIRECTIONS = ("forward", "backward_data", "backward_weight")
LIMITS = {"winograd4": (2e-5, 2e-5, 5e-5), "winograd2": (5e-6, 5e-6, 5e-6)}


@dataclasses.dataclass(frozen=True)
class Case:
    n: int
    c: int
    k: int
    size: tuple[int, int]
    begin: tuple[int, int] = (1, 1)
    end: tuple[int, int] = (1, 1)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return self.n, self.c, *self.size

    @property
    def w_shape(self) -> tuple[int, ...]:
        return self.k, self.c, 3, 3

    @property
    def y_shape(self) -> tuple[int, ...]:
        out = (s + a + b - 2 for s, a, b in zip(self.size, self.begin, self.end, strict=True))
        return self.n, self.k, *out

    @property
    def arguments(self) -> tuple[object, ...]:
        return (1, 1), self.begin, self.end, (1, 1), 1

    def operands(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        shapes = (self.x_shape, self.w_shape, self.y_shape)
        x, w, dy = (rng.standard_normal(s).astype(np.float32) for s in shapes)
        return x, w, dy


def run(direction: str, case: Case, operands, algorithm: str, gate=None) -> np.ndarray:
    x, w, dy = (to_core(v) for v in operands)
    if direction == "forward":
        return _core.conv_forward(x, w, None, *case.arguments, algorithm).numpy()
    if direction == "backward_data":
        return _core.conv_backward_data(
            dy, w, case.x_shape, *case.arguments, algorithm, gate
        ).numpy()
    dw, _ = _core.conv_backward_weight(dy, x, case.w_shape, *case.arguments, False, algorithm, gate)
    return dw.numpy()


def in_double(operands) -> tuple[np.ndarray, ...]:
    return tuple(v.astype(np.float64) for v in operands)


def error(got: np.ndarray, want: np.ndarray) -> float:
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.sqrt((want**2).mean()))


def check(case: Case, seed: int = 0) -> None:
    operands = case.operands(seed)
    for i, direction in enumerate(DIRECTIONS):
        want = run(direction, case, in_double(operands), "reference")
        for algorithm in ALGORITHMS:
            worst = error(run(direction, case, operands, algorithm), want)
            assert worst <= LIMITS[algorithm][i], f"{algorithm} {direction} {case}: {worst:.2e}"


PADDING = (
    ((1, 1), (1, 1)),
    ((0, 0), (0, 0)),
    ((0, 2), (2, 1)),
    ((2, 1), (0, 2)),
    ((2, 2), (2, 2)),
    ((5, 0), (1, 4)),
)
CHANNELS = ((3, 5), (17, 33), (16, 40), (64, 8), (1, 70))


@pytest.mark.parametrize("height", range(1, 14))
def test_map_sizes_channels_and_padding(isa: str, height: int) -> None:
    """All numbers of outputs in the last tile of a row and a column, all tails of vectors."""
    checked = 0
    for width in {1, 2, 3, height, 13 - height // 2}:
        c, k = CHANNELS[(height + width) % len(CHANNELS)]
        for n, (begin, end) in enumerate(PADDING, start=height):
            case = Case(1 + n % 5, c, k, (height, width), begin, end)
            if min(case.y_shape[2:]) < 1:
                continue
            check(case, seed=n)
            checked += 1
    assert checked > 10


LAYERS = {
    "512 channels, 7x7": Case(2, 512, 64, (7, 7)),
    "filters by slices": Case(1, 288, 512, (6, 5)),
    "filters by slices, reflected": Case(1, 512, 288, (6, 5)),
    "chunks of the weight gradient": Case(9, 100, 130, (13, 13)),
    "blocks of the fused weight gradient": Case(5, 80, 72, (20, 21)),
    "more channels than zeros": Case(1, 1100, 4, (5, 5)),
    "thin": Case(2, 24, 24, (1, 60)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(isa: str, name: str) -> None:
    check(LAYERS[name])


def test_a_volume_of_flat_kernels() -> None:
    shape = (1, 8, 3, 9, 6)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    w = rng.standard_normal((16, 8, 1, 3, 3)).astype(np.float32)
    arguments = ((1, 1, 1), (0, 1, 1), (0, 1, 1), (1, 1, 1), 1)
    want = _core.conv_forward(
        to_core(x.astype(np.float64)), to_core(w.astype(np.float64)), None, *arguments
    ).numpy()
    for algorithm in ALGORITHMS:
        got = _core.conv_forward(to_core(x), to_core(w), None, *arguments, algorithm).numpy()
        assert error(got, want) <= LIMITS[algorithm][0]


GATES = (("relu", 0.01), ("relu6", 0.01), ("leaky_relu", 0.25))


@pytest.mark.parametrize(("activation", "slope"), GATES)
@pytest.mark.parametrize("case", [Case(2, 20, 37, (9, 6)), Case(1, 100, 104, (8, 8))])
def test_gate_equals_a_gated_gradient(isa: str, case: Case, activation: str, slope: float) -> None:
    """To the bit: the same products of the same numbers."""
    x, w, dy = case.operands()
    y = np.random.default_rng(1).uniform(-4, 8, case.y_shape).astype(np.float32)
    y[0, 0, 0] = 0  # the edge of relu
    passes = (y > 0) & ~((y >= 6) & (activation == "relu6"))
    gated = np.where(passes, dy, dy * np.float32(slope if activation == "leaky_relu" else 0))
    gate = _core.ConvGate(to_core(y), activation, slope)
    for direction in DIRECTIONS[1:]:
        for algorithm in ALGORITHMS:
            got = run(direction, case, (x, w, dy), algorithm, gate)
            want = run(direction, case, (x, w, gated.astype(np.float32)), algorithm)
            np.testing.assert_array_equal(got, want, err_msg=f"{algorithm} {direction}")


def test_gate_with_a_bias_gradient(isa: str) -> None:
    case = Case(2, 16, 16, (6, 6))
    x, _, dy = case.operands()
    y = np.random.default_rng(1).standard_normal(case.y_shape).astype(np.float32)
    gate = _core.ConvGate(to_core(y), "relu")
    for algorithm in ALGORITHMS:
        _, db = _core.conv_backward_weight(
            to_core(dy), to_core(x), case.w_shape, *case.arguments, True, algorithm, gate
        )
        np.testing.assert_allclose(db.numpy(), (dy * (y > 0)).sum((0, 2, 3)), atol=1e-4)


@pytest.mark.parametrize("activation", ["none", "relu", "silu"])
@pytest.mark.parametrize("with_residual", [False, True])
def test_epilogue(isa: str, activation: str, with_residual: bool) -> None:
    case = Case(3, 20, 37, (10, 7))
    x, w, residual = case.operands()
    bias = np.random.default_rng(2).standard_normal(case.k).astype(np.float32)

    def fused(algorithm: str, dtype: type):
        def core(v: np.ndarray) -> _core.Array:
            return to_core(v.astype(dtype))

        epilogue = _core.ConvEpilogue(
            core(bias), core(residual) if with_residual else None, activation, 0.01, True
        )
        return _core.conv_fused(core(x), core(w), epilogue, *case.arguments, algorithm)

    want, want_statistics = fused("reference", np.float64)
    for algorithm in ALGORITHMS:
        got, statistics = fused(algorithm, np.float32)
        assert error(got.numpy(), want.numpy()) <= LIMITS[algorithm][0]
        for g, r in zip(statistics, want_statistics, strict=True):
            np.testing.assert_allclose(g.numpy(), r.numpy(), rtol=1e-4, atol=1e-4)


def test_transposed_convolution_passes_the_epilogue(isa: str) -> None:
    case = Case(2, 12, 20, (9, 11))
    _, w, dy = case.operands()
    bias = np.random.default_rng(2).standard_normal(case.c).astype(np.float32)

    def transposed(algorithm: str, dtype: type) -> np.ndarray:
        epilogue = _core.ConvEpilogue(to_core(bias.astype(dtype)), None, "relu")
        operands = (to_core(v.astype(dtype)) for v in (dy, w))
        return _core.conv_transpose_forward(
            *operands, case.x_shape, epilogue, *case.arguments, algorithm
        ).numpy()

    want = transposed("reference", np.float64)
    for algorithm in ALGORITHMS:
        assert error(transposed(algorithm, np.float32), want) <= LIMITS[algorithm][0]


@pytest.mark.parametrize(
    "case", [Case(5, 33, 70, (15, 14)), Case(3, 100, 100, (14, 9)), LAYERS["filters by slices"]]
)
def test_same_bits_at_any_number_of_threads(isa: str, case: Case) -> None:
    operands = case.operands()
    for algorithm in ALGORITHMS:
        for direction in DIRECTIONS:
            results = []
            for threads in (1, 2, 3, 8):
                _core.set_num_threads(threads)
                results.append(run(direction, case, operands, algorithm))
            for other in results[1:]:
                np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("case", [Case(1, 40, 33, (9, 9)), LAYERS["filters by slices"]])
def test_kept_filters_have_the_same_bits_and_follow_the_weights(isa: str, case: Case) -> None:
    x, w, _ = case.operands()
    weight = to_core(w).copy()
    for algorithm in ALGORITHMS:

        def forward(keep: bool, algorithm: str = algorithm) -> np.ndarray:
            arguments = (*case.arguments, algorithm, "none", keep)
            return _core.conv_forward(to_core(x), weight, None, *arguments).numpy()

        weight.copy_(to_core(w))
        plain = forward(False)
        for _ in range(2):
            np.testing.assert_array_equal(forward(True), plain)
        weight.copy_(to_core(2 * w))
        np.testing.assert_array_equal(forward(True), 2 * plain)


def test_workspace_counts_the_filters() -> None:
    _, _, rows = _core.explain_conv(
        (16, 64, 56, 56), (64, 64, 3, 3), _core.DType.float32, "forward",
        (1, 1), (1, 1), (1, 1), (1, 1), 1,
    )  # fmt: skip
    bytes_of = {name: workspace for name, _, _, workspace, *_ in rows}
    assert bytes_of["winograd4"] >= 36 * 64 * 64 * 4
    assert bytes_of["winograd2"] >= 16 * 64 * 64 * 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_refuses_what_it_cannot_compute(algorithm: str) -> None:
    x, ones = to_core(np.ones((1, 16, 8, 8), np.float32)), ((1, 1), (1, 1), (1, 1))
    cases = (
        ("not 3x3", (16, 16, 5, 5), (*ones, (1, 1), 1)),
        ("stride is not 1", (16, 16, 3, 3), ((2, 2), *ones[1:], (1, 1), 1)),
        ("grouped", (16, 8, 3, 3), (*ones, (1, 1), 2)),
    )
    for reason, shape, arguments in cases:
        w = to_core(np.ones(shape, np.float32))
        with pytest.raises(ValueError, match=f"{algorithm}' does not apply: .*{reason}"):
            _core.conv_forward(x, w, None, *arguments, algorithm)
    x, w = (to_core(np.ones(s)) for s in ((1, 4, 8, 8), (4, 4, 3, 3)))
    with pytest.raises(ValueError, match="float32 only"):
        _core.conv_forward(x, w, None, *ones, (1, 1), 1, algorithm)
