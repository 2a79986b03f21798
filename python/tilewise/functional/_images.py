"""Images with and without a batch dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise._arguments import array_of
from tilewise._dtypes import FLOATING

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

AXES = ("", "(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)")


def image_array(op: str, input: Any, dims: int) -> Array:
    """The array of an image tensor: floating-point, of rank dims + 1 (unbatched) or dims + 2.

    Raises:
        TypeError: for another type.
        ValueError: for another rank.
    """
    x = array_of(op, "input", input)
    if x.ndim not in {dims + 1, dims + 2}:
        raise ValueError(
            f"{op}: expected input of shape {AXES[dims]}, with or without N, got {x.shape}"
        )
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {x.dtype.name}")
    return x


def batched(function: Callable[[Tensor], Tensor], input: Tensor) -> Tensor:
    """Apply a function of batches to a single image."""
    return function(input.unsqueeze(0)).squeeze(0)


def must_fit(
    op: str,
    shape: tuple[int, ...],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> None:
    """Refuse what `strict` refuses: windows that do not end where the padded input ends.

    Args:
        op: named by the error.
        shape: of the input; its last dimensions are the image.
        kernel: the window's elements, one number a dimension.
        stride: its steps.
        padding: pixels at both ends together.
        dilation: distance between its elements.
    """
    for n, k, s, p, d in zip(shape[-len(kernel) :], kernel, stride, padding, dilation, strict=True):
        room = n + p - d * (k - 1) - 1
        if room < 0 or room % s:
            raise ValueError(
                f"{op}: expected windows that fit (strict=True), got one of {d * (k - 1) + 1} with "
                f"stride {s} and {p} of padding, which does not fit the size {n} of input {shape}: "
                f"{room / s + 1:.2f} windows"
            )
