"""Datasets of image files: folders, tars, CIFAR; files that lie about themselves."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import struct
import tarfile
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import data_dir
from tilewise import _core, data
from tilewise.data import CIFAR10, CIFAR100, DataLoader, ImageFolder, ImageTar, SampleError
from tilewise.data import transforms as T
from tilewise.data.decode import decode_image

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("PIL") is None, reason="Pillow is not installed: pip install '.[data]'"
)


def encoded(image: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def picture(seed: int = 0, shape: tuple[int, ...] = (12, 10, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def make_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


PETS = {
    f"{kind}/{i}.png": encoded(picture(10 * c + i, (8 + i, 9 + c, 3)))
    for c, kind in enumerate(("cat", "dog"))
    for i in range(4)
}


# ------------------------------------------------------------------ folders and tars


def test_folder_and_tar_hold_the_same(tmp_path: Path) -> None:
    others = {"cat/notes.txt": b"no image", "README": b""}
    folder = ImageFolder(make_folder(tmp_path / "pets", {**PETS, **others}))
    tars = [
        ImageTar(make_tar(tmp_path / "a.tar", {**others, **PETS})),
        ImageTar(make_tar(tmp_path / "b.tar.gz", {**PETS, **others}, "w:gz")),
        ImageTar(make_tar(tmp_path / "c.tar", {f"./x/{k}": v for k, v in PETS.items()})),
    ]
    assert folder.classes == ["cat", "dog"] and folder.class_to_idx == {"cat": 0, "dog": 1}
    assert folder.labels.tolist() == [0] * 4 + [1] * 4
    for tar in tars:
        assert tar.classes == folder.classes and tar.labels.tolist() == folder.labels.tolist()
        for i in range(8):
            np.testing.assert_array_equal(tar[i][0], folder[i][0])
    np.testing.assert_array_equal(folder[5][0], picture(11, (9, 10, 3)))
    assert folder.targets.dtype == tw.int64
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "b.tar.gz", "c.tar", "pets"]


def test_labels_and_selection_by_name(tmp_path: Path) -> None:
    root = make_folder(tmp_path, {f"img_{i}_{i % 3}.png": encoded(picture(i)) for i in range(6)})

    def number(name: str) -> int:
        return int(name.rsplit(".", 1)[0].rsplit("_", 1)[1])

    numbered = ImageFolder(root, label=number)
    assert numbered.labels.tolist() == [0, 1, 2, 0, 1, 2]
    named = ImageFolder(
        root, label=lambda name: "abc"[number(name)], select=lambda n: "_0." not in n
    )
    assert named.classes == ["b", "c"] and named.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="lies in no class's folder"):
        ImageFolder(root)
    with pytest.raises(FileNotFoundError, match="holds no image"):
        ImageFolder(root, select=lambda name: False)
    with pytest.raises(ValueError, match="label"):
        ImageFolder(root, label=lambda name: -1)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        ImageTar(tmp_path / "nowhere.tar")


def test_modes(tmp_path: Path) -> None:
    from PIL import Image

    image = picture()
    root = make_folder(tmp_path, {"a/1.png": encoded(image), "a/2.png": encoded(image[..., 0])})
    palette = Image.fromarray(image).quantize(16)
    palette.save(tmp_path / "a" / "3.png", transparency=0)
    Image.fromarray(picture(1, (4, 4)).astype(np.uint16) << 8).save(tmp_path / "a" / "4.png")
    for mode, shape in (("RGB", (12, 10, 3)), ("L", (12, 10)), ("RGBA", (12, 10, 4))):
        files = ImageFolder(root, mode=mode)
        assert [files[i][0].shape for i in range(3)] == [shape] * 3
    np.testing.assert_array_equal(ImageFolder(root, mode="L")[3][0], picture(1, (4, 4)))
    with pytest.raises(ValueError, match="mode"):
        ImageFolder(root, mode="CMYK")


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_several_sizes_become_batches(tmp_path: Path, workers: int) -> None:
    folder = make_folder(tmp_path, PETS)
    augment = T.Compose(
        [T.RandomResizedCrop(6), T.RandomHorizontalFlip(), T.ColorJitter(0.2), T.ToTensor()]
    )

    def epoch(batch_size: int, cache: int = 0) -> tuple[np.ndarray, list[int]]:
        dataset = ImageFolder(folder, augment, cache_bytes=cache)
        loader = DataLoader(dataset, batch_size, shuffle=True, seed=1, num_workers=workers)
        batches = list(loader)
        return (
            np.concatenate([x.numpy() for x, _ in batches]),
            [int(v) for _, y in batches for v in y.numpy()],
        )

    images, labels = epoch(3)
    assert images.shape == (8, 3, 6, 6) and sorted(labels) == [0] * 4 + [1] * 4
    for other in (epoch(8), epoch(1), epoch(3, 1 << 20)):
        np.testing.assert_array_equal(other[0], images)
    with pytest.raises(SampleError, match="one shape in a batch.*RandomResizedCrop"):
        list(DataLoader(ImageFolder(folder), 4, num_workers=workers))
    plain = ImageFolder(folder, lambda image: image.mean())
    assert next(iter(DataLoader(plain, 4, num_workers=workers)))[0].shape == (4,)


def test_cache_is_bounded(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, PETS)
    sizes = [ImageFolder(folder)[i][0].nbytes for i in range(8)]
    bound = sum(sizes[:3]) + 1
    files = ImageFolder(folder, cache_bytes=bound)
    for _ in range(2):
        for i in range(8):
            np.testing.assert_array_equal(files[i][0], ImageFolder(folder)[i][0])
    assert files.cached_bytes == sum(sizes[:3]) <= bound
    for path in folder.rglob("*.png"):
        path.unlink()
    assert files[0][0].shape == (8, 9, 3)
    with pytest.raises(FileNotFoundError):
        files[7]
    kept = files[0][0].copy()
    files[0][0][:] = 0  # the caller's, not the cache's
    np.testing.assert_array_equal(files[0][0], kept)


def test_workers_leave_the_cores_to_training() -> None:
    """Native calls of loader threads run on one thread; the caller keeps its own."""
    _core.set_num_threads(2)
    seen = []

    class Asks(data.Dataset[int]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> int:
            seen.append(_core.get_num_threads())
            return index

    list(DataLoader(Asks(), num_workers=1))
    list(DataLoader(Asks(), num_workers=0))
    assert seen == [1] * 4 + [2] * 4


# ------------------------------------------------------------------ hostile files


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def jpeg_claiming(width: int, height: int) -> bytes:
    content = bytearray(encoded(picture(), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


HOSTILE = {
    "empty": (b"", "truncated, corrupt or no image"),
    "text": (b"hello" * 100, "no image"),
    "claims more pixels": (png_header(100_000, 100_000), "100,?000|expected at most|bomb"),
    "claims more than it holds": (png_header(7000, 7000), "more than they can hold"),
    "jpeg that claims": (jpeg_claiming(8000, 8000), "more than they can hold"),
    "no pixels": (png_header(0, 5), "no image|at least one"),
    "truncated": (encoded(picture(0, (60, 60, 3)))[:3000], "truncated"),
    "truncated jpeg": (encoded(picture(0, (60, 60, 3)), "JPEG")[:900], "truncated"),
    "corrupt": (encoded(picture(0, (60, 60, 3)))[:400] + b"\0" * 9000, "corrupt"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
    "pgm without values": (b"P5 8000 8000 255 " + bytes(9), "more than they can hold"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_images(name: str, tmp_path: Path) -> None:
    content, message = HOSTILE[name]
    start = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(ValueError, match=message):
        decode_image(content, "x.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - start < 3 and peak < 32 << 20
    root = make_folder(tmp_path, {"a/0.png": encoded(picture()), "a/1.png": content})
    for workers in (0, 1):
        with pytest.raises(SampleError, match=r"a/1\.png"):
            list(DataLoader(ImageFolder(root, T.Resize((4, 4))), 2, num_workers=workers))


def test_truncation_at_many_places() -> None:
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"):
        content = encoded(picture(0, (20, 20, 3)), kind)
        whole = decode_image(content, "x")
        for end in range(0, len(content) - 1, max(1, len(content) // 25)):
            try:
                part = decode_image(content[:end], "x")
            except ValueError as error:
                assert "decode_image: x" in str(error)
            else:
                assert part.shape == whole.shape  # only what follows the pixels is missing


def test_special_files(tmp_path: Path) -> None:
    root = make_folder(tmp_path, {"a/0.png": encoded(picture())})
    os.mkfifo(root / "a" / "1.png")
    (root / "a" / "2.png").symlink_to("/dev/zero")
    (root / "a" / "loop").symlink_to(root)
    files = ImageFolder(root)
    assert files.names == ["a/0.png", "a/1.png", "a/2.png"]
    for i in (1, 2):
        with pytest.raises(ValueError, match=f"{i}.png is no regular file"):
            files[i]


def test_hostile_tars(tmp_path: Path) -> None:
    good = make_tar(tmp_path / "good.tar", PETS).read_bytes()
    packed = gzip.compress(good)
    cases: dict[str, bytes] = {
        "empty": b"",
        "text": b"hello" * 1000,
        "cut in a header": good[:200],
        "cut in a member": good[:700],
        "cut between members": good[:1024],
        "wrong checksum": good[:10] + b"x" + good[11:],
        "packed, cut": packed[: len(packed) // 2],
        "packed, corrupt": packed[:300] + bytes(50) + packed[350:],
    }
    header = bytearray(good[:512])
    for name, size in (("claims 8 GB", b"77777777777\0"), ("claims less than none", b"\xff" * 12)):
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        cases[name] = bytes(header) + good[512:]
        cases[f"{name}, packed"] = gzip.compress(cases[name])
    for name, content in cases.items():
        (tmp_path / "bad.tar").write_bytes(content)
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"bad\.tar is truncated, corrupt or no tar file"):
            ImageTar(tmp_path / "bad.tar")
        assert time.perf_counter() - start < 3, name


def test_tar_members_that_are_no_plain_files(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            info = tarfile.TarInfo("cat/1.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        with pytest.raises(ValueError, match="expected plain files"):
            ImageTar(tmp_path / "x.tar")


def test_paths_in_a_tar_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    names = ["../cat/1.png", "/abs/dog/2.png", "../../cat/3.png"]
    tar = ImageTar(make_tar(tmp_path / "in" / "x.tar", {n: encoded(picture()) for n in names}))
    assert (
        tar.classes == ["cat", "dog"] and [tar[i][0].shape for i in range(3)] == [(12, 10, 3)] * 3
    )
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    with pytest.raises(ValueError, match="no class's folder"):
        ImageTar(make_tar(tmp_path / "y.tar", {"../4.png": b""}))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_forms_of_tar(tmp_path: Path, form: int) -> None:
    """Long names and names beyond ASCII, as tarfile writes them."""
    names = ["a" * 60 + "/" + "b" * 60 + "/cat/1.png", "kätzchen/2.png", "dog/" + "c" * 90 + ".png"]
    if form != tarfile.USTAR_FORMAT:
        names.append("d" * 300 + "/dög/4.png")
    with tarfile.open(tmp_path / "x.tar", "w", format=form) as tar:
        for i, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = len(content := encoded(picture(i)))
            tar.addfile(info, io.BytesIO(content))
    images = ImageTar(tmp_path / "x.tar")
    assert images.names == sorted(names)
    for i, name in enumerate(names):
        np.testing.assert_array_equal(images[images.names.index(name)][0], picture(i))


def test_bomb_of_gzip(tmp_path: Path) -> None:
    """200 MB of zeros in 200 KB, in a member nobody asked for: refused before they are inflated."""
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("zeros.bin")
    info.size = 200 << 20
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        stream.write(bytes(1 << 20))
    start = time.perf_counter()
    with pytest.raises(ValueError, match="claims 209,715,200 bytes"):
        ImageTar(path)
    assert time.perf_counter() - start < 1


def test_many_entries(tmp_path: Path) -> None:
    """20,000 members are listed in a moment."""
    block = io.BytesIO()
    header = tarfile.TarInfo("cat/000000.png")
    for i in range(20_000):
        header.name = f"cat/{i:06}.png"
        block.write(header.tobuf())
    (tmp_path / "x.tar").write_bytes(block.getvalue() + bytes(1024))
    start = time.perf_counter()
    tar = ImageTar(tmp_path / "x.tar")
    assert len(tar) == 20_000 and time.perf_counter() - start < 3
    with pytest.raises(ValueError, match="cat/000007.png"):
        tar[7]


# ------------------------------------------------------------------ CIFAR


def make_cifar(root: Path, per_file: int = 4, labels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    names = names if labels == 1 else ["train.bin", "test.bin"]
    root.mkdir(parents=True, exist_ok=True)
    records = rng.integers(0, 256, (len(names), per_file, labels + 3072), dtype=np.uint8)
    records[..., :labels] %= 10
    for name, part in zip(names, records, strict=True):
        (root / name).write_bytes(part.tobytes())
    return records


def test_cifar_binary_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    records = make_cifar(folder)
    train = CIFAR10(tmp_path / "cifar10")
    assert train.images.shape == (20, 32, 32, 3) and train.lossless
    np.testing.assert_array_equal(train.labels, records[:5, :, 0].ravel())
    np.testing.assert_array_equal(
        train.images[5, 3, 7], records[1, 1, 1:].reshape(3, 32, 32)[:, 3, 7]
    )
    assert len(CIFAR10(folder, train=False)) == 4
    monkeypatch.setenv("TILEWISE_DATA", str(tmp_path))
    assert CIFAR10().fingerprint() == train.fingerprint()
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "cifar-10-batches-bin")
    packed = CIFAR10(archive)
    np.testing.assert_array_equal(packed.images, train.images)
    np.testing.assert_allclose(train.mean_image, train.images.mean(0), atol=1e-4)
    mean, std = train.channel_statistics
    np.testing.assert_allclose(mean, train.images.mean((0, 1, 2)) / 255, rtol=1e-5)
    np.testing.assert_allclose(std, train.images.std((0, 1, 2)) / 255, rtol=1e-5)
    records = make_cifar(tmp_path / "cifar100", labels=2)
    fine, coarse = CIFAR100(), CIFAR100(coarse=True)
    np.testing.assert_array_equal(fine.labels, records[0, :, 1])
    np.testing.assert_array_equal(coarse.labels, records[0, :, 0])
    assert (len(fine.classes), len(coarse.classes)) == (100, 20)
    assert list(CIFAR100.spec.classes) == sorted(CIFAR100.spec.classes)


@pytest.mark.parametrize(
    "name", ["cifar-10-python.tar.gz", "data_batch_1", "cifar-10-batches-py/x"]
)
def test_the_pickled_form_is_refused(name: str, tmp_path: Path) -> None:
    make_folder(tmp_path, {name: b"cos\nsystem\n(S'false'\ntR."})
    with pytest.raises(ValueError, match=r"pickle.*code.*cifar-10-binary\.tar\.gz"):
        CIFAR10(tmp_path)
    with pytest.raises(ValueError, match="pickled form"):
        CIFAR10(tmp_path / name.split("/", maxsplit=1)[0])


def test_cifar_files_that_lie(tmp_path: Path) -> None:
    make_cifar(tmp_path / "a")
    (tmp_path / "a" / "data_batch_3.bin").write_bytes(bytes(3000))
    with pytest.raises(ValueError, match=r"data_batch_3\.bin has 3,000 bytes"):
        CIFAR10(tmp_path / "a")
    (tmp_path / "a" / "data_batch_3.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(ValueError, match="labels of 0…9"):
        CIFAR10(tmp_path / "a")
    (tmp_path / "a" / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match="holds no CIFAR-10"):
        CIFAR10(tmp_path / "a")
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a" / "data_batch_1.bin", "data_batch_1.bin")
    with pytest.raises(FileNotFoundError, match="lacks data_batch_2.bin"):
        CIFAR10(tmp_path / "cifar-10-binary.tar.gz")


def test_cifar_of_image_files(tmp_path: Path) -> None:
    files = {
        f"x/{split}/{kind}/{i}.png": encoded(picture(i, (32, 32, 3)))
        for split in ("train", "test")
        for kind in ("frog", "cat")
        for i in range(2 if split == "train" else 1)
    }
    tar = CIFAR10(make_tar(tmp_path / "images.tar.gz", files, "w:gz"))
    assert tar.labels.tolist() == [3, 3, 6, 6] and not tar.lossless
    np.testing.assert_array_equal(tar.images[1], picture(1, (32, 32, 3)))
    folder = CIFAR10(make_folder(tmp_path / "d", files) / "x", train=False)
    assert folder.labels.tolist() == [3, 6]
    with pytest.raises(ValueError, match="'wolf' is no class"):
        CIFAR10(make_tar(tmp_path / "w.tar", {"train/wolf/1.png": b""}))
    small = {"train/cat/1.png": encoded(picture())}
    with pytest.raises(ValueError, match="32x32"):
        CIFAR10(make_tar(tmp_path / "s.tar", small))


def test_download_of_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a mirror, verified: an archive with another checksum leaves nothing behind."""
    from tilewise.data.download import DownloadError

    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "cifar-10-binary.tar.gz").write_bytes(b"other")
    monkeypatch.setenv("TILEWISE_MIRROR", (tmp_path / "mirror").as_uri())
    with pytest.raises(DownloadError):
        CIFAR10(tmp_path / "new", download=True)
    assert list((tmp_path / "new").iterdir()) == []


# ------------------------------------------------------------------ real files


def test_real_photos() -> None:
    tar = ImageTar(data_dir("photos") / "cats_vs_dogs.tar")
    assert tar.classes == ["cat", "dog"] and np.bincount(tar.labels).tolist() == [700, 699]
    tar.transform = T.Compose([T.RandomResizedCrop(64), T.RandomHorizontalFlip(), T.ToTensor()])
    x, y = next(iter(DataLoader(tar, 24, shuffle=True, seed=0, num_workers=2)))
    assert x.shape == (24, 3, 64, 64) and 0.2 < x.mean().item() < 0.7
    assert 0 < y.numpy().sum() < 24
    samples = ImageFolder(
        data_dir("photos") / "foolbox_samples",
        label=lambda name: int(name.rsplit(".", 1)[0].rsplit("_", 1)[1]),
        select=lambda name: name.startswith("cifar10_"),
    )
    assert len(samples) == 20 and samples[0][0].shape == (32, 32, 3)


def test_real_cifar_statistics() -> None:
    """The published channel means, on the test images as JPEG: within their loss."""
    folder = data_dir("cifar10")
    test = CIFAR10(folder, train=False)
    assert test.images.shape == (10_000, 32, 32, 3) and not test.lossless
    assert np.bincount(test.labels).tolist() == [1000] * 10
    mean, std = test.channel_statistics
    np.testing.assert_allclose(mean, CIFAR10.MEAN, atol=0.006)
    np.testing.assert_allclose(std, CIFAR10.STD, atol=0.006)
