"""Activations with learned or random slopes, and of halves or groups of channels, as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_bool, as_device, as_float, as_int
from tilewise.creation import full
from tilewise.nn.activation import Activation
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.tensor import Tensor


class PReLU(Activation):
    """X where x > 0, else weight · x with learned weights: K. He et al. (2015).

    Args:
        num_parameters: 1, or the number of channels (dimension 1 of the input).
        init: the weights at first.
        device: "cpu", where every tensor is, or None.
        dtype: of the weights; float32 by default.

    Example:
        >>> nn.PReLU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.2500,  0.5000,  8.0000], grad_fn=<prelu>)
    """

    _shown = ("num_parameters",)

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        as_device("PReLU", device)
        self.num_parameters = as_int("PReLU", "num_parameters", num_parameters, 1)
        self.init = as_float("PReLU", "init", init)
        self.weight = Parameter(full((self.num_parameters,), self.init, dtype=dtype))

    def reset_parameters(self) -> None:
        """All weights as at first."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """`prelu` of the input."""
        return F.prelu(input, self.weight)


class RReLU(Activation):
    """X where x > 0, else a · x; a is drawn for each element in training: B. Xu et al. (2015).

    Args:
        lower: the smallest slope.
        upper: the largest slope; evaluation takes the mean of both.
        inplace: write the result to the input.

    Example:
        >>> nn.RReLU(0.25, 0.75).eval()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.5000,  0.5000,  8.0000])
    """

    _shown = (
        "lower",
        "upper",
    )

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = as_float("RReLU", "lower", lower)
        self.upper = as_float("RReLU", "upper", upper)
        self.inplace = as_bool("RReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`rrelu` of the input."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class GLU(Activation):
    """A · sigmoid(b), a and b the halves of the input: Y. N. Dauphin et al. (2017).

    Args:
        dim: the dimension to halve.

    Example:
        >>> nn.GLU()(tw.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """

    _shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = as_int("GLU", "dim", dim)

    def forward(self, input: Tensor) -> Tensor:
        """`glu` of the input."""
        return F.glu(input, self.dim)


class Maxout(Activation):
    """The largest of each num_pieces neighbouring channels: I. J. Goodfellow et al. (2013).

    Args:
        num_pieces: how many linear functions form one unit.
        dim: the dimension of the channels.

    Example:
        >>> nn.Maxout(2)(tw.tensor([[1.0, 5.0, 2.0, 3.0]]))
        tensor([[5., 3.]])
    """

    _shown = (
        "num_pieces",
        "dim",
    )

    def __init__(self, num_pieces: int, dim: int = 1) -> None:
        super().__init__()
        self.num_pieces = as_int("Maxout", "num_pieces", num_pieces, 1)
        self.dim = as_int("Maxout", "dim", dim)

    def forward(self, input: Tensor) -> Tensor:
        """`maxout` of the input."""
        return F.maxout(input, self.num_pieces, self.dim)
