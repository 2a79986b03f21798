"""A network for dogs and cats that is trained from scratch, as in CNN courses."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


class DogsVsCats(nn.Module):
    """Eight 3×3 convolutions with a pool after each pair, two linear layers, one logit.

    23,214,017 parameters, of which the first linear layer has 16,777,728. Maps of 150² shrink to
    75, 37, 18 and 8. (Course notes give the last pool a window of 2, which would make 18² into 9²;
    8² takes a window of 3 at stride 2.)

    Args:
        num_classes: outputs; the one logit tells dogs from cats.
        in_channels: channels of the images.
        dropout: the part of the maps that dropout sets to zero before the linear layers.
        batch_norm: a batch norm after each convolution, in place of its bias, which the notes do
            not have: with a thousand photos it learns several times as fast.

    Shape:
        float32 (N, in_channels, 150, 150) → logits (N, num_classes).

    Example:
        >>> with nn.init.skip():
        ...     model = models.create("dogs_vs_cats")
        >>> model.eval()(tw.zeros(1, 3, 150, 150)).shape
        (1, 1)
    """

    def __init__(
        self,
        num_classes: int = 1,
        *,
        in_channels: int = 3,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for widths in ((32, 64), (128, 128), (256, 512), (512, 512)):
            for width in widths:
                layers.append(nn.Conv2d(in_channels, width, 3, padding=1, bias=not batch_norm))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                in_channels = width
            layers.append(nn.MaxPool2d(2))
        layers[-1] = nn.MaxPool2d(3, stride=2)
        self.features = nn.Sequential(*layers, nn.Dropout2d(dropout))
        self.classifier = nn.Sequential(
            *(nn.Flatten(), nn.Linear(512 * 8 * 8, 512), nn.ReLU()), nn.Linear(512, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, 150, 150)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits
