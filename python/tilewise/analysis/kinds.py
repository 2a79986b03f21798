"""What a node of a graph is, whether it stands for a layer or for a function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilewise.graph import Node, Value

_DIMENSIONS = re.compile(r"(?<=.)[123]d$")

# Names that say the same.
_SAME = {
    "causalconv": "conv",
    "upsample": "interpolate",
    "upsamplingnearest": "interpolate",
    "upsamplingbilinear": "interpolate",
    "upsamplenearest": "interpolate",
    "upsamplebilinear": "interpolate",
    "view": "reshape",
    "viewas": "reshape",
    "reshapeas": "reshape",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "t": "transpose",
    "concat": "cat",
    "concatenate": "cat",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "truedivide": "div",
    "subtraction": "sub",
    "clip": "clamp",
    "absolute": "abs",
    "negative": "neg",
}


def kind_of(node: Node) -> str:
    """One name for a layer and the function that it calls: "conv", "maxpool", "relu", ….

    Example:
        >>> graph = tw.graph.trace(nn.Conv2d(1, 4, 3), tw.zeros(1, 1, 8, 8))
        >>> kind_of(graph.nodes[0])
        'conv'
    """
    name = _DIMENSIONS.sub("", node.op.replace("_", "").lower())
    return _SAME.get(name, name)


def setting(node: Node, name: str, default: Any = None) -> Any:
    """An option of a layer, or the argument of the same name of a function."""
    if node.module is not None and hasattr(node.module, name):
        return getattr(node.module, name)
    return node.arguments.get(name, default)


def data(node: Node) -> tuple[Value, ...]:
    """The inputs that are no parameters, buffers or constants of the model."""
    return tuple([value for value in node.inputs if value.kind in {"input", "node"}])


def operand(node: Node, name: str) -> Value | None:
    """A tensor argument of a function, or the parameter of a layer, as a Value where there is one.

    Layers have their parameters as attributes: those give None.
    """
    value = node.arguments.get(name)
    return value if hasattr(value, "producer") else None


def weight_shape(node: Node) -> tuple[int, ...]:
    """The shape of the weight of a layer or of a function."""
    if node.module is not None:
        return tuple(node.module.weight.shape)
    return tuple(node.arguments["weight"].shape)


def spatial(node: Node) -> int:
    """How many spatial dimensions a convolution or a pooling has."""
    return len(node.outputs[0].shape) - 2
