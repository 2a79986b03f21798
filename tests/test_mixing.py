"""MixUp and CutMix: pixels and labels agree, amounts follow their distribution, epochs repeat."""

from __future__ import annotations

import numpy as np
import pytest

from tilewise.data import DataLoader, TensorDataset
from tilewise.data import transforms as T
from tilewise.data.draws import Draws
from tilewise.data.transforms.mixing import beta


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 12, 10, 3), dtype=np.uint8)


def floats(images: np.ndarray) -> np.ndarray:
    return np.asarray(T.ToTensor().apply(images, draws(len(images))))


def draws(n: int, epoch: int = 0) -> Draws:
    return Draws(1, epoch, np.arange(n))


def test_beta_distribution() -> None:
    for alpha in (0.2, 1.0, 5.0):
        values = np.array([beta(Draws(0, 0, np.array([i])), alpha) for i in range(500)])
        assert values.min() >= 0 and values.max() <= 1
        assert abs(values.mean() - 0.5) < 0.06
        assert abs(values.var() - 1 / (4 * (2 * alpha + 1))) < 0.02


@pytest.mark.parametrize("kind", ["floats", "bytes"])
def test_mixup(kind: str) -> None:
    images = pictures(5)
    images = floats(images) if kind == "floats" else images
    labels = np.array([0, 1, 2, 1, 0])
    mixed, soft = T.MixUp(num_classes=3).apply(images, labels, draws(5))
    before = soft.numpy()
    keep = before[0, 0] - 0  # image 0 is mixed with image 4, both of class 0
    assert keep == pytest.approx(1)
    keep = float(before[1, 1])
    np.testing.assert_allclose(before[1], [1 - keep, keep, 0], atol=1e-6)
    want = keep * images.astype(np.float32) + (1 - keep) * np.roll(images, 1, 0).astype(np.float32)
    np.testing.assert_allclose(mixed.numpy(), want, atol=1e-5 if kind == "floats" else 0.51)
    np.testing.assert_allclose(before.sum(1), 1, atol=1e-6)


def test_cutmix() -> None:
    images = np.tile(np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1), (1, 3, 16, 20))
    kept = []
    for epoch in range(60):
        mixed, soft = T.CutMix(num_classes=4).apply(images, np.arange(4), draws(4, epoch))
        own = mixed.numpy() == images
        assert (own | (mixed.numpy() == np.roll(images, 1, 0))).all()
        keep = own[0].mean()
        np.testing.assert_allclose(soft.numpy().diagonal(), keep, atol=1e-6)
        rows, columns = np.flatnonzero(~own[1, 0].all(1)), np.flatnonzero(~own[1, 0].all(0))
        assert (1 - keep) * 320 == pytest.approx(len(rows) * len(columns))
        kept.append(keep)
    assert 0.4 < np.mean(kept) < 0.9 and np.std(kept) > 0.1


def test_mixing_errors() -> None:
    images = np.zeros((2, 3, 4, 4), np.float32)
    for labels, error in (
        (np.array([0, 5]), ValueError), (np.array([0.5, 1]), TypeError),
        (np.array([0]), ValueError),
        (np.array([-1, 0]), ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match="MixUp: expected"):
            T.MixUp(num_classes=3)(images, labels)
    with pytest.raises(ValueError, match="num_classes"):
        T.MixUp()(images, np.array([0, 1]))
    for alpha in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="alpha"):
            T.CutMix(alpha=alpha)
    for p in ([1.0], [-1.0, 2.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="RandomChoice"):
            T.RandomChoice([T.MixUp(), T.CutMix()], p)
    empty, soft = T.MixUp(num_classes=3)(np.zeros((0, 3, 4, 4), np.float32), np.zeros(0, np.int64))
    assert empty.shape == (0, 3, 4, 4) and soft.shape == (0, 3)


def test_mixing_in_the_loader_repeats() -> None:
    dataset = TensorDataset(floats(pictures(20)), np.arange(20) % 4)
    mix = T.RandomChoice([T.MixUp(num_classes=4), T.CutMix(num_classes=4)])

    def epoch(workers: int, number: int = 0) -> list[bytes]:
        loader = DataLoader(
            dataset, 6, shuffle=True, seed=3, num_workers=workers, batch_transform=mix
        )
        loader.set_epoch(number)
        return [x.numpy().tobytes() + y.numpy().tobytes() for x, y in loader]

    assert epoch(0) == epoch(2)
    assert epoch(0) != epoch(0, 1)
