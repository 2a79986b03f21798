"""Padding layers: one N-D layer for each kind of border and its 1-D, 2-D and 3-D forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise._arguments import LARGEST, as_float, as_int, describe, wrong_type
from tilewise.functional._images import AXES
from tilewise.functional.padding import pad
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


def _amounts(op: str, padding: IntOrTuple, dims: int) -> tuple[int, ...]:
    if isinstance(padding, tuple | list):
        if len(padding) != 2 * dims:
            raise ValueError(
                f"{op}: expected padding as an int or a tuple of {2 * dims} ints, got "
                f"{describe(padding)}"
            )
        return tuple([as_int(op, "padding", p) for p in padding])
    if isinstance(padding, bool) or not hasattr(padding, "__index__"):
        raise wrong_type(op, "padding", f"an int or a tuple of {2 * dims} ints", padding)
    return (as_int(op, "padding", padding, -LARGEST),) * (2 * dims)


class _PadNd(Module):
    """What the padding layers share."""

    _dims = 0
    _mode = "constant"

    def __init__(self, padding: IntOrTuple) -> None:
        super().__init__()
        self.padding = _amounts(type(self).__name__, padding, self._dims)

    def forward(self, input: Tensor) -> Tensor:
        """The input with its border.

        Raises:
            ValueError: for another rank, or a border that the size does not allow.
        """
        dims = self._dims
        if self._mode != "constant" and input.ndim not in {dims + 1, dims + 2}:
            raise ValueError(
                f"{type(self).__name__}: expected input of shape {AXES[dims]}, with or without N, "
                f"got {input.shape}"
            )
        return pad(input, self.padding, self._mode, getattr(self, "value", None))

    def extra_repr(self) -> str:
        """The amounts, from the last dimension on."""
        return f"{self.padding}"


class ConstantPad1d(_PadNd):
    """A border of one value at both ends of the last dimension.

    Args:
        padding: an int or (left, right); negative amounts cut away.
        value: of the border.

    Example:
        >>> nn.ConstantPad1d((1, 2), 7.0)(tw.zeros(1, 2))
        tensor([[7., 0., 0., 7., 7.]])
    """

    _dims = 1

    def __init__(self, padding: IntOrTuple, value: float) -> None:
        super().__init__(padding)
        self.value = as_float(type(self).__name__, "value", value)

    def extra_repr(self) -> str:
        """The amounts and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """A border of one value around the last two dimensions.

    Args:
        padding: an int or (left, right, top, bottom); negative amounts cut away.
        value: of the border.

    Example:
        >>> nn.ConstantPad2d((1, 1, 0, 2), 0.5)(tw.zeros(1, 3, 2, 2)).shape
        (1, 3, 4, 4)
    """

    _dims = 2


class ConstantPad3d(ConstantPad1d):
    """A border of one value around the last three dimensions.

    Args:
        padding: an int or (left, right, top, bottom, front, back); negative amounts cut away.
        value: of the border.

    Example:
        >>> nn.ConstantPad3d(1, 0.5)(tw.zeros(1, 3, 2, 2, 2)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3


class _ZeroPadNd(_PadNd):
    """What the layers of zeros share."""


class ZeroPad1d(_ZeroPadNd):
    """Zeros at both ends of the last dimension.

    Args:
        padding: an int or (left, right); negative amounts cut away.

    Example:
        >>> nn.ZeroPad1d((1, 2))(tw.ones(1, 2))
        tensor([[0., 1., 1., 0., 0.]])
    """

    _dims = 1


class ZeroPad2d(_ZeroPadNd):
    """Zeros around the last two dimensions.

    Args:
        padding: an int or (left, right, top, bottom); negative amounts cut away.

    Example:
        >>> nn.ZeroPad2d(1)(tw.ones(1, 3, 2, 2)).shape
        (1, 3, 4, 4)
    """

    _dims = 2


class ZeroPad3d(_ZeroPadNd):
    """Zeros around the last three dimensions.

    Args:
        padding: an int or (left, right, top, bottom, front, back); negative amounts cut away.

    Example:
        >>> nn.ZeroPad3d(1)(tw.ones(1, 3, 2, 2, 2)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3


class _ReflectionPadNd(_PadNd):
    """What the layers that reflect share."""

    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Sequences (N, C, L) or (C, L) reflected at both ends, without repeating the last element.

    Args:
        padding: an int or (left, right), smaller than L.

    Example:
        >>> nn.ReflectionPad1d(2)(tw.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Images (N, C, H, W) or (C, H, W) reflected at their borders.

    Args:
        padding: an int or (left, right, top, bottom), smaller than the image.

    Example:
        >>> nn.ReflectionPad2d(1)(tw.ones(1, 3, 2, 2)).shape
        (1, 3, 4, 4)
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Volumes (N, C, D, H, W) or (C, D, H, W) reflected at their borders.

    Args:
        padding: an int or (left, right, top, bottom, front, back), smaller than the volume.

    Example:
        >>> nn.ReflectionPad3d(1)(tw.ones(1, 3, 2, 2, 2)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3


class _ReplicationPadNd(_PadNd):
    """What the layers that repeat the border share."""

    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Sequences (N, C, L) or (C, L) with their first and last element repeated.

    Args:
        padding: an int or (left, right).

    Example:
        >>> nn.ReplicationPad1d((2, 1))(tw.tensor([[1.0, 2.0, 3.0]]))
        tensor([[1., 1., 1., 2., 3., 3.]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Images (N, C, H, W) or (C, H, W) with their border repeated.

    Args:
        padding: an int or (left, right, top, bottom).

    Example:
        >>> nn.ReplicationPad2d(1)(tw.ones(1, 3, 2, 2)).shape
        (1, 3, 4, 4)
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Volumes (N, C, D, H, W) or (C, D, H, W) with their border repeated.

    Args:
        padding: an int or (left, right, top, bottom, front, back).

    Example:
        >>> nn.ReplicationPad3d(1)(tw.ones(1, 3, 2, 2, 2)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3


class _CircularPadNd(_PadNd):
    """What the layers that wrap around share."""

    _mode = "circular"


class CircularPad1d(_CircularPadNd):
    """Sequences (N, C, L) or (C, L) continued periodically.

    Args:
        padding: an int or (left, right), at most L.

    Example:
        >>> nn.CircularPad1d((2, 1))(tw.tensor([[1.0, 2.0, 3.0]]))
        tensor([[2., 3., 1., 2., 3., 1.]])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Images (N, C, H, W) or (C, H, W) continued periodically.

    Args:
        padding: an int or (left, right, top, bottom), at most the image's size.

    Example:
        >>> nn.CircularPad2d(1)(tw.ones(1, 3, 2, 2)).shape
        (1, 3, 4, 4)
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Volumes (N, C, D, H, W) or (C, D, H, W) continued periodically.

    Args:
        padding: an int or (left, right, top, bottom, front, back), at most the volume's size.

    Example:
        >>> nn.CircularPad3d(1)(tw.ones(1, 3, 2, 2, 2)).shape
        (1, 3, 4, 4, 4)
    """

    _dims = 3
