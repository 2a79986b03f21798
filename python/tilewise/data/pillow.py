"""Pillow images as tensors and back, on the same memory where both store pixels alike."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._arguments import as_bool, describe, wrong_type
from ..creation import from_numpy
from ..tensor import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]

# Channels of the modes that Pillow stores in four bytes a pixel; the others are padding.
_FOUR_BYTES: dict[str, slice] = {
    "RGB": slice(0, 3), "YCbCr": slice(0, 3), "LAB": slice(0, 3), "HSV": slice(0, 3),
    "RGBA": slice(0, 4), "RGBX": slice(0, 4), "RGBa": slice(0, 4), "CMYK": slice(0, 4),
    "LA": slice(0, 4, 3), "La": slice(0, 4, 3), "PA": slice(0, 4, 3),
}  # fmt: skip
_ONE_NUMBER = {"L": "|u1", "P": "|u1", "I": "=i4", "F": "=f4"}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class _ArrowArray(ctypes.Structure):
    """Arrow's C structure of an array (https://arrow.apache.org/docs/format/CDataInterface.html)."""


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private", ctypes.c_void_p),
]  # fmt: skip


class _Pixels:
    """An image's memory for NumPy; holds what Pillow handed out as long as an array looks at it."""

    def __init__(self, owner: Any, address: int, shape: tuple[int, ...], kind: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": np.dtype(kind).str, "data": (address, False),
        }  # fmt: skip


def _shared(image: Image) -> Array | None:
    """The pixels (H, W, C) where they lie, or None where Pillow cannot hand them out.

    Pillow shares its memory, as an Arrow array, since version 11.2 and for images in one block
    (16 MB, as it is set by default).
    """
    mode, (width, height) = image.mode, image.size
    if mode not in _FOUR_BYTES and mode not in _ONE_NUMBER:
        return None
    try:
        capsules = image.__arrow_c_array__()
    except (AttributeError, ValueError):
        return None
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    arrow = _ArrowArray.from_address(pointer_of(capsules[1], b"arrow_array"))
    bands, kind = (4, "|u1") if mode in _FOUR_BYTES else (1, _ONE_NUMBER[mode])
    pixels = arrow.children[0].contents if arrow.n_children else arrow
    if pixels.length != width * height * bands or pixels.offset or pixels.n_buffers != 2:
        return None
    memory = _Pixels(capsules, pixels.buffers[1], (height, width, bands), kind)
    return np.asarray(memory)[:, :, _FOUR_BYTES.get(mode, slice(None))]


def pil_to_tensor(pic: Image, *, copy: bool = False) -> Tensor:
    """The pixels of a Pillow image as a tensor (C, H, W), in the numbers that they are.

    The tensor lies on the image's memory, channels last, where Pillow hands that out (version 11.2
    and later, images below 16 MB): a change of one shows in the other. Otherwise, and for the modes
    "1" and "I;16", it is a copy.

    Args:
        pic: a Pillow image.
        copy: whether to copy in any case.

    Returns:
        uint8 for 8 bits a channel; bool for mode "1", int32 for "I" and "I;16", float32 for "F".

    Raises:
        TypeError: `pic` is no Pillow image.

    Example:
        >>> from PIL import Image
        >>> data.pil_to_tensor(Image.new("RGB", (4, 2), "red"))[:, 0, 0]
        tensor([255,   0,   0], dtype=tilewise.uint8)
    """
    if not (hasattr(pic, "mode") and hasattr(pic, "getbands") and hasattr(pic, "size")):
        raise wrong_type("pil_to_tensor", "pic", "a Pillow image", pic)
    pic.load()
    pixels = None if as_bool("pil_to_tensor", "copy", copy) else _shared(pic)
    if pixels is None:
        pixels = np.array(pic)
        if pixels.dtype == np.uint16:
            pixels = pixels.astype(np.int32)
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
    return from_numpy(np.moveaxis(pixels, -1, 0))


def to_pil_image(pic: Tensor | Array, mode: str | None = None) -> Image:
    """A Pillow image of a tensor (C, H, W) or (H, W), or of an array (H, W, C) or (H, W).

    Grey and RGBA images lie on the tensor's memory where it is uint8 and channels last; a change of
    the tensor then shows in the image. Pillow itself copies before it writes to such an image. RGB
    has four bytes a pixel in Pillow, and is always copied.

    Args:
        pic: of one to four channels: uint8; floating point in [0, 1], which is multiplied by 255,
            rounded and limited; bool; or int32 with one channel (mode "I").
        mode: of the image; None for "L", "LA", "RGB" or "RGBA" after the number of channels.

    Raises:
        ImportError: without Pillow: `pip install 'tilewise[data]'`.
        TypeError: for another type of object or of numbers.
        ValueError: for a shape that is no image, or a mode that does not fit.

    Example:
        >>> image = data.to_pil_image(tw.zeros(3, 2, 4))
        >>> image.mode, image.size
        ('RGB', (4, 2))
    """
    try:
        from PIL import Image as pillow  # noqa: N813
    except ImportError as error:
        raise ImportError("to_pil_image: needs Pillow: pip install 'tilewise[data]'") from error
    pixels = _rows_of_pixels(pic)
    channels = pixels.shape[2]
    if pixels.dtype == np.int32:
        if channels != 1 or mode not in {None, "I"}:
            raise ValueError(
                f"to_pil_image: expected int32 images with one channel and mode 'I', got "
                f"{channels} and {mode!r}"
            )
        return pillow.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    chosen = _MODES[channels] if mode is None else mode
    if chosen not in pillow.MODES or len(pillow.new(chosen, (1, 1)).getbands()) != channels:
        raise ValueError(
            f"to_pil_image: expected a mode of {channels} channels, got {describe(mode)}"
        )
    size = (pixels.shape[1], pixels.shape[0])
    return pillow.frombuffer(chosen, size, np.ascontiguousarray(pixels), "raw", chosen, 0, 1)


def _rows_of_pixels(pic: Any) -> Array:
    """The image as (H, W, C) of uint8 or int32."""
    if isinstance(pic, Tensor):
        array = pic.detach().numpy()
        pixels = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    elif isinstance(pic, np.ndarray):
        pixels = pic
    else:
        raise wrong_type("to_pil_image", "pic", "a Tensor or a NumPy array", pic)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in _MODES or 0 in pixels.shape:
        raise ValueError(
            f"to_pil_image: expected an image of one to four channels, got shape {pic.shape}"
        )
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind == "f":
        shades: Array = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)
        return shades
    if pixels.dtype not in (np.uint8, np.int32):
        raise TypeError(
            f"to_pil_image: expected uint8, int32, bool or floating point, got {pixels.dtype}"
        )
    return pixels
