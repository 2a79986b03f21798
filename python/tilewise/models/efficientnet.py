"""EfficientNet: one network scaled in width, depth and resolution together."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from .. import nn
from .._arguments import as_choice
from ..tensor import Tensor
from ._layers import KERAS_NORM, Norm, SqueezeExcitation, conv_norm, init_fan_out, make_divisible

# Expansion, kernel, stride, channels and repeats of the stages of B0: table 1 of the paper.
_STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip


class _Scale(NamedTuple):
    width: float
    depth: float
    resolution: int
    dropout: float
    norm: Norm = nn.BatchNorm2d


_SCALES = {
    "b0": _Scale(1.0, 1.0, 224, 0.2),
    "b1": _Scale(1.0, 1.1, 240, 0.2),
    "b2": _Scale(1.1, 1.2, 260, 0.3),
    "b3": _Scale(1.2, 1.4, 300, 0.3),
    "b4": _Scale(1.4, 1.8, 380, 0.4),
    "b5": _Scale(1.6, 2.2, 456, 0.4, KERAS_NORM),
    "b6": _Scale(1.8, 2.6, 528, 0.5, KERAS_NORM),
    "b7": _Scale(2.0, 3.1, 600, 0.5, KERAS_NORM),
}
_STOCHASTIC_DEPTH = 0.2  # what the last block would have


class _MBConv(nn.Module):
    """An inverted residual with squeeze-and-excitation, skipped at random in training."""

    def __init__(
        self,
        channels: tuple[int, int],
        expansion: int,
        kernel: int,
        stride: int,
        norm: Norm,
        drop: float,
    ) -> None:
        super().__init__()
        inner, outer = channels
        conv = partial(conv_norm, norm=norm, activation=nn.SiLU)
        wide = make_divisible(inner * expansion)
        widen = [conv(inner, wide)] if wide != inner else []
        self.block = nn.Sequential(
            *widen,
            conv(wide, wide, kernel, stride, groups=wide),
            SqueezeExcitation(wide, max(1, inner // 4), nn.SiLU, nn.Sigmoid),
            conv(wide, outer, activation=None),
        )
        self.stochastic_depth = nn.StochasticDepth(drop, "row")
        self.residual = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        if self.residual:
            y = self.stochastic_depth(y) + x
        return y


class EfficientNet(nn.Module):
    """Seven stages of inverted residuals with squeeze-and-excitation, B0 to B7.

    B0 has 5,288,548 parameters. (Source: M. Tan and Q. Le, "EfficientNet: rethinking model scaling
    for convolutional neural networks", 2019.)

    Args:
        variant: "b0" to "b7".
        num_classes: outputs.
        in_channels: channels of the images.
        dropout: probability before the last layer; the variant's by default.

    Attributes:
        resolution: the size of images that the paper trains this variant with.

    Shape:
        float32 (N, in_channels, H, W) → logits (N, num_classes).

    Example:
        >>> models.EfficientNet("b0", num_classes=10).eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 10)
    """

    def __init__(
        self,
        variant: str = "b0",
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        scale = _SCALES[as_choice("EfficientNet", "variant", variant, tuple(_SCALES))]
        self.resolution = scale.resolution
        repeats = [math.ceil(stage[4] * scale.depth) for stage in _STAGES]
        total, built = sum(repeats), 0
        conv = partial(conv_norm, norm=scale.norm, activation=nn.SiLU)
        channels = make_divisible(32 * scale.width)
        stages: list[nn.Module] = [conv(in_channels, channels, 3, stride=2)]
        for (expansion, kernel, stride, base, _), count in zip(_STAGES, repeats, strict=True):
            out = make_divisible(base * scale.width)
            blocks = []
            for i in range(count):
                drop = _STOCHASTIC_DEPTH * built / total
                step = stride if i == 0 else 1
                blocks.append(_MBConv((channels, out), expansion, kernel, step, scale.norm, drop))
                channels, built = out, built + 1
            stages.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*stages, conv(channels, 4 * channels))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(scale.dropout if dropout is None else dropout),
            nn.Linear(4 * channels, num_classes),
        )
        init_fan_out(self, linear_std=None)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits
