"""Activations as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tilewise import functional as F
from tilewise._arguments import as_bool, as_choice, as_float
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class Activation(Module):
    """What these layers share: settings that are attributes and are shown."""

    _shown: ClassVar[tuple[str, ...]] = ()

    def extra_repr(self) -> str:
        """The settings."""
        settings = [f"{name}={getattr(self, name)!r}" for name in self._shown]
        if getattr(self, "inplace", False):
            settings.append("inplace=True")
        return ", ".join(settings)


class _InPlace(Activation):
    """Those whose only setting is whether to write to their input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = as_bool(type(self).__name__, "inplace", inplace)


class ReLU(_InPlace):
    """max(x, 0), with a gradient of 0 at 0.

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.ReLU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([0.0000, 0.5000, 8.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`relu` of the input."""
        return F.relu_(input) if self.inplace else F.relu(input)


class ReLU6(_InPlace):
    """min(max(x, 0), 6).

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.ReLU6()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([0.0000, 0.5000, 6.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`relu6` of the input."""
        return F.relu6(input, self.inplace)


class SELU(_InPlace):
    """Scaled ELU, which keeps mean 0 and variance 1: G. Klambauer et al. (2017).

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.SELU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-1.1113,  0.5254,  8.4056])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`selu` of the input."""
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """X / (1 + e⁻ˣ), also known as swish.

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.SiLU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.2689,  0.3112,  7.9973])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`silu` of the input."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """X · tanh(log(1 + eˣ)): D. Misra (2019).

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.Mish()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.3034,  0.3752,  8.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`mish` of the input."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """X · min(max(x + 3, 0), 6) / 6: A. Howard et al. (2019).

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.Hardswish()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.3333,  0.2917,  8.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`hardswish` of the input."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """min(max(x + 3, 0), 6) / 6.

    Args:
        inplace: write the result to the input.

    Example:
        >>> nn.Hardsigmoid()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([0.3333, 0.5833, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`hardsigmoid` of the input."""
        return F.hardsigmoid(input, self.inplace)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ).

    Example:
        >>> nn.Sigmoid()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([0.2689, 0.6225, 0.9997])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`sigmoid` of the input."""
        return F.sigmoid(input)


class Tanh(Activation):
    """tanh x.

    Example:
        >>> nn.Tanh()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.7616,  0.4621,  1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`tanh` of the input."""
        return F.tanh(input)


class LogSigmoid(Activation):
    """log(1 / (1 + e⁻ˣ)), exact where the sigmoid underflows.

    Example:
        >>> nn.LogSigmoid()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-1.3133e+00, -4.7408e-01, -3.3541e-04])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`logsigmoid` of the input."""
        return F.logsigmoid(input)


class Softsign(Activation):
    """X / (1 + |x|).

    Example:
        >>> nn.Softsign()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.5000,  0.3333,  0.8889])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`softsign` of the input."""
        return F.softsign(input)


class Tanhshrink(Activation):
    """X - tanh x.

    Example:
        >>> nn.Tanhshrink()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.2384,  0.0379,  7.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """`tanhshrink` of the input."""
        return F.tanhshrink(input)


class LeakyReLU(Activation):
    """X where x > 0, else x · negative_slope.

    Args:
        negative_slope: a finite number.
        inplace: write the result to the input.

    Example:
        >>> nn.LeakyReLU(0.1)(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.1000,  0.5000,  8.0000])
    """

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = as_float("LeakyReLU", "negative_slope", negative_slope)
        self.inplace = as_bool("LeakyReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`leaky_relu` of the input."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class ELU(Activation):
    """X where x > 0, else alpha (eˣ - 1): D.-A. Clevert et al. (2016).

    Args:
        alpha: minus the limit for small x.
        inplace: write the result to the input.

    Example:
        >>> nn.ELU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.6321,  0.5000,  8.0000])
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = as_float("ELU", "alpha", alpha)
        self.inplace = as_bool("ELU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`elu` of the input."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(Activation):
    """X where x > 0, else alpha (exp(x / alpha) - 1): J. T. Barron (2017).

    Args:
        alpha: minus the limit for small x; not 0.
        inplace: write the result to the input.

    Example:
        >>> nn.CELU(2.0)(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.7869,  0.5000,  8.0000])
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = as_float("CELU", "alpha", alpha)
        self.inplace = as_bool("CELU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`celu` of the input."""
        return F.celu(input, self.alpha, self.inplace)


class GELU(Activation):
    """X · Φ(x), Φ the normal distribution: D. Hendrycks, K. Gimpel (2016).

    Args:
        approximate: "none" or "tanh".

    Example:
        >>> nn.GELU()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.1587,  0.3457,  8.0000])
    """

    _shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = as_choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, input: Tensor) -> Tensor:
        """`gelu` of the input."""
        return F.gelu(input, self.approximate)


class Hardtanh(Activation):
    """Limits to [min_val, max_val].

    Args:
        min_val: the lower limit.
        max_val: the upper limit, not below it.
        inplace: write the result to the input.

    Example:
        >>> nn.Hardtanh()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """

    _shown = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = as_float("Hardtanh", "min_val", min_val)
        self.max_val = as_float("Hardtanh", "max_val", max_val)
        if not self.min_val <= self.max_val:
            raise ValueError(
                f"Hardtanh: expected min_val <= max_val, got {self.min_val} and {self.max_val}"
            )
        self.inplace = as_bool("Hardtanh", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`hardtanh` of the input."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class Hardshrink(Activation):
    """0 where |x| <= lambd, else x.

    Args:
        lambd: half the width of the interval.

    Example:
        >>> nn.Hardshrink()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-1.,  0.,  8.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = as_float("Hardshrink", "lambd", lambd)

    def forward(self, input: Tensor) -> Tensor:
        """`hardshrink` of the input."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The half-width."""
        return str(self.lambd)


class Softshrink(Activation):
    """0 where |x| <= lambd, else x moved towards 0 by lambd.

    Args:
        lambd: at least 0.

    Example:
        >>> nn.Softshrink()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([-0.5000,  0.0000,  7.5000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = as_float("Softshrink", "lambd", lambd, 0.0)

    def forward(self, input: Tensor) -> Tensor:
        """`softshrink` of the input."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The half-width."""
        return str(self.lambd)


class Threshold(Activation):
    """X where x > threshold, else value.

    Args:
        threshold: the largest input that is replaced.
        value: what it is replaced with.
        inplace: write the result to the input.

    Example:
        >>> nn.Threshold(0.5, 9.0)(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([9., 9., 8.])
    """

    _shown = (
        "threshold",
        "value",
    )

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = as_float("Threshold", "threshold", threshold)
        self.value = as_float("Threshold", "value", value)
        self.inplace = as_bool("Threshold", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """`threshold` of the input."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Softplus(Activation):
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    Args:
        beta: how sharp the bend is; not 0.
        threshold: where the function is taken as linear.

    Example:
        >>> nn.Softplus()(tw.tensor([-1.0, 0.5, 8.0]))
        tensor([0.3133, 0.9741, 8.0003])
    """

    _shown = (
        "beta",
        "threshold",
    )

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = as_float("Softplus", "beta", beta)
        self.threshold = as_float("Softplus", "threshold", threshold)

    def forward(self, input: Tensor) -> Tensor:
        """`softplus` of the input."""
        return F.softplus(input, self.beta, self.threshold)
