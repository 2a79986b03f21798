"""Losses of one label among many classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_float, as_int, as_probability, optional_array
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional.losses.common import reduction_of

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def _ignored(op: str, index: Any) -> int:
    return as_int(op, "ignore_index", index, -(2**63), 2**63 - 1)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the log of the softmax at the label, computed in one pass without overflow.

    Args:
        input: logits, (N, C), (N, C, spatial…) or (C,), float32 or float64.
        target: int64 or uint8 labels, (N,), (N, spatial…) or (); or the probability of each class,
            of the input's shape and type.
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        ignore_index: a label that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean" (weighted, over the labels that count; over the rows for probabilities),
            "sum" or "none".
        label_smoothing: how much of each label is spread over all classes, from 0 to 1.

    Returns:
        A scalar, or the labels' shape for "none". A mean over no labels is NaN.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.
        IndexError: for a label outside the classes.

    Example:
        >>> F.cross_entropy(tw.zeros(2, 10), tw.tensor([3, 7]))
        tensor(2.3026)
        >>> F.cross_entropy(tw.zeros(1, 3, 2, 2), tw.ones(1, 2, 2, dtype=tw.int64))
        tensor(1.0986)
    """
    op = "cross_entropy"
    reduction = reduction_of(op, reduction, size_average, reduce)
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    if t.ndim == x.ndim and t.dtype in FLOATING:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    smoothing = label_smoothing
    if smoothing.__class__ is not float or smoothing != 0.0:
        smoothing = as_probability(op, "label_smoothing", smoothing)
    return _label_loss(op, input, target, weight, ignore_index, (smoothing, reduction))


def _labels(op: str, target: Tensor) -> Array:
    """Class indices as the core takes them; bytes, which files of pictures hold, are as good."""
    t = array_of(op, "target", target)
    return t.astype(_core.DType.int64) if t.dtype == _core.DType.uint8 else t


def _label_loss(
    op: str,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    options: tuple[Any, ...],
) -> Tensor:
    x, t = array_of(op, "input", input), _labels(op, target)
    w = None if weight is None else array_of(op, "weight", weight)
    ignored = _ignored(op, ignore_index)
    y, log_sum_exp, total = _core.cross_entropy_forward(x, t, w, ignored, *options)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    kept = (x, log_sum_exp, total, t, w, ignored, *options)
    return _record_label_loss(op, y, input, kept)


def _record_label_loss(op: str, y: Array, input: Tensor, kept: tuple[Any, ...]) -> Tensor:
    """The loss on the tape; `kept` is what the core's backward takes after dy."""
    saved = tuple([array for array in (kept[0], kept[3], kept[4]) if array is not None])
    return record(op, y, (input,), lambda dy: (_core.cross_entropy_backward(dy, *kept),), saved)


def _soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """Cross-entropy with a probability for each class."""
    op = "cross_entropy"
    x, t = array_of(op, "input", input), target._array
    w = optional_array(op, "weight", weight)
    if _ignored(op, ignore_index) >= 0:
        raise ValueError(f"{op}: expected no ignore_index for probabilities, got {ignore_index}")
    options = (w, as_probability(op, "label_smoothing", label_smoothing), reduction)
    y, log_sum_exp, _ = _core.soft_cross_entropy_forward(x, t, *options)
    needs_x, needs_t = input._requires_grad, target._requires_grad
    if not (grad_mode.enabled and (needs_x or needs_t)):
        return wrap(y)

    def backward(dy: Array) -> list[Array | None]:
        return [
            _core.soft_cross_entropy_backward(dy, x, log_sum_exp, of_target, t, *options)
            if needed
            else None
            for of_target, needed in ((False, needs_x), (True, needs_t))
        ]

    return record(op, y, (input, target), backward, (x, t) if w is None else (x, t, w))


def softmax_focal_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    gamma: float = 2.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy in which well classified samples count less (Lin et al. 2017).

    (1 - p)^gamma (-log p) for the softmax p at the label.

    Args:
        input: logits, (N, C), (N, C, spatial…) or (C,), float32 or float64.
        target: int64 labels of shape (N,), (N, spatial…) or ().
        weight: (C,), a factor for each class: the paper's alpha.
        gamma: how much less; 0 gives `cross_entropy`.
        ignore_index: a label that counts for nothing.
        reduction: "mean" (as in `cross_entropy`), "sum" or "none".

    Returns:
        A scalar, or the target's shape for "none".

    Raises:
        TypeError, ValueError, IndexError: as `cross_entropy`; ValueError for a negative gamma.

    Example:
        >>> F.softmax_focal_loss(tw.tensor([[4.0, 0.0], [0.0, 0.0]]), tw.tensor([0, 0]))
        tensor(0.0866)
    """
    op = "softmax_focal_loss"
    options = (0.0, reduction_of(op, reduction), as_float(op, "gamma", gamma, 0.0))
    return _label_loss(op, input, target, weight, ignore_index, options)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the input at the label: the loss for the output of `log_softmax`.

    Args:
        input: log-probabilities, (N, C), (N, C, spatial…) or (C,).
        target: int64 labels; see `cross_entropy`, as the others.
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        ignore_index: a label that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the target's shape for "none".

    Raises:
        TypeError, ValueError, IndexError: as `cross_entropy`.

    Example:
        >>> F.nll_loss(tw.log_softmax(tw.zeros(2, 4), 1), tw.tensor([0, 3]))
        tensor(1.3863)
    """
    op = "nll_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    x, t = array_of(op, "input", input), _labels(op, target)
    w = optional_array(op, "weight", weight)
    arguments = (t, w, _ignored(op, ignore_index), reduction)
    y, total_weight = _core.nll_loss_forward(x, *arguments)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    shape = x.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.nll_loss_backward(dy, shape, total_weight, *arguments),)

    return record(op, y, (input,), backward, (t,) if w is None else (t, w))


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The multi-class hinge, the loss of a linear SVM (Crammer and Singer 2001).

    The sum of max(0, margin - x_y + x_j)^p over the classes j other than the label y, divided by
    the number of classes. p = 2 is the squared hinge.

    Args:
        input: scores (N, C) or (C,), float32 or float64.
        target: int64 labels (N,), or one for (C,).
        p: 1 or 2.
        margin: by how much the label should win.
        weight: (C,), a factor for each label's samples.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean" (over the samples), "sum" or "none".

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or another p.
        IndexError: for a label outside the classes.

    Example:
        >>> F.multi_margin_loss(tw.tensor([[0.1, 0.2, 0.4, 0.8]]), tw.tensor([3]))
        tensor(0.3250)
    """
    op = "multi_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    power = p if p.__class__ is int else as_int(op, "p", p)
    if power not in {1, 2}:
        raise ValueError(f"{op}: expected p as 1 or 2, got {power}")
    w = None if weight is None else array_of(op, "weight", weight)
    gap = margin if margin.__class__ is float else as_float(op, "margin", margin)
    options = (w, gap, power == 2, reduction)
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    labels = (1,) if t.size == 1 and x.ndim < 2 else t.shape
    return _margin_loss(op, input, target, labels, options)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The hinge between the classes that apply to a sample and those that do not.

    The sum of max(0, 1 - x_y + x_j) over the labels y and the classes j that are no labels,
    divided by the number of classes.

    Args:
        input: scores (N, C) or (C,), float32 or float64.
        target: int64 labels of the same shape; those of a sample stand first and end with -1.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean" (over the samples), "sum" or "none".

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.
        IndexError: for a label outside the classes.

    Example:
        >>> x = tw.tensor([[0.1, 0.2, 0.4, 0.8]])
        >>> F.multilabel_margin_loss(x, tw.tensor([[3, 0, -1, 1]]))
        tensor(0.8500)
    """
    op = "multilabel_margin_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    labels = (1, x.size) if x.ndim < 2 and t.shape == x.shape else t.shape
    return _margin_loss(op, input, target, labels, (None, 1.0, False, reduction))


def _margin_loss(
    op: str,
    input: Tensor,
    target: Tensor,
    labels: tuple[int, ...],
    options: tuple[Array | None, float, bool, str],
) -> Tensor:
    """A hinge of the core, whose scores are (N, C): one sample is a batch of one."""
    x, t = input._array, target._array
    if t.shape != labels:
        t = t.reshape(labels)
    single = x.ndim < 2
    if single:
        x = x.reshape((1, x.size))
    multi = op == "multi_margin_loss"
    y = (_core.multi_margin_loss if multi else _core.multilabel_margin_loss)(x, t, *options)
    if single and options[-1] == "none":
        y = y.reshape(())
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return _record_margin_loss(op, y, input, (x, t, *options))


def _record_margin_loss(op: str, y: Array, input: Tensor, kept: tuple[Any, ...]) -> Tensor:
    """The loss on the tape; `kept` is what the core's backward takes after dy."""
    multi = op == "multi_margin_loss"
    gradient = _core.multi_margin_loss_backward if multi else _core.multilabel_margin_loss_backward
    given = input._array.shape
    terms = kept[-1] == "none"

    def backward(dy: Array) -> tuple[Array]:
        dx = gradient(dy.reshape((1,)) if terms and dy.ndim == 0 else dy, *kept)
        return (dx if dx.shape == given else dx.reshape(given),)

    return record(op, y, (input,), backward, kept[:2])
