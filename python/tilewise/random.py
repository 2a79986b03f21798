"""Random tensors from counter-based generators.

A generator is a seed and a position in its stream; the numbers are a pure function of both, so they
are the same on every machine and at any thread count.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import (
    array_of,
    as_device,
    as_float,
    as_int,
    as_probability,
    as_shape,
    describe,
    wrong_type,
)
from tilewise._core import Generator
from tilewise._dtypes import FLOATING, as_dtype, float32, int64, uint8
from tilewise.autograd import wrap

if TYPE_CHECKING:
    from tilewise._core import Array, DType
    from tilewise.tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

_LARGEST_SEED = 2**64 - 1

default_generator = Generator(int.from_bytes(os.urandom(8), "little") >> 1)


def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream that belongs to `seed`.

    Args:
        seed: an int in [-2⁶³, 2⁶⁴); negative values count from 2⁶⁴.

    Raises:
        TypeError, ValueError: for anything else.

    Example:
        >>> _ = tw.manual_seed(0)
        >>> a = tw.rand(2)
        >>> _ = tw.manual_seed(0)
        >>> tw.equal(a, tw.rand(2))
        True
    """
    value = as_int("manual_seed", "seed", seed, -(2**63), _LARGEST_SEED)
    default_generator.manual_seed(value % (_LARGEST_SEED + 1))
    return default_generator


def seed() -> int:
    """Start the default generator from a number that the system draws; returns it.

    Example:
        >>> _ = tw.seed()
    """
    value = int.from_bytes(os.urandom(8), "little") >> 1
    manual_seed(value)
    return value


def initial_seed() -> int:
    """The seed of the default generator.

    Example:
        >>> _ = tw.manual_seed(3)
        >>> tw.initial_seed()
        3
    """
    return int(default_generator.seed)


def get_rng_state() -> Tensor:
    """The default generator's state: 16 bytes, seed and position, as a uint8 tensor.

    Example:
        >>> tw.get_rng_state().shape
        (16,)
    """
    state = default_generator.seed.to_bytes(8, "little") + default_generator.offset.to_bytes(
        8, "little"
    )
    return wrap(_core.Array.from_numpy(np.frombuffer(state, dtype=np.uint8).copy()))


def set_rng_state(state: Tensor) -> None:
    """Return the default generator to a state of `get_rng_state`.

    Raises:
        TypeError, ValueError: for anything but 16 bytes.

    Example:
        >>> state = tw.get_rng_state()
        >>> tw.set_rng_state(state)
    """
    array = array_of("set_rng_state", "state", state)
    if array.dtype != uint8 or array.shape != (16,):
        raise ValueError(
            f"set_rng_state: expected uint8 of shape (16,), got {array.dtype.name} of {array.shape}"
        )
    raw = array.numpy().tobytes()
    default_generator.manual_seed(int.from_bytes(raw[:8], "little"))
    default_generator.offset = int.from_bytes(raw[8:], "little")


def as_generator(op: str, generator: Generator | None) -> Generator:
    """The generator itself, or the default one for None."""
    if generator is None:
        return default_generator
    if isinstance(generator, Generator):
        return generator
    raise wrong_type(op, "generator", "a Generator or None", generator)


def _floating(op: str, dtype: Any) -> DType:
    result = float32 if dtype is None else as_dtype(op, dtype)
    if result not in FLOATING:
        raise TypeError(f"{op}: expected dtype as float32 or float64, got {result.name}")
    return result


def _finish(array: Array, requires_grad: bool) -> Tensor:
    out = wrap(array)
    out._requires_grad = bool(requires_grad)
    return out


def rand(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform random numbers in [0, 1).

    Args:
        size: the shape, as ints or as one tuple.
        dtype: float32 (the default) or float64.
        device: "cpu" or None.
        requires_grad: whether to record operations on the result.
        generator: None for the default one.

    Raises:
        TypeError, ValueError: for a shape or a type that cannot be.

    Example:
        >>> tw.rand(2, 3).shape
        (2, 3)
    """
    as_device("rand", device)
    shape, gen = as_shape("rand", size), as_generator("rand", generator)
    return _finish(_core.uniform(shape, 0.0, 1.0, gen, _floating("rand", dtype)), requires_grad)


def randn(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Normal random numbers of mean 0 and standard deviation 1; the arguments are those of `rand`.

    Example:
        >>> x = tw.randn(16, 3, 32, 32)
    """
    as_device("randn", device)
    shape, gen = as_shape("randn", size), as_generator("randn", generator)
    return _finish(_core.normal(shape, 0.0, 1.0, gen, _floating("randn", dtype)), requires_grad)


def rand_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1) of the shape and type of `input`.

    Example:
        >>> tw.rand_like(tw.zeros(2, 3)).shape
        (2, 3)
    """
    as_device("rand_like", device)
    x = array_of("rand_like", "input", input)
    return rand(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def randn_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers of the shape and type of `input`.

    Example:
        >>> tw.randn_like(tw.zeros(2, 3)).shape
        (2, 3)
    """
    as_device("randn_like", device)
    x = array_of("randn_like", "input", input)
    return randn(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Sequence[int] | None = None,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Normal random numbers of the given mean and standard deviation.

    Args:
        mean: a number, or a tensor with the mean of each element.
        std: a number >= 0, or a tensor with the deviation of each.
        size: the shape, where both are numbers.
        dtype: float32 (the default) or float64.
        device: "cpu" or None.
        generator: None for the default one.

    Raises:
        ValueError: for a negative deviation, or numbers without a size.

    Example:
        >>> tw.normal(tw.zeros(2, 3), 1.0).shape
        (2, 3)
    """
    as_device("normal", device)
    gen = as_generator("normal", generator)
    arrays = [x._array for x in (mean, std) if hasattr(x, "_array")]
    if not arrays:
        centre, spread = as_float("normal", "mean", mean), as_float("normal", "std", std, 0.0)
        if size is None:
            raise ValueError("normal: expected size where mean and std are numbers, got None")
        shape = as_shape("normal", size)
        return wrap(_core.normal(shape, centre, spread, gen, _floating("normal", dtype)))
    if hasattr(std, "_array"):
        if std._array.size and not _core.min(std._array).item() >= 0:
            raise ValueError("normal: expected std >= 0, got a negative element")
    else:
        as_float("normal", "std", std, 0.0)
    total = _core.add(_core.mul(arrays[0], 0), _core.mul(arrays[-1], 0))
    draws = _core.normal(total.shape, 0.0, 1.0, gen, _floating("normal", total.dtype))
    centre_of = mean._array if hasattr(mean, "_array") else as_float("normal", "mean", mean)
    spread_of = std._array if hasattr(std, "_array") else float(std)
    return wrap(_core.add(_core.mul(draws, spread_of), centre_of))


def randint(
    low: int,
    high: int | Sequence[int] | None = None,
    size: Sequence[int] | None = None,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Random integers in [low, high); `randint(high, size)` starts from 0.

    Raises:
        ValueError: where the range is empty.

    Example:
        >>> labels = tw.randint(0, 10, (128,))
    """
    as_device("randint", device)
    if size is None:
        if not isinstance(high, tuple | list):
            raise TypeError(f"randint: expected size as a tuple of ints, got {describe(high)}")
        low, high, shape = 0, low, as_shape("randint", high)
    else:
        shape = as_shape("randint", size)
    first = as_int("randint", "low", low, -(2**62), 2**62)
    last = as_int("randint", "high", high, -(2**62), 2**62)
    if last <= first:
        raise ValueError(f"randint: expected low < high, got {first} and {last}")
    gen = as_generator("randint", generator)
    array = _core.randint(shape, first, last, gen)
    wanted = int64 if dtype is None else as_dtype("randint", dtype)
    return wrap(array if wanted == int64 else array.astype(wanted))


def randperm(
    n: int,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """A random permutation of 0 … n-1; int64 unless `dtype` says otherwise.

    Example:
        >>> tw.randperm(4).sort().values
        tensor([0, 1, 2, 3])
    """
    as_device("randperm", device)
    count = as_int("randperm", "n", n, 0, 2**62)
    order = _core.permutation(count, as_generator("randperm", generator))
    return wrap(order if dtype is None else order.astype(as_dtype("randperm", dtype)))


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    device: str | None = None,
) -> Tensor:
    """Random integers in [low, high) of the shape and type of `input`; `high` alone starts from 0.

    Example:
        >>> tw.randint_like(tw.zeros(2, 3), 10).shape
        (2, 3)
    """
    as_device("randint_like", device)
    x = array_of("randint_like", "input", input)
    first, last = (0, low) if high is None else (low, high)
    return randint(first, last, x.shape, dtype=x.dtype if dtype is None else dtype)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that each element of `input` gives (or `p` for all), else 0.

    Raises:
        ValueError: for a probability outside [0, 1].

    Example:
        >>> tw.bernoulli(tw.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    x, gen = array_of("bernoulli", "input", input), as_generator("bernoulli", generator)
    if p is not None:
        chance = as_probability("bernoulli", "p", p)
        return wrap(_core.bernoulli(x.shape, chance, gen, x.dtype))
    if x.dtype not in FLOATING:
        raise TypeError(f"bernoulli: expected floating-point probabilities, got {x.dtype.name}")
    # NaN is neither: both comparisons are false.
    if x.size and not (_core.min(x).item() >= 0 and _core.max(x).item() <= 1):
        raise ValueError("bernoulli: expected probabilities between 0 and 1")
    draws = _core.uniform(x.shape, 0.0, 1.0, gen, x.dtype)
    return wrap(_core.lt(draws, x).astype(x.dtype))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices drawn with the probabilities that the last dimension gives, up to a factor.

    Args:
        input: weights >= 0 of a vector, or of the rows of a matrix.
        num_samples: how many indices a row.
        replacement: whether an index may come again.
        generator: None for the default one.

    Returns:
        int64 (num_samples,) or (rows, num_samples).

    Raises:
        ValueError: for negative or infinite weights, rows without a positive one, or more samples
            without replacement than there are.

    Example:
        >>> tw.multinomial(tw.tensor([0.0, 1.0, 0.0]), 3, replacement=True)
        tensor([1, 1, 1])
    """
    x, gen = array_of("multinomial", "input", input), as_generator("multinomial", generator)
    if x.ndim not in {1, 2} or x.dtype not in FLOATING:
        raise ValueError(f"multinomial: expected 1 or 2 floating dimensions, got {x.shape}")
    last = x.ndim - 1
    count = as_int("multinomial", "num_samples", num_samples, 1)
    if not replacement and count > x.shape[last]:
        raise ValueError(
            f"multinomial: expected at most {x.shape[last]} samples without replacement, "
            f"got {count}"
        )
    total = _core.sum(x, (last,), True)
    good = _core.logical_and(_core.gt(total, 0), _core.isfinite(total))
    if x.size and (not _core.all(good).item() or not _core.min(x).item() >= 0):
        raise ValueError("multinomial: expected finite weights >= 0 with a positive sum")
    if replacement:
        running = _core.cumsum(x, last)
        ends = running.slice(last, x.shape[last] - 1, x.shape[last], 1)
        draws = _core.uniform((*x.shape[:last], count), 0.0, 1.0, gen, x.dtype)
        found = _core.search_sorted(running, _core.mul(draws, ends), True)
        # Rounding may reach the end: the last index that has a weight.
        top = _core.search_sorted(running, ends.contiguous(), False)
        return wrap(_core.minimum(found, top))
    # Exponential races: the smallest waiting times win, weight 0 never does.
    draws = _core.uniform(x.shape, 0.0, 1.0, gen, x.dtype)
    times = _core.div(_core.neg(_core.log1p(_core.neg(draws))), x)
    times = _core.where(_core.eq(x, 0), float("inf"), times)
    return wrap(_core.topk(times, count, last, False)[1])


# ---------------------------------------------------------------- in place, for Tensor


def uniform_(
    self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with uniform random numbers in [low, high); returns the tensor."""
    first, last = as_float("uniform_", "low", low), as_float("uniform_", "high", high)
    if not first <= last:
        raise ValueError(f"uniform_: expected low <= high, got {first} and {last}")
    x, gen = self._array, as_generator("uniform_", generator)
    dtype = _floating("uniform_", x.dtype)
    return self.copy_(wrap(_core.uniform(x.shape, first, last, gen, dtype)))


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal random numbers; returns the tensor."""
    centre, spread = as_float("normal_", "mean", mean), as_float("normal_", "std", std, 0.0)
    x, gen = self._array, as_generator("normal_", generator)
    dtype = _floating("normal_", x.dtype)
    return self.copy_(wrap(_core.normal(x.shape, centre, spread, gen, dtype)))


def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones of probability p and zeros; returns the tensor."""
    chance, gen = as_probability("bernoulli_", "p", p), as_generator("bernoulli_", generator)
    x = self._array
    dtype = _floating("bernoulli_", x.dtype)
    return self.copy_(wrap(_core.bernoulli(x.shape, chance, gen, dtype)))


def _drawn(op: str, self: Tensor, generator: Generator | None) -> Array:
    """Uniform numbers in [0, 1) for each element, in float64: none rounds to 1."""
    gen, x = as_generator(op, generator), self._array
    _floating(op, x.dtype)
    return _core.uniform(x.shape, 0.0, 1.0, gen, _core.DType.float64)


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponentially distributed numbers of rate `lambd`; returns the tensor."""
    rate = as_float("exponential_", "lambd", lambd)
    if not rate > 0:
        raise ValueError(f"exponential_: expected lambd > 0, got {rate}")
    draws = _drawn("exponential_", self, generator)
    return self.copy_(wrap(_core.mul(_core.log1p(_core.neg(draws)), -1.0 / rate)))


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers whose logarithm is normal; returns the tensor."""
    centre, spread = as_float("log_normal_", "mean", mean), as_float("log_normal_", "std", std)
    if not spread > 0:
        raise ValueError(f"log_normal_: expected std > 0, got {spread}")
    gen, x = as_generator("log_normal_", generator), self._array
    dtype = _floating("log_normal_", x.dtype)
    return self.copy_(wrap(_core.exp(_core.normal(x.shape, centre, spread, gen, dtype))))


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers of the Cauchy distribution; returns the tensor."""
    centre, width = as_float("cauchy_", "median", median), as_float("cauchy_", "sigma", sigma)
    if not width > 0:
        raise ValueError(f"cauchy_: expected sigma > 0, got {width}")
    angle = _core.mul(_core.sub(_drawn("cauchy_", self, generator), 0.5), math.pi)
    tangent = _core.div(_core.sin(angle), _core.cos(angle))
    return self.copy_(wrap(_core.add(_core.mul(tangent, width), centre)))


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of trials until the first success of chance p; returns the tensor."""
    chance, x = as_float("geometric_", "p", p), self._array
    if not 0 < chance < 1:
        raise ValueError(f"geometric_: expected p between 0 and 1, got {chance}")
    gen = as_generator("geometric_", generator)
    draws = _core.uniform(x.shape, 0.0, 1.0, gen, _core.DType.float64)
    trials = _core.div(_core.log1p(_core.neg(draws)), math.log1p(-chance))
    return self.copy_(wrap(_core.add(_core.floor(trials), 1)))


def random_(
    self: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with random integers in [low, high); returns the tensor.

    `random_(high)` starts from 0; without a bound it takes all that the type can hold exactly.
    """
    x = self._array
    bits = {"float32": 24, "float64": 53, "int64": 62, "int32": 31, "int8": 7, "uint8": 8}
    if high is None:
        low, high = (0, low) if low else (0, 2 ** bits.get(x.dtype.name, 1))
    return self.copy_(randint(low, high, x.shape, generator=generator))
