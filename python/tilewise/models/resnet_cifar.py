"""The small ResNets that the paper trained on CIFAR-10."""

from __future__ import annotations

from .. import nn
from .._arguments import as_choice, as_int
from ..tensor import Tensor
from ._layers import in_order
from .resnet import MOST_BLOCKS, SHORTCUTS, BlockSettings


class CifarBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them.

    Args:
        in_channels: of the input.
        planes: filters of both convolutions, and channels of the output.
        stride: of the first convolution.
        shortcut: "A", "B" or "C"; see ResNet.

    Example:
        >>> models.CifarBlock(16, 32, 2)(tw.zeros(1, 16, 8, 8)).shape
        (1, 32, 4, 4)
    """

    def __init__(self, in_channels: int, planes: int, stride: int = 1, shortcut: str = "A") -> None:
        super().__init__()
        settings = BlockSettings(shortcut=shortcut)
        self.conv1 = settings.conv(in_channels, planes, 3, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.conv2 = settings.conv(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = settings.projection(in_channels, planes, stride) or nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the shortcut plus the convolutions."""
        y = in_order((self.conv1, self.bn1, self.relu, self.conv2, self.bn2), x)
        z: Tensor = self.relu(y + self.shortcut(x))
        return z


class CifarResNet(nn.Module):
    """A 3×3 convolution, three stages of blocks of 16, 32 and 64 filters, the mean, a linear layer.

    The state's names are those of the widely used weights of akamaster/pytorch_resnet_cifar10.
    (Source: K. He et al., "Deep residual learning for image recognition", 2015, section 4.2.)

    Args:
        depth: 6 n + 2: 20, 32, 44, 56, 110, ….
        num_classes: outputs.
        in_channels: channels of the images.
        shortcut: "A", the paper's choice here, "B" or "C"; see ResNet.

    Shape:
        float32 (N, in_channels, H, W), made for 32² → logits (N, num_classes).

    Raises:
        ValueError: for a depth that is not 6 n + 2, or another shortcut.

    Example:
        >>> models.create("resnet20_cifar")(tw.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(
        self,
        depth: int = 20,
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        shortcut: str = "A",
    ) -> None:
        super().__init__()
        as_choice("CifarResNet", "shortcut", shortcut, SHORTCUTS)
        blocks, rest = divmod(as_int("CifarResNet", "depth", depth, 8, 2 * MOST_BLOCKS) - 2, 6)
        if rest:
            raise ValueError(f"CifarResNet: expected a depth of 6 n + 2, got {depth}")
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks, 1, shortcut)
        self.layer2 = _stage(16, 32, blocks, 2, shortcut)
        self.layer3 = _stage(32, 64, blocks, 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def features(self, x: Tensor) -> Tensor:
        """The maps of the last stage, (N, 64, H / 4, W / 4)."""
        x = in_order((self.conv1, self.bn1, self.relu), x)
        y: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.linear(self.avgpool(self.features(x)).flatten(1))
        return logits


def _stage(in_channels: int, planes: int, blocks: int, stride: int, shortcut: str) -> nn.Sequential:
    return nn.Sequential(
        CifarBlock(in_channels, planes, stride, shortcut),
        *(CifarBlock(planes, planes, 1, shortcut) for _ in range(blocks - 1)),
    )
