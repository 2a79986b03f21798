"""Which inputs an output of an operation reads, along one dimension.

A reach maps an interval of output positions to the interval of input positions that they read; and
it says how a receptive field grows: jump (distance of neighbours in the image), start (centre of
the first unit) and size.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Interval = tuple[int, int]  # first and last position
Positions = npt.NDArray[np.int64]  # ascending, each once

_NUMPY_BORDERS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Field(NamedTuple):
    """The receptive field of a map's units along one dimension, in pixels of the image.

    Attributes:
        jump: from a unit to the next.
        start: the centre of the first unit; pixel i reaches from i to i + 1.
        size: the width that a unit sees, borders included.
    """

    jump: Fraction
    start: Fraction
    size: Fraction

    def span(self, first: int, last: int) -> tuple[Fraction, Fraction]:
        """The edges of what these units see."""
        half = self.size / 2
        return self.start + first * self.jump - half, self.start + last * self.jump + half


class Reach:
    """What an output position reads: by default the same position."""

    def interval(self, first: int, last: int, size: int) -> Interval:
        """Where the outputs from first to last read; positions may lie beyond the input's size."""
        return first, last

    def positions(self, outputs: Positions, size: int) -> Positions:
        """The positions below `size` that some outputs read: pixels alone, without padding."""
        return outputs

    def field(self, before: Field) -> Field:
        """The receptive field of the output for that of the input."""
        return before


SAME = Reach()


@dataclass(frozen=True)
class Whole(Reach):
    """Every output reads all of the input."""

    def interval(self, first: int, last: int, size: int) -> Interval:  # noqa: D102
        return 0, size - 1

    def positions(self, outputs: Positions, size: int) -> Positions:  # noqa: D102
        return np.arange(size if len(outputs) else 0)


@dataclass(frozen=True)
class Slide(Reach):
    """A window of `kernel` taps that moves by `stride`."""

    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1
    border: str = "zeros"

    def interval(self, first: int, last: int, size: int) -> Interval:  # noqa: D102
        low = first * self.stride - self.before
        high = last * self.stride - self.before + (self.kernel - 1) * self.dilation
        return low, high

    def positions(self, outputs: Positions, size: int) -> Positions:  # noqa: D102
        taps = np.arange(self.kernel) * self.dilation - self.before
        read = np.unique(outputs[:, None] * self.stride + taps)
        return _shown(read, size, self.border)

    def field(self, before: Field) -> Field:  # noqa: D102
        reach = (self.kernel - 1) * self.dilation
        return Field(
            before.jump * self.stride,
            before.start + before.jump * (Fraction(reach, 2) - self.before),
            before.size + before.jump * reach,
        )


def _shown(read: Positions, size: int, border: str) -> Positions:
    """The pixels that stand at positions of a padded input."""
    if border in _NUMPY_BORDERS and len(read) and (read[0] < 0 or read[-1] >= size):
        ahead, behind = max(-int(read[0]), 0), max(int(read[-1]) - size + 1, 0)
        places = np.pad(np.arange(size), (ahead, behind), mode=_NUMPY_BORDERS[border])  # type: ignore[call-overload]
        return np.unique(places[read + ahead])
    return read[(read >= 0) & (read < size)]


@dataclass(frozen=True)
class Spread(Reach):
    """The transposed window: input i is written to the outputs i · stride - before + taps."""

    kernel: int
    stride: int
    before: int
    dilation: int

    def interval(self, first: int, last: int, size: int) -> Interval:  # noqa: D102
        reach = (self.kernel - 1) * self.dilation
        low = -((reach - first - self.before) // self.stride)
        high = (last + self.before) // self.stride
        return min(low, high), high

    def positions(self, outputs: Positions, size: int) -> Positions:  # noqa: D102
        written = outputs[:, None] + self.before - np.arange(self.kernel) * self.dilation
        read = np.unique(written[written % self.stride == 0] // self.stride)
        return read[(read >= 0) & (read < size)]

    def field(self, before: Field) -> Field:  # noqa: D102
        reach = (self.kernel - 1) * self.dilation
        step = before.jump / self.stride
        # A unit sees the inputs of its own phase only.
        return Field(
            step,
            before.start + step * (self.before - Fraction(reach, 2)),
            before.size + before.jump * (reach // self.stride),
        )


@dataclass(frozen=True)
class Blocks(Reach):
    """Output i reads input i // factor."""

    factor: int

    def interval(self, first: int, last: int, size: int) -> Interval:  # noqa: D102
        return first // self.factor, last // self.factor

    def positions(self, outputs: Positions, size: int) -> Positions:  # noqa: D102
        return np.unique(outputs // self.factor)

    def field(self, before: Field) -> Field:  # noqa: D102
        step = before.jump / self.factor
        return Field(step, before.start + step / 2 - before.jump / 2, before.size)


@dataclass(frozen=True)
class Listed(Reach):
    """The first and the last position that each output reads, from lists."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    inputs: int
    aligned: bool = False  # the centres of the outermost pixels meet, not their outer edges

    def interval(self, first: int, last: int, size: int) -> Interval:  # noqa: D102
        a, b = (min(max(i, 0), len(self.low) - 1) for i in (first, last))
        return min(self.low[a : b + 1]), max(self.high[a : b + 1])

    def positions(self, outputs: Positions, size: int) -> Positions:  # noqa: D102
        read = [np.arange(self.low[i], self.high[i] + 1) for i in outputs]
        return np.unique(np.concatenate(read)) if read else outputs

    def field(self, before: Field) -> Field:  # noqa: D102
        outputs = len(self.low)
        widest = max(b - a for a, b in zip(self.low, self.high, strict=True))
        size = before.size + before.jump * widest
        if self.aligned:
            ratio = Fraction(self.inputs - 1, max(outputs - 1, 1))
            return Field(before.jump * ratio, before.start, size)
        ratio = Fraction(self.inputs, outputs)
        return Field(before.jump * ratio, before.start + before.jump * (ratio - 1) / 2, size)


def parts(inputs: int, outputs: int) -> Listed:
    """Adaptive pooling: output i reads from floor(i n / m) to before ceil((i + 1) n / m)."""
    low = tuple([i * inputs // outputs for i in range(outputs)])
    high = tuple([-(-(i + 1) * inputs // outputs) - 1 for i in range(outputs)])
    return Listed(low, high, inputs)


def from_weights(weights: np.ndarray, aligned: bool) -> Listed:
    """From the matrix (inputs, outputs) of a linear operation: where it is not zero."""
    read = weights != 0
    low = read.argmax(axis=0)
    high = len(read) - 1 - read[::-1].argmax(axis=0)
    return Listed(tuple(map(int, low)), tuple(map(int, high)), len(read), aligned)


def united(fields: list[Field], count: int) -> Field:
    """What the units of a map of `count` see over several ways.

    Where the ways disagree about the distance of neighbours, one of them shows every unit the same:
    then all are taken to see what any of them sees.
    """
    jump = fields[0].jump
    alike = all(field.jump == jump for field in fields)
    ends = [field.span(0, 0) if alike else field.span(0, count - 1) for field in fields]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    return Field(jump if alike else Fraction(0), (low + high) / 2, high - low)
