"""Dropout layers; they pass their input on in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_bool, as_choice, as_float, as_int, as_probability
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewise.tensor import Tensor


class _Dropout(Module):
    """What the dropout layers share."""

    _function: Callable[..., Tensor]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = as_probability(type(self).__name__, "p", p)
        self.inplace = as_bool(type(self).__name__, "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The function of the same name, of the input."""
        return type(self)._function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p:g}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Sets elements to zero with probability p in training, and scales the others by 1 / (1 - p).

    Args:
        p: the probability.
        inplace: write the result to the input.

    Raises:
        TypeError, ValueError: for a p that is no probability.

    Example:
        >>> nn.Dropout(0.25).eval()(tw.ones(2))
        tensor([1., 1.])
    """

    _function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Sets whole channels of (N, C, L) or (C, L) to zero; see Dropout.

    Example:
        >>> nn.Dropout1d(0.25)(tw.ones(2, 3, 4)).shape
        (2, 3, 4)
    """

    _function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Sets whole channels of (N, C, H, W) or (N, C, L) to zero; see Dropout.

    Example:
        >>> nn.Dropout2d(0.25)(tw.ones(2, 3, 4, 4)).shape
        (2, 3, 4, 4)
    """

    _function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Sets whole channels of (N, C, D, H, W) or (C, D, H, W) to zero; see Dropout.

    Example:
        >>> nn.Dropout3d(0.25)(tw.ones(2, 3, 4, 4, 4)).shape
        (2, 3, 4, 4, 4)
    """

    _function = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout for networks of SELU: mean 0 and variance 1 stay; see `F.alpha_dropout`.

    Example:
        >>> nn.AlphaDropout(0.1)
        AlphaDropout(p=0.1, inplace=False)
    """

    _function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, …).

    Example:
        >>> nn.FeatureAlphaDropout(0.1)(tw.ones(2, 3, 4, 4)).shape
        (2, 3, 4, 4)
    """

    _function = staticmethod(F.feature_alpha_dropout)


class _DropBlock(Module):
    """What the DropBlock layers share."""

    _function: Callable[..., Tensor]

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        op = type(self).__name__
        self.p = as_probability(op, "p", p)
        self.block_size = as_int(op, "block_size", block_size, 1)
        self.inplace = as_bool(op, "inplace", inplace)
        self.eps = as_float(op, "eps", eps, 0.0)

    def forward(self, input: Tensor) -> Tensor:
        """The function of the same name, of the input."""
        return type(self)._function(
            input, self.p, self.block_size, self.inplace, self.eps, self.training
        )

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p:g}, block_size={self.block_size}, inplace={self.inplace}"


class DropBlock1d(_DropBlock):
    """Sets runs of pixels of (N, C, L) to zero; see DropBlock2d.

    Example:
        >>> nn.DropBlock1d(0.1, 3)(tw.ones(2, 3, 8)).shape
        (2, 3, 8)
    """

    _function = staticmethod(F.drop_block1d)


class DropBlock2d(_DropBlock):
    """Sets squares of pixels of (N, C, H, W) to zero in training; see `F.drop_block2d`.

    Args:
        p: the share to drop.
        block_size: side of a square.
        inplace: write the result to the input.
        eps: added to the number of kept elements.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> nn.DropBlock2d(0.1, 3)(tw.ones(2, 3, 8, 8)).shape
        (2, 3, 8, 8)
    """

    _function = staticmethod(F.drop_block2d)


class DropBlock3d(_DropBlock):
    """Sets cubes of (N, C, D, H, W) to zero; see DropBlock2d.

    Example:
        >>> nn.DropBlock3d(0.1, 3)(tw.ones(2, 3, 8, 8, 8)).shape
        (2, 3, 8, 8, 8)
    """

    _function = staticmethod(F.drop_block3d)


class StochasticDepth(Module):
    """Sets samples, or the whole batch, to zero with probability p; see `F.stochastic_depth`.

    Args:
        p: the probability.
        mode: "row" for a draw a sample, "batch" for one draw.

    Raises:
        TypeError, ValueError: for a p that is no probability, or another mode.

    Example:
        >>> nn.StochasticDepth(0.2, "row")
        StochasticDepth(p=0.2, mode=row)
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = as_probability("StochasticDepth", "p", p)
        self.mode = as_choice("StochasticDepth", "mode", mode, ("batch", "row"))

    def forward(self, input: Tensor) -> Tensor:
        """`stochastic_depth` of the input."""
        return F.stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p:g}, mode={self.mode}"
