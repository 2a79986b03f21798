"""The table of operators: which function computes an ONNX operator, from which opset on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

TRAINING = "ai.onnx.preview.training"


@dataclass(frozen=True)
class Operator:
    """A row of the table.

    Attributes:
        handler: `handler(node, *inputs)` gives the output, or a tuple of outputs. An input that
            is left out is None.
        weights: inputs that are trained, and what they are called; initialisers that stand there
            become parameters.
        statistics: inputs that training updates without gradients; they become buffers.
        large: whether `weights` excludes single numbers.
        scoped: whether the handler takes the names of the graph around it, after the node.
    """

    handler: Handler
    weights: Mapping[int, str] = field(default_factory=dict)
    statistics: Mapping[int, str] = field(default_factory=dict)
    large: bool = False
    scoped: bool = False


_TABLE: dict[tuple[str, str], dict[int, Operator]] = {}


def register(name: str, row: Operator, since: int = 1, domain: str = "") -> None:
    """Add a row: `name` is computed so from opset `since` on."""
    versions = _TABLE.setdefault((domain, name), {})
    if since in versions:
        raise ValueError(f"register: {name} since {since} is in the table already")
    versions[since] = row


def operator(
    *names: str,
    since: int = 1,
    domain: str = "",
    weights: Mapping[int, str] | None = None,
    statistics: Mapping[int, str] | None = None,
    scoped: bool = False,
) -> Callable[[H], H]:
    """Register the decorated function; the arguments are those of `Operator`."""

    def enter(handler: H) -> H:
        row = Operator(handler, weights or {}, statistics or {}, scoped=scoped)
        for name in names:
            register(name, row, since, domain)
        return handler

    return enter


def find(domain: str, name: str, version: int) -> Operator | None:
    """The row for an operator in an opset, or None."""
    versions = _TABLE.get((domain, name), {})
    fitting = [since for since in versions if since <= version]
    return versions[max(fitting)] if fitting else None


def names(domain: str = "") -> list[str]:
    """The operators of a domain that the table has."""
    return sorted(name for home, name in _TABLE if home == domain)
