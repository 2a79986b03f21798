"""The gradient of every op, by differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import leaf, random_array
from tilewise import functional as F
from tilewise.autograd import gradcheck

Tensor = tw.Tensor


def distinct(*shape: int, seed: int = 0) -> Tensor:
    """Values at least 0.01 apart from each other and from zero: no ties, no kinks."""
    count = int(np.prod(shape))
    values = np.random.default_rng(seed).permutation(count) - count // 2 + 0.5
    return tw.tensor(values.reshape(shape) * 0.05, requires_grad=True)


UNARY: list[tuple[str, float, float]] = [
    ("neg", -1, 1), ("abs", 0.1, 1), ("exp", -1, 1), ("log", 0.2, 2), ("log1p", -0.5, 1),
    ("sqrt", 0.2, 2), ("rsqrt", 0.2, 2), ("reciprocal", 0.3, 2), ("square", -1, 1), ("sin", -2, 2),
    ("cos", -2, 2), ("tanh", -2, 2), ("sigmoid", -2, 2), ("relu", 0.1, 1), ("relu", -1, -0.1),
    ("sign", 0.1, 1), ("floor", 0.1, 0.9), ("ceil", 0.1, 0.9), ("round", 0.6, 0.9),
]  # fmt: skip


@pytest.mark.parametrize(("name", "low", "high"), UNARY)
def test_gradient_of_unary(name: str, low: float, high: float) -> None:
    assert gradcheck(getattr(tw, name), leaf(2, 3, low=low, high=high))


BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": tw.add,
    "add with alpha": lambda a, b: tw.add(a, b, alpha=2.5),
    "sub": tw.sub,
    "sub with alpha": lambda a, b: tw.sub(a, b, alpha=2.5),
    "mul": tw.mul,
    "div": tw.div,
    "pow": tw.pow,
    "maximum": tw.maximum,
    "minimum": tw.minimum,
    "lerp": lambda a, b: tw.lerp(a, b, 0.3),
    "where": lambda a, b: tw.where(tw.tensor([[True], [False]]), a, b),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3))]
)
def test_gradient_of_binary(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a = leaf(*shapes[0], seed=1, low=0.2, high=1.0)
    b = leaf(*shapes[1], seed=2, low=1.1, high=2.0)
    assert gradcheck(BINARY[name], (a, b))
    assert gradcheck(lambda a: BINARY[name](a, b.detach()), a)
    assert gradcheck(lambda b: BINARY[name](a.detach(), b), b)


def test_gradient_with_numbers() -> None:
    x = leaf(2, 3, low=0.3, high=1.5)
    for fn in (
        lambda x: x + 2,
        lambda x: 2 - x,
        lambda x: 3.5 * x,
        lambda x: 2 / x,
        lambda x: x / 4,
        lambda x: x**3,
        lambda x: x**0,
        lambda x: 2.0**x,
        lambda x: tw.where(tw.tensor([True, False, True]), x, 1.0),
        lambda x: tw.where(tw.tensor([True, False, True]), 0, x),
        lambda x: x % 0.4,
    ):
        assert gradcheck(fn, x)


SHAPES: dict[str, Callable[[Tensor], Any]] = {
    "reshape": lambda x: x.reshape(6, 4),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 2),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(0, 2),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "expand": lambda x: x.unsqueeze(0).expand(2, -1, -1, -1),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "split": lambda x: x.split([1, 2], 1),
    "chunk": lambda x: x.chunk(2, 2),
    "unbind": lambda x: x.unbind(1),
    "cat": lambda x: tw.cat([x, 2 * x, x], 1),
    "stack": lambda x: tw.stack([x, x * x], 1),
    "flip": lambda x: x.flip(0, 2),
    "repeat": lambda x: x.repeat(2, 1, 2),
    "clone": lambda x: x.clone(),
    "contiguous": lambda x: x.permute(2, 1, 0).contiguous(),
    "int": lambda x: x[1],
    "slice": lambda x: x[:, 1:, ::2],
    "ellipsis and none": lambda x: x[..., None, 1],
    "list": lambda x: x[:, [0, 2, 2]],
    "arrays": lambda x: x[tw.tensor([0, 1, 1]), :, tw.tensor([3, 0, 0])],
    "mask": lambda x: x[tw.tensor([[True, False, True], [False, False, True]])],
    "index_select": lambda x: x.index_select(2, tw.tensor([1, 1, 3])),
    "gather": lambda x: x.gather(1, tw.tensor([[[0, 1, 2, 0]], [[2, 2, 1, 0]]])),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=3.0),
    "pad that cuts": lambda x: F.pad(x, (-1, 2, 1, -1)),
    "to": lambda x: x.to(tw.float64) * 2,
}


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_of_shape(name: str) -> None:
    assert gradcheck(SHAPES[name], leaf(2, 3, 4))


REDUCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "sum": lambda x: x.sum(),
    "sum of one": lambda x: x.sum(1),
    "sum kept": lambda x: x.sum((0, 2), keepdim=True),
    "mean": lambda x: x.mean(),
    "mean of two": lambda x: x.mean((0, -1)),
    "prod": lambda x: x.prod(),
    "prod of one": lambda x: x.prod(1, keepdim=True),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "max of one": lambda x: x.max(1).values,
    "min kept": lambda x: x.min(2, keepdim=True).values,
    "amax": lambda x: x.amax((0, 1)),
    "amin": lambda x: x.amin(2),
    "var": lambda x: x.var(),
    "var of one": lambda x: x.var(1, correction=0),
    "std": lambda x: x.std(2, keepdim=True),
    "norm": lambda x: x.norm(dim=1),
    "norm 3": lambda x: x.norm(3),
    "norm inf": lambda x: x.norm(float("inf")),
    "logsumexp": lambda x: x.logsumexp(1),
    "logsumexp kept": lambda x: x.logsumexp((0, 2), keepdim=True),
    "topk": lambda x: x.topk(2, dim=2).values,
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "clamp": lambda x: x.clamp(-0.31, 0.42),
    "clamp min": lambda x: x.clamp(min=-0.31),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_gradient_of_reduction(name: str) -> None:
    assert gradcheck(REDUCTIONS[name], distinct(2, 3, 4))


def test_gradient_of_prod_with_zeros() -> None:
    x = tw.tensor([[1.0, 0.0, 3.0], [0.0, 0.0, 2.0], [1.0, 2.0, 3.0]], dtype=tw.float64)
    assert gradcheck(lambda x: x.prod(1), x.requires_grad_())


MATMULS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
    ((1, 5, 2, 3), (4, 1, 3, 2)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", MATMULS)
def test_gradient_of_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert gradcheck(tw.matmul, (leaf(*shapes[0], seed=1), leaf(*shapes[1], seed=2)))


def test_gradient_of_linear() -> None:
    x, w, b = leaf(2, 2, 3), leaf(4, 3, seed=1), leaf(4, seed=2)
    assert gradcheck(F.linear, (x, w, b))
    assert gradcheck(lambda b: F.linear(x.detach(), w.detach(), b), b)
    assert gradcheck(F.linear, (leaf(3), w, b))


CONVS: list[tuple[int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    (1, (2, 2, 7), (3, 2, 3), {"stride": 2, "padding": 1}),
    (1, (2, 7), (3, 2, 2), {"padding": "same"}),
    (2, (2, 2, 5, 4), (3, 2, 3, 2), {"padding": (1, 0)}),
    (2, (1, 4, 5, 5), (4, 2, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}),
    (2, (1, 3, 5, 5), (3, 1, 3, 3), {"groups": 3, "stride": (2, 1)}),
    (2, (1, 2, 4, 4), (2, 2, 3, 3), {"padding": "same"}),
    (2, (1, 2, 4, 4), (2, 2, 1, 1), {}),
    (3, (1, 2, 3, 4, 3), (2, 2, 2, 3, 1), {"padding": 1, "stride": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("dims", "x_shape", "w_shape", "options"), CONVS)
def test_gradient_of_conv(
    dims: int, x_shape: tuple[int, ...], w_shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    conv = getattr(F, f"conv{dims}d")
    x, w, b = leaf(*x_shape), leaf(*w_shape, seed=1), leaf(w_shape[0], seed=2)
    assert gradcheck(lambda x, w, b: conv(x, w, b, **options), (x, w, b))
    assert gradcheck(lambda b: conv(x.detach(), w.detach(), b, **options), b)
    assert gradcheck(lambda x: conv(x, w.detach(), **options), x)


POOLS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
    "max 1d": ((2, 2, 7), lambda x: F.max_pool1d(x, 3, 2, 1)),
    "max 2d": ((2, 2, 5, 4), lambda x: F.max_pool2d(x, 2)),
    "max 2d overlapping": ((1, 2, 5, 6), lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
    "max 2d dilated": ((1, 2, 6, 6), lambda x: F.max_pool2d(x, 2, 1, dilation=2)),
    "max 2d unbatched": ((2, 4, 4), lambda x: F.max_pool2d(x, 2)),
    "max 3d": ((1, 2, 4, 3, 4), lambda x: F.max_pool3d(x, 2, 1)),
    "avg 1d": ((2, 2, 7), lambda x: F.avg_pool1d(x, 3, 2, 1)),
    "avg 2d": ((2, 2, 5, 4), lambda x: F.avg_pool2d(x, (2, 3), padding=1)),
    "avg 2d without pad": (
        (1, 2, 5, 5),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    "avg 2d divisor": ((1, 2, 4, 4), lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
    "avg 3d": ((1, 2, 4, 3, 4), lambda x: F.avg_pool3d(x, 2, 1)),
    "adaptive avg 1d": ((2, 2, 7), lambda x: F.adaptive_avg_pool1d(x, 3)),
    "adaptive avg 2d": ((2, 2, 5, 7), lambda x: F.adaptive_avg_pool2d(x, (2, None))),
    "adaptive avg 3d": ((1, 2, 3, 4, 5), lambda x: F.adaptive_avg_pool3d(x, 2)),
    "adaptive max 2d": ((1, 2, 5, 7), lambda x: F.adaptive_max_pool2d(x, (2, 3))),
}


@pytest.mark.parametrize("name", POOLS)
def test_gradient_of_pool(name: str) -> None:
    shape, pool = POOLS[name]
    assert gradcheck(pool, distinct(*shape))


@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 4), (2, 3, 2, 3)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_gradient_of_batch_norm(shape: tuple[int, ...], training: bool, affine: bool) -> None:
    x, c = leaf(*shape), shape[1]
    w, b = leaf(c, seed=1, low=0.5, high=2.0), leaf(c, seed=2)

    def fn(x: Tensor, w: Tensor | None = None, b: Tensor | None = None) -> Tensor:
        mean = tw.tensor(random_array((c,), 3, dtype=np.float64))
        var = tw.tensor(random_array((c,), 4, dtype=np.float64, low=0.5, high=2.0))
        return F.batch_norm(x, mean, var, w, b, training=training)

    assert gradcheck(fn, (x, w, b) if affine else (x,))


@pytest.mark.parametrize("op", [F.dropout, F.dropout2d])
def test_gradient_of_dropout(op: Any) -> None:
    def fn(x: Tensor) -> Tensor:
        tw.manual_seed(3)
        return op(x, 0.4)

    assert gradcheck(fn, leaf(2, 3, 2, 2))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradient_of_losses(reduction: str) -> None:
    x, t = leaf(4, 3), tw.tensor([0, 2, 1, 2])
    w = tw.tensor([0.2, 1.0, 0.5], dtype=tw.float64)
    ignoring = tw.tensor([0, -100, 1, 2])
    for fn in (
        lambda x: F.cross_entropy(x, t, reduction=reduction),
        lambda x: F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=0.2),
        lambda x: F.cross_entropy(x, ignoring, w, reduction=reduction),
        lambda x: F.cross_entropy(
            x, tw.full((4, 3), 1 / 3, dtype=tw.float64), w, reduction=reduction
        ),
        lambda x: F.nll_loss(x.log_softmax(1), ignoring, w, reduction=reduction),
        lambda x: F.mse_loss(x, tw.zeros(4, 3, dtype=tw.float64), reduction=reduction),
    ):
        assert gradcheck(fn, x)
    assert gradcheck(lambda a, b: F.mse_loss(a, b, reduction=reduction), (x, leaf(4, 3, seed=5)))
    images, labels = leaf(2, 3, 2, 2), tw.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])
    assert gradcheck(lambda x: F.cross_entropy(x, labels, reduction=reduction), images)
    assert gradcheck(lambda x: F.cross_entropy(x, tw.tensor(1), reduction=reduction), leaf(3))


def test_gradcheck_notices_a_wrong_gradient() -> None:
    from tilewise.autograd import GradcheckError, record, wrap

    def wrong(x: Tensor) -> Tensor:
        if not x.requires_grad:
            return wrap((x * x)._array)
        return record("wrong", (x * x)._array, (x,), lambda dy: (dy,))

    def honest(x: Tensor) -> Tensor:
        return x * x

    x = leaf(3)
    assert gradcheck(honest, x)
    with pytest.raises(GradcheckError, match="by differences"):
        gradcheck(wrong, x)
    assert not gradcheck(wrong, x, raise_exception=False)
    with pytest.raises(TypeError, match="float64"):
        gradcheck(honest, tw.ones(2, requires_grad=True))
