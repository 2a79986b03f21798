"""MobileNetV2: inverted residuals with linear bottlenecks."""

from __future__ import annotations

from functools import partial

from .. import nn
from ..tensor import Tensor
from ._layers import Norm, conv_norm, init_fan_out, make_divisible

# Expansion, channels, repeats and stride of each stage.
_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class _InvertedResidual(nn.Module):
    """Widen by a 1×1, a depthwise 3×3, narrow by a 1×1 without activation; add the input."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, form: _Form
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        widen = [form.conv(in_channels, hidden)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *widen,
            form.conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, kernel_size=1, bias=False),
            form.norm(out_channels),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class _Form:
    """How the two forms normalise and pad."""

    def __init__(self, keras: bool) -> None:
        self.norm: Norm = (
            partial(nn.BatchNorm2d, eps=1e-3, momentum=1e-3) if keras else nn.BatchNorm2d
        )
        self.conv = partial(
            conv_norm,
            norm=self.norm,
            activation=nn.ReLU6,
            padding="same_upper" if keras else None,
        )


class MobileNetV2(nn.Module):
    """Inverted residual blocks of seven stages, global pooling and a linear layer.

    3,504,872 parameters; 3,538,984 with batch norm statistics. (Source: M. Sandler et al.,
    "MobileNetV2: inverted residuals and linear bottlenecks", 2018.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        width: multiplies the numbers of channels, which are rounded to multiples of 8.
        dropout: probability before the last layer.
        keras: build Keras's form: batch norm with ε = 0.001, and borders at the end where a stride
            leaves one pixel over.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.MobileNetV2(num_classes=10, width=0.25).eval()(tw.zeros(2, 3, 64, 64)).shape
        (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
        keras: bool = False,
    ) -> None:
        super().__init__()
        form = _Form(keras)
        channels = make_divisible(32 * width)
        last = make_divisible(1280 * max(1.0, width))
        blocks: list[nn.Module] = [form.conv(in_channels, channels, 3, stride=2)]
        for expansion, base, repeats, stride in _STAGES:
            out = make_divisible(base * width)
            for i in range(repeats):
                step = stride if i == 0 else 1
                blocks.append(_InvertedResidual(channels, out, step, expansion, form))
                channels = out
        self.features = nn.Sequential(*blocks, form.conv(channels, last))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits
