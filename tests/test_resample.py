"""Interpolation, shuffles and the unusual pools against float64, PyTorch and their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilewise as tw
from helpers import EPS32, assert_close, check_with_ref, random_array, requires_torch, to_core
from tilewise import _core, nn
from tilewise.autograd import gradcheck
from tilewise.nn import functional as F

SHAPES = [
    ((2, 3, 7), (11,)),
    ((2, 67, 5, 9), (9, 4)),
    ((3, 1, 40, 33), (21, 50)),
    ((2, 3, 40, 33), (80, 66)),
    ((1, 20, 4, 5, 6), (7, 3, 6)),
    ((1, 64, 9, 9), (9, 18)),
]
MODES = ["nearest", "nearest-exact", "linear", "cubic"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_interpolation_against_the_plain_loops(isa: str, case: Any, mode: str) -> None:
    shape, size = case
    # Scales whose tables are the same in both precisions.
    for how in [(False,), (True,)] if mode in {"linear", "cubic"} else [(False,)]:
        x, dy = random_array(shape), random_array((*shape[:2], *size), 1)
        wide = [_core.interpolate_forward(to_core(x.astype(np.float64)), size, mode, *how)]
        wide.append(_core.interpolate_backward(to_core(dy.astype(np.float64)), shape, mode, *how))
        # The tables of float32 are rounded as PyTorch rounds them: coordinates to 1 in 2^23.
        limit = 400 * EPS32 if mode != "nearest" else EPS32
        assert_close(_core.interpolate_forward(to_core(x), size, mode, *how), wide[0], limit=limit)
        assert_close(
            _core.interpolate_backward(to_core(dy), shape, mode, *how), wide[1], limit=limit
        )


@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos"])
@pytest.mark.parametrize("channels", [1, 3, 70])
def test_antialiased(isa: str, mode: str, channels: int) -> None:
    check_with_ref(
        lambda x: _core.interpolate_forward(x, (13, 40), mode, False, True),
        random_array((2, channels, 50, 31)),
        limit=100 * EPS32,
    )


@requires_torch
@settings(max_examples=30)
@given(data=st.data())
def test_interpolate_like_torch(data: st.DataObject) -> None:
    import torch

    dims = data.draw(st.integers(1, 3))
    modes = ["nearest", "nearest-exact", "area", ("linear", "bilinear", "trilinear")[dims - 1]]
    mode = data.draw(st.sampled_from(modes + ["bicubic"] * (dims == 2)))
    shape = (2, data.draw(st.sampled_from([1, 3, 20])), *data.draw(
        st.lists(st.integers(1, 12), min_size=dims, max_size=dims)))  # fmt: skip
    options: dict[str, Any] = {"mode": mode}
    if mode in {"bilinear", "bicubic"} and data.draw(st.booleans()):
        options["antialias"] = True
    if mode.endswith(("linear", "cubic")):
        options["align_corners"] = data.draw(st.booleans())
    if data.draw(st.booleans()):
        options["size"] = tuple(data.draw(st.integers(1, 15)) for _ in range(dims))
    else:
        options["scale_factor"] = data.draw(st.sampled_from([1.0, 1.5, 2.0, 2.7, 3.0]))
    x = random_array(shape).astype(np.float64)
    ours = tw.from_numpy(x).requires_grad_()
    theirs = torch.tensor(x, requires_grad=True)
    y, want = F.interpolate(ours, **options), torch.nn.functional.interpolate(theirs, **options)
    assert_close(y, want, limit=1e-12)
    (y * y).sum().backward()
    (want * want).sum().backward()
    assert_close(ours.grad, theirs.grad, limit=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.interpolate(x, size=(7, 3), mode="bilinear"),
        lambda x: F.interpolate(x, size=(3, 7), mode="bicubic", align_corners=True),
        lambda x: F.interpolate(x, size=(3, 2), mode="bilinear", antialias=True),
        lambda x: F.interpolate(x, scale_factor=2),
        lambda x: F.interpolate(x, size=(3, 7), mode="area"),
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: F.channel_shuffle(x, 2),
        lambda x: F.lp_pool2d(x, 3, 2),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        F.global_avg_pool,
        F.global_max_pool,
    ],
)
def test_gradients(function: Any) -> None:
    x = tw.from_numpy(random_array((2, 4, 5, 4), low=0.5, high=2.0).astype(np.float64))
    assert gradcheck(function, (x.requires_grad_(),))


def test_unpool_refuses_places_outside() -> None:
    x = tw.ones(1, 2, 2, 2)
    for bad in (-1, 16, 2**40, -(2**63)):
        places = tw.from_numpy(np.full((1, 2, 2, 2), bad))
        with pytest.raises(ValueError, match="indices in"):
            F.max_unpool2d(x, places, 2)
    places = tw.zeros(1, 2, 2, 2, dtype=tw.int64)
    with pytest.raises(ValueError, match="output_size"):
        F.max_unpool2d(x, places, 2, output_size=(9, 4))
    with pytest.raises(ValueError, match="indices of shape"):
        F.max_unpool2d(x, places[:, :1], 2)
    with pytest.raises(TypeError, match="int64"):
        F.max_unpool2d(x, x, 2)


@requires_torch
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf")])
def test_lp_pool_like_torch(dims: int, p: float) -> None:
    import torch

    x = random_array((2, 5, 9, 8, 7)[: dims + 2], low=0.1, high=2.0)
    x[0, 0] = 0  # the gradient of a window of zeros is zero
    for options in ({}, {"stride": 1}, {"ceil_mode": True}):
        ours, theirs = tw.from_numpy(x).requires_grad_(), torch.tensor(x, requires_grad=True)
        y = getattr(F, f"lp_pool{dims}d")(ours, p, 2, **options)
        want = getattr(torch.nn.functional, f"lp_pool{dims}d")(theirs, p, 2, **options)
        assert_close(y, want, limit=8 * EPS32)
        y.sum().backward()
        want.sum().backward()
        assert_close(ours.grad, theirs.grad, limit=1e-5)


def test_strict_pools_refuse_what_does_not_fit() -> None:
    x = tw.ones(1, 1, 7, 7)
    assert F.max_pool2d(x, 3, 3).shape == (1, 1, 2, 2)
    for pool in (F.max_pool2d, F.avg_pool2d):
        with pytest.raises(ValueError, match=r"does not fit the size 7 .* 2\.33 windows"):
            pool(x, 3, 3, strict=True)
        assert pool(x, 3, 2, strict=True).shape == (1, 1, 3, 3)
    with pytest.raises(ValueError, match="does not fit"):
        nn.MaxPool2d(3, strict=True)(x)


BAD = [
    F.interpolate,
    lambda x: F.interpolate(x, size=2, scale_factor=2),
    lambda x: F.interpolate(x, size=0),
    lambda x: F.interpolate(x, size=(2, 2, 2)),
    lambda x: F.interpolate(x, size=2**31),
    lambda x: F.interpolate(x, scale_factor=float("nan")),
    lambda x: F.interpolate(x, scale_factor=1e300),
    lambda x: F.interpolate(x, scale_factor=-1.0),
    lambda x: F.interpolate(x, scale_factor=0.01),
    lambda x: F.interpolate(x, size=2, mode="linear"),
    lambda x: F.interpolate(x, size=2, mode="cubic"),
    lambda x: F.interpolate(x, size=2, align_corners=True),
    lambda x: F.interpolate(x, size=2, antialias=True),
    lambda x: F.interpolate(x, size=2, mode="lanczos"),
    lambda x: F.interpolate(x[0, 0], size=2),
    lambda x: F.interpolate(x[:, :, :0], size=2),
    lambda x: F.pixel_shuffle(x, 3),
    lambda x: F.pixel_shuffle(x, 2**31),
    lambda x: F.pixel_shuffle(x, 0),
    lambda x: F.pixel_unshuffle(x, 4),
    lambda x: F.channel_shuffle(x, 3),
    lambda x: F.channel_shuffle(x, -2),
    lambda x: F.lp_pool2d(x, 0, 2),
    lambda x: F.lp_pool2d(x, 2, 0),
    lambda x: F.fractional_max_pool2d(x, 2),
    lambda x: F.fractional_max_pool2d(x, 2, output_size=7),
    lambda x: F.fractional_max_pool2d(x, 2, output_ratio=1.5),
    lambda x: F.fractional_max_pool2d(x, 2, 2, _random_samples=tw.ones(1, 1, 2)),
    lambda x: F.fractional_max_pool2d(x, 2, 2, _random_samples=tw.ones(2, 4, 2) * float("nan")),
    lambda x: F.global_avg_pool(x[0, 0]),
]


@pytest.mark.parametrize("call", range(len(BAD)))
def test_bad_arguments(call: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        BAD[call](tw.ones(2, 4, 6, 6))


def test_same_bits_at_any_number_of_threads(isa: str) -> None:
    x = to_core(random_array((5, 48, 40, 40)))
    few = to_core(random_array((5, 3, 64, 64)))
    results = []
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        found = []
        for a in (x, few):
            y = _core.interpolate_forward(a, (71, 90), "linear")
            found += [y, _core.interpolate_backward(y, a.shape, "linear")]
            found.append(_core.adaptive_avg_pool_forward(a, (3, 5)))
            found.append(_core.lp_pool_forward(a, 2.0, (2, 2), (2, 2), False))
            found.append(_core.channel_shuffle(a, 3))
        results.append([a.numpy().tobytes() for a in found])
    assert all(r == results[0] for r in results)


def test_empty_batches() -> None:
    x = tw.ones(0, 4, 6, 6, requires_grad=True)
    for y in (
        F.interpolate(x, size=3),
        F.pixel_shuffle(x, 2),
        F.channel_shuffle(x, 2),
        F.lp_pool2d(x, 2, 2),
        F.fractional_max_pool2d(x, 2, 3),
        F.max_unpool2d(x, tw.zeros(0, 4, 6, 6, dtype=tw.int64), 2),
    ):
        assert y.shape[0] == 0
        y.sum().backward()


def test_modules_print_as_in_pytorch() -> None:
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2.0, mode='nearest')"
    assert repr(nn.LPPool2d(2, 3)) == (
        "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"
    )
    assert repr(nn.MaxUnpool2d(2)) == (
        "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    )
    assert repr(nn.PixelShuffle(2)) == "PixelShuffle(upscale_factor=2)"
    assert repr(nn.ChannelShuffle(2)) == "ChannelShuffle(groups=2)"


def test_interpolate_remembers_settings_by_their_type() -> None:
    x = tw.rand(1, 1, 2, 2)
    assert F.interpolate(x, 4).shape == (1, 1, 4, 4)
    assert F.interpolate(x, [4, 3]).shape == (1, 1, 4, 3)
    assert F.interpolate(x, scale_factor=2).shape == (1, 1, 4, 4)
    assert F.interpolate(x, scale_factor=[2.0, 1.5]).shape == (1, 1, 4, 3)
    corners: Any = 1
    for _ in range(2):
        aligned = F.interpolate(x, 4, mode="bilinear", align_corners=True)
        assert aligned.shape == (1, 1, 4, 4)
        with pytest.raises(TypeError, match="align_corners"):
            F.interpolate(x, 4, mode="bilinear", align_corners=corners)
        with pytest.raises(TypeError, match="expected size"):
            F.interpolate(x, 4.0)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="expected size"):
            F.interpolate(x, (4.0, 4))  # type: ignore[arg-type]
        mode: Any = ["nearest"]
        with pytest.raises(TypeError, match="mode"):
            F.interpolate(x, 4, mode=mode)
