"""`tilewise models`: the networks of the zoo."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..models import ModelInfo


@click.command()
@click.argument("pattern", required=False)
@click.option("--sources", is_flag=True, help="Also print who published each, and the accuracy.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def models(pattern: str | None, sources: bool, as_json: bool) -> None:
    """List the networks of the zoo: size, depth and published accuracy.

    PATTERN is a shell pattern ("resnet*"), or a part of the names.

    \b
    Examples:
      tilewise models
      tilewise models "resnet*"
      tilewise models mobilenet --sources
    """  # noqa: D301
    from ..models import available, info

    names = available(pattern)
    if not names and pattern is not None:
        names = available(f"*{pattern}*")
    if not names:
        raise click.UsageError(f"no network is named like {pattern!r}", click.get_current_context())
    rows = [info(name) for name in names]
    if as_json:
        click.echo(json.dumps([_record(row) for row in rows], indent=2))
        return
    for line in _table(rows):
        click.echo(line)
    if sources:
        _print_sources(rows)


def _record(row: ModelInfo) -> dict[str, Any]:
    accuracy = row.accuracy
    return {
        "name": row.name,
        "parameters": row.parameters,
        "depth": row.depth,
        "input_shape": list(row.input_shape),
        "classes": row.num_classes,
        "top1": None if accuracy is None else accuracy.top1,
        "top5": None if accuracy is None else accuracy.top5,
        "dataset": None if accuracy is None else accuracy.dataset,
        "accuracy_source": None if accuracy is None else accuracy.source,
        "source": row.source,
    }


def _table(rows: list[ModelInfo]) -> list[str]:
    from ..analysis import text

    head = ("name", "parameters", "depth", "input", "classes", "top-1", "top-5", "measured on")
    body = []
    for row in rows:
        accuracy = row.accuracy
        top5 = accuracy.top5 if accuracy is not None else None
        body.append(
            (
                row.name,
                f"{row.parameters:,}",
                str(row.depth),
                text.shape(row.input_shape),
                str(row.num_classes or "-"),
                "-" if accuracy is None else f"{accuracy.top1:.1f}",
                "-" if top5 is None else f"{top5:.1f}",
                "-" if accuracy is None else accuracy.dataset,
            )
        )
    return text.grid(head, body, "<>><>>><")


def _print_sources(rows: list[ModelInfo]) -> None:
    papers: dict[str, list[str]] = {}
    for row in rows:
        papers.setdefault(row.source, []).append(row.name)
        if row.accuracy is not None:
            papers.setdefault(f"accuracy: {row.accuracy.source}", []).append(row.name)
    click.echo()
    for source, names in papers.items():
        click.echo(f"{', '.join(names)}\n  {source}")
