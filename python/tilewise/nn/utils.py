"""Helpers for training: limits of gradients, parameters as one vector, frozen parts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_float, as_optional_bool
from tilewise._ops.joining import cat
from tilewise.autograd import no_grad
from tilewise.creation import tensor
from tilewise.nn.transfer import freeze, freeze_batch_norm, unfreeze  # noqa: F401 - public here
from tilewise.nn.weight_norm import remove_weight_norm, weight_norm  # noqa: F401 - public here
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import Array


def _gradients(op: str, parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    """The arrays of the gradients that there are."""
    many = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for parameter in many:
        array_of(op, "parameters", parameter)
    return [p._grad._array for p in many if p._grad is not None]


def _norm(op: str, arrays: list[Array], norm_type: float, error_if_nonfinite: bool) -> float:
    norm = _core.total_norm(arrays, as_float(op, "norm_type", norm_type)) if arrays else 0.0
    if as_bool(op, "error_if_nonfinite", error_if_nonfinite) and not math.isfinite(norm):
        raise RuntimeError(f"{op}: expected a finite norm of order {norm_type}, got {norm}")
    return norm


def _as_scalar(norm: float, arrays: list[Array]) -> Tensor:
    """A norm in the type of what it is of."""
    return tensor(norm, dtype=arrays[0].dtype if arrays else None)


def _limit(gradients: list[Array], max_norm: float, norm: float) -> None:
    """Scale gradients of a norm down to a limit; a norm of NaN makes them NaN."""
    scale = max_norm / (norm + 1e-6)
    if gradients and not scale >= 1.0:
        _core.scale_(gradients, scale)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of several tensors, in one call.

    Args:
        tensors: of floating point.
        norm_type: the order of the norm; infinity for the largest element.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: for PyTorch's sake; there is one form.

    Returns:
        A scalar.

    Raises:
        RuntimeError: for a norm that is not finite, if asked.
        TypeError: for what is no tensor of floating point.

    Example:
        >>> nn.utils.get_total_norm([tw.tensor([3.0]), tw.tensor([0.0, 4.0])]).item()
        5.0
    """
    op = "get_total_norm"
    as_optional_bool(op, "foreach", foreach)
    many = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    arrays = [array_of(op, "tensors", t) for t in many]
    return _as_scalar(_norm(op, arrays, norm_type, error_if_nonfinite), arrays)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor | float,
    foreach: bool | None = None,
) -> None:
    """Scale the gradients in place by `max_norm / total_norm`, where that is below 1.

    Args:
        parameters: the tensors whose gradients to limit.
        max_norm: the limit.
        total_norm: the norm that they have, from `get_total_norm` for example.
        foreach: for PyTorch's sake; there is one form.

    Example:
        >>> weight = nn.Parameter(tw.tensor([3.0, 4.0]))
        >>> (weight**2).sum().backward()
        >>> nn.utils.clip_grads_with_norm_([weight], 5.0, total_norm=10.0)
        >>> [round(value, 4) for value in weight.grad.tolist()]
        [3.0, 4.0]
    """
    op = "clip_grads_with_norm_"
    as_optional_bool(op, "foreach", foreach)
    limit = as_float(op, "max_norm", max_norm, 0.0)
    _limit(_gradients(op, parameters), limit, as_float(op, "total_norm", total_norm))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients in place so that their joint norm is at most `max_norm`.

    Args:
        parameters: the tensors whose gradients to limit.
        max_norm: the limit.
        norm_type: the order of the norm; infinity for the largest element.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: for PyTorch's sake; there is one form.

    Returns:
        The norm before, a scalar.

    Raises:
        RuntimeError: for a norm that is not finite, if asked.

    Example:
        >>> weight = nn.Parameter(tw.tensor([3.0, 4.0]))
        >>> (weight**2).sum().backward()
        >>> nn.utils.clip_grad_norm_([weight], 5.0).item()
        10.0
        >>> [round(value, 4) for value in weight.grad.tolist()]
        [3.0, 4.0]
    """
    op = "clip_grad_norm_"
    as_optional_bool(op, "foreach", foreach)
    gradients = _gradients(op, parameters)
    limit = as_float(op, "max_norm", max_norm, 0.0)
    norm = _norm(op, gradients, norm_type, error_if_nonfinite)
    _limit(gradients, limit, norm)
    return _as_scalar(norm, gradients)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value], in place.

    Args:
        parameters: the tensors whose gradients to limit.
        clip_value: the limit.
        foreach: for PyTorch's sake; there is one form.

    Example:
        >>> weight = nn.Parameter(tw.tensor([0.25, -4.0]))
        >>> (weight**2).sum().backward()
        >>> nn.utils.clip_grad_value_([weight], 1.0)
        >>> weight.grad.tolist()
        [0.5, -1.0]
    """
    as_optional_bool("clip_grad_value_", "foreach", foreach)
    bound = as_float("clip_grad_value_", "clip_value", clip_value, 0.0)
    gradients = _gradients("clip_grad_value_", parameters)
    if gradients:
        _core.clamp_(gradients, bound)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector.

    Example:
        >>> net = nn.Linear(3, 2)
        >>> nn.utils.parameters_to_vector(net.parameters()).shape
        (8,)
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of a vector into the parameters.

    Raises:
        ValueError: where it has another number of elements.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> nn.utils.vector_to_parameters(tw.tensor([1.0, 2.0, 3.0]), net.parameters())
        >>> net.weight.tolist(), net.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    tensors = list(parameters)
    total = sum(p.numel() for p in tensors)
    if array_of("vector_to_parameters", "vec", vec).shape != (total,):
        raise ValueError(
            f"vector_to_parameters: expected a vector of {total} elements, got {vec.shape}"
        )
    start = 0
    with no_grad():
        for parameter in tensors:
            parameter.copy_(vec[start : start + parameter.numel()].reshape(parameter.shape))
            start += parameter.numel()
