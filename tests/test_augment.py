"""Augmentations: against Pillow, torchvision and formulas; distributions; the same bits always."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tilewise as tw
from tilewise import _core
from tilewise.data import DataLoader, TensorDataset
from tilewise.data import transforms as T
from tilewise.data.draws import Draws
from tilewise.data.transforms.geometry import beyond_border

requires_pillow = pytest.mark.skipif(
    importlib.util.find_spec("PIL") is None, reason="Pillow is not installed: pip install '.[data]'"
)


def torchvision_functional() -> Any:
    """torchvision's functions on tensors, or a skip."""
    for name in ("torch", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install '.[test-torch]'")
    # Its compiled operators do not load beside every build of PyTorch; the transforms need none.
    sys.modules.setdefault(
        "torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations")
    )
    from torchvision.transforms import functional

    return functional


def pictures(n: int = 6, shape: tuple[int, ...] = (32, 32, 3), seed: int = 0) -> np.ndarray:
    """Smooth pictures with some noise: random bytes alone would hide errors of half a pixel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = rng.uniform(0.05, 0.4, (n, *shape[2:], 2, 1, 1))
    smooth = 127 + 100 * np.sin(waves[..., 0, :, :] * y + waves[..., 1, :, :] * x)
    if len(shape) == 3:
        smooth = np.moveaxis(smooth, 1, -1)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def draws(n: int = 6, epoch: int = 0, seed: int = 1) -> Draws:
    return Draws(seed, epoch, np.arange(n))


def floats(images: np.ndarray) -> np.ndarray:
    return np.asarray(T.ToTensor().apply(images, draws(len(images))))


RANDOM = [
    T.RandomCrop(28, padding=4),
    T.RandomCrop(30, padding=(1, 2, 3, 4), padding_mode="reflect", fill=9),
    T.RandomShift(3),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomResizedCrop(24),
    T.RandomResizedCrop((20, 24), interpolation="bicubic", antialias=False),
    T.ColorJitter(0.4, 0.4, 0.4, 0.2),
    T.RandomGrayscale(0.5),
    T.RandomRotation(30),
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (-10, 10, -5, 5), interpolation="bilinear", fill=7),
    T.RandomErasing(),
    T.RandomErasing(value="random"),
    T.Cutout(8, holes=2),
]
FIXED = [
    T.Resize(20),
    T.Resize((40, 17)),
    T.CenterCrop(24),
    T.CenterCrop(40),
    T.Pad((1, 2), fill=3),
]
ALL = RANDOM + FIXED


def name_of(transform: Any) -> str:
    return repr(transform)[:40]


# ------------------------------------------------------------------ what holds for all of them


@pytest.mark.parametrize("transform", ALL, ids=name_of)
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_bits_do_not_depend_on_threads_batch_or_run(transform: Any, kind: str) -> None:
    images = pictures(9)
    if kind == "floats":
        images = floats(images)
    _core.set_num_threads(1)
    want = np.asarray(transform.apply(images, draws(9)))
    for threads in (2, 3, 8):
        _core.set_num_threads(threads)
        np.testing.assert_array_equal(transform.apply(images, draws(9)), want)
    order = np.array([4, 0, 8])
    part = transform.apply(images[order], Draws(1, 0, order))
    np.testing.assert_array_equal(part, want[order])
    each = transform.apply_each([images[i] for i in order], Draws(1, 0, order))
    np.testing.assert_array_equal(np.stack(list(each)), want[order])
    if transform in RANDOM:
        assert not np.array_equal(transform.apply(images, draws(9, epoch=1)), want)
        assert not np.array_equal(transform.apply(images, draws(9, seed=2)), want)


@given(
    images=hnp.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)),
            st.tuples(
                st.integers(0, 3), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4])
            ),
        ),
    ),
    which=st.integers(0, 11),
)
def test_any_shape(images: np.ndarray, which: int) -> None:
    """Grey, one pixel, four channels, empty batches; bytes and floats agree in shape."""
    transform = [
        T.RandomCrop(5, padding=3, pad_if_needed=True, padding_mode="symmetric"),
        T.RandomHorizontalFlip(),
        T.RandomVerticalFlip(),
        T.RandomResizedCrop((3, 5)),
        T.Resize(4),
        T.Resize((2, 11), interpolation="nearest"),
        T.CenterCrop((6, 2)),
        T.RandomRotation(45, interpolation="bilinear"),
        T.RandomErasing(1.0),
        T.Cutout(3),
        T.Pad(2, padding_mode="edge"),
        T.RandomShift(2),
    ][which]
    count = len(images)
    out = transform.apply(images, draws(count))
    assert len(out) == count and out.dtype == np.uint8 and out.ndim == images.ndim
    as_floats = transform.apply(floats(images), draws(count))
    assert as_floats.dtype == np.float32 and as_floats.shape[2:] == out.shape[1:3]
    if not count:
        return
    np.testing.assert_allclose(
        as_floats * 255, np.moveaxis(out.reshape(*out.shape[:3], -1), -1, 1), atol=0.52
    )


def test_other_types_are_refused() -> None:
    for transform in ALL:
        with pytest.raises((ValueError, TypeError), match="expected"):
            transform.apply(np.zeros((2, 8, 8), np.int32), draws(2))
        with pytest.raises((ValueError, TypeError), match="expected"):
            transform.apply(np.zeros(8, np.uint8), draws(8))
    with pytest.raises(ValueError, match="1 or 3 channels"):
        T.ColorJitter(0.5).apply(pictures(2, (8, 8, 4)), draws(2))


BAD_ARGUMENTS: list[tuple[Any, tuple[Any, ...]]] = [
    (T.RandomCrop, (0,)), (T.RandomCrop, (-1,)), (T.RandomCrop, (2**40,)), (T.RandomCrop, ("a",)),
    (T.RandomCrop, ((1, 2, 3),)), (T.RandomCrop, (4, -1)), (T.RandomCrop, (4, (1, 2, 3))),
    (T.RandomCrop, (4, 0, 1)), (T.RandomCrop, (4, 0, False, "x")),
    (T.RandomCrop, (4, 0, False, [])),
    (T.RandomCrop, (4, 0, False, 0, "mirror")), (T.RandomCrop, (True,)), (T.RandomCrop, (4.5,)),
    (T.Pad, (2**31,)), (T.RandomShift, (-1,)), (T.CenterCrop, (None,)),
    (T.RandomHorizontalFlip, (float("nan"),)), (T.RandomVerticalFlip, (-0.1,)),
    (T.Resize, (0,)), (T.Resize, (4, "cubic")), (T.Resize, ((4, 4), "bilinear", 5)),
    (T.Resize, (4, "bilinear", 3)), (T.Resize, (4, "bilinear", None, 1)),
    (T.RandomResizedCrop, (4, (1, 0.5))), (T.RandomResizedCrop, (4, (-1, 1))),
    (T.RandomResizedCrop, (4, (0.1, 1), (0, 1))), (T.RandomResizedCrop, (4, 0.5)),
    (T.RandomResizedCrop, (4, (0.1, float("inf")))), (T.RandomResizedCrop, (4, (float("nan"), 1))),
    (T.ColorJitter, (-1,)), (T.ColorJitter, ((2, 1),)), (T.ColorJitter, (0, 0, 0, 0.6)),
    (T.ColorJitter, (0, 0, 0, (-0.6, 0))), (T.ColorJitter, (float("nan"),)),
    (T.ColorJitter, ("a",)), (T.RandomGrayscale, (2,)),
    (T.RandomRotation, (-1,)), (T.RandomRotation, (float("inf"),)),
    (T.RandomRotation, (3, "cubic")),
    (T.RandomRotation, (3, "nearest", (1,))), (T.RandomAffine, (3, (2, 0))),
    (T.RandomAffine, (3, None, (0, 1))), (T.RandomAffine, (3, None, None, 90)),
    (T.RandomErasing, (2,)), (T.RandomErasing, (0.5, (0, 2))),
    (T.RandomErasing, (0.5, (0.1, 0.2), (0, 1))),
    (T.RandomErasing, (0.5, (0.1, 0.2), (1, 2), "noise")), (T.Cutout, (0,)), (T.Cutout, (3, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "arguments"), BAD_ARGUMENTS, ids=str)
def test_bad_arguments(kind: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError), match=f"{kind.__name__}: expected"):
        kind(*arguments)


def test_hostile_native_calls() -> None:
    """The core checks tables itself: nothing is read or written beyond an image."""
    x = _core.Array.from_numpy(pictures(2, (4, 4, 3)))

    def table(*rows: Any, dtype: Any = np.int64) -> _core.Array:
        return _core.Array.from_numpy(np.array(rows, dtype))

    far = 2**62
    rows = table([0, 1], [0, 1])
    flips = table(False, False, dtype=bool)
    calls = [
        lambda: _core.augment_gather(x, table([0, 4], [0, 1]), rows, [0.0]),
        lambda: _core.augment_gather(x, rows, table([0, -2], [0, 1]), [0.0]),
        lambda: _core.augment_gather(x, rows, rows, [0.0, 0.0]),
        lambda: _core.augment_gather(x, rows, rows, [256.0]),
        lambda: _core.augment_gather(x, rows, rows, [float("nan")]),
        lambda: _core.augment_gather(x, rows, table([0, 1]), [0.0]),
        lambda: _core.augment_gather(x, rows, rows, [0.0], ([0.0] * 2, [1.0])),
        lambda: _core.augment_resize(
            x, table([0, 0, 5, 4], [0, 0, 4, 4]), flips, (2, 2), "bilinear", True
        ),
        lambda: _core.augment_resize(
            x, table([far, 0, far, 4], [0, 0, 4, 4]), flips, (2, 2), "bilinear", True
        ),
        lambda: _core.augment_resize(
            x, table([0, 0, 4, 4], [0, 0, 4, 4]), flips, (far, 2), "bilinear", True
        ),
        lambda: _core.augment_resize(
            x, table([0, 0, 4, 4], [0, 0, 4, 0]), flips, (2, 2), "bilinear", True
        ),
        lambda: _core.augment_resize_each(x, table([2, 2], [0, 2]), "bilinear", True),
        lambda: _core.augment_warp(x, table([0] * 6, [np.inf] * 6, dtype=float), False, [0.0]),
        lambda: _core.augment_colour(
            x, table([1] * 4, [-1] * 4, dtype=float), table([0] * 4, [0] * 4)
        ),
        lambda: _core.augment_colour(
            x, table([1] * 4, [1] * 4, dtype=float), table([0] * 4, [4] * 4)
        ),
        lambda: _core.augment_paste(x, table(0, 2), table([0] * 4, [0] * 4)),
        lambda: _core.augment_blend(x, table(0, -1), table(0.5, 0.5, dtype=float)),
        lambda: _core.augment_blend(x, table(0, 1), table(0.5, np.nan, dtype=float)),
        lambda: _core.augment_normalize(x, [0.0] * 4, [1.0]),
        lambda: _core.augment_gather([np.zeros((2, 2, 3), np.int32)], rows, rows, [0.0]),
        lambda: _core.augment_gather([1, 2], rows, rows, [0.0]),
    ]
    for call in calls:
        with pytest.raises((ValueError, TypeError), match="augment"):
            call()
    # Boxes beyond the image are legal where the part within it counts.
    box = table([[-3, -3, 2**40, 2**63 - 1]], [[2, 2, -(2**63), 9]])
    out = _core.augment_erase(x, box, [0.0]).numpy()
    assert not out[0].any() and np.array_equal(out[1], pictures(2, (4, 4, 3))[1])


# ------------------------------------------------------------------ pixels that move


def test_padding_modes_are_numpys() -> None:
    images = pictures(2, (5, 4, 3))
    for mode in ("constant", "edge", "reflect", "symmetric"):
        padded = T.Pad((2, 3, 1, 9), fill=0, padding_mode=mode).apply(images, draws(2))
        want = np.pad(images, ((0, 0), (3, 9), (2, 1), (0, 0)), mode=mode)  # type: ignore[call-overload]
        np.testing.assert_array_equal(padded, want)
    one = np.array([[1]])
    assert beyond_border(np.array([[-2, 0, 3]]), one, "reflect").tolist() == [[0, 0, 0]]
    coloured = T.Pad(1, fill=[1, 2, 3]).apply(images, draws(2))
    assert coloured[0, 0, 0].tolist() == [1, 2, 3]


def test_center_crop_is_torchvisions() -> None:
    F = torchvision_functional()
    import torch

    for height, width, size in ((7, 10, 4), (7, 10, (5, 12)), (6, 9, (9, 9)), (8, 8, 8)):
        images = pictures(1, (height, width, 3))
        want = F.center_crop(torch.from_numpy(images).permute(0, 3, 1, 2), size)
        got = T.CenterCrop(size).apply(images, draws(1))
        np.testing.assert_array_equal(np.moveaxis(got, -1, 1), want.numpy())


def test_crop_pads_if_needed() -> None:
    small = pictures(3, (5, 20, 3))
    out = T.RandomCrop(8, pad_if_needed=True, fill=1).apply(small, draws(3))
    assert out.shape == (3, 8, 8, 3)
    with pytest.raises(ValueError, match=r"at least \(8, 8\), got \(5, 20\)"):
        T.RandomCrop(8).apply(small, draws(3))


# ------------------------------------------------------------------ resizing


@requires_pillow
@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(16, 16), (7, 50), (64, 90), (1, 1), (33, 20)])
def test_resize_is_pillows(name: str, size: tuple[int, int], isa: str) -> None:
    from PIL import Image

    kinds = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    for shape in ((40, 33, 3), (40, 33), (5, 61, 4)):
        images = pictures(2, shape)
        got = T.Resize(size, interpolation=name).apply(images, draws(2))
        for image, mine in zip(images, got, strict=True):
            bands = np.atleast_3d(image)
            want = [
                np.asarray(Image.fromarray(bands[..., c]).resize(size[::-1], kinds[name]))
                for c in range(bands.shape[2])
            ]
            difference = np.abs(np.atleast_3d(mine).astype(int) - np.stack(want, -1))
            assert difference.max() <= 1


def test_resize_is_torchvisions_on_floats() -> None:
    F = torchvision_functional()
    import torch

    images = floats(pictures(2, (40, 33, 3)))
    for size, antialias in (((16, 16), True), ((16, 16), False), (20, True), (60, True)):
        want = F.resize(torch.from_numpy(images.copy()), size, antialias=antialias).numpy()  # type: ignore[arg-type]
        got = T.Resize(size, antialias=antialias).apply(images, draws(2))  # type: ignore[arg-type]
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_resize_keeps_the_shape() -> None:
    for shape, want in (((300, 400), (256, 341)), ((400, 300), (341, 256)), ((1, 9), (256, 2304))):
        assert T.Resize(256)(np.zeros((*shape, 3), np.uint8)).shape[:2] == want
    assert T.Resize(256, max_size=300)(np.zeros((300, 400, 3), np.uint8)).shape == (225, 300, 3)
    mixed = T.Resize(20).apply_each(
        [pictures(1, (30, 40, 3))[0], pictures(1, (40, 30, 3))[0]], draws(2)
    )
    assert [image.shape for image in mixed] == [(20, 26, 3), (26, 20, 3)]
    both = T.Compose([T.Resize(20), T.CenterCrop(18), T.ToTensor()])
    assert both.apply_each(
        [pictures(1, (30, 40, 3))[0], pictures(1, (40, 30, 3))[0]], draws(2)
    ).shape == (2, 3, 18, 18)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="at most"):
        T.Resize(2**14)(np.zeros((1, 300, 3), np.uint8))


def test_random_resized_crop_is_the_resize_of_its_box() -> None:
    images = [pictures(1, (40, 60, 3), s)[0] for s in range(3)] + [pictures(1, (21, 9, 3))[0]]
    crop = T.RandomResizedCrop((16, 20), scale=(0.3, 1))
    sizes = np.array([image.shape[:2] for image in images])
    out = crop.apply_each(images, draws(4))
    for i, (top, left, height, width) in enumerate(crop.boxes(sizes, draws(4)).tolist()):
        part = np.ascontiguousarray(images[i][top : top + height, left : left + width])
        np.testing.assert_array_equal(T.Resize((16, 20)).apply(part[None], draws(1))[0], out[i])


def test_boxes_of_random_resized_crop() -> None:
    n = 20_000
    sizes = np.tile([300, 400], (n, 1))
    boxes = T.RandomResizedCrop(8).boxes(sizes, draws(n))
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 300).all() and (left + width <= 400).all()
    area = height * width / 120_000
    assert area.min() > 0.078 and area.max() <= 1
    shape = np.log(width / height)
    assert np.log(0.73) < shape.min() and shape.max() < np.log(1.37)
    # Small boxes always fit: their area is uniform there, their log ratio over all the range.
    small = area < 0.5
    assert abs(area[small].mean() - 0.29) < 0.005
    assert abs(shape[small].mean()) < 0.01 and abs(shape[small].std() - 0.5754 / 12**0.5) < 0.005
    free = height < 290
    place = top[free] / (300 - height[free])
    assert abs(place.mean() - 0.5) < 0.02 and abs(place.std() - 12**-0.5) < 0.02
    # Too narrow for any shape: the middle, as torchvision gives it.
    narrow = T.RandomResizedCrop(8).boxes(np.array([[2, 100], [100, 3]]), draws(2))
    assert narrow.tolist() == [[0, 48, 2, 3], [48, 0, 4, 3]]


# ------------------------------------------------------------------ warps


@requires_pillow
@pytest.mark.parametrize("angle", [0, 15, 45, 90, -30, 180, 270, 123.4])
def test_rotation_is_pillows(angle: float) -> None:
    from PIL import Image

    kinds = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}
    for shape in ((33, 40, 3), (24, 24)):
        images = pictures(2, shape)
        for name, kind in kinds.items():
            got = T.RandomRotation((angle, angle), name, fill=5).apply(images, draws(2))
            for image, mine in zip(images, got, strict=True):
                fill: Any = (5, 5, 5) if image.ndim == 3 else 5
                want = np.asarray(Image.fromarray(image).rotate(angle, kind, fillcolor=fill))
                difference = np.abs(mine.astype(int) - want)
                # Pixels whose source lies on the very edge may fall either way.
                assert np.mean(difference > 1) < 0.02, (angle, name)


def test_affine_is_torchvisions() -> None:
    F = torchvision_functional()
    from PIL import Image

    image = pictures(1, (33, 40, 3))[0]
    affine = T.RandomAffine((20, 20), None, (1.3, 1.3), (8, 8, -5, -5), interpolation="bilinear")
    got = affine(image).astype(int)
    kind = F.InterpolationMode.BILINEAR
    want = np.asarray(F.affine(Image.fromarray(image), 20, [0, 0], 1.3, [8, -5], kind)).astype(int)
    assert np.mean(np.abs(got - want) > 1) < 0.01
    shifted = T.RandomAffine(0, translate=(0.5, 0.0))
    offsets = shifted.matrices(1000, 10, 40, draws(1000))[:, [2, 5]]
    assert np.unique(offsets[:, 0]).tolist() == list(range(-20, 21)) and not offsets[:, 1].any()


# ------------------------------------------------------------------ colour


def test_colour_is_torchvisions_on_floats() -> None:
    F = torchvision_functional()
    import torch

    images = floats(pictures(4))
    images[0, :, :5] = 0.25  # grey: no hue
    images[1, 0] = images[1, 1]  # two channels the largest
    steps = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for i, (factor, step) in enumerate(zip((1.4, 0.6, 1.7, -0.3), steps, strict=True)):
        arguments: list[Any] = [(1.0, 1.0)] * 3 + [(0.0, 0.0)]
        arguments[i] = (factor, factor)
        got = T.ColorJitter(*arguments).apply(images, draws(4))
        want = step(torch.from_numpy(images.copy()), factor).numpy()
        np.testing.assert_allclose(got, want, atol=3e-4)
    for factor in (0.5, -0.5, 0.2, 1 / 3):
        got = T.ColorJitter(hue=(factor, factor)).apply(images, draws(4))
        want = F.adjust_hue(torch.from_numpy(images.copy()), factor).numpy()
        np.testing.assert_allclose(got, want, atol=3e-4)


def test_colour_of_bytes_and_of_all_instruction_sets(isa: str) -> None:
    """Bytes are the floats' result, rounded; hue is colorsys's."""
    import colorsys

    images = pictures(5, (7, 9, 3))
    jitter = T.ColorJitter(0.5, 0.5, 0.5, 0.5)
    got = jitter.apply(images, draws(5))
    want = np.moveaxis(jitter.apply(floats(images), draws(5)), 1, -1) * 255
    assert np.abs(got - want).max() < 0.51
    turned = T.ColorJitter(hue=(0.2, 0.2)).apply(images, draws(5))
    for pixel, mine in zip(
        images[0].reshape(-1, 3)[::7], turned[0].reshape(-1, 3)[::7], strict=True
    ):
        h, s, v = colorsys.rgb_to_hsv(*pixel / 255)
        np.testing.assert_allclose(
            mine, np.array(colorsys.hsv_to_rgb(h + 0.2, s, v)) * 255, atol=0.51
        )
    grey = T.RandomGrayscale(1.0).apply(images, draws(5))
    np.testing.assert_allclose(grey[..., 1], images @ [0.299, 0.587, 0.114], atol=0.51)
    one = pictures(3, (6, 6))
    np.testing.assert_array_equal(T.ColorJitter(0, 0, 0.9, 0.5).apply(one, draws(3)), one)


def test_factors_and_order_of_colour_jitter() -> None:
    """A constant picture shows the factor: brightness 0.6 … 1.4, uniformly."""
    n = 4000
    flat = np.full((n, 1, 1), 100, np.uint8)
    values = T.ColorJitter(brightness=0.4).apply(flat, draws(n)).ravel().astype(float)
    assert 59.5 < values.min() < 61 and 139 < values.max() < 140.5
    assert abs(values.mean() - 100) < 1.5 and abs(values.std() - 80 / 12**0.5) < 1
    # Contrast about the mean and brightness do not commute: both orders come up.
    pair = np.tile(np.array([[[0, 250]]], np.uint8), (500, 1, 1))
    both = T.ColorJitter((2.0, 2.0), (0.5, 0.5)).apply(pair, draws(500))
    assert {tuple(row) for row in both[:, 0].tolist()} == {(64, 191), (125, 255)}


# ------------------------------------------------------------------ erasing


def test_random_erasing() -> None:
    n = 3000
    erase = T.RandomErasing(0.3, (0.02, 0.33), (0.3, 3.3))
    boxes = erase.boxes(32, 40, draws(n))
    chosen = boxes[:, 2] > 0
    assert 0.26 < chosen.mean() < 0.34
    area = boxes[chosen, 2] * boxes[chosen, 3] / (32 * 40)
    assert area.min() > 0.01 and area.max() < 0.36
    out = erase.apply(np.full((n, 32, 40), 200, np.uint8), draws(n))
    np.testing.assert_array_equal((out == 0).sum((1, 2)), boxes[:, 2] * boxes[:, 3])
    top, left, height, width = boxes[np.argmax(chosen)].tolist()
    assert not out[np.argmax(chosen), top : top + height, left : left + width].any()
    noise = T.RandomErasing(1.0, value="random").apply(
        np.full((50, 3, 32, 32), 9, np.float32), draws(50)
    )
    drawn = noise[noise != 9]
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02
    tinted = T.RandomErasing(1.0, value=[1, 2, 3]).apply(np.zeros((4, 8, 8, 3), np.uint8), draws(4))
    assert {tuple(p) for p in tinted.reshape(-1, 3).tolist()} == {(0, 0, 0), (1, 2, 3)}


def test_cutout_is_clipped_at_the_border() -> None:
    out = T.Cutout(16).apply(np.ones((2000, 32, 32), np.uint8), draws(2000))
    erased = (out == 0).sum((1, 2))
    assert erased.max() == 256 and erased.min() >= 64
    # The centre is uniform over the pixels, so half of each axis is cut off on average 1/8 each.
    assert abs(erased.mean() / 256 - (1 - 1 / 8) ** 2) < 0.02


# ------------------------------------------------------------------ sequences


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    "first",
    [T.RandomCrop(28, padding=4), T.RandomResizedCrop(24), T.Resize((20, 24)), T.CenterCrop(20)],
    ids=name_of,
)
def test_one_pass_has_the_bits_of_several(first: Any, grey: bool, isa: str) -> None:
    images = pictures(5, (32, 32) if grey else (32, 32, 3))
    mean, std = ([0.4], [0.3]) if grey else ([0.5, 0.4, 0.3], [0.2, 0.3, 0.25])
    steps = [first, T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(mean, std)]
    for chain in (steps, steps[:2], [steps[0], *steps[2:]], steps[1:], steps[2:]):
        want: Any = images
        for position, step in enumerate(chain):
            want = step.apply(want, draws(5).fork(position))
        got = T.Compose(chain).apply(images, draws(5))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_batches_stay_channels_last() -> None:
    """The first layer takes a batch from a pipeline without a copy."""
    pipeline = T.Compose([T.RandomCrop(28), T.ToTensor(), T.Normalize(0.5, 0.5)])
    batch = pipeline.apply(pictures(4), draws(4))
    assert np.moveaxis(batch, 1, -1).flags.c_contiguous

    class Source(TensorDataset):
        def gather(self, indices: Any, draws: Draws) -> tuple[Any, ...]:
            return (pipeline.apply(pictures(4), draws),)

    (x,) = next(iter(DataLoader(Source(np.arange(4)), 4)))
    assert x.shape == (4, 3, 28, 28) and x.stride() == (28 * 28 * 3, 1, 28 * 3, 3)
    assert tw.equal(x, tw.from_numpy(np.ascontiguousarray(x.numpy())))


def test_channels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="1 or 3|3 channels|2 channels"):
        T.Compose([T.ToTensor(), T.Normalize([0.5] * 2, [1] * 2)]).apply(pictures(2), draws(2))
