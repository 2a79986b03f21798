"""Activations as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_bool, as_int
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class ReLU(Module):
    """max(x, 0), with a gradient of 0 at 0.

    Args:
        inplace: write the result to the input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = as_bool("ReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`relu` of the input."""
        return F.relu_(input) if self.inplace else F.relu(input)

    def extra_repr(self) -> str:
        """The setting, where it is not the default."""
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, input: Tensor) -> Tensor:
        """`sigmoid` of the input."""
        return F.sigmoid(input)


class Tanh(Module):
    """tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        """`tanh` of the input."""
        return F.tanh(input)


class Softmax(Module):
    """exp(x) / sum(exp(x)) over one dimension.

    Args:
        dim: the dimension that sums to 1.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = as_int(type(self).__name__, "dim", dim)

    def forward(self, input: Tensor) -> Tensor:
        """`softmax` of the input."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of Softmax, exact where that underflows."""

    def forward(self, input: Tensor) -> Tensor:
        """`log_softmax` of the input."""
        return F.log_softmax(input, self.dim)
