"""Fetch the official dataset files, verified by size and SHA-256 before they take their name."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..io.atomic import open_atomic
from .catalog import Spec

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16


class DownloadError(OSError):
    """A file could not be fetched from any mirror, or what came is not the official file."""


def download_file(
    url: str, path: str | os.PathLike[str], *, size: int, sha256: str, timeout: float = 30.0
) -> None:
    """Fetch one file of known size and checksum.

    The bytes go to a temporary name beside `path`; only a file that is complete and whose SHA-256
    agrees takes the name. No more than `size` bytes are ever read. A progress bar shows on a
    terminal.

    Args:
        url: http, https or file URL.
        path: where to put the file; its folder must exist.
        size: bytes that the file must have.
        sha256: hexadecimal digest that the file must have.
        timeout: seconds to wait for the connection, and for each piece.

    Raises:
        DownloadError: the server refuses, the body is too short or too long, or the checksum is
            wrong; nothing is left behind.
        OSError: the file cannot be written.

    Example:
        >>> download_file(url, "labels.gz", size=5148, sha256="67da17…")  # doctest: +SKIP
    """
    request = urllib.request.Request(url, headers={"User-Agent": "tilewise"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as body, open_atomic(path) as out:
            digest = _copy(body, out, size, url, Path(path).name)
            if digest != sha256:
                raise DownloadError(f"{url}: expected SHA-256 {sha256}, got {digest}")
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = getattr(error, "reason", error) or type(error).__name__
        raise DownloadError(f"{url}: {reason}") from error


def _copy(body: BinaryIO, out: BinaryIO, size: int, url: str, label: str) -> str:
    """Copy exactly `size` bytes and return their SHA-256."""
    from tqdm import tqdm

    digest = hashlib.sha256()
    done = 0
    with tqdm(
        total=size, desc=label, unit="B", unit_scale=True, disable=None, leave=False
    ) as progress:
        while done < size:
            piece = body.read(min(_CHUNK, size - done))
            if not piece:
                raise DownloadError(f"{url}: expected {size:,} bytes, got only {done:,}")
            out.write(piece)
            digest.update(piece)
            done += len(piece)
            progress.update(len(piece))
    if body.read(1):
        raise DownloadError(f"{url}: expected {size:,} bytes, got more")
    return digest.hexdigest()


def download_dataset(
    spec: Spec, folder: str | os.PathLike[str], mirrors: Sequence[str] | None = None
) -> None:
    """Fetch the files of a dataset that `folder` does not have yet.

    Args:
        spec: the dataset.
        folder: created where missing.
        mirrors: base URLs to try in order; by default TILEWISE_MIRROR, where it is set, else the
            dataset's official ones.

    Raises:
        DownloadError: a file could not be had from any mirror; the message gives each reason.
        OSError: the folder cannot be written.

    Example:
        >>> download_dataset(catalog.MNIST, "data/mnist")  # doctest: +SKIP
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if mirrors is None:
        override = os.environ.get("TILEWISE_MIRROR")
        mirrors = (override,) if override else spec.mirrors
    for name, (size, sha256) in spec.checksums.items():
        if (folder / name).is_file():
            continue
        reasons = []
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            try:
                download_file(url, folder / name, size=size, sha256=sha256)
                logger.info("%s: downloaded %s", spec.name, url)
                break
            except DownloadError as error:
                reasons.append(str(error))
        else:
            raise DownloadError(f"{spec.name}: cannot download {name}: " + "; ".join(reasons))
