"""Inception-ResNet v2: Inception branches whose sum with the input takes the place of pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from .. import _operations as ops
from .. import nn
from ..tensor import Tensor
from ._layers import INCEPTION_NORM, ConvBatchNorm, Norm, init_fan_out, shift_norm

# A branch is a list of convolutions: channels, kernel and, where they are not 1 and "same", stride
# and padding.
_Conv = tuple[int, int | tuple[int, int]] | tuple[int, int, int]
_Branches = Sequence[Sequence[_Conv]]
_Build = Callable[..., nn.Module]  # (in_channels, out_channels, kernel, stride) to a convolution

_MIXED_5B: _Branches = (
    [(96, 1)],
    [(48, 1), (64, 5)],
    [(64, 1), (96, 3), (96, 3)],
)
_REDUCTIONS: dict[str, _Branches] = {
    "mixed_6a": ([(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)]),
    "mixed_7a": (
        [(256, 1), (384, 3, 2)],
        [(256, 1), (288, 3, 2)],
        [(256, 1), (288, 3), (320, 3, 2)],
    ),
}
_RESIDUAL: dict[str, _Branches] = {
    "block35": ([(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]),
    "block17": ([(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]),
    "block8": ([(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]),
}


class _Branching(nn.Module):
    """Branches over the same input, joined along the channels: children branch0 and so on."""

    def __init__(self, in_channels: int, branches: _Branches, build: _Build) -> None:
        super().__init__()
        self.out_channels = 0
        for i, convs in enumerate(branches):
            channels, layers = in_channels, list[nn.Module]()
            for conv in convs:
                layers.append(build(channels, *conv))
                channels = conv[0]
            chain = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
            self.register_module(f"branch{i}", chain)
            self.out_channels += channels

    def join(self, x: Tensor) -> Tensor:
        return ops.cat([branch(x) for name, branch in self.named_children() if "branch" in name], 1)


class _Mixed(_Branching):
    """Branches beside a pooled one."""

    def __init__(
        self, in_channels: int, branches: _Branches, build: _Build, pooled: nn.Module, more: int
    ) -> None:
        super().__init__(in_channels, branches, build)
        self.register_module(f"branch{len(branches)}", pooled)
        self.out_channels += more

    def forward(self, x: Tensor) -> Tensor:
        return self.join(x)


class _Residual(_Branching):
    """x + scale · conv(branches), and a ReLU."""

    def __init__(
        self, channels: int, branches: _Branches, build: _Build, scale: float, relu: bool = True
    ) -> None:
        super().__init__(channels, branches, build)
        self.conv2d = nn.Conv2d(self.out_channels, channels, kernel_size=1)
        self.scale = scale
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(x + self.conv2d(self.join(x)) * self.scale)
        return y


class InceptionResNetV2(nn.Module):
    """Inception v4's stem, then 10, 20 and 10 residual Inception blocks with two reductions.

    55,843,464 trainable parameters. Keras's batch norms shift and do not scale: 55,813,192, and
    55,873,736 with statistics. (Source: C. Szegedy et al., "Inception-v4, Inception-ResNet and the
    impact of residual connections on learning", 2017; the form is that of TensorFlow's models, and
    the names of the state dict are the ones that PyTorch ports of it use.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        dropout: probability before the last layer.
        keras: build Keras's form, whose batch norms do not scale.

    Shape:
        float32 (N, in_channels, H, W) of at least 75×75, usually 299×299 → logits (N, num_classes).

    Example:
        >>> with nn.init.skip():
        ...     model = models.InceptionResNetV2(num_classes=10, keras=True)
        >>> model.eval()(tw.zeros(1, 3, 75, 75)).shape
        (1, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        dropout: float = 0.0,
        keras: bool = False,
    ) -> None:
        super().__init__()
        conv = partial(_conv, norm=shift_norm if keras else INCEPTION_NORM)
        self.conv2d_1a = conv(in_channels, 32, 3, stride=2)
        self.conv2d_2a = conv(32, 32, 3, padding="valid")
        self.conv2d_2b = conv(32, 64, 3)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = conv(64, 80)
        self.conv2d_4a = conv(80, 192, 3, padding="valid")
        self.maxpool_5a = nn.MaxPool2d(3, stride=2)

        average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        pooled = nn.Sequential(average, conv(192, 64))
        self.mixed_5b = _Mixed(192, _MIXED_5B, conv, pooled, 64)
        channels = self.mixed_5b.out_channels
        self.repeat = _repeat(10, channels, "block35", conv, 0.17)
        self.mixed_6a = _reduction(channels, "mixed_6a", conv)
        channels = self.mixed_6a.out_channels
        self.repeat_1 = _repeat(20, channels, "block17", conv, 0.1)
        self.mixed_7a = _reduction(channels, "mixed_7a", conv)
        channels = self.mixed_7a.out_channels
        self.repeat_2 = _repeat(9, channels, "block8", conv, 0.2)
        self.block8 = _Residual(channels, _RESIDUAL["block8"], conv, scale=1.0, relu=False)
        self.conv2d_7b = conv(channels, 1536)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classif = nn.Linear(1536, num_classes)
        init_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.mixed_5b(self.maxpool_5a(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.mixed_6a(self.repeat(x))
        x = self.mixed_7a(self.repeat_1(x))
        x = self.conv2d_7b(self.block8(self.repeat_2(x)))
        logits: Tensor = self.classif(self.dropout(self.avgpool(x).flatten(1)))
        return logits


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 1,
    stride: int = 1,
    padding: str | None = None,
    *,
    norm: Norm,
) -> ConvBatchNorm:
    """Padded to keep the size, unless it strides or is told otherwise."""
    padding = padding or ("valid" if stride > 1 else "same")
    return ConvBatchNorm(
        in_channels, out_channels, kernel_size, norm, stride=stride, padding=padding
    )


def _repeat(count: int, channels: int, kind: str, build: _Build, scale: float) -> nn.Sequential:
    return nn.Sequential(
        *(_Residual(channels, _RESIDUAL[kind], build, scale) for _ in range(count))
    )


def _reduction(channels: int, kind: str, build: _Build) -> _Mixed:
    return _Mixed(channels, _REDUCTIONS[kind], build, nn.MaxPool2d(3, stride=2), channels)
