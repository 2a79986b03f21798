"""Convolution in three directions: shapes of well-known layers, layouts, refusals, bad arguments.

More problems are in test_conv_sweep.py, errors in test_conv_accuracy.py, choice and workspace in
test_conv_plan.py, threads in test_bitwise_threads.py.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from conv_problems import (
    DIRECTIONS,
    WINOGRAD_LIMITS,
    Problem,
    accepting,
    integers,
    random_case,
    run,
    square,
)
from helpers import requires_torch, to_core
from tilewise import _core

NAMED = {
    "lenet-1": square(2, 1, 20, 28, 5, pad=2),
    "lenet-2": square(2, 20, 50, 14, 5, pad=2),
    "fashion-1": square(3, 1, 32, 28, 3, pad=1),
    "fashion-2": square(3, 32, 32, 28, 3, pad=1),
    "fashion-4": square(2, 64, 64, 14, 3, pad=1),
    "alexnet-1": square(1, 3, 24, 67, 11, stride=4),
    "resnet-stem": square(1, 3, 32, 56, 7, stride=2, pad=3),
    "pointwise": square(2, 48, 80, 9, 1),
    "pointwise-strided": square(2, 48, 80, 9, 1, stride=2),
    "deep-7x7": square(1, 256, 96, 7, 3, pad=1),
    "wide-row": Problem(1, 2, 3, (1000,), (9,), (1,), (4,), (4,), (1,)),
    "causal-dilated": Problem(2, 8, 8, (100,), (2,), (1,), (16,), (0,), (16,)),
    "conv3d": square(1, 4, 9, 6, 3, pad=1, dims=3),
    "grouped": square(2, 32, 64, 9, 3, pad=1, groups=8),
    "depthwise": square(2, 19, 19, 9, 3, pad=1, groups=19),
    "kernel-larger-than-map": square(2, 3, 4, 2, 5, pad=2),
    "stride-larger-than-input": square(2, 3, 4, 3, 1, stride=7),
    "unused-last-row": square(1, 3, 4, 6, 3, stride=2, pad=1),
    "unused-pixels": square(1, 3, 4, 10, 1, stride=4),
    "far-padding": square(1, 2, 3, 2, 3, pad=30000, dilation=20000, stride=15000),
}


def check(p: Problem, algorithm: str, seed: int = 0) -> None:
    shapes = (p.x_shape, p.w_shape, (p.k,), p.y_shape)
    operands = [integers(s, seed + i) for i, s in enumerate(shapes)]
    for direction in DIRECTIONS:
        got = run(direction, p, *map(to_core, operands), algorithm)
        want = run(direction, p, *(to_core(v.astype(np.float64)) for v in operands), "reference")
        for g, r in zip(got, want, strict=True):
            assert g.shape == r.shape
            np.testing.assert_array_equal(g.numpy(), r.numpy(), err_msg=f"{direction} {p}")


@pytest.mark.parametrize("name", NAMED)
def test_named_problems_are_exact_on_integers(isa: str, name: str) -> None:
    for algorithm in set(accepting(NAMED[name], "forward")) - set(WINOGRAD_LIMITS):
        check(NAMED[name], algorithm)


def test_outputs_are_channels_last_and_weight_gradients_contiguous() -> None:
    p = NAMED["fashion-2"]
    operands = [to_core(integers(s, 0)) for s in (p.x_shape, p.w_shape, (p.k,), p.y_shape)]
    assert run("forward", p, *operands)[0].is_channels_last()
    assert run("backward_data", p, *operands)[0].is_channels_last()
    assert run("backward_weight", p, *operands)[0].is_contiguous()


def test_input_layout_does_not_matter() -> None:
    p = NAMED["lenet-2"]
    x, w, b, dy = (integers(s, i) for i, s in enumerate((p.x_shape, p.w_shape, (p.k,), p.y_shape)))
    expected = run("forward", p, *map(to_core, (x, w, b, dy)))[0].numpy()
    wide = np.zeros((p.n, p.c, p.size[0], 2 * p.size[1]), np.float32)
    wide[..., ::2] = x
    view = _core.Array.from_numpy(wide).slice(3, 0, 2 * p.size[1], 2)
    for variant in (to_core(x, channels_last=True), view):
        got = _core.conv_forward(variant, to_core(w), to_core(b), *p.arguments, 1)
        np.testing.assert_array_equal(got.numpy(), expected)


def test_fused_relu_equals_relu_of_the_convolution(isa: str) -> None:
    for name, algorithm in itertools.product(("fashion-2", "deep-7x7"), ("auto", "im2col")):
        p = NAMED[name]
        x, w, b = (to_core(integers(s, i)) for i, s in enumerate((p.x_shape, p.w_shape, (p.k,))))
        plain = _core.conv_forward(x, w, b, *p.arguments, 1, algorithm)
        fused = _core.conv_forward(x, w, b, *p.arguments, 1, algorithm, "relu")
        np.testing.assert_array_equal(fused.numpy(), np.maximum(plain.numpy(), 0))


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 0, 5, 5)])
def test_empty_batch_and_no_channels(shape: tuple[int, ...]) -> None:
    p = square(shape[0], shape[1], 4, 5, 3, pad=1)
    bias = integers((4,), 0)
    x, w, dy = (to_core(np.ones(s, np.float32)) for s in (p.x_shape, p.w_shape, p.y_shape))
    y, dx = (run(d, p, x, w, to_core(bias), dy)[0].numpy() for d in DIRECTIONS[:2])
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], p.y_shape))
    np.testing.assert_array_equal(dx, np.zeros(p.x_shape))
    dw, db = run("backward_weight", p, x, w, None, dy)
    np.testing.assert_array_equal(dw.numpy(), np.zeros(p.w_shape))
    np.testing.assert_array_equal(db.numpy(), np.full(4, 25.0 * shape[0]))


def test_winograd_fuses_bias_and_relu(isa: str) -> None:
    p = Problem(1, 17, 33, (9, 14), (3, 3), (1, 1), (0, 0), (0, 0), (1, 1))
    x, w, b = (to_core(integers(s, i)) for i, s in enumerate((p.x_shape, p.w_shape, (p.k,))))
    plain = _core.conv_forward(x, w, b, *p.arguments, 1, "winograd4")
    fused = _core.conv_forward(x, w, b, *p.arguments, 1, "winograd4", "relu")
    np.testing.assert_array_equal(fused.numpy(), np.maximum(plain.numpy(), 0))


def test_winograd_refuses_what_it_cannot_compute() -> None:
    cases = {
        "not 3x3": square(1, 16, 16, 8, 5, pad=2),
        "stride is not 1": square(1, 16, 16, 8, 3, stride=2),
        "grouped": square(1, 16, 16, 8, 3, groups=2),
    }
    for reason, p in cases.items():
        x, w = to_core(integers(p.x_shape, 0)), to_core(integers(p.w_shape, 1))
        with pytest.raises(ValueError, match=f"winograd4' does not apply: .*{reason}"):
            _core.conv_forward(x, w, None, *p.arguments, p.groups, "winograd4")
    p = square(1, 16, 16, 8, 3)
    x, w = (to_core(integers(s, 0).astype(np.float64)) for s in (p.x_shape, p.w_shape))
    with pytest.raises(ValueError, match="float32 only"):
        _core.conv_forward(x, w, None, *p.arguments, 1, "winograd4")


def test_a_refusal_names_its_reason() -> None:
    p = NAMED["far-padding"]
    x, w = to_core(integers(p.x_shape, 0)), to_core(integers(p.w_shape, 1))
    with pytest.raises(ValueError, match="implicit_gemm.*does not apply.*mostly padding"):
        _core.conv_forward(x, w, None, *p.arguments, 1, "implicit_gemm")
    check(p, "auto")  # the plain loops take over
    with pytest.raises(ValueError, match="unknown algorithm 'fft'"):
        _core.conv_forward(x, w, None, *p.arguments, 1, "fft")


BAD = {
    "stride 0": (dict(stride=(0, 1)), "expected stride >= 1"),
    "stride negative": (dict(stride=(-1, 1)), "expected stride >= 1"),
    "dilation 0": (dict(dilation=(1, 0)), "expected dilation >= 1"),
    "padding negative": (dict(pad_begin=(-1, 0)), "expected padding >= 0"),
    "padding huge": (dict(pad_begin=(2**62, 0)), "expected padding"),
    "stride list too short": (dict(stride=(1,)), "expected 2 values of stride"),
    "groups 0": (dict(groups=0), "groups >= 1"),
    "groups negative": (dict(groups=-(2**63)), "groups >= 1"),
    "groups do not divide": (dict(groups=3), "divisible by groups=3"),
    "channels": (dict(groups=2), "input has 4 channels but weight"),
    "kernel too large": (dict(dilation=(9, 9)), "more than the padded input"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_raise_before_anything_runs(case: str) -> None:
    changes, message = BAD[case]
    arguments = (
        dict(stride=(1, 1), pad_begin=(0, 0), pad_end=(0, 0), dilation=(1, 1), groups=1) | changes
    )
    x, w = to_core(integers((1, 4, 8, 8), 0)), to_core(integers((8, 4, 3, 3), 0))
    with pytest.raises(ValueError, match=message):
        _core.conv_forward(x, w, None, **arguments)
    with pytest.raises(ValueError):
        _core.conv_backward_data(to_core(integers((1, 8, 6, 6), 0)), w, (1, 4, 8, 8), **arguments)
    with pytest.raises(ValueError):
        _core.conv_backward_weight(
            to_core(integers((1, 8, 6, 6), 0)), x, (8, 4, 3, 3), **arguments, with_bias=True
        )


def test_gradient_of_the_wrong_shape_and_mixed_dtypes() -> None:
    ones = ((1, 1), (0, 0), (0, 0), (1, 1), 1)
    x, w = to_core(integers((1, 4, 8, 8), 0)), to_core(integers((8, 4, 3, 3), 0))
    wrong = to_core(integers((1, 8, 5, 6), 0))
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(1, 8, 6, 6\)"):
        _core.conv_backward_data(wrong, w, (1, 4, 8, 8), *ones)
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(1, 8, 6, 6\)"):
        _core.conv_backward_weight(wrong, x, (8, 4, 3, 3), *ones, True)
    with pytest.raises(TypeError, match="float32 and float64"):
        _core.conv_forward(x, w.astype(_core.DType.float64), None, *ones)
    with pytest.raises(ValueError, match="bias of shape"):
        _core.conv_forward(x, w, to_core(integers((7,), 0)), *ones)


def test_im2col_and_col2im_are_transposes() -> None:
    """<im2col(x), c> = <x, col2im(c)>, and the matrix product equals the direct form."""
    p = square(2, 3, 5, 7, 3, stride=2, pad=1)
    windows = (p.kernel, *p.arguments)
    x = integers(p.x_shape, 0).astype(np.float64)
    columns = _core.im2col(to_core(x), *windows).numpy()
    other = integers(columns.shape, 1).astype(np.float64)
    folded = _core.col2im(to_core(other), p.x_shape, *windows).numpy()
    assert float((columns * other).sum()) == float((x * folded).sum())
    w = integers(p.w_shape, 2).astype(np.float64)
    product = columns @ w.reshape(p.k, -1).T
    direct = _core.conv_forward(to_core(x), to_core(w), None, *p.arguments, 1).numpy()
    np.testing.assert_array_equal(product.transpose(0, 2, 1).reshape(p.y_shape), direct)


@requires_torch
@pytest.mark.parametrize("seed", range(30))
def test_agrees_with_torch(seed: int) -> None:
    import torch

    p = random_case(seed + 100_000).problem
    p = dataclasses.replace(p, pad_end=p.pad_begin)
    if any(extent < 1 for extent in p.y_shape[2:]):
        pytest.skip("symmetric padding leaves no output for this draw")
    if min(p.c, p.k) == 0:
        pytest.skip("PyTorch refuses weights without elements")
    x, w, b = (integers(s, i) for i, s in enumerate((p.x_shape, p.w_shape, (p.k,))))
    dy = integers(p.y_shape, 3)
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
    conv = getattr(torch.nn.functional, f"conv{len(p.size)}d")
    y = conv(*leaves, p.stride, p.pad_begin, p.dilation, p.groups)
    y.backward(torch.tensor(dy))
    operands = [to_core(v) for v in (x, w, b, dy)]
    got = [o for d in DIRECTIONS for o in run(d, p, *operands, "implicit_gemm")]
    want = [y.detach(), *(leaf.grad for leaf in leaves)]
    for g, r in zip(got, want, strict=True):
        np.testing.assert_array_equal(g.numpy(), r.numpy())
