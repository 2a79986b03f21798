"""Resizing of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewise import functional as F
from tilewise.autograd import no_grad
from tilewise.creation import eye

from .builder import Call, Size
from .pooling import CONVERTERS as POOLING

_LINEAR = ("linear", "bilinear", "trilinear")


def _scales(call: Call) -> list[float] | None:
    """The factors that the sampling uses, or None where they follow from the sizes."""
    factor = call.get("scale_factor")
    if factor is None or call.get("recompute_scale_factor"):
        return None
    dims = call.rank("input") - 2
    return [float(f) for f in (factor if isinstance(factor, tuple | list) else (factor,) * dims)]


def _by_matrices(call: Call, mode: str) -> str:
    """Antialiased resizing as a matrix for rows and one for columns.

    Resize has filters of this kind since version 18, but runtimes disagree about them.
    """
    x, aligned = call["input"], call.get("align_corners")
    scales: list[Any] = [*(_scales(call) or (None, None))]
    for axis, scale in zip((2, 3), scales, strict=True):
        size, out = call.shape("input")[axis], call.out_shape[axis]
        unit = eye(size, dtype=call.arguments["input"].dtype).reshape(1, 1, size, size)
        settings: dict[str, Any] = {"size": (out, size)}
        if scale is not None:
            settings = {"scale_factor": (scale, 1.0)}
        with no_grad():
            matrix = F.interpolate(
                unit, mode=mode, align_corners=aligned, antialias=True, **settings
            ).numpy()[0, 0]
        if axis == 2:
            x = call.op("MatMul", call.constant(matrix, call.out_dtype, "rows"), x)
        else:
            x = call.op("MatMul", x, call.constant(matrix.T, call.out_dtype, "columns"))
    return x


def _interpolate(call: Call) -> str:
    """Resize, whose coordinates are PyTorch's in the modes that both have."""
    mode, dims = call.get("mode", "nearest"), call.rank("input") - 2
    if mode == "area":
        return str(POOLING[f"adaptive_avg_pool{dims}d"](call))
    if call.get("antialias"):
        return _by_matrices(call, mode)
    attributes: dict[str, Any] = {"mode": "nearest"}
    if mode == "nearest":
        attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    elif mode == "nearest-exact":
        attributes |= {
            "coordinate_transformation_mode": "half_pixel",
            "nearest_mode": "round_prefer_ceil",
        }
    else:
        aligned = bool(call.get("align_corners"))
        attributes |= {
            "mode": "linear" if mode in _LINEAR else "cubic",
            "coordinate_transformation_mode": "align_corners" if aligned else "half_pixel",
        }
    if mode == "bicubic":
        attributes["cubic_coeff_a"] = -0.75
    scales = _scales(call)
    if scales is not None:
        values = call.constant(np.array([1.0, 1.0, *scales]), np.float32, "scales")
        return call.op("Resize", call["input"], "", values, **attributes)
    if call.opset >= 18:
        sizes = call.ints(call.out_shape[2:])
        attributes["axes"] = list(range(2, dims + 2))
    else:
        whole: list[Size] = [*call.sizes("input")[:2], *call.out_shape[2:]]
        sizes = call.builder.shape_vector(call.scope, whole)
    return call.op("Resize", call["input"], "", "", sizes, **attributes)


def _named(**settings: Any) -> Callable[[Call], str]:
    """The old names of interpolate, each with its settings."""

    def convert(call: Call) -> str:
        call.arguments |= settings
        return _interpolate(call)

    return convert


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "interpolate": _interpolate,
    "upsample": _interpolate,
    "upsample_nearest": _named(mode="nearest"),
    "upsample_bilinear": _named(mode="bilinear", align_corners=True),
}
