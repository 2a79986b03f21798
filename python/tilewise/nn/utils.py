"""Helpers for training: limits of gradients, parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_float
from tilewise._ops.joining import cat
from tilewise.autograd import no_grad
from tilewise.creation import tensor
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import Array


def _gradients(op: str, parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    """The arrays of the gradients that there are."""
    many = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for parameter in many:
        array_of(op, "parameters", parameter)
    return [p._grad._array for p in many if p._grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients in place so that their joint norm is at most `max_norm`.

    Args:
        parameters: the tensors whose gradients to limit.
        max_norm: the limit.
        norm_type: 2 or infinity.
        error_if_nonfinite: raise where the norm is NaN or infinite.

    Returns:
        The norm before, a scalar.

    Raises:
        RuntimeError: for a norm that is not finite, if asked.
        ValueError: for another norm.

    Example:
        >>> norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    """
    op = "clip_grad_norm_"
    gradients = _gradients(op, parameters)
    limit, order = as_float(op, "max_norm", max_norm, 0.0), as_float(op, "norm_type", norm_type)
    if order not in {2.0, math.inf}:
        raise ValueError(f"{op}: expected norm_type 2 or infinity, got {norm_type}")
    if order == 2.0:
        norm = math.sqrt(_core.norm_squared(gradients)) if gradients else 0.0
    else:
        sizes = [_core.max(_core.abs(g), (), False).item() for g in gradients if g.size]
        norm = max(sizes, default=0.0, key=lambda v: math.inf if math.isnan(v) else v)
    if as_bool(op, "error_if_nonfinite", error_if_nonfinite) and not math.isfinite(norm):
        raise RuntimeError(f"{op}: expected a finite norm of the gradients, got {norm}")
    scale = limit / (norm + 1e-6)
    if gradients and not scale >= 1.0:
        _core.scale_(gradients, scale)
    return tensor(norm)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value], in place."""
    bound = as_float("clip_grad_value_", "clip_value", clip_value, 0.0)
    for gradient in _gradients("clip_grad_value_", parameters):
        gradient.copy_(_core.clamp(gradient, -bound, bound))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of a vector into the parameters.

    Raises:
        ValueError: where it has another number of elements.
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
