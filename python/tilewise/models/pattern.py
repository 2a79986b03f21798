"""Networks from the pattern that lectures write: `[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K-SOFTMAX`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from .. import nn
from .._arguments import as_bool, as_int, as_shape

LAYERS = ("CONV", "RELU", "BN", "POOL", "DROPOUT", "FC", "SOFTMAX")
CLOSING = {"(": ")", "[": "]"}
# What keeps a hostile string from costing much.
MAX_LENGTH, MAX_DEPTH, MAX_COUNT, MAX_LAYERS = 1000, 16, 1000, 2000
MAX_PARAMETERS = 2**29  # 2 GiB
TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z_]+)|(?P<number>[0-9]+)|(?P<mark>[-*?()\[\]]))")


@dataclass(frozen=True)
class Token:
    """A word, a number or a mark, and where it stands; at the end of the string a mark of ""."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Part:
    """A layer, or the parts in a pair of brackets, so many times; `size` layers in all."""

    layer: str
    parts: tuple[Part, ...]
    times: int
    at: int
    size: int

    def unrolled(self) -> Iterator[Part]:
        """Its layers in order."""
        for _ in range(self.times if self.size else 0):
            if self.layer:
                yield self
            else:
                for part in self.parts:
                    yield from part.unrolled()


def _part(layer: str, parts: tuple[Part, ...], times: int, at: int) -> Part:
    once = sum(part.size for part in parts) if parts else 1
    return Part(layer, parts, times, at, times * once)


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, text: str, counts: Mapping[str, int], optional: bool) -> None:
        self.text, self.counts, self.optional = text, counts, optional
        self.tokens = self._tokens()
        self.next = next(self.tokens)

    def fail(self, problem: str, at: int) -> NoReturn:
        """Raise with the pattern and a mark under the place."""
        start = max(0, at - 60)
        line = "".join(c if c.isprintable() else "?" for c in self.text[start : at + 20])
        raise ValueError(f"from_pattern: {problem}, at {at}:\n  {line}\n  {' ' * (at - start)}^")

    def _tokens(self) -> Iterator[Token]:
        at = 0
        end = len(self.text.rstrip())
        while at < end:
            match = TOKEN.match(self.text, at)
            if match is None or match.lastgroup is None:
                while self.text[at].isspace():
                    at += 1
                self.fail(f"expected a layer, a bracket, -, * or ?, got {self.text[at]!r}", at)
            at = match.end()
            yield Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        while True:
            yield Token("mark", "", end)

    def take(self) -> Token:
        token, self.next = self.next, next(self.tokens)
        return token

    def sequence(self, closing: str, depth: int) -> tuple[Part, ...]:
        """Parts with `-` between them, up to a closing bracket or the end."""
        parts = [self.part(depth)]
        while self.next.text == "-":
            self.take()
            parts.append(self.part(depth))
        if self.next.text != closing:
            wanted = f"- or {closing}" if closing else "- or the end"
            self.fail(f"expected {wanted}, got {self.next.text or 'the end'}", self.next.at)
        self.take()
        return tuple(parts)

    def part(self, depth: int) -> Part:
        token = self.take()
        layer, parts = token.text, tuple[Part, ...]()
        if token.text in CLOSING:
            if depth == MAX_DEPTH:
                self.fail(f"expected at most {MAX_DEPTH} brackets within each other", token.at)
            layer, parts = "", self.sequence(CLOSING[token.text], depth + 1)
        elif token.text not in LAYERS:
            wanted = f"one of {', '.join(LAYERS)}, or a bracket"
            self.fail(f"expected {wanted}, got {token.text[:20] or 'the end'}", token.at)
        times = 1
        if self.next.text == "?":
            self.take()
            times = int(self.optional)
        if self.next.text == "*":
            self.take()
            times *= self.count()
        part = _part(layer, parts, times, token.at)
        if part.size > MAX_LAYERS:
            self.fail(f"expected at most {MAX_LAYERS} layers, got {part.size}", token.at)
        return part

    def count(self) -> int:
        token = self.take()
        if token.kind == "number":
            count = int(token.text[:6])
        elif token.kind == "word" and token.text in self.counts:
            count = as_int("from_pattern", f"counts[{token.text!r}]", self.counts[token.text], 0)
        else:
            given = f" or one of {', '.join(self.counts)}" if self.counts else ""
            got = token.text[:20] or "the end"
            self.fail(f"expected a number{given} after *, got {got}", token.at)
        if count > MAX_COUNT:
            self.fail(f"expected at most {MAX_COUNT} times, got {token.text[:20]}", token.at)
        return count


@dataclass
class _Builder:
    """Layers so far, and the shape of what they return."""

    parser: _Parser
    shape: tuple[int, ...]
    num_classes: int
    filters: Sequence[int]
    hidden: Sequence[int]
    kernel_size: int
    pools: int = 0
    linear: int = 0
    parameters: int = 0

    def build(self, parts: Sequence[Part]) -> nn.Sequential:
        """The network, its weights not filled yet."""
        layers: list[nn.Module] = []
        for i, part in enumerate(parts):
            following = parts[i + 1].layer if i + 1 < len(parts) else ""
            layers += self.layers(part, following, parts[i - 1].layer if i else "")
        return nn.Sequential(*layers)

    def layers(self, part: Part, following: str, before: str) -> list[nn.Module]:
        """The modules of one layer of the pattern."""
        if part.layer == "RELU":
            return [nn.ReLU()]
        if part.layer == "DROPOUT":
            return [nn.Dropout(0.5)]
        if part.layer == "BN":
            channels = self.shape[0]
            return [nn.BatchNorm2d(channels) if len(self.shape) == 3 else nn.BatchNorm1d(channels)]
        if part.layer == "FC":
            last = following == "SOFTMAX"
            width = self.num_classes if last else _width(self.hidden, self.linear)
            self.linear += 1
            return self.fully_connected(width, part)
        if part.layer == "SOFTMAX":
            return [] if before == "FC" else self.fully_connected(self.num_classes, part)
        if len(self.shape) != 3:
            self.parser.fail(f"expected no {part.layer} after the maps are flattened", part.at)
        if part.layer == "POOL":
            return [self.pool(part)]
        width = _width(self.filters, self.pools)
        self.count(self.shape[0] * width * self.kernel_size**2, part)
        conv = nn.Conv2d(self.shape[0], width, self.kernel_size, padding="same")
        self.shape = (width, *self.shape[1:])
        return [conv]

    def pool(self, part: Part) -> nn.Module:
        channels, height, width = self.shape
        if min(height, width) < 2:
            self.parser.fail(f"expected maps of at least 2² to pool, got {height}×{width}", part.at)
        self.shape = (channels, height // 2, width // 2)
        self.pools += 1
        return nn.MaxPool2d(2)

    def fully_connected(self, width: int, part: Part) -> list[nn.Module]:
        flatten = [nn.Flatten()] if len(self.shape) == 3 else []
        self.count(math.prod(self.shape) * width, part)
        linear = nn.Linear(math.prod(self.shape), width)
        self.shape = (width,)
        return [*flatten, linear]

    def count(self, weights: int, part: Part) -> None:
        """Add a layer's weights, before they are allocated."""
        self.parameters += weights
        if self.parameters > MAX_PARAMETERS:
            self.parser.fail(
                f"expected at most {MAX_PARAMETERS:,} weights, got {self.parameters:,}", part.at
            )


def _width(widths: Sequence[int], i: int) -> int:
    return widths[min(i, len(widths) - 1)]


def _widths(name: str, widths: int | Sequence[int]) -> tuple[int, ...]:
    values = [widths] if isinstance(widths, int) else list(widths)
    if not values:
        raise ValueError(f"from_pattern: expected at least one number as {name}, got none")
    return tuple(as_int("from_pattern", name, value, 1) for value in values)


def from_pattern(
    pattern: str,
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    *,
    filters: int | Sequence[int] = (32, 64, 128, 256),
    hidden: int | Sequence[int] = 512,
    counts: Mapping[str, int] | None = None,
    optional: bool = True,
    kernel_size: int = 3,
) -> nn.Sequential:
    """The network that a pattern describes, such as `[(CONV-RELU)*2-POOL]*3-(FC-RELU)*1-SOFTMAX`.

    Layers are CONV (which keeps the size), RELU, BN (batch norm), POOL (the maximum of 2×2),
    DROPOUT (a half), FC and, at the end, SOFTMAX. `-` joins them, brackets group, `*3` repeats and
    `?` marks what may be left out. SOFTMAX stands for the linear layer to the classes (an FC right
    before it is that layer); like every network here, this one returns logits, to which
    `cross_entropy` and `softmax` apply. Weights are initialised for ReLUs (K. He et al., 2015).

    Args:
        pattern: at most 1,000 characters, for at most 2,000 layers.
        input_shape: (C, H, W) of an image.
        num_classes: outputs.
        filters: of the convolutions before the first pool, before the second, …; the last number
            holds from there on.
        hidden: outputs of the first FC, of the second, …; likewise.
        counts: values of letters that stand for numbers, such as {"N": 2, "M": 3, "K": 1}.
        optional: whether parts with a `?` are there.
        kernel_size: of the convolutions.

    Returns:
        (N, C, H, W) → logits (N, num_classes).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a pattern that cannot be read or built, with a mark under the place.

    Example:
        >>> net = models.from_pattern(
        ...     "[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K-SOFTMAX", counts={"N": 2, "M": 3, "K": 1})
        >>> net(tw.zeros(2, 3, 32, 32)).shape
        (2, 10)
        >>> models.from_pattern("[(CONV-RELU*2-POOL]*3-SOFTMAX")
        Traceback (most recent call last):
        ValueError: from_pattern: expected - or ), got ], at 18:
          [(CONV-RELU*2-POOL]*3-SOFTMAX
                            ^
    """
    if not isinstance(pattern, str):
        raise TypeError(f"from_pattern: expected a string, got {type(pattern).__name__}")
    if len(pattern) > MAX_LENGTH:
        raise ValueError(
            f"from_pattern: expected at most {MAX_LENGTH} characters, got {len(pattern)}"
        )
    shape = as_shape("from_pattern", input_shape, 1)
    if len(shape) != 3:
        raise ValueError(f"from_pattern: expected an input shape (C, H, W), got {input_shape}")
    parser = _Parser(pattern, counts or {}, as_bool("from_pattern", "optional", optional))
    top = _part("", parser.sequence("", 0), 1, 0)
    if top.size > MAX_LAYERS:
        parser.fail(f"expected at most {MAX_LAYERS} layers, got {top.size}", 0)
    parts = list(top.unrolled())
    for part in parts[:-1]:
        if part.layer == "SOFTMAX":
            parser.fail("expected SOFTMAX at the end alone", part.at)
    if not parts or parts[-1].layer != "SOFTMAX":
        parser.fail("expected SOFTMAX at the end", len(pattern.rstrip()))
    builder = _Builder(
        parser,
        shape,
        as_int("from_pattern", "num_classes", num_classes, 1),
        _widths("filters", filters),
        _widths("hidden", hidden),
        as_int("from_pattern", "kernel_size", kernel_size, 1),
    )
    with nn.init.skip():
        network = builder.build(parts)
    for module in network:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return network
