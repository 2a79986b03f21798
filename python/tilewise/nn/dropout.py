"""Dropout layers; they pass their input on in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_bool, as_probability
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class _Dropout(Module):
    """What the dropout layers share."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = as_probability(type(self).__name__, "p", p)
        self.inplace = as_bool(type(self).__name__, "inplace", inplace)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p:g}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Sets elements to zero with probability p in training, and scales the others by 1 / (1 - p).

    Args:
        p: the probability.
        inplace: write the result to the input.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`dropout` of the input."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Sets whole channels of (N, C, L) to zero; see Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        """`dropout1d` of the input."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Sets whole channels of (N, C, H, W) to zero; see Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        """`dropout2d` of the input."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Sets whole channels of (N, C, D, H, W) to zero; see Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        """`dropout3d` of the input."""
        return F.dropout3d(input, self.p, self.training, self.inplace)
