"""State dicts: what a module's parameters and buffers hold, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tilewise import _core
from tilewise._arguments import describe
from tilewise.nn._state_diff import StateDiff, compare

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


def state_of(module: Module, prefix: str, keep_vars: bool = False) -> dict[str, Tensor]:
    """Parameters and saved buffers by name; a shared one appears under each of its names."""
    more: dict[str, Any] = {"keep_vars": True} if keep_vars else {}
    state: dict[str, Tensor] = {}
    for name, parameter in module._parameters.items():
        if parameter is not None:
            state[prefix + name] = parameter if keep_vars else parameter.detach()
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._transient:
            state[prefix + name] = buffer if keep_vars else buffer.detach()
    for name, part in module._modules.items():
        if part is not None:
            state.update(part.state_dict(prefix=f"{prefix}{name}.", **more))
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


def optional_names(module: Module) -> set[str]:
    """Names that a state dict may lack: counts that files of other libraries do not have."""
    return {
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        for name in part._optional_state
    }


def diff_of(module: Module, given: Mapping[str, Any]) -> StateDiff:
    """How a state dict of tensors or arrays differs from the module's own."""
    own = {name: tuple(value.shape) for name, value in state_of(module, "").items()}
    found = {name: tuple(map(int, value.shape)) for name, value in given.items()}
    return compare(type(module).__name__, own, found, optional_names(module))


def load_state(
    module: Module, given: Mapping[str, Any], strict: bool, assign: bool = False
) -> IncompatibleKeys:
    """Copy a state dict into a module, or say everything that does not fit and change nothing."""
    own = state_of(module, "", keep_vars=True)
    arrays = {name: _array_of(name, given[name]) for name in own if name in given}
    shapes = {name: tuple(getattr(value, "shape", ())) for name, value in given.items()}
    shapes.update((name, tuple(array.shape)) for name, array in arrays.items())
    expected = {name: tuple(value.shape) for name, value in own.items()}
    diff = compare(type(module).__name__, expected, shapes, optional_names(module))
    if diff.shapes or (strict and diff):
        raise RuntimeError(f"load_state_dict: {diff}")
    for name, array in arrays.items():
        if assign:
            own[name]._array = array
        else:
            own[name]._array.copy_(array)
    return IncompatibleKeys([e.name for e in diff.missing], [e.name for e in diff.unexpected])
