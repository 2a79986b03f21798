"""GoogLeNet: nine inception modules with dimension reduction."""

from __future__ import annotations

from typing import NamedTuple

from .. import nn
from .._operations import cat
from ..tensor import Tensor
from ._layers import ConvBatchNorm, imagenet_to_unit

# Of each module: its 1×1 filters, then those of the reduction and the convolution of its two
# branches of 3×3 filters, then those after its pool.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """Logits of a GoogLeNet with auxiliary heads in training mode.

    Example:
        >>> models.GoogLeNetOutputs(tw.zeros(2, 10), tw.zeros(2, 10), tw.zeros(2, 10)).logits.shape
        (2, 10)
    """

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class Inception(nn.Module):
    """Four branches side by side, each but the first behind a 1×1 convolution or a pool.

    Args:
        in_channels: of the input.
        filters: 1×1; reduction and 3×3; reduction and 3×3 of the third branch; after the pool.

    Example:
        >>> models.Inception(192, (64, 96, 128, 16, 32, 32))(tw.zeros(2, 192, 8, 8)).shape
        (2, 256, 8, 8)
    """

    def __init__(self, in_channels: int, filters: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        ones, reduce3, threes, reduce5, fives, pooled = filters
        self.branch1 = ConvBatchNorm(in_channels, ones, 1)
        self.branch2 = nn.Sequential(
            ConvBatchNorm(in_channels, reduce3, 1), ConvBatchNorm(reduce3, threes, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            ConvBatchNorm(in_channels, reduce5, 1), ConvBatchNorm(reduce5, fives, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), ConvBatchNorm(in_channels, pooled, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The maps of the four branches, one after the other."""
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNetAux(nn.Module):
    """A small classifier on the maps of an inner module, which feeds it gradients in training.

    Args:
        in_channels: of the maps.
        num_classes: outputs.
        dropout: the part that dropout sets to zero.

    Example:
        >>> models.GoogLeNetAux(512, 10).eval()(tw.zeros(1, 512, 14, 14)).shape
        (1, 10)
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = ConvBatchNorm(in_channels, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        x = self.conv(self.pool(x)).flatten(1)
        logits: Tensor = self.fc2(self.dropout(self.relu(self.fc1(x))))
        return logits


class GoogLeNet(nn.Module):
    """A stem, nine inception modules with batch norm, the mean, a linear layer.

    The form of torchvision, whose branches of 5×5 convolutions have 3×3 ones. (Source: C. Szegedy
    et al., "Going deeper with convolutions", 2014.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        aux_logits: whether there are the two auxiliary heads; `models.create("googlenet")` builds
            the network without them.
        transform_input: whether images that were normalised with ImageNet's mean and standard
            deviation are brought to [-1, 1] first.
        dropout: the part that dropout sets to zero before the last layer.
        dropout_aux: the same of the auxiliary heads.

    Shape:
        float32 (N, in_channels, H, W), at least 15², made for 224² → logits (N, num_classes); with
        auxiliary heads, in training, GoogLeNetOutputs.

    Example:
        >>> model = models.create("googlenet", num_classes=5)
        >>> model(tw.zeros(2, 3, 32, 32)).shape
        (2, 5)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        self.transform_input = transform_input
        self.conv1 = ConvBatchNorm(in_channels, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvBatchNorm(64, 64, 1)
        self.conv3 = ConvBatchNorm(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        channels = 192
        for name, filters in MODULES.items():
            self.add_module(f"inception{name}", Inception(channels, filters))
            channels = filters[0] + filters[2] + filters[4] + filters[5]
            if name == "3b":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            elif name == "4e":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = GoogLeNetAux(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = GoogLeNetAux(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.01, a=-2.0, b=2.0)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Logits of images (N, in_channels, H, W)."""
        if self.transform_input:
            x = imagenet_to_unit(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        heads: dict[str, Tensor | None] = {"4a": None, "4d": None}
        for name in MODULES:
            x = getattr(self, f"inception{name}")(x)
            aux = {"4a": self.aux1, "4d": self.aux2}.get(name)
            if aux is not None and self.training:
                heads[name] = aux(x)
            if name == "3b":
                x = self.maxpool3(x)
            elif name == "4e":
                x = self.maxpool4(x)
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux1 is not None:
            return GoogLeNetOutputs(logits, heads["4d"], heads["4a"])
        return logits
