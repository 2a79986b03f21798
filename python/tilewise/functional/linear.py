"""The fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, optional_array
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def _check(x: Array, w: Array, b: Array | None) -> None:
    if w.ndim != 2:
        raise ValueError(f"linear: expected weight of 2 dimensions, got shape {w.shape}")
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(
            f"linear: expected input of shape (…, {w.shape[1]}) for weight {w.shape}, got {x.shape}"
        )
    if x.dtype not in FLOATING:
        raise TypeError(f"linear: expected input of dtype float32 or float64, got {x.dtype.name}")
    for name, array in (("weight", w), ("bias", b)):
        if array is not None and array.dtype != x.dtype:
            raise TypeError(
                f"linear: expected {name} of the input's dtype {x.dtype.name}, got "
                f"{array.dtype.name}"
            )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"linear: expected bias of shape {w.shape[:1]}, got {b.shape}")


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input · weightᵀ + bias`.

    Args:
        input: (…, in), float32 or float64.
        weight: (out, in), of the input's type.
        bias: (out,) or None.

    Returns:
        (…, out).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.

    Example:
        >>> tw.nn.functional.linear(tw.rand(128, 20), tw.rand(10, 20)).shape
        (128, 10)
    """
    try:
        x, w = input._array, weight._array
        b = None if bias is None else bias._array
        y = _core.linear_forward(x, w, b)
    except (AttributeError, ValueError, TypeError):
        _check(
            array_of("linear", "input", input),
            array_of("linear", "weight", weight),
            optional_array("linear", "bias", bias),
        )
        raise
    needs_x, needs_w = input._requires_grad, weight._requires_grad
    needs_b = bias is not None and bias._requires_grad
    if not ((needs_x or needs_w or needs_b) and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx = dw = db = None
        if needs_x:
            dx = _core.linear_backward_data(dy, w)
        if needs_w:
            dw, db = _core.linear_backward_weight(dy, x, needs_b)
        elif needs_b:
            db = _core.sum(dy, tuple(range(dy.ndim - 1)), False) if dy.ndim > 1 else dy.copy()
        return (dx, dw) if bias is None else (dx, dw, db)

    inputs = (input, weight) if bias is None else (input, weight, bias)
    saved = (x,) * needs_w + (w,) * needs_x
    return record("linear", y, inputs, backward, saved)
