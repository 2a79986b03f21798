"""SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters."""

from __future__ import annotations

from .. import nn
from .._arguments import as_choice
from .._operations import cat
from ..tensor import Tensor
from ._layers import in_order

VERSIONS = ("1.0", "1.1")


class Fire(nn.Module):
    """A 1×1 convolution that squeezes the channels, then 1×1 and 3×3 ones that expand them.

    Args:
        in_channels: of the input.
        squeeze: filters of the first convolution.
        expand: filters of each of the other two.

    Example:
        >>> models.Fire(96, 16, 64)(tw.zeros(1, 96, 8, 8)).shape
        (1, 128, 8, 8)
    """

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The maps of both expansions, one after the other."""
        x = in_order((self.squeeze, self.squeeze_activation), x)
        small = in_order((self.expand1x1, self.expand1x1_activation), x)
        large = in_order((self.expand3x3, self.expand3x3_activation), x)
        return cat([small, large], 1)


class SqueezeNet(nn.Module):
    """A convolution, eight fire modules with three pools, a 1×1 convolution to the classes.

    (Source: F. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
    <0.5MB model size", 2016; 1.1, with 2.4 times less arithmetic, is from the authors' repository.)

    Args:
        version: "1.0" or "1.1".
        num_classes: outputs.
        in_channels: channels of the images.
        dropout: the part that dropout sets to zero before the last convolution.

    Shape:
        float32 (N, in_channels, H, W), at least 21², made for 224² → logits (N, num_classes).

    Raises:
        ValueError: for another version.

    Example:
        >>> models.create("squeezenet1_1").eval()(tw.zeros(1, 3, 64, 64)).shape
        (1, 1000)
    """

    def __init__(
        self,
        version: str = "1.1",
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        first = as_choice("SqueezeNet", "version", version, VERSIONS) == "1.0"
        fires = [
            *(Fire(96 if first else 64, 16, 64), Fire(128, 16, 64)),
            *(Fire(128, 32, 128), Fire(256, 32, 128)),
            *(Fire(256, 48, 192), Fire(384, 48, 192)),
            *(Fire(384, 64, 256), Fire(512, 64, 256)),
        ]
        stem = nn.Conv2d(in_channels, 96, 7, 2) if first else nn.Conv2d(in_channels, 64, 3, 2)
        layers: list[nn.Module] = [stem, nn.ReLU(), _pool()]
        for i, fire in enumerate(fires, start=2):
            layers.append(fire)
            if i in ((4, 8) if first else (3, 5)):
                layers.append(_pool())
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.features(x)).flatten(1)
        return logits


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)
