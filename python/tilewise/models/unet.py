"""U-Net: a contracting path, an expanding one, and what the first saw handed to the second."""

from __future__ import annotations

from .. import _operations as ops
from .. import nn
from .._arguments import as_bool, as_choice, as_int
from ..nn import init
from ..tensor import Tensor


class UNet(nn.Module):
    """Labels every pixel of an image.

    Two 3×3 convolutions with ReLU at each of depth + 1 resolutions, a 2×2 max pool on each way
    down, a 2×2 transposed convolution on each way up, joined with the map of the same resolution
    from the way down. The paper's network is `UNet(padding="valid", batch_norm=False)`: 31,030,658
    parameters, and 572×572 pixels give labels for the inner 388×388. (Source: O. Ronneberger, P.
    Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015.)

    Args:
        in_channels: channels of the images.
        num_classes: labels a pixel can have.
        width: channels of the first resolution; each one below has twice as many.
        depth: how often the resolution is halved.
        padding: "same", labels for every pixel; or "valid", as in the paper, only for pixels whose
            surroundings are all in the image.
        batch_norm: normalise between convolution and ReLU.
        dropout: probability at the lowest resolution.

    Shape:
        float32 (N, in_channels, H, W) → logits (N, num_classes, H', W'); H' = H, W' = W where
        padded.

    Raises:
        ValueError: when called with a size that a pool would not halve to whole pixels.

    Example:
        >>> models.UNet(in_channels=3, width=8, depth=2)(tw.rand(1, 3, 32, 48)).shape
        (1, 2, 32, 48)
        >>> paper = models.UNet(width=4, padding="valid", batch_norm=False)
        >>> paper(tw.rand(1, 1, 572, 572)).shape
        (1, 2, 388, 388)
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        width: int = 64,
        depth: int = 4,
        padding: str = "same",
        batch_norm: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        as_choice("UNet", "padding", padding, ("same", "valid"))
        as_bool("UNet", "batch_norm", batch_norm)
        self.depth = as_int("UNet", "depth", depth, 1)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList()
        channels = in_channels
        for out in widths:
            self.down.append(_convs(channels, out, padding, batch_norm))
            channels = out
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        for out in reversed(widths[:-1]):
            self.up.append(nn.ConvTranspose2d(2 * out, out, kernel_size=2, stride=2))
            self.merge.append(_convs(2 * out, out, padding, batch_norm))
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes, H', W') of images (N, in_channels, H, W)."""
        size, kept = x.shape[-2:], []
        for level, convs in enumerate(self.down):
            if level:
                if x.shape[-2] % 2 or x.shape[-1] % 2 or 0 in x.shape:
                    raise ValueError(
                        f"UNet: expected an image that can be halved {self.depth} times, got "
                        f"{size}, which is {x.shape[-2:]} before pool {level}"
                    )
                kept.append(x)
                x = self.pool(x)
            x = convs(x)
        x = self.dropout(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)
            x = merge(ops.cat([_middle(kept.pop(), x.shape[-2:]), x], 1))
        logits: Tensor = self.head(x)
        return logits


def _convs(in_channels: int, out_channels: int, padding: str, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers.append(nn.Conv2d(channels, out_channels, 3, padding=padding, bias=not batch_norm))
        layers += [nn.BatchNorm2d(out_channels)] if batch_norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _middle(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The inner pixels of a map that are as many as `size`."""
    if x.shape[-2:] == size:
        return x
    top, left = (x.shape[-2] - size[0]) // 2, (x.shape[-1] - size[1]) // 2
    return x[:, :, top : top + size[0], left : left + size[1]]
