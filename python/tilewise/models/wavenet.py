"""WaveNet: dilated causal convolutions over a sequence, each with a gate."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _operations as ops
from .. import nn
from ..nn import functional as F
from ..tensor import Tensor


class _Block(nn.Module):
    """tanh(filter) · sigmoid(gate) of a dilated convolution; gives (residual, skip)."""

    def __init__(
        self, channels: int, skip_channels: int, kernel_size: int, dilation: int, last: bool
    ) -> None:
        super().__init__()
        self.conv = nn.CausalConv1d(channels, 2 * channels, kernel_size, dilation=dilation)
        self.skip = nn.Conv1d(channels, skip_channels, kernel_size=1)
        # Nothing follows the last block but its skip.
        self.residual = None if last else nn.Conv1d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        filtered, gate = ops.chunk(self.conv(x), 2, 1)
        y = F.tanh(filtered) * F.sigmoid(gate)
        return (x if self.residual is None else x + self.residual(y)), self.skip(y)


class WaveNet(nn.Module):
    """Predicts each element of a sequence from those up to the one before it.

    A causal convolution, gated residual blocks whose dilations double, the sum of all blocks' skip
    connections, and two 1×1 convolutions behind ReLUs. Output t depends on inputs t -
    receptive_field + 1 to t and on none that come later, so with input x the target of output t is
    x[t + 1]. (Source: A. van den Oord et al., "WaveNet: a generative model for raw audio", 2016.)

    Args:
        in_channels: channels of the sequence: 256 for one-hot samples, 1 for a waveform.
        num_classes: outputs an element.
        channels: of the residual path.
        skip_channels: of the skip connections.
        kernel_size: taps of each convolution.
        dilations: of the blocks of one stack.
        stacks: how often the dilations are run through.

    Attributes:
        receptive_field: inputs that an output sees.

    Shape:
        float32 (N, in_channels, L) → logits (N, num_classes, L).

    Example:
        >>> model = models.WaveNet(in_channels=1, num_classes=8, channels=4, skip_channels=8)
        >>> model(tw.rand(2, 1, 100)).shape
        (2, 8, 100)
        >>> model.receptive_field
        1025
    """

    def __init__(
        self,
        in_channels: int = 256,
        num_classes: int = 256,
        channels: int = 64,
        skip_channels: int = 256,
        kernel_size: int = 2,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        stacks: int = 1,
    ) -> None:
        super().__init__()
        steps = [*dilations] * stacks
        if not steps:
            raise ValueError(f"WaveNet: expected blocks, got {dilations=!r} and {stacks=}")
        self.receptive_field = 1 + (kernel_size - 1) * (1 + sum(steps))
        self.conv = nn.CausalConv1d(in_channels, channels, kernel_size)
        self.blocks = nn.ModuleList(
            _Block(channels, skip_channels, kernel_size, dilation, i == len(steps) - 1)
            for i, dilation in enumerate(steps)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(skip_channels, skip_channels, kernel_size=1),
            nn.ReLU(),
            nn.Conv1d(skip_channels, num_classes, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes, L) of sequences (N, in_channels, L)."""
        x = self.conv(x)
        x, total = self.blocks[0](x)
        for block in self.blocks[1:]:
            x, skip = block(x)
            total = total + skip
        logits: Tensor = self.head(total)
        return logits
