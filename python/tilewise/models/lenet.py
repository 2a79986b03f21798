"""LeNet-5 in the form that today's courses teach."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


class LeNet5(nn.Module):
    """Two 5×5 convolutions with pooling and two linear layers; 1,256,080 parameters.

    Conv 20, ReLU, max pool, conv 50, ReLU, max pool, linear 500, ReLU, linear. It reaches more
    than 99 % on MNIST. (Source: Y. LeCun et al., "Gradient-based learning applied to document
    recognition", 1998; the widths are those of Caffe's example.)

    Args:
        in_channels: channels of the images.
        num_classes: outputs.

    Shape:
        float32 (N, in_channels, 28, 28) → logits (N, num_classes).

    Example:
        >>> models.create("lenet5")(tw.zeros(2, 1, 28, 28)).shape
        (2, 10)
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 20, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 50, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(50 * 7 * 7, 500),
            nn.ReLU(),
            nn.Linear(500, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, 28, 28)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits
