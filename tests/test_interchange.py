"""Memory shared with NumPy, PyTorch, DLPack and Pillow: writes on one side show on the other."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch
from tilewise import data
from tilewise.nn import functional as F

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

DTYPES = ["float32", "float64", "int64", "int32", "int8", "uint8", "bool"]
LAYOUTS = ["contiguous", "channels last", "transposed", "every second", "offset"]


def laid_out(layout: str, a: Any) -> Any:
    """A view of a (4, 6, 8, 10) array or tensor that is stored in some way."""
    if layout == "channels last":
        return a.swapaxes(1, 2).swapaxes(2, 3).swapaxes(1, 3)
    if layout == "transposed":
        return a.swapaxes(0, 3)
    if layout == "every second":
        return a[::2, :, 1::3]
    if layout == "offset":
        return a[1:, 2, 3:]
    return a


def numbers(dtype: str) -> np.ndarray[Any, Any]:
    """An array of two values, in turn."""
    return (np.arange(4 * 6 * 8 * 10) % 2).reshape(4, 6, 8, 10).astype(dtype)


def assert_shared(x: tw.Tensor, other: Any) -> None:
    """Both have the same elements at once: writing on either side shows on both."""
    assert tuple(x.shape) == tuple(other.shape)
    np.testing.assert_array_equal(np.asarray(x), np.asarray(other))
    corner = (-1,) * x.ndim
    for value in (1, 0):
        other[corner] = value
        assert x[corner].item() == value
    for value in (1, 0):
        x[corner] = value
        assert other[corner].item() == value
    x.fill_(1)
    assert np.asarray(other).all()


# ------------------------------------------------------------ NumPy


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_both_ways(dtype: str, layout: str) -> None:
    a = laid_out(layout, numbers(dtype))
    for make in (tw.from_numpy, tw.from_dlpack, tw.as_tensor):
        x = make(a)
        assert x.stride() == tuple(s // a.itemsize for s in a.strides)
        assert_shared(x, a)
    x = tw.from_numpy(numbers(dtype))
    x = laid_out(layout, x)
    for back in (x.numpy(), np.asarray(x), np.from_dlpack(x), np.array(x, copy=False)):
        assert back.dtype == dtype
        assert_shared(x, back)


def test_arrays_that_cannot_be_shared_are_copied() -> None:
    a = np.arange(6, dtype=np.float32)
    a.flags.writeable = False
    for make in (tw.from_numpy, tw.from_dlpack, tw.as_tensor):
        x = make(a)
        x.fill_(9)
        assert a.max() == 5
    with pytest.raises(BufferError, match="readonly"):
        tw.from_dlpack(a, copy=False)
    backwards = np.arange(6, dtype=np.float32).reshape(2, 3)[::-1, ::-1]
    for make in (tw.from_numpy, tw.from_dlpack):
        np.testing.assert_array_equal(make(backwards).numpy(), backwards)
    with pytest.raises(ValueError, match="strides >= 0"):
        tw.from_dlpack(backwards, copy=False)
    repeated = np.broadcast_to(np.float32(2), (3, 4))
    np.testing.assert_array_equal(tw.from_numpy(repeated).numpy(), repeated)


def test_copy_is_asked_for() -> None:
    a = np.zeros(3, np.float32)
    tw.from_dlpack(a, copy=True).fill_(1)
    assert not a.any()
    x = tw.zeros(3)
    np.array(x)[:] = 1
    np.from_dlpack(x, copy=True)[:] = 1
    assert not x.numpy().any()
    with pytest.raises(TypeError, match="expected copy as a bool or None"):
        tw.from_dlpack(a, copy="no")
    with pytest.raises(ValueError, match="device"):
        tw.from_dlpack(a, device="cuda")


def test_a_conversion_of_type_is_a_copy() -> None:
    a = np.zeros(3, np.float32)
    assert tw.as_tensor(a, dtype=tw.float64).dtype == tw.float64
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(tw.zeros(3), dtype=np.float64, copy=False)
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(tw.zeros(3, requires_grad=True))


# ------------------------------------------------------------ lifetime


class Memory(np.ndarray[Any, Any]):
    """An array that can be watched."""


def test_the_source_lives_as_long_as_the_view() -> None:
    a = np.full(1000, 7.0).view(Memory)
    gone = weakref.ref(a)
    x = tw.from_numpy(a)[3:9]
    del a
    gc.collect()
    assert gone() is not None
    np.testing.assert_array_equal(x.numpy(), np.full(6, 7.0))
    del x
    gc.collect()
    assert gone() is None


def test_the_tensor_lives_as_long_as_the_array() -> None:
    views = [np.from_dlpack(tw.full((1000,), 7.0)), tw.full((1000,), 7.0).numpy()[5:]]
    gc.collect()
    others = [tw.zeros(1000) for _ in range(50)]  # would take the memory over
    for view in views:
        np.testing.assert_array_equal(view, np.full(view.shape, 7.0))
    del others


def test_a_capsule_that_nobody_takes_gives_the_memory_back() -> None:
    a = np.zeros(1000).view(Memory)
    gone = weakref.ref(a)
    x = tw.from_numpy(a)
    capsules = [x.__dlpack__(), x.__dlpack__(max_version=(1, 0))]
    del a, x
    gc.collect()
    assert gone() is not None
    del capsules
    gc.collect()
    assert gone() is None


# ------------------------------------------------------------ forms kept beside weights


@pytest.mark.parametrize("way", ["numpy", "dlpack", "torch"])
def test_weights_that_others_write_to_are_seen(way: str) -> None:
    """A packed form of weights must not outlive a write from outside."""
    if way == "torch" and torch is None:
        pytest.skip("needs torch")
    draw = np.random.default_rng(0)
    x = tw.tensor(draw.standard_normal((1, 8, 12, 12)).astype(np.float32))
    w = tw.tensor(draw.standard_normal((8, 8, 3, 3)).astype(np.float32))

    def expected() -> np.ndarray[Any, Any]:
        fresh = tw.from_numpy(w.clone().numpy().copy())
        return F.conv2d(x, fresh, padding=1).numpy().copy()

    def check() -> None:
        for _ in range(2):
            got = F.conv2d(x, w, padding=1).numpy()
            np.testing.assert_allclose(got, expected(), rtol=0, atol=1e-4)

    check()
    take = {"numpy": w.numpy, "dlpack": lambda: np.from_dlpack(w)}
    outside = torch.from_dlpack(w) if way == "torch" else take[way]()
    for value in (3.0, -2.0):
        outside[2, 1] = value
        check()
    del outside
    check()
    w[0] = 1.0
    check()


def test_the_tape_sees_writes_of_its_own_views() -> None:
    x = tw.ones(3, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    tw.from_dlpack(y.detach()).mul_(3)
    y.detach().mul_(3)
    with pytest.raises(RuntimeError, match="modified"):
        z.backward()


# ------------------------------------------------------------ PyTorch


@requires_torch
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_both_ways(dtype: str, layout: str) -> None:
    t = laid_out(layout, torch.from_numpy(numbers(dtype)))
    for make in (tw.from_dlpack, tw.as_tensor):
        x = make(t)
        assert x.stride() == t.stride()
        assert_shared(x, t)
    x = laid_out(layout, tw.from_numpy(numbers(dtype)))
    for back in (torch.from_dlpack(x), torch.utils.dlpack.from_dlpack(x.__dlpack__())):
        assert back.stride() == x.stride()
        assert str(back.dtype) == f"torch.{dtype}"
        assert_shared(x, back)


@requires_torch
def test_torch_channels_last_stays_channels_last() -> None:
    t = torch.randn(2, 3, 5, 4).to(memory_format=torch.channels_last)
    x = tw.from_dlpack(t)
    assert x._array.is_channels_last()
    back = torch.from_dlpack(F.relu(x))
    assert back.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(back.numpy(), torch.relu(t).numpy())


@requires_torch
def test_torch_tensors_that_cannot_be_shared() -> None:
    with pytest.raises(BufferError, match="gradient"):
        tw.from_dlpack(torch.ones(3, requires_grad=True))
    with pytest.raises(TypeError, match="16 bits"):
        tw.from_dlpack(torch.ones(3, dtype=torch.float16))
    with pytest.raises(RuntimeError, match="detach"):
        torch.from_dlpack(tw.ones(3, requires_grad=True))
    expanded = tw.from_dlpack(torch.ones(1, 3).expand(4, 3))  # a copy: its elements share memory
    expanded[0] = 5.0
    assert expanded.sum().item() == 24


@requires_torch
def test_torch_memory_lives_on() -> None:
    t = torch.full((1000,), 7.0)
    x = tw.from_dlpack(t)
    del t
    gc.collect()
    others = [torch.zeros(1000) for _ in range(50)]
    np.testing.assert_array_equal(x.numpy(), np.full(1000, 7.0))
    y = torch.from_dlpack(tw.full((1000,), 3.0))
    gc.collect()
    np.testing.assert_array_equal(y.numpy(), np.full(1000, 3.0))
    del others


# ------------------------------------------------------------ Pillow


def picture(mode: str, size: tuple[int, int] = (5, 3)) -> Any:
    pillow = pytest.importorskip("PIL.Image")
    length = len(pillow.new(mode, size).tobytes())
    draw = np.random.default_rng(0)
    if mode == "F":
        return pillow.fromarray(draw.standard_normal(size[::-1]).astype(np.float32))
    return pillow.frombytes(mode, size, draw.integers(0, 255, length, np.uint8).tobytes())


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize(
    "mode", ["L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I", "F", "1", "I;16"]
)
def test_pixels_of_every_mode(mode: str, copy: bool) -> None:
    image = picture(mode)
    x = data.pil_to_tensor(image, copy=copy)
    pixels = np.asarray(image)
    wanted = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    assert x.numpy().dtype == (np.int32 if mode == "I;16" else pixels.dtype)
    np.testing.assert_array_equal(x.numpy(), wanted)
    x.fill_(1)
    same = np.array_equal(np.asarray(image), pixels)
    if copy or mode in {"1", "I;16"}:
        assert same
    elif hasattr(image, "__arrow_c_array__"):
        assert not same


def test_an_image_shares_its_memory() -> None:
    image = picture("RGB")
    if not hasattr(image, "__arrow_c_array__"):
        pytest.skip("Pillow hands its memory out since 11.2")
    x = data.pil_to_tensor(image)
    assert x.stride() == (1, 20, 4)
    x[1, 2, 4] = 99
    assert image.getpixel((4, 2))[1] == 99
    image.putpixel((0, 0), (1, 2, 3))
    assert x[:, 0, 0].tolist() == [1, 2, 3]
    del image
    gc.collect()
    others = [picture("RGB") for _ in range(50)]
    assert x[:, 0, 0].tolist() == [1, 2, 3]
    assert x[1, 2, 4].item() == 99
    del others


def test_images_in_several_blocks_are_copied() -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = pillow.new("L", (4097, 4200), 7)
    x = data.pil_to_tensor(image)
    assert x.shape == (1, 4200, 4097)
    assert (x.numpy() == 7).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_to_an_image_and_back(channels: int) -> None:
    pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (channels, 3, 5), np.uint8)
    for x in (tw.tensor(pixels), tw.tensor(pixels.astype(np.float32) / 255)):
        image = data.to_pil_image(x)
        assert (image.mode, image.size) == (["L", "LA", "RGB", "RGBA"][channels - 1], (5, 3))
        np.testing.assert_array_equal(data.pil_to_tensor(image).numpy(), pixels)
    array = np.moveaxis(pixels, 0, -1)
    np.testing.assert_array_equal(data.pil_to_tensor(data.to_pil_image(array)).numpy(), pixels)


@pytest.mark.parametrize("channels", [1, 4])
def test_an_image_lies_on_the_memory_of_a_tensor(channels: int) -> None:
    pytest.importorskip("PIL.Image")
    pixels = np.zeros((3, 5, channels), np.uint8)
    x = tw.from_numpy(pixels).permute(2, 0, 1)
    image = data.to_pil_image(x)
    x.fill_(200)
    assert image.getpixel((4, 2)) == (200 if channels == 1 else (200,) * 4)
    image.putpixel((0, 0), 0 if channels == 1 else (0,) * 4)  # Pillow copies first
    assert x[0, 0, 0].item() == 200
    del x, pixels
    gc.collect()
    assert data.to_pil_image(tw.full((2, 2), 7, dtype=tw.int32)).mode == "I"


def test_what_is_no_image() -> None:
    pytest.importorskip("PIL.Image")
    with pytest.raises(TypeError, match="expected pic as a Pillow image"):
        data.pil_to_tensor(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected pic as a Tensor"):
        data.to_pil_image([1, 2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got int64"):
        data.to_pil_image(tw.zeros(3, 2, 2).long())
    for shape in ((5, 2, 2), (1, 3, 2, 2), (3,), (3, 0, 2)):
        with pytest.raises(ValueError, match="one to four channels"):
            data.to_pil_image(tw.zeros(*shape))
    with pytest.raises(ValueError, match="mode of 3 channels"):
        data.to_pil_image(tw.zeros(3, 2, 2), mode="L")
