"""VGG: stacks of 3×3 convolutions, in the configurations A to E of the paper."""

from __future__ import annotations

from .. import nn
from .._arguments import as_choice
from ..tensor import Tensor

# Widths of the convolutions between the five pools. "LRN" is local response normalisation; a
# negative width is a 1×1 convolution.
CONFIGURATIONS: dict[str, tuple[tuple[int | str, ...], ...]] = {
    "A": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "A-LRN": ((64, "LRN"), (128,), (256, 256), (512, 512), (512, 512)),
    "B": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "C": ((64, 64), (128, 128), (256, 256, -256), (512, 512, -512), (512, 512, -512)),
    "D": ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    "E": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}


class VGG(nn.Module):
    """Five blocks of 3×3 convolutions with a pool after each, then three linear layers.

    Configurations A, B, D and E are torchvision's vgg11, 13, 16 and 19. C has 1×1 convolutions
    at the end of the last three blocks, A-LRN normalises after the first convolution. (Source:
    K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2014.)

    Args:
        configuration: "A", "A-LRN", "B", "C", "D" or "E".
        num_classes: outputs.
        in_channels: channels of the images.
        batch_norm: whether batch norm follows each convolution.
        dropout: the part that dropout sets to zero.

    Shape:
        float32 (N, in_channels, H, W), at least 32², made for 224² → logits (N, num_classes).

    Raises:
        ValueError: for another configuration.

    Example:
        >>> with nn.init.skip():
        ...     model = models.create("vgg11", num_classes=5)
        >>> model.eval()(tw.zeros(1, 3, 32, 32)).shape
        (1, 5)
    """

    def __init__(
        self,
        configuration: str = "D",
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        as_choice("VGG", "configuration", configuration, tuple(CONFIGURATIONS))
        with nn.init.skip():  # PyTorch's default values, which would be replaced at once
            layers: list[nn.Module] = []
            for block in CONFIGURATIONS[configuration]:
                for width in block:
                    layers += _layer(width, in_channels, batch_norm)
                    in_channels = in_channels if isinstance(width, str) else abs(width)
                layers.append(nn.MaxPool2d(2))
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d(7)
            self.classifier = nn.Sequential(
                *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(dropout)),
                *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout)),
                nn.Linear(4096, num_classes),
            )
        self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _layer(width: int | str, in_channels: int, batch_norm: bool) -> list[nn.Module]:
    """An entry of a configuration: a convolution with what follows it, or a normalisation."""
    if isinstance(width, str):
        return [nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)]
    kernel = 1 if width < 0 else 3
    layers: list[nn.Module] = [nn.Conv2d(in_channels, abs(width), kernel, padding=kernel // 2)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(abs(width)))
    return [*layers, nn.ReLU()]
