"""Convolutions from bench/shapes/*.txt; README.md describes the format."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

SHAPES = Path(os.environ.get("TILEWISE_BENCH_SHAPES", Path(__file__).parent / "shapes"))
OTHER_OPS = ("elementwise", "gemm", "pool")  # files of other operations, in the same folder
KEYS = {"n", "c", "k", "hw", "map", "r", "stride", "pad", "dilation", "groups", "count"}


@dataclass(frozen=True)
class Conv:
    """One layer: a line of a file."""

    network: str
    name: str
    n: int
    c: int
    k: int
    map: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    count: int  # of such layers in the network

    @property
    def input(self) -> tuple[int, ...]:
        return (self.n, self.c, *self.map)

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.k, self.c // self.groups, *self.kernel)

    @property
    def output(self) -> tuple[int, ...]:
        geometry = zip(self.map, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        return (
            self.n,
            self.k,
            *((m + 2 * p - d * (r - 1) - 1) // s + 1 for m, r, s, p, d in geometry),
        )

    @property
    def flops(self) -> float:
        """Of the direct form, the same in every direction."""
        return 2.0 * math.prod(self.output) * math.prod(self.weight[1:])

    @property
    def bytes(self) -> float:
        """Input, weights and output moved once, the same in every direction."""
        return 4.0 * (math.prod(self.input) + math.prod(self.weight) + math.prod(self.output))

    def with_batch(self, n: int) -> Conv:
        return replace(self, n=n)


def read(path: Path) -> list[Conv]:
    """The layers of a file. Raises ValueError with file and line for one that is not in order."""
    layers: dict[str, Conv] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            layer = _layer(path.stem, words[0], _values(words[1:]))
            if layer.name in layers:
                raise ValueError(f"a second layer named {layer.name!r}")
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
        layers[layer.name] = layer
    return list(layers.values())


def _values(words: list[str]) -> dict[str, tuple[int, ...]]:
    values: dict[str, tuple[int, ...]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        parts = text.split("x")
        if not equals or not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError(f"expected key=number or key=number x number …, got {word!r}")
        if key not in KEYS:
            raise ValueError(f"unknown key {key!r}; known are {', '.join(sorted(KEYS))}")
        if key in values:
            raise ValueError(f"{key}= is given twice")
        values[key] = tuple(int(part) for part in parts)
    return values


def _layer(network: str, name: str, values: dict[str, tuple[int, ...]]) -> Conv:
    if ("hw" in values) == ("map" in values):
        raise ValueError("expected either hw= or map=")

    def one(key: str, fallback: int | None = None) -> int:
        value = values.get(key, () if fallback is None else (fallback,))
        if len(value) != 1 or value[0] < 1:
            raise ValueError(f"expected {key}= with one positive number")
        return value[0]

    image = values["map"] if "map" in values else (one("hw"),) * 2
    rank = len(image)

    def each(key: str, least: int, fallback: int | None = None) -> tuple[int, ...]:
        value = values.get(key, () if fallback is None else (fallback,))
        if len(value) not in (1, rank) or min(value) < least:
            raise ValueError(f"expected {key}= with 1 or {rank} numbers of {least} or more")
        return value * rank if len(value) == 1 else value

    layer = Conv(
        network=network,
        name=name,
        n=one("n"),
        c=one("c"),
        k=one("k"),
        map=image,
        kernel=each("r", 1),
        stride=each("stride", 1, 1),
        pad=each("pad", 0, 0),
        dilation=each("dilation", 1, 1),
        groups=one("groups", 1),
        count=one("count", 1),
    )
    if rank > 3 or min(image) < 1:
        raise ValueError("expected one to three positive numbers in map=")
    if layer.c % layer.groups or layer.k % layer.groups:
        raise ValueError(f"groups={layer.groups} does not divide c={layer.c} and k={layer.k}")
    if min(layer.output) < 1:
        raise ValueError(f"the output has shape {layer.output}")
    return layer


def files() -> list[Path]:
    """The files of convolutions, one a network."""
    return sorted(path for path in SHAPES.glob("*.txt") if path.stem not in OTHER_OPS)
