"""Batch normalisation layers: one N-D layer and its forms by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise._arguments import as_bool, as_device, as_float, as_int
from tilewise._dtypes import int64
from tilewise.creation import ones, zeros
from tilewise.functional.normalization import normalise
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.functional.conv import Statistics
    from tilewise.tensor import Tensor


class _BatchNorm(Module):
    """What the batch normalisation layers share."""

    _ranks: tuple[int, ...] = ()
    _expected = ""
    _optional_state = ("num_batches_tracked",)

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    frozen = False  # by nn.utils.freeze_batch_norm

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        as_device(op, device)
        self.num_features = as_int(op, "num_features", num_features, 1)
        self.eps = as_float(op, "eps", eps, 0.0)
        self.momentum = None if momentum is None else as_float(op, "momentum", momentum)
        self.affine = as_bool(op, "affine", affine)
        self.track_running_stats = as_bool(op, "track_running_stats", track_running_stats)
        self.weight: Parameter | None
        self.bias: Parameter | None
        if affine:
            self.weight = Parameter(ones(num_features, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if as_bool(op, "bias", bias) and affine:
            self.bias = Parameter(zeros(num_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros(dtype=int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget the statistics."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1.0)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data.fill_(1.0)
        if self.bias is not None:
            self.bias.data.zero_()

    def _step_momentum(self) -> float:
        """How much this batch counts; without a momentum every batch counts the same."""
        if not (self.training and self.num_batches_tracked is not None) or self.frozen:
            return 0.0 if self.momentum is None else self.momentum
        self.num_batches_tracked.add_(1)
        if self.momentum is None:
            return 1.0 / float(self.num_batches_tracked.item())
        return self.momentum

    def forward(self, input: Tensor) -> Tensor:
        """`batch_norm` of the input, with the batch's statistics or the running ones."""
        return self.normalise(input)

    def uses_batch(self) -> bool:
        """Whether it normalises with the batch's own statistics."""
        return (self.training and not self.frozen) or self.running_mean is None

    def normalise(
        self,
        input: Tensor,
        *,
        relu: bool = False,
        input_relu: bool = False,
        statistics: Statistics | None = None,
    ) -> Tensor:
        """The same, with a ReLU in its passes, or statistics known already: `nn/fusion.py`."""
        if input.ndim not in self._ranks:
            raise ValueError(
                f"{type(self).__name__}: expected input of shape {self._expected}, got "
                f"{input.shape}"
            )
        if input.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected {self.num_features} channels, got input "
                f"{input.shape}"
            )
        return normalise(
            input,
            (self.running_mean, self.running_var),
            (self.weight, self.bias),
            self.uses_batch(),
            (self._step_momentum(), self.eps),
            relu=relu,
            input_relu=input_relu,
            statistics=statistics,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps:g}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}{', frozen' if self.frozen else ''}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); the arguments are those of BatchNorm2d.

    Example:
        >>> nn.BatchNorm1d(6)(tw.ones(2, 6, 4)).shape
        (2, 6, 4)
    """

    _ranks = (2, 3)
    _expected = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W): each channel to mean 0 and variance 1, then scaled.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics; None for their plain average.
        affine: whether to learn a scale and a shift for each channel.
        track_running_stats: whether to keep running statistics for evaluation.
        device: "cpu", where every tensor is, or None.
        dtype: of the parameters and statistics; float32 by default.
        bias: False to learn a scale only.

    Attributes:
        weight, bias: (C,), 1 and 0 at first, or None.
        running_mean, running_var: (C,), or None.
        num_batches_tracked: int64 scalar, or None.

    Raises:
        TypeError, ValueError: for settings that cannot be, and for input of another shape.

    Example:
        >>> nn.BatchNorm2d(6)(tw.ones(2, 6, 4, 4)).shape
        (2, 6, 4, 4)
    """

    _ranks = (4,)
    _expected = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); the arguments are those of BatchNorm2d.

    Example:
        >>> nn.BatchNorm3d(6)(tw.ones(2, 6, 3, 4, 4)).shape
        (2, 6, 3, 4, 4)
    """

    _ranks = (5,)
    _expected = "(N, C, D, H, W)"
