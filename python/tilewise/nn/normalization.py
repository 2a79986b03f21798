"""Normalisation by group, instance, layer, root mean square and neighbouring channels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tilewise import functional as F
from tilewise._arguments import as_bool, as_device, as_float, as_int, as_shape
from tilewise.creation import ones, zeros
from tilewise.nn.batchnorm import _BatchNorm
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewise._core import DType
    from tilewise.tensor import Tensor


class GroupNorm(Module):
    """Group normalisation: a sample's groups of channels to mean 0 and variance 1, then scaled.

    Args:
        num_groups: a divisor of the number of channels.
        num_channels: C.
        eps: added to the variance.
        affine: whether to learn a scale and a shift for each channel.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.
        bias: False to learn a scale only.

    Attributes:
        weight, bias: (C,), 1 and 0 at first, or None.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for input of another shape.

    Example:
        >>> nn.GroupNorm(3, 6)(tw.ones(2, 6, 4, 4)).shape
        (2, 6, 4, 4)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        op = "GroupNorm"
        as_device(op, device)
        self.num_groups = as_int(op, "num_groups", num_groups, 1)
        self.num_channels = as_int(op, "num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ValueError(
                f"{op}: expected num_channels divisible by num_groups, got {num_channels} and "
                f"{num_groups}"
            )
        self.eps = as_float(op, "eps", eps)
        self.affine = as_bool(op, "affine", affine)
        self.weight: Parameter | None
        self.bias: Parameter | None
        if affine:
            self.weight = Parameter(ones(num_channels, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if as_bool(op, "bias", bias) and affine:
            self.bias = Parameter(zeros(num_channels, dtype=dtype))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            self.weight.data.fill_(1.0)
        if self.bias is not None:
            self.bias.data.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """`group_norm` of the input."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps:g}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _InstanceNorm(_BatchNorm):
    """What the instance normalisation layers share."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """`instance_norm` of the input, or its form with the running statistics in evaluation."""
        op = type(self).__name__
        rank = self._ranks[0]
        if input.ndim not in {rank, rank - 1}:
            raise ValueError(
                f"{op}: expected input of shape {self._expected}, with or without N, got "
                f"{input.shape}"
            )
        batch = input if input.ndim == rank else input.unsqueeze(0)
        if batch.shape[1] != self.num_features:
            message = f"{op}: expected {self.num_features} channels, got input {input.shape}"
            if self.affine or self.track_running_stats:
                raise ValueError(message)
            warnings.warn(f"{message}; num_features is not used", stacklevel=2)
        output = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.uses_batch(),
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if batch is input else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); the arguments are those of InstanceNorm2d.

    Example:
        >>> nn.InstanceNorm1d(6)(tw.ones(2, 6, 4)).shape
        (2, 6, 4)
    """

    _ranks = (3,)
    _expected = "(N, C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation: each channel of each sample to mean 0 and variance 1.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a call in the running statistics.
        affine: whether to learn a scale and a shift for each channel.
        track_running_stats: whether to keep running statistics, and use them in evaluation.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters and statistics; float32 by default.
        bias: False to learn a scale only.

    Attributes:
        weight, bias: (C,), 1 and 0 at first, or None.
        running_mean, running_var: (C,), or None.
        num_batches_tracked: int64 scalar, or None; as in PyTorch it stays 0.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for input of another shape.

    Example:
        >>> nn.InstanceNorm2d(6, affine=True)(tw.ones(2, 6, 4, 4)).shape
        (2, 6, 4, 4)
    """

    _ranks = (4,)
    _expected = "(N, C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W); the arguments are those of InstanceNorm2d.

    Example:
        >>> nn.InstanceNorm3d(6)(tw.ones(2, 6, 3, 4, 4)).shape
        (2, 6, 3, 4, 4)
    """

    _ranks = (5,)
    _expected = "(N, C, D, H, W)"


def _last_shape(op: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = as_shape(op, normalized_shape, 1)
    if not shape:
        raise ValueError(f"{op}: expected normalized_shape of at least one dimension, got ()")
    return shape


class LayerNorm(Module):
    """Layer normalisation over the last dimensions of the input, then scaled element by element.

    Args:
        normalized_shape: the sizes of those dimensions; an int for the last one.
        eps: added to the variance.
        elementwise_affine: whether to learn a scale and a shift of that shape.
        bias: False to learn a scale only.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight, bias: of `normalized_shape`, 1 and 0 at first, or None.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for input of another shape.

    Example:
        >>> nn.LayerNorm((6, 4, 4))(tw.ones(2, 6, 4, 4)).shape
        (2, 6, 4, 4)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        op = "LayerNorm"
        as_device(op, device)
        self.normalized_shape = _last_shape(op, normalized_shape)
        self.eps = as_float(op, "eps", eps)
        self.elementwise_affine = as_bool(op, "elementwise_affine", elementwise_affine)
        self.weight: Parameter | None
        self.bias: Parameter | None
        shape = self.normalized_shape
        if elementwise_affine:
            self.weight = Parameter(ones(shape, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if as_bool(op, "bias", bias) and elementwise_affine:
            self.bias = Parameter(zeros(shape, dtype=dtype))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            self.weight.data.fill_(1.0)
        if self.bias is not None:
            self.bias.data.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """`layer_norm` of the input."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps:g}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Division by the root mean square over the last dimensions, then scaled.

    Args:
        normalized_shape: the sizes of those dimensions; an int for the last one.
        eps: added to the mean square; None for the distance from 1 to the next number.
        elementwise_affine: whether to learn a scale of that shape.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: of `normalized_shape`, 1 at first, or None.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for input of another shape.

    Example:
        >>> nn.RMSNorm(4)
        RMSNorm((4,), eps=None, elementwise_affine=True)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        op = "RMSNorm"
        as_device(op, device)
        self.normalized_shape = _last_shape(op, normalized_shape)
        self.eps = None if eps is None else as_float(op, "eps", eps)
        self.elementwise_affine = as_bool(op, "elementwise_affine", elementwise_affine)
        self.weight: Parameter | None
        if elementwise_affine:
            self.weight = Parameter(ones(self.normalized_shape, dtype=dtype))
        else:
            self.register_parameter("weight", None)

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            self.weight.data.fill_(1.0)

    def forward(self, input: Tensor) -> Tensor:
        """`rms_norm` of the input."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LocalResponseNorm(Module):
    """Division by a power of the squares of neighbouring channels; see `F.local_response_norm`.

    Args:
        size: of the window of channels.
        alpha: of the sum of squares; divided by the size.
        beta: the exponent.
        k: what is added.

    Raises:
        TypeError, ValueError: for settings that cannot be.

    Example:
        >>> nn.LocalResponseNorm(5)(tw.ones(2, 6, 4, 4)).shape
        (2, 6, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        op = "LocalResponseNorm"
        self.size = as_int(op, "size", size, 1)
        self.alpha = as_float(op, "alpha", alpha)
        self.beta = as_float(op, "beta", beta)
        self.k = as_float(op, "k", k)

    def forward(self, input: Tensor) -> Tensor:
        """`local_response_norm` of the input."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k}"
