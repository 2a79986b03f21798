"""MNASNet: inverted residuals arranged by a search that times a telephone."""

from __future__ import annotations

from functools import partial

from .. import nn
from ..nn import init
from ..tensor import Tensor
from ._layers import Norm, conv_norm, init_fan_out, make_divisible

_NORM: Norm = partial(nn.BatchNorm2d, momentum=1 - 0.9997)
# Channels, kernel, stride, expansion and repeats of each stage: form B1.
_STAGES = (
    (24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)  # fmt: skip


class _InvertedResidual(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.layers = nn.Sequential(
            *conv_norm(in_channels, hidden, norm=_NORM),
            *conv_norm(hidden, hidden, kernel, stride, hidden, _NORM),
            *conv_norm(hidden, out_channels, norm=_NORM, activation=None),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y + x if self.residual else y


class MNASNet(nn.Module):
    """A separable convolution and six stages of inverted residuals, global pooling, a linear layer.

    4,383,312 parameters at width 1. (Source: M. Tan et al., "MnasNet: platform-aware neural
    architecture search for mobile", 2019.)

    Args:
        width: multiplies the numbers of channels, which are rounded to multiples of 8.
        num_classes: outputs.
        in_channels: channels of the images.
        dropout: probability before the last layer.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.MNASNet(0.5, num_classes=10).eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 10)
    """

    def __init__(
        self,
        width: float = 1.0,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        stem, channels = make_divisible(32 * width), make_divisible(16 * width)
        layers = [
            *conv_norm(in_channels, stem, 3, stride=2, norm=_NORM),
            *conv_norm(stem, stem, 3, groups=stem, norm=_NORM),
            *conv_norm(stem, channels, norm=_NORM, activation=None),
        ]
        for base, kernel, stride, expansion, repeats in _STAGES:
            out = make_divisible(base * width)
            blocks = [_InvertedResidual(channels, out, kernel, stride, expansion)]
            for _ in range(repeats - 1):
                blocks.append(_InvertedResidual(out, out, kernel, 1, expansion))
            layers.append(nn.Sequential(*blocks))
            channels = out
        self.layers = nn.Sequential(*layers, *conv_norm(channels, 1280, norm=_NORM))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))
        init_fan_out(self)
        # As a sigmoid's weights, counted by what leaves: torchvision's choice.
        init.kaiming_uniform_(self.classifier[1].weight, mode="fan_out", nonlinearity="sigmoid")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.layers(x).mean((2, 3)))
        return logits
