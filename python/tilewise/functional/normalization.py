"""Normalisation by batch, group, instance, layer, root mean square and neighbouring channels.

The core checks the arguments' shapes and types, so that a small call costs little more than the
arithmetic. `functional/similarity.py` has vectors of unit length.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import (
    LARGEST,
    array_of,
    as_bool,
    as_float,
    as_int,
    as_shape,
    optional_array,
)
from tilewise._dtypes import float64
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewise._core import Array
    from tilewise.functional.conv import Statistics
    from tilewise.tensor import Tensor

# The difference between 1 and the next number.
_EPS32, _EPS64 = 2.0**-23, sys.float_info.epsilon


def _wanted(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Whether a gradient will be asked for."""
    return (
        input._requires_grad
        or (weight is not None and weight._requires_grad)
        or (bias is not None and bias._requires_grad)
    ) and grad_mode.enabled


def _present(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]


def _sent(
    dx: Array, dw: Array | None, db: Array | None, weight: Tensor | None, bias: Tensor | None
) -> list[Array | None]:
    """The gradients of those of input, weight and bias that there are."""
    gradients: list[Array | None] = [dx]
    if weight is not None:
        gradients.append(dw)
    if bias is not None:
        gradients.append(db)
    return gradients


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
    """`(x - mean) / √(var + eps) · weight + bias` for each channel (Ioffe and Szegedy 2015).

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
        >>> x = tw.tensor([[1.0, 2.0], [3.0, 6.0]])
        >>> F.batch_norm(x, None, None, training=True, eps=0.0)
        tensor([[-1., -1.],
                [ 1.,  1.]])
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
    w = None if weight is None else array_of(op, "weight", weight)
    b = None if bias is None else array_of(op, "bias", bias)
    mean = None if running[0] is None else array_of(op, "running_mean", running[0])
    var = None if running[1] is None else array_of(op, "running_var", running[1])
    train = training is not False and as_bool(op, "training", training)
    rate, small = rates
    if rate.__class__ is not float or small.__class__ is not float:
        rate, small = as_float(op, "momentum", rate), as_float(op, "eps", small)
    batch = (None, None) if statistics is None else statistics
    y, used_mean, inv_std = _core.batch_norm_forward(
        x, w, b, mean, var, train, rate, small, relu, *batch
    )
    if not _wanted(input, weight, bias):
        return wrap(y)
    kept = (x, w, used_mean, inv_std, train, relu, b if relu else None, input_relu)
    return _record_batch_norm(y, (input, weight, bias), kept)


def _record_batch_norm(
    y: Array, tensors: tuple[Tensor, Tensor | None, Tensor | None], kept: tuple[Any, ...]
) -> Tensor:
    """The result with its gradient; `kept` is what the core's backward takes after dy."""
    _, weight, bias = tensors

    def backward(dy: Array) -> list[Array | None]:
        dx, dw, db = _core.batch_norm_backward(dy, *kept)
        return _sent(dx, dw, db, weight, bias)

    x, w, b = kept[0], kept[1], kept[6]
    return record("batch_norm", y, _present(*tensors), backward, tuple(_present(x, w, b)))


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / √(var + eps) · weight + bias` over groups of channels (Wu and He 2018).

    Mean and variance are those of a sample's pixels and the C / num_groups channels of a group.

    Args:
        input: (N, C) or (N, C, spatial…), float32 or float64.
        num_groups: a divisor of C.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        eps: added to the variance.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a single value in all.

    Example:
        >>> x = tw.tensor([[1.0, 3.0, 5.0, 9.0]])
        >>> F.group_norm(x, 2, eps=0.0)
        tensor([[-1.,  1., -1.,  1.]])
    """
    op = "group_norm"
    x = array_of(op, "input", input)
    w = None if weight is None else array_of(op, "weight", weight)
    b = None if bias is None else array_of(op, "bias", bias)
    groups = as_int(op, "num_groups", num_groups)
    small = eps if eps.__class__ is float else as_float(op, "eps", eps)
    results = _core.group_norm_forward(x, groups, w, b, small)
    if not _wanted(input, weight, bias):
        return wrap(results[0])
    return _grouped(op, (input, weight, bias), (x, w), results)


def _grouped(
    op: str,
    tensors: tuple[Tensor, Tensor | None, Tensor | None],
    kept: tuple[Array, Array | None],
    results: tuple[Array, Array, Array],
) -> Tensor:
    """The result of group or instance norm with its gradient."""
    y, mean, inv_std = results
    _, weight, bias = tensors
    x, w = kept

    def backward(dy: Array) -> list[Array | None]:
        dx, dw, db = _core.group_norm_backward(dy, x, w, mean, inv_std)
        return _sent(dx, dw, db, weight, bias)

    return record(op, y, _present(*tensors), backward, tuple(_present(x, w)))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / √(var + eps) · weight + bias` for each channel of each sample.

    Ulyanov, Vedaldi, Lempitsky: "Instance normalization: the missing ingredient for fast
    stylization" (2016). Running statistics, where given, move towards the mean over the samples.

    Args:
        input: (N, C, spatial…), float32 or float64.
        running_mean: (C,), changed in place; None for no running statistics.
        running_var: (C,), likewise.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        use_input_stats: False to normalise with the running statistics instead.
        momentum: weight of this call in the running statistics.
        eps: added to the variance.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a single pixel.

    Example:
        >>> x = tw.tensor([[[1.0, 3.0], [5.0, 9.0]]])
        >>> F.instance_norm(x, eps=0.0)
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    op = "instance_norm"
    rate = momentum if momentum.__class__ is float else as_float(op, "momentum", momentum)
    small = eps if eps.__class__ is float else as_float(op, "eps", eps)
    if use_input_stats is not True and not as_bool(op, "use_input_stats", use_input_stats):
        affine, running = (weight, bias), (running_mean, running_var)
        return normalise(input, running, affine, False, (rate, small))
    x = array_of(op, "input", input)
    w, b = optional_array(op, "weight", weight), optional_array(op, "bias", bias)
    mean = optional_array(op, "running_mean", running_mean)
    var = optional_array(op, "running_var", running_var)
    results = _core.instance_norm_forward(x, mean, var, w, b, rate, small)
    if not _wanted(input, weight, bias):
        return wrap(results[0])
    return _grouped(op, (input, weight, bias), (x, w), results)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`(x - mean) / √(var + eps) · weight + bias` over the last dimensions.

    Ba, Kiros, Hinton: "Layer normalization" (2016).

    Args:
        input: any shape that ends with `normalized_shape`, float32 or float64.
        normalized_shape: the sizes of the last dimensions, over which to normalise.
        weight: of that shape, or None for ones.
        bias: of that shape, or None for zeros.
        eps: added to the variance.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.

    Example:
        >>> F.layer_norm(tw.tensor([[1.0, 3.0], [5.0, 9.0]]), (2,), eps=0.0)
        tensor([[-1.,  1.],
                [-1.,  1.]])
    """
    op = "layer_norm"
    small = eps if eps.__class__ is float else as_float(op, "eps", eps)
    return _over_last(op, input, normalized_shape, (weight, bias), small)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """`x / √(mean of x² + eps) · weight` over the last dimensions (Zhang and Sennrich 2019).

    Args:
        input: any shape that ends with `normalized_shape`, float32 or float64.
        normalized_shape: the sizes of the last dimensions, over which to normalise.
        weight: of that shape, or None for ones.
        eps: added to the mean square; None for the distance from 1 to the next number of the dtype.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.

    Example:
        >>> F.rms_norm(tw.tensor([[2.0, -2.0], [3.0, 3.0]]), (2,))
        tensor([[ 1., -1.],
                [ 1.,  1.]])
    """
    op = "rms_norm"
    if eps is None:
        small = _EPS64 if array_of(op, "input", input).dtype == float64 else _EPS32
    else:
        small = as_float(op, "eps", eps)
    return _over_last(op, input, normalized_shape, (weight, None), small)


def _over_last(
    op: str,
    input: Tensor,
    normalized_shape: Sequence[int],
    affine: tuple[Tensor | None, Tensor | None],
    eps: float,
) -> Tensor:
    weight, bias = affine
    x = array_of(op, "input", input)
    w = None if weight is None else array_of(op, "weight", weight)
    b = None if bias is None else array_of(op, "bias", bias)
    shape = normalized_shape
    if shape.__class__ is not tuple or not all(
        n.__class__ is int and 0 <= n < LARGEST for n in shape
    ):
        shape = as_shape(op, shape)
    centred = op == "layer_norm"
    y, statistics = _core.layer_norm_forward(x, shape, w, b, eps, centred)
    if not _wanted(input, weight, bias):
        return wrap(y)
    parameters = w is not None or b is not None
    kept = (x, shape, w, statistics, eps, centred, parameters)
    return _record_layer_norm(op, y, (input, weight, bias), kept)


def _record_layer_norm(
    op: str, y: Array, tensors: tuple[Tensor, Tensor | None, Tensor | None], kept: tuple[Any, ...]
) -> Tensor:
    """The result with its gradient; `kept` is what the core's backward takes after dy."""
    _, weight, bias = tensors

    def backward(dy: Array) -> list[Array | None]:
        dx, dw, db = _core.layer_norm_backward(dy, *kept)
        return _sent(dx, dw, db, weight, bias)

    return record(op, y, _present(*tensors), backward, tuple(_present(kept[0], kept[2])))


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """`x / (k + alpha / size · Σ x²)^beta` with the sum over `size` neighbouring channels.

    Krizhevsky, Sutskever, Hinton (2012); as in PyTorch, alpha is divided by the window's size, and
    channels beyond the ends count as zeros.

    Args:
        input: (N, C, spatial…), float32 or float64.
        size: of the window of channels, `size // 2` of them before the channel itself.
        alpha: of the sum of squares.
        beta: the exponent.
        k: what is added.

    Returns:
        The shape of the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a size below 1 or an input of fewer than three dimensions.

    Example:
        >>> F.local_response_norm(tw.tensor([[[3.0], [1.0]]]), 1, alpha=1.0, beta=0.5, k=0.0)
        tensor([[[1.],
                 [1.]]])
    """
    op = "local_response_norm"
    x = array_of(op, "input", input)
    options = (
        as_int(op, "size", size, 1),
        as_float(op, "alpha", alpha),
        as_float(op, "beta", beta),
        as_float(op, "k", k),
    )
    y = _core.local_response_norm(x, *options)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(
        op, y, (input,), lambda dy: (_core.local_response_norm_backward(dy, x, *options),), (x,)
    )
