"""Grouped convolution in three directions, each ISA, against the plain loops in double."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from helpers import requires_torch, to_core
from tilewise import _core

DIRECTIONS = ("forward", "backward_data", "backward_weight")


@dataclasses.dataclass(frozen=True)
class Problem:
    n: int
    groups: int
    group_c: int
    group_k: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def arguments(self) -> tuple[tuple[int, ...], ...]:
        return self.stride, self.pad_begin, self.pad_end, self.dilation

    @property
    def x_shape(self) -> tuple[int, ...]:
        return self.n, self.groups * self.group_c, *self.size

    @property
    def w_shape(self) -> tuple[int, ...]:
        return self.groups * self.group_k, self.group_c, *self.kernel

    @property
    def y_shape(self) -> tuple[int, ...]:
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        padded = [
            s + a + b for s, a, b in zip(self.size, self.pad_begin, self.pad_end, strict=True)
        ]
        out = [(p - s) // t + 1 for p, s, t in zip(padded, spans, self.stride, strict=True)]
        return self.n, self.groups * self.group_k, *out

    def operands(self, seed: int = 0, *, integers: bool = True) -> list[np.ndarray]:
        """x, weight, bias, dy; sums of the integers are exact in float32, whatever their order."""
        rng = np.random.default_rng(seed)
        shapes = (self.x_shape, self.w_shape, self.w_shape[:1], self.y_shape)
        if integers:
            return [rng.integers(-3, 4, s).astype(np.float32) for s in shapes]
        return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def square(
    n: int, groups: int, group_c: int, group_k: int, size: int, kernel: int, stride: int = 1,
    pad: int = 0, dilation: int = 1, dims: int = 2,
) -> Problem:  # fmt: skip
    lists = ((v,) * dims for v in (size, kernel, stride, pad, pad, dilation))
    return Problem(n, groups, group_c, group_k, *lists)


def run(direction: str, p: Problem, operands: list[_core.Array], algorithm: str = "grouped"):
    x, w, b, dy = operands
    arguments = (*p.arguments, p.groups)
    if direction == "forward":
        return [_core.conv_forward(x, w, b, *arguments, algorithm)]
    if direction == "backward_data":
        return [_core.conv_backward_data(dy, w, p.x_shape, *arguments, algorithm)]
    return list(_core.conv_backward_weight(dy, x, p.w_shape, *arguments, True, algorithm))


def check_exact(p: Problem, seed: int = 0) -> None:
    operands = p.operands(seed)
    for direction in DIRECTIONS:
        got = run(direction, p, [to_core(v) for v in operands])
        want = run(direction, p, [to_core(v.astype(np.float64)) for v in operands], "reference")
        for g, r in zip(got, want, strict=True):
            np.testing.assert_array_equal(g.numpy(), r.numpy(), err_msg=f"{direction} {p}")


NAMED = {
    "resnext": square(2, 8, 8, 8, 14, 3, pad=1),
    "resnext-strided": square(2, 8, 8, 8, 15, 3, stride=2, pad=1),
    "tail-of-4s": square(2, 3, 4, 4, 9, 3, pad=1),
    "tail-of-8s": square(1, 5, 8, 8, 9, 3, pad=1),
    "pairs": square(1, 11, 2, 2, 10, 3, pad=1),
    "sixteens": square(1, 3, 16, 16, 7, 3, pad=1),
    "thirty-twos": square(1, 2, 32, 32, 5, 3, pad=1),
    "odd": square(2, 4, 3, 5, 8, 3, pad=1),
    "odd-wide": square(1, 3, 17, 21, 6, 3, pad=1),
    "twice-as-many": square(1, 6, 4, 8, 8, 3, pad=1),
    "half-as-many": square(1, 6, 8, 4, 8, 3, pad=1),
    "one-of-each": square(1, 9, 8, 1, 8, 3, pad=1),
    "pointwise": square(2, 6, 8, 8, 6, 1),
    "pointwise-strided": square(2, 6, 8, 8, 7, 1, stride=3),
    "5x5": square(2, 4, 4, 4, 11, 5, pad=2),
    "1x7": Problem(1, 4, 8, 8, (9, 17), (1, 7), (1, 1), (0, 3), (0, 3), (1, 1)),
    "7x1": Problem(1, 4, 8, 8, (17, 9), (7, 1), (1, 1), (3, 0), (3, 0), (1, 1)),
    "dilated": square(1, 4, 8, 8, 13, 3, pad=2, dilation=2),
    "dilated-strided": square(1, 4, 4, 4, 13, 3, stride=2, pad=2, dilation=2),
    "asymmetric": Problem(2, 3, 4, 4, (7, 12), (3, 3), (1, 1), (0, 3), (2, 1), (1, 1)),
    "stride-3": square(1, 4, 4, 4, 16, 5, stride=3, pad=2),
    "stride-larger-than-input": square(2, 3, 4, 4, 3, 1, stride=7),
    "unused-last-row": square(1, 3, 4, 4, 6, 3, stride=2, pad=1),
    "kernel-larger-than-map": square(2, 3, 4, 4, 2, 5, pad=2),
    "one-pixel": square(1, 4, 8, 8, 1, 3, pad=1),
    "wide-row": Problem(1, 2, 4, 4, (700,), (9,), (1,), (4,), (4,), (1,)),
    "volume": square(1, 4, 8, 8, 5, 3, pad=1, dims=3),
    "volume-strided": square(1, 4, 4, 4, 5, 3, stride=2, pad=1, dims=3),
    "many-channels": square(1, 300, 8, 8, 4, 3, pad=1),
}


# Single rows are cut into blocks of columns, channels into blocks of units.
NAMED["shuffle"] = square(2, 3, 80, 80, 12, 1)
NAMED["many-wide"] = square(1, 70, 20, 20, 5, 3, pad=1)


def random_problem(seed: int) -> Problem:
    rng = random.Random(seed)
    while True:
        dims = rng.choice((1, 2, 2, 2, 3))
        most = {1: 40, 2: 17, 3: 6}[dims]
        same = rng.choice((2, 4, 8, 16))
        draw = rng.choice((None, 2, 3, 4, 5, 6, 8, 12, 16, 20))
        p = Problem(
            n=rng.choice((1, 1, 2, 3)),
            groups=rng.choice((2, 3, 4, 5, 9)),
            group_c=same,
            group_k=draw or same,
            size=tuple(rng.randint(1, most) for _ in range(dims)),
            kernel=tuple(rng.choice((1, 2, 3, 3, 5, 7)) for _ in range(dims)),
            stride=tuple(rng.choice((1, 1, 2, 3)) for _ in range(dims)),
            pad_begin=tuple(rng.choice((0, 1, 1, 2, 3)) for _ in range(dims)),
            pad_end=tuple(rng.choice((0, 1, 1, 2, 4)) for _ in range(dims)),
            dilation=tuple(rng.choice((1, 1, 1, 2)) for _ in range(dims)),
        )
        if all(extent >= 1 for extent in p.y_shape[2:]):
            return p


@pytest.mark.parametrize("name", NAMED)
def test_named_problems_are_exact_on_integers(isa: str, name: str) -> None:
    check_exact(NAMED[name])


@pytest.mark.parametrize("block", range(4))
def test_random_problems_are_exact_on_integers(isa: str, block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        check_exact(random_problem(seed), seed)


@pytest.mark.parametrize("name", ["resnext", "tail-of-4s", "sixteens", "5x5", "volume"])
def test_rounding_error_is_within_the_declared_limit(isa: str, name: str) -> None:
    """Sums of n products: 3e-6 of the RMS at 576, growing with the square root."""
    p = NAMED[name]
    operands = p.operands(integers=False)
    taps = int(np.prod(p.kernel))
    pixels = p.n * int(np.prod(p.y_shape[2:]))
    for direction, terms in zip(
        DIRECTIONS, (p.group_c * taps, p.group_k * taps, pixels), strict=True
    ):
        got = run(direction, p, [to_core(v) for v in operands])[0].numpy()
        double = [to_core(v.astype(np.float64)) for v in operands]
        want = run(direction, p, double, "reference")[0].numpy()
        error = float(np.abs(got - want).max() / np.sqrt((want**2).mean()))
        limit = 3e-6 * max(1.0, terms / 576) ** 0.5
        assert error <= limit, f"{direction}: {error:.2e} > {limit:.2e}"


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "name", ["resnext", "resnext-strided", "sixteens", "tail-of-8s", "many-channels", "one-pixel"]
)
def test_same_bits_at_any_thread_count(name: str, direction: str) -> None:
    p = NAMED[name]
    operands = [to_core(v) for v in p.operands(integers=False)]
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        results.append([r.numpy().tobytes() for r in run(direction, p, operands)])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", ["resnext", "tail-of-4s", "resnext-strided"])
def test_fused_epilogue_equals_separate_steps(isa: str, name: str) -> None:
    p = NAMED[name]
    x, w, b, _ = p.operands()
    residual = p.operands(1)[3]
    plain = _core.conv_forward(
        to_core(x), to_core(w), None, *p.arguments, p.groups, "reference"
    ).numpy()
    biased = plain + b[:, None, None]
    cases = [
        (dict(bias=to_core(b), activation="relu"), np.maximum(biased, 0)),
        (dict(activation="relu6"), np.clip(plain, 0, 6)),
        (
            dict(bias=to_core(b), residual=to_core(residual), activation="relu", statistics=True),
            np.maximum(biased + residual, 0),
        ),
        (dict(bias=to_core(b), statistics=True), biased),
    ]
    for arguments, expected in cases:
        y, statistics = _core.conv_fused(
            to_core(x), to_core(w), _core.ConvEpilogue(**arguments), *p.arguments, p.groups,
            "grouped",
        )  # fmt: skip
        np.testing.assert_array_equal(y.numpy(), expected)
        if statistics is None:
            continue
        mean, variance = (s.numpy() for s in statistics)
        exact = expected.astype(np.float64)
        np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-12, atol=1e-10)
        np.testing.assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-10)


@pytest.mark.parametrize("name", ["resnext", "tail-of-4s", "resnext-strided"])
def test_gate_equals_the_activation_s_gradient(isa: str, name: str) -> None:
    p = NAMED[name]
    x, w, _, dy = (to_core(v) for v in p.operands())
    y = to_core(p.operands(5)[3] + 3)
    gate = _core.ConvGate(y, "relu6")
    masked = to_core(np.where((y.numpy() > 0) & (y.numpy() < 6), dy.numpy(), 0))
    for algorithm in ("grouped", "reference"):
        arguments = (*p.arguments, p.groups)
        got = _core.conv_backward_data(dy, w, p.x_shape, *arguments, algorithm, gate)
        want = _core.conv_backward_data(masked, w, p.x_shape, *arguments, algorithm)
        np.testing.assert_array_equal(got.numpy(), want.numpy())
        for with_bias in (False, True):
            call = (*arguments, with_bias, algorithm)
            gated = _core.conv_backward_weight(dy, x, p.w_shape, *call, gate)
            plain = _core.conv_backward_weight(masked, x, p.w_shape, *call)
            for g, r in zip(gated[: 1 + with_bias], plain, strict=False):
                np.testing.assert_array_equal(g.numpy(), r.numpy())


@pytest.mark.parametrize("name", ["resnext", "resnext-strided", "twice-as-many"])
def test_transposed_convolution_fuses_its_epilogue(isa: str, name: str) -> None:
    p = NAMED[name]
    x, w, _, dy = p.operands()
    b = x[0, :, 0, 0]
    plain = run("backward_data", p, [to_core(v) for v in p.operands()], "reference")[0].numpy()
    y = _core.conv_transpose_forward(
        to_core(dy), to_core(w), p.x_shape,
        _core.ConvEpilogue(bias=to_core(b), residual=to_core(x), activation="relu6"),
        *p.arguments, p.groups, "grouped",
    )  # fmt: skip
    np.testing.assert_array_equal(y.numpy(), np.clip(plain + b[:, None, None] + x, 0, 6))


def test_outputs_larger_than_the_caches(isa: str) -> None:
    """Stored past the caches where these have up to 32 MB."""
    p = square(1, 32, 8, 8, 184, 1)
    x, w, b, _ = (to_core(v) for v in p.operands())
    got, want = (
        _core.conv_forward(x, w, b, *p.arguments, p.groups, algorithm, "relu").numpy()
        for algorithm in ("grouped", "implicit_gemm")
    )
    np.testing.assert_array_equal(got, want)


def test_kept_weights_follow_the_weights(isa: str) -> None:
    p = NAMED["resnext"]
    x, w, b, _ = (to_core(v) for v in p.operands())
    calls = [
        _core.conv_forward(x, w, b, *p.arguments, p.groups, "grouped", "none", keep).numpy()
        for keep in (False, True, True)
    ]
    for y in calls[1:]:
        np.testing.assert_array_equal(y, calls[0])


def test_values_outside_a_group_do_not_reach_it(isa: str) -> None:
    """An infinity in one group's input or at a border leaves other sums as they are."""
    p = NAMED["tail-of-4s"]
    operands = p.operands()
    clean = [run(d, p, [to_core(v) for v in operands])[0].numpy() for d in DIRECTIONS]
    operands[0][0, :4, 4, 4] = np.inf
    operands[3][0, 8:, 0, 0] = np.nan
    dirty = [run(d, p, [to_core(v) for v in operands])[0].numpy() for d in DIRECTIONS]
    np.testing.assert_array_equal(dirty[0][:, 4:], clean[0][:, 4:])
    np.testing.assert_array_equal(dirty[1][:, :8], clean[1][:, :8])
    np.testing.assert_array_equal(dirty[2][4:8], clean[2][4:8])
    assert np.isnan(dirty[1][0, 8:, :2, :2]).all()
    assert not np.isnan(dirty[1][0, 8:, 2:]).any()


@pytest.mark.parametrize(
    ("p", "reason"),
    [
        (square(1, 1, 8, 8, 5, 3), "there is one group"),
        (square(1, 4, 1, 4, 5, 3), "a group has one input channel"),
        (square(1, 2, 129, 4, 5, 3), "a group has more than 128 channels"),
        (
            square(1, 2, 4, 4, 2, 3, stride=15000, pad=30000, dilation=20000),
            "strips would be mostly padding",
        ),
    ],
)
def test_a_refusal_names_its_reason(p: Problem, reason: str) -> None:
    x, w, _, _ = (to_core(v) for v in p.operands())
    with pytest.raises(ValueError, match=f"algorithm 'grouped' does not apply: .*{reason}"):
        _core.conv_forward(x, w, None, *p.arguments, p.groups, "grouped")


def test_auto_takes_it_for_small_groups() -> None:
    for direction in DIRECTIONS:
        _, _, rows = _core.explain_conv(
            (16, 256, 56, 56), (256, 8, 3, 3), _core.DType.float32, direction,
            (1, 1), (1, 1), (1, 1), (1, 1), 32,
        )  # fmt: skip
        assert [row[0] for row in rows if row[4]] == ["grouped"]


@requires_torch
@pytest.mark.parametrize("name", ["resnext", "resnext-strided", "odd", "dilated-strided", "volume"])
def test_agrees_with_torch(name: str) -> None:
    import torch

    p = NAMED[name]
    x, w, b, dy = p.operands()
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
    conv = getattr(torch.nn.functional, f"conv{len(p.size)}d")
    y = conv(*leaves, p.stride, p.pad_begin, p.dilation, p.groups)
    y.backward(torch.tensor(dy))
    operands = [to_core(v) for v in (x, w, b, dy)]
    got = [result for direction in DIRECTIONS for result in run(direction, p, operands)]
    for g, r in zip(got, [y.detach(), *(leaf.grad for leaf in leaves)], strict=True):
        np.testing.assert_array_equal(g.numpy(), r.numpy())
