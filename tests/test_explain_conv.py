"""explain_conv tells what a convolution runs on, in words and for programs."""

from __future__ import annotations

import re

import pytest

import tilewise as tw
from helpers import run_python
from tilewise import _core, nn

F = nn.functional
SHAPES = ((16, 64, 56, 56), (64, 64, 3, 3))


def test_attributes() -> None:
    why = tw.explain_conv(*SHAPES, padding=1)
    assert why.output_shape == (16, 64, 56, 56)
    assert why.multiply_adds == 16 * 64 * 56 * 56 * 64 * 9
    assert [d.direction for d in why.directions] == ["forward", "backward_data", "backward_weight"]
    for choice in (why.forward, why.backward_data, why.backward_weight):
        assert choice.algorithm == "winograd4"
        assert choice.workspace > 0
        chosen = [c for c in choice.candidates if c.chosen]
        assert [c.algorithm for c in chosen] == [choice.algorithm]
        assert chosen[0].workspace == choice.workspace and not chosen[0].refusal
        assert min(c.expected for c in choice.candidates if not c.refusal) == chosen[0].expected


def test_table(isa: str) -> None:
    text = str(tw.explain_conv((2, 8, 20, 20), (16, 8, 3, 3), stride=2))
    lines = text.splitlines()
    assert lines[0].startswith(
        "conv2d: input (2, 8, 20, 20), weight (16, 8, 3, 3), output (2, 16, 9, 9), float32, " + isa
    )
    assert "186624 multiply-adds" in lines[0]
    assert re.search(r"^forward: \w+, workspace [\d.]+ (B|KiB|MiB)$", text, re.MULTILINE)
    assert re.search(r"^  not winograd4 +the stride is not 1$", text, re.MULTILINE)
    assert re.search(
        r"^  not im2col +[\d.]+ times the expected time, workspace ", text, re.MULTILINE
    )


def test_one_direction() -> None:
    why = tw.explain_conv(*SHAPES, direction="backward_weight")
    assert [d.direction for d in why.directions] == ["backward_weight"]
    assert len(str(why).split("backward_weight")) == 2
    with pytest.raises(AttributeError, match="'forward' was not asked for"):
        _ = why.forward


def test_float64_and_a_named_algorithm() -> None:
    why = tw.explain_conv(*SHAPES, dtype=tw.float64)
    assert why.forward.algorithm in {"im2col", "reference"}
    refusals = {c.algorithm: c.refusal for c in why.forward.candidates}
    assert "float32 only" in refusals["winograd4"]
    assert tw.explain_conv(*SHAPES, algorithm="im2col").forward.algorithm == "im2col"


def test_the_choice_is_the_one_that_runs() -> None:
    code = """
import tilewise as tw
why = tw.explain_conv((2, 32, 14, 14), (32, 32, 3, 3), padding=1)
print([d.algorithm for d in why.directions])
x, w = tw.rand(2, 32, 14, 14, requires_grad=True), tw.rand(32, 32, 3, 3, requires_grad=True)
tw.nn.functional.conv2d(x, w, padding=1).sum().backward()
"""
    done = run_python(code, env={"TILEWISE_VERBOSE": "1"})
    assert done.returncode == 0, done.stderr
    named = re.findall(r"(forward|backward_data|backward_weight) float32 .*: (\w+), ", done.stderr)
    # Once for the explanation, once for what ran.
    assert len(named) == 6 and named[:3] == named[3:]
    assert done.stdout.strip() == str([algorithm for _, algorithm in named[:3]])


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 8, 9), (8, 4, 3), dict(stride=2, padding=1, output_padding=1)),
        ((2, 8, 9, 7), (8, 4, 3, 3), {}),
        ((2, 8, 4, 5, 3), (8, 2, 3, 1, 2), dict(groups=2, dilation=2)),
        ((2, 8, 9), (8, 4, 2), dict(dilation=3, output_padding=2)),
    ],
)
def test_transposed(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, int]) -> None:
    why = tw.explain_conv(x, w, transposed=True, **options)
    function = getattr(F, f"conv_transpose{len(x) - 2}d")
    assert why.output_shape == function(tw.zeros(x), tw.zeros(w), **options).shape
    assert str(why).startswith(f"conv_transpose{len(x) - 2}d: input ")


def test_shapes_of_1d_and_same_padding() -> None:
    why = tw.explain_conv((2, 8, 9), (4, 8, 4), padding="same")
    assert why.output_shape == (2, 4, 9)
    assert tw.explain_conv((0, 8, 9), (4, 8, 4)).output_shape == (0, 4, 6)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (((2, 3, 8, 8), (4, 4, 3, 3)), {}, "input has 3 channels but weight"),
        (((2, 3, 8, 8), (4, 3, 9, 9)), {}, "more than the padded input"),
        (((2, 3, 8, 8), (4, 3, 3)), {}, "weight_shape of 4 to 4 sizes"),
        (((2, 3), (4, 3)), {}, "input_shape of 3 to 5 sizes"),
        (((2, -3, 8), (4, 3, 3)), {}, "input_shape >= 0"),
        (SHAPES, dict(stride=0), "stride >= 1"),
        (SHAPES, dict(groups=3), "groups=3"),
        (SHAPES, dict(direction="backward"), "direction as one of"),
        (SHAPES, dict(algorithm="fft"), "algorithm as one of"),
        (SHAPES, dict(algorithm="winograd4", stride=2), "does not apply: .*stride is not 1"),
        (SHAPES, dict(transposed=True, output_padding=1), "output_padding smaller"),
    ],
)
def test_bad_arguments(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tw.explain_conv(*arguments, **options)


def test_wrong_types() -> None:
    for options in (
        dict(stride=1.5),
        dict(dtype=tw.int64),
        dict(dtype="float32"),
        dict(groups=None),
    ):
        with pytest.raises(TypeError):
            tw.explain_conv(*SHAPES, **options)
    with pytest.raises(TypeError, match="padding as an int"):
        tw.explain_conv(*SHAPES, transposed=True, padding="same")


def test_every_algorithm_can_be_named() -> None:
    from tilewise.functional.conv import ALGORITHMS

    listed = [c.algorithm for c in tw.explain_conv(*SHAPES).forward.candidates]
    assert ["auto", *listed] == list(ALGORITHMS)
    assert _core.isa() == tw.explain_conv(*SHAPES).isa
