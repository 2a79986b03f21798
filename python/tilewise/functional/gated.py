"""Activations with learned or random slopes, of halves or groups of channels; a random choice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_axis, as_bool, as_float, as_int
from tilewise._ops.arithmetic import sub
from tilewise._ops.elementwise import Function
from tilewise._ops.reduction import amax
from tilewise._ops.shape import unflatten
from tilewise._ops.softmax import softmax
from tilewise.autograd import grad_mode, record, wrap
from tilewise.creation import one_hot
from tilewise.random import Generator, as_generator

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

_rrelu_mean = Function("rrelu", "leaky_relu")


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """X where x > 0, else weight · x with a learned weight: K. He et al. (2015).

    Args:
        input: any shape, float32 or float64.
        weight: one element, or one for each channel (dimension 1 of the input).

    Raises:
        TypeError: for arguments of the wrong type or of two types.
        ValueError: for a weight of another size.

    Example:
        >>> F.prelu(tw.tensor([[-1.0, -1.0], [2.0, 2.0]]), tw.tensor([0.5, 0.25]))
        tensor([[-0.5000, -0.2500],
                [ 2.0000,  2.0000]])
    """
    x, w = array_of("prelu", "input", input), array_of("prelu", "weight", weight)
    y = _core.prelu(x, w)
    needs_x, needs_w = input._requires_grad, weight._requires_grad
    if not (grad_mode.enabled and (needs_x or needs_w)):
        return wrap(y)
    return record(
        "prelu",
        y,
        (input, weight),
        lambda dy: _core.prelu_backward(dy, x, w, needs_x, needs_w),
        (x, w),
    )


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """X where x > 0, else a · x, with a drawn for each element: B. Xu et al. (2015).

    Args:
        input: any shape, float32 or float64.
        lower: the smallest slope.
        upper: the largest slope.
        training: draw slopes; without it every slope is the mean of the limits.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for limits in the wrong order.

    Example:
        >>> F.rrelu(tw.tensor([-1.0, 2.0]), 0.25, 0.75)
        tensor([-0.5000,  2.0000])
    """
    low, high = as_float("rrelu", "lower", lower), as_float("rrelu", "upper", upper)
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"rrelu: expected finite lower <= upper, got {low} and {high}")
    if not as_bool("rrelu", "training", training):
        return _rrelu_mean.apply(input, ((low + high) / 2,), inplace)
    x = array_of("rrelu", "input", input)
    slopes = _core.uniform(x.shape, low, high, as_generator("rrelu", generator), x.dtype)
    y = _core.rrelu(x, slopes)
    result = wrap(y)
    if input._requires_grad and grad_mode.enabled:
        kept = x.copy() if inplace else x
        result = record(
            "rrelu", y, (input,), lambda dy: (_core.rrelu_backward(dy, kept, slopes),), (kept,)
        )
    return input.copy_(result) if as_bool("rrelu", "inplace", inplace) else result


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """A · sigmoid(b), a and b the halves of the input along `dim`: Y. N. Dauphin et al. (2017).

    Args:
        input: float32 or float64, of an even size along `dim`.
        dim: the dimension to halve.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a dimension that does not exist or an odd size.

    Example:
        >>> F.glu(tw.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    x = array_of("glu", "input", input)
    axis = as_axis("glu", dim, x.ndim)
    y = _core.glu(x, axis)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record("glu", y, (input,), lambda dy: (_core.glu_backward(dy, x, axis),), (x,))


def maxout(input: Tensor, num_pieces: int, dim: int = 1) -> Tensor:
    """The largest of each `num_pieces` neighbours along `dim`: I. J. Goodfellow et al. (2013).

    A linear layer or a convolution with num_pieces · n outputs becomes a layer of n units, each the
    maximum of num_pieces linear functions. Pieces that are equal share the gradient.

    Args:
        input: of a size along `dim` that num_pieces divides.
        num_pieces: neighbours that form one unit.
        dim: the dimension of the channels.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a dimension that does not exist or a size that cannot be divided.

    Example:
        >>> F.maxout(tw.tensor([[1.0, 5.0, 2.0, 3.0]]), 2)
        tensor([[5., 3.]])
    """
    x = array_of("maxout", "input", input)
    pieces = as_int("maxout", "num_pieces", num_pieces, 1)
    axis = as_axis("maxout", dim, x.ndim)
    if x.ndim == 0 or x.shape[axis] % pieces:
        raise ValueError(
            f"maxout: expected a size along dim {dim} that {pieces} divides, got shape {x.shape}"
        )
    parts = (x.shape[axis] // pieces, pieces)
    if input._requires_grad and grad_mode.enabled:
        return amax(unflatten(input, axis, parts), axis + 1)
    split = x.reshape((*x.shape[:axis], *parts, *x.shape[axis + 1 :]))
    return wrap(_core.max(split, (axis + 1,), False))


def gumbel_softmax(
    logits: Tensor,
    tau: float = 1.0,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """softmax((logits + g) / tau) with Gumbel noise g, a draw of one category that has a gradient.

    E. Jang et al., "Categorical reparameterization with Gumbel-softmax" (2017).

    Args:
        logits: logarithms of weights, float32 or float64.
        tau: the temperature, above 0.
        hard: return the category as a one-hot vector, with the gradient of the soft one.
        eps: not used; PyTorch has it too.
        dim: the dimension of the categories.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a temperature of 0 or below.

    Example:
        >>> F.gumbel_softmax(tw.zeros(2, 3), hard=True).sum(1)
        tensor([1., 1.])
    """
    x = array_of("gumbel_softmax", "logits", logits)
    temperature = as_float("gumbel_softmax", "tau", tau)
    as_float("gumbel_softmax", "eps", eps)
    if not temperature > 0:
        raise ValueError(f"gumbel_softmax: expected tau > 0, got {temperature}")
    axis = as_axis("gumbel_softmax", dim, x.ndim)
    # -log(-log(u)) for u in (0, 1): 1 - u of a draw from [0, 1) is never 0.
    u = _core.uniform(x.shape, 0.0, 1.0, as_generator("gumbel_softmax", generator), x.dtype)
    tiny = 2.0**-100 if x.dtype == _core.DType.float64 else 2.0**-60
    exponential = _core.clamp(_core.neg(_core.log1p(_core.neg(u))), tiny, None)
    noise = wrap(_core.log(exponential))
    soft = softmax(sub(logits, noise) / temperature, axis)
    if not as_bool("gumbel_softmax", "hard", hard):
        return soft
    index = wrap(_core.argmax(soft._array, axis, False))
    chosen = one_hot(index, x.shape[axis]).to(x.dtype).movedim(-1, axis)
    return chosen - soft.detach() + soft
