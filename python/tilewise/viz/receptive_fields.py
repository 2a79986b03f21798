"""A picture of what one unit of a network sees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .style import BLUE, ORANGE, figure, save_png

if TYPE_CHECKING:
    from ..analysis import ReceptiveField


def _pixels(image: Any, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """An image (H, W), (C, H, W) or (H, W, C) as what matplotlib shows, in 0 to 1."""
    values = np.asarray(image.numpy() if hasattr(image, "numpy") else image, dtype=np.float64)
    if values.ndim == 3 and values.shape[1:] == size and values.shape[0] in {1, 3}:
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    fits = values.shape[:2] == size and (values.ndim == 2 or values.shape[2:] == (3,))
    if not fits or not np.isfinite(values).all():
        raise ValueError(
            f"receptive_field: expected a finite image (H, W), (C, H, W) or (H, W, C) of {size} "
            f"pixels in 1 or 3 channels, got shape {values.shape}"
        )
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def receptive_field(
    field: ReceptiveField,
    layer: str | int,
    unit: Sequence[int],
    image: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
) -> None:
    """Draw the part of an image that a unit sees as a PNG.

    The box of solid lines is what it sees of the image; the dashed one goes on over the padding.

    Args:
        field: what `tilewise.receptive_field` returned, of a network for images.
        layer: the layer's name or number in the table.
        unit: row and column in the layer's map.
        image: (H, W), (C, H, W) or (H, W, C) of the network's input size, in 1 or 3 channels, any
            range of values; a Tensor or an array.
        path: the PNG file to write.
        title: printed above; by default the layer and the unit.

    Raises:
        ValueError: for a network of other dimensions, an image of another size, or a unit that
            there is not.
        ImportError: matplotlib is not installed.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 7, stride=2, padding=3), nn.MaxPool2d(2))
        >>> field = tw.receptive_field(net, (3, 32, 32))
        >>> viz.receptive_field(field, "1", (3, 3), np.zeros((32, 32)), "unit.png")
    """
    if len(field.image_size) != 2:
        raise ValueError(
            f"receptive_field: expected a network for images, got one for {field.image_size}"
        )
    height, width = field.image_size
    pixels = _pixels(image, field.image_size)
    row = field.rows[field.layer(layer)]
    seen = field.unit_box(layer, unit)
    beyond = field.unit_box(layer, unit, clip=False)
    (top, bottom), (left, right) = beyond
    margin = 0.03 * max(height, width)
    with figure(6.4, 6.2 * height / width + 1.1) as drawn:
        axes = drawn.subplots()
        axes.imshow(pixels, cmap="gray", extent=(0, width, height, 0), vmin=0, vmax=1)
        shade = np.zeros((height, width, 4))
        shade[..., 3] = 0.45
        shade[seen[0][0] : seen[0][1], seen[1][0] : seen[1][1], 3] = 0
        axes.imshow(shade, extent=(0, width, height, 0))
        if beyond != seen:
            _frame(axes, beyond, BLUE, "--", "with padding")
        _frame(axes, seen, ORANGE, "-", "in the image")
        axes.plot((left + right) / 2, (top + bottom) / 2, "+", color=ORANGE, markersize=9)
        axes.set_xlim(min(left, 0) - margin, max(right, width) + margin)
        axes.set_ylim(max(bottom, height) + margin, min(top, 0) - margin)
        axes.grid(visible=False)
        drawn.legend(loc="outside lower left")
        place = f", unit {tuple(unit)} of {'×'.join(map(str, row.map_size))}" if unit else ""
        axes.set_title(title or f"{row.name} ({row.op}){place}")
        save_png(drawn, path)


def _frame(axes: Any, box: Any, colour: str, style: str, label: str) -> None:
    from matplotlib.patches import Rectangle

    (top, bottom), (left, right) = box
    text = f"{label}: rows {top} to {bottom}, columns {left} to {right}"
    axes.add_patch(
        Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=colour,
            linewidth=2,
            linestyle=style,
            label=text,
        )
    )
