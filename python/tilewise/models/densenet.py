"""DenseNet: each layer sees the maps of all layers before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .. import nn
from .._arguments import as_int
from .._operations import cat
from ..tensor import Tensor
from ._layers import KERAS_RESNET_NORM, Norm, in_order


class DenseLayer(nn.Module):
    """Batch norm, ReLU, 1×1 convolution, batch norm, ReLU, 3×3 convolution to a few new maps.

    Args:
        in_channels: maps so far.
        growth_rate: maps it adds.
        bn_size: maps between the convolutions, in growth rates.
        drop_rate: the part that dropout sets to zero in training.
        norm: builds the batch norm of so many channels.

    Example:
        >>> models.DenseLayer(64, 32)(tw.zeros(1, 64, 8, 8)).shape
        (1, 32, 8, 8)
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int,
        bn_size: int = 4,
        drop_rate: float = 0.0,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        between = bn_size * growth_rate
        self.norm1 = norm(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, between, 1, bias=False)
        self.norm2 = norm(between)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(between, growth_rate, 3, padding=1, bias=False)
        self.drop = nn.Dropout(drop_rate) if drop_rate else None

    def forward(self, x: Tensor) -> Tensor:
        """The new maps (N, growth_rate, H, W)."""
        layers = (self.norm1, self.relu1, self.conv1, self.norm2, self.relu2, self.conv2)
        y: Tensor = in_order(layers, x)
        return y if self.drop is None else self.drop(y)


class DenseBlock(nn.ModuleDict):
    """Dense layers, each of which is given the input and what all layers before it returned.

    Example:
        >>> block = models.DenseBlock({"a": models.DenseLayer(8, 4), "b": models.DenseLayer(12, 4)})
        >>> block(tw.zeros(1, 8, 6, 6)).shape
        (1, 16, 6, 6)
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C + layers · growth_rate, H, W)."""
        maps = x
        for layer in self.values():
            maps = cat([maps, layer(maps)], 1)
        return maps


class DenseNet(nn.Module):
    """A 7×7 convolution and a pool, four dense blocks with halving transitions between them.

    (Source: G. Huang et al., "Densely connected convolutional networks", 2016.)

    Args:
        growth_rate: maps that a layer adds.
        layers: dense layers of each block.
        num_classes: outputs.
        in_channels: channels of the images.
        stem: filters of the first convolution.
        drop_rate: the part that dropout sets to zero after each dense layer.
        keras: Keras's form, which differs in the constants of batch norm alone.

    Shape:
        float32 (N, in_channels, H, W), at least 29², made for 224² → logits (N, num_classes).

    Example:
        >>> model = models.DenseNet(8, (2, 2, 2, 2), num_classes=5, stem=16)
        >>> model(tw.zeros(2, 3, 32, 32)).shape
        (2, 5)
    """

    def __init__(
        self,
        growth_rate: int = 32,
        layers: Sequence[int] = (6, 12, 24, 16),
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        stem: int = 64,
        drop_rate: float = 0.0,
        keras: bool = False,
    ) -> None:
        super().__init__()
        norm = KERAS_RESNET_NORM if keras else nn.BatchNorm2d
        growth = as_int("DenseNet", "growth_rate", growth_rate, 1)
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(in_channels, stem, 7, stride=2, padding=3, bias=False),
            norm0=norm(stem),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = stem
        for i, count in enumerate(layers, start=1):
            block = DenseBlock()
            for j in range(1, as_int("DenseNet", "layers", count, 1, 1000) + 1):
                block[f"denselayer{j}"] = DenseLayer(channels, growth, 4, drop_rate, norm)
                channels += growth
            parts[f"denseblock{i}"] = block
            if i < len(layers):
                parts[f"transition{i}"] = _transition(channels, norm)
                channels //= 2
        parts["norm5"] = norm(channels)
        parts["relu5"] = nn.ReLU()
        self.features = nn.Sequential(parts)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        assert self.classifier.bias is not None
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _transition(channels: int, norm: Norm) -> nn.Sequential:
    """Half the channels at half the size."""
    return nn.Sequential(
        OrderedDict(
            norm=norm(channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )
