"""Losses that compare two tensors element by element."""

from __future__ import annotations

import math

from tilewise import creation
from tilewise._arguments import array_of, as_bool, as_float, wrong_type
from tilewise.functional.losses.common import (
    as_labels,
    check_same_shape,
    pointwise,
    reduction_of,
    same_rank,
)
from tilewise.tensor import Tensor


def _weighted_mean(
    loss: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    weight: Tensor | None,
    constants: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Tensor:
    """A loss whose mean divides by the sum of its weights; whole targets count as floats."""
    target = as_labels(loss, input, target)
    if weight is None:
        return pointwise(loss, input, target, reduction, None, None, constants)
    check_same_shape(loss, "weight", weight, input)
    if reduction != "mean":
        return pointwise(loss, input, target, reduction, None, weight, constants)
    return pointwise(loss, input, target, "sum", None, weight, constants) / weight.sum()


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference.

    Args:
        input: any shape, float32 or float64.
        target: a shape that broadcasts with the input's.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        weight: of the input's shape: a factor for each element; the mean divides by their sum.

    Returns:
        A scalar, or the common shape for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast, or another reduction.

    Example:
        >>> F.mse_loss(tw.zeros(4), tw.ones(4))
        tensor(1.)
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    return _weighted_mean("mse_loss", input, target, reduction, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute difference, with a gradient of 0 at 0; arguments as `mse_loss`.

    Example:
        >>> F.l1_loss(tw.tensor([1.0, -3.0]), tw.zeros(2), reduction="none")
        tensor([1., 3.])
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    return _weighted_mean("l1_loss", input, target, reduction, weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / (2 beta) where |d| < beta, else |d| - beta/2, d the difference (Girshick 2015).

    Args:
        input: any shape, float32 or float64.
        target: a shape that broadcasts with the input's.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        beta: where the parabola ends; 0 gives `l1_loss`.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a negative beta, or shapes that do not broadcast.

    Example:
        >>> F.smooth_l1_loss(tw.tensor([0.5, 3.0]), tw.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    op = "smooth_l1_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    width = as_float(op, "beta", beta, 0.0)
    target = as_labels(op, input, target)
    if width == 0.0:
        return pointwise("l1_loss", input, target, reduction)
    return pointwise(op, input, target, reduction, constants=(width, 1.0 / width, 1.0))


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d² / 2 where |d| <= delta, else delta (|d| - delta/2), d the difference (Huber 1964).

    Args:
        input: any shape, float32 or float64.
        target: a shape that broadcasts with the input's.
        reduction: "mean" (over the elements, weighted or not), "sum" or "none".
        delta: where the parabola ends, above 0.
        weight: of the input's shape: a factor for each element.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a delta that is not positive, or shapes that do not broadcast.

    Example:
        >>> F.huber_loss(tw.tensor([0.5, 3.0]), tw.zeros(2), reduction="none", delta=2.0)
        tensor([0.1250, 4.0000])
    """
    op = "huber_loss"
    reduction = reduction_of(op, reduction)
    bound = as_float(op, "delta", delta)
    if not bound > 0.0:
        raise ValueError(f"{op}: expected delta > 0, got {bound}")
    if weight is not None:
        check_same_shape(op, "weight", weight, input)
    labels = as_labels(op, input, target)
    return pointwise(op, input, labels, reduction, None, weight, (bound, 1.0, bound))


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence t (log t - x) of log-probabilities x from probabilities t.

    Args:
        input: log-probabilities of any shape, float32 or float64.
        target: probabilities, of a shape that broadcasts with the input's.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "batchmean" (the sum by the batch size: the divergence as it is defined), "mean"
            (over all elements), "sum" or "none".
        log_target: the target holds logarithms too.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast, or another reduction.

    Example:
        >>> p = tw.tensor([[0.5, 0.5]])
        >>> F.kl_div(tw.tensor([[0.9, 0.1]]).log(), p, reduction="batchmean")
        tensor(0.5108)
    """
    op = "kl_div"
    choices = ("none", "mean", "sum", "batchmean")
    reduction = reduction_of(op, reduction, size_average, reduce, choices)
    row = "kl_div_log" if as_bool(op, "log_target", log_target) else op
    if reduction != "batchmean":
        return pointwise(row, input, target, reduction)
    total = pointwise(row, input, target, "sum")
    return total / input.shape[0] if input.ndim else total


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """X where the target is 1, max(0, margin - x) where it is -1: x is a distance.

    Args:
        input: distances of any shape, float32 or float64.
        target: 1 or -1, of a shape that broadcasts with the input's, of any type.
        margin: how far apart unlike pairs should be.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast.

    Example:
        >>> F.hinge_embedding_loss(tw.tensor([0.3, 0.3]), tw.tensor([1, -1]), reduction="none")
        tensor([0.3000, 0.7000])
    """
    op = "hinge_embedding_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    gap = as_float(op, "margin", margin)
    return pointwise(op, input, as_labels(op, input, target), reduction, constants=(gap, 0.0, 0.0))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - t (x₁ - x₂)): t = 1 where the first should rank higher, else -1.

    Args:
        input1: scores, float32 or float64.
        input2: scores of as many dimensions.
        target: 1 or -1, of as many dimensions; the three broadcast.
        margin: by how much.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast or differ in their number of dimensions.

    Example:
        >>> F.margin_ranking_loss(tw.tensor([1.0]), tw.tensor([3.0]), tw.tensor([1.0]))
        tensor(2.)
    """
    op = "margin_ranking_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    same_rank(op, input1=input1, input2=input2, target=target)
    gap = as_float(op, "margin", margin)
    labels = as_labels(op, input1, target)
    return pointwise(op, input1, labels, reduction, input2, constants=(gap, 0.0, 0.0))


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of counts under a Poisson distribution.

    Args:
        input: the logarithm of the rate, or the rate; float32 or float64.
        target: counts, of a shape that broadcasts with the input's.
        log_input: whether `input` is the logarithm: eˣ - t x, else x - t log(x + eps).
        full: add Stirling's approximation of log t! where t > 1.
        size_average: deprecated, see `reduction`.
        eps: keeps the logarithm finite.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that do not broadcast.

    Example:
        >>> F.poisson_nll_loss(tw.zeros(2), tw.tensor([0.0, 3.0]))
        tensor(1.)
    """
    op = "poisson_nll_loss"
    reduction = reduction_of(op, reduction, size_average, reduce)
    constants = (as_float(op, "eps", eps), float(as_bool(op, "full", full)), 0.0)
    row = "poisson_nll_loss_log" if as_bool(op, "log_input", log_input) else op
    return pointwise(row, input, as_labels(op, input, target), reduction, constants=constants)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of the target under a Gaussian (Nix and Weigend 1994).

    Args:
        input: means, float32 or float64.
        target: a shape that broadcasts with the input's.
        var: variances, not negative: of the input's shape, of that shape with one size 1, without
            its last dimension, or a number.
        full: add log(2π) / 2.
        eps: the least variance; the gradient passes as if it were not there.
        reduction: "mean", "sum" or "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a negative variance or shapes that do not fit.

    Example:
        >>> F.gaussian_nll_loss(tw.zeros(2), tw.ones(2), tw.ones(2))
        tensor(0.5000)
    """
    op = "gaussian_nll_loss"
    reduction = reduction_of(op, reduction)
    constant = 0.5 * math.log(2 * math.pi) if as_bool(op, "full", full) else 0.0
    constants = (as_float(op, "eps", eps), constant, 0.0)
    x = array_of(op, "input", input)
    if isinstance(var, int | float) and not isinstance(var, bool):
        variance = creation.full((), float(var), dtype=x.dtype)
    elif isinstance(var, Tensor):
        variance = _fitted_variance(op, x.shape, var)
    else:
        raise wrong_type(op, "var", "a Tensor or a number", var)
    return pointwise(op, input, target, reduction, variance, constants=constants)


def _fitted_variance(op: str, shape: tuple[int, ...], var: Tensor) -> Tensor:
    given = var.shape
    if given == shape:
        return var
    if given == shape[:-1]:
        return var.unsqueeze(-1)
    different = [v for x, v in zip(shape, given, strict=False) if x != v]
    if len(given) == len(shape) and sum(different) == 1:
        return var
    raise ValueError(f"{op}: expected var of a shape that fits the input's {shape}, got {given}")
