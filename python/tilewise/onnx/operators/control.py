"""Graphs in graphs: branches and loops."""

from __future__ import annotations

import numpy as np

from tilewise.onnx import namespace as tw

from ..module import Frame, Node
from ..registry import operator
from ..values import Value, compute, number


@operator("If", scoped=True)
def if_(node: Node, frame: Frame, condition: Value) -> tuple[Value | None, ...]:
    """What one of two graphs computes."""
    branch = "then_branch" if number("cond", condition) else "else_branch"
    return tuple(node.graphs[branch].run(frame.values, frame.budget))


@operator("Loop", scoped=True)
def loop(
    node: Node, frame: Frame, trips: Value | None = None, condition: Value | None = None,
    *carried: Value,
) -> tuple[Value | None, ...]:  # fmt: skip
    """A graph run again and again on its own results; what else it gives is stacked."""
    body = node.graphs["body"]
    limit = None if trips is None else int(number("M", trips))
    goes_on = True if condition is None else bool(number("cond", condition))
    state: list[Value | None] = list(carried)
    if len(body.inputs) != len(state) + 2 or len(body.outputs) < len(state) + 1:
        raise ValueError(f"expected a body for {len(state)} carried values")
    rows: list[list[Value]] = [[] for _ in body.outputs[1 + len(state) :]]
    count = 0
    while goes_on and (limit is None or count < limit):
        frame.budget.spend()
        given = dict(
            zip(body.inputs, [np.asarray(count), np.asarray(goes_on), *state], strict=True)
        )
        results = body.run({**frame.values, **given}, frame.budget)
        if results[0] is None:
            raise ValueError("expected a condition from the body")
        goes_on = bool(number("cond", results[0]))
        state = results[1 : 1 + len(state)]
        for row, value in zip(rows, results[1 + len(state) :], strict=True):
            if value is None:
                raise ValueError("expected all scan outputs from the body")
            row.append(value)
        count += 1
    if rows and not count:
        raise ValueError("expected at least one pass of a loop with scan outputs")
    stacked = [compute(lambda *v: tw.stack(v), lambda *v: np.stack(v), *row) for row in rows]
    return (*state, *stacked)
