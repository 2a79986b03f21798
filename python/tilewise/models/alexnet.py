"""AlexNet: as its paper has it, on one tower or two, and as most frameworks have it."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor


class AlexNet(nn.Module):
    """The one-tower form that torchvision has; 61,100,840 parameters.

    Five convolutions of 64 to 384 filters without local response normalisation, three linear
    layers, dropout before the first two. (Source: A. Krizhevsky, "One weird trick for
    parallelizing convolutional neural networks", 2014.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        dropout: the part that dropout sets to zero.

    Shape:
        float32 (N, in_channels, H, W), at least 63², made for 224² → logits (N, num_classes).

    Example:
        >>> with nn.init.skip():
        ...     model = models.create("alexnet", num_classes=5)
        >>> model.eval()(tw.zeros(1, 3, 63, 63)).shape
        (1, 5)
    """

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(in_channels, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, H, W)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


class AlexNetPaper(nn.Module):
    """The network of the paper, for images of 227²; 60,965,224 parameters in two towers.

    Local response normalisation and overlapping pools follow the first two convolutions. Two
    towers are groups of 2 in the second, fourth and fifth, as the network lay on two GPUs; one
    tower has 62,378,344 parameters. (Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet
    classification with deep convolutional neural networks", 2012. The paper writes 224², with
    which its first layer of 55² maps does not come out.)

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        towers: 1 or 2.

    Shape:
        float32 (N, in_channels, 227, 227) → logits (N, num_classes).

    Raises:
        ValueError: for another number of towers.

    Example:
        >>> with nn.init.skip():
        ...     model = models.create("alexnet_two_tower")
        >>> model.features[4].groups, models.count_parameters(model)
        (2, 60965224)
    """

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, towers: int = 2) -> None:
        super().__init__()
        if towers not in (1, 2):
            raise ValueError(f"AlexNetPaper: expected 1 or 2 towers, got {towers!r}")
        self.features = nn.Sequential(
            *(nn.Conv2d(in_channels, 96, 11, stride=4), nn.ReLU(), _norm(), nn.MaxPool2d(3, 2)),
            *(
                nn.Conv2d(96, 256, 5, padding=2, groups=towers),
                nn.ReLU(),
                _norm(),
                nn.MaxPool2d(3, 2),
            ),
            *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 384, 3, padding=1, groups=towers), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1, groups=towers), nn.ReLU(), nn.MaxPool2d(3, 2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, num_classes),
        )
        self._initialise()

    def _initialise(self) -> None:
        """Small normal weights; biases of 1 where they give the ReLUs something to start from."""
        convolutions = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        linear = [layer for layer in self.classifier if isinstance(layer, nn.Linear)]
        ones = (*(convolutions[i] for i in (1, 3, 4)), *linear[:2])
        for layer in (*convolutions, *linear):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, float(any(layer is other for other in ones)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, in_channels, 227, 227)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits


def _norm() -> nn.LocalResponseNorm:
    """The paper's constants; its alpha multiplies the sum, PyTorch's the mean over the window."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
