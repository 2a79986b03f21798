"""Modules that hold parameters by number or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from tilewise._arguments import as_int, wrong_type
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter
from tilewise.tensor import Tensor


def _parameter(op: str, value: Any) -> Parameter:
    """A parameter; a tensor becomes one."""
    if isinstance(value, Parameter):
        return value
    if not isinstance(value, Tensor):
        raise wrong_type(op, "an entry", "a Parameter or a Tensor", value)
    return Parameter(value)


class ParameterList(Module):
    """A list of parameters, registered under "0", "1" and so on.

    Args:
        values: parameters; tensors become parameters.

    Raises:
        TypeError: for anything else.

    Example:
        >>> scales = nn.ParameterList([tw.ones(2), tw.zeros(3)])
        >>> [name for name, _ in scales.named_parameters()]
        ['0', '1']
        >>> scales[1].shape
        (3,)
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def _list(self) -> list[Parameter]:
        return [p for p in self._parameters.values() if p is not None]

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    def __getitem__(self, index: int | slice) -> Parameter | ParameterList:
        """One parameter, or a list of several."""
        if isinstance(index, slice):
            return ParameterList(self._list()[index])
        return self._list()[as_int("ParameterList", "index", index)]

    def __setitem__(self, index: int, value: Any) -> None:
        keys = list(self._parameters)
        key = keys[as_int("ParameterList", "index", index)]
        self._parameters[key] = _parameter("ParameterList", value)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._list())

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end; returns the list."""
        self.register_parameter(str(len(self)), _parameter("ParameterList.append", value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add parameters at the end; returns the list."""
        if isinstance(values, Tensor | str) or not isinstance(values, Iterable):
            raise wrong_type("ParameterList.extend", "values", "parameters", values)
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return _lines(self._parameters)


class ParameterDict(Module):
    """A dict of parameters.

    Args:
        parameters: names and parameters, as a mapping or pairs; tensors become parameters.

    Raises:
        TypeError: for anything else.

    Example:
        >>> weights = nn.ParameterDict({"scale": tw.ones(2)})
        >>> weights["shift"] = tw.zeros(2)
        >>> sorted(weights.keys())
        ['scale', 'shift']
    """

    def __init__(
        self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace parameters."""
        pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
        for name, value in pairs:
            self[name] = value

    def __getitem__(self, name: str) -> Parameter:
        parameter = self._parameters[name]
        assert parameter is not None
        return parameter

    def __setitem__(self, name: str, value: Any) -> None:
        self.register_parameter(name, _parameter("ParameterDict", value))

    def __delitem__(self, name: str) -> None:
        del self._parameters[name]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Iterable[Parameter]:
        """The parameters."""
        return [self[name] for name in self]

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """Names and parameters."""
        return [(name, self[name]) for name in self]

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter of a name, or the default."""
        return self._parameters.get(name, default)

    def pop(self, name: str) -> Parameter:
        """Take a parameter out."""
        parameter = self[name]
        del self[name]
        return parameter

    def clear(self) -> None:
        """Take all parameters out."""
        self._parameters.clear()

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return _lines(self._parameters)


def _lines(parameters: Mapping[str, Parameter | None]) -> str:
    return "\n".join(
        f"({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
        for name, p in parameters.items()
        if p is not None
    )
