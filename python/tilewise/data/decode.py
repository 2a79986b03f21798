"""Image files to arrays, through Pillow; nothing in a file is believed.

A header is compared with the file's size and with a limit of pixels before Pillow decodes, only
formats that hold plain pictures are opened, and every failure is a ValueError that names the file.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MODES = {"RGB": 3, "L": 1, "RGBA": 4}
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".webp", ".gif", ".tif", ".tiff")
MAX_FILE_BYTES = 256 << 20
MAX_PIXELS = 1 << 26
# Formats of Pillow that start no other program and read no other file.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "WEBP", "GIF", "TIFF")
# No format in use stores a picture in a thousandth of its bytes; deflate's limit is 1032.
_MAX_EXPANSION = 4096
_SMALL = 16 << 20  # bytes of pixels that any file may claim
_MAX_SCANS = 64  # of a JPEG; progressive files have about ten


def decode_image(
    content: bytes, name: str, mode: str = "RGB", max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """Decode an image file.

    Args:
        content: the bytes of the file: JPEG, PNG, PPM, BMP, WebP, GIF (the first frame) or TIFF.
        name: for messages.
        mode: "RGB", "L" (grey) or "RGBA".
        max_pixels: the most that a file may hold.

    Returns:
        uint8 (H, W, 3), (H, W) for "L", or (H, W, 4).

    Raises:
        ValueError: no image, a truncated or corrupt one, or one that claims too much.
        ModuleNotFoundError: Pillow is not installed.
    """
    image_module = _pillow()
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(
            f"decode_image: {name} has {len(content):,} bytes, expected at most {MAX_FILE_BYTES:,}"
        )
    try:
        with image_module.open(io.BytesIO(content), formats=_FORMATS) as image:
            _check_claim(image.size, image.format, content, name, max_pixels)
            converted = image if image.mode == mode else _converted(image, mode)
            return np.array(converted, dtype=np.uint8)
    except _Refused as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # a decoder raises anything on a corrupt file
        reason = str(error).split("<_io")[0].strip() or type(error).__name__
        raise ValueError(
            f"decode_image: {name} is truncated, corrupt or no image ({len(content):,} bytes): "
            f"{type(error).__name__}: {reason}"
        ) from error


class _Refused(Exception):
    pass


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ModuleNotFoundError(
            "image files need Pillow: pip install 'tilewise[data]'", name="PIL"
        ) from None
    return Image


def _check_claim(
    size: tuple[int, int], kind: str | None, content: bytes, name: str, max_pixels: int
) -> None:
    pixels = size[0] * size[1]
    claim = f"decode_image: {name} claims {size[0]}x{size[1]} pixels"
    if pixels > max_pixels:
        raise _Refused(f"{claim}, expected at most {max_pixels:,}")
    if pixels < 1:
        raise _Refused(f"{claim}, expected at least one")
    if 3 * pixels > max(_SMALL, _MAX_EXPANSION * len(content)):
        raise _Refused(f"{claim} in {len(content):,} bytes, more than they can hold")
    if kind == "JPEG" and 3 * pixels > _SMALL // 16 and content.count(b"\xff\xda") > _MAX_SCANS:
        raise _Refused(f"{claim} in more than {_MAX_SCANS} scans")


def _converted(image: Any, mode: str) -> Any:
    # A palette with transparency loses it, with a warning, unless it passes through RGBA.
    if image.mode == "P" and "transparency" in image.info and mode != "RGBA":
        image = image.convert("RGBA")
    if image.mode in ("I;16", "I;16B", "I") and mode != "I":  # 16-bit grey would be clipped
        grey = np.asarray(image).astype(np.int64)
        shifted = (np.clip(grey, 0, 65535) >> 8).astype(np.uint8)
        image = _pillow().fromarray(shifted)
    return image.convert(mode)


def read_image_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file of at most MAX_FILE_BYTES.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a device, a pipe or a folder, or too large.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"decode_image: {path} is no regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ValueError(
                f"decode_image: {path} has {status.st_size:,} bytes, "
                f"expected at most {MAX_FILE_BYTES:,}"
            )
        return stream.read(MAX_FILE_BYTES + 1)


def read_image(
    path: str | os.PathLike[str], mode: str = "RGB", max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """Read an image file: JPEG, PNG, PPM, BMP, WebP, GIF or TIFF.

    Args:
        path: the file.
        mode: "RGB", "L" (grey) or "RGBA".
        max_pixels: the most that the file may hold.

    Returns:
        uint8 (H, W, 3), (H, W) for "L", or (H, W, 4).

    Raises:
        ValueError: no image, a truncated or corrupt one, or one that claims too much.
        OSError: the file cannot be read.
        ModuleNotFoundError: Pillow (the extra `[data]`) is not installed.

    Example:
        >>> with open("grey.pgm", "wb") as stream:
        ...     _ = stream.write(b"P5 2 1 255 " + bytes([0, 255]))
        >>> data.read_image("grey.pgm").tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    return decode_image(read_image_file(path), str(Path(path)), as_mode(mode), max_pixels)


def as_mode(mode: str) -> str:
    """One of MODES."""
    if mode not in MODES:
        raise ValueError(f"read_image: expected mode as one of {', '.join(MODES)}, got {mode!r}")
    return mode
