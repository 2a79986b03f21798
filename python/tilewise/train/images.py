"""Photographs and drawings as input of networks: small and grey, or as the zoo's weights want."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..models import Preprocessing

Invert = Literal["auto", "yes", "no"]

_MAX_PIXELS = 100_000_000


def load_image(
    path: str | os.PathLike[str], size: tuple[int, int], *, invert: Invert = "auto"
) -> npt.NDArray[np.uint8]:
    """Read an image as MNIST and Fashion-MNIST show theirs: light on black, in the middle.

    The image is turned as its camera says, laid on white where it is transparent, made grey,
    inverted where its border is light (most photographs of things, and ink on paper), shrunk or
    enlarged to fit with its proportions kept, and padded with black.

    Args:
        path: PNG, JPEG or anything else that Pillow reads.
        size: (height, width) to fit into.
        invert: "yes", "no", or "auto": where the median of the border is above the middle grey.

    Returns:
        uint8 array of shape `size`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, is corrupt, or has more than 100 million pixels.
        ImportError: Pillow is not installed.

    Example:
        >>> load_image("shoe.jpg", (28, 28)).shape  # doctest: +SKIP
        (28, 28)
    """
    grey: npt.NDArray[np.uint8] = _read(Path(path), _to_grey)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if invert == "yes" or (invert == "auto" and float(np.median(border)) > 127):
        grey = 255 - grey
    return _fit(grey, size)


def load_photo(path: str | os.PathLike[str], rule: Preprocessing) -> npt.NDArray[np.float32]:
    """Read an image as the weights of a network for photographs expect it.

    The image is turned as its camera says, laid on white where it is transparent, resized
    (bilinear), cut from the middle, and brought to the rule's order and range of colours.

    Args:
        path: PNG, JPEG or anything else that Pillow reads.
        rule: from `models.preprocessing`, for example.

    Returns:
        float32 array (C, H, W).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, is corrupt, or has more than 100 million pixels.
        ImportError: Pillow is not installed.

    Example:
        >>> load_photo("cat.jpg", models.preprocessing("resnet50")).shape  # doctest: +SKIP
        (3, 224, 224)
    """
    pixels = _read(Path(path), lambda image: _cropped(_to_colour(image, rule), rule))
    planes = pixels.reshape(*rule.size, rule.channels).transpose(2, 0, 1).astype(np.float32)
    if rule.bgr:
        planes = planes[::-1]
    mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (rule.mean, rule.std))
    return np.ascontiguousarray((planes * np.float32(rule.scale) - mean) / std)


def _to_colour(image: Image, rule: Preprocessing) -> Image:
    from PIL import Image as pillow  # noqa: N813

    if rule.channels not in (1, 3):
        raise ValueError(f"a network with {rule.channels} channels cannot see an image")
    if rule.channels == 1 or image.mode.startswith("I"):
        return pillow.fromarray(_to_grey(image)).convert("L" if rule.channels == 1 else "RGB")
    return _on_white(image).convert("RGB")


def _cropped(image: Image, rule: Preprocessing) -> npt.NDArray[np.uint8]:
    from PIL import Image as pillow  # noqa: N813

    height, width = rule.size
    if rule.resize is None:
        sides = (width, height)
    else:
        shorter = min(image.size)
        if max(image.size) > 100 * shorter:
            raise ValueError(f"{image.width} × {image.height} pixels are too narrow")
        sides = tuple(side * rule.resize // shorter for side in image.size)  # type: ignore[assignment]
    if image.size != sides:
        image = image.resize(sides, pillow.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.array(image.crop((left, top, left + width, top + height)), dtype=np.uint8)


def _read(path: Path, convert: Callable[[Image], npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install 'tilewise[data]'") from error
    with path.open("rb") as stream:  # a missing file is a FileNotFoundError, nothing else
        try:
            with Image.open(stream) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise ValueError(f"{image.width} × {image.height} pixels are too many")
                return convert(ImageOps.exif_transpose(image))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            reason = str(error).replace(f" {stream!r}", "")
            raise ValueError(f"{path}: cannot read it as an image: {reason}") from error


def _to_grey(image: Image) -> npt.NDArray[np.uint8]:
    if image.mode.startswith("I"):  # 16 bits a pixel
        wide: npt.NDArray[Any] = np.asarray(image).astype(np.int64)
        shallow: npt.NDArray[np.uint8] = np.clip(wide >> 8, 0, 255).astype(np.uint8)
        return shallow
    return np.array(_on_white(image).convert("L"), dtype=np.uint8)


def _on_white(image: Image) -> Image:
    """The image without transparency."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image
    from PIL import Image as pillow  # noqa: N813

    layer = image.convert("RGBA")
    white = pillow.new("RGBA", layer.size, "white")
    return pillow.alpha_composite(white, layer)


def _fit(grey: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if grey.shape == size:
        return grey
    from PIL import Image as pillow  # noqa: N813

    height, width = grey.shape
    scale = min(size[0] / height, size[1] / width)
    fitted = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = pillow.fromarray(grey).resize(fitted[::-1], pillow.Resampling.LANCZOS)
    result = np.zeros(size, dtype=np.uint8)
    top, left = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    result[top : top + fitted[0], left : left + fitted[1]] = np.asarray(small)
    return result
