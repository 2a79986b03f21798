"""Ways to print a summary."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise._formatting import format_bytes
from tilewise.analysis import text

if TYPE_CHECKING:
    from tilewise.analysis.summaries import Layer, Summary

_HEAD = (
    "layer",
    "type",
    "output",
    "params",
    "mult-adds",
    "activations",
    "kept",
    "field",
    "algorithm",
)
_ALIGN = "<<<>>>>><"


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _short(count: int) -> str:
    """A large number in three digits."""
    if count == 0:
        return "-"
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {letter}"
    return str(count)


def _field(layer: Layer) -> str:
    sizes = layer.receptive_field
    if not sizes:
        return "-"
    return f"{sizes[0]:g}" if len(set(sizes)) == 1 else "×".join(f"{size:g}" for size in sizes)


def _algorithm(layer: Layer) -> str:
    """One name where all directions have the same."""
    return layer.algorithms[0] if len(set(layer.algorithms)) == 1 else " / ".join(layer.algorithms)


def _cells(layer: Layer) -> tuple[str, ...]:
    return (
        layer.name,
        layer.type,
        text.shape(layer.output_shape),
        _number(layer.parameters + layer.statistics),
        _short(layer.multiply_adds),
        format_bytes(layer.activation_bytes),
        format_bytes(layer.kept_bytes) if layer.kept_bytes else "-",
        _field(layer),
        _algorithm(layer),
    )


def _columns(summary: Summary) -> tuple[tuple[str, ...], list[tuple[str, ...]], str]:
    """Head, rows and alignment; columns that say nothing are left out."""
    body = [_cells(layer) for layer in summary.layers]
    kept = [i for i in range(len(_HEAD)) if i < 3 or any(row[i] not in {"", "-"} for row in body)]
    rows = [tuple([row[i] for i in kept]) for row in body]
    return tuple([_HEAD[i] for i in kept]), rows, "".join([_ALIGN[i] for i in kept])


def _totals(summary: Summary) -> list[str]:
    totals, memory = summary.totals, summary.memory
    counts = [f"{totals.trainable:,} trainable"]
    counts += [f"{totals.frozen:,} frozen"] if totals.frozen else []
    counts += [f"{totals.statistics:,} statistics"] if totals.statistics else []
    counts += [f"{totals.unused:,} of parts that did not run"] if totals.unused else []
    kept, peaks = memory.kept_activations, (memory.inference_peak, memory.training_peak)
    all_parameters = f"{totals.parameters + totals.statistics:,} ({', '.join(counts)})"
    outputs = format_bytes(totals.activation_bytes)
    user = memory.optimizer or "no optimizer"
    needs = f"{format_bytes(peaks[0])} in inference, {format_bytes(peaks[1])} in a training step"
    rows = [
        ("parameters", f"{all_parameters}, {format_bytes(totals.parameter_bytes)}"),
        ("multiply-adds", f"{_short(totals.multiply_adds)} for a batch of {summary.batch}"),
        ("activations", f"{outputs} in all outputs, {format_bytes(kept)} kept for the gradients"),
        ("peak memory", f"{needs} with {user}"),
    ]
    unknown = dict.fromkeys((*memory.assumed, *(summary.field.assumed if summary.field else ())))
    if unknown:
        rows.append(
            ("not known", f"{', '.join(unknown)}: taken to see and keep all of their inputs")
        )
    return [f"{name:<15}{what}" for name, what in rows]


def table(summary: Summary) -> str:
    """Aligned columns, with the totals below."""
    shapes = ", ".join(text.shape(shape) for shape in summary.input_shapes)
    lines = text.grid(*_columns(summary))
    rule = "-" * max(map(len, lines))
    return "\n".join([f"{summary.model_name}, input {shapes}", *lines, rule, *_totals(summary)])


def rich_table(summary: Summary) -> Any:
    """The same for the rich package's console."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shapes = ", ".join(text.shape(shape) for shape in summary.input_shapes)
    head, rows, align = _columns(summary)
    made = Table(title=f"{summary.model_name}, input {shapes}", title_justify="left")
    for name, side in zip(head, align, strict=True):
        made.add_column(name, justify="right" if side == ">" else "left")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return Group(made, Text("\n".join(_totals(summary))))


def markdown(summary: Summary) -> str:
    """A table for a README."""
    head = ("layer", "type", "output", "params", "multiply-adds", "field", "algorithm")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * 3}{'--:|' * 3}---|"]
    for layer in summary.layers:
        cells = (
            layer.name, layer.type, text.shape(layer.output_shape),
            f"{layer.parameters + layer.statistics:,}" if layer.parameters else "",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            _field(layer).strip("-"), _algorithm(layer),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in _totals(summary))])


# ---------------------------------------------------------------- as other packages print


def _snake(name: str) -> str:
    """The name that Keras gives a layer of a class, before it is numbered."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def keras(summary: Summary) -> str:
    """As Keras's `model.summary()`: statistics are parameters that are not trained."""
    width = 65
    thin, thick = "_" * width, "=" * width
    lines = [f'Model: "{summary.model_name}"', thin]
    lines += [f"{'Layer (type)':<32}{'Output Shape':<22}{'Param #':>11}", thick]
    seen: dict[str, int] = {}
    body = []
    for layer in summary.layers:
        base = _KERAS_NAMES.get(layer.type, _snake(layer.type))
        number = seen.get(base, 0)
        seen[base] = number + 1
        name = f"{base}_{number}" if number else base
        shape = ", ".join(["None", *map(str, layer.output_shape[1:])])
        shape += "," if len(layer.output_shape) == 1 else ""
        count = layer.parameters + layer.statistics
        body.append(f"{f'{name} ({layer.type})':<32}{f'({shape})':<22}{count:>11,}")
    lines.append(f"\n{thin}\n".join(body))
    totals = summary.totals
    lines += [
        thick,
        f"Total params: {totals.parameters + totals.statistics:,}",
        f"Trainable params: {totals.trainable:,}",
        f"Non-trainable params: {totals.frozen + totals.statistics:,}",
        thin,
    ]
    return "\n".join(lines)


_KERAS_NAMES = {"ReLU": "relu", "ReLU6": "relu6", "PReLU": "prelu", "LeakyReLU": "leaky_relu"}


def torchsummary(summary: Summary) -> str:
    """As the torchsummary package: layers and modules numbered in the order in which they return.

    Statistics do not count, `Sequential` and `ModuleList` are no rows, and neither are functions.
    The sizes are those of that package: every row's output once forward and once backward, in MiB.
    """
    rows: list[tuple[str, list[int], int]] = []
    calls = [call for call in summary.calls if call.type not in {"Sequential", "ModuleList"}]
    for i, layer in enumerate(summary.layers):
        if layer.type[:1].isupper():
            rows.append((layer.type, [-1, *layer.output_shape[1:]], layer.parameters))
        for call in calls:
            if call.after == i:
                rows.append((call.type, [-1, *call.output_shape[1:]], 0))
    lines = ["-" * 64, f"{'Layer (type)':>20}  {'Output Shape':>25} {'Param #':>15}", "=" * 64]
    for number, (kind, shape, count) in enumerate(rows, 1):
        lines.append(f"{f'{kind}-{number}':>20}  {shape!s:>25} {count:>15,}")
    values = sum(math.prod(shape[1:]) for _, shape, _ in rows)
    totals = summary.totals
    mib = 4 / 2**20
    sizes = (
        sum(math.prod(shape[1:]) for shape in summary.input_shapes) * mib,
        2 * values * mib,
        totals.parameters * mib,
    )
    lines += [
        "=" * 64,
        f"Total params: {totals.parameters:,}",
        f"Trainable params: {totals.trainable:,}",
        f"Non-trainable params: {totals.frozen:,}",
        "-" * 64,
        f"Input size (MB): {sizes[0]:.2f}",
        f"Forward/backward pass size (MB): {sizes[1]:.2f}",
        f"Params size (MB): {sizes[2]:.2f}",
        f"Estimated Total Size (MB): {sum(sizes):.2f}",
        "-" * 64,
    ]
    return "\n".join(lines)


STYLES: dict[str, Callable[[Summary], str]] = {
    "table": table,
    "keras": keras,
    "torchsummary": torchsummary,
    "markdown": markdown,
    "json": lambda summary: summary.to_json(),
}
