"""What a convolution does where it writes: activation, residual, statistics; gradients of these."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, random_array, to_core
from tilewise import _core, nn
from tilewise.autograd import gradcheck

F = nn.functional
ACTIVATIONS = ("none", "relu", "relu6", "leaky_relu", "silu", "hardswish")
NAMED = {"relu": F.relu, "relu6": F.relu6, "silu": F.silu, "hardswish": F.hardswish}
# Shape of the input, of the weight, further arguments.
LAYERS = {
    "winograd": ((2, 17, 9, 14), (33, 17, 3, 3), dict(padding=1)),
    "implicit": ((2, 5, 9, 14), (19, 5, 5, 5), dict(padding=2, stride=2)),
    "pointwise": ((3, 16, 7, 5), (40, 16, 1, 1), {}),
    "grouped": ((2, 12, 6, 6), (24, 4, 3, 3), dict(groups=3)),
}


def apply(name: str, x: tw.Tensor, slope: float) -> tw.Tensor:
    if name == "none":
        return x
    return F.leaky_relu(x, slope) if name == "leaky_relu" else NAMED[name](x)


def operands(
    layer: str, residual: bool, dtype: tw.DType = tw.float32
) -> tuple[list[tw.Tensor], dict[str, int]]:
    x, w, arguments = LAYERS[layer]
    shapes = [x, w, w[:1]]
    if residual:
        shapes.append(F.conv2d(tw.zeros(x), tw.zeros(w), **arguments).shape)
    draws = [np.random.default_rng(i).standard_normal(s) for i, s in enumerate(shapes)]
    return [tw.tensor(d, dtype=dtype, requires_grad=True) for d in draws], arguments


def outcome(tensors: list[tw.Tensor], y: tw.Tensor) -> list[np.ndarray]:
    for t in tensors:
        t.grad = None
    (y * tw.tensor(random_array(y.shape, 7), dtype=y.dtype)).sum().backward()
    return [y.detach().numpy().copy(), *(t.grad.numpy().copy() for t in tensors)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_fused_has_the_bits_of_separate_ops(isa: str, layer: str, activation: str) -> None:
    for residual, algorithm, slope in itertools.product(
        (False, True), ("auto", "im2col"), (0.25, -0.5) if activation == "leaky_relu" else (0.01,)
    ):
        tensors, arguments = operands(layer, residual)
        x, w, b, *rest = tensors
        options = dict(arguments, algorithm=algorithm)
        y = F.conv2d(
            x, w, b, **options, activation=activation, negative_slope=slope,
            residual=rest[0] if rest else None,
        )  # fmt: skip
        fused = outcome(tensors, y)
        plain = F.conv2d(x, w, b, **options)
        plain = plain + rest[0] if rest else plain
        separate = outcome(tensors, apply(activation, plain, slope))
        # im2col passes its outputs through plain loops in double: one rounding instead of three.
        limit = 0.0 if algorithm == "auto" else 1e-6
        for got, expected in zip(fused, separate, strict=True):
            assert_close(got, expected, limit=limit, what=f"residual {residual}, {algorithm}")
        with tw.no_grad():  # silu and hardswish in the epilogue
            again = F.conv2d(
                x, w, b, **options, activation=activation, negative_slope=slope,
                residual=rest[0] if rest else None,
            )  # fmt: skip
        assert_close(again, separate[0], limit=limit)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("residual", [False, True])
def test_gradcheck(activation: str, residual: bool) -> None:
    shapes = [(2, 2, 4, 3), (3, 2, 2, 2), (3,)] + [(2, 3, 3, 2)] * residual
    tensors = [
        tw.tensor(np.random.default_rng(i).standard_normal(s), requires_grad=True)
        for i, s in enumerate(shapes)
    ]

    def function(x: tw.Tensor, w: tw.Tensor, b: tw.Tensor, r: tw.Tensor | None = None) -> tw.Tensor:
        return F.conv2d(x, w, b, activation=activation, negative_slope=0.2, residual=r)

    assert gradcheck(function, tensors)


@pytest.mark.parametrize("wanted", list(itertools.product((False, True), repeat=4)))
def test_each_gradient_alone(wanted: tuple[bool, ...]) -> None:
    tensors, arguments = operands("winograd", True)
    for t, needs in zip(tensors, wanted, strict=True):
        t.requires_grad_(needs)
    x, w, b, r = tensors
    y = F.conv2d(x, w, b, **arguments, activation="relu", residual=r)
    assert y.requires_grad == any(wanted)
    if not any(wanted):
        return
    y.sum().backward()
    alone = [t.grad for t in tensors]
    for t in tensors:
        t.grad = None
        t.requires_grad_(True)
    F.conv2d(x, w, b, **arguments, activation="relu", residual=r).sum().backward()
    for got, t, needs in zip(alone, tensors, wanted, strict=True):
        assert (got is not None) == needs
        if needs:
            np.testing.assert_array_equal(got.numpy(), t.grad.numpy())


def test_residual_is_the_input_itself() -> None:
    """The gradient of a block's input comes over both ways and is not shared memory."""
    x = tw.randn(2, 8, 5, 5, requires_grad=True)
    w = tw.randn(8, 8, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=1, residual=x)
    dy = tw.randn(*y.shape)
    before = dy.numpy().copy()
    y.backward(dy)
    expected = tw.autograd.grad(F.conv2d(x, w, padding=1), x, dy)[0].numpy() + before
    assert_close(x.grad, expected, limit=1e-6)
    np.testing.assert_array_equal(dy.numpy(), before)


def test_unbatched_residual() -> None:
    x, w, r = tw.randn(3, 6, 6), tw.randn(4, 3, 3, 3), tw.randn(4, 4, 4)
    y = F.conv2d(x, w, activation="relu6", residual=r)
    expected = F.relu6(F.conv2d(x, w) + r)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    with pytest.raises(ValueError, match="residual of 3 dimensions"):
        F.conv2d(x, w, residual=r.unsqueeze(0))


def test_bad_arguments() -> None:
    x, w = tw.zeros(2, 3, 6, 6), tw.zeros(4, 3, 3, 3)
    with pytest.raises(ValueError, match="activation as one of"):
        F.conv2d(x, w, activation="gelu")
    with pytest.raises(TypeError, match="activation as one of"):
        F.conv2d(x, w, activation=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"residual of shape \(2, 4, 4, 4\)"):
        F.conv2d(x, w, residual=tw.zeros(2, 4, 6, 6))
    with pytest.raises(TypeError, match="residual as a Tensor"):
        F.conv2d(x, w, residual=1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="float32 and float64"):
        F.conv2d(x, w, residual=tw.zeros(2, 4, 4, 4, dtype=tw.float64))
    with pytest.raises(ValueError, match="finite slope"):
        F.conv2d(x, w, activation="leaky_relu", negative_slope=float("nan"))
    with pytest.raises(TypeError, match="negative_slope as a number"):
        F.conv2d(x, w, activation="leaky_relu", negative_slope="steep")  # type: ignore[arg-type]


def test_an_output_written_to_is_noticed() -> None:
    x, w = tw.randn(1, 3, 6, 6), tw.randn(4, 3, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, activation="relu")
    loss = y.sum()
    with tw.no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("activation", ["none", "relu", "silu"])
def test_statistics_are_those_of_the_output(isa: str, layer: str, activation: str) -> None:
    (x, w, b, r), arguments = operands(layer, True)
    stride, pad, groups = (
        arguments.get(n, d) for n, d in (("stride", 1), ("padding", 0), ("groups", 1))
    )
    y, statistics = _core.conv_fused(
        x._array, w._array,
        _core.ConvEpilogue(b._array, r._array, activation, 0.01, True),
        (stride,) * 2, (pad,) * 2, (pad,) * 2, (1, 1), groups,
    )  # fmt: skip
    mean, variance = (a.numpy() for a in statistics)
    exact = y.numpy().astype(np.float64)
    scale = float(exact.std())
    assert_close(mean, exact.mean((0, 2, 3)), limit=1e-6, scale=scale)
    assert_close(variance, exact.var((0, 2, 3)), limit=1e-5)


def test_statistics_far_from_zero(isa: str) -> None:
    """A mean of 4000 deviations: sums of squares alone would lose the variance."""
    x, w = random_array((4, 8, 12, 12), 0), random_array((16, 8, 3, 3), 1)
    b = np.full(16, 4000.0, np.float32) * random_array((16, 8, 3, 3), 1).std() * 3
    y, (mean, variance) = _core.conv_fused(
        to_core(x), to_core(w), _core.ConvEpilogue(to_core(b), statistics=True),
        (1, 1), (1, 1), (1, 1), (1, 1), 1,
    )  # fmt: skip
    exact = y.numpy().astype(np.float64)
    assert_close(mean, exact.mean((0, 2, 3)), limit=1e-7)
    assert_close(variance, exact.var((0, 2, 3)), limit=1e-4)


def test_statistics_have_the_same_bits_at_any_thread_count() -> None:
    for layer in LAYERS:
        (x, w, b), arguments = operands(layer, False)
        results = []
        for threads in (1, 2, 3, 8):
            tw.set_num_threads(threads)
            _, statistics = _core.conv_fused(
                x._array, w._array, _core.ConvEpilogue(b._array, statistics=True),
                *((arguments.get(n, d),) * 2 for n, d in (("stride", 1), ("padding", 0))),
                (arguments.get("padding", 0),) * 2, (1, 1), arguments.get("groups", 1),
            )  # fmt: skip
            results.append([a.numpy().tobytes() for a in statistics])
        assert all(r == results[0] for r in results)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_a_closed_gate_stops_infinite_gradients(isa: str, activation: str) -> None:
    x = tw.tensor([[-1.0, 2.0] * 20], requires_grad=True)
    apply(activation, x, 0.0).backward(tw.full((1, 40), float("inf")))
    np.testing.assert_array_equal(x.grad.numpy()[0], [0.0, np.inf] * 20)
    images = tw.tensor(np.array([[[[-1.0, 2.0]]]], np.float32), requires_grad=True)
    for algorithm in ("implicit_gemm", "im2col"):
        y = F.conv2d(images, tw.ones(1, 1, 1, 1), activation=activation, algorithm=algorithm)
        gate = _core.ConvGate(y.detach()._array, activation)
        dx = _core.conv_backward_data(
            tw.full(y.shape, float("inf"))._array, tw.ones(1, 1, 1, 1)._array, y.shape,
            (1, 1), (0, 0), (0, 0), (1, 1), 1, algorithm, gate,
        )  # fmt: skip
        np.testing.assert_array_equal(dx.numpy().ravel(), [0.0, np.inf])


def test_activation_keeps_nan_and_refuses_integers() -> None:
    for name in ACTIVATIONS[2:]:
        assert np.isnan(getattr(F, name)(tw.tensor([float("nan")])).item())
        with pytest.raises(TypeError, match=f"{name}: expected input of dtype"):
            getattr(F, name)(tw.tensor([1]))
        x = tw.tensor(np.random.default_rng(0).standard_normal(9), requires_grad=True)
        assert gradcheck(getattr(F, name), [x])
