"""Modules made of modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from tilewise._arguments import as_int, wrong_type
from tilewise.nn import fusion
from tilewise.nn.module import Module


def _module(op: str, value: Any) -> Module:
    if not isinstance(value, Module):
        raise wrong_type(op, "a part", "a Module", value)
    return value


class _Listed(Module):
    """Parts under the names "0", "1" and so on."""

    def _parts(self) -> list[Module]:
        return [part for part in self._modules.values() if part is not None]

    def _key(self, index: int) -> str:
        keys = list(self._modules)
        position = as_int(type(self).__name__, "index", index)
        if not -len(keys) <= position < len(keys):
            raise IndexError(
                f"{type(self).__name__}: expected an index below {len(keys)}, got {position}"
            )
        return keys[position]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts())

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[self._key(index)] = _module(type(self).__name__, module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)
        doomed = keys[index] if isinstance(index, slice) else [self._key(index)]
        for key in doomed:
            del self._modules[key]
        if all(key.isdigit() for key in keys):  # numbers stay consecutive
            parts = list(self._modules.values())
            self._modules.clear()
            self._modules.update({str(i): part for i, part in enumerate(parts)})

    def append(self, module: Module) -> Any:
        """Add a part at the end; returns the container."""
        self.add_module(str(len(self)), _module(f"{type(self).__name__}.append", module))
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add parts at the end; returns the container."""
        for module in modules:
            self.append(module)
        return self

    def pop(self, key: int) -> Module:
        """Remove a part and return it."""
        part = self._modules[self._key(key)]
        assert part is not None
        del self[key]
        return part

    def insert(self, index: int, module: Module) -> Any:
        """Add a part before `index`; returns the container."""
        parts = self._parts()
        parts.insert(as_int("insert", "index", index), _module("insert", module))
        self._modules.clear()
        self._modules.update({str(i): part for i, part in enumerate(parts)})
        return self


class Sequential(_Listed):
    """Modules applied one after the other.

    Args:
        args: the modules in order, or one mapping of names to modules.

    Example:
        >>> net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        >>> net[0].weight.shape
        (128, 784)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, _module("Sequential", module))
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), _module("Sequential", module))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        """One part, or a Sequential of several that shares them."""
        if isinstance(index, slice):
            return Sequential(OrderedDict(list(self._modules.items())[index]))
        part = self._modules[self._key(index)]
        assert part is not None
        return part

    def forward(self, input: Any) -> Any:
        """The parts in order; what can share a pass over memory does (see `fusion.py`)."""
        return fusion.run(self._parts(), input)


class ModuleList(_Listed):
    """A list of modules; it registers them and computes nothing itself.

    Args:
        modules: the parts.

    Example:
        >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> x = tw.ones(2, 4)
        >>> for layer in layers:
        ...     x = layer(x)
        >>> len(layers), x.shape
        (3, (2, 4))
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module:
        """One part, or a ModuleList of several that shares them."""
        if isinstance(index, slice):
            return ModuleList(self._parts()[index])
        part = self._modules[self._key(index)]
        assert part is not None
        return part


class ModuleDict(Module):
    """A dict of modules; it registers them and computes nothing itself.

    Args:
        modules: names and parts, as a mapping or pairs.

    Example:
        >>> heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})
        >>> heads["b"](tw.ones(1, 4)).shape
        (1, 3)
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace parts."""
        pairs = modules.items() if isinstance(modules, Mapping) else modules
        for name, module in pairs:
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        part = self._modules[name]
        assert part is not None
        return part

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, _module("ModuleDict", module))

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The parts."""
        return [part for part in self._modules.values() if part is not None]

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and parts."""
        return [(name, part) for name, part in self._modules.items() if part is not None]

    def pop(self, name: str) -> Module:
        """Take a part out."""
        part = self[name]
        del self[name]
        return part
