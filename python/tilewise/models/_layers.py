"""Pieces that several families of networks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from .. import nn
from .._imagenet import IMAGENET_MEAN, IMAGENET_STD
from .._operations import cat
from ..nn import functional as F
from ..nn import fusion, init
from ..tensor import Tensor

Norm = Callable[[int], nn.Module]
Activation = Callable[[], nn.Module]

# What TensorFlow's networks use: momentum is the part of the new batch here, of the old mean there.
KERAS_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
# The same in Keras's ResNets and DenseNets.
KERAS_RESNET_NORM: Norm = partial(nn.BatchNorm2d, eps=1.001e-5, momentum=0.01)
# What torchvision's Inception networks use.
INCEPTION_NORM: Norm = partial(nn.BatchNorm2d, eps=1e-3)


def shift_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm that shifts and does not scale, as Keras's Inception networks have it."""
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
    norm.register_parameter("weight", None)
    return norm


def in_order(modules: Iterable[nn.Module], x: Any) -> Any:
    """The modules one after the other, neighbours in shared passes as `nn.Sequential` runs them.

    For networks whose layers must have names of their own.
    """
    return fusion.run(list(modules), x)


def imagenet_to_unit(x: Tensor) -> Tensor:
    """Images normalised with ImageNet's statistics, as networks want them that know [-1, 1]."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"transform_input: expected images (N, 3, H, W), got {x.shape}")
    channels = [
        x[:, i : i + 1] * (spread / 0.5) + (centre - 0.5) / 0.5
        for i, (centre, spread) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    ]
    return cat(channels, 1)


def make_divisible(channels: float, divisor: int = 8, tolerance: float = 0.9) -> int:
    """Round to a multiple of `divisor`, up where rounding down loses more than a tenth."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < tolerance * channels else rounded


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int | Sequence[int] = 1,
    stride: int = 1,
    groups: int = 1,
    norm: Norm = nn.BatchNorm2d,
    activation: Activation | None = nn.ReLU,
    padding: int | str | None = None,
) -> nn.Sequential:
    """Convolution without bias, normalisation, activation: children "0", "1" and "2".

    `padding` keeps the size of an odd kernel at stride 1 where it is not given.
    """
    if padding is None:
        padding = kernel_size // 2 if isinstance(kernel_size, int) else "same"
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
    )
    layers = [conv, norm(out_channels)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class ConvBatchNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU: the unit of Inception networks."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        norm: Norm = INCEPTION_NORM,
        **options: Any,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **options)
        self.bn = norm(out_channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the normalised convolution."""
        y: Tensor = in_order((self.conv, self.bn, self.relu), x)
        return y


class SqueezeExcitation(nn.Module):
    """Scales channels by what a small network makes of their means (Hu et al., 2018)."""

    def __init__(
        self, channels: int, squeezed: int, activation: Activation, scale_activation: Activation
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.fc2 = nn.Conv2d(squeezed, channels, kernel_size=1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x: Tensor) -> Tensor:
        """The input with each channel scaled."""
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        scaled: Tensor = x * self.scale_activation(scale)
        return scaled


class SeparableConv2d(nn.Module):
    """A depthwise convolution and a 1×1 over its channels, with nothing in between."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride,
            "same_upper" if stride > 1 else kernel_size // 2,
            groups=in_channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) → (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉)."""
        y: Tensor = self.pointwise(self.conv1(x))
        return y


class SameMaxPool2d(nn.Module):
    """Max pool of 3×3 windows with stride 2 to ⌈n / 2⌉, placed as TensorFlow's "same" does.

    An odd size has a border on both sides, an even one only at the end, where rounding the size up
    stands for it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, ⌈H / 2⌉, ⌈W / 2⌉)."""
        height, width = x.shape[-2:]
        y: Tensor = F.max_pool2d(x, 3, 2, (height % 2, width % 2), ceil_mode=True)
        return y


def init_fan_out(model: nn.Module, linear_std: float | None = 0.01) -> None:
    """He's normal initialisation of convolutions, counted by what leaves them; biases 0.

    Args:
        model: its convolutions and linear layers are filled.
        linear_std: standard deviation of linear layers; None for uniform in ±1 / √out_features.
    """
    for module in model.modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out")
        elif linear_std is None:
            bound = 1 / math.sqrt(module.out_features)
            init.uniform_(module.weight, -bound, bound)
        else:
            init.normal_(module.weight, std=linear_std)
        if module.bias is not None:
            init.zeros_(module.bias)
