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

Interval = tuple[int, int]  # first and last position

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

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:
        """The positions of an input of `size` that the outputs from first to last read.

        With `clip`, padding that shows pixels of the input counts as these; without, positions may
        lie beyond the input.
        """
        return first, last

    def field(self, before: Field) -> Field:
        """The receptive field of the output for that of the input."""
        return before


SAME = Reach()


@dataclass(frozen=True)
class Whole(Reach):
    """Every output reads all of the input."""

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:  # noqa: D102
        return 0, size - 1


@dataclass(frozen=True)
class Slide(Reach):
    """A window of `kernel` taps that moves by `stride`."""

    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1
    border: str = "zeros"

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:  # noqa: D102
        low = first * self.stride - self.before
        high = last * self.stride - self.before + (self.kernel - 1) * self.dilation
        if clip and self.border in _NUMPY_BORDERS and (low < 0 or high >= size):
            return _shown(low, high, size, self.border)
        return low, high

    def field(self, before: Field) -> Field:  # noqa: D102
        reach = (self.kernel - 1) * self.dilation
        return Field(
            before.jump * self.stride,
            before.start + before.jump * (Fraction(reach, 2) - self.before),
            before.size + before.jump * reach,
        )


def _shown(low: int, high: int, size: int, border: str) -> Interval:
    """The pixels that stand at padded positions."""
    ahead, behind = max(-low, 0), max(high - size + 1, 0)
    places = np.pad(np.arange(size), (ahead, behind), mode=_NUMPY_BORDERS[border])  # type: ignore[call-overload]
    seen = places[low + ahead : high + ahead + 1]
    return int(seen.min()), int(seen.max())


@dataclass(frozen=True)
class Spread(Reach):
    """The transposed window: input i is written to the outputs i · stride - before + taps."""

    kernel: int
    stride: int
    before: int
    dilation: int

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:  # noqa: D102
        reach = (self.kernel - 1) * self.dilation
        low = -((reach - first - self.before) // self.stride)
        high = (last + self.before) // self.stride
        return low, high

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

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:  # noqa: D102
        return first // self.factor, last // self.factor

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

    def interval(self, first: int, last: int, size: int, clip: bool) -> Interval:  # noqa: D102
        a, b = (min(max(i, 0), len(self.low) - 1) for i in (first, last))
        return min(self.low[a : b + 1]), max(self.high[a : b + 1])

    def field(self, before: Field) -> Field:  # noqa: D102
        outputs = len(self.low)
        widest = max(h - l for l, h in zip(self.low, self.high, strict=True))
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


def united(fields: list[Field]) -> Field | None:
    """What a unit sees over several ways; None where their units do not lie alike."""
    jump = fields[0].jump
    if any(field.jump != jump for field in fields):
        return None
    ends = [field.span(0, 0) for field in fields]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    return Field(jump, (low + high) / 2, high - low)

