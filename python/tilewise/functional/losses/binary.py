"""Losses of two classes, or of many labels that each apply or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise._arguments import array_of, as_float
from tilewise.functional.losses.common import (
    as_labels,
    pointwise,
    reduction_of,
)

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-t log x - (1 - t) log(1 - x), the logarithms not below -100.

    From logits, `binary_cross_entropy_with_logits` is faster and more precise.

    Args:
        input: probabilities of any shape, float32 or float64.
        target: the same shape, in [0, 1].
        weight: a factor for each element; broadcasts.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that differ, or an input outside [0, 1].

    Example:
        >>> F.binary_cross_entropy(tw.tensor([0.5, 0.9]), tw.tensor([0.0, 1.0]), reduction="none")
        tensor([0.6931, 0.1054])
    """
    op = "binary_cross_entropy"
    reduction = reduction_of(op, reduction, size_average, reduce)
    return pointwise(op, input, target, reduction, None, weight)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(x), computed without overflow.

    Args:
        input: logits of any shape, float32 or float64.
        target: the same shape, in [0, 1].
        weight: a factor for each element; broadcasts.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for the part of the positives; broadcasts, often (C,).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that differ.

    Example:
        >>> F.binary_cross_entropy_with_logits(tw.zeros(3), tw.ones(3))
        tensor(0.6931)
    """
    op = "binary_cross_entropy_with_logits"
    reduction = reduction_of(op, reduction, size_average, reduce)
    return pointwise(op, input, target, reduction, pos_weight, weight)


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> Tensor:
    """Cross-entropy in which well classified elements count less (Lin et al. 2017).

    alpha_t (1 - p_t)^gamma (-log p_t), where p_t is sigmoid(x) for t = 1 and 1 - sigmoid(x) for
    t = 0, and alpha_t is alpha and 1 - alpha. As torchvision.ops.sigmoid_focal_loss.

    Args:
        inputs: logits of any shape, float32 or float64.
        targets: 0 or 1, of the same shape.
        alpha: the weight of the positives in [0, 1]; -1 for no weights.
        gamma: how much less; 0 gives weighted cross-entropy.
        reduction: "none", "mean" or "sum".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that differ, or alpha or gamma out of range.

    Example:
        >>> F.sigmoid_focal_loss(tw.tensor([4.0, -4.0]), tw.tensor([1.0, 1.0]))
        tensor([1.4679e-06, 9.6873e-01])
    """
    op = "sigmoid_focal_loss"
    reduction = reduction_of(op, reduction)
    positives = as_float(op, "alpha", alpha)
    if not (0.0 <= positives <= 1.0 or positives == -1.0):
        raise ValueError(f"{op}: expected alpha between 0 and 1, or -1, got {positives}")
    constants = (positives, as_float(op, "gamma", gamma, 0.0), 0.0)
    return pointwise(op, inputs, as_labels(op, inputs, targets), reduction, constants=constants)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + e⁻ᵗˣ), computed without overflow.

    Args:
        input: scores of any shape, float32 or float64.
        target: 1 or -1, of a shape that broadcasts with the input's, of any type.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast.

    Example:
        >>> F.soft_margin_loss(tw.tensor([2.0, 2.0]), tw.tensor([1, -1]), reduction="none")
        tensor([0.1269, 2.1269])
    """
    op = "soft_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    return pointwise(op, input, as_labels(op, input, target), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy with logits, averaged over the classes of a sample.

    Args:
        input: logits (N, C) or (C,), float32 or float64.
        target: 0 or 1, of a shape that broadcasts with the input's.
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none", over the samples.

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a scalar input or shapes that do not broadcast.

    Example:
        >>> F.multilabel_soft_margin_loss(tw.zeros(2, 3), tw.ones(2, 3))
        tensor(0.6931)
    """
    op = "multilabel_soft_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    shape = array_of(op, "input", input).shape
    if not shape:
        raise ValueError(f"{op}: expected input of shape (N, C) or (C,), got a scalar")
    labels = as_labels(op, input, target)
    loss = pointwise(op, input, labels, reduction, None, weight)
    if reduction == "none":
        return loss.mean(-1)
    return loss / shape[-1] if reduction == "sum" else loss
