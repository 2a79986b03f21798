"""Multiply-adds, and what computes each convolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tilewise.analysis.kinds import data, kind_of, setting, weight_shape
from tilewise.functional.explain import explain_conv

if TYPE_CHECKING:
    from tilewise.analysis.traced import Traced
    from tilewise.functional.explain import ConvExplanation
    from tilewise.graph import Node

CONVOLUTIONS = ("conv", "convtranspose")


def multiply_adds(traced: Traced, node: Node) -> int:
    """Products that are summed: those of convolutions, linear layers and matrix products.

    Padding counts as if it were pixels, as is usual. What additions, activations, normalisation
    and pooling do is not counted.
    """
    kind = kind_of(node)
    if kind == "conv":
        return traced.size(node.outputs[0]) * math.prod(weight_shape(node)[1:])
    if kind == "convtranspose":
        return traced.size(data(node)[0]) * math.prod(weight_shape(node)[1:])
    if kind == "linear":
        return traced.size(node.outputs[0]) * weight_shape(node)[1]
    if kind in {"matmul", "bmm", "mm", "mv"}:
        return traced.size(node.outputs[0]) * node.inputs[0].shape[-1]
    if kind in {"addmm", "baddbmm"}:
        return traced.size(node.outputs[0]) * node.inputs[1].shape[-1]
    return 0


def explained(traced: Traced, node: Node, direction: str | None = None) -> ConvExplanation | None:
    """`explain_conv` of a node for the whole batch; None for what is no convolution of a batch."""
    kind = kind_of(node)
    if kind not in CONVOLUTIONS:
        return None
    shape = traced.shape(data(node)[0] if data(node) else node.inputs[0])
    weight = weight_shape(node)
    if len(shape) == len(weight) - 1:  # an image without a batch
        shape = (1, *shape)
    options: dict[str, Any] = {
        name: setting(node, name, default)
        for name, default in (("stride", 1), ("dilation", 1), ("groups", 1))
    }
    padding = setting(node, "padding", 0)
    if kind == "convtranspose":
        options.update(transposed=True, output_padding=setting(node, "output_padding", 0))
    else:
        options["padding_mode"] = setting(node, "padding_mode", "zeros")
    algorithm = node.arguments.get("algorithm", "auto")
    return explain_conv(
        shape, weight, padding=padding, dtype=node.outputs[0].dtype, direction=direction,
        algorithm=algorithm, **options,
    )  # fmt: skip


def parameters_of(node: Node) -> list[tuple[str, Any]]:
    """The parameters and buffers that a node reads, with an identity of each."""
    if node.module is not None:
        return [*node.module.named_parameters(), *node.module.named_buffers()]
    return [
        (value.name, value.tensor)
        for value in node.inputs
        if value.kind in {"parameter", "buffer"} and value.tensor is not None
    ]
