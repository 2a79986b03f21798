"""Losses: kernels against the plain loops, gradients, limits, threads, bad arguments.

PyTorch's own samples of them run in test_opinfo.py and test_module_db.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilewise as tw
from helpers import EPS32, assert_close, random_array, requires_torch, to_core
from tilewise import _core, nn
from tilewise.autograd import gradcheck
from tilewise.nn import functional as F

SIZES = [1, 3, 15, 17, 33, 2047, 2049, 40_001]


class Pointwise(NamedTuple):
    """A row of the core's table: where its operands lie, and its constants."""

    input: tuple[float, float] = (-4, 4)
    target: tuple[float, float] | str = (-4, 4)  # or "signs"
    other: tuple[float, float] | None = None
    constants: tuple[float, float, float] = (0.0, 0.0, 0.0)


ROWS = {
    "mse_loss": Pointwise(),
    "l1_loss": Pointwise(),
    "huber_loss": Pointwise(constants=(1.5, 1.0, 1.5)),
    "smooth_l1_loss": Pointwise(constants=(0.5, 2.0, 1.0)),
    "binary_cross_entropy": Pointwise((0.01, 0.99), (0, 1)),
    "binary_cross_entropy_with_logits": Pointwise((-20, 20), (0, 1), (0.2, 3)),
    "multilabel_soft_margin_loss": Pointwise((-20, 20), (0, 1)),  # without a weight
    "kl_div": Pointwise((-4, 0), (0.01, 1)),
    "kl_div_log": Pointwise((-4, 0), (-4, 0)),
    "hinge_embedding_loss": Pointwise((-1, 3), "signs", None, (1.0, 0, 0)),
    "cosine_embedding_loss": Pointwise((-1, 1), "signs", None, (0.25, 0, 0)),
    "soft_margin_loss": Pointwise((-20, 20), "signs"),
    "margin_ranking_loss": Pointwise((-2, 2), "signs", (-2, 2), (0.5, 0, 0)),
    "poisson_nll_loss": Pointwise((0.1, 4), (0, 9), None, (1e-8, 1, 0)),
    "poisson_nll_loss_log": Pointwise((-2, 2), (0, 9), None, (1e-8, 1, 0)),
    "gaussian_nll_loss": Pointwise((-2, 2), (-2, 2), (0.1, 3), (1e-6, 0.9, 0)),
    "sigmoid_focal_loss": Pointwise((-9, 9), (0, 1), None, (0.25, 2.0, 0)),
}
# Terms whose parts cancel: the error is that of the parts.
LIMITS = {"gaussian_nll_loss": 4e-6, "kl_div": 2e-6, "poisson_nll_loss": 2e-6}


def operands(name: str, shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray | None]:
    row = ROWS[name]

    def draw(limits: tuple[float, float] | str, at: int) -> np.ndarray:
        if isinstance(limits, str):
            return np.sign(random_array(shape, at) + np.float32(1e-3)).astype(np.float32)
        return random_array(shape, at, low=limits[0], high=limits[1])

    other = None if row.other is None else draw(row.other, seed + 2)
    return [draw(row.input, seed), draw(row.target, seed + 1), other]


def core_call(name: str, arrays: list[np.ndarray | None], reduction: str, dtype: Any) -> list[Any]:
    """The loss and the gradient of each operand."""
    x = [None if a is None else to_core(np.asarray(a, dtype)) for a in arrays]
    options = (reduction, ROWS[name].constants)
    y = _core.pointwise_loss(name, *x, *options)
    dy = to_core(random_array(y.shape, 9, low=0.5, high=2).astype(dtype))
    count = 3 if x[2] is not None else 2
    return [y, *(_core.pointwise_loss_backward(dy, i, name, *x, *options) for i in range(count))]


@pytest.mark.parametrize("name", ROWS)
def test_pointwise_kernels_against_the_loops(isa: str, name: str) -> None:
    for size in SIZES:
        arrays = [*operands(name, (size,)), random_array((size,), 5, low=0.5, high=2)]
        for reduction in ("none", "mean", "sum"):
            got = core_call(name, arrays, reduction, np.float32)
            want = core_call(name, arrays, reduction, np.float64)
            for a, b in zip(got, want, strict=True):
                assert_close(a, b, limit=LIMITS.get(name, 1e-6), what=f"{size} {reduction}")


@pytest.mark.parametrize("name", ROWS)
def test_pointwise_gradients(name: str) -> None:
    def leaf(array: np.ndarray) -> tw.Tensor:
        return tw.from_numpy(array.astype(np.float64)).requires_grad_()

    arrays = [a for a in operands(name, (3, 5)) if a is not None]
    signs = isinstance(ROWS[name].target, str)
    from tilewise.functional.losses.common import pointwise

    def loss(x: tw.Tensor, *rest: tw.Tensor) -> tw.Tensor:
        target = tw.from_numpy(arrays[1].astype(np.float64)) if signs else rest[0]
        other = rest[-1] if len(arrays) == 3 else None
        return pointwise(name, x, target, "none", other, None, ROWS[name].constants)

    wanted = [leaf(a) for i, a in enumerate(arrays) if not (signs and i == 1)]
    assert gradcheck(loss, tuple(wanted))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided", "broadcast"])
def test_layouts_and_broadcasting(isa: str, layout: str) -> None:
    x = random_array((3, 5, 4, 7), 0)
    t = random_array((5, 1, 1) if layout == "broadcast" else (3, 5, 4, 7), 1)
    a, b = tw.from_numpy(x), tw.from_numpy(t)
    if layout == "channels_last":
        a = tw.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)
    if layout == "strided":
        a = tw.from_numpy(np.repeat(x, 2, axis=3))[:, :, :, ::2]
    w = tw.from_numpy(random_array((5, 1, 1), 2, low=0.5, high=2))
    for p in (a, b, w):
        p.requires_grad_()
    loss = F.binary_cross_entropy_with_logits(a, b.sigmoid().expand(3, 5, 4, 7), w, pos_weight=w)
    got = tw.autograd.grad(loss, (a, b, w))
    z = x.astype(np.float64)
    u = 1 / (1 + np.exp(-t.astype(np.float64)))
    weight = w.detach().numpy().astype(np.float64)
    soft = np.log1p(np.exp(-z))
    want = weight * ((1 - u) * z + (1 + (weight - 1) * u) * soft)
    assert_close(loss, want.mean(), limit=4 * EPS32)
    slope = (1 - u) - (1 + (weight - 1) * u) / (1 + np.exp(z))
    assert_close(got[0], weight * slope / want.size, limit=8 * EPS32)
    assert [g.shape for g in got] == [(3, 5, 4, 7), t.shape, (5, 1, 1)]


def test_weights_that_want_gradients() -> None:
    x, t, w = (tw.rand(4, 3, dtype=tw.float64) + 0.1 for _ in range(3))
    w.requires_grad_()
    for reduction in ("none", "mean", "sum"):
        for loss in (F.mse_loss, F.l1_loss, F.huber_loss):
            assert gradcheck(
                lambda w, loss=loss, r=reduction: loss(x, t, weight=w, reduction=r), (w,)
            )


# ---------------------------------------------------------------- classes


def labels_of(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    rows = () if len(shape) == 1 else (shape[0], *shape[2:])
    return np.asarray(rng.integers(0, shape[0] if len(shape) == 1 else shape[1], rows))


CLASS_SHAPES = [
    (5,),
    (4, 3),
    (300, 17),
    (3, 100),
    (2, 21, 5, 7),
    (2, 2, 9),
    (2, 33, 3, 2, 2),
    (3, 1),
]


@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_class_kernels_against_the_loops(isa: str, shape: tuple[int, ...], reduction: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, shape)
    labels = labels_of(rng, shape)
    classes = shape[0] if len(shape) == 1 else shape[1]
    weights = rng.uniform(0.2, 2, classes)
    soft = rng.uniform(0, 1, shape)

    def run(dtype: Any) -> list[Any]:
        results: list[Any] = []
        x = tw.from_numpy(logits.astype(dtype)).requires_grad_()
        q = tw.from_numpy(soft.astype(dtype)).requires_grad_()
        t, w = tw.from_numpy(labels), tw.from_numpy(weights.astype(dtype))
        losses = [
            (F.softmax_focal_loss(x, t, w, 2.0, 1, reduction), [x]),
            (F.softmax_focal_loss(x, t, None, 0.7, -100, reduction), [x]),
            (F.cross_entropy(x, q, w, reduction=reduction, label_smoothing=0.1), [x, q]),
            (F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=0.1), [x]),
        ]
        if len(shape) <= 2:
            losses.append((F.multi_margin_loss(x, t, 2, 0.7, w, reduction=reduction), [x]))
            losses.append((F.multi_margin_loss(x, t, reduction=reduction), [x]))
            several = np.sort(rng.permuted(np.broadcast_to(np.arange(classes), shape), axis=-1))
            several[..., classes // 2 :] = -1
            many = tw.from_numpy(np.ascontiguousarray(several))
            losses.append((F.multilabel_margin_loss(x, many, reduction=reduction), [x]))
        for loss, leaves in losses:
            seed = tw.from_numpy(random_array(loss.shape, 3, low=0.5, high=2).astype(dtype))
            results += [loss, *tw.autograd.grad(loss, leaves, seed)]
        return results

    for got, want in zip(run(np.float32), run(np.float64), strict=True):
        if not np.isnan(want.detach().numpy()).all():  # every label ignored
            assert_close(got, want, limit=3e-6)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_class_gradients(reduction: str) -> None:
    rng = np.random.default_rng(1)
    x = tw.from_numpy(rng.normal(size=(4, 5))).requires_grad_()
    q = tw.from_numpy(rng.uniform(0.1, 1, (4, 5))).requires_grad_()
    t = tw.from_numpy(rng.integers(0, 5, 4))
    many = tw.tensor([[1, 2, -1, 0, 0], [0, -1, 3, 3, 3], [4, 3, 2, 1, 0], [-1, 0, 0, 0, 0]])
    w = tw.from_numpy(rng.uniform(0.5, 2, 5))
    r = {"reduction": reduction}
    assert gradcheck(lambda x, q: F.cross_entropy(x, q, w, label_smoothing=0.2, **r), (x, q))
    for gamma in (0.5, 1.0, 2.0):
        assert gradcheck(lambda x, g=gamma: F.softmax_focal_loss(x, t, w, g, **r), (x,))
    assert gradcheck(lambda x: F.multi_margin_loss(x, t, 2, 0.8, w, **r), (x,))
    assert gradcheck(lambda x: F.multilabel_margin_loss(x, many, **r), (x,))


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    x, t = tw.randn(6, 4, 3), tw.from_numpy(labels_of(np.random.default_rng(0), (6, 4, 3)))
    assert tw.equal(F.softmax_focal_loss(x, t, gamma=0.0), F.cross_entropy(x, t))
    # Of a sample that is almost sure, 1 - p must not cancel a second time.
    sure = F.softmax_focal_loss(tw.tensor([[6.0, 0.0]]), tw.tensor([0]), gamma=2.0)
    q = 1 / (1 + math.exp(6.0))
    assert_close(sure, -q * q * math.log1p(-q), limit=1e-4)


def test_svm_loss_of_the_lecture() -> None:
    """Scores of three images, cat, car and frog: 2.9, 0 and 12.9 with a margin of 1."""
    scores = tw.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    loss = F.multi_margin_loss(scores, tw.tensor([0, 1, 2]), reduction="none") * 3
    assert_close(loss, [2.9, 0.0, 12.9], limit=1e-6)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, F.softmax_focal_loss])
def test_everything_ignored(isa: str, loss: Callable[..., tw.Tensor]) -> None:
    x = tw.tensor([[1.0, math.nan], [0.0, 2.0]], requires_grad=True)
    t = tw.tensor([-100, -100])
    assert math.isnan(loss(x, t).item())
    assert loss(x, t, reduction="sum").item() == 0
    loss(x, t).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((2, 2)))


def test_empty_batches() -> None:
    x, t = tw.ones(0, 3, requires_grad=True), tw.zeros(0, dtype=tw.int64)
    for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss, F.softmax_focal_loss):
        assert math.isnan(loss(x, t).item())
        assert loss(x, t, reduction="none").shape == (0,)
        (gradient,) = tw.autograd.grad(loss(x, t, reduction="sum"), x)
        assert gradient is not None and gradient.shape == (0, 3)
    for loss in (F.mse_loss, F.l1_loss, F.binary_cross_entropy, F.dice_loss):
        assert math.isnan(loss(x, tw.zeros(0, 3)).item())
        assert loss(x, tw.zeros(0, 3), reduction="sum").item() == 0
    assert F.pairwise_distance(tw.ones(0, 3), tw.ones(3)).shape == (0,)
    assert F.pairwise_distance(tw.ones(2, 0), tw.ones(2, 0)).tolist() == [0, 0]


# ---------------------------------------------------------------- vectors and masks


@pytest.mark.parametrize("p", [2.0, 1.0, 0.0, 3.5, 0.5, -1.0, math.inf, -math.inf])
def test_distance_kernels_against_the_loops(isa: str, p: float) -> None:
    for columns in (1, 3, 16, 37, 500):
        a, b = random_array((9, columns), 0), random_array((9, columns), 1)
        results = []
        for dtype in (np.float32, np.float64):
            x, y = to_core(a.astype(dtype)), to_core(b.astype(dtype))
            dy = to_core(random_array((9,), 2).astype(dtype))
            z = _core.pairwise_distance(x, y, p, 1e-6)
            gradients = [
                _core.pairwise_distance_backward(dy, x, y, z, p, 1e-6, of_b)
                for of_b in (False, True)
            ]
            results.append([z, *gradients])
        for got, want in zip(*results, strict=True):
            assert_close(got, want, limit=1e-5)


def test_vector_gradients() -> None:
    rng = np.random.default_rng(0)
    a, b, c = (tw.from_numpy(rng.normal(size=(4, 5))).requires_grad_() for _ in range(3))
    one = tw.from_numpy(rng.normal(size=(5,))).requires_grad_()
    t = tw.tensor([1, -1, -1, 1])
    for p in (2.0, 1.0, 3.0, math.inf):
        assert gradcheck(lambda x, y, p=p: F.pairwise_distance(x, y, p), (a, b))
    assert gradcheck(lambda x, y: F.pairwise_distance(x, y, keepdim=True), (a, one))
    assert gradcheck(lambda x, y: F.cosine_similarity(x, y, dim=0), (a, b))
    assert gradcheck(F.cosine_similarity, (a, one))
    assert gradcheck(lambda x, y: F.cosine_embedding_loss(x, y, t, 0.1), (a, b))
    assert gradcheck(lambda x, y, z: F.triplet_margin_loss(x, y, z, swap=True), (a, b, c))
    assert gradcheck(F.triplet_margin_with_distance_loss, (a, b, c))


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("shape", [(2, 1, 5000), (3, 3, 17, 9), (1, 100, 4, 4), (2, 21, 40, 33)])
def test_dice_against_the_formula(isa: str, shape: tuple[int, ...], squared: bool) -> None:
    p = random_array(shape, 0, low=0, high=1)
    g = random_array(shape, 1, low=0, high=1).round()
    x, t = tw.from_numpy(p).requires_grad_(), tw.from_numpy(g).requires_grad_()
    loss = F.dice_loss(x, t, 1e-3, squared, "none")
    axes = tuple(range(2, len(shape)))
    u, v = p.astype(np.float64), g.astype(np.float64)
    size = (u * u + v * v if squared else u + v).sum(axes) + 1e-3
    dice = (2 * (u * v).sum(axes) + 1e-3) / size
    assert_close(loss, 1 - dice, limit=4e-6)
    dp, dt = tw.autograd.grad(loss.sum(), (x, t))
    full = (..., *[None] * len(axes))
    for got, own, others in ((dp, u, v), (dt, v, u)):
        part = 2 * own * dice[full] if squared else dice[full]
        assert_close(got, (part - 2 * others) / size[full], limit=4e-6)


def test_dice_of_labels_is_that_of_their_masks(isa: str) -> None:
    x = tw.rand(3, 5, 7, 6).softmax(1).detach().requires_grad_()
    labels = tw.from_numpy(np.random.default_rng(0).integers(0, 5, (3, 7, 6)))
    masks = F.one_hot(labels, 5).permute(0, 3, 1, 2).to(tw.float32)
    a, b = F.dice_loss(x, labels), F.dice_loss(x, masks)
    assert tw.equal(a, b)
    assert tw.equal(tw.autograd.grad(a, x)[0], tw.autograd.grad(b, x)[0])
    assert F.dice_loss(tw.zeros(1, 2, 4), tw.zeros(1, 2, 4)).item() == 0
    with pytest.raises(IndexError, match="dice_loss: target 5 is outside"):
        F.dice_loss(x, labels + 1)


def test_dice_gradcheck() -> None:
    x = (tw.rand(2, 3, 4, dtype=tw.float64) + 0.1).requires_grad_()
    t = tw.rand(2, 3, 4, dtype=tw.float64).requires_grad_()
    for squared in (True, False):
        assert gradcheck(lambda x, t, s=squared: F.dice_loss(x, t, 1e-3, s), (x, t))


# ---------------------------------------------------------------- all of them


def large_calls() -> dict[str, Callable[[], list[tw.Tensor]]]:
    """Losses over enough elements for several pieces of work, with their gradients."""
    rng = np.random.default_rng(0)
    x = tw.from_numpy(rng.normal(size=(10, 21, 50, 13)).astype(np.float32)).requires_grad_()
    t = tw.from_numpy(rng.uniform(0, 1, (10, 21, 50, 13)).astype(np.float32))
    labels = tw.from_numpy(rng.integers(0, 21, (10, 50, 13)))
    w = tw.from_numpy(rng.uniform(0.5, 2, 21).astype(np.float32))
    rows, row_labels = x.reshape(-1, 650).detach().requires_grad_(), tw.arange(210)

    def with_gradient(loss: Callable[[tw.Tensor], tw.Tensor], x: tw.Tensor) -> Any:
        def run() -> list[Any]:
            y = loss(x)
            return [y, *tw.autograd.grad(y.sum(), x)]

        return run

    return {
        "mse": with_gradient(lambda x: F.mse_loss(x, t), x),
        "bce": with_gradient(
            lambda x: F.binary_cross_entropy_with_logits(x, t, pos_weight=w.reshape(21, 1, 1)), x
        ),
        "cross_entropy": with_gradient(lambda x: F.cross_entropy(x, labels, w), x),
        "soft": with_gradient(lambda x: F.cross_entropy(x, t, w), x),
        "nll": with_gradient(lambda x: F.nll_loss(x, labels, w), x),
        "focal": with_gradient(lambda x: F.softmax_focal_loss(x, labels), x),
        "dice": with_gradient(lambda x: F.dice_loss(x, labels), x),
        "margin": with_gradient(lambda x: F.multi_margin_loss(x, row_labels), rows),
        "distance": with_gradient(lambda x: F.pairwise_distance(x, x.detach() * 0.5), rows),
        "cosine": with_gradient(lambda x: F.cosine_similarity(x, x.detach() + 1), rows),
    }


@pytest.mark.parametrize("name", large_calls())
def test_the_same_bits_at_any_number_of_threads(name: str) -> None:
    call = large_calls()[name]
    results = []
    for threads in (1, 2, 3):
        tw.set_num_threads(threads)
        results.append([r.detach().numpy().tobytes() for r in call()])
    assert all(r == results[0] for r in results)


@requires_torch
@pytest.mark.parametrize("name", ROWS)
def test_special_values_like_torch(isa: str, name: str) -> None:
    """NaN and infinities in the input come out as they do in PyTorch, and nothing overflows."""
    torch = pytest.importorskip("torch")
    values = np.float32([math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0, 90.0, -90.0])
    calls: dict[str, Callable[..., Any]] = {
        "mse_loss": lambda lib, x, t: lib.mse_loss(x, t, reduction="none"),
        "l1_loss": lambda lib, x, t: lib.l1_loss(x, t, reduction="none"),
        "huber_loss": lambda lib, x, t: lib.huber_loss(x, t, reduction="none"),
        "smooth_l1_loss": lambda lib, x, t: lib.smooth_l1_loss(x, t, reduction="none"),
        "binary_cross_entropy_with_logits": lambda lib, x, t: lib.binary_cross_entropy_with_logits(
            x, t, reduction="none"
        ),
        "hinge_embedding_loss": lambda lib, x, t: lib.hinge_embedding_loss(x, t, reduction="none"),
        "poisson_nll_loss_log": lambda lib, x, t: lib.poisson_nll_loss(x, t, reduction="none"),
    }
    if name not in calls:
        return
    for target in (1.0, 0.0, -1.0):
        t = np.full(8, target, np.float32)
        want = calls[name](torch.nn.functional, torch.tensor(values), torch.tensor(t)).numpy()
        got = calls[name](F, tw.from_numpy(values), tw.from_numpy(t)).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_inputs_outside_the_domain() -> None:
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="binary_cross_entropy: expected every element"):
            F.binary_cross_entropy(tw.tensor([0.5, bad]), tw.tensor([1.0, 0.0]))
        with pytest.raises(ValueError, match="binary_cross_entropy"):
            F.binary_cross_entropy(tw.tensor([0.5, bad]), tw.zeros(2), reduction="none")
    assert math.isnan(F.binary_cross_entropy(tw.tensor([0.5]), tw.tensor([math.nan])).item())
    with pytest.raises(ValueError, match="gaussian_nll_loss: expected no negative"):
        F.gaussian_nll_loss(tw.zeros(3), tw.zeros(3), tw.tensor([1.0, -1.0, 1.0]))
    with pytest.raises(ValueError, match="gaussian_nll_loss"):
        F.gaussian_nll_loss(tw.zeros(3), tw.zeros(3), -1.0)
    assert F.binary_cross_entropy(tw.tensor([0.0]), tw.tensor([1.0])).item() == 100


BAD: list[tuple[Callable[[], object], type[Exception]]] = [
    (lambda: F.mse_loss(tw.ones(3), tw.ones(4)), ValueError),
    (lambda: F.mse_loss(tw.ones(3), tw.ones(3), reduction="avg"), ValueError),
    (lambda: F.mse_loss(tw.ones(3), tw.ones(3), "sum"), TypeError),
    (lambda: F.mse_loss(tw.ones(3, dtype=tw.int64), tw.ones(3)), TypeError),
    (lambda: F.mse_loss(tw.ones(3), tw.ones(3), weight=tw.ones(1)), ValueError),
    (lambda: F.l1_loss(tw.ones(3), None), TypeError),
    (lambda: F.smooth_l1_loss(tw.ones(3), tw.ones(3), beta=-1.0), ValueError),
    (lambda: F.huber_loss(tw.ones(3), tw.ones(3), delta=0.0), ValueError),
    (lambda: F.kl_div(tw.ones(3), tw.ones(3), log_target=1), TypeError),
    (lambda: F.binary_cross_entropy(tw.ones(3), tw.ones(3, 1)), ValueError),
    (lambda: F.binary_cross_entropy_with_logits(tw.ones(3), tw.ones(1)), ValueError),
    (lambda: F.binary_cross_entropy_with_logits(tw.ones(3), tw.ones(3), pos_weight=2.0), TypeError),
    (lambda: F.sigmoid_focal_loss(tw.ones(3), tw.ones(3), alpha=2.0), ValueError),
    (lambda: F.sigmoid_focal_loss(tw.ones(3), tw.ones(3), gamma=-1.0), ValueError),
    (lambda: F.multilabel_soft_margin_loss(tw.ones(()), tw.ones(())), ValueError),
    (lambda: F.margin_ranking_loss(tw.ones(3), tw.ones(3), tw.ones(())), ValueError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.tensor([0, 3])), IndexError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.tensor([0, -1])), IndexError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.ones(2)), TypeError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.ones(2, 3), ignore_index=1), ValueError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.tensor([0, 1]), weight=tw.ones(2)), ValueError),
    (lambda: F.cross_entropy(tw.ones(2, 3), tw.tensor([0, 1]), label_smoothing=2.0), ValueError),
    (lambda: F.cross_entropy(tw.ones(2, 0), tw.tensor([0, 1])), ValueError),
    (lambda: F.softmax_focal_loss(tw.ones(2, 3), tw.tensor([0, 1]), gamma=-1.0), ValueError),
    (lambda: F.multi_margin_loss(tw.ones(2, 3), tw.tensor([0, 3])), IndexError),
    (lambda: F.multi_margin_loss(tw.ones(2, 3), tw.tensor([0, 1]), p=3), ValueError),
    (lambda: F.multilabel_margin_loss(tw.ones(3), tw.tensor([0, 7, -1])), IndexError),
    (lambda: F.multilabel_margin_loss(tw.ones(3), tw.tensor([0, -2, -1])), IndexError),
    (lambda: F.pairwise_distance(tw.ones(2, 3), tw.ones(2, 4)), ValueError),
    (lambda: F.pairwise_distance(tw.ones(()), tw.ones(())), ValueError),
    (lambda: F.cosine_similarity(tw.ones(2, 3), tw.ones(2, 3), dim=2), ValueError),
    (lambda: F.cosine_embedding_loss(tw.ones(2, 3), tw.ones(2, 3), tw.ones(2, 1)), ValueError),
    (lambda: F.triplet_margin_loss(tw.ones(2), tw.ones(2), tw.ones(2), margin=0.0), ValueError),
    (lambda: F.triplet_margin_loss(tw.ones(2), tw.ones(1, 2), tw.ones(2)), ValueError),
    (lambda: F.dice_loss(tw.ones(2, 3, 4), tw.ones(2, 3, 5)), ValueError),
    (lambda: F.dice_loss(tw.ones(3), tw.ones(3)), ValueError),
    (lambda: nn.HuberLoss(delta=-1.0), ValueError),
    (lambda: nn.MSELoss(reduction="batchmean"), ValueError),
    (lambda: nn.BCELoss(weight=[1.0]), TypeError),
    (lambda: _core.pointwise_loss("nothing", to_core(np.ones(2)), to_core(np.ones(2))), ValueError),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error = BAD[index]
    with pytest.raises(error, match=r".+: .+"):
        call()


def test_targets_of_whole_numbers() -> None:
    """Labels as files of pictures hold them, and counts as targets."""
    x = tw.tensor(random_array((4, 5), 0), requires_grad=True)
    labels = tw.tensor([0, 3, 4, 1])
    for loss in (F.cross_entropy, F.nll_loss, F.softmax_focal_loss):
        assert loss(x, labels.to(tw.uint8)).item() == loss(x, labels).item()
        with pytest.raises(TypeError, match="dtype int64, got int32"):
            loss(x, labels.to(tw.int32))
    counts = tw.arange(20).reshape(4, 5)
    for distance in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        y = distance(x, counts)
        assert y.dtype == tw.float32
        assert y.item() == distance(x, counts.float()).item()
        with pytest.raises(TypeError, match="floating"):
            distance(counts, counts)


def test_the_old_form_of_reductions() -> None:
    x, t = tw.ones(4), tw.zeros(4)
    with pytest.warns(DeprecationWarning, match="use reduction"):
        assert F.mse_loss(x, t, False).item() == 4
    with pytest.warns(DeprecationWarning, match="use reduction"):
        assert F.mse_loss(x, t, reduce=False).shape == (4,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert nn.L1Loss(size_average=True).reduction == "mean"


def test_modules_keep_their_options() -> None:
    w = tw.tensor([1.0, 2.0])
    loss = nn.BCEWithLogitsLoss(weight=w, pos_weight=w * 2, reduction="sum")
    assert sorted(loss.state_dict()) == ["pos_weight", "weight"]
    assert repr(loss) == "BCEWithLogitsLoss()"
    x, t = tw.randn(3, 2), tw.rand(3, 2)
    want = F.binary_cross_entropy_with_logits(x, t, w, reduction="sum", pos_weight=w * 2)
    assert tw.equal(loss(x, t), want)
    assert sorted(nn.CrossEntropyLoss(weight=w).state_dict()) == ["weight"]
    scores, labels = tw.randn(3, 2, 4), tw.zeros(3, 4, dtype=tw.int64)
    assert tw.equal(nn.FocalLoss(w)(scores, labels), F.softmax_focal_loss(scores, labels, w))
    masks = scores.softmax(1)
    assert tw.equal(nn.DiceLoss()(masks, labels), F.dice_loss(masks, labels))


@requires_torch
@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    seed=st.integers(0, 99),
    reduction=st.sampled_from(["none", "mean", "sum"]),
    smoothing=st.sampled_from([0.0, 0.3]),
    weighted=st.booleans(),
    ignored=st.integers(-1, 3),
)
def test_cross_entropy_of_any_shape(
    shape: list[int], seed: int, reduction: str, smoothing: float, weighted: bool, ignored: int
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    t = np.where(rng.random((shape[0], *shape[2:])) < 0.2, ignored, labels_of(rng, tuple(shape)))
    w = rng.uniform(0.1, 2, shape[1]) if weighted else None
    if ignored >= shape[1]:
        t = np.minimum(t, shape[1] - 1)
    options = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
    ours = tw.from_numpy(x).requires_grad_()
    theirs = torch.tensor(x, requires_grad=True)
    want = torch.nn.functional.cross_entropy(
        theirs, torch.tensor(t), None if w is None else torch.tensor(w), **options
    )
    got = F.cross_entropy(
        ours, tw.from_numpy(t), None if w is None else tw.from_numpy(w), **options
    )
    assert_close(got, want, limit=1e-12)
    if np.isfinite(want.detach().numpy()).all():
        want.sum().backward()
        got.sum().backward()
        assert_close(ours.grad, theirs.grad, limit=1e-12)
