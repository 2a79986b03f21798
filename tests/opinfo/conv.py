"""Convolution, its transpose, and linear maps."""

from __future__ import annotations

from opinfo.harness import Row

ROWS = [
    Row("nn.functional.conv1d"),
    Row("nn.functional.conv2d"),
    Row("nn.functional.conv3d"),
    Row("nn.functional.conv_transpose1d"),
    Row("nn.functional.conv_transpose2d"),
    Row("nn.functional.conv_transpose3d"),
    Row("nn.functional.linear"),
]
