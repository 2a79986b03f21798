"""Transfer learning: frozen parts stay what they are, heads are exchanged, rates differ by part."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tilewise as tw
from tilewise import data, models, nn, optim, train


def net() -> nn.Sequential:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    return nn.Sequential(backbone, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))


def step(model: nn.Module, optimizer: optim.Optimizer) -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(tw.rand(4, 3, 8, 8) * 9), tw.tensor([0, 1, 1, 0])).backward()
    optimizer.step()


def changed(model: nn.Module, before: dict[str, np.ndarray]) -> set[str]:
    return {
        name
        for name, value in model.state_dict().items()
        if not np.array_equal(value.numpy(), before[name])
    }


def state(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: np.array(value.numpy()) for name, value in model.state_dict().items()}


def test_a_frozen_backbone_stays_the_same_in_training() -> None:
    model = net()
    nn.utils.freeze(model[0])
    before = state(model)
    optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        model.train()  # as every epoch begins
        step(model, optimizer)
    moved = changed(model, before)
    assert not any(name.startswith("0.") for name in moved)
    assert moved == {name for name in before if not name.startswith("0.")}
    assert model[0][1].training

    nn.utils.unfreeze(model)
    before = state(model)
    step(model, optim.SGD(model.parameters(), lr=0.1))
    rounding = {"0.0.bias", "0.3.bias"}  # before batch norm, which takes their gradient away
    assert changed(model, before) | rounding == set(before)


def test_frozen_batch_norm_computes_as_in_evaluation() -> None:
    model = net()[0]
    model(tw.rand(8, 3, 8, 8) * 3)  # statistics that are not those of the next batch
    x = tw.rand(4, 3, 8, 8)
    want = model.eval()(x).detach().numpy()
    model.train()
    assert not np.allclose(model(x).detach().numpy(), want)
    nn.utils.freeze_batch_norm(model)
    model.eval()
    want = model(x).detach().numpy()
    got = model.train()(x)
    np.testing.assert_array_equal(got.detach().numpy(), want)
    got.sum().backward()  # the scale still learns
    assert model[1].weight.grad is not None
    assert "frozen" in repr(model[1])
    assert copy.deepcopy(model)[1].frozen


def test_what_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="running statistics"):
        nn.utils.freeze(nn.BatchNorm2d(3, track_running_stats=False))
    for call in (nn.utils.freeze, nn.utils.unfreeze, nn.utils.freeze_batch_norm):
        with pytest.raises(TypeError, match="a Module"):
            call(3)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("squeezenet1_1", ["classifier.1"]),
        ("resnet18", ["fc"]),
        ("vgg11", ["classifier.6"]),
        ("fashion_cnn", ["classifier.5"]),
        ("googlenet", ["fc"]),
        ("inception_v3", ["AuxLogits.fc", "fc"]),
    ],
)
def test_heads(name: str, heads: list[str]) -> None:
    with nn.init.skip():
        model = models.create(name)
        before = dict(model.state_dict())
        assert models.find_heads(model) == heads
        assert models.replace_head(nn.utils.freeze(model), 3) is model
    for head in heads:
        weight = model.get_parameter(f"{head}.weight")
        assert weight.requires_grad
        assert weight.shape == (3, *before[f"{head}.weight"].shape[1:])
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {f"{head}.{part}" for head in heads for part in ("weight", "bias")}


def test_a_new_head_stands_where_the_old_one_stood() -> None:
    model = models.create("squeezenet1_1")
    before = [type(layer) for layer in model.classifier]
    models.replace_head(model, 2)
    assert [type(layer) for layer in model.classifier] == before
    assert list(model.state_dict()) == list(models.create("squeezenet1_1").state_dict())


def test_heads_that_are_none() -> None:
    with pytest.raises(ValueError, match="no linear layer or convolution"):
        models.replace_head(nn.Sequential(nn.ReLU()), 2)
    with pytest.raises(ValueError, match="num_classes >= 1"):
        models.replace_head(net(), 0)
    with pytest.raises(TypeError, match="a Module"):
        models.find_heads("resnet18")  # type: ignore[arg-type]


def test_rates_by_name() -> None:
    model = net()
    groups = optim.param_groups_by_name(model, {"0": 0.1, "0.3": 0.2}, default=0.5)
    assert [(g["name"], g["lr"], len(g["params"])) for g in groups] == [
        ("0", 0.1, 4), ("0.3", 0.2, 2), ("", 0.5, 4)
    ]  # fmt: skip
    optimizer = optim.SGD(groups, lr=9.0)
    before = state(model)
    step(model, optimizer)
    weight = model.get_parameter("0.3.weight")
    assert weight.grad is not None
    want = before["0.3.weight"] - 0.2 * weight.grad.numpy()
    np.testing.assert_allclose(weight.detach().numpy(), want, rtol=1e-5, atol=1e-7)
    nn.utils.freeze(model[0])
    assert [g["name"] for g in optim.param_groups_by_name(model, {"0": 1, "3": 2, "1": 3})] == [
        "3", "1"
    ]  # fmt: skip
    for rates, message in [
        ({"0": 0.1}, "got none for '1.weight'"),
        ({"nothing": 0.1}, "no parameters in 'nothing'"),
        ({"0": -0.1}, "rate of '0' >= 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            optim.param_groups_by_name(model, rates)
    with pytest.raises(TypeError, match="a number"):
        optim.param_groups_by_name(model, {"0": None})  # type: ignore[dict-item]


def test_rates_by_layer() -> None:
    model = net()
    groups = optim.param_groups_layer_decay(model, 1.0, 0.5)
    assert [(g["lr"], len(g["params"])) for g in groups] == [(0.25, 4), (0.5, 4), (1.0, 2)]
    nn.utils.freeze(model[0])
    groups = optim.param_groups_layer_decay(model, 1.0, 0.5)
    assert [(g["lr"], len(g["params"])) for g in groups] == [(0.5, 2), (1.0, 2)]
    for decay in (0.0, 1.5):
        with pytest.raises(ValueError, match="decay above 0"):
            optim.param_groups_layer_decay(model, 1.0, decay)


def test_features_are_those_of_evaluation() -> None:
    model = net()
    images = data.TensorDataset(
        np.random.default_rng(0).random((7, 3, 8, 8), np.float32), np.arange(7) % 2
    )
    cached = train.extract_features(model[0], images, batch_size=3)
    assert model.training
    x, y = cached.tensors
    assert x.shape == (7, 4, 4, 4)
    assert not x.requires_grad
    assert y.tolist() == [0, 1, 0, 1, 0, 1, 0]
    want = model[0].eval()(images.tensors[0]).detach().numpy()
    np.testing.assert_allclose(x.numpy(), want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="at least one sample"):
        train.extract_features(model[0], data.Subset(images, []))
