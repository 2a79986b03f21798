"""Group, instance, layer, RMS and local response norm, and unit vectors: kernels against the plain
float64 loops on every instruction set, their threads, edges, and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
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

IMAGES = [(2, 4), (1, 6, 5), (3, 8, 7, 5), (2, 36, 6, 6), (5, 64, 3, 3), (2, 6, 3, 4, 5),
          (1, 128, 40, 41)]  # fmt: skip
# (shape, dimensions normalised): short rows, tails, rows beyond a chunk, rows cut into pieces.
ROWS = [((1,), 1), ((7, 3), 1), ((5, 16), 1), ((3, 9, 33), 1), ((2, 3, 4, 5), 3), ((37, 100), 1),
        ((6, 520), 1), ((5, 1030), 1), ((3, 2100), 1), ((3, 5000), 1), ((5, 17000), 1),
        ((2, 20, 30, 31), 3)]  # fmt: skip


def numpy_norm(x: np.ndarray, axes: tuple[int, ...], eps: float, centred: bool = True) -> Any:
    x = x.astype(np.float64)
    mean = x.mean(axes, keepdims=True) if centred else 0.0
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)


@pytest.mark.parametrize("shape", IMAGES, ids=str)
@pytest.mark.parametrize("per_channel", [False, True])
def test_group_norm_against_ref(isa: str, shape: tuple[int, ...], per_channel: bool) -> None:
    x = random_array(shape, 0, low=-1, high=3)
    dy = random_array(shape, 3)
    weight, bias = random_array(shape[1:2], 1, low=0.5, high=1.5), random_array(shape[1:2], 2)
    groups = shape[1] if per_channel else 2

    def run(x, dy, weight, bias):
        y, mean, invstd = _core.group_norm_forward(x, groups, weight, bias, 1e-3)
        return (y, mean, *_core.group_norm_backward(dy, x, weight, mean, invstd))

    scale = float(np.abs(weight).max() / np.sqrt(1e-3))
    fast = run(*(to_core(a) for a in (x, dy, weight, bias)))
    oracle = run(*(to_core(a.astype(np.float64)) for a in (x, dy, weight, bias)))
    limits = (64 * EPS32, 8 * EPS32, 64 * EPS32, 64 * EPS32, 16 * EPS32)
    for i, (got, want) in enumerate(zip(fast, oracle, strict=True)):
        assert_close(got, want, limit=limits[i], scale=scale if i == 2 else None, what=f"[{i}]")
    grouped = x.reshape(shape[0], groups, -1)
    plain = numpy_norm(grouped, (2,), 1e-3).reshape(shape)
    column = (1, -1) + (1,) * (len(shape) - 2)
    assert_close(oracle[0], plain * weight.reshape(column) + bias.reshape(column), limit=1e-6)
    assert fast[0].is_channels_last()


@pytest.mark.parametrize(("shape", "dims"), ROWS, ids=str)
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("channels_last", [False, True])
def test_layer_norm_against_ref(
    isa: str, shape: tuple[int, ...], dims: int, centred: bool, channels_last: bool
) -> None:
    last = shape[len(shape) - dims :]
    x, dy = random_array(shape, 0, low=-1, high=3), random_array(shape, 3)
    weight, bias = random_array(last, 1, low=0.5, high=1.5), random_array(last, 2)

    def run(x, dy, weight, bias):
        if channels_last and x.ndim >= 3:
            x, dy = x.channels_last(), dy.channels_last()
        y, statistics = _core.layer_norm_forward(x, last, weight, bias, 1e-3, centred)
        back = _core.layer_norm_backward(dy, x, last, weight, statistics, 1e-3, centred, True)
        return (y, statistics, *back)

    fast = run(*(to_core(a) for a in (x, dy, weight, bias)))
    oracle = run(*(to_core(a.astype(np.float64)) for a in (x, dy, weight, bias)))
    scale = float(np.abs(weight).max() / np.sqrt(1e-3))
    for i, (got, want) in enumerate(zip(fast, oracle, strict=True)):
        limit = 32 * EPS32 if i != 3 else 64 * EPS32
        assert_close(got, want, limit=limit, scale=scale if i in {1, 2} else None, what=f"[{i}]")
    axes = tuple(range(len(shape) - dims, len(shape)))
    assert_close(oracle[0], numpy_norm(x, axes, 1e-3, centred) * weight + bias, limit=1e-6)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((1, 1), 1), ((3, 7), 1), ((3, 7), 0), ((2, 33, 5, 4), 1), ((2, 3, 5, 70), 2), ((70, 5000), 0),
     ((2, 8, 60, 61), 3), ((3, 20000), 1)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("channels_last", [False, True])
def test_unit_norm_against_ref(
    isa: str, shape: tuple[int, ...], axis: int, channels_last: bool
) -> None:
    x, dy = random_array(shape, 0), random_array(shape, 1)

    def run(x, dy):
        y, lengths = _core.unit_norm_forward(x, axis, 0.5)
        return y, lengths, _core.unit_norm_backward(dy, x, lengths, axis, 0.5)[0]

    limits = [8 * EPS32, 8 * EPS32, 32 * EPS32]
    y, _, _ = check_with_ref(run, x, dy, limit=limits, channels_last=channels_last)
    lengths = np.sqrt((x.astype(np.float64) ** 2).sum(axis, keepdims=True))
    assert_close(y, x / np.maximum(lengths, 0.5), limit=8 * EPS32)


@pytest.mark.parametrize("channels", [1, 3, 16, 17, 96])
@pytest.mark.parametrize("size", [1, 2, 5, 8, 1000])
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0, 1.3])
def test_local_response_norm_against_ref(isa: str, channels: int, size: int, beta: float) -> None:
    x, dy = random_array((2, channels, 5), 0), random_array((2, channels, 5), 1)

    def run(x, dy):
        options = (size, 2.0, beta, 1.5)
        y = _core.local_response_norm(x, *options)
        return y, _core.local_response_norm_backward(dy, x, *options)

    check_with_ref(run, x, dy, limit=[8 * EPS32, 32 * EPS32])


@pytest.mark.parametrize("centred", [True, False])
def test_rows_larger_than_the_caches(isa: str, centred: bool) -> None:
    """Stored past the caches or not: the bits of the first and of the last rows alone."""
    piece = 341  # rows of 96 columns that a thread takes
    x, dy = random_array((piece * 133, 96), 0), random_array((piece * 133, 96), 1)
    weight = random_array((96,), 2)

    def run(rows: slice) -> tuple[bytes, ...]:
        cx, cdy, cw = to_core(x[rows]), to_core(dy[rows]), to_core(weight)
        y, statistics = _core.layer_norm_forward(cx, (96,), cw, None, 1e-5, centred)
        dx = _core.layer_norm_backward(cdy, cx, (96,), cw, statistics, 1e-5, centred, False)[0]
        ends = slice(-piece, None) if rows == slice(None) else slice(None)
        return y.numpy()[ends].tobytes(), dx.numpy()[ends].tobytes()

    assert run(slice(None)) == run(slice(-piece, None))


CALLS: dict[str, Callable[[tw.Tensor], tw.Tensor]] = {
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "group_norm": lambda x: F.group_norm(x, 2, tw.rand(16), tw.rand(16)),
    "instance_norm": lambda x: F.instance_norm(x, None, None, tw.rand(16)),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:], tw.rand(x.shape[1:])),
    "layer_norm, last": lambda x: F.layer_norm(x, x.shape[3:], tw.rand(x.shape[3:])),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[1:]),
    "local_response_norm": lambda x: F.local_response_norm(x, 5),
    "normalize": F.normalize,
    "normalize, rows": lambda x: F.normalize(x, dim=2),
}


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", CALLS)
def test_same_bits_at_any_thread_count(isa: str, name: str, batch: int) -> None:
    x, dy = (
        random_array((batch, 16, 61, 67), 0),
        tw.from_numpy(random_array((batch, 16, 61, 67), 1)),
    )
    bits = set()
    for threads in (1, 2, 3, 8):
        _core.set_num_threads(threads)
        tw.manual_seed(0)
        leaf = tw.from_numpy(x).requires_grad_()
        y = CALLS[name](leaf)
        y.backward(dy)
        assert leaf.grad is not None
        bits.add(y.detach().numpy().tobytes() + leaf.grad.numpy().tobytes())
    assert len(bits) == 1


GRADCHECKS: dict[str, tuple[Callable[..., tw.Tensor], list[tuple[int, ...]]]] = {
    "group_norm": (lambda x, w, b: F.group_norm(x, 3, w, b), [(2, 6, 3, 2), (6,), (6,)]),
    "instance_norm": (
        lambda x, w, b: F.instance_norm(x, None, None, w, b), [(2, 3, 5), (3,), (3,)],
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (3, 4), w, b), [(2, 3, 4), (3, 4), (3, 4)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w), [(2, 3, 4), (4,)]),
    "local_response_norm": (
        lambda x: F.local_response_norm(x, 4, 0.7, 0.6, 1.2), [(2, 7, 3)],
    ),
    "normalize": (lambda x: F.normalize(x, dim=2), [(2, 3, 4)]),
    "normalize two": (lambda x: F.normalize(x, dim=(0, 2)), [(2, 3, 4)]),
    "normalize p": (lambda x: F.normalize(x, 3.0, dim=0), [(4, 3)]),
    "normalize inf": (lambda x: F.normalize(x, float("inf")), [(4, 3)]),
    "cosine_similarity": (F.cosine_similarity, [(3, 4), (3, 4)]),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(4, 3, 2), (3,), (3,)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADCHECKS)
def test_gradients(name: str) -> None:
    function, shapes = GRADCHECKS[name]
    inputs = [
        tw.from_numpy(random_array(s, i, dtype=np.float64, low=0.3, high=2)).requires_grad_()
        for i, s in enumerate(shapes)
    ]
    assert gradcheck(function, inputs)


@pytest.mark.parametrize("offset", [1e3, -1e4])
@pytest.mark.parametrize("name", ["group_norm", "instance_norm", "layer_norm"])
def test_mean_far_from_zero(isa: str, name: str, offset: float) -> None:
    x = (random_array((2, 16, 40, 41), 0, dtype=np.float64) + offset).astype(np.float32)
    y = CALLS[name](tw.from_numpy(x))
    spread = np.abs(y.numpy()).max()
    assert np.isfinite(spread) and spread < 10
    _, statistics = _core.layer_norm_forward(to_core(x), (16, 40, 41))
    want = 1 / np.sqrt(x.astype(np.float64).var((1, 2, 3)) + 1e-5)
    assert_close(statistics.numpy()[:, 1], want, limit=1e-5)


def test_nan_stays_where_it_belongs(isa: str) -> None:
    x = random_array((2, 8, 5, 5), 0)
    x[1, 5, 2, 2] = np.nan
    t = tw.from_numpy(x)
    bad = np.isnan(F.group_norm(t, 4).numpy())
    assert bad[1, 4:6].all() and bad.sum() == 50
    bad = np.isnan(F.layer_norm(t, (5,)).numpy())
    assert bad[1, 5, 2].all() and bad.sum() == 5
    bad = np.isnan(F.local_response_norm(t, 3).numpy())
    assert bad[1, 4:7, 2, 2].all() and bad.sum() == 3
    bad = np.isnan(F.normalize(t, dim=3).numpy())
    assert bad[1, 5, 2].all() and bad.sum() == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_empty(dtype: type) -> None:
    x = tw.from_numpy(np.zeros((0, 4, 3), dtype)).requires_grad_()
    weight = tw.from_numpy(np.ones(4, dtype)).requires_grad_()
    for y in (F.group_norm(x, 2, weight), F.instance_norm(x, None, None, weight)):
        assert y.shape == (0, 4, 3)
        y.sum().backward()
    assert weight.grad is not None and not weight.grad.numpy().any()
    last = tw.from_numpy(np.ones(3, dtype)).requires_grad_()
    F.layer_norm(x, (3,), last).sum().backward()
    assert last.grad is not None and not last.grad.numpy().any()
    assert F.layer_norm(tw.zeros(3, 0), (0,)).shape == (3, 0)
    assert F.local_response_norm(x, 3).shape == F.normalize(x).shape == (0, 4, 3)
    assert F.cosine_similarity(x, x).shape == (0, 3)
    assert F.batch_norm(tw.zeros(0), tw.zeros(0), tw.zeros(0)).shape == (0,)


@requires_torch
@settings(max_examples=25)
@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 4),
    width=st.integers(1, 9),
    spatial=st.lists(st.integers(2, 7), min_size=1, max_size=3),
    eps=st.sampled_from([1e-5, 0.5]),
)
def test_like_torch(batch: int, groups: int, width: int, spatial: list[int], eps: float) -> None:
    torch = pytest.importorskip("torch")
    shape = (batch, groups * width, *spatial)
    x = random_array(shape, 0)
    ours, theirs = tw.from_numpy(x), torch.tensor(x)
    tf = torch.nn.functional
    mean, var = np.zeros(shape[1], np.float32), np.ones(shape[1], np.float32)
    stats, tstats = (tw.tensor(mean), tw.tensor(var)), (torch.tensor(mean), torch.tensor(var))
    for got, want in [
        (F.group_norm(ours, groups, eps=eps), tf.group_norm(theirs, groups, eps=eps)),
        (F.instance_norm(ours, *stats, eps=eps), tf.instance_norm(theirs, *tstats, eps=eps)),
        (F.layer_norm(ours, shape[1:], eps=eps), tf.layer_norm(theirs, shape[1:], eps=eps)),
        (F.layer_norm(ours, shape[-1:], eps=eps), tf.layer_norm(theirs, shape[-1:], eps=eps)),
        (F.rms_norm(ours, shape[2:]), tf.rms_norm(theirs, shape[2:])),
        (F.local_response_norm(ours, width), tf.local_response_norm(theirs, width)),
        (F.normalize(ours, dim=-1), tf.normalize(theirs, dim=-1)),
        (F.normalize(ours, dim=(1, -1)), tf.normalize(theirs, dim=(1, -1))),
        (stats[0], tstats[0]),
        (stats[1], tstats[1]),
    ]:
        assert_close(got, want, limit=64 * EPS32)


ERRORS: list[tuple[str, Callable[[], Any], type[Exception]]] = [
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 3), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 0), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), -(2**62)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 10**30), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (10**30,)), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (-(10**30),)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 2, tw.ones(3)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 2, tw.ones(1)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 2, None, tw.ones(0)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4, 3), 2, None, tw.ones(5)), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(4), 2), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(1, 4), 4), ValueError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4), 2.0), TypeError),
    ("group_norm", lambda: F.group_norm(tw.ones(2, 4).long(), 2), TypeError),
    ("instance_norm", lambda: F.instance_norm(tw.ones(2, 4, 1)), ValueError),
    ("instance_norm", lambda: F.instance_norm(tw.ones(2, 4, 3), tw.ones(4)), ValueError),
    (
        "instance_norm",
        lambda: F.instance_norm(tw.ones(2, 4, 3), tw.ones(3), tw.ones(3)),
        ValueError,
    ),
    ("instance_norm", lambda: F.instance_norm(tw.ones(2, 4, 3), use_input_stats=1), TypeError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (2,)), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), ()), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (1, 2, 3)), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (3,), tw.ones(2)), ValueError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (3,), tw.ones(3).double()), TypeError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (3.0,)), TypeError),
    ("layer_norm", lambda: F.layer_norm(tw.ones(2, 3), (3,), eps=None), TypeError),
    ("rms_norm", lambda: F.rms_norm(tw.ones(2, 3), (4,)), ValueError),
    ("local_response_norm", lambda: F.local_response_norm(tw.ones(2, 3), 2), ValueError),
    ("local_response_norm", lambda: F.local_response_norm(tw.ones(2, 3, 4), 0), ValueError),
    ("local_response_norm", lambda: F.local_response_norm(tw.ones(2, 3, 4), 2**40), ValueError),
    ("normalize", lambda: F.normalize(tw.ones(2, 3), dim=2), ValueError),
    ("normalize", lambda: F.normalize(tw.arange(3), dim=0), TypeError),
    ("cosine_similarity", lambda: F.cosine_similarity(tw.ones(2, 3), tw.ones(2, 4)), ValueError),
    ("GroupNorm", lambda: nn.GroupNorm(3, 4), ValueError),
    ("LayerNorm", lambda: nn.LayerNorm(()), ValueError),
    ("LayerNorm", lambda: nn.LayerNorm(4, bias=None), TypeError),
    ("InstanceNorm2d", lambda: nn.InstanceNorm2d(3)(tw.ones(2, 3)), ValueError),
    ("InstanceNorm2d", lambda: nn.InstanceNorm2d(3, affine=True)(tw.ones(2, 4, 2, 2)), ValueError),
    ("weight_norm", lambda: nn.utils.weight_norm(nn.ReLU()), ValueError),
    ("weight_norm", lambda: nn.utils.weight_norm(3), TypeError),
    ("remove_weight_norm", lambda: nn.utils.remove_weight_norm(nn.Linear(2, 2)), ValueError),
]


@pytest.mark.parametrize("case", range(len(ERRORS)), ids=lambda i: ERRORS[i][0])
def test_errors(case: int) -> None:
    op, call, kind = ERRORS[case]
    with pytest.raises(kind, match=op):
        call()


def test_backward_calls_check_their_arguments() -> None:
    x, dy = to_core(np.ones((2, 4, 3), np.float32)), to_core(np.ones((2, 4, 2), np.float32))
    two, stats = to_core(np.ones((2, 2), np.float32)), to_core(np.ones((8, 2), np.float32))
    wrong = to_core(np.ones((3, 2), np.float32))
    for call in (
        lambda: _core.group_norm_backward(dy, x, None, two, two),
        lambda: _core.group_norm_backward(x, x, None, two, wrong),
        lambda: _core.group_norm_backward(x, x, None, wrong, wrong),
        lambda: _core.group_norm_backward(x, x, two, two, two),
        lambda: _core.layer_norm_backward(dy, x, (3,), None, stats, 1e-5, True, False),
        lambda: _core.layer_norm_backward(x, x, (3,), None, two, 1e-5, True, False),
        lambda: _core.unit_norm_backward(x, x, two, 1, 1e-5),
        lambda: _core.unit_norm_forward(x, 3, 1e-5),
        lambda: _core.unit_norm_forward(x, 1, 1e-5, two),
        lambda: _core.local_response_norm_backward(dy, x, 3, 1.0, 1.0, 1.0),
    ):
        with pytest.raises((ValueError, TypeError)):
            call()


# ---------------------------------------------------------------- layers


MODULES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("GroupNorm", (2, 6), {}, (3, 6, 4, 4)),
    ("GroupNorm", (3, 6), {"affine": False}, (3, 6, 4)),
    ("InstanceNorm1d", (6,), {"affine": True, "track_running_stats": True}, (3, 6, 4)),
    ("InstanceNorm1d", (6,), {}, (6, 4)),
    ("InstanceNorm2d", (6,), {"track_running_stats": True, "momentum": None}, (3, 6, 4, 4)),
    ("InstanceNorm3d", (6,), {"affine": True}, (2, 6, 3, 4, 4)),
    ("LayerNorm", ((4, 4),), {}, (3, 6, 4, 4)),
    ("LayerNorm", (4,), {"bias": False}, (3, 6, 4)),
    ("LayerNorm", ([6, 4],), {"elementwise_affine": False}, (3, 6, 4)),
    ("RMSNorm", (4,), {}, (3, 6, 4)),
    ("RMSNorm", ((6, 4),), {"eps": 0.1, "elementwise_affine": False}, (3, 6, 4)),
    ("LocalResponseNorm", (3,), {"alpha": 0.5}, (3, 6, 4)),
    ("BatchNorm1d", (6,), {"momentum": None}, (5, 6)),
    ("BatchNorm1d", (6,), {"track_running_stats": False}, (3, 6, 4)),
    ("BatchNorm2d", (6,), {"affine": False}, (3, 6, 4, 4)),
    ("BatchNorm2d", (6,), {"bias": False}, (3, 6, 4, 4)),
    ("GroupNorm", (2, 6), {"bias": False}, (3, 6, 4, 4)),
    ("BatchNorm3d", (6,), {"momentum": 0.3}, (2, 6, 3, 4, 4)),
]


@requires_torch
@pytest.mark.parametrize(("name", "arguments", "options", "shape"), MODULES, ids=str)
def test_modules_like_torch(name: str, arguments: Any, options: Any, shape: Any) -> None:
    """Outputs over training and evaluation, state dict names and the printed form."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for key, value in theirs.state_dict().items():
            if key in {"weight", "bias"}:
                value.copy_(torch.tensor(rng.random(tuple(value.shape), dtype=np.float32)))
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        x = rng.standard_normal(shape).astype(np.float32)
        ours.train(training), theirs.train(training)
        assert_close(ours(tw.from_numpy(x)), theirs(torch.tensor(x)), limit=32 * EPS32)
    for key, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[key], value, limit=8 * EPS32, what=key)


def test_instance_norm_warns_where_features_do_not_count() -> None:
    with pytest.warns(UserWarning, match="expected 3 channels"):
        nn.InstanceNorm1d(3)(tw.ones(2, 4, 5))


# ---------------------------------------------------------------- weight norm


@requires_torch
@pytest.mark.parametrize("dim", [0, 1, None, -1])
@pytest.mark.parametrize("kind", ["Linear", "Conv2d"])
def test_weight_norm_like_torch(kind: str, dim: int | None) -> None:
    torch = pytest.importorskip("torch")
    arguments = (4, 5) if kind == "Linear" else (4, 5, 3)
    plain = getattr(nn, kind)(*arguments)
    start = {k: v.numpy().copy() for k, v in plain.state_dict().items()}
    ours = nn.utils.weight_norm(plain, dim=dim)
    other = getattr(torch.nn, kind)(*arguments)
    other.load_state_dict({k: torch.tensor(v) for k, v in start.items()})
    with pytest.warns(FutureWarning):
        theirs = torch.nn.utils.weight_norm(other, dim=dim)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[key], value, limit=4 * EPS32, what=key)
    x = random_array((3, 4) if kind == "Linear" else (2, 4, 5, 5), 3)
    with tw.no_grad():
        ours.weight_g.mul_(1.5)
        theirs.weight_g.data.mul_(1.5)
    got, want = ours(tw.from_numpy(x)), theirs(torch.tensor(x))
    assert_close(got, want, limit=32 * EPS32)
    got.square().sum().backward()
    want.square().sum().backward()
    for name in ("weight_g", "weight_v", "bias"):
        assert_close(getattr(ours, name).grad, getattr(theirs, name).grad, limit=64 * EPS32)
    removed = nn.utils.remove_weight_norm(ours)
    assert sorted(removed.state_dict()) == ["bias", "weight"]
    assert_close(removed(tw.from_numpy(x)), got, limit=4 * EPS32)


def test_weight_norm_keeps_one_normalisation() -> None:
    layer = nn.utils.weight_norm(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="not normalised already"):
        nn.utils.weight_norm(layer)
