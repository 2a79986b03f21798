"""Resizing layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise import functional as F
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    FloatOrTuple = float | Sequence[float]


class Upsample(Module):
    """`interpolate` as a layer.

    Args:
        size: of the output, an int or one for each spatial dimension, or
        scale_factor: what to multiply the sizes with.
        mode: "nearest", "linear", "bilinear", "bicubic", "trilinear"; see `F.interpolate`.
        align_corners: map the centres of the outermost pixels on each other.
        recompute_scale_factor: sample with the ratio of the sizes.

    Example:
        >>> nn.Upsample(scale_factor=2, mode="bilinear")(tw.ones(1, 3, 8, 8)).shape
        (1, 3, 16, 16)
    """

    def __init__(
        self,
        size: IntOrTuple | None = None,
        scale_factor: FloatOrTuple | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = tuple(size) if isinstance(size, list) else size
        factor: Any = scale_factor
        if isinstance(scale_factor, tuple | list):
            factor = tuple([float(f) for f in scale_factor])
        elif scale_factor is not None:
            factor = float(factor)
        self.scale_factor: FloatOrTuple | None = factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The resized input."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """The size or scale, and the mode."""
        what = (
            f"scale_factor={self.scale_factor!r}"
            if self.scale_factor is not None
            else f"size={self.size!r}"
        )
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode "nearest".

    Args:
        size: of the output, an int or a pair, or
        scale_factor: what to multiply the sizes with.

    Example:
        >>> nn.UpsamplingNearest2d(scale_factor=2)(tw.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """

    def __init__(
        self, size: IntOrTuple | None = None, scale_factor: FloatOrTuple | None = None
    ) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode "bilinear" and aligned corners; the arguments of UpsamplingNearest2d.

    Example:
        >>> nn.UpsamplingBilinear2d(size=(1, 3))(tw.tensor([[[[0.0, 2.0]]]]))
        tensor([[[[0., 1., 2.]]]])
    """

    def __init__(
        self, size: IntOrTuple | None = None, scale_factor: FloatOrTuple | None = None
    ) -> None:
        super().__init__(size, scale_factor, "bilinear", True)
