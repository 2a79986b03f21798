"""Softmax and its relatives as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_int
from tilewise.nn.activation import Activation

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class _Softmax(Activation):
    """Functions along one dimension."""

    _shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else as_int(type(self).__name__, "dim", dim)


class Softmax(_Softmax):
    """exp(x) / sum(exp(x)) over one dimension.

    Args:
        dim: the dimension that sums to 1. None is PyTorch's implicit choice, with its warning.

    Example:
        >>> nn.Softmax(dim=0)(tw.tensor([0.0, 0.0, 1.0]))
        tensor([0.2119, 0.2119, 0.5761])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`softmax` of the input."""
        return F.softmax(input, self.dim)


class LogSoftmax(_Softmax):
    """The logarithm of Softmax, exact where that underflows.

    Args:
        dim: the dimension that sums to 1. None is PyTorch's implicit choice, with its warning.

    Example:
        >>> nn.LogSoftmax(dim=0)(tw.tensor([0.0, 0.0, 1.0]))
        tensor([-1.5514, -1.5514, -0.5514])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`log_softmax` of the input."""
        return F.log_softmax(input, self.dim)


class Softmin(_Softmax):
    """Softmax of -x.

    Args:
        dim: the dimension that sums to 1. None is PyTorch's implicit choice, with its warning.

    Example:
        >>> nn.Softmin(dim=0)(tw.tensor([0.0, 0.0, 1.0]))
        tensor([0.4223, 0.4223, 0.1554])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`softmin` of the input."""
        return F.softmin(input, self.dim)


class Softmax2d(Activation):
    """Softmax over the channels of every pixel.

    Raises:
        ValueError: for an input that is neither (N, C, H, W) nor (C, H, W).

    Example:
        >>> nn.Softmax2d()(tw.zeros(1, 4, 2, 2))[0, :, 0, 0]
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`softmax` over the channels."""
        if input.ndim not in {3, 4}:
            raise ValueError(
                f"Softmax2d: expected (N, C, H, W) or (C, H, W), got shape {input.shape}"
            )
        return F.softmax(input, -3)
