"""Einstein summation through transposition and batched matrix products.

The operands are joined pairwise from left to right. The labels of a pair fall into four kinds:
batch (in both and needed later), summed (in both and not needed later), and those of one operand
alone. Each operand is brought into the order (batch, own, summed) or (batch, summed, own), and one
batched product does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tilewise._arguments import array_of, describe
from tilewise._ops import linalg, matrix, reduction, shape

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _sublists(operands: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """`einsum(x, [0, 1], y, [1, 2], [0, 2])` in the form of an equation."""

    def letters(labels: Any) -> str:
        return "".join("..." if i is Ellipsis else _LETTERS[int(i)] for i in labels)

    tensors = list(operands[0 : len(operands) - len(operands) % 2 : 2])
    terms = [letters(labels) for labels in operands[1::2]][: len(tensors)]
    equation = ",".join(terms)
    if len(operands) % 2:
        equation += "->" + letters(operands[-1])
    return equation, tensors


@lru_cache(maxsize=256)
def _parse(equation: str, ranks: tuple[int, ...]) -> tuple[list[list[str]], list[str]]:
    """The labels of each operand and of the result; "..." gives ".0", ".1" and on."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(
            f"einsum: expected {len(terms)} operands for {equation!r}, got {len(ranks)}"
        )
    dots = 0
    for term, ndim in zip(terms, ranks, strict=True):
        if "..." in term:
            dots = max(dots, ndim - len(term) + 3)

    def labels(term: str, count: int) -> list[str]:
        before, ellipsis, after = term.partition("...")
        if any(c not in _LETTERS for c in before + after):
            raise ValueError(f"einsum: expected letters, ',', '...' and '->', got {equation!r}")
        middle = [f".{i}" for i in range(dots - count, dots)] if ellipsis else []
        return [*before, *middle, *after]

    inputs = []
    for term, ndim in zip(terms, ranks, strict=True):
        found = labels(term, max(ndim - len(term.replace("...", "")), 0))
        if len(found) != ndim:
            raise ValueError(f"einsum: expected {len(found)} dimensions for {term!r}, got {ndim}")
        inputs.append(found)
    every = [label for found in inputs for label in found]
    if arrow:
        output = labels(right, dots)
        if len(set(output)) != len(output):
            raise ValueError(f"einsum: expected distinct labels in the result, got {equation!r}")
        unknown = [label for label in output if label not in every and label[0] != "."]
        if unknown:
            raise ValueError(f"einsum: no operand has the label {unknown[0]!r} of {equation!r}")
        output = [label for label in output if label in every]
    else:
        singles = sorted({c for c in every if c[0] != "." and every.count(c) == 1})
        output = [f".{i}" for i in range(dots)] + singles
    return inputs, output


def _without_repeats(x: Tensor, labels: list[str]) -> tuple[Tensor, list[str]]:
    """A label that stands twice means the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"einsum: label {label!r} has sizes {x.shape[first]} and {x.shape[second]}"
                )
            x = matrix.diagonal(x, 0, first, second)
            labels = [c for i, c in enumerate(labels) if i not in {first, second}] + [label]
    return x, labels


def _ordered(x: Tensor, labels: Sequence[str], order: Sequence[str]) -> Tensor:
    """The dimensions in this order; a label that the tensor lacks becomes a dimension of size 1."""
    present = [label for label in order if label in labels]
    x = shape.permute(x, [labels.index(label) for label in present])
    return shape.reshape(x, [x.shape[present.index(c)] if c in present else 1 for c in order])


def _summed(x: Tensor, labels: list[str], needed: Sequence[str]) -> tuple[Tensor, list[str]]:
    axes = [i for i, label in enumerate(labels) if label not in needed]
    if not axes:
        return x, labels
    return reduction.sum(x, axes), [label for label in labels if label in needed]


def _pair(
    x: Tensor, xs: list[str], y: Tensor, ys: list[str], needed: Sequence[str]
) -> tuple[Tensor, list[str]]:
    x, xs = _summed(x, xs, [*ys, *needed])
    y, ys = _summed(y, ys, [*xs, *needed])
    sizes = dict(zip(ys, y.shape, strict=True))
    for label, n in zip(xs, x.shape, strict=True):  # a size of 1 broadcasts
        sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
        if n not in {1, sizes[label]}:
            raise ValueError(f"einsum: label {label!r} has sizes {sizes[label]} and {n}")
    x = shape.expand(x, [sizes[c] if c in ys else n for c, n in zip(xs, x.shape, strict=True)])
    y = shape.expand(y, [sizes[c] if c in xs else n for c, n in zip(ys, y.shape, strict=True)])
    batch = [c for c in xs if c in ys and c in needed]
    summed = [c for c in xs if c in ys and c not in needed]
    own_x = [c for c in xs if c not in ys]
    own_y = [c for c in ys if c not in xs]

    def count(labels: Sequence[str]) -> int:
        return math.prod(sizes[c] for c in labels)

    sizes.update(zip(xs, x.shape, strict=True))
    left = shape.reshape(
        _ordered(x, xs, [*batch, *own_x, *summed]), count(batch), count(own_x), count(summed)
    )
    right = shape.reshape(
        _ordered(y, ys, [*batch, *summed, *own_y]), count(batch), count(summed), count(own_y)
    )
    labels = [*batch, *own_x, *own_y]
    return shape.reshape(linalg.matmul(left, right), [sizes[c] for c in labels]), labels


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products of elements summed over labelled dimensions.

    Args:
        equation: labels of the operands' dimensions, "ij,jk->ik". A label that the result lacks is
            summed over; without "->" the result has the labels that occur once, in order. "..."
            stands for dimensions that broadcast.
        operands: the tensors, one for each term.

    Raises:
        ValueError: where labels and shapes do not fit.

    Example:
        >>> tw.einsum("bij,bjk->bik", tw.ones(2, 3, 4), tw.ones(2, 4, 5)).shape
        (2, 3, 5)
        >>> tw.einsum("ii->i", tw.eye(2))
        tensor([1., 1.])
    """
    if not isinstance(equation, str):
        equation, tensors = _sublists((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], tuple | list):
        tensors = list(operands[0])
    else:
        tensors = list(operands)
    if not tensors:
        raise ValueError(f"einsum: expected at least one operand, got {describe(operands)}")
    ranks = tuple([array_of("einsum", "operands", tensor).ndim for tensor in tensors])
    inputs, output = _parse(equation, ranks)
    x, xs = _without_repeats(tensors[0], inputs[0])
    for i, tensor in enumerate(tensors[1:], 1):
        y, ys = _without_repeats(tensor, inputs[i])
        later = [label for labels in inputs[i + 1 :] for label in labels]
        x, xs = _pair(x, xs, y, ys, [*output, *later])
    x, xs = _summed(x, xs, output)
    return shape.permute(x, [xs.index(label) for label in output]) if xs else x
