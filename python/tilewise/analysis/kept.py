"""What the tape keeps of each operation, and what its gradient allocates.

One row a kind of node. The rows say what the closures of the functions hold; a test runs the
operations and compares the rows with their tapes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise.analysis.kinds import data, kind_of, setting

if TYPE_CHECKING:
    from tilewise.graph import Node, Value

# What is kept: "x" the first input, "y" the output, "a" all inputs, "o" the inputs whose partner
# has a gradient, "p" the places of maxima (int32 an output), "b" a bit an output, "" nothing.
_ROWS = {
    "x": "conv convtranspose linear batchnorm groupnorm instancenorm layernorm rmsnorm prelu glu "
    "localresponsenorm",
    "y": "softmax logsoftmax softmin",
    "xy": "lppool amax amin logsumexp normalize var std",
    "a": "matmul bmm mm maximum minimum fmax fmin remainder weightnorm",
    "o": "mul",
    "ay": "div pow hypot",
    "p": "maxpool adaptivemaxpool globalmaxpool fractionalmaxpool maxunpool",
    "b": "dropout alphadropout dropblock",
    "": "add sub neg cat stack pad zeropad constantpad reflectionpad replicationpad circularpad "
    "avgpool adaptiveavgpool globalavgpool interpolate mean sum pixelshuffle pixelunshuffle "
    "channelshuffle unfold fold stochasticdepth featurealphadropout contiguous clone roll flip "
    "repeat",
}
KEPT = {kind: what for what, kinds in _ROWS.items() for kind in kinds.split()}
# Functions of one number whose row in the core has another name.
_UNARY = {
    "hardtanh": "hardtanh", "relu6": "hardtanh", "leakyrelu": "leaky_relu", "rrelu": "leaky_relu",
    "selu": "elu", "celu": "elu", "logsigmoid": "log_sigmoid",
}  # fmt: skip

# Results that are views of the first input.
VIEWS = frozenset(
    [
        "identity",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "getitem",
        "chunk",
        "split",
        "tensorsplit",
        "narrow",
        "select",
        "unbind",
        "expand",
        "detach",
        "swapaxes",
        "movedim",
    ]
)
# Gradients that are the one that arrived, or a view of it; the second kind is not dense, so what
# reads it makes a copy.
_PASSED = frozenset(["add", "sub", "identity", "unsqueeze", "squeeze", "contiguous"])
_STRIDED = frozenset(
    [
        "cat",
        "stack",
        "flatten",
        "reshape",
        "unflatten",
        "mean",
        "sum",
        "permute",
        "transpose",
        "expand",
        "repeat",
    ]
)


def reads_of(kind: str) -> str | None:
    """What a function of one number reads for its derivative: a row's letter; None for others."""
    row = _UNARY.get(kind, kind)
    try:
        reads = _core.unary_reads(row)
    except (ValueError, KeyError):
        return None
    return {"input": "x", "output": "y"}.get(reads or "", "")


def kept_letters(kind: str) -> str | None:
    """The row of a kind; None where nothing is known of it."""
    reads = reads_of(kind)
    return KEPT.get(kind) if reads is None else reads


def is_copied(node: Node) -> bool:
    """Whether a change of shape copies: pixels that lie channel by channel are joined otherwise."""
    kind = kind_of(node)
    if kind not in {"flatten", "reshape", "unflatten", "contiguous"}:
        return False
    shape = data(node)[0].shape
    if len(shape) < 3 or shape[1] == 1 or math.prod(shape[2:]) == 1:
        return False
    return node.outputs[0].shape != shape or kind == "contiguous"


def is_view(node: Node) -> bool:
    """Whether a node's results share the memory of its first input."""
    kind = kind_of(node)
    if setting(node, "inplace", False) is True:
        return True
    return kind in VIEWS and not is_copied(node)


def is_passed_on(node: Node) -> tuple[bool, bool]:
    """Whether the gradient that arrives is passed on itself, and whether it is dense then."""
    kind = kind_of(node)
    if kind in _STRIDED and (is_copied(node) or kind not in {"flatten", "reshape", "unflatten"}):
        return True, False
    return kind in _PASSED or kind in {"flatten", "reshape", "unflatten"}, True


def partners(node: Node, value: Value, wanted: set[Value]) -> bool:
    """Whether another operand of a product has a gradient."""
    squared = node.inputs.count(value) > 1 and value in wanted
    return squared or any(other is not value and other in wanted for other in node.inputs)
