"""Inception v3: convolutions factorised into smaller and one-sided ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import nn
from .._operations import cat
from ..tensor import Tensor
from ._layers import INCEPTION_NORM, ConvBatchNorm, Norm, imagenet_to_unit, shift_norm


class InceptionOutputs(NamedTuple):
    """Logits of an Inception v3 with its auxiliary head in training mode.

    Example:
        >>> models.InceptionOutputs(tw.zeros(2, 10), tw.zeros(2, 10)).logits.shape
        (2, 10)
    """

    logits: Tensor
    aux_logits: Tensor | None


# A branch is a list of convolutions (name, filters, kernel and, where it is not 1, stride) and
# pools. A list at its end holds convolutions side by side.
_Conv = tuple[str, int, int | tuple[int, int]] | tuple[str, int, int, int]
_Branch = Sequence[_Conv | str | list[_Conv]]


class _Branches(nn.Module):
    """Branches side by side over one input, whose maps are joined along the channels.

    The parts have torchvision's names, which do not follow from their place.
    """

    def __init__(self, in_channels: int, branches: Sequence[_Branch], keras: bool) -> None:
        super().__init__()
        self._norm: Norm = shift_norm if keras else INCEPTION_NORM
        self._branches: list[tuple[list[str], list[str]]] = []  # one by one, then side by side
        for branch in branches:
            channels, chain, ends = in_channels, list[str](), list[str]()
            for part in branch:
                if isinstance(part, str):  # Keras's means do not count pixels beyond the border
                    self.pool = (
                        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=not keras)
                        if part == "mean"
                        else nn.MaxPool2d(3, stride=2)
                    )
                    chain.append("pool")
                elif isinstance(part, list):
                    ends = [self._add(channels, *conv)[0] for conv in part]
                else:
                    name, channels = self._add(channels, *part)
                    chain.append(name)
            self._branches.append((chain, ends))

    def _add(
        self, channels: int, name: str, filters: int, kernel: int | tuple[int, int], stride: int = 1
    ) -> tuple[str, int]:
        """A convolution that keeps the size, unless it is strided; its name and its filters."""
        padding = "same" if stride == 1 else "valid"
        conv = ConvBatchNorm(channels, filters, kernel, self._norm, stride=stride, padding=padding)
        self.add_module(name, conv)
        return name, filters

    def forward(self, x: Tensor) -> Tensor:
        """The maps of the branches, one after the other."""
        maps: list[Tensor] = []
        for chain, ends in self._branches:
            y = x
            for name in chain:
                y = getattr(self, name)(y)
            maps += [getattr(self, name)(y) for name in ends] or [y]
        return cat(maps, 1)


class InceptionA(_Branches):
    """1×1, 5×5, two 3×3, and pooled branches of the 35² maps.

    Args:
        in_channels: of the input.
        pool_features: filters after the pool.
        keras: Keras's form; see InceptionV3.

    Example:
        >>> models.InceptionA(192, 32)(tw.zeros(2, 192, 8, 8)).shape
        (2, 256, 8, 8)
    """

    def __init__(self, in_channels: int, pool_features: int, keras: bool = False) -> None:
        branches: list[_Branch] = [
            [("branch1x1", 64, 1)],
            [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
            [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
            ["mean", ("branch_pool", pool_features, 1)],
        ]
        super().__init__(in_channels, branches, keras)


class InceptionB(_Branches):
    """From 35² maps to 17²: a 3×3, two 3×3, and a pool.

    Args:
        in_channels: of the input.
        keras: Keras's form; see InceptionV3.

    Example:
        >>> models.InceptionB(288)(tw.zeros(2, 288, 9, 9)).shape
        (2, 768, 4, 4)
    """

    def __init__(self, in_channels: int, keras: bool = False) -> None:
        branches: list[_Branch] = [
            [("branch3x3", 384, 3, 2)],
            [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 2)],
            ["max"],
        ]
        super().__init__(in_channels, branches, keras)


class InceptionC(_Branches):
    """1×1, 7×7 as 1×7 and 7×1, the same twice, and pooled branches of the 17² maps.

    Args:
        in_channels: of the input.
        channels_7x7: filters within the branches of 7×7.
        keras: Keras's form; see InceptionV3.

    Example:
        >>> models.InceptionC(768, 128)(tw.zeros(2, 768, 4, 4)).shape
        (2, 768, 4, 4)
    """

    def __init__(self, in_channels: int, channels_7x7: int, keras: bool = False) -> None:
        c, row, column = channels_7x7, (1, 7), (7, 1)
        branches: list[_Branch] = [
            [("branch1x1", 192, 1)],
            [("branch7x7_1", c, 1), ("branch7x7_2", c, row), ("branch7x7_3", 192, column)],
            [
                *(("branch7x7dbl_1", c, 1), ("branch7x7dbl_2", c, column)),
                *(("branch7x7dbl_3", c, row), ("branch7x7dbl_4", c, column)),
                ("branch7x7dbl_5", 192, row),
            ],
            ["mean", ("branch_pool", 192, 1)],
        ]
        super().__init__(in_channels, branches, keras)


class InceptionD(_Branches):
    """From 17² maps to 8²: a 3×3, a 7×7 and a 3×3, and a pool.

    Args:
        in_channels: of the input.
        keras: Keras's form; see InceptionV3.

    Example:
        >>> models.InceptionD(768)(tw.zeros(2, 768, 5, 5)).shape
        (2, 1280, 2, 2)
    """

    def __init__(self, in_channels: int, keras: bool = False) -> None:
        branches: list[_Branch] = [
            [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)],
            [
                *(("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7))),
                *(("branch7x7x3_3", 192, (7, 1)), ("branch7x7x3_4", 192, 3, 2)),
            ],
            ["max"],
        ]
        super().__init__(in_channels, branches, keras)


class InceptionE(_Branches):
    """Branches of the 8² maps, two of which end in a 1×3 and a 3×1 side by side.

    Args:
        in_channels: of the input.
        keras: Keras's form; see InceptionV3.

    Example:
        >>> models.InceptionE(1280)(tw.zeros(2, 1280, 2, 2)).shape
        (2, 2048, 2, 2)
    """

    def __init__(self, in_channels: int, keras: bool = False) -> None:
        row, column = (1, 3), (3, 1)
        branches: list[_Branch] = [
            [("branch1x1", 320, 1)],
            [
                ("branch3x3_1", 384, 1),
                [("branch3x3_2a", 384, row), ("branch3x3_2b", 384, column)],
            ],
            [
                *(("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)),
                [("branch3x3dbl_3a", 384, row), ("branch3x3dbl_3b", 384, column)],
            ],
            ["mean", ("branch_pool", 192, 1)],
        ]
        super().__init__(in_channels, branches, keras)


class InceptionAux(nn.Module):
    """A small classifier on the 17² maps, which feeds them gradients in training.

    Args:
        in_channels: of the maps.
        num_classes: outputs.

    Example:
        >>> models.InceptionAux(768, 10)(tw.zeros(2, 768, 17, 17)).shape
        (2, 10)
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, stride=3)
        self.conv0 = ConvBatchNorm(in_channels, 128, 1)
        self.conv1 = ConvBatchNorm(128, 768, 5)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        x = self.conv1(self.conv0(self.pool(x)))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class InceptionV3(nn.Module):
    """A stem of five convolutions, eleven inception modules, the mean, a linear layer.

    (Source: C. Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        aux_logits: whether there is the auxiliary head.
        transform_input: whether images that were normalised with ImageNet's mean and standard
            deviation are brought to [-1, 1] first.
        dropout: the part that dropout sets to zero before the last layer.
        keras: Keras's form: batch norm without scales, and means over 3×3 pixels that do not count
            those beyond the border.

    Shape:
        float32 (N, in_channels, H, W), at least 75², made for 299² → logits (N, num_classes); with
        the auxiliary head, in training, InceptionOutputs.

    Example:
        >>> with nn.init.skip():
        ...     model = models.create("inception_v3", num_classes=5)
        >>> model.eval()(tw.zeros(1, 3, 75, 75)).shape
        (1, 5)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.5,
        keras: bool = False,
    ) -> None:
        super().__init__()
        self.transform_input = transform_input
        norm = shift_norm if keras else INCEPTION_NORM
        self.Conv2d_1a_3x3 = ConvBatchNorm(in_channels, 32, 3, norm, stride=2)
        self.Conv2d_2a_3x3 = ConvBatchNorm(32, 32, 3, norm)
        self.Conv2d_2b_3x3 = ConvBatchNorm(32, 64, 3, norm, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = ConvBatchNorm(64, 80, 1, norm)
        self.Conv2d_4a_3x3 = ConvBatchNorm(80, 192, 3, norm)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, 32, keras)
        self.Mixed_5c = InceptionA(256, 64, keras)
        self.Mixed_5d = InceptionA(288, 64, keras)
        self.Mixed_6a = InceptionB(288, keras)
        self.Mixed_6b = InceptionC(768, 128, keras)
        self.Mixed_6c = InceptionC(768, 160, keras)
        self.Mixed_6d = InceptionC(768, 160, keras)
        self.Mixed_6e = InceptionC(768, 192, keras)
        self.AuxLogits = InceptionAux(768, num_classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768, keras)
        self.Mixed_7b = InceptionE(1280, keras)
        self.Mixed_7c = InceptionE(2048, keras)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Truncated normal weights; smaller ones in the auxiliary head."""
        small: dict[int, float] = {}
        if self.AuxLogits is not None:
            small = {id(self.AuxLogits.conv1.conv): 0.01, id(self.AuxLogits.fc): 0.001}
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=small.get(id(module), 0.1))

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        """Logits of images (N, in_channels, H, W)."""
        if self.transform_input:
            x = imagenet_to_unit(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits if aux is None else InceptionOutputs(logits, aux)
