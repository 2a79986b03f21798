"""Downloads, against a server on this machine: verified, complete or not there at all."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tilewise.data import FashionMNIST, catalog, vision
from tilewise.data.download import DownloadError, download_dataset, download_file


class Server:
    """Serves `files`; `faults` says how a path misbehaves: "404", "cut", "long" or "garbled"."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, str] = {}
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                body = server.files.get(self.path)
                fault = server.faults.get(self.path, "")
                if body is None or fault == "404":
                    self.send_error(404)
                    return
                self.send_response(200)
                if fault == "garbled":
                    body = body[:-1] + bytes([body[-1] ^ 1])
                if fault == "long":
                    body += b"more"
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

            def log_message(self, format: str, *args: object) -> None:
                """Stay quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def spec(server: Server, monkeypatch: pytest.MonkeyPatch) -> catalog.Spec:
    """A tiny dataset in Fashion-MNIST's place, served by the server."""
    rng = np.random.default_rng(0)
    checksums = {}
    for split, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for stem, values in zip(catalog.stems(split), (images, labels), strict=True):
            header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            packed = gzip.compress(header + values.tobytes())
            server.files[f"/mirror/{stem}.gz"] = packed
            checksums[f"{stem}.gz"] = (len(packed), hashlib.sha256(packed).hexdigest())
    tiny = replace(catalog.FASHION_MNIST, checksums=checksums, mirrors=(f"{server.url}/mirror/",))
    monkeypatch.setattr(vision.FashionMNIST, "spec", tiny)
    return tiny


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILEWISE_DATA", raising=False)
    monkeypatch.delenv("TILEWISE_MIRROR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog, "SYSTEM_DATASETS", tmp_path / "no-system")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_download_into_the_cache(spec: catalog.Spec, server: Server, tmp_path: Path) -> None:
    dataset = FashionMNIST(download=True)
    assert dataset.source.kind == "download"
    assert len(dataset) == 20
    folder = tmp_path / "cache" / "tilewise" / "fashion-mnist"
    assert names(folder) == sorted(spec.checksums)

    server.requests.clear()
    again = FashionMNIST(train=False, download=True)
    assert again.source == catalog.Source("cache", folder)
    assert not server.requests


def test_download_into_a_named_folder(spec: catalog.Spec, tmp_path: Path) -> None:
    dataset = FashionMNIST(tmp_path / "mine", download=True)
    assert dataset.source.folder == tmp_path / "mine" / "fashion-mnist"
    assert FashionMNIST(tmp_path / "mine").source.kind == "directory"


def test_a_partial_folder_is_completed(spec: catalog.Spec, server: Server, tmp_path: Path) -> None:
    download_dataset(spec, tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    server.requests.clear()
    download_dataset(spec, tmp_path)
    assert server.requests == ["/mirror/train-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "answered 404 Not Found"),
        ("cut", "expected .* bytes, got only"),
        ("long", "expected .* bytes, got more"),
        ("garbled", "expected SHA-256 .*, got"),
    ],
)
def test_faults_leave_nothing_behind(
    spec: catalog.Spec, server: Server, tmp_path: Path, fault: str, message: str
) -> None:
    server.faults["/mirror/t10k-images-idx3-ubyte.gz"] = fault
    with pytest.raises(DownloadError, match=message) as caught:
        download_dataset(spec, tmp_path / "d")
    assert "t10k-images-idx3-ubyte.gz" in str(caught.value)
    assert names(tmp_path / "d") == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]

    server.faults.clear()
    download_dataset(spec, tmp_path / "d")
    assert names(tmp_path / "d") == sorted(spec.checksums)


def test_the_next_mirror_is_tried(spec: catalog.Spec, server: Server, tmp_path: Path) -> None:
    download_dataset(spec, tmp_path, mirrors=[f"{server.url}/gone", *spec.mirrors])
    assert names(tmp_path) == sorted(spec.checksums)
    assert "/gone/train-images-idx3-ubyte.gz" in server.requests


def test_mirror_of_the_environment(
    spec: catalog.Spec, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILEWISE_MIRROR", f"{server.url}/mirror")
    download_dataset(replace(spec, mirrors=("http://127.0.0.1:1/",)), tmp_path)
    assert names(tmp_path) == sorted(spec.checksums)


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1/x: .*refused"):
        download_file("http://127.0.0.1:1/x", tmp_path / "x", size=3, sha256="")
    assert not list(tmp_path.iterdir())


def test_official_checksums_are_complete() -> None:
    for spec in catalog.SPECS.values():
        assert len(spec.checksums) == 4
        for size, digest in spec.checksums.values():
            assert size > 4000
            assert len(bytes.fromhex(digest)) == 32
