"""ShuffleNet, v1 and v2: channel shuffles let cheap convolutions exchange what they know."""

from __future__ import annotations

from .. import _operations as ops
from .. import nn
from ..tensor import Tensor
from ._layers import conv_norm

_REPEATS = (4, 8, 4)
# v1: channels of the first stage by number of groups; each later stage has twice as many.
_V1_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
# v2: channels of the first convolution, the three stages and the last convolution by width.
_V2_CHANNELS = {
    0.5: (24, 48, 96, 192, 1024),
    1.0: (24, 116, 232, 464, 1024),
    1.5: (24, 176, 352, 704, 1024),
    2.0: (24, 244, 488, 976, 2048),
}


class _UnitV1(nn.Module):
    """Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1; the input is added, joined at stride 2."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, first_groups: int, groups: int
    ) -> None:
        super().__init__()
        hidden = out_channels // 4
        added = out_channels - in_channels if stride == 2 else out_channels
        self.branch = nn.Sequential(
            *conv_norm(in_channels, hidden, groups=first_groups),
            nn.ChannelShuffle(groups),
            *conv_norm(hidden, hidden, 3, stride, groups=hidden, activation=None),
            *conv_norm(hidden, added, groups=groups, activation=None),
        )
        self.shortcut = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else nn.Identity()
        self.joins = stride == 2
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        side, y = self.shortcut(x), self.branch(x)
        out: Tensor = self.relu(ops.cat([side, y], 1) if self.joins else side + y)
        return out


class ShuffleNetV1(nn.Module):
    """Grouped 1×1 convolutions with a channel shuffle between them.

    (Source: X. Zhang et al., "ShuffleNet: an extremely efficient convolutional neural network for
    mobile devices", 2018; the numbers of channels are those of its table 1.)

    Args:
        groups: of the 1×1 convolutions: 1, 2, 3, 4 or 8.
        num_classes: outputs.
        in_channels: channels of the images.
        width: multiplies the numbers of channels; the paper's s.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.ShuffleNetV1(groups=8, num_classes=10).eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 10)
    """

    def __init__(
        self, groups: int = 3, num_classes: int = 1000, *, in_channels: int = 3, width: float = 1.0
    ) -> None:
        super().__init__()
        if groups not in _V1_CHANNELS:
            raise ValueError(f"ShuffleNetV1: expected groups 1, 2, 3, 4 or 8, got {groups!r}")
        channels, out = int(24 * width), int(_V1_CHANNELS[groups] * width)
        self.conv1 = conv_norm(in_channels, channels, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for stage, repeats in enumerate(_REPEATS):
            first_groups = groups if stage else 1  # 24 channels are too few to be grouped
            units = [_UnitV1(channels, out, 2, first_groups, groups)]
            units += [_UnitV1(out, out, 1, groups, groups) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*units))
            channels, out = out, 2 * out
        self.stage2, self.stage3, self.stage4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class _UnitV2(nn.Module):
    """Half of the channels pass, the others are convolved; at stride 2 both halves see them all."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.splits = stride == 1
        inner = half if self.splits else in_channels
        side: tuple[nn.Module, ...] = ()
        if not self.splits:
            side = (
                *conv_norm(inner, inner, 3, stride, groups=inner, activation=None),
                *conv_norm(inner, half),
            )
        self.branch1 = nn.Sequential(*side)
        self.branch2 = nn.Sequential(
            *conv_norm(inner, half),
            *conv_norm(half, half, 3, stride, groups=half, activation=None),
            *conv_norm(half, half),
        )
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left, right = ops.chunk(x, 2, 1) if self.splits else (x, x)
        y: Tensor = self.shuffle(ops.cat([self.branch1(left), self.branch2(right)], 1))
        return y


class ShuffleNetV2(nn.Module):
    """Units that split their channels, convolve one half and shuffle; ungrouped 1×1 convolutions.

    2,278,604 parameters at width 1. (Source: N. Ma et al., "ShuffleNet V2: practical guidelines
    for efficient CNN architecture design", 2018.)

    Args:
        width: 0.5, 1, 1.5 or 2.
        num_classes: outputs.
        in_channels: channels of the images.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 → logits (N, num_classes).

    Example:
        >>> models.ShuffleNetV2(0.5, num_classes=10).eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 10)
    """

    def __init__(
        self, width: float = 1.0, num_classes: int = 1000, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        if width not in _V2_CHANNELS:
            raise ValueError(f"ShuffleNetV2: expected width 0.5, 1, 1.5 or 2, got {width!r}")
        channels, *stage_channels, last = _V2_CHANNELS[width]
        self.conv1 = conv_norm(in_channels, channels, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for out, repeats in zip(stage_channels, _REPEATS, strict=True):
            units = [_UnitV2(channels, out, stride=2)]
            units += [_UnitV2(out, out, stride=1) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*units))
            channels = out
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = conv_norm(channels, last)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        logits: Tensor = self.fc(self.conv5(x).mean((2, 3)))
        return logits
