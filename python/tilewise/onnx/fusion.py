"""Neighbouring nodes that one call computes, with the bits of one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from .module import Node

# Operators that take a ReLU in where they write their output.
_TAKE_RELU = {"Conv", "BatchNormalization"}


def fuse(nodes: Sequence[Node], outputs: Collection[str]) -> list[Node]:
    """The nodes without each ReLU whose input only it reads, and which its producer takes in.

    Args:
        nodes: in order, with their inner graphs.
        outputs: values that the graph gives.
    """
    reads = Counter(name for node in nodes for name in node.inputs)
    reads.update(name for node in nodes for g in node.graphs.values() for name in g.captured)
    reads.update(outputs)
    makers: dict[str, Node] = {}
    kept: list[Node] = []
    for node in nodes:
        plain = not node.row.scoped  # a file may call a function of its own "Relu"
        maker = makers.get(node.inputs[0]) if node.op == "Relu" and plain else None
        if maker is not None and reads[node.inputs[0]] == 1:
            maker.relu = True
            maker.outputs = (node.outputs[0], *maker.outputs[1:])
            continue
        kept.append(node)
        if node.op in _TAKE_RELU and plain and not any(node.outputs[1:]):
            makers[node.outputs[0]] = node
    return kept
