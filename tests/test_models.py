"""The ready-made networks: their sizes, shapes, and what PyTorch makes of their weights."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import models

COUNTS = {
    "fashion_cnn": (1_677_674, 1_408, 1_679_082),
    "lenet5": (1_256_080, 0, 1_256_080),
    "mlp": (101_770, 0, 101_770),
}


def test_every_model_is_counted() -> None:
    assert models.available() == sorted(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str) -> None:
    count = models.count_parameters(models.create(name))
    assert (count.trainable, count.statistics, count.total) == COUNTS[name]


def test_fashion_cnn_layer_by_layer() -> None:
    """Parameters of each layer with batch norm statistics, as printed in the lecture."""
    layers = [*models.FashionCNN().features, *models.FashionCNN().classifier]
    counts = [models.count_parameters(layer).total for layer in layers]
    expected = [320, 128, 9248, 128, 18496, 256, 36928, 256, 1_606_144, 2048, 5130]
    assert [count for count in counts if count] == expected


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_and_gradients(name: str, batch: int) -> None:
    model = models.create(name, classes=7)
    model.train(batch > 1)
    logits = model(tw.rand(batch, 1, 28, 28))
    assert logits.shape == (batch, 7)
    logits.sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert np.isfinite(parameter.grad.numpy()).all()


def test_three_channels() -> None:
    assert models.FashionCNN(in_channels=3).eval()(tw.rand(2, 3, 28, 28)).shape == (2, 10)
    assert models.LeNet5(in_channels=3)(tw.rand(2, 3, 28, 28)).shape == (2, 10)
    assert models.MLP(in_features=12)(tw.rand(2, 3, 2, 2)).shape == (2, 10)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="expected one of fashion_cnn, lenet5, mlp, got 'vgg'"):
        models.create("vgg")


@requires_torch
def test_fashion_cnn_agrees_with_torch() -> None:
    import torch

    def block(i: int, o: int) -> list[torch.nn.Module]:
        return [torch.nn.Conv2d(i, o, 3, padding=1), torch.nn.ReLU(), torch.nn.BatchNorm2d(o)]

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pool = [torch.nn.MaxPool2d(2), torch.nn.Dropout(0.25)]
            self.features = torch.nn.Sequential(
                *block(1, 32), *block(32, 32), *pool, *block(32, 64), *block(64, 64), *pool
            )
            self.classifier = torch.nn.Sequential(
                torch.nn.Flatten(), torch.nn.Linear(3136, 512), torch.nn.ReLU(),
                torch.nn.BatchNorm1d(512), torch.nn.Dropout(0.5), torch.nn.Linear(512, 10),
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.features(x))

    ours, theirs = models.FashionCNN(), Net()
    state = {name: torch.from_numpy(np.array(t.numpy())) for name, t in ours.state_dict().items()}
    theirs.load_state_dict(state)
    x = np.random.default_rng(0).normal(size=(4, 1, 28, 28)).astype(np.float32)
    with torch.no_grad():
        want = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.eval()(tw.from_numpy(x)).detach().numpy(), want, atol=2e-5)
