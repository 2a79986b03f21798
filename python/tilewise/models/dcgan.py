"""DCGAN: a generator of images and the discriminator it plays against."""

from __future__ import annotations

from .. import nn
from .._arguments import as_int
from ..nn import init
from ..tensor import Tensor

_SOURCE_STD = 0.02  # of all initial weights, in the paper


def _stages(op: str, size: int) -> int:
    """How often a 4×4 map is doubled to give images of this size."""
    as_int(op, "size", size, 8)
    stages = (size // 4).bit_length() - 1
    if 4 << stages != size:
        raise ValueError(f"{op}: expected size 8, 16, 32, 64 or another power of two, got {size}")
    return stages


def _init(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            init.normal_(module.weight, std=_SOURCE_STD)
        elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            init.normal_(module.weight, mean=1.0, std=_SOURCE_STD)


class DCGANGenerator(nn.Module):
    """Transposed convolutions from a vector of noise to an image in [-1, 1].

    A 4×4 map of width · size / 8 channels, doubled in size and halved in channels until it has the
    image's size; batch norm and ReLU between, tanh at the end. The defaults are the paper's figure
    1. (Source: A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep
    convolutional generative adversarial networks", 2016; weights start normal with standard
    deviation 0.02.)

    Args:
        latent: length of the noise.
        channels: channels of the images.
        width: channels of the largest inner map.
        size: height and width of the images, a power of two.

    Shape:
        float32 (N, latent) or (N, latent, 1, 1) → (N, channels, size, size).

    Example:
        >>> models.DCGANGenerator(latent=16, channels=1, width=8, size=32)(tw.randn(2, 16)).shape
        (2, 1, 32, 32)
    """

    def __init__(
        self, latent: int = 100, channels: int = 3, width: int = 128, size: int = 64
    ) -> None:
        super().__init__()
        stages = _stages("DCGANGenerator", size)
        inner = width << (stages - 1)
        layers = [
            nn.ConvTranspose2d(latent, inner, kernel_size=4, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
        ]
        for _ in range(stages - 1):
            layers += [
                nn.ConvTranspose2d(inner, inner // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(inner // 2),
                nn.ReLU(),
            ]
            inner //= 2
        layers += [
            nn.ConvTranspose2d(inner, channels, 4, stride=2, padding=1, bias=False),
            nn.Tanh(),
        ]
        self.main = nn.Sequential(*layers)
        _init(self)

    def forward(self, noise: Tensor) -> Tensor:
        """Images (N, channels, size, size) for noise (N, latent)."""
        image: Tensor = self.main(noise.reshape(*noise.shape[:2], 1, 1))
        return image


class DCGANDiscriminator(nn.Module):
    """Strided convolutions from an image to one number: how real it looks, as a logit.

    The generator's shape in reverse, with leaky ReLUs of slope 0.2 and no batch norm after the
    first convolution. (Source: as for `DCGANGenerator`.)

    Args:
        channels: channels of the images.
        width: channels after the first convolution.
        size: height and width of the images, a power of two.

    Shape:
        float32 (N, channels, size, size) → (N,); `F.binary_cross_entropy_with_logits` takes it.

    Example:
        >>> models.DCGANDiscriminator(channels=1, width=8, size=32)(tw.rand(2, 1, 32, 32)).shape
        (2,)
    """

    def __init__(self, channels: int = 3, width: int = 128, size: int = 64) -> None:
        super().__init__()
        stages = _stages("DCGANDiscriminator", size)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
        ]
        for _ in range(stages - 1):
            layers += [
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.LeakyReLU(0.2),
            ]
            width *= 2
        layers.append(nn.Conv2d(width, 1, kernel_size=4, bias=False))
        self.main = nn.Sequential(*layers)
        _init(self)

    def forward(self, image: Tensor) -> Tensor:
        """One logit (N,) an image: positive for real."""
        logits: Tensor = self.main(image).flatten()
        return logits
