"""NASNet-A: two cells found by search on CIFAR-10, stacked for larger images."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from .. import _operations as ops
from .. import nn
from .._arguments import as_choice
from ..nn import functional as F
from ..tensor import Tensor
from ._layers import Norm, SeparableConv2d, init_fan_out

_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=1 - 0.9997)


class _Variant(NamedTuple):
    stem: int  # channels of the first convolution
    repeats: int  # normal cells between two reductions
    penultimate: int  # channels before the linear layer
    skip_reduction: bool  # a cell behind a reduction sees what came before the reduction's input


_VARIANTS = {
    "mobile": _Variant(32, 4, 1056, False),
    "large": _Variant(96, 6, 4032, True),
}


class _Map(NamedTuple):
    """Channels of a feature map, and how often it was halved."""

    channels: int
    level: int


class _Separable(nn.Module):
    """[ReLU, separable convolution, batch norm] twice."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = SeparableConv2d(in_channels, channels, kernel, stride)
        self.bn1 = _NORM(channels)
        self.conv2 = SeparableConv2d(channels, channels, kernel)
        self.bn2 = _NORM(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(self.relu(x)))
        y: Tensor = self.bn2(self.conv2(self.relu(x)))
        return y


class _Project(nn.Module):
    """ReLU, 1×1 convolution, batch norm."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, channels, kernel_size=1, bias=False)
        self.bn = _NORM(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(self.relu(x)))
        return y


class _Halve(nn.Module):
    """Half of the channels from the pixels at even places, half from those at odd ones."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(1, stride=2)
        self.conv1 = nn.Conv2d(in_channels, channels // 2, kernel_size=1, bias=False)
        self.conv2 = nn.Conv2d(in_channels, channels // 2, kernel_size=1, bias=False)
        self.bn = _NORM(2 * (channels // 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        shifted = F.pad(x, (-1, 1, -1, 1))
        halves = [self.conv1(self.pool(x)), self.conv2(self.pool(shifted))]
        y: Tensor = self.bn(ops.cat(halves, 1))
        return y


class _Cell(nn.Module):
    """What both cells start with: the current and the previous map, brought to one form."""

    out: _Map
    passes_input = True  # whether the next cell sees this one's input as the previous map

    def __init__(self, current: _Map, previous: _Map, channels: int) -> None:
        super().__init__()
        self.adjust: nn.Module
        if previous.level != current.level:
            self.adjust = _Halve(previous.channels, channels)
        elif previous.channels != channels and previous is not current:
            self.adjust = _Project(previous.channels, channels)
        else:
            self.adjust = nn.Identity()
        self.project = _Project(current.channels, channels)
        self.average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


class _Normal(_Cell):
    def __init__(self, current: _Map, previous: _Map, channels: int) -> None:
        super().__init__(current, previous, channels)
        self.out = _Map(6 * channels, current.level)
        self.left1 = _Separable(channels, channels, 5)
        self.right1 = _Separable(channels, channels, 3)
        self.left2 = _Separable(channels, channels, 5)
        self.right2 = _Separable(channels, channels, 3)
        self.left5 = _Separable(channels, channels, 3)

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        p, h = self.adjust(previous), self.project(x)
        mean = self.average(p)
        blocks = [
            p,
            self.left1(h) + self.right1(p),
            self.left2(p) + self.right2(p),
            self.average(h) + p,
            mean + mean,  # the search chose the same pool twice
            self.left5(h) + h,
        ]
        return ops.cat(blocks, 1)


class _Reduction(_Cell):
    def __init__(self, current: _Map, previous: _Map, channels: int) -> None:
        super().__init__(current, previous, channels)
        self.out = _Map(4 * channels, current.level + 1)
        # Before the first cell nothing is adjusted.
        inner = current.channels if previous is current else channels
        self.left1 = _Separable(channels, channels, 5, stride=2)
        self.right1 = _Separable(inner, channels, 7, stride=2)
        self.right2 = _Separable(inner, channels, 7, stride=2)
        self.right3 = _Separable(inner, channels, 5, stride=2)
        self.left5 = _Separable(channels, channels, 3)

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        p, h = self.adjust(previous), self.project(x)
        height, width = h.shape[-2:]
        # TensorFlow's "same", but with zeros that count: for the maximum, too.
        padded = F.pad(h, (width % 2, 1, height % 2, 1))
        largest = F.max_pool2d(padded, 3, 2)
        x1 = self.left1(h) + self.right1(p)
        x2 = largest + self.right2(p)
        x3 = F.avg_pool2d(padded, 3, 2) + self.right3(p)
        x4 = x2 + self.average(x1)
        x5 = self.left5(x1) + largest
        return ops.cat([x2, x3, x4, x5], 1)


class NASNet(nn.Module):
    """Normal and reduction cells that see the outputs of the two cells before them.

    "mobile" is NASNet-A (4 @ 1056), 5,289,978 trainable parameters, "large" NASNet-A (6 @ 4032),
    88,753,150; the form is Keras's. (Source: B. Zoph et al., "Learning transferable architectures
    for scalable image recognition", 2018.)

    Args:
        variant: "mobile" or "large".
        num_classes: outputs.
        in_channels: channels of the images.

    Shape:
        float32 (N, in_channels, H, W), usually 224×224 (mobile) or 331×331 (large) → logits
        (N, num_classes).

    Example:
        >>> models.NASNet("mobile", num_classes=10).eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 10)
    """

    def __init__(
        self, variant: str = "mobile", num_classes: int = 1000, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        form = _VARIANTS[as_choice("NASNet", "variant", variant, tuple(_VARIANTS))]
        filters = form.penultimate // 24
        self.conv0 = nn.Conv2d(in_channels, form.stem, kernel_size=3, stride=2, bias=False)
        self.bn0 = _NORM(form.stem)

        # (kind of cell, channels): two reductions are the rest of the stem.
        plan: list[tuple[type[_Cell], int]] = [
            (_Reduction, filters // 4),
            (_Reduction, filters // 2),
        ]
        for stage in range(3):
            plan += [(_Reduction, filters * 2**stage)] if stage else []
            plan += [(_Normal, filters * 2**stage)] * form.repeats
        cells = list[_Cell]()
        x = previous = _Map(form.stem, 0)
        for kind, channels in plan:
            cell = kind(x, previous, channels)
            # A reduction may hide its input from the cell behind it; those of the stem do not.
            cell.passes_input = not (form.skip_reduction and kind is _Reduction and len(cells) > 1)
            x, previous = cell.out, x if cell.passes_input else previous
            cells.append(cell)
        self.cells = nn.ModuleList(cells)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(x.channels, num_classes)
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        x = previous = self.bn0(self.conv0(x))
        for cell in self.cells:
            y = cell(x, previous)
            x, previous = y, x if cell.passes_input else previous
        logits: Tensor = self.fc(self.avgpool(self.relu(x)).flatten(1))
        return logits
