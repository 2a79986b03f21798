"""Trained weights from elsewhere in the zoo's networks: what they see, and PyTorch's numbers.

The files are not part of the project; TILEWISE_DATA names their folder. The whole of each set takes
minutes: `python tools/check_pretrained.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tilewise as tw
from helpers import data_dir, requires_torch
from tilewise import io, models, nn
from tilewise.train.images import load_photo

CIFAR = {20: 20, 32: 19, 44: 20, 56: 20}  # depth → photos of the 20 that the network names
CIFAR_SIZES = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018}


def photos(pattern: str) -> list[Path]:
    return sorted(data_dir("photos").glob(pattern))


def load(name: str, path: Path) -> nn.Module:
    with nn.init.skip():
        model = models.create(name)
    rows = [(row.title, row.pairs) for row in models.conventions(name)]
    model.load_state_dict(io.fit_state_dict(model, io.load_weights(path), conventions=rows).state)
    return model.eval()


def logits_of(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with tw.no_grad():
        return np.array(model(tw.from_numpy(x)).numpy())


def inputs(paths: list[Path], rule: models.Preprocessing) -> np.ndarray:
    pytest.importorskip("PIL")
    return np.stack([load_photo(path, rule) for path in paths])


def cifar_weights(depth: int, suffix: str = "th") -> Path:
    (path,) = (data_dir("weights") / "resnet_cifar10").glob(f"resnet{depth}[-.]*{suffix}")
    return path


@pytest.fixture(scope="module")
def cifar_photos() -> tuple[np.ndarray, np.ndarray]:
    paths = photos("foolbox_samples/cifar10_*.png")
    labels = np.array([int(path.stem.rpartition("_")[2]) for path in paths])
    return inputs(paths, models.preprocessing("resnet20_cifar")), labels


@requires_torch
@pytest.mark.parametrize("depth", CIFAR)
def test_cifar_resnets(depth: int, cifar_photos: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = cifar_photos
    model = load(f"resnet{depth}_cifar", cifar_weights(depth))
    assert models.count_parameters(model) == CIFAR_SIZES[depth]
    logits = logits_of(model, x)
    assert (logits.argmax(axis=1) == labels).sum() == CIFAR[depth]
    want = torch_cifar(depth, cifar_weights(depth), x)
    np.testing.assert_allclose(logits, want, atol=1e-4)


def torch_cifar(depth: int, path: Path, x: np.ndarray) -> np.ndarray:
    """The same network from its state dict, in plain PyTorch."""
    import torch
    import torch.nn.functional as F

    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    state = {name.removeprefix("module."): value for name, value in state.items()}

    def norm(y: torch.Tensor, name: str) -> torch.Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(y, *(state[f"{name}.{part}"] for part in parts))

    y = torch.from_numpy(x)
    y = F.relu(norm(F.conv2d(y, state["conv1.weight"], padding=1), "bn1"))
    for stage in (1, 2, 3):
        for i in range((depth - 2) // 6):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            z = F.conv2d(y, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            z = F.relu(norm(z, f"{name}.bn1"))
            z = norm(F.conv2d(z, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if stride == 2:
                more = y.shape[1] // 2
                y = F.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, more, more))
            y = F.relu(y + z)
    result = F.linear(y.mean((2, 3)), state["linear.weight"], state["linear.bias"])
    return np.array(result.numpy())


def test_cifar_resnet_in_both_kinds_of_files(cifar_photos: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("torch")
    x, labels = cifar_photos
    model = load("resnet20_cifar", cifar_weights(20, "safetensors"))
    logits = logits_of(model, x)
    assert (logits.argmax(axis=1) == labels).all()
    np.testing.assert_array_equal(logits, logits_of(load("resnet20_cifar", cifar_weights(20)), x))


SQUEEZENETS = {"squeezenet1_0": "squeezenet1_0_dc", "squeezenet1_1": "squeezenet1_1"}


@requires_torch
@pytest.mark.parametrize("name", SQUEEZENETS)
def test_squeezenets(name: str) -> None:
    path = data_dir("weights") / "squeezenet" / f"{SQUEEZENETS[name]}.safetensors"
    paths = photos("imagenet_samples/*.JPEG")[::20]
    labels = np.array([int(path.name[:4]) for path in paths])
    x = inputs(paths, models.preprocessing(name, "caffe"))
    assert x.shape == (10, 3, 227, 227)
    logits = logits_of(load(name, path), x)
    np.testing.assert_allclose(logits, torch_squeezenet(name, path, x), atol=1e-4, rtol=1e-5)
    best = np.argsort(-logits, axis=1)
    assert (best[:, 0] == labels).sum() >= 6
    assert (best[:, :5] == labels[:, None]).any(axis=1).sum() >= 8


def torch_squeezenet(name: str, path: Path, x: np.ndarray) -> np.ndarray:
    """The authors' layers by their own names, in plain PyTorch."""
    import torch
    import torch.nn.functional as F

    state = {n: torch.from_numpy(np.array(v.numpy())) for n, v in io.load(path).items()}

    def conv(y: torch.Tensor, layer: str, **options: int) -> torch.Tensor:
        return F.relu(F.conv2d(y, state[f"{layer}.weight"], state[f"{layer}.bias"], **options))

    pools = {"squeezenet1_0": (4, 8), "squeezenet1_1": (3, 5)}[name]
    y = F.max_pool2d(conv(torch.from_numpy(x), "conv1", stride=2), 3, 2, ceil_mode=True)
    for i in range(2, 10):
        y = conv(y, f"fire{i}/squeeze1x1")
        wide = (conv(y, f"fire{i}/expand1x1"), conv(y, f"fire{i}/expand3x3", padding=1))
        y = torch.cat(wide, 1)
        y = F.max_pool2d(y, 3, 2, ceil_mode=True) if i in pools else y
    return np.array(conv(y, "conv10").mean((2, 3)).numpy())


def test_deep_compression_left_a_third() -> None:
    path = data_dir("weights") / "squeezenet" / "squeezenet1_0_dc.safetensors"
    state = io.load_weights(path)
    assert sum(value.numel() for value in state.values()) == 1_248_424
    assert sum(np.count_nonzero(value.numpy()) for value in state.values()) == 419_897
