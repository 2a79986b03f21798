"""Neighbours that `Sequential` runs in fewer passes over memory.

    convolution, ReLU       the ReLU is applied where the convolution writes its output
    batch norm, ReLU        the ReLU is applied, and its gradient taken, in batch norm's passes
    ReLU, batch norm        (after a convolution) the ReLU's gradient is taken in batch norm's pass
    1x1 convolution, [ReLU,] batch norm
                            in training, for large outputs: the convolution collects the statistics

Each pass saved reads and writes a whole activation. The numbers are those of one module after the
other, to the bit but for collected statistics: these are sums in another order. A module with
hooks, or of a class derived from these, runs by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tilewise.functional.conv import Options
from tilewise.nn.activation import ReLU
from tilewise.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from tilewise.nn.conv import Conv1d, Conv2d, Conv3d

if TYPE_CHECKING:
    from tilewise.nn.module import Module

_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)
_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_RELU = (ReLU,)

# Elements of an output from which collecting its statistics is faster than a pass over it: 20 MB.
# Measured: 3 to 16 % of a 1x1 convolution with batch norm. Below, the pass finds the output in the
# caches, and a larger kernel has more arithmetic to each output: no difference beyond 2 %.
_LARGE_OUTPUT = 5_000_000


def _is(modules: Sequence[Module], i: int, kinds: tuple[type[Module], ...]) -> bool:
    """Whether module i exists, is exactly of one of these classes, and has no hooks."""
    if i >= len(modules) or type(modules[i]) not in kinds:
        return False
    return not (modules[i]._forward_hooks or modules[i]._forward_pre_hooks)


def run(modules: Sequence[Any], input: Any) -> Any:
    """The modules applied in order."""
    i = 0
    while i < len(modules):
        step = _convolution if _is(modules, i, _CONVOLUTIONS) else _other
        input, i = step(modules, i, input)
    return input


def _convolution(modules: Sequence[Any], i: int, input: Any) -> tuple[Any, int]:
    """A convolution and what it takes in; the result and the place of the next module."""
    relu = _is(modules, i + 1, _RELU)
    at = i + 1 + relu
    if not _is(modules, at, _NORMS):
        return modules[i].convolve(input, Options(activation="relu" if relu else "none"))[0], at
    norm = modules[at]
    options = Options(
        activation="relu" if relu else "none",
        masked=relu,
        statistics=norm.uses_batch() and _collects(modules[i], input),
    )
    output, statistics = modules[i].convolve(input, options)
    relu_follows = not relu and _is(modules, at + 1, _RELU)
    output = norm.normalise(output, relu=relu_follows, input_relu=relu, statistics=statistics)
    return output, at + 1 + relu_follows


def _collects(convolution: Any, input: Any) -> bool:
    """Whether the convolution should collect the statistics of its output."""
    if any(k != 1 for k in convolution.kernel_size):
        return False
    pixels = math.prod(input.shape) // convolution.in_channels // math.prod(convolution.stride)
    return bool(pixels * convolution.out_channels >= _LARGE_OUTPUT)


def _other(modules: Sequence[Any], i: int, input: Any) -> tuple[Any, int]:
    if _is(modules, i, _NORMS) and _is(modules, i + 1, _RELU):
        return modules[i].normalise(input, relu=True), i + 2
    return modules[i](input), i + 1
