"""What several families are built from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import nn
from .._operations import cat
from ..nn import fusion
from ..tensor import Tensor

KERAS_EPS = 1.001e-5  # of batch norm in Keras's ResNets and DenseNets


def in_order(modules: Iterable[nn.Module], x: Any) -> Any:
    """The modules one after the other, neighbours in shared passes as `nn.Sequential` runs them.

    For networks whose layers must have names of their own.
    """
    return fusion.run(list(modules), x)


def batch_norm(channels: int, eps: float = 1e-5, scale: bool = True) -> nn.BatchNorm2d:
    """Batch norm over maps; without its scale it learns the shift alone (Keras's `scale=False`)."""
    norm = nn.BatchNorm2d(channels, eps=eps)
    if not scale:
        norm.register_parameter("weight", None)
    return norm


class ConvBatchNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU: a unit of the Inception networks."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        scale: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **options)
        self.bn = batch_norm(out_channels, 1e-3, scale)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the normalised convolution."""
        y: Tensor = in_order((self.conv, self.bn, self.relu), x)
        return y


def imagenet_to_unit(x: Tensor) -> Tensor:
    """Images normalised with ImageNet's statistics, as networks want them that know [-1, 1]."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"transform_input: expected images (N, 3, H, W), got {x.shape}")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    channels = [
        x[:, i : i + 1] * (spread / 0.5) + (centre - 0.5) / 0.5
        for i, (centre, spread) in enumerate(zip(mean, std, strict=True))
    ]
    return cat(channels, 1)
