"""The tape: order, accumulation, freeing, in-place safety, hooks, and the gradient of every op."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array
from tilewise import _core
from tilewise import functional as F
from tilewise.autograd import gradcheck

Tensor = tw.Tensor


def leaf(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Tensor:
    values = random_array(shape, seed, dtype=np.float64, low=low, high=high)
    return tw.tensor(values, requires_grad=True)


def distinct(*shape: int, seed: int = 0) -> Tensor:
    """Values at least 0.01 apart from each other and from zero: no ties, no kinks."""
    count = int(np.prod(shape))
    values = np.random.default_rng(seed).permutation(count) - count // 2 + 0.5
    return tw.tensor(values.reshape(shape) * 0.05, requires_grad=True)


# ---------------------------------------------------------------- every op by differences

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


# ---------------------------------------------------------------- the tape itself


def test_gradients_accumulate_over_backwards() -> None:
    x = tw.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 5.0, 5.0]


def test_shared_gradients_do_not_alias() -> None:
    a, b = tw.zeros(3, requires_grad=True), tw.zeros(3, requires_grad=True)
    seed = tw.ones(3)
    (a + b).backward(seed)
    assert a.grad is not None
    assert b.grad is not None
    a.grad.mul_(7)
    assert b.grad.tolist() == [1, 1, 1]
    assert seed.tolist() == [1, 1, 1]


def test_a_tensor_used_many_times() -> None:
    x = tw.tensor([2.0], requires_grad=True)
    y = x * x + x + x * 3 + x
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 2 * 2 + 1 + 3 + 1


def test_a_leaf_that_meets_a_pending_gradient() -> None:
    # The gradient of the sum goes to x twice and to the product: no addition may write to it.
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    w = tw.tensor([3.0, 4.0], requires_grad=True)
    ((x + w * 2) + x).sum().backward()
    assert x.grad is not None
    assert w.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]
    assert w.grad.tolist() == [2.0, 2.0]


def test_deep_graph() -> None:
    x = tw.ones(1, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 0.001
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1


def test_second_backward_needs_retain_graph() -> None:
    x = tw.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_non_scalar_needs_a_gradient() -> None:
    x = tw.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"scalar or a gradient.*\(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"shape \(2,\).*got \(3,\)"):
        (x * 2).backward(tw.ones(3))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        tw.ones(1).backward()
    with pytest.raises(TypeError, match="Tensor"):
        (x * 2).backward(3)  # type: ignore[arg-type]


def test_grad_mode() -> None:
    x = tw.ones(2, requires_grad=True)
    with tw.no_grad():
        assert not tw.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tw.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad

    @tw.no_grad()
    def predict(x: Tensor) -> Tensor:
        """A docstring."""
        return x * 2

    assert not predict(x).requires_grad
    assert predict.__doc__ == "A docstring."
    with tw.set_grad_enabled(False):
        assert not tw.is_grad_enabled()
    assert tw.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), tw.no_grad():
        1 / 0  # noqa: B018
    assert tw.is_grad_enabled()


def test_grad_mode_is_of_each_thread() -> None:
    seen = []
    with tw.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tw.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_and_requires_grad() -> None:
    x = tw.ones(2, requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert y.is_leaf
    assert not (y * x.detach()).requires_grad
    with pytest.raises(RuntimeError, match="leaf"):
        (x * 2).requires_grad = False
    with pytest.raises(RuntimeError, match="floating-point"):
        tw.arange(3).requires_grad_()
    with pytest.raises(TypeError, match="floating-point"):
        tw.zeros(3, dtype=tw.int64, requires_grad=True)
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_grad_function() -> None:
    x, w = tw.tensor([1.0, 2.0], requires_grad=True), tw.tensor(3.0, requires_grad=True)
    h = x * w
    gx, gh = tw.autograd.grad((h * h).sum(), [x, h])
    assert gx is not None
    assert gh is not None
    assert gx.tolist() == [18.0, 36.0]
    assert gh.tolist() == [6.0, 12.0]
    assert x.grad is None
    with pytest.raises(RuntimeError, match=r"inputs \[1\]"):
        tw.autograd.grad((x * 2).sum(), [x, w])
    assert tw.autograd.grad((x * 2).sum(), [x, w], allow_unused=True)[1] is None


def test_in_place_on_a_leaf_is_refused() -> None:
    x = tw.ones(2, requires_grad=True)
    for write in (
        lambda: x.add_(1),
        lambda: x.mul_(2),
        x.zero_,
        lambda: x.copy_(tw.zeros(2)),
        lambda: x.__setitem__(0, 3.0),
        lambda: x.clamp_(0, 1),
    ):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    with tw.no_grad():
        x.add_(1)
        x[0] = 5.0
    assert x.tolist() == [5.0, 2.0]


def test_in_place_gradients() -> None:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        y = x * 2
        y += w
        y *= w
        y -= 1
        y /= w + 3
        y.clamp_(-10, 10)
        y[0] = w[1] * 3
        y[1, :2] = 5
        y[tw.tensor([True, False, False])] = x[2]
        y.pow_(2)
        return y * x

    assert gradcheck(fn, (leaf(3, 4, seed=1), leaf(3, 4, seed=2, low=0.5)))


def test_copy_and_fill_gradients() -> None:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        y = x * 2
        z = y + 0
        y.copy_(w)
        z.fill_(3)
        return y * z * x

    assert gradcheck(fn, (leaf(3, 4, seed=1), leaf(4, seed=2)))


def test_values_written_into_a_constant() -> None:
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    board = tw.zeros(3)
    board[1:] = x * 3
    assert board.requires_grad
    board.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_saved_tensor_that_changed_is_noticed() -> None:
    x = tw.ones(3, requires_grad=True)
    w = tw.ones(3)
    y = (x * w).sum()
    w.add_(1)
    with pytest.raises(RuntimeError, match="modified in place"):
        y.backward()
    z = x.exp()
    out = z.sum()
    z.mul_(2)
    with pytest.raises(RuntimeError, match="exp needs was modified in place"):
        out.backward()
    p = tw.ones(2, 2, requires_grad=True)
    loss = (p @ p).sum()
    with tw.no_grad():
        p.mul_(2)
    with pytest.raises(RuntimeError, match="matmul"):
        loss.backward()


def test_writing_through_a_view_is_refused() -> None:
    x = tw.ones(4, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="view"):
        y[1:].add_(1)
    board = tw.zeros(4)
    with pytest.raises(RuntimeError, match="view"):
        board[1:].add_(x[1:])
    y[1:].clone().add_(1)  # a copy may be written to


def test_hooks() -> None:
    x = tw.ones(2, requires_grad=True)
    seen: list[Any] = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    y = x * 3
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert x.grad.tolist() == [30.0, 30.0]
    assert y.grad.tolist() == [10.0, 10.0]
    assert seen == [[30.0, 30.0]]
    handle.remove()
    (x * 3).sum().backward()
    assert len(seen) == 1
    with pytest.raises(RuntimeError, match="requires a gradient"):
        tw.ones(1).register_hook(lambda g: g)


def test_grad_can_be_set() -> None:
    x = tw.ones(2, requires_grad=True)
    x.grad = tw.zeros(2)
    x.grad = None
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        x.grad = tw.zeros(3)
    with pytest.raises(TypeError, match="Tensor or None"):
        x.grad = 3  # type: ignore[assignment]


def test_mixed_types_keep_the_leaf_type() -> None:
    a = tw.ones(2, requires_grad=True)
    b = tw.ones(2, dtype=tw.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.dtype == tw.float32
    assert b.grad.dtype == tw.float64
    c = tw.ones(2, requires_grad=True)
    c.double().sum().backward()
    assert c.grad is not None
    assert c.grad.dtype == tw.float32


def test_empty_batch() -> None:
    x = tw.zeros(0, 3, 8, 8, requires_grad=True)
    w = tw.ones(4, 3, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=1)
    assert y.shape == (0, 4, 8, 8)
    y.sum().backward()
    assert x.grad is not None
    assert w.grad is not None
    assert x.grad.shape == (0, 3, 8, 8)
    assert w.grad.tolist() == np.zeros((4, 3, 3, 3)).tolist()


def test_weight_used_transposed_gets_a_dense_gradient() -> None:
    w = tw.ones(3, 2, requires_grad=True)
    (tw.ones(4, 3) @ w.T.T).sum().backward()
    (w.T * tw.arange(6.0).reshape(2, 3)).sum().backward()
    assert w.grad is not None
    assert w.grad.is_contiguous()
    assert w.grad.tolist() == [[4.0, 7.0], [5.0, 8.0], [6.0, 9.0]]


def test_the_core_refuses_what_is_no_tensor_and_no_node() -> None:
    array = tw.ones(2)._array
    inputs: Any = (3,)
    with pytest.raises(TypeError, match="record: expected the inputs as tensors"):
        tw.autograd.record("cube", array, inputs, lambda dy: (dy,))
    other: Any = 5
    with pytest.raises(TypeError, match="expected a Node"):
        _core.overwritten(other)
    unmade = _core.Array.__new__(_core.Array)
    with pytest.raises(TypeError):
        _core.relu(unmade)
    with pytest.raises(TypeError, match="never made"):
        assert unmade.shape
    node = (leaf(2) * 2).grad_fn
    assert node is not None
    with pytest.raises(AttributeError):
        node.order = 0
    node.saved = (array,) * 9  # more than there are versions of
    assert _core.overwritten(node) is None


def test_a_fresh_thread_records() -> None:
    found: list[bool] = []
    with tw.no_grad():
        thread = threading.Thread(target=lambda: found.append(tw.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not tw.is_grad_enabled()
    assert found == [True]
    with pytest.raises(TypeError, match="as a bool"):
        tw.autograd.grad_mode.enabled = 1  # type: ignore[assignment]


def test_chains_of_any_length_are_freed() -> None:
    x = leaf(2)
    y = x
    for _ in range(100_000):
        y = y + 1
    del y
    x = tw.ones(2)
    assert x.grad_fn is None
