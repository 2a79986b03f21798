"""Layers: the lectures' facts about shapes, values and parameter counts; modes; equalities."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
from tilewise import functional as F
from tilewise import nn


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for m in modules for p in m.parameters())


@pytest.mark.parametrize(
    ("size", "kernel", "options", "out"),
    [
        (4, 3, {}, 2), (5, 3, {"padding": 1}, 5), (5, 3, {"padding": 2}, 7), (7, 3, {}, 5),
        (7, 3, {"stride": 2}, 3), (7, 3, {"padding": 1}, 7), (7, 3, {"stride": 3}, 2),
        (6, 3, {"stride": 2, "padding": 1}, 3), (7, 3, {"dilation": 2}, 3), (32, 5, {}, 28),
        (9, 5, {"padding": 2}, 9), (9, 7, {"padding": 3}, 9), (227, 11, {"stride": 4}, 55),
        (224, 11, {"stride": 4}, 54), (5, 3, {"padding": 1, "stride": 2}, 3),
        (9, 4, {"padding": "same"}, 9), (9, 3, {"padding": "same", "dilation": 3}, 9),
        (9, 3, {"padding": "valid"}, 7), (5, 2, {"stride": 100}, 1),
    ],
)  # fmt: skip
def test_sizes_of_convolutions(
    size: int, kernel: int, options: dict[str, object], out: int
) -> None:
    layer = nn.Conv2d(1, 2, kernel, **options)  # type: ignore[arg-type]
    with tw.no_grad():
        assert layer(tw.zeros(1, 1, size, size)).shape == (1, 2, out, out)


def test_sizes_of_batches() -> None:
    assert nn.Conv2d(3, 6, 5)(tw.zeros(2, 3, 32, 32)).shape == (2, 6, 28, 28)
    assert nn.Conv2d(3, 6, 5)(tw.zeros(3, 32, 32)).shape == (6, 28, 28)
    assert nn.Conv1d(2, 4, 3)(tw.zeros(5, 2, 9)).shape == (5, 4, 7)
    assert nn.Conv3d(2, 4, 3)(tw.zeros(1, 2, 5, 6, 7)).shape == (1, 4, 3, 4, 5)
    assert nn.MaxPool2d(2)(tw.zeros(64, 224, 224)).shape == (64, 112, 112)
    assert nn.MaxPool2d(3, 2)(tw.zeros(64, 224, 224)).shape == (64, 111, 111)
    assert nn.AvgPool2d((2, 2), padding=(1, 1))(tw.zeros(1, 1, 10, 10)).shape == (1, 1, 6, 6)
    assert nn.AdaptiveAvgPool2d((1, None))(tw.zeros(2, 3, 5, 7)).shape == (2, 3, 1, 7)


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (lambda: nn.Conv2d(3, 64, 3), 1_792),
        (lambda: nn.Conv2d(3, 10, 5, padding=2), 760),
        (lambda: nn.Conv2d(256, 256, 3, bias=False), 589_824),
        (lambda: nn.Conv2d(256, 256, 3), 590_080),
        (lambda: nn.Conv2d(16, 32, 3), 4_640),
        (lambda: nn.Conv2d(3, 96, 11, 4), 34_944),
        (lambda: nn.Conv2d(3, 96, 11, 4, bias=False), 34_848),
        (lambda: nn.Linear(3136, 512), 1_606_144),
        (lambda: nn.BatchNorm2d(64), 128),
    ],
)
def test_parameter_counts(layer: object, parameters: int) -> None:
    assert count(layer()) == parameters  # type: ignore[operator]


def test_bottleneck_and_separable_counts() -> None:
    def bottleneck(bias: bool) -> int:
        return count(
            nn.Conv2d(256, 64, 1, bias=bias),
            nn.Conv2d(64, 64, 3, bias=bias),
            nn.Conv2d(64, 256, 1, bias=bias),
        )

    assert bottleneck(False) == 69_632
    assert bottleneck(True) == 70_016
    separable = count(nn.Conv2d(16, 16, 3, groups=16, bias=False), nn.Conv2d(16, 32, 1))
    assert separable == 144 + 512 + 32


def test_textbook_values() -> None:
    x = tw.tensor(
        [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1.0]]
    ).reshape(1, 1, 5, 5)
    w = tw.tensor([[0, 1, 2], [2, 2, 0], [0, 1, 2.0]]).reshape(1, 1, 3, 3)
    assert F.conv2d(x, w).tolist() == [[[[12, 12, 17], [10, 17, 19], [9, 6, 14]]]]
    np.testing.assert_array_equal(
        F.avg_pool2d(x, 3, 1).numpy().round(1)[0, 0],
        np.float32([[1.7, 1.7, 1.7], [1, 1.2, 1.8], [1.1, 0.8, 1.3]]),
    )
    assert F.max_pool2d(x, 3, 1).tolist() == [[[[3, 3, 3], [3, 3, 3], [3, 2, 3]]]]
    board = tw.arange(100, dtype=tw.float64).reshape(1, 1, 10, 10)
    pooled = nn.MaxPool2d(2)(board)
    assert pooled.dtype == tw.float64
    assert pooled.tolist() == [[[[10 * r + c for c in range(1, 10, 2)] for r in range(1, 10, 2)]]]


def test_pool_gradients() -> None:
    x = tw.ones(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]] * 2]]
    x.grad = None
    F.avg_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == np.full((1, 1, 4, 4), 0.25).tolist()


def test_residual_gradient() -> None:
    x = tw.rand(3, requires_grad=True)
    w = tw.rand(3)
    (x * w + x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), w.numpy() + 1, rtol=1e-6)


def test_relu_at_zero_and_nan() -> None:
    x = tw.tensor([0.0, float("nan"), -1.0, 2.0], requires_grad=True)
    y = F.relu(x)
    np.testing.assert_array_equal(y.detach().numpy(), [0, np.nan, 0, 2])
    y.backward(tw.ones(4))
    assert x.grad is not None
    assert x.grad.tolist()[0] == 0
    assert x.grad.tolist()[2:] == [0, 1]


def test_dropout_in_both_modes() -> None:
    x = tw.ones(200, 50)
    for layer in (nn.Dropout(0.3), nn.Dropout2d(0.3)):
        images = (
            x
            if isinstance(layer, nn.Dropout) and type(layer) is nn.Dropout
            else x.reshape(20, 10, 5, 10)
        )
        y = layer(images)
        values = set(np.unique(y.numpy()).tolist())
        assert values == {0.0, float(np.float32(1 / 0.7))}
        assert abs((y == 0).float().mean().item() - 0.3) < 0.1
        assert layer.eval()(images) is images
    y = nn.Dropout2d(0.5)(tw.ones(30, 20, 3, 3)).numpy().reshape(600, 9)
    assert all(len(set(channel)) == 1 for channel in y)
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(1.0)(x).sum().item() == 0
    z = tw.ones(100)
    assert nn.Dropout(0.5, inplace=True)(z) is z
    assert 0 < (z == 0).sum().item() < 100
    tw.manual_seed(1)
    a = F.dropout(x)
    tw.manual_seed(1)
    assert tw.equal(a, F.dropout(x))


def test_batch_norm_statistics() -> None:
    layer = nn.BatchNorm2d(3, momentum=0.25)
    x = tw.rand(4, 3, 5, 5)
    y = layer(x)
    a = x.numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)).detach().numpy(), 0, atol=1e-6)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * a.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(
        layer.running_var.numpy(), 0.75 + 0.25 * a.var((0, 2, 3), ddof=1), rtol=1e-5
    )
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    frozen = layer.running_mean.clone()
    layer(x)
    assert tw.equal(layer.running_mean, frozen)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1, 1, 1]
    average = nn.BatchNorm1d(2, momentum=None)
    batches = [tw.rand(8, 2) for _ in range(3)]
    for batch in batches:
        average(batch)
    np.testing.assert_allclose(
        average.running_mean.numpy(), np.mean([b.numpy().mean(0) for b in batches], 0), rtol=1e-5
    )
    untracked = nn.BatchNorm1d(2, track_running_stats=False).eval()
    np.testing.assert_allclose(untracked(batches[0]).mean(0).detach().numpy(), 0, atol=1e-6)


def test_batch_norm_faults() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(2, 3\)"):
        nn.BatchNorm2d(3)(tw.zeros(2, 3))
    with pytest.raises(ValueError, match="3 channels"):
        nn.BatchNorm2d(3)(tw.zeros(2, 4, 5, 5))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(tw.zeros(1, 3))


def test_sequential_is_its_layers_in_turn() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same"), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 49, 10), nn.LogSoftmax(1),
    )  # fmt: skip
    x = tw.rand(4, 1, 14, 14)
    for mode in (True, False):
        net.train(mode)
        y = x
        for layer in net:
            y = layer(y)
        assert tw.equal(net(x), y)


def test_inplace_relu_trains() -> None:
    tw.manual_seed(0)
    make = [
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=i))
        for i in (False, True)
    ]
    make[1].load_state_dict(make[0].state_dict())
    x = tw.rand(2, 1, 6, 6)
    for net in make:
        (net(x) ** 2).sum().backward()
    for p, q in zip(make[0].parameters(), make[1].parameters(), strict=True):
        assert tw.equal(p.grad, q.grad)


def test_max_pool_indices() -> None:
    x = tw.arange(32.0).reshape(1, 2, 4, 4)
    y, places = F.max_pool2d(x, 2, return_indices=True)
    assert places.dtype == tw.int64
    assert places.tolist() == [[[[5, 7], [13, 15]]] * 2]
    y, places = nn.MaxPool2d(2, return_indices=True)(x[0])
    assert y.shape == places.shape == (2, 2, 2)
    y, places = F.adaptive_max_pool2d(x, 1, return_indices=True)
    assert places.tolist() == [[[[15]], [[15]]]]


def test_losses_as_modules() -> None:
    x, t = tw.randn(5, 3), tw.tensor([0, 1, 2, 1, 0])
    weight = tw.tensor([1.0, 2.0, 3.0])
    ours = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)
    assert tw.equal(ours(x, t), F.cross_entropy(x, t, weight, label_smoothing=0.1))
    assert list(ours.state_dict()) == ["weight"]
    assert tw.equal(nn.NLLLoss()(x, t), F.nll_loss(x, t))
    assert tw.equal(nn.MSELoss(reduction="sum")(x, x * 2), F.mse_loss(x, x * 2, reduction="sum"))
    assert F.cross_entropy(x, tw.full((5,), -100)).isnan().item()
    assert F.cross_entropy(tw.tensor([[1e4, 0.0]]), tw.tensor([1])).item() == 1e4


def test_one_hot() -> None:
    assert F.one_hot(tw.tensor([[0], [2]])).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    assert F.one_hot(tw.tensor([1]), 4).tolist() == [[0, 1, 0, 0]]
    for labels, classes in (([3], 3), ([-1], 3), ([], -1)):
        with pytest.raises(ValueError, match="one_hot"):
            F.one_hot(tw.tensor(labels, dtype=tw.int64), classes)
