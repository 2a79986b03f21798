"""The public functions that a graph has nodes for, known by their code objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tilewise import _operations, creation, functional, nn, random
from tilewise._ops import elementwise, shape
from tilewise._ops.methods import Methods
from tilewise.nn.weight_norm import WeightNorm, normalised
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from typing import TypeGuard

# Operators whose functions have another name than the operator.
_OPERATORS = {
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "invert": "bitwise_not",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
    **{name: name for name in ("add", "sub", "mul", "pow", "matmul", "neg", "abs")},
    **{name: name for name in ("lt", "le", "gt", "ge", "eq", "ne", "getitem", "setitem")},
}
_PROPERTIES = {"T": "t", "mT": "adjoint", "H": "t", "mH": "adjoint", "data": "detach"}
# Methods that hand values to Python, where no graph can follow.
_READERS = ("item", "tolist", "numpy", "__array__", "__bool__", "__float__", "__int__", "__index__")


def setitem(input: Tensor, key: Any, value: Any) -> Tensor:
    """A copy of a tensor in which `copy[key] = value`."""
    changed = input.clone()
    changed[key] = value
    return changed


def copy(input: Tensor, source: Tensor) -> Tensor:
    """The values of another tensor in the shape and the dtype of this one."""
    return shape.expand(source, input.shape).to(input).clone()


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the same shape that holds one value."""
    return creation.full_like(input, value)


def zero(input: Tensor) -> Tensor:
    """Zeros in the same shape."""
    return creation.zeros_like(input)


# What a write in place means where no public function has its name.
_WRITES: dict[str, Callable[..., Any]] = {
    "setitem": setitem,
    "copy": copy,
    "fill": fill,
    "zero": zero,
}


class Function(NamedTuple):
    """A public function under one of its names.

    Attributes:
        name: of its nodes.
        call: the function; for operators and writes in place the one that they stand for.
        renamed: the called method has other names for the arguments: they bind by position.
        reflected: the first two operands are exchanged.
        writes: the result is written to the first argument.
    """

    name: str
    call: Callable[..., Any]
    renamed: bool = False
    reflected: bool = False
    writes: bool = False


class Table(NamedTuple):
    """Code objects by identity, and what a call of them means."""

    functions: dict[int, Function]
    makers: set[int]  # they make tensors of nothing: constants of the graph
    readers: dict[int, str]
    forwards: set[int]  # of the layers
    normaliser: int  # makes a parameter before the forward pass of `nn.utils.weight_norm`
    kept: list[CodeType]  # so that no identity is used twice


@cache
def table() -> Table:
    """All that is known, collected at the first trace."""
    result = Table({}, set(), {}, set(), id(WeightNorm.weight.__code__), [])
    result.functions[id(normalised.__code__)] = Function("weight_norm", normalised)
    owners: dict[int, FunctionType] = {}

    def code_of(function: FunctionType) -> int:
        """A code object of its own, also where a factory gave one to several functions."""
        if owners.setdefault(id(function.__code__), function) is not function:
            function.__code__ = function.__code__.replace(co_name=function.__name__)
            owners[id(function.__code__)] = function
        result.kept.append(function.__code__)
        return id(function.__code__)

    for name in _READERS:
        result.readers[code_of(getattr(Tensor, name))] = name
    for module in (creation, random):
        for value in vars(module).values():
            own = isinstance(value, FunctionType) and value.__module__ == module.__name__
            if own and value.__name__ not in functional.__all__:  # one_hot is a function of labels
                result.makers.add(code_of(value))
    for called, function in (*_functions(), *_properties(), *_methods(), *_operators()):
        code = code_of(called)
        if code not in result.makers and code not in result.readers:
            result.functions.setdefault(code, function)
    for kind in vars(nn).values():
        if isinstance(kind, type) and is_layer(kind):
            result.forwards.add(code_of(cast("FunctionType", kind.forward)))
    return result


@cache
def _public() -> dict[str, Callable[..., Any]]:
    """The functions by their names; those of one tensor are listed nowhere but in their file."""
    named = [(n, f) for n, f in vars(elementwise).items() if not n.startswith("_")]
    found = {n: f for n, f in named if getattr(f, "__module__", "") == elementwise.__name__}
    for module in (_operations, functional):
        found.update((name, getattr(module, name)) for name in module.__all__)
    return {name: value for name, value in found.items() if isinstance(value, FunctionType)}


def _functions() -> Iterator[tuple[FunctionType, Function]]:
    public = _public()
    for name, value in public.items():
        assert isinstance(value, FunctionType)
        own = value.__name__ if public.get(value.__name__) is value else name
        yield value, _named(own, value)


def _named(name: str, called: FunctionType) -> Function:
    """A function, or the form in place of one."""
    plain = name.rstrip("_")
    if plain == name:
        return Function(name, called)
    call: Callable[..., Any] = _WRITES.get(plain) or _public().get(plain, called)
    return Function(plain, call, renamed=call is not called, writes=True)


def _properties() -> Iterator[tuple[FunctionType, Function]]:
    for name, means in _PROPERTIES.items():
        value = getattr(Tensor, name, None)
        if isinstance(value, property) and isinstance(value.fget, FunctionType):
            yield value.fget, Function(means, getattr(Tensor, means), renamed=True)


def _methods() -> Iterator[tuple[FunctionType, Function]]:
    for name, value in {**vars(Methods), **vars(Tensor)}.items():
        if isinstance(value, FunctionType) and not name.startswith("_"):
            yield value, _named(name, value)


def _operators() -> Iterator[tuple[FunctionType, Function]]:
    for operator, name in _OPERATORS.items():
        functional_form: Callable[..., Any] | None = _WRITES.get(name) or _public().get(name)
        call = functional_form or getattr(Tensor, f"__{operator}__")
        for prefix in ("", "r", "i"):
            method = getattr(Tensor, f"__{prefix}{operator}__", None)
            if isinstance(method, FunctionType):
                writes = prefix == "i" or name == "setitem"
                yield method, Function(name, call, True, prefix == "r", writes)


def is_layer(kind: type) -> TypeGuard[type[nn.Module]]:
    """Whether a class is a layer of the library, which is one node; containers are not."""
    return (
        issubclass(kind, nn.Module)
        and kind.__module__.startswith("tilewise.nn.")
        and kind.__module__ != "tilewise.nn.containers"
        and kind.forward is not nn.Module.forward
    )


def layer_name(kind: type) -> str:
    """The class of the library that a layer is, or derives from."""
    return next(base.__name__ for base in kind.__mro__ if is_layer(base))
