"""How a state dict differs from what a module expects, for people to read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]

_ROWS = 60  # that the table shows, of each kind
_CANDIDATES = 2000  # that a missing name is compared with
_WIDTH = 60  # of a name in print
_SHOWN = 3  # that the one-line form lists


class Entry(NamedTuple):
    """A name and its shape."""

    name: str
    shape: Shape

    def __str__(self) -> str:
        return f"{_short(self.name)} {self.shape}"


class ShapeDifference(NamedTuple):
    """A name that both have, in two shapes."""

    name: str
    expected: Shape
    found: Shape


@dataclass(frozen=True)
class StateDiff:
    """What a state dict lacks, has too much, and has in other shapes than a module expects.

    It is true where they differ. As text it is a table: what the module has on the left, what the
    state dict has on the right, the likeliest counterpart of each missing name beside it.

    Args:
        module: the class of the module.
        missing: names that the module has and the state dict lacks, with the module's shapes.
        unexpected: names that only the state dict has, with its shapes.
        shapes: names whose shapes differ.
        matching: how many names agree.

    Example:
        >>> print(io.compare_state_dict(nn.Linear(2, 1), {"weigth": tw.ones(1, 2)}))
        the state dict does not fit Linear: 2 missing, 1 unexpected, 0 of other shape, 0 that fit
          the module has     the state dict has
          weight (1, 2)   ?  weigth (1, 2)
          bias (1,)       -
    """

    module: str
    missing: tuple[Entry, ...] = ()
    unexpected: tuple[Entry, ...] = ()
    shapes: tuple[ShapeDifference, ...] = ()
    matching: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def brief(self) -> str:
        """The differences as one line; the first of each kind."""
        different = [
            f"{_short(name)} {found} where the model has {expected}"
            for name, expected, found in self.shapes
        ]
        kinds = (
            ("missing", [str(entry) for entry in self.missing]),
            ("unexpected", [str(entry) for entry in self.unexpected]),
            ("of other shape:", different),
        )
        return "; ".join(f"{label} {_some(names)}" for label, names in kinds if names)

    def __str__(self) -> str:
        if not self:
            return f"the state dict fits {self.module}: {self.matching} names agree"
        head = (
            f"the state dict does not fit {self.module}: {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected, {len(self.shapes)} of other shape, "
            f"{self.matching} that fit"
        )
        return "\n  ".join([head, *_table(self._rows()), *self._hints()])

    def _rows(self) -> list[tuple[str, str, str]]:
        """Left column, sign, right column."""
        rows = [("the module has", " ", "the state dict has")]
        pairs = [
            (f"{_short(name)} {expected}", "≠", f"{_short(name)} {found}")
            for name, expected, found in self.shapes
        ]
        rows += _cut(pairs, "≠")
        likely = suggestions(self.missing[:_ROWS], self.unexpected)
        missing = []
        for entry in self.missing:
            found = likely.get(entry.name)
            missing.append((str(entry), "-" if found is None else "?", str(found or "")))
        rows += _cut(missing, "-")
        taken = {entry.name for entry in likely.values()}
        rows += _cut([("", "+", str(e)) for e in self.unexpected if e.name not in taken], "+")
        return rows

    def _hints(self) -> list[str]:
        prefix = common_prefix(entry.name for entry in self.unexpected)
        if not (prefix and self.missing and not self.matching):
            return []
        stripped = {entry.name.removeprefix(prefix) for entry in self.unexpected}
        if not any(entry.name in stripped for entry in self.missing):
            return []
        strip = f"io.strip_prefix(state, {prefix!r}) takes it off"
        return [f"every name of the state dict begins with {prefix!r}; {strip}"]


def compare(
    module: str, expected: Mapping[str, Shape], found: Mapping[str, Shape], optional: set[str]
) -> StateDiff:
    """The difference of two sets of names with shapes; `optional` ones may be missing."""
    shared = [name for name in expected if name in found]
    return StateDiff(
        module,
        tuple(
            Entry(name, shape)
            for name, shape in expected.items()
            if name not in found and name not in optional
        ),
        tuple(Entry(name, shape) for name, shape in found.items() if name not in expected),
        tuple(
            ShapeDifference(name, expected[name], found[name])
            for name in shared
            if expected[name] != found[name]
        ),
        sum(expected[name] == found[name] for name in shared),
    )


def common_prefix(names: Iterable[str]) -> str:
    """The dotted parts that all names begin with, with the last dot; "" where there are none."""
    shared: list[str] | None = None
    for name in names:
        parts = name.split(".")[:-1]
        if shared is None:
            shared = parts
        else:
            same = next(
                (i for i, (a, b) in enumerate(zip(shared, parts, strict=False)) if a != b),
                min(len(shared), len(parts)),
            )
            shared = shared[:same]
        if not shared:
            return ""
    return ".".join(shared or []) + "." if shared else ""


def suggestions(missing: Sequence[Entry], unexpected: Sequence[Entry]) -> dict[str, Entry]:
    """For missing names the unexpected one that is likely meant, each given once.

    Likely is what has the same shape and shares parts of its name, or is spelt almost alike.
    """
    left = list(unexpected[:_CANDIDATES])
    parts = [_parts(entry.name) for entry in left]
    chosen: dict[str, Entry] = {}
    used: set[int] = set()
    for entry in missing:
        own = _parts(entry.name)
        scored = sorted(
            (
                ((entry.shape == other.shape) + _overlap(own, parts[i]), -i)
                for i, other in enumerate(left)
                if i not in used
            ),
            reverse=True,
        )[:8]
        best = max(
            ((score + _alike(entry.name, left[-i].name), i) for score, i in scored),
            default=(0.0, 0),
        )
        if best[0] >= 1.2:
            chosen[entry.name] = left[-best[1]]
            used.add(-best[1])
    return chosen


def _parts(name: str) -> set[str]:
    return set(re.split(r"[./_]", name[:200]))


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(len(a | b), 1)


def _alike(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a[:100], b[:100], autojunk=False).ratio()


def _short(name: str) -> str:
    """A name for print: no line breaks or control characters, not endless."""
    shown = name if name.isprintable() else ascii(name)[1:-1]
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 20]}…{shown[-19:]}"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _cut(rows: list[tuple[str, str, str]], sign: str) -> list[tuple[str, str, str]]:
    more = len(rows) - _ROWS
    return rows if more <= 0 else [*rows[:_ROWS], (f"… and {more:,} more", sign, "")]


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    width = max(len(left) for left, _, _ in rows)
    return [f"{left:<{width}}  {sign}  {right}".rstrip() for left, sign, right in rows]
