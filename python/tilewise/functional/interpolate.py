"""Resizing of images: nearest, linear, cubic, area and antialiased interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import LARGEST, array_of, as_bool, as_choice, as_float, as_int, describe
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import AXES
from tilewise.functional.pooling import record_adaptive_avg_pool

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    FloatOrTuple = float | Sequence[float]

# name: (the core's name, spatial dimensions that it takes, whether align_corners means something)
_MODES: dict[str, tuple[str, tuple[int, ...], bool]] = {
    "nearest": ("nearest", (1, 2, 3), False),
    "nearest-exact": ("nearest-exact", (1, 2, 3), False),
    "area": ("area", (1, 2, 3), False),
    "linear": ("linear", (1,), True),
    "bilinear": ("linear", (2,), True),
    "trilinear": ("linear", (3,), True),
    "bicubic": ("cubic", (2,), True),
    "lanczos": ("lanczos", (2,), True),
}


def _each(op: str, name: str, value: Any, shape: tuple[int, ...]) -> Sequence[Any]:
    """One value a spatial dimension."""
    dims = len(shape) - 2
    if not isinstance(value, tuple | list):
        return (value,) * dims
    if len(value) != dims:
        raise ValueError(
            f"{op}: expected {name} as one number or {dims} for input of shape {shape}, got "
            f"{describe(value)}"
        )
    return value


def _sizes(
    op: str, shape: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Output sizes, and the scales that the sampling uses where these are not those of the sizes.

    Raises:
        TypeError, ValueError: unless exactly one of both is given, in numbers above 0.
    """
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{op}: expected one of size and scale_factor, got {size}, {scale_factor}")
    if size is not None:
        if recompute:
            raise ValueError(f"{op}: expected no recompute_scale_factor with size {size}")
        return tuple([as_int(op, "size", n, 1) for n in _each(op, "size", size, shape)]), ()
    if type(scale_factor) is int and 1 <= scale_factor <= LARGEST:
        sizes = tuple([n * scale_factor for n in shape[2:]])
        if min(sizes) > 0 and max(sizes) <= LARGEST:
            return sizes, () if recompute else (float(scale_factor),) * len(sizes)
    factors = tuple(
        [as_float(op, "scale_factor", f) for f in _each(op, "scale_factor", scale_factor, shape)]
    )
    for n, factor in zip(shape[2:], factors, strict=True):
        if not 0 < factor <= LARGEST or n * factor < 1:
            raise ValueError(
                f"{op}: expected scale_factor that leaves a pixel of shape {shape}, got {factor}"
            )
    sizes = tuple(
        [as_int(op, "size", int(n * f), 1) for n, f in zip(shape[2:], factors, strict=True)]
    )
    return sizes, () if recompute else factors


def _plan(
    shape: tuple[int, ...],
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> tuple[tuple[int, ...], tuple[str, bool, bool, tuple[float, ...]]]:
    """The arguments checked, as the core takes them: sizes; kind, aligned, smooth, scales."""
    op = "interpolate"
    dims = len(shape) - 2
    if not 1 <= dims <= 3:
        raise ValueError(f"{op}: expected input of shape {' or '.join(AXES[1:])}, got {shape}")
    if type(mode) is not str or mode not in _MODES:
        as_choice(op, "mode", mode, tuple(_MODES))
    kind, ranks, corners = _MODES[mode]
    if dims not in ranks:
        raise ValueError(f"{op}: expected input of shape {AXES[ranks[0]]} for {mode}, got {shape}")
    aligned = align_corners is not None and as_bool(op, "align_corners", align_corners)
    if align_corners is not None and not corners:
        raise ValueError(f"{op}: mode {mode!r} has no align_corners")
    smooth = antialias is not False and as_bool(op, "antialias", antialias)
    if smooth is not (mode == "lanczos") and not (smooth and mode in {"bilinear", "bicubic"}):
        raise ValueError(
            f"{op}: antialias goes with bilinear and bicubic, and lanczos needs it; got mode "
            f"{mode!r}, antialias={smooth}"
        )
    recompute = recompute_scale_factor is not None and as_bool(
        op, "recompute_scale_factor", recompute_scale_factor
    )
    sizes, scales = _sizes(op, shape, size, scale_factor, recompute)
    return sizes, (kind, aligned, smooth, scales)


def interpolate(
    input: Tensor,
    size: IntOrTuple | None = None,
    scale_factor: FloatOrTuple | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the spatial dimensions.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W), float32 or float64.
        size: of the output, an int or one for each dimension.
        scale_factor: instead of the size: what to multiply the sizes with, rounded down.
        mode: "nearest" (rounds coordinates down), "nearest-exact" (the pixel whose centre is
            nearest) and "area" (means of the parts, `adaptive_avg_pool2d`) in 1 to 3 dimensions;
            "linear" in one, "bilinear", "bicubic" (Keys' convolution with a = -0.75) and "lanczos"
            (with `antialias`) in two, "trilinear" in three.
        align_corners: map the centres of the outermost pixels on each other, not their outer edges.
        recompute_scale_factor: sample with the ratio of the sizes, not with `scale_factor`.
        antialias: widen the filter when an image shrinks, as Pillow does; for bilinear, bicubic
            (a = -0.5) and lanczos.

    Returns:
        (N, C, *size).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a mode that does not take this rank or option, both or neither of `size` and
            `scale_factor`, or an output without pixels.

    Example:
        >>> F.interpolate(tw.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
        >>> F.interpolate(tw.ones(1, 3, 8, 8), size=(5, 12), mode="bicubic").shape
        (1, 3, 5, 12)
    """
    op = "interpolate"
    x = array_of(op, "input", input)
    settings = (size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    recorded = input._requires_grad and grad_mode.enabled
    plain = _core.interpolate_plain(x, *settings, recorded)
    if plain is not None:
        return _record(op, input, *plain) if recorded else wrap(plain)
    sizes, how = _plan(x.shape, *settings)
    if how[0] == "area":
        y = _core.adaptive_avg_pool_forward(x, sizes)
    else:
        y = _core.interpolate_forward(x, sizes, *how)
    return _record(op, input, y, *how) if recorded else wrap(y)


def _record(op: str, input: Tensor, y: Array, *how: Any) -> Tensor:
    """The result on the tape; `how` is what the core takes after the sizes."""
    if how[0] == "area":
        return record_adaptive_avg_pool(op, y, input)
    shape = input._array.shape
    return record(op, y, (input,), lambda dy: (_core.interpolate_backward(dy, shape, *how),))


def upsample(
    input: Tensor,
    size: IntOrTuple | None = None,
    scale_factor: FloatOrTuple | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of `interpolate`.

    Example:
        >>> F.upsample(tw.ones(1, 1, 2, 2), scale_factor=3).shape
        (1, 1, 6, 6)
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: IntOrTuple | None = None, scale_factor: FloatOrTuple | None = None
) -> Tensor:
    """`interpolate` with mode "nearest".

    Example:
        >>> F.upsample_nearest(tw.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor, size: IntOrTuple | None = None, scale_factor: FloatOrTuple | None = None
) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners.

    Example:
        >>> F.upsample_bilinear(tw.tensor([[[[0.0, 2.0]]]]), size=(1, 3))
        tensor([[[[0., 1., 2.]]]])
    """
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
