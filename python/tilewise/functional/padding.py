"""Padding: borders around tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_choice, as_int, describe, wrong_type
from tilewise.autograd import grad_mode, record, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

MODES = ("constant", "reflect", "replicate", "circular")


def _amounts(
    padding: Sequence[int], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What goes before and after each dimension; the pairs given start from the last one."""
    if not isinstance(padding, tuple | list):
        raise wrong_type("pad", "pad", "a tuple of ints", padding)
    if len(padding) % 2 or len(padding) > 2 * len(shape):
        raise ValueError(
            f"pad: expected at most {len(shape)} pairs for shape {shape}, got {describe(padding)}"
        )
    values = [as_int("pad", "pad", p) for p in padding]
    rest = (0,) * (len(shape) - len(values) // 2)
    return (*rest, *values[-2::-2]), (*rest, *values[::-2])


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """A border around the last dimensions; negative amounts cut away.

    Args:
        input: a tensor of any shape and dtype; of at least two dimensions, with all but the first
            or the first two padded, for the modes other than "constant".
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: what the border of `a b c d` holds: "constant" `value`; "reflect" d c b | a b c d |
            c b a, narrower than the dimension; "replicate" a a a | a b c d | d d d; "circular"
            b c d | a b c d | a b c, at most as wide as the dimension.
        value: of "constant"; None for 0.

    Returns:
        A new tensor, channels-last where the input is.

    Raises:
        TypeError: for amounts that are no ints.
        ValueError: for too many amounts, or more cut away or reflected than there is.

    Example:
        >>> F.pad(tw.ones(1, 1, 2, 2), (1, 1, 0, 2)).shape
        (1, 1, 4, 4)
        >>> F.pad(tw.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
        tensor([[3., 2., 1., 2., 3., 2.]])
    """
    x = array_of("pad", "input", input)
    recorded = input._requires_grad and grad_mode.enabled
    plain = _core.pad_plain(x, pad, mode, recorded) if value is None else None
    if plain is not None:
        return _record_pad(input, *plain) if recorded else wrap(plain)
    as_choice("pad", "mode", mode, MODES)
    before, after = _amounts(pad, x.shape)
    border, constant = mode, None
    if mode == "constant":
        border = "zeros"
        if value is not None and value != 0:
            constant = _core.Array.full((), value, x.dtype)
    else:
        _check_border(mode, pad, x.shape, value)
        if mode == "circular" and min(before + after) < 0:  # what is left after the cut repeats
            kept = _pad(input, [min(p, 0) for p in pad])
            return _pad(kept, [max(p, 0) for p in pad], mode)
    y = _core.pad(x, before, after, border, constant)
    return _record_pad(input, y, before, after, border) if recorded else wrap(y)


def _record_pad(
    input: Tensor, y: Array, before: tuple[int, ...], after: tuple[int, ...], border: str
) -> Tensor:
    shape = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.pad_backward(dy, shape, before, after, border),)

    return record("pad", y, (input,), backward)


_pad = pad  # the argument of the same name hides it


def _check_border(
    mode: str, pad: Sequence[int], shape: tuple[int, ...], value: float | None
) -> None:
    """The rules of PyTorch for borders that are taken from the tensor."""
    dims = len(pad) // 2
    if value is not None and value != 0:
        raise ValueError(f"pad: expected no value with mode={mode!r}, got {value}")
    if dims not in {1, 2, 3} or len(shape) not in {dims + 1, dims + 2}:
        raise ValueError(
            f"pad: expected 1, 2 or 3 pairs for all but the first one or two dimensions with "
            f"mode={mode!r}, got {tuple(pad)} for shape {shape}"
        )
