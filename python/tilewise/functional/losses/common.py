"""What the losses share: reductions and the pointwise table of the core."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_choice
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")
_NO_CONSTANTS = (0.0, 0.0, 0.0)


def reduction_of(
    op: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    choices: tuple[str, ...] = _REDUCTIONS,
) -> str:
    """The reduction; `size_average` and `reduce` are its old form, which PyTorch still takes."""
    if size_average is not None or reduce is not None:
        average = size_average is None or as_bool(op, "size_average", size_average)
        terms = reduce is not None and not as_bool(op, "reduce", reduce)
        warnings.warn(
            f"{op}: size_average and reduce are deprecated, use reduction",
            DeprecationWarning,
            stacklevel=3,
        )
        return "none" if terms else "mean" if average else "sum"
    if reduction.__class__ is str and reduction in choices:
        return reduction
    return as_choice(op, "reduction", reduction, choices)


def reduced(terms: Tensor, reduction: str) -> Tensor:
    """The terms, their sum or their mean."""
    if reduction == "none":
        return terms
    return terms.sum() if reduction == "sum" else terms.mean()


def as_labels(op: str, input: Tensor, target: Tensor) -> Tensor:
    """Integer targets in the input's type; floating ones as they are."""
    if array_of(op, "target", target).dtype in FLOATING:
        return target
    return target.to(array_of(op, "input", input).dtype)


def check_same_shape(op: str, name: str, tensor: Tensor, input: Tensor) -> None:
    """Raise where a tensor that must not broadcast would."""
    expected = array_of(op, "input", input).shape
    if array_of(op, name, tensor).shape != expected:
        raise ValueError(
            f"{op}: expected {name} of the input's shape {expected}, got {tensor.shape}"
        )


def pointwise(
    loss: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    other: Tensor | None = None,
    weight: Tensor | None = None,
    constants: tuple[float, float, float] = _NO_CONSTANTS,
) -> Tensor:
    """A row of the core's table of losses: f(input, target, other) · weight, reduced.

    One native pass forward; backward one for each operand that wants a gradient.
    """
    x, t = array_of(loss, "input", input), array_of(loss, "target", target)
    v = None if other is None else array_of(loss, "other", other)
    w = None if weight is None else array_of(loss, "weight", weight)
    if w is not None and weight is not None and weight._requires_grad and grad_mode.enabled:
        terms = pointwise(loss, input, target, "none", other, None, constants)
        return reduced(terms * weight, reduction)
    settings = (loss, x, t, v, w, reduction, constants)
    y = _core.pointwise_loss(*settings)
    if not grad_mode.enabled:
        return wrap(y)
    if (
        input._requires_grad
        or target._requires_grad
        or (other is not None and other._requires_grad)
    ):
        inputs = (input, target) if other is None else (input, target, other)
        return _record_pointwise(y, inputs, settings)
    return wrap(y)


def _record_pointwise(y: Array, inputs: tuple[Tensor, ...], settings: tuple[Any, ...]) -> Tensor:
    needs = [tensor._requires_grad for tensor in inputs]

    def backward(dy: Array) -> list[Array | None]:
        return [
            _core.pointwise_loss_backward(dy, operand, *settings) if needed else None
            for operand, needed in enumerate(needs)
        ]

    saved = tuple([array for array in settings[1:5] if array is not None])
    return record(settings[0], y, inputs, backward, saved)


def same_rank(op: str, **tensors: Tensor) -> None:
    """Refuse tensors that broadcast by their number of dimensions.

    Raises:
        TypeError, ValueError: naming the tensors.
    """
    ranks = {array_of(op, name, tensor).ndim for name, tensor in tensors.items()}
    if len(ranks) != 1:
        shapes = tuple([tensor.shape for tensor in tensors.values()])
        raise ValueError(f"{op}: expected tensors of as many dimensions, got shapes {shapes}")
