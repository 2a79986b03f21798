"""Linear layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import functional as F
from tilewise._arguments import as_bool, as_device, as_int
from tilewise.creation import empty
from tilewise.nn import init
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.tensor import Tensor


class Linear(Module):
    """`x · weightᵀ + bias`, (…, in_features) to (…, out_features).

    Args:
        in_features: size of the input's last dimension.
        out_features: size of the output's.
        bias: whether to add one number for each output.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_features, in_features), uniform in ±1 / √in_features at first.
        bias: (out_features,) or None, likewise.

    Raises:
        TypeError, ValueError: for sizes that are not positive ints.

    Example:
        >>> nn.Linear(784, 10)(tw.rand(128, 784)).shape
        (128, 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        as_device("Linear", device)
        self.in_features = as_int("Linear", "in_features", in_features, 1)
        self.out_features = as_int("Linear", "out_features", out_features, 1)
        self.weight = Parameter(empty(self.out_features, self.in_features, dtype=dtype))
        self.bias: Parameter | None
        if as_bool("Linear", "bias", bias):
            self.bias = Parameter(empty(self.out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """PyTorch's default initialisation."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """`linear` with the layer's weight and bias."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The layer's sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """Its input, unchanged; any arguments are ignored, so that it can stand for any layer.

    Example:
        >>> nn.Identity()(tw.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim` joined into one; by default all but the first.

    Example:
        >>> nn.Flatten()(tw.zeros(8, 64, 7, 7)).shape
        (8, 3136)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = as_int("Flatten", "start_dim", start_dim)
        self.end_dim = as_int("Flatten", "end_dim", end_dim)

    def forward(self, input: Tensor) -> Tensor:
        """`flatten` of the input."""
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension split into several.

    Example:
        >>> nn.Unflatten(1, (64, 7, 7))(tw.zeros(8, 3136)).shape
        (8, 64, 7, 7)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim = as_int("Unflatten", "dim", dim)
        self.unflattened_size = tuple(
            as_int("Unflatten", "unflattened_size", n, -1) for n in unflattened_size
        )

    def forward(self, input: Tensor) -> Tensor:
        """`unflatten` of the input."""
        return F.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The dimension and its parts."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
