"""Padding of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_choice, as_int, describe, wrong_type
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def _amounts(padding: Sequence[int], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(before, after) for each dimension; the pairs given start from the last dimension."""
    if not isinstance(padding, tuple | list):
        raise wrong_type("pad", "pad", "a tuple of ints", padding)
    if len(padding) % 2 or len(padding) > 2 * len(shape):
        raise ValueError(
            f"pad: expected at most {len(shape)} pairs for shape {shape}, got {describe(padding)}"
        )
    values = [as_int("pad", "pad", p) for p in padding]
    pairs = [(0, 0)] * len(shape)
    for i in range(len(values) // 2):
        dim = len(shape) - 1 - i
        before, after = values[2 * i], values[2 * i + 1]
        if shape[dim] + before + after < 0:
            raise ValueError(f"pad: expected sizes >= 0 for {shape}, got pad {tuple(padding)}")
        pairs[dim] = before, after
    return pairs


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """A border around the last dimensions; negative amounts cut away.

    Args:
        input: a tensor of any shape.
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: "constant".
        value: what the border holds; None for 0.

    Raises:
        TypeError: for amounts that are no ints.
        ValueError: for too many amounts, or more cut away than there is.

    Example:
        >>> tw.nn.functional.pad(tw.ones(1, 1, 2, 2), (1, 1, 0, 2)).shape
        (1, 1, 4, 4)
    """
    x = array_of("pad", "input", input)
    as_choice("pad", "mode", mode, ("constant",))
    shape = x.shape
    pairs = _amounts(pad, shape)
    sizes = tuple([n + a + b for n, (a, b) in zip(shape, pairs, strict=True)])

    def inner(array: Array, grown: bool) -> Array:
        """The part that input and output share, as a view of either."""
        for dim, (before, after) in enumerate(pairs):
            size = array.shape[dim]
            first, last = (before, after) if grown else (-before, -after)
            array = array.slice(dim, max(first, 0), size - max(last, 0), 1)
        return array

    y = _core.Array.full(sizes, 0 if value is None else value, x.dtype)
    inner(y, grown=True).copy_(inner(x, grown=False))
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        dx = _core.Array.full(shape, 0, dy.dtype)
        inner(dx, grown=False).copy_(inner(dy, grown=True))
        return (dx,)

    return record("pad", y, (input,), backward)
