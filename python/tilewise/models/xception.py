"""Xception: Inception taken to its end, depthwise separable convolutions with shortcuts."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor
from ._layers import KERAS_NORM, SameMaxPool2d, SeparableConv2d, conv_norm, init_fan_out

# Channels after each separable convolution of a block, and whether the block halves the map.
_BLOCKS = (
    ((128, 128), True),
    ((256, 256), True),
    ((728, 728), True),
    *((((728, 728, 728), False),) * 8),
    ((728, 1024), True),
)


class _Block(nn.Module):
    """[ReLU, separable convolution, batch norm] for each width, a pool; the shortcut is added."""

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], halves: bool, first: bool
    ) -> None:
        super().__init__()
        channels, layers = in_channels, list[nn.Module]()
        for width in widths:
            layers += [nn.ReLU(), SeparableConv2d(channels, width, 3), KERAS_NORM(width)]
            channels = width
        layers = layers[1:] if first else layers  # the stem ends in a ReLU of its own
        self.rep = nn.Sequential(*layers, *([SameMaxPool2d()] if halves else []))
        self.skip: nn.Module | None = None
        if halves:
            self.skip = nn.Conv2d(in_channels, channels, kernel_size=1, stride=2, bias=False)
            self.skipbn = KERAS_NORM(channels)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.skip is None else self.skipbn(self.skip(x))
        y: Tensor = self.rep(x) + shortcut
        return y


class Xception(nn.Module):
    """36 convolutions, most of them depthwise separable, in 14 modules with shortcuts.

    In Keras's form: 22,855,952 trainable parameters and 54,528 batch norm statistics. (Source:
    F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2017.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.

    Shape:
        float32 (N, in_channels, H, W), usually 299×299 → logits (N, num_classes).

    Example:
        >>> with nn.init.skip():
        ...     model = models.Xception(num_classes=10)
        >>> model.eval()(tw.zeros(1, 3, 71, 71)).shape
        (1, 10)
    """

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv_norm(in_channels, 32, 3, stride=2, norm=KERAS_NORM, padding=0),
            *conv_norm(32, 64, 3, norm=KERAS_NORM, padding=0),
        )
        channels, blocks = 64, list[_Block]()
        for widths, halves in _BLOCKS:
            blocks.append(_Block(channels, widths, halves, first=not blocks))
            channels = widths[-1]
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Sequential(
            SeparableConv2d(channels, 1536, 3),
            KERAS_NORM(1536),
            nn.ReLU(),
            SeparableConv2d(1536, 2048, 3),
            KERAS_NORM(2048),
            nn.ReLU(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, num_classes)
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        features = self.tail(self.blocks(self.stem(x)))
        logits: Tensor = self.fc(self.avgpool(features).flatten(1))
        return logits
