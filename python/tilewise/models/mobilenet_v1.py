"""MobileNet: depthwise separable convolutions all the way."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor
from ._layers import KERAS_NORM, conv_norm, init_fan_out

# Channels and stride of each separable block.
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


class MobileNetV1(nn.Module):
    """A 3×3 convolution, thirteen depthwise separable ones, global pooling, a linear layer.

    In Keras's form, which is TensorFlow's: batch norm with ε = 0.001, ReLU6, and borders that lie
    at the end where a stride leaves one pixel over. 4,231,976 trainable parameters and 21,888
    statistics. (Source: A. Howard et al., "MobileNets: efficient convolutional neural networks for
    mobile vision applications", 2017.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width: multiplies all numbers of channels; the paper's α.
        dropout: probability before the last layer.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.MobileNetV1(num_classes=10, width=0.25)(tw.zeros(2, 3, 64, 64)).shape
        (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 1e-3,
    ) -> None:
        super().__init__()
        channels = int(32 * width)
        blocks = [_conv(in_channels, channels, 3, stride=2)]
        for base, stride in _BLOCKS:
            out = int(base * width)
            depthwise = _conv(channels, channels, 3, stride, groups=channels)
            blocks.append(nn.Sequential(*depthwise, *_conv(channels, out)))
            channels = out
        self.features = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return conv_norm(
        in_channels, out_channels, kernel_size, stride, groups, KERAS_NORM, nn.ReLU6, "same_upper"
    )
