"""PyTorch's own samples of every operation that exists here: one file of rows an area.

`harness.py` runs a row; `tests/test_opinfo.py` runs all rows and prints the table.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from opinfo.harness import Row

AREAS = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in {"__init__", "harness"}
)


def all_rows() -> list[Row]:
    """The rows of every area."""
    return [row for area in AREAS for row in importlib.import_module(f"opinfo.{area}").ROWS]
