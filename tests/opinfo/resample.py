"""Resizing and rearranging of images."""

from __future__ import annotations

from typing import Any

import tilewise as tw
from opinfo.harness import Row
from tilewise.nn import functional as F


def bilinear_aa(
    input: tw.Tensor,
    output_size: Any,
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
    scale_factors: Any = None,
) -> tw.Tensor:
    return F.interpolate(
        input, output_size, scale_factors, "bilinear", align_corners, antialias=True
    )


def scaled(sample: Any) -> str | None:
    """Scales beside a size are an argument of PyTorch's internal function alone."""
    given = [sample.kwargs.get(name) for name in ("scales_h", "scales_w")]
    return "scales that contradict the size" if any(s is not None for s in given) else None


ROWS = [
    *(
        Row("nn.functional.interpolate", variant=mode)
        for mode in (
            "nearest",
            "nearest-exact",
            "linear",
            "bilinear",
            "bicubic",
            "trilinear",
            "area",
        )
    ),
    Row("nn.functional.pixel_shuffle"),
    Row("nn.functional.pixel_unshuffle"),
    Row("nn.functional.channel_shuffle"),
    Row("nn.functional.upsample_nearest"),
    Row("nn.functional.upsample_bilinear"),
    Row("_upsample_bilinear2d_aa", call=bilinear_aa, skip=scaled),
]
