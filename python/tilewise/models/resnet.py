"""ResNet, and what followed by widening or grouping its blocks: ResNeXt and Wide ResNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import nn
from .._arguments import as_choice, as_int
from ..nn import functional as F
from ..tensor import Tensor
from ._layers import KERAS_RESNET_NORM, in_order

SHORTCUTS = ("A", "B", "C")
MOST_BLOCKS = 10_000  # of a stage: a slip should raise, not fill the memory


class ZeroPadShortcut(nn.Module):
    """Option A: every stride-th pixel, and channels of zeros on both sides.

    Args:
        in_channels, out_channels: of the map it is given and the map it returns.
        stride: between the pixels it keeps.

    Example:
        >>> models.ZeroPadShortcut(16, 32, 2)(tw.ones(1, 16, 8, 8)).shape
        (1, 32, 4, 4)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        extra = out_channels - in_channels
        if extra < 0:
            raise ValueError(
                f"ZeroPadShortcut: expected at least {in_channels} channels, got {out_channels}"
            )
        self.channels = (extra // 2, extra - extra // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.channels))


@dataclass(frozen=True)
class BlockSettings:
    """What the blocks of a ResNet share.

    Args:
        groups: of the 3×3 convolution of a bottleneck.
        width_per_group: filters of each group at 64 planes.
        shortcut: "A", "B" or "C"; see ResNet.
        keras: whether the convolutions are as in Keras's ResNets; see ResNet.

    Example:
        >>> models.BlockSettings(groups=32, width_per_group=4).width(64)
        128
    """

    groups: int = 1
    width_per_group: int = 64
    shortcut: str = "B"
    keras: bool = False

    def norm(self, channels: int) -> nn.Module:
        """Batch norm of so many channels."""
        return (KERAS_RESNET_NORM if self.keras else nn.BatchNorm2d)(channels)

    def width(self, planes: int) -> int:
        """Filters of the 3×3 convolution of a bottleneck."""
        return planes * self.width_per_group // 64 * self.groups

    def conv(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> nn.Conv2d:
        """A convolution that keeps the size at stride 1."""
        return nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=self.keras
        )

    def projection(self, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
        """The shortcut of a block, None where it is the identity."""
        same = stride == 1 and in_channels == out_channels
        if same and self.shortcut != "C":
            return None
        if self.shortcut == "A":
            return ZeroPadShortcut(in_channels, out_channels, stride)
        return nn.Sequential(
            self.conv(in_channels, out_channels, 1, stride), self.norm(out_channels)
        )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them: the block of ResNet-18 and 34.

    Args:
        in_channels: of the input.
        planes: filters of both convolutions, and channels of the output.
        stride: of the first convolution.
        settings: what the blocks of a network share.

    Example:
        >>> models.BasicBlock(64, 128, 2)(tw.zeros(1, 64, 8, 8)).shape
        (1, 128, 4, 4)
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        settings: BlockSettings | None = None,
    ) -> None:
        super().__init__()
        settings = settings or BlockSettings()
        if settings.groups != 1 or settings.width_per_group != 64:
            raise ValueError("BasicBlock: expected groups=1 and width_per_group=64")
        self.conv1 = settings.conv(in_channels, planes, 3, stride)
        self.bn1 = settings.norm(planes)
        self.relu = nn.ReLU()
        self.conv2 = settings.conv(planes, planes, 3)
        self.bn2 = settings.norm(planes)
        self.downsample = settings.projection(in_channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the shortcut plus the convolutions."""
        y = in_order((self.conv1, self.bn1, self.relu, self.conv2, self.bn2), x)
        z: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return z


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up, and a shortcut around them: the block of ResNet-50 to 152.

    Args:
        in_channels: of the input.
        planes: a quarter of the output's channels.
        stride: of the 3×3 convolution; of the first one in Keras's form.
        settings: what the blocks of a network share.

    Example:
        >>> models.Bottleneck(256, 64)(tw.zeros(1, 256, 8, 8)).shape
        (1, 256, 8, 8)
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        settings: BlockSettings | None = None,
    ) -> None:
        super().__init__()
        settings = settings or BlockSettings()
        width, out_channels = settings.width(planes), planes * self.expansion
        strides = (stride, 1) if settings.keras else (1, stride)
        self.conv1 = settings.conv(in_channels, width, 1, strides[0])
        self.bn1 = settings.norm(width)
        self.conv2 = settings.conv(width, width, 3, strides[1], settings.groups)
        self.bn2 = settings.norm(width)
        self.conv3 = settings.conv(width, out_channels, 1)
        self.bn3 = settings.norm(out_channels)
        self.relu = nn.ReLU()
        self.downsample = settings.projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the shortcut plus the convolutions."""
        y = in_order((self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu), x)
        y = in_order((self.conv3, self.bn3), y)
        z: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return z


BLOCKS: dict[str, type[BasicBlock | Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}


class ResNet(nn.Module):
    """A 7×7 convolution and a pool, four stages of residual blocks, the mean, a linear layer.

    (Sources: K. He et al., "Deep residual learning for image recognition", 2015; ResNeXt: S. Xie
    et al., "Aggregated residual transformations for deep neural networks", 2016; Wide ResNet: S.
    Zagoruyko and N. Komodakis, "Wide residual networks", 2016.) A stage's stride is in the 3×3
    convolution of its first block, as in torchvision.

    Args:
        block: "basic" or "bottleneck".
        layers: blocks of each of the four stages.
        num_classes: outputs.
        in_channels: channels of the images.
        groups: of the 3×3 convolutions of bottlenecks (ResNeXt).
        width_per_group: filters of a group at the first stage.
        shortcut: "A" pads the identity with zero channels, "B" projects with a 1×1 convolution
            where the shape changes, "C" projects everywhere.
        zero_init_residual: whether each block starts as its shortcut.
        keras: Keras's form: convolutions with biases, and the stride in a block's first
            convolution, as in the paper.

    Shape:
        float32 (N, in_channels, H, W), made for 224² → logits (N, num_classes).

    Raises:
        ValueError: for another block or shortcut, or other than four stages.

    Example:
        >>> model = models.ResNet("basic", (1, 1, 1, 1), num_classes=5)
        >>> model(tw.zeros(2, 3, 32, 32)).shape
        (2, 5)
    """

    def __init__(
        self,
        block: str,
        layers: Sequence[int],
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        groups: int = 1,
        width_per_group: int = 64,
        shortcut: str = "B",
        zero_init_residual: bool = False,
        keras: bool = False,
    ) -> None:
        super().__init__()
        kind = BLOCKS[as_choice("ResNet", "block", block, tuple(BLOCKS))]
        as_choice("ResNet", "shortcut", shortcut, SHORTCUTS)
        if len(layers) != 4:
            raise ValueError(f"ResNet: expected the blocks of four stages, got {layers}")
        settings = BlockSettings(groups, width_per_group, shortcut, keras)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=keras)
        self.bn1 = settings.norm(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for stage, count in enumerate(layers):
            planes = 64 << stage
            blocks = []
            for i in range(as_int("ResNet", "layers", count, 1, MOST_BLOCKS)):
                stride = 2 if stage and not i else 1
                blocks.append(kind(channels, planes, stride, settings))
                channels = planes * kind.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self, zero_init_residual)

    def features(self, x: Tensor) -> Tensor:
        """The maps of the last stage, (N, channels, H / 32, W / 32)."""
        x = self.maxpool(in_order((self.conv1, self.bn1, self.relu), x))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.fc(self.avgpool(self.features(x)).flatten(1))
        return logits


def initialise(model: nn.Module, zero_init_residual: bool = False) -> None:
    """He's normal weights for convolutions; the last scale of each block 0 where asked for."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
            last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
            nn.init.zeros_(last.weight)
