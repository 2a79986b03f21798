"""Counter-based random numbers for the order of samples and for augmentation.

Every number is a pure function of (seed, epoch, sample index, stream): no state is kept, so the
same sample is augmented in the same way whichever thread reads it, whatever the batch size is and
wherever a run was resumed. The mixing function is SplitMix64's finaliser (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", 2014), applied once for each word.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .._core import Generator

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1
_PERMUTATION_STREAM = 0x7065726D  # keeps the order of samples independent of their augmentation


def _mix(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output looks random."""
    with np.errstate(over="ignore"):
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return word ^ (word >> np.uint64(31))


def hash_words(counter: npt.NDArray[Any], *words: int) -> npt.NDArray[np.uint64]:
    """Hash each entry of `counter` together with the integers `words`.

    Args:
        counter: integer array of any shape.
        words: integers of any size and sign; their low 64 bits are used.

    Returns:
        uint64 array of the shape of `counter`, uniform over the 64-bit words.

    Example:
        >>> int(hash_words(np.arange(3), 7)[0]) == int(hash_words(np.array([0]), 7)[0])
        True
    """
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for word in words:
            state = _mix((state ^ np.uint64(word & _MASK)) + _GOLDEN)
        return _mix((np.asarray(counter).astype(np.uint64) ^ state) + _GOLDEN)


def permutation(n: int, seed: int, epoch: int = 0) -> npt.NDArray[np.int64]:
    """The order in which epoch `epoch` visits `n` samples: a pure function of its arguments.

    Example:
        >>> sorted(permutation(5, seed=0).tolist())
        [0, 1, 2, 3, 4]
    """
    keys = hash_words(np.arange(n), _PERMUTATION_STREAM, seed, epoch)
    return np.argsort(keys, kind="stable").astype(np.int64)


@dataclass(frozen=True)
class Draws:
    """Random draws for a batch of samples, one stream for each transform.

    Args:
        seed: the seed of the loader.
        epoch: the epoch; every epoch draws anew.
        indices: int64 (N,), the samples' indices in their dataset.
        stream: separates the draws of different transforms.
    """

    seed: int
    epoch: int
    indices: npt.NDArray[np.int64]
    stream: int = 0

    def fork(self, position: int) -> Draws:
        """The draws of the transform at `position` of a pipeline; independent of the others."""
        return replace(self, stream=(self.stream * 1_000_003 + position + 1) & _MASK)

    def take(self, samples: int | npt.NDArray[np.int64]) -> Draws:
        """The draws of some samples of the batch: those they have within it."""
        return replace(self, indices=np.atleast_1d(self.indices[samples]))

    def uniform(self, draw: int = 0) -> npt.NDArray[np.float64]:
        """float64 (N,), uniform in [0, 1). `draw` numbers the draws within one transform."""
        bits = hash_words(self.indices, self.seed, self.epoch, self.stream, draw)
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, low: int, high: int, draw: int = 0) -> npt.NDArray[np.int64]:
        """int64 (N,), uniform in [low, high); ValueError where the range is empty."""
        if high <= low:
            raise ValueError(f"integers: expected low < high, got low={low}, high={high}")
        return low + np.floor(self.uniform(draw) * (high - low)).astype(np.int64)

    def integers_below(self, ends: npt.NDArray[np.int64], draw: int = 0) -> npt.NDArray[np.int64]:
        """int64 (N,), each uniform in [0, ends[n])."""
        return np.floor(self.uniform(draw) * ends).astype(np.int64)

    def between(self, low: float, high: float, draw: int = 0) -> npt.NDArray[np.float64]:
        """float64 (N,), uniform in [low, high); `low` where both are one number."""
        return low + self.uniform(draw) * (high - low)


_current: contextvars.ContextVar[Draws | None] = contextvars.ContextVar("draws", default=None)


@contextlib.contextmanager
def sample_scope(seed: int, epoch: int, index: int) -> Iterator[None]:
    """While active in this thread, transforms called on single images draw for this sample."""
    token = _current.set(Draws(seed, epoch, np.array([index], dtype=np.int64)))
    try:
        yield
    finally:
        _current.reset(token)


def current_draws() -> Draws:
    """The draws of the sample being loaded; outside a loader, fresh ones from `manual_seed`'s."""
    draws = _current.get()
    if draws is None:
        draws = Draws(draw_seed(), 0, np.zeros(1, dtype=np.int64))
    return draws


def draw_seed(generator: Generator | None = None) -> int:
    """Take a 62-bit seed from `generator`, or from the global one that `manual_seed` sets."""
    from ..random import randint

    high, low = randint(0, 1 << 31, (2,), generator=generator).numpy().tolist()
    return (int(high) << 31) | int(low)
