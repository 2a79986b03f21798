"""Transposed convolution: the convolution's gradient for its input, as a layer."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, dot_limit, requires_torch
from tilewise import nn
from tilewise.autograd import gradcheck

F = nn.functional
FUNCTIONS = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def draw(seed: int) -> dict[str, Any]:
    """A random layer: stride, padding, output padding, dilation, groups, 1-D to 3-D."""
    rng = random.Random(seed)
    while True:
        dims = rng.choice((1, 2, 2, 3))
        groups = rng.choice((1, 1, 2, 3))
        size = [rng.randint(1, {1: 20, 2: 9, 3: 4}[dims]) for _ in range(dims)]
        kernel = [rng.choice((1, 2, 3, 3, 5)) for _ in range(dims)]
        stride = [rng.choice((1, 2, 2, 3)) for _ in range(dims)]
        dilation = [rng.choice((1, 1, 2, 3)) for _ in range(dims)]
        padding = [rng.choice((0, 0, 1, 2, 4)) for _ in range(dims)]
        extra = [rng.randrange(max(s, d)) for s, d in zip(stride, dilation, strict=True)]
        out = [
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, s, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra, strict=True)
        ]
        reached = [
            o - max(e // s * s - p, 0)
            for o, e, s, p in zip(out, extra, stride, padding, strict=True)
        ]
        if min(reached) >= 1:
            break
    c, k = groups * rng.choice((1, 3, 8, 17)), groups * rng.choice((1, 2, 16, 19))
    return {
        "dims": dims,
        "x": (rng.choice((1, 2, 3)), c, *size),
        "w": (c, k // groups, *kernel),
        "b": (k,),
        "out": tuple(out),
        "arguments": (stride, padding, extra, groups, dilation),
    }


def values(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small integers: sums are exact in float32 in any order."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def leaf(array: np.ndarray) -> tw.Tensor:
    return tw.tensor(array, requires_grad=True)


@requires_torch
@pytest.mark.parametrize("block", range(6))
def test_agrees_with_torch(isa: str, block: int) -> None:
    import torch

    for seed in range(block * 20, block * 20 + 20):
        p = draw(seed)
        arrays = [values(p[name], i) for i, name in enumerate("xwb")]
        mine = [leaf(a) for a in arrays]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        y = FUNCTIONS[p["dims"] - 1](*mine, *p["arguments"])
        expected = getattr(torch.nn.functional, f"conv_transpose{p['dims']}d")(
            *theirs, *p["arguments"]
        )
        assert y.shape == tuple(expected.shape) and y.shape[2:] == p["out"]
        dy = values(y.shape, 9)
        y.backward(tw.tensor(dy))
        expected.backward(torch.tensor(dy))
        # Winograd's transforms are not exact on integers.
        limit = 0.0 if p["w"][2:] != (3, 3) else 5e-5
        assert_close(y, expected, limit=limit, what=f"{seed} output")
        for name, a, b in zip("xwb", mine, theirs, strict=True):
            assert_close(a.grad, b.grad, limit=limit, what=f"{seed} gradient of {name}")


@pytest.mark.parametrize("seed", range(12))
def test_gradcheck(seed: int) -> None:
    p = draw(1000 + seed)
    shapes = (p["x"], p["w"], p["b"])
    if sum(int(np.prod(s)) for s in shapes) > 1500:
        pytest.skip("too many elements for finite differences")
    tensors = [
        tw.tensor(np.random.default_rng(i).standard_normal(s), requires_grad=True)
        for i, s in enumerate(shapes)
    ]
    function = FUNCTIONS[p["dims"] - 1]
    assert gradcheck(lambda *t: function(*t, *p["arguments"]), tensors)


@pytest.mark.parametrize("algorithm", ["auto", "winograd4", "implicit_gemm", "im2col", "reference"])
def test_bias_in_the_epilogue_is_exact(isa: str, algorithm: str) -> None:
    shapes = ((2, 19, 7, 9), (19, 33, 3, 3), (33,))
    x, w, b = (tw.tensor(values(s, i)) for i, s in enumerate(shapes))
    plain = F.conv_transpose2d(x, w, None, padding=1, algorithm=algorithm)
    fused = F.conv_transpose2d(x, w, b, padding=1, algorithm=algorithm)
    np.testing.assert_array_equal(fused.numpy(), plain.numpy() + b.numpy()[:, None, None])


def test_pixels_beyond_every_tap_hold_the_bias() -> None:
    x, w, b = leaf(values((1, 2, 3), 0)), leaf(values((2, 3, 2), 1)), leaf(values((3,), 2))
    y = F.conv_transpose1d(x, w, b, dilation=3, output_padding=2)
    assert y.shape == (1, 3, 8)
    bias = b.detach().numpy()
    np.testing.assert_array_equal(y.detach().numpy()[0, :, 6:], np.stack([bias, bias], 1))
    y.sum().backward()
    np.testing.assert_array_equal(b.grad.numpy(), np.full(3, 8.0))


def test_unbatched_and_empty_batch() -> None:
    x, w, b = values((4, 5, 6), 0), tw.tensor(values((4, 3, 2, 2), 1)), tw.tensor(values((3,), 2))
    one = F.conv_transpose2d(tw.tensor(x), w, b, stride=2)
    many = F.conv_transpose2d(tw.tensor(x[None]), w, b, stride=2)
    assert one.shape == (3, 10, 12)
    np.testing.assert_array_equal(one.numpy(), many.numpy()[0])
    none = leaf(np.zeros((0, 4, 5, 6), np.float32))
    weight = leaf(w.numpy())
    y = F.conv_transpose2d(none, weight, b, stride=2)
    assert y.shape == (0, 3, 10, 12)
    y.sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), np.zeros((4, 3, 2, 2)))
    assert none.grad.shape == none.shape


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_same_bits_at_any_thread_count(direction: str) -> None:
    results = []
    for threads in (1, 2, 3, 8):
        tw.set_num_threads(threads)
        x, w, b = (
            tw.tensor(
                np.random.default_rng(i).standard_normal(s).astype(np.float32), requires_grad=True
            )
            for i, s in enumerate([(3, 40, 13, 11), (40, 24, 4, 4), (24,)])
        )
        y = F.conv_transpose2d(x, w, b, stride=2, padding=1)
        outputs = [y.detach()]
        if direction == "backward":
            (y * y).sum().backward()
            outputs = [x.grad, w.grad, b.grad]
        results.append([t.numpy().tobytes() for t in outputs])
    assert all(r == results[0] for r in results)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "channels": (dict(x=(1, 3, 5, 5)), "expected input of 4 channels"),
    "groups": (dict(groups=3), "divisible by groups=3"),
    "groups 0": (dict(groups=0), "groups >= 1"),
    "output padding": (dict(output_padding=1), "output_padding smaller than stride or dilation"),
    "no output": (dict(padding=4), "output of at least one pixel"),
    "stride": (dict(stride=0), "stride >= 1"),
    "padding": (dict(padding=-1), "padding >= 0"),
    "rank": (dict(w=(4, 3, 3)), "weight of 4 dimensions"),
    "no pixels": (dict(x=(1, 4, 0, 5)), "spatial sizes >= 1"),
    "algorithm": (dict(algorithm="fft"), "algorithm as one of"),
    "refusal": (dict(algorithm="winograd4", stride=2), "winograd4.*does not apply"),
    "bias": (dict(b=(4,)), r"a bias of shape \(3,\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case: str) -> None:
    changes, message = BAD[case]
    arguments = dict(changes)
    x, w = tw.zeros(arguments.pop("x", (1, 4, 5, 5))), tw.zeros(arguments.pop("w", (4, 3, 3, 3)))
    b = tw.zeros(arguments.pop("b", (3,)))
    with pytest.raises(ValueError, match=message):
        F.conv_transpose2d(x, w, b, **arguments)


def test_wrong_types() -> None:
    x, w = tw.zeros(1, 4, 5, 5), tw.zeros(4, 3, 3, 3)
    with pytest.raises(TypeError, match="input as a Tensor"):
        F.conv_transpose2d(x.numpy(), w)
    with pytest.raises(TypeError, match="float32 and float64"):
        F.conv_transpose2d(x, w.double())
    with pytest.raises(TypeError, match="padding as an int"):
        F.conv_transpose2d(x, w, padding="same")


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("ConvTranspose2d", (3, 8, 3), dict(stride=2, padding=1, output_padding=1)),
    ("ConvTranspose1d", (4, 6, 5), dict(groups=2, bias=False, dilation=2)),
    ("ConvTranspose3d", (2, 3, (1, 2, 3)), dict(stride=(1, 2, 3))),
    ("ConvTranspose2d", (2, 3, 2), {}),
]


@requires_torch
@pytest.mark.parametrize("case", range(len(LAYERS)))
def test_layers_are_torchs(case: int) -> None:
    import torch

    name, args, options = LAYERS[case]
    mine, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(mine) == repr(theirs)
    state = theirs.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        k: v.shape for k, v in mine.state_dict().items()
    }
    fan_in = np.prod(mine.weight.shape[1:])
    assert float(mine.weight.abs().max().item()) <= 1 / np.sqrt(fan_in)
    mine.load_state_dict({k: tw.tensor(v.numpy()) for k, v in state.items()})
    x = np.random.default_rng(0).standard_normal((2, args[0], *(5,) * int(name[-2]))).astype("f")
    assert_close(mine(tw.tensor(x)), theirs(torch.tensor(x)), limit=dot_limit(int(fan_in)))
    size = [n + 1 for n in mine(tw.tensor(x)).shape[2:]] if case == 0 else None
    if size is not None:
        layer = getattr(nn, name)(*args, stride=2, padding=1)
        other = getattr(torch.nn, name)(*args, stride=2, padding=1)
        for wanted in ([9, 10], [10, 9], (2, 8, 10, 10)):
            y = other(torch.tensor(x), output_size=list(wanted))
            assert layer(tw.tensor(x), output_size=wanted).shape == tuple(y.shape)
        with pytest.raises(ValueError, match=r"output_size from \[9, 9\] to \[10, 10\]"):
            layer(tw.tensor(x), output_size=(11, 9))
        with pytest.raises(ValueError, match="output_size of 2 or 4 values"):
            layer(tw.tensor(x), output_size=(9,))


def test_layer_refuses() -> None:
    with pytest.raises(TypeError, match="padding as an int"):
        nn.ConvTranspose2d(3, 4, 3, padding="same")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="output_padding smaller"):
        nn.ConvTranspose2d(3, 4, 3, output_padding=1)
    with pytest.raises(ValueError, match="divisible by groups"):
        nn.ConvTranspose2d(3, 4, 3, groups=2)
