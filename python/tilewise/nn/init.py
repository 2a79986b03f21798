"""Initial values of parameters; each function fills its tensor in place and returns it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tilewise import _core
from tilewise._arguments import array_of, as_choice, as_float, as_int, as_probability
from tilewise._ops.select import where
from tilewise.autograd import no_grad, wrap
from tilewise.random import Generator, as_generator

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

_P = ParamSpec("_P")
_T = TypeVar("_T")

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}

_skipping: ContextVar[bool] = ContextVar("_skipping", default=False)


@contextmanager
def skip() -> Iterator[None]:
    """Inside, this module's functions leave their tensors as they are.

    Layers are then made with whatever their memory holds, in no time: for weights that are loaded
    right after, and for counting. It holds for the thread that entered it.

    Example:
        >>> trained = models.create("lenet5").state_dict()
        >>> with nn.init.skip():
        ...     model = models.create("lenet5")
        >>> model.load_state_dict(trained)
        <All keys matched successfully>
    """
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


def _skippable(fill: Callable[_P, _T]) -> Callable[_P, _T]:
    """Makes a function that fills its first argument one that `skip` keeps from doing so."""

    @functools.wraps(fill)
    def filled(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if _skipping.get():
            untouched: _T = args[0] if args else kwargs["tensor"]  # type: ignore[assignment]
            return untouched
        return fill(*args, **kwargs)

    return filled


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor of the standard deviation that keeps a signal's variance through an activation.

    Args:
        nonlinearity: "linear", "conv1d" to "conv_transpose3d", "sigmoid", "tanh", "relu",
            "leaky_relu" or "selu".
        param: the negative slope of "leaky_relu", 0.01 by default.

    Raises:
        ValueError: for another name.

    Example:
        >>> round(nn.init.calculate_gain("relu"), 4)
        1.4142
    """
    as_choice("calculate_gain", "nonlinearity", nonlinearity, (*_GAINS, "leaky_relu"))
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else as_float("calculate_gain", "param", param)
        return math.sqrt(2.0 / (1.0 + slope**2))
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor, op: str = "init") -> tuple[int, int]:
    """How many inputs an output sees, and how many outputs an input reaches."""
    shape = array_of(op, "tensor", tensor).shape
    if len(shape) < 2:
        raise ValueError(f"{op}: expected a tensor of at least 2 dimensions, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fill(tensor: Tensor, array: Array) -> Tensor:
    with no_grad():
        return tensor.copy_(wrap(array))


@_skippable
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b).

    Example:
        >>> weight = nn.init.uniform_(tw.empty(100), -0.5, 0.5)
        >>> bool((weight.abs() <= 0.5).all())
        True
    """
    array_of("uniform_", "tensor", tensor)
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@_skippable
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with the given mean and standard deviation.

    Example:
        >>> nn.init.normal_(tw.empty(3, 4), std=0.02).shape
        (3, 4)
    """
    array_of("normal_", "tensor", tensor)
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@_skippable
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, with values outside [a, b] drawn again.

    Args:
        tensor: of floating point.
        mean: of the normal distribution.
        std: its standard deviation.
        a: the lowest value.
        b: the highest.
        generator: None for the default one.

    Raises:
        ValueError: for bounds the wrong way round, or a standard deviation that is not above 0.

    Example:
        >>> weight = nn.init.trunc_normal_(tw.empty(100), a=-0.5, b=0.5)
        >>> bool((weight.abs() <= 0.5).all())
        True
    """
    op = "trunc_normal_"
    x = array_of(op, "tensor", tensor)
    centre, spread = as_float(op, "mean", mean), as_float(op, "std", std)
    low, high = as_float(op, "a", a), as_float(op, "b", b)
    if not low < high or not spread > 0.0:
        raise ValueError(f"{op}: expected a < b and std > 0, got [{a}, {b}] and {std}")
    source = as_generator(op, generator)
    inside = _normal_cdf((high - centre) / spread) - _normal_cdf((low - centre) / spread)
    draw = _inside_normal if inside > 0.3 else _inside_uniform
    values, refused = draw(x, (low, high), centre, spread, source)
    while bool(refused.any()):
        again, still = draw(x, (low, high), centre, spread, source)
        values = where(refused, again, values)
        refused = refused & still
    return _fill(tensor, values._array)


def _inside_normal(
    x: Array, bounds: tuple[float, float], mean: float, std: float, source: Generator
) -> tuple[Tensor, Tensor]:
    """Normal values, and which of them lie outside."""
    values = wrap(_core.normal(x.shape, mean, std, source, x.dtype))
    return values, (values < bounds[0]) | (values > bounds[1])


def _inside_uniform(
    x: Array, bounds: tuple[float, float], mean: float, std: float, source: Generator
) -> tuple[Tensor, Tensor]:
    """Uniform values within the bounds, and which of them the normal density refuses."""
    low, high = bounds
    peak = (max(low, min(mean, high)) - mean) / std
    if abs(peak) > 1.0:  # in a tail, which falls by e^-20 on this length
        reach = 20.0 * std / abs(peak)
        low, high = (low, min(high, low + reach)) if peak > 0 else (max(low, high - reach), high)
    values = wrap(_core.uniform(x.shape, low, high, source, x.dtype))
    heights = wrap(_core.uniform(x.shape, 0.0, 1.0, source, x.dtype))
    distance = (values - mean) / std
    return values, heights > ((peak**2 - distance * distance) * 0.5).exp()


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


@_skippable
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value.

    Example:
        >>> nn.init.constant_(tw.empty(2), 0.5).tolist()
        [0.5, 0.5]
    """
    array_of("constant_", "tensor", tensor)
    with no_grad():
        return tensor.fill_(val)


@_skippable
def ones_(tensor: Tensor) -> Tensor:
    """Ones.

    Example:
        >>> nn.init.ones_(tw.empty(2)).tolist()
        [1.0, 1.0]
    """
    return constant_(tensor, 1.0)


@_skippable
def zeros_(tensor: Tensor) -> Tensor:
    """Zeros.

    Example:
        >>> nn.init.zeros_(tw.empty(2)).tolist()
        [0.0, 0.0]
    """
    return constant_(tensor, 0.0)


@_skippable
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.

    Raises:
        ValueError: for other than 2 dimensions.

    Example:
        >>> nn.init.eye_(tw.empty(2, 3)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    x = array_of("eye_", "tensor", tensor)
    if x.ndim != 2:
        raise ValueError(f"eye_: expected a tensor of 2 dimensions, got shape {x.shape}")
    values = _core.Array.full(x.shape, 0, x.dtype)
    _core.diagonal(values, 0, 0, 1).fill_(1)
    return _fill(tensor, values)


@_skippable
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Convolution weights that pass each input channel on unchanged, as far as there are filters.

    Raises:
        ValueError: for other than 3 to 5 dimensions, or filters that `groups` does not divide.

    Example:
        >>> nn.init.dirac_(tw.empty(2, 2, 3)).tolist()
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    x = array_of("dirac_", "tensor", tensor)
    if x.ndim not in {3, 4, 5}:
        raise ValueError(f"dirac_: expected a tensor of 3, 4 or 5 dimensions, got shape {x.shape}")
    parts = as_int("dirac_", "groups", groups, 1)
    if x.shape[0] % parts:
        raise ValueError(f"dirac_: expected filters divisible by {parts}, got shape {x.shape}")
    values = _core.Array.full(x.shape, 0, x.dtype)
    if x.size:
        taps = values.reshape((parts, x.shape[0] // parts, *x.shape[1:]))
        for axis, extent in enumerate(x.shape[2:], 3):
            taps = taps.slice(axis, extent // 2, extent // 2 + 1, 1)
        centres = _core.squeeze(taps, tuple(range(3, taps.ndim)))
        _core.diagonal(centres, 0, 1, 2).fill_(1)
    return _fill(tensor, values)


@_skippable
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, with a part of each column zero (Martens, 2010).

    Args:
        tensor: of 2 dimensions.
        sparsity: the part of a column that is zero, rounded up to whole elements.
        std: the standard deviation of the others.
        generator: None for the default one.

    Raises:
        ValueError: for another number of dimensions, or a part outside [0, 1].

    Example:
        >>> weight = nn.init.sparse_(tw.empty(10, 3), sparsity=0.25)
        >>> (weight == 0).sum(0).tolist()
        [3, 3, 3]
    """
    op = "sparse_"
    x = array_of(op, "tensor", tensor)
    if x.ndim != 2:
        raise ValueError(f"{op}: expected a tensor of 2 dimensions, got shape {x.shape}")
    zeros = math.ceil(as_probability(op, "sparsity", sparsity) * x.shape[0])
    source = as_generator(op, generator)
    values = wrap(_core.normal(x.shape, 0.0, as_float(op, "std", std, 0.0), source, x.dtype))
    keys = wrap(_core.uniform(x.shape, 0.0, 1.0, source, _core.DType.float64))
    rank = keys.argsort(0).argsort(0)
    return _fill(tensor, where(rank < zeros, 0.0, values)._array)


@_skippable
def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform of variance 2 gain² / (fan_in + fan_out) (Glorot and Bengio, 2010).

    Example:
        >>> weight = nn.init.xavier_uniform_(tw.empty(3, 5), gain=nn.init.calculate_gain("tanh"))
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor, "xavier_uniform_")
    bound = as_float("xavier_uniform_", "gain", gain) * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


@_skippable
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal of variance 2 gain² / (fan_in + fan_out); see `xavier_uniform_`.

    Example:
        >>> weight = nn.init.xavier_normal_(tw.empty(3, 5))
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor, "xavier_normal_")
    std = as_float("xavier_normal_", "gain", gain) * math.sqrt(2.0 / (fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = _calculate_fan_in_and_fan_out(tensor, op)
    fan = fans[as_choice(op, "mode", mode, ("fan_in", "fan_out")) == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


@_skippable
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform of variance gain² / fan (He et al., 2015).

    Args:
        tensor: of at least 2 dimensions.
        a: the negative slope of a leaky ReLU after the layer.
        mode: "fan_in" keeps the variance forwards, "fan_out" backwards.
        nonlinearity: see `calculate_gain`.
        generator: None for the default one.

    Example:
        >>> weight = nn.init.kaiming_uniform_(tw.empty(8, 3, 3, 3), nonlinearity="relu")
    """
    std = _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator)


@_skippable
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of variance gain² / fan; see `kaiming_uniform_`.

    Example:
        >>> weight = nn.init.kaiming_normal_(
        ...     tw.empty(8, 3, 3, 3), mode="fan_out", nonlinearity="relu")
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


@_skippable
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Orthogonal rows or columns of the (K, rest) matrix (Saxe et al., 2013).

    Example:
        >>> weight = nn.init.orthogonal_(tw.empty(2, 4))
        >>> np.round((weight @ weight.T).abs().numpy(), 4).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    x = array_of("orthogonal_", "tensor", tensor)
    if x.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {x.shape}")
    factor = as_float("orthogonal_", "gain", gain)
    if x.size == 0:
        return tensor
    rows, columns = x.shape[0], x.size // x.shape[0]
    source = as_generator("orthogonal_", generator)
    flat = _core.normal((rows, columns), 0.0, 1.0, source, _core.DType.float64)
    # Q of a QR decomposition whose R has positive numbers on its diagonal: uniformly distributed.
    if rows < columns:
        q = _core.orthonormal_rows(flat)
    else:
        q = _core.orthonormal_rows(flat.permute((1, 0))).permute((1, 0))
    return _fill(tensor, _core.mul(q, factor).copy().reshape(x.shape))


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's default of convolution and linear layers: both uniform in ±1 / √fan_in.

    Example:
        >>> layer = nn.Linear(4, 2)
        >>> nn.init.default_(layer.weight, layer.bias)
        >>> bool((layer.weight.abs() <= 0.5).all())
        True
    """
    kaiming_uniform_(weight, a=math.sqrt(5.0))
    if bias is not None:
        fan_in, _ = _calculate_fan_in_and_fan_out(weight)
        bound = 1.0 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        uniform_(bias, -bound, bound)
