"""The tape: order, accumulation, freeing, in-place safety, hooks, threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import leaf
from tilewise import _core
from tilewise import functional as F
from tilewise.autograd import gradcheck

Tensor = tw.Tensor


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


def test_gradients_have_memory_of_their_own() -> None:
    """Parts of one gradient, the whole of it, and what repeats: writing to one changes no other."""
    a, b = tw.zeros(2, 3, requires_grad=True), tw.zeros(2, 4, requires_grad=True)
    c, d = tw.zeros(2, 7, requires_grad=True), tw.zeros(2, 3, requires_grad=True)
    both = tw.cat([a, b], 1) + tw.cat([a * 1, b], 1)
    for y, inputs in (
        (tw.cat([a, b], 1), (a, b)),
        (both + c, (a, b, c)),
        (tw.cat([a, b], 1) + tw.cat([d, b], 1), (a, d)),
        (tw.cat([a.sum(1), b.sum(1)]), (a, b)),
    ):
        given = tw.ones(*y.shape)
        gradients = tw.autograd.grad(y, inputs, given)
        before = [g.tolist() for g in gradients if g is not None]
        for i, gradient in enumerate(gradients):
            assert gradient is not None
            gradient.zero_()
            rest = [g.tolist() for g in gradients[i + 1 :] if g is not None]
            assert rest == before[i + 1 :], (y.shape, i)
        assert given.tolist() == tw.ones(*y.shape).tolist()


def test_gradients_of_channels_last_slices_stay_channels_last() -> None:
    x = tw.autograd.wrap(tw.zeros(2, 6, 5, 7)._array.channels_last()).requires_grad_()
    y = x[:, ::2]
    dy = y.detach().clone()
    assert dy._array.is_channels_last()
    (dx,) = tw.autograd.grad(y, x, dy)
    assert dx is not None
    assert dx._array.is_channels_last()


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
        _core.propagate([(other, array)], False, (), other)
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
    leaves, _ = _core.propagate([(node, array)], True, (), None)
    assert len(leaves) == 1
    node.edges = other
    with pytest.raises(TypeError, match="with its fields"):
        _core.propagate([(node, array)], True, (), None)
    node.edges = (None, None)
    with pytest.raises(ValueError, match="expected 2 gradients of mul, got 1"):
        _core.propagate([(node, array)], True, (), None)


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
