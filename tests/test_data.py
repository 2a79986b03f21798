"""Datasets, the order and threads of the loader, transforms, and the search for data."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tilewise as tw
from helpers import data_dir
from tilewise.data import (
    MNIST,
    DataLoader,
    Dataset,
    FashionMNIST,
    SampleError,
    Subset,
    TensorDataset,
    catalog,
    default_collate,
    random_split,
    write_idx,
)
from tilewise.data.draws import Draws, hash_words, permutation
from tilewise.data.transforms import (
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    ToTensor,
    Transform,
)


class Items(Dataset[Any]):
    """Sample i is (i, i²); `fail_at` raises there; `delay` sleeps."""

    def __init__(self, size: int, fail_at: int = -1, delay: float = 0.0) -> None:
        self.size, self.fail_at, self.delay = size, fail_at, delay
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[int, int]:
        self.read.append(index)
        time.sleep(self.delay)
        if index == self.fail_at:
            raise ValueError("this sample is broken")
        return index, index * index


def loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("tilewise-loader")]


def first_column(loader: DataLoader) -> list[int]:
    return [int(value) for batch in loader for value in batch[0].numpy().tolist()]


# ------------------------------------------------------------------ random numbers


def test_hash_is_uniform_and_independent() -> None:
    draws = Draws(0, 0, np.arange(100_000))
    for stream in range(3):
        values = draws.fork(stream).uniform()
        assert abs(values.mean() - 0.5) < 0.005
        assert abs(values.var() - 1 / 12) < 0.002
    a, b = draws.fork(0).uniform(), draws.fork(1).uniform()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
    assert abs(np.corrcoef(a, Draws(0, 1, draws.indices).fork(0).uniform())[0, 1]) < 0.02
    assert set(draws.integers(-1, 2).tolist()) == {-1, 0, 1}


def test_hash_values_are_fixed_for_good() -> None:
    """A change here would change the order of every run that is resumed."""
    assert [int(v) for v in hash_words(np.arange(2), 1, 2)] == HASHES
    assert permutation(8, seed=0, epoch=0).tolist() == ORDER


HASHES = [16613338946343043936, 13264548337748323810]
ORDER = [7, 6, 1, 5, 4, 2, 0, 3]


@given(n=st.integers(0, 300), seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 1000))
def test_permutation(n: int, seed: int, epoch: int) -> None:
    order = permutation(n, seed, epoch)
    assert sorted(order.tolist()) == list(range(n))
    np.testing.assert_array_equal(order, permutation(n, seed, epoch))


# ------------------------------------------------------------------ datasets


def test_tensor_dataset() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    dataset = TensorDataset(x, tw.tensor([0, 1, 2, 3]))
    assert len(dataset) == 4
    row, label = dataset[2]
    assert row.numpy().tolist() == [6, 7, 8]
    assert int(label.item()) == 2
    for bad in ((), (np.zeros(3), np.zeros(4)), (np.float32(1),)):
        with pytest.raises(ValueError, match="TensorDataset: expected"):
            TensorDataset(*bad)


def test_subset_and_random_split() -> None:
    dataset = TensorDataset(np.arange(10))
    assert int(Subset(dataset, [-1])[0][0].item()) == 9
    with pytest.raises(IndexError, match="10 samples"):
        Subset(dataset, [10])
    parts = random_split(dataset, [7, 3], seed=1)
    seen = [int(part[i][0].item()) for part in parts for i in range(len(part))]
    assert sorted(seen) == list(range(10))
    assert parts[0].indices.tolist() == random_split(dataset, [7, 3], seed=1)[0].indices.tolist()
    assert [len(p) for p in random_split(dataset, [0.5, 0.25, 0.25], seed=0)] == [6, 2, 2]
    for lengths in ([7, 4], [11, -1], [0.5, 0.6]):
        with pytest.raises(ValueError, match="random_split: expected"):
            random_split(dataset, lengths)


def test_random_split_follows_manual_seed() -> None:
    def split() -> list[int]:
        tw.manual_seed(3)
        return random_split(TensorDataset(np.arange(50)), [25, 25])[0].indices.tolist()

    assert split() == split()
    assert split() != random_split(TensorDataset(np.arange(50)), [25, 25])[0].indices.tolist()


def test_a_subset_gathers_where_its_dataset_does() -> None:
    loader = DataLoader(Subset(TensorDataset(np.arange(10)), [3, 5, 7]), batch_size=2)
    assert first_column(loader) == [3, 5, 7]
    assert first_column(DataLoader(Subset(Items(10), [3, 5, 7]), batch_size=2)) == [3, 5, 7]


# ------------------------------------------------------------------ collate


def test_default_collate() -> None:
    batch = default_collate([{"x": np.ones(2), "y": (1, "a")}, {"x": np.zeros(2), "y": (2, "b")}])
    assert batch["x"].shape == (2, 2)
    assert batch["y"][0].numpy().tolist() == [1, 2]
    assert batch["y"][1] == ["a", "b"]
    assert default_collate([1, 2]).dtype == tw.int64
    assert default_collate([1.5, 2.5]).dtype == tw.float64  # as PyTorch
    assert default_collate([True, False]).dtype == tw.bool
    assert default_collate([tw.ones(3), tw.zeros(3)]).shape == (2, 3)


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "at least one"),
        ([np.zeros(2), np.zeros(3)], ValueError, "one shape"),
        ([(1, 2), (1,)], ValueError, "one length"),
        ([object()], TypeError, "got object"),
    ],
)
def test_collate_errors(samples: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        default_collate(samples)


# ------------------------------------------------------------------ the loader


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("fast", [True, False])
def test_every_sample_once(workers: int, fast: bool) -> None:
    dataset = TensorDataset(np.arange(23)) if fast else Items(23)
    loader = DataLoader(dataset, batch_size=5, shuffle=True, seed=0, num_workers=workers)
    assert len(loader) == 5
    first, second = first_column(loader), first_column(loader)
    assert sorted(first) == sorted(second) == list(range(23))
    assert first == loader.order(0).tolist()
    assert second == loader.order(1).tolist()
    assert first != second
    assert not loader_threads()


def test_order_is_the_same_for_any_number_of_workers() -> None:
    orders = [
        first_column(DataLoader(Items(40), 7, shuffle=True, seed=5, num_workers=workers))
        for workers in (0, 1, 4)
    ]
    assert orders[0] == orders[1] == orders[2]


def test_order_follows_manual_seed() -> None:
    def order() -> list[int]:
        tw.manual_seed(11)
        return first_column(DataLoader(Items(30), 4, shuffle=True))

    assert order() == order()
    generator = tw.Generator(4)
    a = DataLoader(Items(30), shuffle=True, generator=generator)
    b = DataLoader(Items(30), shuffle=True, generator=generator)
    assert a.seed != b.seed
    assert DataLoader(Items(30), shuffle=True, generator=tw.Generator(4)).seed == a.seed


@pytest.mark.parametrize("workers", [0, 2])
def test_set_epoch_skips_without_reading(workers: int) -> None:
    dataset = Items(20)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, seed=0, num_workers=workers)
    whole = first_column(loader)
    dataset.read.clear()
    loader.set_epoch(0, start_batch=3)
    assert first_column(loader) == whole[12:]
    assert sorted(dataset.read) == sorted(whole[12:])
    assert first_column(loader) == loader.order(1).tolist()
    loader.set_epoch(0, start_batch=99)
    assert first_column(loader) == []


def test_drop_last_and_sampler() -> None:
    assert len(DataLoader(Items(10), 4, drop_last=True)) == 2
    assert first_column(DataLoader(Items(10), 4, drop_last=True)) == list(range(8))
    loader = DataLoader(Items(10), 2, sampler=[4, 4, 1])
    assert len(loader) == 2
    assert first_column(loader) == [4, 4, 1]
    assert first_column(DataLoader(Items(0), 2)) == []


def test_collate_fn() -> None:
    loader = DataLoader(TensorDataset(np.arange(4)), 2, collate_fn=len)
    assert list(loader) == [2, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_name_the_sample(workers: int) -> None:
    loader = DataLoader(Items(20, fail_at=9), batch_size=4, num_workers=workers)
    got = []
    with pytest.raises(SampleError, match="sample 9 of batch 2 .*this sample is broken") as caught:
        for batch in loader:
            got.append(batch)  # noqa: PERF402
    assert len(got) == 2
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.indices == [9]
    assert not loader_threads()


@pytest.mark.parametrize("workers", [0, 2])
def test_collate_and_gather_errors_name_the_batch(workers: int) -> None:
    class Odd(Items):
        def __getitem__(self, index: int) -> Any:
            return np.zeros(1 + (index == 5))

    with pytest.raises(SampleError, match="of batch 1 failed: ValueError: .*one shape"):
        list(DataLoader(Odd(8), batch_size=4, num_workers=workers))

    class Bad(Transform):
        def apply(self, images: Any, draws: Draws) -> Any:
            raise ZeroDivisionError("no")

    dataset = FashionMNIST(catalog.SAMPLE_ROOT, train=False, transform=Bad())
    with pytest.raises(SampleError, match="batch 0 failed: ZeroDivisionError"):
        list(DataLoader(dataset, batch_size=4, num_workers=workers))


@pytest.mark.parametrize("how", ["break", "error", "drop", "interrupt"])
def test_no_thread_is_left_behind(how: str) -> None:
    loader = DataLoader(Items(1000, delay=0.001), batch_size=2, num_workers=3)
    if how == "break":
        for _ in loader:
            break
    elif how == "drop":
        iterator = iter(loader)
        next(iterator)
        assert len(loader_threads()) == 3
        del iterator
    else:
        kind = KeyboardInterrupt if how == "interrupt" else RuntimeError
        try:
            for _ in loader:
                raise kind
        except kind:
            pass
    assert not loader_threads()


def test_workers_read_ahead_but_no_further() -> None:
    dataset = Items(1000)
    iterator = iter(DataLoader(dataset, batch_size=1, num_workers=2, prefetch_factor=3))
    next(iterator)
    deadline = time.monotonic() + 5
    while len(dataset.read) < 7 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(dataset.read) == 7  # the one taken and 2 · 3 ahead


def test_workers_overlap() -> None:
    start = time.perf_counter()
    list(DataLoader(Items(40, delay=0.02), batch_size=5, num_workers=4))
    assert time.perf_counter() - start < 0.6  # 0.8 s one after the other


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": -1}, ValueError),
        ({"batch_size": True}, ValueError),
        ({"batch_size": 1.5}, TypeError),
        ({"num_workers": -1}, ValueError),
        ({"prefetch_factor": 0}, ValueError),
        ({"seed": "a"}, TypeError),
        ({"shuffle": True, "sampler": [1]}, ValueError),
    ],
)
def test_loader_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        DataLoader(Items(3), **arguments)


def test_loader_wants_a_dataset() -> None:
    with pytest.raises(TypeError, match="expected a dataset"):
        DataLoader(iter([1, 2]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="set_epoch"):
        DataLoader(Items(3)).set_epoch(-1)


# ------------------------------------------------------------------ transforms


def images(n: int = 6, shape: tuple[int, ...] = (8, 8)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def draws(n: int = 6, epoch: int = 0) -> Draws:
    return Draws(1, epoch, np.arange(n))


def test_to_tensor_and_normalize() -> None:
    grey = ToTensor().apply(images(), draws())
    assert grey.shape == (6, 1, 8, 8)
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey[:, 0], images().astype(np.float32) / np.float32(255))
    colour = ToTensor().apply(images(shape=(4, 5, 3)), draws())
    assert colour.shape == (6, 3, 4, 5)
    normal = Normalize([0.1, 0.2, 0.3], [1, 2, 4]).apply(colour, draws())
    np.testing.assert_allclose(normal[:, 2], (colour[:, 2] - 0.3) / 4, rtol=1e-6)
    one = ToTensor()(images()[0])
    assert isinstance(one, tw.Tensor)
    assert one.shape == (1, 8, 8)
    for bad, error in ((np.zeros((8, 8)), TypeError), (np.zeros(3, np.uint8), ValueError)):
        with pytest.raises(error, match="ToTensor: expected"):
            ToTensor()(bad)
    with pytest.raises(TypeError, match="put ToTensor before"):
        Normalize(0.5, 0.5)(images()[0])
    with pytest.raises(ValueError, match="2 channels"):
        Normalize([0.5, 0.5], [1, 1]).apply(colour, draws())
    for std in (0, -1, [1, 1]):
        with pytest.raises(ValueError, match="Normalize: expected"):
            Normalize(0.5, std)


@pytest.mark.parametrize("layout", ["HW", "HWC", "CHW"])
def test_random_crop_cuts_windows(layout: str) -> None:
    shape = {"HW": (8, 8), "HWC": (8, 8, 3), "CHW": (3, 8, 8)}[layout]
    batch = images(shape=shape)
    if layout == "CHW":
        batch = batch.astype(np.float32)
    crops = RandomCrop((5, 6), padding=1, fill=7).apply(batch, draws())
    rows = 2 if layout == "CHW" else 1
    assert (crops.shape[rows], crops.shape[rows + 1]) == (5, 6)
    widths = [(0, 0)] * batch.ndim
    widths[rows] = widths[rows + 1] = (1, 1)
    padded = np.moveaxis(np.pad(batch, widths, constant_values=7), (rows, rows + 1), (1, 2))
    moved = np.moveaxis(crops, (rows, rows + 1), (1, 2))
    for sample in range(6):
        windows = [padded[sample, y : y + 5, x : x + 6] for y in range(6) for x in range(5)]
        assert any(np.array_equal(moved[sample], window) for window in windows)


def test_random_shift_reaches_every_offset() -> None:
    batch = np.zeros((3000, 5, 5), np.uint8)
    batch[:, 2, 2] = 1
    shifted = RandomShift(2).apply(batch, draws(3000))
    assert shifted.shape == batch.shape
    places = Counter(np.argmax(shifted.reshape(3000, -1), axis=1).tolist())
    assert len(places) == 25
    assert min(places.values()) > 60


def test_flip() -> None:
    batch = images(2000)
    flipped = RandomHorizontalFlip().apply(batch, draws(2000))
    mirrored = (flipped == batch[:, :, ::-1]).all(axis=(1, 2))
    same = (flipped == batch).all(axis=(1, 2))
    assert (mirrored | same).all()
    assert 900 < mirrored.sum() < 1100
    with pytest.raises(ValueError, match="p between 0 and 1"):
        RandomHorizontalFlip(1.5)
    with pytest.raises(ValueError, match="at least"):
        RandomCrop(9).apply(images(), draws())
    with pytest.raises(ValueError, match="positive size"):
        RandomCrop(0)


@pytest.mark.parametrize("workers", [0, 2])
def test_augmentation_depends_on_seed_epoch_and_index_alone(workers: int) -> None:
    augment = Compose([RandomShift(2), RandomHorizontalFlip(), ToTensor()])

    def read(batch_size: int, order: list[int], epoch: int, seed: int = 0) -> dict[int, bytes]:
        dataset = FashionMNIST(catalog.SAMPLE_ROOT, train=False, transform=augment)
        loader = DataLoader(dataset, batch_size, sampler=order, num_workers=workers, seed=seed)
        loader.set_epoch(epoch)
        rows = [np.ascontiguousarray(row) for x, _ in loader for row in x.numpy()]
        return {index: row.tobytes() for index, row in zip(order, rows, strict=True)}

    first = read(4, list(range(12)), epoch=0)
    assert first == read(3, list(range(12))[::-1], epoch=0)
    assert first != read(4, list(range(12)), epoch=1)
    assert first != read(4, list(range(12)), epoch=0, seed=1)


def test_a_plain_callable_beside_vectorised_transforms() -> None:
    pipeline = Compose([lambda image: 255 - image, ToTensor()])
    dataset = FashionMNIST(catalog.SAMPLE_ROOT, train=False, transform=pipeline)
    x, y = next(iter(DataLoader(dataset, batch_size=3)))
    np.testing.assert_allclose(x.numpy()[:, 0], (255 - dataset.images[:3]) / 255, rtol=1e-6)
    assert y.numpy().tolist() == dataset.labels[:3].tolist()
    dataset.transform = lambda image: float(image.mean())
    dataset.target_transform = lambda label: label + 100
    x, y = next(iter(DataLoader(dataset, batch_size=3)))
    assert x.shape == (3,)
    assert y.numpy().tolist() == (dataset.labels[:3] + 100).tolist()


def test_items_in_threads_draw_like_batches() -> None:
    augment = Compose([RandomShift(2), ToTensor()])
    dataset = FashionMNIST(catalog.SAMPLE_ROOT, train=False, transform=augment)
    batch = next(iter(DataLoader(dataset, 8, seed=3)))[0].numpy()
    items = next(iter(DataLoader(dataset, 8, seed=3, num_workers=2, collate_fn=default_collate)))
    np.testing.assert_array_equal(items[0].numpy(), batch)


# ------------------------------------------------------------------ the data sets


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data: no variable, no system package, an empty cache."""
    monkeypatch.delenv("TILEWISE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog, "SYSTEM_DATASETS", tmp_path / "system")
    return tmp_path


def make_copy(folder: Path, count: int = 10) -> Path:
    folder.mkdir(parents=True)
    for split in catalog.SPLITS:
        image_stem, label_stem = catalog.stems(split)
        write_idx(folder / f"{image_stem}.gz", np.zeros((count, 28, 28), np.uint8))
        write_idx(folder / label_stem, (np.arange(count) % 10).astype(np.uint8))
    return folder


def test_embedded_sample(bare: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train, test = FashionMNIST(), FashionMNIST(train=False)
    assert "using the embedded sample of 6,000 images" in caplog.text
    assert train.source.kind == "sample"
    assert (len(train), len(test)) == (6000, 1000)
    assert np.bincount(train.labels).tolist() == [600] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    assert abs(train.images.mean() / 255 - catalog.FASHION_MNIST.mean) < 0.005
    notice = (catalog.SAMPLE_ROOT / "LICENSE-Fashion-MNIST.txt").read_text(encoding="utf-8")
    assert "MIT License" in notice
    assert "Zalando SE" in notice
    files = [path for path in catalog.SAMPLE_ROOT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_sample_is_of_the_official_files() -> None:
    full = FashionMNIST(data_dir("fashion-mnist"))
    sample = FashionMNIST(catalog.SAMPLE_ROOT)
    chosen = np.sort(np.concatenate([np.flatnonzero(full.labels == c)[:600] for c in range(10)]))
    np.testing.assert_array_equal(sample.images, full.images[chosen])
    np.testing.assert_array_equal(sample.labels, full.labels[chosen])


def test_search_order(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = catalog.FASHION_MNIST
    assert catalog.locate(spec).kind == "sample"
    cache = make_copy(bare / "cache" / "tilewise" / "fashion-mnist")
    assert catalog.locate(spec) == catalog.Source("cache", cache)
    system = make_copy(bare / "system" / "fashion-mnist")
    assert catalog.locate(spec) == catalog.Source("system", system)
    environment = make_copy(bare / "env" / "fashion-mnist")
    monkeypatch.setenv("TILEWISE_DATA", str(bare / "env"))
    assert catalog.locate(spec) == catalog.Source("environment", environment)
    named = make_copy(bare / "named")
    assert catalog.locate(spec, named) == catalog.Source("directory", named)
    torchvision = make_copy(bare / "root" / "FashionMNIST" / "raw")
    assert catalog.locate(spec, bare / "root") == catalog.Source("directory", torchvision)


def test_incomplete_copies_are_passed_over(bare: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_copy(bare / "system" / "fashion-mnist")
    (folder / "train-labels-idx1-ubyte").unlink()
    with caplog.at_level(logging.WARNING):
        assert catalog.locate(catalog.FASHION_MNIST).kind == "sample"
    assert "lacks train-labels-idx1-ubyte" in caplog.text
    with pytest.raises(FileNotFoundError, match="lacks train-labels-idx1-ubyte"):
        FashionMNIST(folder)


def test_missing_data_says_where_it_was_looked_for(bare: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        FashionMNIST(bare / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no Fashion-MNIST"):
        FashionMNIST(bare)
    with pytest.raises(FileNotFoundError, match=r"no copy of MNIST was found: .*download.*12 MB"):
        MNIST()


@pytest.mark.parametrize(
    ("split", "part", "values", "message"),
    [
        ("train", 0, np.zeros((10, 28, 27), np.uint8), r"images of shape \(N, 28, 28\)"),
        ("train", 0, np.zeros((10, 28, 28), np.int32), "got int32"),
        ("train", 1, np.zeros(9, np.uint8), "expected 10 uint8 labels"),
        ("train", 1, np.full(10, 10, np.uint8), r"labels of 0…9 .*got 10"),
        ("t10k", 0, np.zeros((0, 28, 28), np.uint8), "labels"),
    ],
)
def test_files_that_do_not_fit(
    tmp_path: Path, split: str, part: int, values: np.ndarray, message: str
) -> None:
    folder = make_copy(tmp_path / "copy")
    stem = catalog.stems(split)[part]
    for path in folder.glob(f"{stem}*"):
        path.unlink()
    write_idx(folder / stem, values)
    with pytest.raises(ValueError, match=message) as caught:
        FashionMNIST(folder, train=split == "train")
    assert str(folder) in str(caught.value)


def test_pytorch_shaped_use() -> None:
    dataset = FashionMNIST(catalog.SAMPLE_ROOT, train=False, transform=ToTensor())
    image, label = dataset[0]
    assert image.shape == (1, 28, 28)
    assert dataset.classes[label] == "Ankle boot"
    assert dataset.data.shape == (1000, 28, 28)
    assert dataset.targets.dtype == tw.int64
    for x, y in DataLoader(dataset, batch_size=64):
        assert x.shape == (64, 1, 28, 28)
        assert x.dtype == tw.float32
        assert y.dtype == tw.int64
        break
    assert repr(dataset).startswith("FashionMNIST(test, 1,000 images from ")
    assert dataset.fingerprint() == FashionMNIST(catalog.SAMPLE_ROOT, train=False).fingerprint()
    assert dataset.fingerprint() != FashionMNIST(catalog.SAMPLE_ROOT).fingerprint()


def test_full_sets() -> None:
    for kind, folder, mean in ((FashionMNIST, "fashion-mnist", 0.2860), (MNIST, "mnist", 0.1307)):
        dataset = kind(data_dir(folder))
        assert len(dataset) == 60_000
        assert abs(dataset.images.mean() / 255 - mean) < 5e-5
        assert np.bincount(dataset.labels).min() > 5000
