"""Losses over classes."""

from __future__ import annotations

import numpy as np

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Value, host, tensor


def _labels(labels: Value) -> Tensor:
    index = host(labels)
    if index.dtype.kind not in "iu":
        raise ValueError(f"expected labels as integers, got {index.dtype}")
    return tensor(index.astype(np.int64))


def _settings(node: Node) -> tuple[int, str]:
    reduction = node["reduction"]
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"expected reduction as none, mean or sum, got {reduction!r}")
    return node.get("ignore_index", -100), reduction


@operator("NegativeLogLikelihoodLoss")
def nll_loss(node: Node, x: Value, labels: Value, weight: Value | None = None) -> Tensor:
    """The negative log-probability of the right class."""
    factor = weight if weight is None else tensor(weight)
    ignore, reduction = _settings(node)
    return F.nll_loss(tensor(x), _labels(labels), factor, ignore_index=ignore, reduction=reduction)


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(
    node: Node, x: Value, labels: Value, weight: Value | None = None
) -> tuple[Tensor, Tensor] | Tensor:
    """Cross-entropy of scores and labels; also the log-probabilities."""
    scores, factor = tensor(x), weight if weight is None else tensor(weight)
    ignore, reduction = _settings(node)
    loss = F.cross_entropy(
        scores, _labels(labels), factor, ignore_index=ignore, reduction=reduction
    )
    return (loss, tw.log_softmax(scores, 1)) if node.wants(1) else loss
