"""What explain_conv says: the choice repeats, and the reported workspace is what is used."""

from __future__ import annotations

import pytest

from conv_problems import (
    DIRECTIONS,
    F32,
    F64,
    Problem,
    accepting,
    explain,
    integers,
    random_case,
    run,
    square,
)
from tilewise import _core

PROBLEMS = {
    "winograd": square(4, 64, 64, 28, 3, pad=1),
    "winograd, few channels": square(3, 16, 24, 14, 3, pad=1),
    "winograd, batch 1": square(1, 128, 128, 14, 3, pad=1),
    "winograd, small map": square(8, 256, 256, 7, 3, pad=1),
    "strided": square(2, 32, 64, 28, 3, stride=2, pad=1),
    "pointwise": square(4, 64, 96, 14, 1),
    "pointwise, strided": square(4, 64, 96, 14, 1, stride=2),
    "stem": square(2, 3, 64, 64, 7, stride=2, pad=3),
    "one channel": square(8, 1, 32, 28, 3, pad=1),
    "depthwise": square(4, 96, 96, 28, 3, pad=1, groups=96),
    "depthwise, strided": square(4, 96, 96, 28, 5, stride=2, pad=2, groups=96),
    "depthwise, multiplier": square(2, 40, 80, 14, 3, pad=1, groups=40),
    "few channels a group": square(2, 128, 128, 14, 3, pad=1, groups=32),
    "two groups": square(2, 64, 64, 14, 3, pad=1, groups=2),
    "1-D": square(4, 64, 64, 200, 9, pad=4, dims=1),
    "3-D": square(2, 16, 32, 9, 3, pad=1, dims=3),
    "dilated": square(2, 32, 32, 28, 3, pad=2, dilation=2),
    "5x5": square(4, 20, 50, 14, 5, pad=2),
}
SLACK = 256 << 10  # statistics, lists of pieces, small blocks' rounding


def operands(p: Problem) -> list[_core.Array]:
    """In the layouts that need no copy, so that workspace is all that is allocated."""
    arrays = [
        _core.Array.from_numpy(integers(s, i))
        for i, s in enumerate((p.x_shape, p.w_shape, (p.k,), p.y_shape))
    ]
    return [arrays[0].channels_last(), arrays[1], arrays[2], arrays[3].channels_last()]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", PROBLEMS)
def test_reported_workspace_is_what_a_call_allocates(isa: str, name: str, threads: int) -> None:
    p = PROBLEMS[name]
    _core.set_num_threads(threads)
    inputs = operands(p)
    wrong = []
    for direction in DIRECTIONS:
        for algorithm, refusal, _, reported, *_ in explain(p, direction):
            if refusal:
                continue
            before = _core.memory_stats()["in_use"]
            _core.reset_peak_memory()
            outputs = run(direction, p, *inputs, algorithm)
            used = _core.memory_stats()["peak_in_use"] - before
            used -= sum(output.numpy().nbytes for output in outputs)
            # The pool rounds sizes up by at most an eighth. A thread may start too late to work.
            if not (reported / 4 - SLACK <= used <= reported * 1.15 + SLACK):
                wrong.append(f"{algorithm} {direction}: reported {reported}, used {used} bytes")
    assert not wrong, f"{p}, {threads} threads\n" + "\n".join(wrong)


def choices(p: Problem, algorithm: str = "auto") -> list[tuple[str, str, float, bool]]:
    rows = [row for d in DIRECTIONS for t in (F32, F64) for row in explain(p, d, t, algorithm)]
    return [(name, refusal, cost, chosen) for name, refusal, cost, _, chosen, _ in rows]


def test_the_choice_repeats_at_any_number_of_threads(isa: str) -> None:
    problems = [*PROBLEMS.values(), *(random_case(seed).problem for seed in range(100))]
    _core.set_num_threads(1)
    first = [choices(p) for p in problems]
    for threads in (1, 2, 8):
        _core.set_num_threads(threads)
        assert [choices(p) for p in problems] == first


def test_the_choice_is_the_cheapest_that_accepts(isa: str) -> None:
    for p in PROBLEMS.values():
        for direction in DIRECTIONS:
            rows = explain(p, direction)
            taken = [row for row in rows if row[4]]
            assert len(taken) == 1
            assert not taken[0][1]
            assert taken[0][2] == min(row[2] for row in rows if not row[1])
            assert all(row[2] > 0 for row in rows if not row[1])
            assert all(row[2] == row[3] == 0 for row in rows if row[1])


def test_a_forced_algorithm_is_the_one_chosen() -> None:
    p = PROBLEMS["winograd"]
    names = accepting(p, "forward")
    assert {"winograd4", "winograd2", "implicit_gemm", "im2col", "reference"} <= set(names)
    for name in names:
        rows = explain(p, "forward", F32, name)
        assert [row[0] for row in rows if row[4]] == [name]


@pytest.mark.parametrize("p", [square(0, 3, 4, 5, 3), square(1, 0, 4, 5, 3), square(1, 3, 0, 5, 3)])
def test_empty_problems_need_no_workspace(p: Problem) -> None:
    for direction in DIRECTIONS:
        for dtype in (F32, F64):
            rows = explain(p, direction, dtype)
            assert sum(row[4] for row in rows) == 1
            assert all(row[3] == 0 for row in rows)


def test_direction_names() -> None:
    with pytest.raises(ValueError, match="expected direction 'forward'"):
        explain(square(1, 3, 4, 5, 3), "sideways")


def test_float64_runs_where_it_can() -> None:
    p = PROBLEMS["5x5"]
    for direction in DIRECTIONS:
        for name, refusal, *_ in explain(p, direction, F64):
            assert ("float32 only" in refusal) == (name not in ("im2col", "reference"))
