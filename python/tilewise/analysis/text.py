"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Sequence


def grid(head: Sequence[str], body: Sequence[Sequence[str]], align: str) -> list[str]:
    """The lines of a table; `align` has "<" or ">" for each column.

    Example:
        >>> grid(("a", "b"), [("x", "10")], "<>")
        ['a   b', '-  --', 'x  10']
    """
    rows = [head, *body]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [f"{c:{a}{w}}" for c, a, w in zip(cells, align, widths, strict=True)]
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return [line(head), rule, *map(line, body)]


def shape(sizes: Sequence[int]) -> str:
    """A shape, as in 1×64×112×112."""
    return "×".join(map(str, sizes)) or "scalar"
