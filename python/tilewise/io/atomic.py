"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends without an error.

    The bytes go to a temporary name in the same directory and are flushed to the disk; then the
    file is renamed and the directory flushed. After a crash, a full disk or SIGKILL at any moment
    `path` is therefore either the old file or the new one. (Source: T. Pillai et al., "All file
    systems are not created equal", OSDI 2014.)

    Raises:
        OSError: the file cannot be written; the temporary file has been removed by then.

    Example:
        >>> with io.open_atomic("weights.bin") as stream:
        ...     _ = stream.write(b"four")
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it was
        raise
    _sync_directory(path.parent)


def atomic_write(path: str | os.PathLike[str], data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path`, complete or not at all; see `open_atomic`.

    Example:
        >>> io.atomic_write("notes.txt", b"complete, or not there")
    """
    with open_atomic(path) as stream:
        stream.write(data)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers of `path` have left beside it."""
    path = Path(path)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # a directory cannot be opened there; the rename is durable by itself
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
