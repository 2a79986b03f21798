"""How batches of images pass to the core and back, whatever their type and sizes.

Images are uint8 (H, W) or (H, W, C), or floating point (C, H, W); a batch is an array with a
leading dimension, or a list of arrays where sizes differ. The core wants channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ... import _core
from ...tensor import Tensor

Images: TypeAlias = npt.NDArray[Any]
Batch: TypeAlias = Images | list[Images]
Normalization: TypeAlias = tuple[list[float], list[float]]


def as_array(value: Any) -> Images:
    """An image as an array: of a Tensor, a Pillow image or an array."""
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def joined(images: Sequence[Images]) -> Batch:
    """One array where all images have one shape and type, else the list."""
    kinds = {(image.shape, image.dtype) for image in images}
    return np.stack(images) if len(kinds) == 1 else list(images)


def check_kind(op: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Raise unless this is the type and shape of an image."""
    if (dtype != np.uint8 and dtype.kind != "f") or len(shape) not in (2, 3):
        raise ValueError(
            f"{op}: expected uint8 images (H, W) or (H, W, C), or floating-point images (C, H, W), "
            f"got {dtype.name} of shape {shape}"
        )


@dataclass(frozen=True)
class CoreBatch:
    """Images in the form that the core reads.

    Args:
        handle: a core array (N, H, W, C), or a list of NumPy arrays (H, W, C).
        sizes: int64 (N, 2), heights and widths.
        channels: of every image.
        dtype: of every image.
        grey: whether images had no axis for channels; first: whether it came first.
    """

    handle: Any
    sizes: npt.NDArray[np.int64]
    channels: int
    dtype: np.dtype[Any]
    grey: bool
    first: bool

    @property
    def uniform(self) -> bool:
        """Whether all images have one size."""
        return not len(self.sizes) or bool((self.sizes == self.sizes[0]).all())

    def back(self, result: _core.Array) -> Images:
        """A result (N, h, w, C) in the order of axes that the images had."""
        return self._ordered(result.numpy(), result.dtype != _core.DType.uint8)

    def back_each(self, results: list[_core.Array]) -> list[Images]:
        """The same for results (h, w, C) of several sizes."""
        return [self._ordered(r.numpy(), r.dtype != _core.DType.uint8) for r in results]

    def _ordered(self, pixels: Images, floating: bool) -> Images:
        if self.grey and floating == self.first:
            return pixels[..., 0]
        return np.moveaxis(pixels, -1, -3) if floating else pixels


def to_core(op: str, images: Batch) -> CoreBatch:
    """Hand a batch to the core; no pixel is copied where they are channels-last already.

    Raises:
        ValueError: images of another shape, or of several types.
    """
    if isinstance(images, list):
        if not images:
            raise ValueError(f"{op}: expected at least one image, got none")
        check_kind(op, images[0].dtype, images[0].shape)
        kinds = {(image.ndim, image.dtype) for image in images}
        if len(kinds) != 1:
            raise ValueError(f"{op}: expected images of one type, got {sorted(map(str, kinds))}")
        grey, first = images[0].ndim == 2, images[0].dtype.kind == "f"
        pixels = [_channels_last(image, grey, first) for image in images]
        sizes = np.array([p.shape[:2] for p in pixels], dtype=np.int64)
        return CoreBatch(pixels, sizes, pixels[0].shape[2], pixels[0].dtype, grey, first)
    check_kind(op, images.dtype, images.shape[1:])
    grey, first = images.ndim == 3, images.dtype.kind == "f"
    batch = _channels_last(images, grey, first)
    sizes = np.tile(np.array(batch.shape[1:3], dtype=np.int64), (len(batch), 1))
    handle = _core.Array.from_numpy(batch)
    return CoreBatch(handle, sizes, batch.shape[3], batch.dtype, grey, first)


def _channels_last(pixels: Images, grey: bool, first: bool) -> Images:
    if grey:
        pixels = pixels[..., None]
    elif first:
        pixels = np.moveaxis(pixels, -3, -1)
    return np.ascontiguousarray(pixels)


def table(values: Any, dtype: Any = np.int64) -> _core.Array:
    """Numbers for the core, a row an image."""
    return _core.Array.from_numpy(np.array(values, dtype=dtype, order="C"))
