"""Neighbours that `Sequential` runs in fewer passes over memory.

    convolution, ReLU       the ReLU is applied where the convolution writes its output
    batch norm, ReLU        the ReLU is applied, and its gradient taken, in batch norm's passes
    ReLU, batch norm        (after a convolution) the ReLU's gradient is taken in batch norm's pass

Each pass saved reads and writes a whole activation. The numbers are those of one module after the
other, to the bit. A module with hooks, or of a class derived from these, runs by itself.

With `collect_statistics` set, a convolution before a batch norm (or with a ReLU between them)
collects the batch's statistics where it writes its output, which saves batch norm's first pass. The
sums then have another order: results agree within rounding, and still have the same bits at any
number of threads. It is off because it gains nothing dependable: the pass finds most outputs in the
caches, and an output that is collected from cannot be stored past them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tilewise.functional.conv import Options
from tilewise.nn.activation import ReLU
from tilewise.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from tilewise.nn.conv import CausalConv1d, Conv1d, Conv2d, Conv3d

if TYPE_CHECKING:
    from tilewise.nn.module import Module

_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d, CausalConv1d)
_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_RELU = (ReLU,)

# Measured (2 cores, AVX-512): 0.92 to 1.04 of the speed for 3x3 layers and Fashion-MNIST; for 1x1
# layers with outputs of 20 to 30 MB 1.06 to 1.17 times as fast on one thread, 0.90 to 1.14 on two;
# beyond the caches, where the plain form streams, 0.8 to 1.0.
collect_statistics = False
_enabled = True


@contextmanager
def disabled() -> Iterator[None]:
    """Meanwhile every module runs by itself, so that each can be observed."""
    global _enabled  # noqa: PLW0603
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def _is(modules: Sequence[Module], i: int, kinds: tuple[type[Module], ...]) -> bool:
    """Whether module i exists, is exactly of one of these classes, and has no hooks."""
    if i >= len(modules) or type(modules[i]) not in kinds:
        return False
    return not (modules[i]._forward_hooks or modules[i]._forward_pre_hooks)


def groups(modules: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Where the neighbours that run together begin and end; a module by itself is a group too."""
    i = 0
    while i < len(modules):
        begin = i
        relu, norm = _takes(modules, begin)
        i += 1 + relu + norm
        if not relu and _is(modules, i - 1, _NORMS) and _is(modules, i, _RELU):
            i += 1
        yield begin, i


def _takes(modules: Sequence[Any], i: int) -> tuple[bool, bool]:
    """Whether module i is a convolution that takes in a ReLU after it, and a batch norm."""
    if not _is(modules, i, _CONVOLUTIONS):
        return False, False
    relu = _is(modules, i + 1, _RELU)
    return relu, _is(modules, i + 1 + relu, _NORMS)


def run(modules: Sequence[Any], input: Any) -> Any:
    """The modules applied in order."""
    if not _enabled:
        for module in modules:
            input = module(input)
        return input
    i = 0
    while i < len(modules):
        step = _convolution if _is(modules, i, _CONVOLUTIONS) else _other
        input, i = step(modules, i, input)
    return input


def _convolution(modules: Sequence[Any], i: int, input: Any) -> tuple[Any, int]:
    """A convolution and what it takes in; the result and the place of the next module."""
    relu, norm_follows = _takes(modules, i)
    at = i + 1 + relu
    if not norm_follows:
        return modules[i].convolve(input, Options(activation="relu" if relu else "none"))[0], at
    norm = modules[at]
    options = Options(
        activation="relu" if relu else "none",
        masked=relu,
        statistics=collect_statistics and norm.uses_batch(),
    )
    output, statistics = modules[i].convolve(input, options)
    relu_follows = not relu and _is(modules, at + 1, _RELU)
    output = norm.normalise(output, relu=relu_follows, input_relu=relu, statistics=statistics)
    return output, at + 1 + relu_follows


def _other(modules: Sequence[Any], i: int, input: Any) -> tuple[Any, int]:
    if _is(modules, i, _NORMS) and _is(modules, i + 1, _RELU):
        return modules[i].normalise(input, relu=True), i + 2
    return modules[i](input), i + 1
