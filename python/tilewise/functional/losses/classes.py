"""Losses of one label among many classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_choice, as_float, as_int, optional_array
from tilewise._dtypes import FLOATING, int64
from tilewise._ops.common import unbroadcast
from tilewise._ops.softmax import log_softmax
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")


def _check_classes(op: str, x: Array, t: Array, w: Array | None) -> None:
    """The shapes and types of (N, C, …) with labels (N, …), or of (C,) with a scalar."""
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {x.dtype.name}")
    if t.dtype != int64:
        raise TypeError(f"{op}: expected target of dtype int64, got {t.dtype.name}")
    if x.ndim == 0:
        raise ValueError(f"{op}: expected input of shape (N, C, …) or (C,), got a scalar")
    labels = () if x.ndim == 1 else (x.shape[0], *x.shape[2:])
    if t.shape != labels:
        raise ValueError(
            f"{op}: expected target of shape {labels} for input {x.shape}, got {t.shape}"
        )
    classes = x.shape[min(1, x.ndim - 1)]
    if classes == 0:
        raise ValueError(f"{op}: expected at least one class, got input {x.shape}")
    if w is not None and w.shape != (classes,):
        raise ValueError(f"{op}: expected weight of shape ({classes},), got {w.shape}")
    if w is not None and w.dtype != x.dtype:
        raise TypeError(f"{op}: expected weight of dtype {x.dtype.name}, got {w.dtype.name}")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the log of the softmax at the label, computed in one pass without overflow.

    Args:
        input: logits, (N, C), (N, C, spatial…) or (C,), float32 or float64.
        target: int64 labels of shape (N,), (N, spatial…) or (); or the probability of each class,
            of the input's shape and type.
        weight: (C,), a factor for each class.
        ignore_index: a label that counts for nothing.
        reduction: "mean" (weighted, over the labels that count), "sum" or "none".
        label_smoothing: how much of each label is spread over all classes, from 0 to 1.

    Returns:
        A scalar, or the target's shape for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.
        IndexError: for a label outside the classes.

    Example:
        >>> tw.nn.functional.cross_entropy(tw.zeros(2, 10), tw.tensor([3, 7]))
        tensor(2.3026)
    """
    op = "cross_entropy"
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    w = optional_array(op, "weight", weight)
    as_choice(op, "reduction", reduction, _REDUCTIONS)
    ignored = as_int(op, "ignore_index", ignore_index, -(2**63), 2**63 - 1)
    smoothing = as_float(op, "label_smoothing", label_smoothing)
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"{op}: expected label_smoothing between 0 and 1, got {smoothing}")
    if t.dtype in FLOATING:
        return _soft_cross_entropy(input, target, weight, reduction, smoothing)
    _check_classes(op, x, t, w)
    if x.ndim == 1:
        loss = cross_entropy(
            input.unsqueeze(0), target.unsqueeze(0), weight, ignored, reduction, smoothing
        )
        return loss.squeeze(0) if reduction == "none" else loss
    arguments = (t, w, ignored, smoothing, reduction)
    y, log_sum_exp, total_weight = _core.cross_entropy_forward(x, *arguments)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array | None, None]:
        return _core.cross_entropy_backward(dy, x, log_sum_exp, total_weight, *arguments), None

    return record(op, y, (input, target), backward, (x, t))


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """Cross-entropy with a probability for each class."""
    if input.shape != target.shape or input.ndim == 0:
        raise ValueError(
            f"cross_entropy: expected probabilities of the input's shape {input.shape}, got "
            f"{target.shape}"
        )
    axis = min(1, input.ndim - 1)
    classes = input.shape[axis]
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / classes
    terms = log_softmax(input, axis) * target
    if weight is not None:
        if weight.shape != (classes,):
            raise ValueError(
                f"cross_entropy: expected weight of shape ({classes},), got {weight.shape}"
            )
        terms = terms * weight.reshape((classes,) + (1,) * (input.ndim - 1 - axis))
    loss = -terms.sum(axis)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the input at the label: the loss for the output of `log_softmax`.

    Args:
        input: log-probabilities, (N, C), (N, C, spatial…) or (C,).
        target: int64 labels; see `cross_entropy`, as the others.
        weight: (C,), a factor for each class.
        ignore_index: a label that counts for nothing.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the target's shape for "none".

    Raises:
        TypeError, ValueError: as `cross_entropy`.
    """
    op = "nll_loss"
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    w = optional_array(op, "weight", weight)
    as_choice(op, "reduction", reduction, _REDUCTIONS)
    ignored = as_int(op, "ignore_index", ignore_index, -(2**63), 2**63 - 1)
    _check_classes(op, x, t, w)
    if x.ndim == 1:
        loss = nll_loss(input.unsqueeze(0), target.unsqueeze(0), weight, ignored, reduction)
        return loss.squeeze(0) if reduction == "none" else loss
    arguments = (t, w, ignored, reduction)
    y, total_weight = _core.nll_loss_forward(x, *arguments)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape = x.shape

    def backward(dy: Array) -> tuple[Array | None, None]:
        return _core.nll_loss_backward(dy, shape, total_weight, *arguments), None

    return record(op, y, (input, target), backward, (t,))
