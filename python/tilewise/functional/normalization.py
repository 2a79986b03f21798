"""Batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_float, optional_array
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.functional.conv import Statistics
    from tilewise.tensor import Tensor


def _check(x: Array, training: bool, vectors: dict[str, Array | None]) -> None:
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected input of shape (N, C, …), got {x.shape}")
    if x.dtype not in FLOATING:
        raise TypeError(
            f"batch_norm: expected input of dtype float32 or float64, got {x.dtype.name}"
        )
    channels = x.shape[1]
    for name, array in vectors.items():
        if array is None:
            continue
        if array.shape != (channels,):
            raise ValueError(
                f"batch_norm: expected {name} of shape ({channels},) for input {x.shape}, got "
                f"{array.shape}"
            )
        if array.dtype != x.dtype:
            raise TypeError(
                f"batch_norm: expected {name} of the input's dtype {x.dtype.name}, got "
                f"{array.dtype.name}"
            )
    mean, var = vectors["running_mean"], vectors["running_var"]
    if (mean is None) != (var is None) or (mean is None and not training):
        raise ValueError(
            "batch_norm: expected running_mean and running_var, both of them and always in "
            "evaluation, got None"
        )
    if training and x.size and x.size == channels:
        raise ValueError(
            f"batch_norm: expected more than 1 value per channel in training, got input {x.shape}"
        )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / √(var + eps) · weight + bias` for each channel.

    In training the mean and the variance are the batch's, and the running ones move towards them
    by `momentum` (the variance's unbiased form); in evaluation the running ones are used.

    Args:
        input: (N, C) or (N, C, spatial…), float32 or float64.
        running_mean: (C,), changed in place in training; None for no running statistics.
        running_var: (C,), likewise.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        training: whether to use the batch's statistics.
        momentum: weight of the batch in the running statistics.
        eps: added to the variance.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a single value per channel in training.

    Example:
        >>> x = tw.randn(8, 4, 7, 7)
        >>> y = tw.nn.functional.batch_norm(x, tw.zeros(4), tw.ones(4), training=True)
    """
    rates = (momentum, eps)
    return normalise(input, (running_mean, running_var), (weight, bias), training, rates)


def normalise(
    input: Tensor,
    running: tuple[Tensor | None, Tensor | None],
    affine: tuple[Tensor | None, Tensor | None],
    training: bool,
    rates: tuple[float, float],
    *,
    relu: bool = False,
    input_relu: bool = False,
    statistics: Statistics | None = None,
) -> Tensor:
    """`batch_norm` and what can be done in its passes over memory.

    Args:
        input: see `batch_norm`, as the others.
        running: mean and variance.
        affine: weight and bias.
        training: whether to use the batch's statistics.
        rates: momentum and eps.
        relu: apply a ReLU to the result.
        input_relu: the input is the result of a ReLU: the gradient for it is made that of the
            ReLU's input.
        statistics: of the input, where whatever made it has collected them; used in training.
    """
    op = "batch_norm"
    weight, bias = affine
    x = array_of(op, "input", input)
    w, b = optional_array(op, "weight", weight), optional_array(op, "bias", bias)
    mean = optional_array(op, "running_mean", running[0])
    var = optional_array(op, "running_var", running[1])
    train = as_bool(op, "training", training)
    rate, small = as_float(op, "momentum", rates[0]), as_float(op, "eps", rates[1], 0.0)
    _check(x, train, {"running_mean": mean, "running_var": var, "weight": w, "bias": b})
    batch = (None, None) if statistics is None else statistics
    y, used_mean, inv_std = _core.batch_norm_forward(
        x, w, b, mean, var, train, rate, small, relu, *batch
    )
    inputs = [t for t in (input, weight, bias) if t is not None]
    if not (grad_mode.enabled and any(t._requires_grad for t in inputs)):
        return wrap(y)

    def backward(dy: Array) -> list[Array | None]:
        dx, dw, db = _core.batch_norm_backward(
            dy, x, w, used_mean, inv_std, train, relu, b, input_relu
        )
        gradients: list[Array | None] = [dx]
        if w is not None:
            gradients.append(dw)
        if b is not None:
            gradients.append(db)
        return gradients

    saved = [array for array in (x, w, b if relu else None) if array is not None]
    return record(op, y, inputs, backward, tuple(saved))
