"""MobileNetV3: inverted residuals with squeeze-and-excitation and hard-swish, found by search."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from .. import nn
from .._arguments import as_choice
from ..tensor import Tensor
from ._layers import (
    KERAS_NORM,
    Activation,
    SqueezeExcitation,
    conv_norm,
    init_fan_out,
    make_divisible,
)


class _Block(NamedTuple):
    """A row of the paper's tables 1 and 2."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    activation: Activation
    stride: int


_RE, _HS = nn.ReLU, nn.Hardswish
_BLOCKS = {
    "large": (
        _Block(3, 16, 16, False, _RE, 1),
        _Block(3, 64, 24, False, _RE, 2),
        _Block(3, 72, 24, False, _RE, 1),
        _Block(5, 72, 40, True, _RE, 2),
        _Block(5, 120, 40, True, _RE, 1),
        _Block(5, 120, 40, True, _RE, 1),
        _Block(3, 240, 80, False, _HS, 2),
        _Block(3, 200, 80, False, _HS, 1),
        _Block(3, 184, 80, False, _HS, 1),
        _Block(3, 184, 80, False, _HS, 1),
        _Block(3, 480, 112, True, _HS, 1),
        _Block(3, 672, 112, True, _HS, 1),
        _Block(5, 672, 160, True, _HS, 2),
        _Block(5, 960, 160, True, _HS, 1),
        _Block(5, 960, 160, True, _HS, 1),
    ),
    "small": (
        _Block(3, 16, 16, True, _RE, 2),
        _Block(3, 72, 24, False, _RE, 2),
        _Block(3, 88, 24, False, _RE, 1),
        _Block(5, 96, 40, True, _HS, 2),
        _Block(5, 240, 40, True, _HS, 1),
        _Block(5, 240, 40, True, _HS, 1),
        _Block(5, 120, 48, True, _HS, 1),
        _Block(5, 144, 48, True, _HS, 1),
        _Block(5, 288, 96, True, _HS, 2),
        _Block(5, 576, 96, True, _HS, 1),
        _Block(5, 576, 96, True, _HS, 1),
    ),
}
_HIDDEN = {"large": 1280, "small": 1024}  # units of the layer before the last


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, row: _Block, width: float) -> None:
        super().__init__()
        conv = partial(conv_norm, norm=KERAS_NORM, activation=row.activation)
        wide, out = make_divisible(row.expanded * width), make_divisible(row.out * width)
        layers: list[nn.Module] = [conv(in_channels, wide)] if wide != in_channels else []
        layers.append(conv(wide, wide, row.kernel, row.stride, groups=wide))
        if row.squeeze:
            squeezed = make_divisible(wide // 4)
            layers.append(SqueezeExcitation(wide, squeezed, nn.ReLU, nn.Hardsigmoid))
        layers.append(conv(wide, out, activation=None))
        self.block = nn.Sequential(*layers)
        self.residual = row.stride == 1 and in_channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y + x if self.residual else y


class MobileNetV3(nn.Module):
    """Fifteen (large) or eleven (small) inverted residuals, global pooling, two linear layers.

    5,483,032 and 2,542,856 parameters. (Source: A. Howard et al., "Searching for MobileNetV3",
    2019.)

    Args:
        variant: "large" or "small".
        num_classes: outputs.
        in_channels: channels of the images.
        width: multiplies the numbers of channels, which are rounded to multiples of 8.
        dropout: probability before the last layer.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.MobileNetV3("small", num_classes=10).eval()(tw.zeros(2, 3, 64, 64)).shape
        (2, 10)
    """

    def __init__(
        self,
        variant: str,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        rows = _BLOCKS[as_choice("MobileNetV3", "variant", variant, tuple(_BLOCKS))]
        conv = partial(conv_norm, norm=KERAS_NORM, activation=nn.Hardswish)
        channels = make_divisible(16 * width)
        blocks: list[nn.Module] = [conv(in_channels, channels, 3, stride=2)]
        for row in rows:
            blocks.append(_InvertedResidual(channels, row, width))
            channels = make_divisible(row.out * width)
        self.features = nn.Sequential(*blocks, conv(channels, 6 * channels))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        hidden = make_divisible(_HIDDEN[variant] * width)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, hidden),
            nn.Hardswish(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits
