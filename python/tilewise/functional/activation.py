"""Activations beside relu, sigmoid and tanh: rows of the core, one native call each way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise._arguments import as_bool, as_choice, as_float
from tilewise._ops import elementwise
from tilewise._ops.elementwise import Function
from tilewise.functional.gated import rrelu

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

# ---------------------------------------------------------------- what a convolution can apply

ACTIVATIONS = ("none", "relu", "relu6", "leaky_relu", "silu", "hardswish")


def told_by_output(name: str, slope: float) -> bool:
    """Whether the derivative can be told from the output: then the input need not be kept."""
    return name in {"relu", "relu6"} or (name == "leaky_relu" and slope >= 0)


def activate(name: str, input: Tensor, slope: float = 0.01) -> Tensor:
    """One of `ACTIVATIONS` but "none", by name."""
    if name == "relu":
        return relu(input)
    if name == "relu6":
        return relu6(input)
    if name == "leaky_relu":
        return leaky_relu(input, slope)
    return silu(input) if name == "silu" else hardswish(input)


# ---------------------------------------------------------------- rows with parameters

_hardtanh = Function("hardtanh")
_relu6 = Function("relu6", "hardtanh")
_leaky_relu = Function("leaky_relu")
_elu = Function("elu")
_selu = Function("selu", "elu")
_celu = Function("celu", "elu")
_gelu = Function("gelu")
_gelu_tanh = Function("gelu", "gelu_tanh")
_silu = Function("silu")
_mish = Function("mish")
_hardswish = Function("hardswish")
_hardsigmoid = Function("hardsigmoid")
_hardshrink = Function("hardshrink")
_softshrink = Function("softshrink")
_tanhshrink = Function("tanhshrink")
_threshold = Function("threshold")
_logsigmoid = Function("logsigmoid", "log_sigmoid")
_softplus = Function("softplus")
_softsign = Function("softsign")

# G. Klambauer et al., "Self-normalizing neural networks" (2017).
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), with NaN kept and a gradient of 0 at 0.

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.relu(tw.tensor([-1.5, 0.0, 2.5]))
        tensor([0.0000, 0.0000, 2.5000])
    """
    if inplace is False or not as_bool("relu", "inplace", inplace):
        return elementwise.relu(input)
    return elementwise.relu_(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6), with a gradient of 0 at 0 and at 6.

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.relu6(tw.tensor([-1.0, 3.0, 8.0]))
        tensor([0., 3., 6.])
    """
    return _relu6.apply(input, (0.0, 6.0), inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Limit to [min_val, max_val], with a gradient of 0 at the limits and beyond.

    Args:
        input: any shape, float32 or float64.
        min_val: the lower limit.
        max_val: the upper limit, not below it.
        inplace: write the result to the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for limits in the wrong order.

    Example:
        >>> F.hardtanh(tw.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    low, high = as_float("hardtanh", "min_val", min_val), as_float("hardtanh", "max_val", max_val)
    if not low <= high:
        raise ValueError(f"hardtanh: expected min_val <= max_val, got {low} and {high}")
    return _hardtanh.apply(input, (low, high), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """X where x > 0, else x · negative_slope.

    Args:
        input: any shape, float32 or float64.
        negative_slope: a finite number.
        inplace: write the result to the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a slope that is not finite.

    Example:
        >>> F.leaky_relu(tw.tensor([-1.0, 3.0]), 0.5)
        tensor([-0.5000,  3.0000])
    """
    slope = as_float("leaky_relu", "negative_slope", negative_slope)
    if not math.isfinite(slope):
        raise ValueError(f"leaky_relu: expected a finite slope, got {slope}")
    return _leaky_relu.apply(input, (slope,), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """X where x > 0, else alpha (eˣ - 1): D.-A. Clevert et al. (2016).

    Args:
        input: any shape, float32 or float64.
        alpha: minus the limit for small x.
        inplace: write the result to the input.

    Raises:
        TypeError: for arguments of the wrong type.

    Example:
        >>> F.elu(tw.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    return _elu.apply(input, (as_float("elu", "alpha", alpha), 1.0, 1.0), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 · elu(x, 1.6733), which keeps mean 0 and variance 1: G. Klambauer et al. (2017).

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.selu(tw.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return _selu.apply(input, (_SELU_ALPHA * _SELU_SCALE, _SELU_SCALE, 1.0), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """X where x > 0, else alpha (exp(x / alpha) - 1), smooth for every alpha: J. T. Barron (2017).

    Args:
        input: any shape, float32 or float64.
        alpha: minus the limit for small x; not 0.
        inplace: write the result to the input.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for an alpha of 0.

    Example:
        >>> F.celu(tw.tensor([-1.0, 2.0]), 2.0)
        tensor([-0.7869,  2.0000])
    """
    a = as_float("celu", "alpha", alpha)
    if a == 0:
        raise ValueError("celu: expected alpha other than 0, got 0")
    return _celu.apply(input, (a, 1.0, 1.0 / a), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """X · Φ(x), Φ the normal distribution: D. Hendrycks, K. Gimpel (2016).

    Args:
        input: any shape, float32 or float64.
        approximate: "none", or "tanh" for x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for another word.

    Example:
        >>> F.gelu(tw.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate == "none":
        return _gelu(input)
    as_choice("gelu", "approximate", approximate, ("none", "tanh"))
    return _gelu_tanh(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """X / (1 + e⁻ˣ), also known as swish.

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.silu(tw.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    return _silu.apply(input, (), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """X · tanh(log(1 + eˣ)): D. Misra (2019).

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.mish(tw.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.3034,  0.0000,  0.8651])
    """
    return _mish.apply(input, (), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """X · min(max(x + 3, 0), 6) / 6: A. Howard et al. (2019).

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.hardswish(tw.tensor([-4.0, 0.0, 3.0]))
        tensor([-0., 0., 3.])
    """
    return _hardswish.apply(input, (), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6.

    Args:
        input: any shape, float32 or float64.
        inplace: write the result to the input.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.hardsigmoid(tw.tensor([-4.0, 0.0, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return _hardsigmoid.apply(input, (), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |x| <= lambd, else x.

    Args:
        input: any shape, float32 or float64.
        lambd: half the width of the interval.

    Raises:
        TypeError: for arguments of the wrong type.

    Example:
        >>> F.hardshrink(tw.tensor([-1.0, 0.3, 2.0]))
        tensor([-1.,  0.,  2.])
    """
    return _hardshrink(input, as_float("hardshrink", "lambd", lambd))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |x| <= lambd, else x moved towards 0 by lambd.

    Args:
        input: any shape, float32 or float64.
        lambd: at least 0.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a negative lambd.

    Example:
        >>> F.softshrink(tw.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    return _softshrink(input, as_float("softshrink", "lambd", lambd, 0.0))


def tanhshrink(input: Tensor) -> Tensor:
    """X - tanh x.

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.tanhshrink(tw.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2384,  0.0000,  0.2384])
    """
    return _tanhshrink(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """X where x > threshold, else value.

    Args:
        input: any shape, float32 or float64.
        threshold: the largest input that is replaced.
        value: what it is replaced with.
        inplace: write the result to the input.

    Raises:
        TypeError: for arguments of the wrong type.

    Example:
        >>> F.threshold(tw.tensor([-1.0, 0.5, 2.0]), 0.5, 9.0)
        tensor([9., 9., 2.])
    """
    bounds = as_float("threshold", "threshold", threshold), as_float("threshold", "value", value)
    return _threshold.apply(input, bounds, inplace)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + e⁻ˣ)), exact where the sigmoid underflows.

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.logsigmoid(tw.tensor([-100.0, 0.0]))
        tensor([-100.0000,   -0.6931])
    """
    return _logsigmoid(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, a smooth ReLU; x itself where beta x > threshold.

    Args:
        input: any shape, float32 or float64.
        beta: how sharp the bend is; not 0.
        threshold: where the function is taken as linear.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a beta of 0.

    Example:
        >>> F.softplus(tw.tensor([-1.0, 0.0, 30.0]))
        tensor([ 0.3133,  0.6931, 30.0000])
    """
    b = as_float("softplus", "beta", beta)
    if b == 0:
        raise ValueError("softplus: expected beta other than 0, got 0")
    return _softplus(input, b, as_float("softplus", "threshold", threshold), 1.0 / b)


def softsign(input: Tensor) -> Tensor:
    """X / (1 + |x|).

    Args:
        input: any shape, float32 or float64.

    Raises:
        TypeError: for another type.

    Example:
        >>> F.softsign(tw.tensor([-1.0, 0.0, 3.0]))
        tensor([-0.5000,  0.0000,  0.7500])
    """
    return _softsign(input)


# ---------------------------------------------------------------- in place


def _in_place(function: Callable[..., Tensor], argument: str, result: str, more: str = "") -> Any:
    name = function.__name__

    def op(input: Tensor, *arguments: Any, **named: Any) -> Tensor:
        return function(input, *arguments, **named, inplace=True)

    op.__name__ = op.__qualname__ = name + "_"
    op.__doc__ = (
        f"`{name}` in place; the arguments are the same.\n\n"
        "Returns:\n    The input.\n\n"
        f"Example:\n    >>> F.{name}_(tw.tensor({argument}){more})\n    tensor({result})\n"
    )
    return op


hardtanh_ = _in_place(hardtanh, "[-2.0, 0.5]", "[-1.0000,  0.5000]")
leaky_relu_ = _in_place(leaky_relu, "[-1.0, 0.5]", "[-0.0100,  0.5000]")
elu_ = _in_place(elu, "[-1.0, 0.5]", "[-0.6321,  0.5000]")
selu_ = _in_place(selu, "[-1.0, 2.0]", "[-1.1113,  2.1014]")
celu_ = _in_place(celu, "[-1.0, 0.5]", "[-0.6321,  0.5000]")
rrelu_ = _in_place(rrelu, "[-1.0, 0.5]", "[-0.2292,  0.5000]")
threshold_ = _in_place(threshold, "[-1.0, 0.5]", "[9.0000, 0.5000]", ", 0.0, 9.0")
