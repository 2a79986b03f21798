"""Standardize: the lecture's input standardisation and mean image subtraction."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
from tilewise.data import TensorDataset
from tilewise.data.transforms import Compose, Standardize, ToTensor


def images(count: int = 50) -> np.ndarray:
    return np.random.default_rng(0).normal(5, 3, (count, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("per", "axes"), [("feature", (0,)), ("channel", (0, 2, 3)), ("all", (0, 1, 2, 3))]
)
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_mean_and_deviation(per: str, axes: tuple[int, ...], batch_size: int) -> None:
    x = images()
    s = Standardize(per).fit(x, batch_size)
    want = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    got = np.stack([s(image).numpy() for image in x])
    np.testing.assert_allclose(got, want, atol=2e-5)
    for source in (tw.from_numpy(x), TensorDataset(x, np.arange(50)), list(x)):
        again = Standardize(per).fit(source, batch_size)
        np.testing.assert_array_equal(again.mean, s.mean)
        np.testing.assert_array_equal(again.std, s.std)


def test_mean_image_of_bytes_and_constant_pixels() -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    x[:, 0, 0] = 7  # a pixel without deviation
    s = Standardize(scale=False).fit(x)
    np.testing.assert_allclose(s(x[3]).numpy(), x[3] - x.mean(0), atol=1e-4)
    scaled = Standardize().fit(x)(x[3]).numpy()
    assert scaled[0, 0] == 0 and np.isfinite(scaled).all()
    after = Compose([ToTensor(), Standardize("channel").fit(x[:, None] / np.float32(255))])
    assert after(x[0]).shape == (1, 6, 6)


def test_state() -> None:
    s = Standardize().fit(images())
    other = Standardize()
    assert other.state_dict() == {}
    other.load_state_dict(s.state_dict())
    np.testing.assert_array_equal(other(images()[0]).numpy(), s(images()[0]).numpy())
    assert repr(s) == "Standardize(per='feature', scale=True)"


def test_errors() -> None:
    with pytest.raises(ValueError, match="before images"):
        Standardize()(images()[0])
    with pytest.raises(ValueError, match="at least one image"):
        Standardize().fit(images(0))
    with pytest.raises(TypeError, match="source"):
        Standardize().fit(3)
    with pytest.raises(ValueError, match="per"):
        Standardize("pixel")
    with pytest.raises(TypeError, match="scale"):
        Standardize(scale=1)
    with pytest.raises(TypeError, match="floating-point"):
        Standardize("channel").fit(images().astype(np.uint8))
    with pytest.raises(ValueError, match="fit means of shape"):
        Standardize().fit(images())(np.zeros((3, 4, 6), np.float32))
    with pytest.raises(ValueError, match="one shape"):
        Standardize().fit([np.zeros((2, 2)), np.zeros((2, 3))], batch_size=1)
    with pytest.raises(ValueError, match="mean and std"):
        Standardize().load_state_dict({"mean": np.zeros(2)})
