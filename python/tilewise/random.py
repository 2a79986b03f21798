"""Random tensors from counter-based generators.

A generator is a seed and a position in its stream; the numbers are a pure function of both, so they
are the same on every machine and at any thread count.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import (
    array_of,
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
    "normal",
    "rand",
    "rand_like",
    "randint",
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
        >>> tw.manual_seed(0)
        >>> a = tw.rand(2); tw.manual_seed(0); b = tw.rand(2); tw.equal(a, b)
        True
    """
    value = as_int("manual_seed", "seed", seed, -(2**63), _LARGEST_SEED)
    default_generator.manual_seed(value % (_LARGEST_SEED + 1))
    return default_generator


def seed() -> int:
    """Start the default generator from a number that the system draws; returns it."""
    value = int.from_bytes(os.urandom(8), "little") >> 1
    manual_seed(value)
    return value


def initial_seed() -> int:
    """The seed of the default generator."""
    return int(default_generator.seed)


def get_rng_state() -> Tensor:
    """The default generator's state: 16 bytes, seed and position, as a uint8 tensor."""
    state = default_generator.seed.to_bytes(8, "little") + default_generator.offset.to_bytes(
        8, "little"
    )
    return wrap(_core.Array.from_numpy(np.frombuffer(state, dtype=np.uint8).copy()))


def set_rng_state(state: Tensor) -> None:
    """Return the default generator to a state of `get_rng_state`.

    Raises:
        TypeError, ValueError: for anything but 16 bytes.
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
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform random numbers in [0, 1).

    Args:
        size: the shape, as ints or as one tuple.
        dtype: float32 (the default) or float64.
        requires_grad: whether to record operations on the result.
        generator: None for the default one.

    Raises:
        TypeError, ValueError: for a shape or a type that cannot be.

    Example:
        >>> tw.rand(2, 3).shape
        (2, 3)
    """
    shape, gen = as_shape("rand", size), as_generator("rand", generator)
    return _finish(_core.uniform(shape, 0.0, 1.0, gen, _floating("rand", dtype)), requires_grad)


def randn(
    *size: int | Sequence[int],
    dtype: DType | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Normal random numbers of mean 0 and standard deviation 1; the arguments are those of `rand`.

    Example:
        >>> x = tw.randn(16, 3, 32, 32)
    """
    shape, gen = as_shape("randn", size), as_generator("randn", generator)
    return _finish(_core.normal(shape, 0.0, 1.0, gen, _floating("randn", dtype)), requires_grad)


def rand_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1) of the shape and type of `input`."""
    x = array_of("rand_like", "input", input)
    return rand(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Normal random numbers of the shape and type of `input`."""
    x = array_of("randn_like", "input", input)
    return randn(x.shape, dtype=x.dtype if dtype is None else dtype, requires_grad=requires_grad)


def normal(
    mean: float,
    std: float,
    size: Sequence[int],
    *,
    dtype: DType | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Normal random numbers of the given mean and standard deviation."""
    centre, spread = as_float("normal", "mean", mean), as_float("normal", "std", std, 0.0)
    shape, gen = as_shape("normal", size), as_generator("normal", generator)
    return wrap(_core.normal(shape, centre, spread, gen, _floating("normal", dtype)))


def randint(
    low: int,
    high: int | Sequence[int] | None = None,
    size: Sequence[int] | None = None,
    *,
    dtype: DType | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Random integers in [low, high); `randint(high, size)` starts from 0.

    Raises:
        ValueError: where the range is empty.

    Example:
        >>> labels = tw.randint(0, 10, (128,))
    """
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


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """A random permutation of 0 … n-1; int64."""
    count = as_int("randperm", "n", n, 0, 2**62)
    return wrap(_core.permutation(count, as_generator("randperm", generator)))


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element of `input` gives, else 0.

    Raises:
        ValueError: for a probability outside [0, 1].
    """
    p = array_of("bernoulli", "input", input)
    values = p.numpy()
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError("bernoulli: expected probabilities between 0 and 1")
    draws = _core.uniform(p.shape, 0.0, 1.0, as_generator("bernoulli", generator), p.dtype)
    return wrap(_core.lt(draws, p).astype(p.dtype))


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
