"""Neighbours that `Sequential` runs in fewer passes over memory.

    convolution, ReLU       the ReLU is applied where the convolution writes its output
    batch norm, ReLU        the ReLU is applied, and its gradient taken, in batch norm's passes
    ReLU, batch norm        (after a convolution) the ReLU's gradient is taken in batch norm's pass

Each pass saved reads and writes a whole activation. The numbers are those of one module after the
other, to the bit. A module with hooks, or of a class derived from these, runs by itself.
"""

from __future__ import annotations

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

_CONV_RELU = Options(relu=True)
_CONV_RELU_NORM = Options(relu=True, masked=True)


def _is(modules: Sequence[Module], i: int, kinds: tuple[type[Module], ...]) -> bool:
    """Whether module i exists, is exactly of one of these classes, and has no hooks."""
    if i >= len(modules) or type(modules[i]) not in kinds:
        return False
    return not (modules[i]._forward_hooks or modules[i]._forward_pre_hooks)


def run(modules: Sequence[Any], input: Any) -> Any:
    """The modules applied in order."""
    i = 0
    while i < len(modules):
        module = modules[i]
        relu_follows = _is(modules, i + 1, _RELU)
        if relu_follows and _is(modules, i, _CONVOLUTIONS):
            if _is(modules, i + 2, _NORMS):
                input = module.convolve(input, _CONV_RELU_NORM)
                input = modules[i + 2].normalise(input, input_relu=True)
                i += 3
            else:
                input = module.convolve(input, _CONV_RELU)
                i += 2
        elif relu_follows and _is(modules, i, _NORMS):
            input = module.normalise(input, relu=True)
            i += 2
        else:
            input = module(input)
            i += 1
    return input
