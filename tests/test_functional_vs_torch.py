"""Every function against PyTorch: results and gradients, from the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, random_array, requires_torch
from tilewise import functional as F

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[test-torch]'")
TF = torch.nn.functional
pytestmark = requires_torch

LIMIT = 3e-6  # of the largest element: sums of at most some hundred products


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: np.ndarray,
    limit: float = LIMIT,
    dtype: Any = np.float32,
) -> None:
    """Forward and gradients, with a random gradient of the result."""
    arrays = tuple(a.astype(dtype) for a in arrays)
    mine = [tw.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    got, want = ours(*mine), theirs(*other)
    assert_close(got, want.detach(), limit=limit, what="result")
    seed = random_array(tuple(want.shape), 99, dtype=dtype)
    got.backward(tw.tensor(seed))
    want.backward(torch.tensor(seed))
    for i, (a, b) in enumerate(zip(mine, other, strict=True)):
        if b.grad is None:
            assert a.grad is None
        else:
            assert_close(a.grad, b.grad, limit=limit, what=f"gradient {i}")


CONV2D: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9, 8), (4, 3, 3, 3), {}),
    ((2, 3, 9, 8), (4, 3, 3, 3), {"padding": 1}),
    ((1, 16, 12, 12), (32, 16, 3, 3), {"padding": "same"}),
    ((2, 1, 28, 28), (32, 1, 3, 3), {"padding": "same"}),
    ((3, 4, 7, 6), (5, 4, 2, 4), {"padding": "same", "dilation": (1, 2)}),
    ((2, 3, 10, 11), (4, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 3, 10, 11), (4, 3, 5, 3), {"stride": (3, 2), "padding": (2, 0), "dilation": (1, 3)}),
    ((2, 8, 6, 6), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
    ((2, 8, 6, 6), (12, 2, 3, 3), {"groups": 4, "stride": 2}),
    ((2, 6, 5, 5), (7, 6, 1, 1), {}),
    ((2, 6, 5, 5), (7, 6, 1, 1), {"stride": 2}),
    ((1, 3, 23, 23), (6, 3, 11, 11), {"stride": 4}),
    ((3, 9, 8), (4, 3, 3, 3), {"padding": 1}),
    ((2, 3, 4, 4), (2, 3, 3, 3), {"padding": 5}),
    ((2, 3, 3, 3), (2, 3, 3, 3), {"stride": 50}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "w", "options"), CONV2D)
def test_conv2d(x: Any, w: Any, options: dict[str, Any], dtype: Any) -> None:
    arrays = random_array(x, 1), random_array(w, 2), random_array(w[:1], 3)
    limit = LIMIT if dtype is np.float32 else 1e-13
    compare(
        lambda *a: F.conv2d(*a, **options),
        lambda *a: TF.conv2d(*a, **options),
        *arrays,
        dtype=dtype,
        limit=limit,
    )
    compare(
        lambda *a: F.conv2d(*a, **options),
        lambda *a: TF.conv2d(*a, **options),
        *arrays[:2],
        dtype=dtype,
        limit=limit,
    )


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 3, 20), (4, 3, 5), {"stride": 2, "padding": 2}),
        ((2, 4, 20), (4, 1, 3), {"groups": 4, "dilation": 3, "padding": "same"}),
        ((2, 3, 6, 7, 5), (4, 3, 3, 2, 3), {"padding": 1, "stride": (1, 2, 1)}),
        ((4, 5, 6, 5), (4, 2, 3, 3, 3), {"groups": 2, "padding": "same"}),
    ],
)
def test_conv1d_and_conv3d(x: Any, w: Any, options: dict[str, Any]) -> None:
    name = f"conv{len(w) - 2}d"
    compare(
        lambda *a: getattr(F, name)(*a, **options),
        lambda *a: getattr(TF, name)(*a, **options),
        random_array(x, 1),
        random_array(w, 2),
        random_array(w[:1], 3),
    )


def test_linear() -> None:
    for x, w in (((5, 7), (3, 7)), ((2, 3, 33), (64, 33)), ((7,), (3, 7)), ((128, 100), (10, 100))):
        arrays = random_array(x, 1), random_array(w, 2), random_array(w[:1], 3)
        compare(F.linear, TF.linear, *arrays)
        compare(F.linear, TF.linear, *arrays[:2])


POOLS: list[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    ("max_pool2d", (2, 3, 9, 8), (2,), {}),
    ("max_pool2d", (2, 17, 14, 14), (2,), {}),
    ("max_pool2d", (2, 3, 9, 8), (3, 2, 1), {}),
    ("max_pool2d", (2, 3, 9, 8), ((3, 2), (2, 1)), {"ceil_mode": True, "dilation": (1, 2)}),
    ("max_pool2d", (3, 9, 8), (3,), {"padding": 1}),
    ("max_pool1d", (2, 3, 11), (3, 2), {"ceil_mode": True}),
    ("max_pool3d", (2, 2, 5, 6, 7), (2,), {}),
    ("avg_pool2d", (2, 3, 9, 8), (2,), {}),
    ("avg_pool2d", (2, 3, 9, 8), (3, 2, 1), {}),
    ("avg_pool2d", (2, 3, 9, 8), (3, 2, 1, True, False), {}),
    ("avg_pool2d", (2, 3, 9, 8), (3, 2, 1), {"ceil_mode": True, "divisor_override": 5}),
    ("avg_pool1d", (2, 3, 11), (3,), {"padding": 1}),
    ("avg_pool3d", (2, 2, 5, 6, 7), (2, 1), {}),
    ("adaptive_avg_pool1d", (2, 3, 11), (4,), {}),
    ("adaptive_avg_pool2d", (2, 3, 9, 8), (1,), {}),
    ("adaptive_avg_pool2d", (2, 3, 9, 8), ((4, 5),), {}),
    ("adaptive_avg_pool2d", (3, 9, 8), ((None, 3),), {}),
    ("adaptive_avg_pool2d", (1, 2, 3, 3), ((5, 7),), {}),
    ("adaptive_avg_pool3d", (1, 2, 5, 6, 7), (3,), {}),
    ("adaptive_max_pool1d", (2, 3, 11), (4,), {}),
    ("adaptive_max_pool2d", (2, 3, 9, 8), ((4, 5),), {}),
    ("adaptive_max_pool3d", (1, 2, 5, 6, 7), (2,), {}),
]


@pytest.mark.parametrize(("name", "shape", "arguments", "options"), POOLS)
def test_pools(name: str, shape: Any, arguments: Any, options: dict[str, Any]) -> None:
    compare(
        lambda x: getattr(F, name)(x, *arguments, **options),
        lambda x: getattr(TF, name)(x, *arguments, **options),
        random_array(shape, 1),
    )


@pytest.mark.parametrize("shape", [(2, 3, 9, 8), (3, 5, 7)])
def test_pool_indices(shape: Any) -> None:
    a = random_array(shape, 1)
    _, ours = F.max_pool2d(tw.tensor(a), 3, 2, 1, return_indices=True)
    _, theirs = TF.max_pool2d(torch.tensor(a), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_go_through(special: float) -> None:
    a = random_array((2, 3, 6, 6), 1)
    a[0, 1, 2, 3] = special
    a[1, :, 0, 0] = special
    x, t = tw.tensor(a), torch.tensor(a)
    for ours, theirs in (
        (F.relu(x), TF.relu(t)),
        (F.max_pool2d(x, 2), TF.max_pool2d(t, 2)),
        (F.avg_pool2d(x, 2), TF.avg_pool2d(t, 2)),
        (F.softmax(x, 1), TF.softmax(t, 1)),
        (F.log_softmax(x, 1), TF.log_softmax(t, 1)),
        (x.max(), t.max()),
        (x.amax(1), t.amax(1)),
        (x.clamp(-1, 1), t.clamp(-1, 1)),
        (tw.maximum(x, tw.zeros(1)), torch.maximum(t, torch.zeros(1))),
        (x.sum(1), t.sum(1)),
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x.argmax(1).numpy(), t.argmax(1).numpy())


@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 7), (4, 5, 6, 7), (2, 3, 3, 4, 5), (64, 33)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape: Any, training: bool) -> None:
    c = shape[1]
    mean, var = random_array((c,), 4), random_array((c,), 5, low=0.5, high=2)
    ours, theirs = (tw.tensor(mean), tw.tensor(var)), (torch.tensor(mean), torch.tensor(var))
    compare(
        lambda x, w, b: F.batch_norm(x, *ours, w, b, training, 0.3, 1e-3),
        lambda x, w, b: TF.batch_norm(x, *theirs, w, b, training, 0.3, 1e-3),
        random_array(shape, 1) * 3 + 2,
        random_array((c,), 2),
        random_array((c,), 3),
        limit=2e-5,
    )
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b, limit=LIMIT, what="running statistics")


def test_batch_norm_statistics_over_steps() -> None:
    ours, theirs = tw.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4)
    for step in range(20):
        x = random_array((5, 4, 3, 3), step) * (step + 1)
        ours(tw.tensor(x))
        theirs(torch.tensor(x))
    for name, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], value, limit=1e-5, what=name)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "dim"), [((5, 7), 1), ((5, 7), 0), ((2, 3, 4, 5), 1), ((100,), -1)]
)
def test_softmax(name: str, shape: Any, dim: int) -> None:
    compare(
        lambda x: getattr(F, name)(x, dim),
        lambda x: getattr(TF, name)(x, dim),
        random_array(shape, 1) * 9,
    )


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_activations(name: str) -> None:
    values = random_array((3, 50), 1) * 6
    compare(getattr(F, name), getattr(torch, name), values)


LOSSES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((8, 5), (8,), {}),
    ((8, 5), (8,), {"weight": True}),
    ((8, 5), (8,), {"weight": True, "ignore_index": 2}),
    ((8, 5), (8,), {"weight": True, "ignore_index": 2, "label_smoothing": 0.1}),
    ((8, 5), (8,), {"label_smoothing": 0.3}),
    ((128, 10), (128,), {"label_smoothing": 0.1}),
    ((2, 5, 3, 4), (2, 3, 4), {"weight": True, "ignore_index": 0}),
    ((5,), (), {}),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("shape", "labels", "options"), LOSSES)
def test_class_losses(shape: Any, labels: Any, options: dict[str, Any], reduction: str) -> None:
    target = np.random.default_rng(3).integers(0, 5, labels)
    options = {**options, "reduction": reduction}
    weights = random_array((shape[min(1, len(shape) - 1)],), 7, low=0.2, high=2)
    mine, other = dict(options), dict(options)
    if options.pop("weight", None):
        mine["weight"], other["weight"] = tw.tensor(weights), torch.tensor(weights)
    compare(
        lambda x: F.cross_entropy(x, tw.tensor(target), **mine),
        lambda x: TF.cross_entropy(x, torch.tensor(target), **other),
        random_array(shape, 1) * 5,
    )
    mine.pop("label_smoothing", None)
    other.pop("label_smoothing", None)
    compare(
        lambda x: F.nll_loss(x, tw.tensor(target), **mine),
        lambda x: TF.nll_loss(x, torch.tensor(target), **other),
        random_array(shape, 1),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_soft_cross_entropy(reduction: str, smoothing: float) -> None:
    p = random_array((6, 5), 2, low=0, high=1)
    w = random_array((5,), 3, low=0.2, high=2)
    compare(
        lambda x: F.cross_entropy(
            x, tw.tensor(p), tw.tensor(w), reduction=reduction, label_smoothing=smoothing
        ),
        lambda x: TF.cross_entropy(
            x, torch.tensor(p), torch.tensor(w), reduction=reduction, label_smoothing=smoothing
        ),
        random_array((6, 5), 1),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss(reduction: str) -> None:
    compare(
        lambda a, b: F.mse_loss(a, b, reduction=reduction),
        lambda a, b: TF.mse_loss(a, b, reduction=reduction),
        random_array((6, 5), 1),
        random_array((6, 5), 2),
    )


@pytest.mark.parametrize("pad", [(1, 2), (0, 1, 2, 3), (-1, 2), (1, -2, -1, 0), (0, 0, 0, 0, 1, 1)])
def test_pad(pad: Any) -> None:
    compare(lambda x: F.pad(x, pad), lambda x: TF.pad(x, pad), random_array((2, 3, 4, 5), 1))


TIES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "max": (lambda x: x.max(), lambda x: x.max()),
    "amax": (lambda x: x.amax(1), lambda x: x.amax(1)),
    "max of one": (lambda x: x.max(1)[0], lambda x: x.max(1)[0]),
    "maximum": (
        lambda x: tw.maximum(x, tw.ones(3)),
        lambda x: torch.maximum(x, torch.ones(3)),
    ),
    "max pool": (
        lambda x: F.max_pool1d(x.reshape(1, 2, 3), 2, 1),
        lambda x: TF.max_pool1d(x.reshape(1, 2, 3), 2, 1),
    ),
    "prod": (lambda x: x.prod(), lambda x: x.prod()),
    "abs": (lambda x: (x - 1).abs(), lambda x: (x - 1).abs()),
    "clamp": (lambda x: x.clamp(1, 2), lambda x: x.clamp(1, 2)),
    "std": (lambda x: x.std(1), lambda x: x.std(1)),
    "norm": (lambda x: x.norm(dim=1), lambda x: x.norm(dim=1)),
}


@pytest.mark.parametrize("name", TIES)
def test_gradients_at_ties(name: str) -> None:
    ours, theirs = TIES[name]
    compare(ours, theirs, np.array([[1, 2, 2], [1, 1, 0.5]]))


SCRIPTS: dict[str, Callable[[Any, Any], Any]] = {
    "indexing": lambda lib, x: (x[1:, ::2] * 2 + x[0, 1]) * x[:3, ..., -1:],
    "mixed": lambda lib, x: lib.cat([x.exp(), x.T.T / 2], 1).mean(0) - x.var(0, keepdim=True).sum(),
    "matmul": lambda lib, x: (x @ x.T).softmax(1) @ x,
    "masks": lambda lib, x: lib.where(x > 0, x.sqrt().clamp(max=0.7), x**3)[x.abs() > 0.1],
    "stacked": lambda lib, x: (
        lib.stack([x, x.flip(0)]).permute(2, 0, 1).reshape(5, -1).log_softmax(1)
    ),
    "split": lambda lib, x: (
        x.chunk(2, 1)[0] * x.split([3, 2], 1)[0].sum() + x.unsqueeze(0).expand(2, -1, -1)[1, :, :3]
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name: str) -> None:
    script = SCRIPTS[name]
    compare(
        lambda x: script(tw, x), lambda x: script(torch, x), random_array((4, 5), 1), limit=1e-5
    )


def test_a_network_trains_as_in_torch() -> None:
    def build(nn: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding="same"), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(16 * 9, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 5),
        )  # fmt: skip

    torch.manual_seed(0)
    theirs, ours = build(torch.nn).double(), build(tw.nn).double()
    ours.load_state_dict(theirs.state_dict())
    a = tw.optim.SGD(ours.parameters(), 0.05, momentum=0.9)
    b = torch.optim.SGD(theirs.parameters(), 0.05, momentum=0.9)
    for step in range(10):
        x = random_array((16, 1, 12, 12), step, dtype=np.float64)
        t = np.random.default_rng(step).integers(0, 5, 16)
        ours_loss = F.cross_entropy(ours(tw.tensor(x)), tw.tensor(t))
        theirs_loss = TF.cross_entropy(theirs(torch.tensor(x)), torch.tensor(t))
        assert_close(ours_loss, theirs_loss.detach(), limit=1e-10, what=f"loss of step {step}")
        for loss, optimizer in ((ours_loss, a), (theirs_loss, b)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], value, limit=1e-8, what=name)
