"""The ready-made networks: their sizes, shapes, and what PyTorch makes of their weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from reference_pages import zoo
from tilewise import models, nn

SMALL = [name for name in models.available() if models.info(name).input_shape == (1, 28, 28)]


@pytest.mark.parametrize("name", models.available())
def test_parameter_counts(name: str) -> None:
    """The zoo's table is true of what its builders make."""
    row = models.info(name)
    with nn.init.skip():
        model = models.create(name)
    assert models.count_parameters(model) == row.parameters
    if row.keras_parameters is None:
        with pytest.raises(ValueError, match="expected a model that Keras has"):
            models.create(name, convention="keras")
        return
    if row.keras_arguments:
        with nn.init.skip():
            model = models.create(name, convention="keras")
    assert models.count_parameters(model, "keras") == row.keras_parameters


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_and_gradients(name: str, batch: int) -> None:
    model = models.create(name, num_classes=7)
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


def test_patterns() -> None:
    assert models.available("lenet*") == ["lenet5"]
    assert models.available("*") == models.available() == sorted(models.available())
    assert models.available("nothing*") == []


def test_families_load_when_used() -> None:
    code = "import sys; from tilewise import models; models.available(); models.info('lenet5')"
    code += "; print(*(m for m in sys.modules if m.startswith('tilewise.models.')))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.rpartition(".")[2] for name in shown.stdout.split()}
    families = {models.info(name).builder.partition(":")[0] for name in models.available()}
    assert "catalog" in loaded
    assert not loaded & families


def test_every_public_name_is_there() -> None:
    for name in models.__all__:
        assert getattr(models, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Perceptron'"):
        models.Perceptron  # noqa: B018


def test_the_page_of_the_zoo() -> None:
    rows = [line for line in zoo().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in rows] == models.available()
    assert {line.count("|") for line in rows} == {8}
    resnet = next(line for line in rows if "`resnet50`" in line)
    assert "| 3×224×224 | 50 | 25,557,032 | 25,636,712 | 76.13 / 92.862 (ImageNet" in resnet


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"got 'lenet' \(close: .*lenet5"):
        models.create("lenet")
    with pytest.raises(ValueError, match="models.info: expected one of the"):
        models.info("")
    with pytest.raises(ValueError, match="expected convention as one of"):
        models.create("lenet5", convention="jax")
    with pytest.raises(TypeError, match="classes"):
        models.create("lenet5", classes=10)


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
