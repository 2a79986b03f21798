"""ResNet v2: batch norm and ReLU before each convolution, an identity from end to end."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from .._arguments import as_int
from ..tensor import Tensor
from ._layers import KERAS_RESNET_NORM, in_order
from .resnet import MOST_BLOCKS, initialise


class PreactBottleneck(nn.Module):
    """Batch norm and ReLU, then 1×1 down, 3×3, 1×1 up; the sum is passed on as it is.

    Args:
        in_channels: of the input.
        planes: a quarter of the output's channels.
        stride: of the 3×3 convolution.
        project: whether the shortcut is a 1×1 convolution of the normalised input; otherwise it
            is every stride-th pixel of the input.

    Example:
        >>> models.PreactBottleneck(64, 64, project=True)(tw.zeros(1, 64, 8, 8)).shape
        (1, 256, 8, 8)
    """

    def __init__(
        self, in_channels: int, planes: int, stride: int = 1, project: bool = False
    ) -> None:
        super().__init__()
        out_channels = 4 * planes
        self.preact_bn = KERAS_RESNET_NORM(in_channels)
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = KERAS_RESNET_NORM(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = KERAS_RESNET_NORM(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1)
        self.projection = nn.Conv2d(in_channels, out_channels, 1, stride) if project else None
        self.pool = nn.MaxPool2d(1, stride) if stride > 1 and not project else None

    def forward(self, x: Tensor) -> Tensor:
        """The shortcut plus the convolutions."""
        a = in_order((self.preact_bn, self.relu), x)
        y = in_order((self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu), a)
        if self.projection is not None:
            x = self.projection(a)
        elif self.pool is not None:
            x = self.pool(x)
        z: Tensor = x + self.conv3(y)
        return z


class ResNetV2(nn.Module):
    """ResNet with the blocks of "Identity mappings in deep residual networks" (K. He et al., 2016).

    The form of Keras, which torchvision does not have: the last block of a stage has its stride,
    and the first one projects.

    Args:
        layers: blocks of each of the four stages.
        num_classes: outputs.
        in_channels: channels of the images.

    Shape:
        float32 (N, in_channels, H, W), made for 224² → logits (N, num_classes).

    Raises:
        ValueError: for other than four stages.

    Example:
        >>> model = models.ResNetV2((1, 1, 1, 1), num_classes=5)
        >>> model(tw.zeros(2, 3, 64, 64)).shape
        (2, 5)
    """

    def __init__(
        self, layers: Sequence[int], num_classes: int = 1000, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        if len(layers) != 4:
            raise ValueError(f"ResNetV2: expected the blocks of four stages, got {layers}")
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3)
        # The pool sees zeros beyond the map: no ReLU comes before it that would make them neutral.
        self.maxpool = nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2))
        channels = 64
        for stage, count in enumerate(layers):
            planes, blocks = 64 << stage, []
            for i in range(as_int("ResNetV2", "layers", count, 1, MOST_BLOCKS)):
                stride = 2 if i == count - 1 and stage < 3 else 1
                blocks.append(PreactBottleneck(channels, planes, stride, project=i == 0))
                channels = 4 * planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn = KERAS_RESNET_NORM(channels)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def features(self, x: Tensor) -> Tensor:
        """The maps of the last stage, (N, channels, H / 32, W / 32)."""
        x = self.maxpool(self.conv1(x))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        y: Tensor = in_order((self.bn, self.relu), x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.fc(self.avgpool(self.features(x)).flatten(1))
        return logits
