"""The tables of compare.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import conv_shapes
from turns import machine_line

TITLES = {
    "torch": "PyTorch",
    "torch-kept": "PyTorch, memory kept",
    "onnxruntime": "ONNX Runtime",
}
LEGEND = (
    "GFLOP/s are the direct form's, padding included. Bold: the bound the layer is nearer to, the "
    "arithmetic or the bytes that must move. ÷ is the time over tilewise's, the median over the "
    "turns; ± is the distance between its quartiles."
)
NOT_NETWORKS = ("conv", "odd")  # files whose total says nothing


@dataclass
class Row:
    """One layer in one direction: every form's time."""

    network: str
    layer: str
    direction: str
    mode: str  # training: weights as they come; inference: prepared once
    isa: str
    threads: int
    batch: int
    count: int
    flops: float
    bytes: float
    error: float
    peak: dict[str, float] = field(default_factory=dict)
    page_faults: dict[str, float] = field(default_factory=dict)  # a call
    seconds: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    ratio: dict[str, float] = field(default_factory=dict)  # this form's time over tilewise's
    ratio_spread: dict[str, float] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """What one measurement is of."""
        layer = (self.network, self.layer, self.direction, self.batch)
        return (*layer, self.mode, self.isa, self.threads)

    def table(self) -> tuple[str, str, int]:
        """Rows of one table share it."""
        return (self.mode, self.isa, self.threads)

    def percent(self) -> dict[str, float]:
        """Of the measured peaks, for the direct form's arithmetic and the bytes that must move."""
        best = self.seconds.get("tilewise")
        if not self.peak or not best:
            return {}
        return {
            "peak": 1e-7 * self.flops / best / self.peak["gflops"],
            "copy": 1e-7 * self.bytes / best / self.peak["copy_gbps"],
        }

    def summary(self) -> str:
        """A line while measuring."""
        times = "  ".join(f"{form} {1e3 * s:.3f} ms" for form, s in self.seconds.items())
        name = f"{self.network}/{self.layer} n={self.batch} {self.direction}"
        return f"{name}, {self.threads} threads: {times}, error {self.error:.0e}"


def forms_of(rows: Iterable[Row]) -> list[str]:
    """The forms beside tilewise, in the order of TITLES."""
    found = {form for row in rows for form in row.seconds}
    return [form for form in TITLES if form in found]


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _cells(row: Row, forms: list[str]) -> list[str]:
    best = row.seconds.get("tilewise")
    cells = [f"{row.network}/{row.layer}", row.direction, str(row.batch)]
    if best:
        cells += [_milliseconds(best), f"{1e-9 * row.flops / best:.0f}"]
    else:
        cells += ["", ""]
    if row.peak:
        percent = row.percent()
        # The larger of the two is the bound that the layer is nearer to.
        bound = max(percent, key=lambda name: percent[name], default="")
        for name in ("peak", "copy"):
            text = f"{percent[name]:.0f}" if percent else ""
            cells.append(f"**{text}**" if name == bound else text)
    else:
        cells += ["", ""]
    for form in forms:
        if form not in row.seconds:
            cells += ["", "", ""]
            continue
        ratio = [f"{row.ratio[form]:.2f}", f"{row.ratio_spread[form]:.2f}"] if best else ["", ""]
        cells += [_milliseconds(row.seconds[form]), *ratio]
    return cells


def totals(rows: list[Row]) -> list[Row]:
    """A row for each network of which all layers are there: count × time, over the layers."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.network in NOT_NETWORKS:
            continue
        # A network's files have one batch.
        groups.setdefault((*row.table(), row.network, row.direction, row.batch), []).append(row)
    sizes = {path.stem: len(conv_shapes.read(path)) for path in conv_shapes.files()}
    found = []
    for members in groups.values():
        first = members[0]
        if len(members) != sizes.get(first.network):
            continue
        total = Row(**{**vars(first), "layer": "(all)", "count": 1})
        total.flops = sum(row.count * row.flops for row in members)
        total.bytes = sum(row.count * row.bytes for row in members)
        total.seconds = {
            form: sum(row.count * row.seconds[form] for row in members) for form in first.seconds
        }
        best = total.seconds.get("tilewise", float("nan"))
        total.ratio = {form: seconds / best for form, seconds in total.seconds.items()}
        spread = {
            form: sum(row.count * row.seconds[form] * row.ratio_spread[form] for row in members)
            for form in first.ratio_spread
        }
        total.ratio_spread = {form: s / total.seconds[form] for form, s in spread.items()}
        found.append(total)
    return found


def _table(rows: list[Row]) -> list[str]:
    forms = forms_of(rows)
    head = ["layer", "direction", "batch", "ms", "GFLOP/s", "% peak", "% copy"]
    for form in forms:
        head += [f"{TITLES[form]} ms", "÷", "±"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "--:|" * (len(head) - 2)]
    lines += ["| " + " | ".join(_cells(row, forms)) + " |" for row in rows]
    return lines


def markdown(rows: list[Row], info: dict[str, Any]) -> str:
    """A table for each number of threads, the networks' totals, and the machine."""
    lines: list[str] = []
    for table in dict.fromkeys(row.table() for row in rows):
        mode, isa, threads = table
        members = [row for row in rows if row.table() == table]
        title = f"Convolution, {mode}, {threads} thread{'s' if threads != 1 else ''}"
        lines += [f"### {title}, {isa}", ""]
        lines += _table(members)
        lines.append("")
        sums = totals(members)
        if sums:
            lines += ["All convolutions of a network:", "", *_table(sums), ""]
        peak = members[-1].peak
        if peak:
            lines.append(
                f"Measured peaks: {peak['gflops']:.0f} GFLOP/s of multiply-adds, "
                f"{peak['copy_gbps']:.1f} GB/s of copying."
            )
        else:
            lines.append("Peaks were not measured: the C++ benchmark bench_conv is not built.")
        lines.append("")
    lines += [LEGEND, "", machine_line(info)]
    return "\n".join(lines) + "\n"
