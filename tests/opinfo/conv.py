"""Convolution, its transpose, and linear maps."""

from __future__ import annotations

from typing import Any

from opinfo.harness import Reason, Row


def strided_same(error: Any) -> Reason:
    same = "strided convolutions" in error.error_regex
    return "padding='same' is defined here for any stride, as in ONNX" if same else None


ROWS = [
    Row("nn.functional.conv1d", skip_error=strided_same),
    Row("nn.functional.conv2d", skip_error=strided_same),
    Row("nn.functional.conv3d", skip_error=strided_same),
    Row("nn.functional.conv_transpose1d"),
    Row("nn.functional.conv_transpose2d"),
    Row("nn.functional.conv_transpose3d"),
    Row("nn.functional.linear"),
    Row("nn.functional.unfold"),
]
