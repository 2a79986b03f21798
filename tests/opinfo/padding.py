"""Padding."""

from __future__ import annotations

from opinfo.harness import Row

ROWS = [
    Row("nn.functional.pad", variant="constant"),
    Row("nn.functional.pad", variant="reflect"),
    Row("nn.functional.pad", variant="replicate"),
    Row("nn.functional.pad", variant="replicate_negative"),
    Row("nn.functional.pad", variant="circular"),
]
