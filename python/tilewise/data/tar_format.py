"""The headers of tar files, read one after the other, with nothing in them believed.

POSIX ustar and pax, and GNU's long names: what tar programs write. (Source: IEEE Std 1003.1,
"pax - portable archive interchange".) Python's `tarfile` does more and takes ten times as long,
which shows with the 60,000 images of CIFAR-10, and it takes an archive that was cut short for a
shorter one.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from .decode import MAX_FILE_BYTES

_BLOCK = 512
_MAX_NAME = 1 << 16  # bytes of a long name or of a pax header
# Images do not compress, but the padding of small members does: CIFAR-10's 19 MB hold 92 MB.
_MAX_EXPANSION = 100
_BASE = 64 << 20  # bytes that any archive may expand to
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
_PLAIN, _FOLDER, _LONG_NAME, _PAX = b"0\0" + b"7", b"5", b"L", b"x"
_SKIPPED = b"Kg"  # long targets of links, and headers for all members


@dataclass(frozen=True)
class Member:
    """A file in a tar: its name, and its bytes or where they are."""

    name: str
    offset: int
    size: int
    content: bytes | None


class _Broken(Exception):
    pass


@dataclass
class _Header:
    name: str
    kind: bytes
    size: int


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256 for large numbers."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) - (0x80 << (8 * (len(field) - 1)))
        if field[0] != 0x80:
            raise _Broken("a size is negative or beyond all files")
        return value
    digits = field.split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):
        raise _Broken(f"a size is no number: {field!r}")
    return int(digits, 8) if digits else 0


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _parse(block: bytes) -> _Header:
    expected = block[148:156].split(b"\0", 1)[0].strip()
    summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if not expected or expected.strip(b"01234567") or int(expected, 8) != summed:
        raise _Broken("a header's checksum is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    return _Header(name, block[156:157], _number(block[124:136]))


def _apply_pax(header: _Header, records: bytes) -> None:
    """Take path and size from records of `length key=value`; sparse files are marked."""
    place = 0
    while place < len(records) and records[place : place + 1] != b"\0":
        length, space, _ = records[place : place + 20].partition(b" ")
        if not space or not length.isdigit() or not int(length):
            raise _Broken("a pax header is damaged")
        record = records[place + len(length) + 1 : place + int(length)]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        if key == b"path":
            header.name = _text(value)
        elif key == b"size":
            header.size = _number(value.rjust(1, b"0"))
        elif key.startswith(b"GNU.sparse"):
            header.kind = b"S"
        place += int(length)


class _Reader:
    """Headers of a stream that is read forwards."""

    def __init__(self, stream: BinaryIO, limit: int, packed: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._packed = packed
        self.place = 0

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.place += len(content)
        if len(content) != size:
            raise _Broken("it ends early")
        return content

    def skip(self, size: int) -> None:
        if not self._packed:
            self._stream.seek(size, os.SEEK_CUR)
            self.place += size
            return
        while size:
            size -= len(self.read(min(size, 1 << 20)))

    def headers(self) -> Iterator[_Header]:
        """Every member; whoever takes one reads or skips its content, with the padding."""
        long_name: str | None = None
        pax = b""
        while True:
            block = self.read(_BLOCK)
            if not any(block):  # two such blocks end an archive; one is enough to know
                return
            header = _parse(block)
            if header.kind in (_LONG_NAME, _PAX):
                if header.size > _MAX_NAME:
                    raise _Broken(f"a name claims {header.size:,} bytes")
                content = self.read(_padded(header.size))[: header.size]
                if header.kind == _PAX:
                    pax = content
                else:
                    long_name = _text(content)
                continue
            if long_name is not None:
                header.name = long_name
            if header.kind not in _SKIPPED:
                _apply_pax(header, pax)
                long_name, pax = None, b""
            if self.place + header.size > self._limit:
                raise _Broken(
                    f"{header.name!r} claims {header.size:,} bytes at {self.place:,}, beyond "
                    f"{self._limit:,}"
                )
            if header.kind in _SKIPPED:
                self.skip(_padded(header.size))
                continue
            yield header


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def read_members(op: str, path: Path, wanted: Callable[[str], bool]) -> tuple[list[Member], int]:
    """The members of a tar file that are `wanted`, and how many other files it has.

    Of a plain tar the places are taken; members of one compressed with gzip are read, for there is
    no way back in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the archive is damaged, a member claims more than there is, or a wanted one is
            no plain file.
    """
    with path.open("rb") as raw:
        status = os.fstat(raw.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{op}: {path} is no regular file")
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        limit = max(_BASE, _MAX_EXPANSION * status.st_size) if packed else status.st_size
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            return _scan(_Reader(stream, limit, packed), path.name, wanted, packed)
        except (_Broken, *_DAMAGE) as error:
            raise ValueError(
                f"{op}: {path} is truncated, corrupt or no tar file: "
                f"{str(error) or type(error).__name__}"
            ) from error


def _scan(
    reader: _Reader, label: str, wanted: Callable[[str], bool], packed: bool
) -> tuple[list[Member], int]:
    from tqdm import tqdm

    members: list[Member] = []
    others = 0
    for header in tqdm(
        reader.headers(), desc=label, unit="file", disable=None, leave=False, delay=0.5
    ):
        plain = header.kind in _PLAIN
        if plain and wanted(header.name):
            if header.size > MAX_FILE_BYTES:
                raise _Broken(
                    f"{header.name!r} claims {header.size:,} bytes, expected at most "
                    f"{MAX_FILE_BYTES:,}"
                )
            place, content = reader.place, None
            if packed:
                content = reader.read(header.size)
                reader.skip(_padded(header.size) - header.size)
            else:
                reader.skip(_padded(header.size))
            members.append(Member(header.name, place, header.size, content))
            continue
        if header.kind != _FOLDER and not plain and wanted(header.name):
            raise _Broken(
                f"expected plain files, got {header.name!r}, a link, device or sparse file"
            )
        others += header.kind != _FOLDER
        reader.skip(_padded(header.size))
    return members, others
