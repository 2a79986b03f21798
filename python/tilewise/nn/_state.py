"""State dicts: what a module's parameters and buffers hold, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tilewise import _core
from tilewise._arguments import describe

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.nn.module import Module
    from tilewise.tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """What a state dict lacks, and what it has beyond the module's names."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"missing keys: {self.missing_keys}, unexpected keys: {self.unexpected_keys}"


def state_of(module: Module, prefix: str) -> dict[str, Tensor]:
    """Parameters and saved buffers by name; a shared one appears under each of its names."""
    state: dict[str, Tensor] = {}
    for name, parameter in module._parameters.items():
        if parameter is not None:
            state[prefix + name] = parameter.detach()
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._transient:
            state[prefix + name] = buffer.detach()
    for name, part in module._modules.items():
        if part is not None:
            state.update(part.state_dict(prefix=f"{prefix}{name}."))
    return state


def _array_of(name: str, value: Any) -> Array:
    """A value of a state dict as an array of the core."""
    array = getattr(value, "_array", None)
    if array is not None:
        return array  # type: ignore[no-any-return]
    try:
        values = np.asarray(value.detach() if hasattr(value, "detach") else value)
        return _core.Array.from_numpy(values)
    except TypeError:
        raise TypeError(
            f"load_state_dict: expected {name} as a tensor or an array, got {describe(value)}"
        ) from None


def load_state(module: Module, given: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    """Copy a state dict into a module, or say everything that does not fit and change nothing."""
    own = state_of(module, "")
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    arrays = {name: _array_of(name, given[name]) for name in own if name in given}
    mismatched = [
        f"{name}: the module has {own[name].shape}, the state dict {array.shape}"
        for name, array in arrays.items()
        if own[name].shape != array.shape
    ]
    problems = []
    if strict and missing:
        problems.append("missing from the state dict: " + ", ".join(missing))
    if strict and unexpected:
        problems.append("unexpected in the state dict: " + ", ".join(unexpected))
    if mismatched:
        problems.append("other shapes:\n    " + "\n    ".join(mismatched))
    if problems:
        raise RuntimeError(
            f"load_state_dict: the state dict does not fit {type(module).__name__}\n  "
            + "\n  ".join(problems)
        )
    for name, array in arrays.items():
        own[name]._array.copy_(array)
    return IncompatibleKeys(missing, unexpected)
