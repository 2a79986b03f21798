"""The ONNX graph under construction, and a call of the traced graph as converters see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tilewise._dtypes import to_numpy
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise.graph import Node, Value

BATCH = "batch"  # the name of the dimension that is free


class Multiple(NamedTuple):
    """A number of the traced program that is a multiple of the batch size."""

    factor: int


class Varying(NamedTuple):
    """A setting that depends on the batch size in another way; a graph cannot hold it."""

    text: str


Size = int | Multiple


class Unsupported(ValueError):
    """A call that has no ONNX form; `export` adds where it stands."""


@dataclass
class Builder:
    """Nodes and initialisers with names that are taken once."""

    opset: int
    batches: tuple[int, int]
    state_names: Mapping[int, str]  # of parameters and buffers, by id
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    shapes: dict[int, tuple[Size, ...]] = field(default_factory=dict)  # by id of the Value
    names: dict[int, str] = field(default_factory=dict)  # by id of the Value or the Tensor
    twins: dict[int, Tensor] = field(default_factory=dict)  # constants of the other trace
    batch_source: tuple[str, int] = ("", 0)  # an input, and the place of the batch in its shape
    outputs: set[str] = field(default_factory=set)  # names of outputs that are taken
    readers: dict[int, set[str]] = field(default_factory=dict)  # functions, by id of the Value
    _taken: set[str] = field(default_factory=set)
    _constants: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)  # keeps ids in use
    _batch_size: str = ""

    def unique(self, wanted: str) -> str:
        """`wanted`, with a number where it is taken."""
        name, count = wanted, 1
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name

    def node(
        self, scope: str, kind: str, inputs: Sequence[str], outputs: int, attributes: Any
    ) -> list[str]:
        """Append a node; the names of its outputs."""
        if not onnx.defs.has(kind, max_inclusive_version=self.opset):
            raise Unsupported(f"{kind} came after opset {self.opset}; export with a newer one")
        name = self.unique(f"{scope}/{kind}" if scope else kind)
        results = [
            self.unique(f"{name}_output" if i == 0 else f"{name}_output{i}") for i in range(outputs)
        ]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        self.nodes.append(helper.make_node(kind, given, results, name=name, **attributes))
        return results

    def constant(self, values: Any, dtype: Any, hint: str = "constant") -> str:
        """The name of an initialiser with these values; equal ones are stored once."""
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        key = (array.dtype.str, array.shape, array.tobytes())
        if array.size <= 64 and key in self._constants:
            return self._constants[key]
        name = self.unique(hint)
        self.initializers[name] = numpy_helper.from_array(array, name)
        if array.size <= 64:
            self._constants[key] = name
        return name

    def state(self, tensor: Tensor, fallback: str) -> str:
        """The name of the initialiser of a parameter or buffer: its place in the state dict."""
        known = self.names.get(id(tensor))
        if known is None:
            known = self.unique(self.state_names.get(id(tensor), fallback))
            array = np.ascontiguousarray(tensor.detach().numpy()).reshape(tensor.shape)
            self.initializers[known] = numpy_helper.from_array(array, known)
            self.names[id(tensor)] = known
            self._kept.append(tensor)
        return known

    def value(self, value: Value, scope: str) -> str:
        """The name of a value of the graph; its initialiser is made when it is first used."""
        known = self.names.get(id(value))
        if known is None:
            tensor = value.tensor
            assert tensor is not None, "nodes come in the order of their values"
            if value.kind in {"parameter", "buffer"}:
                return self.state(tensor, value.name)
            known = self.names[id(value)] = self._constant_value(value, tensor, scope)
        return known

    def _constant_value(self, value: Value, tensor: Tensor, scope: str) -> str:
        """A tensor made while tracing; one as long as the batch is a row of it, repeated."""
        array, sizes = tensor.detach().numpy(), self.shapes.get(id(value), tuple(tensor.shape))
        other = self.twins.get(id(value))
        hint = f"{scope}.constant" if scope else "constant"
        if other is None or np.array_equal(array, other.detach().numpy(), equal_nan=True):
            return self.constant(array, array.dtype, hint)
        row = array
        for axis, n in enumerate(sizes):
            if isinstance(n, Multiple):
                row = row.take([0], axis)
        whole = np.broadcast_to(row, other.shape)
        if not np.array_equal(np.broadcast_to(row, array.shape), array) or not np.array_equal(
            whole, other.detach().numpy()
        ):
            raise Unsupported(
                "a constant depends on the batch size; export with dynamic_batch=False"
            )
        name = self.constant(row, array.dtype, hint)
        return self.node(scope, "Expand", [name, self.shape_vector(scope, sizes)], 1, {})[0]

    def batch_size(self) -> str:
        """The name of an int64 vector of one element: the batch size at run time."""
        if not self._batch_size:
            source, axis = self.batch_source
            place = self.constant([axis], np.int64, "batch_axis")
            shape = self.node("", "Shape", [source], 1, {})[0]
            self._batch_size = self.node("", "Gather", [shape, place], 1, {"axis": 0})[0]
        return self._batch_size

    def shape_vector(self, scope: str, sizes: Sequence[Size]) -> str:
        """The name of an int64 vector with these sizes."""
        if all(isinstance(n, int) for n in sizes):
            return self.constant(np.array(sizes, np.int64), np.int64, "shape")
        parts: list[str] = []
        fixed: list[int] = []
        for n in sizes:
            if isinstance(n, int):
                fixed.append(n)
                continue
            if not isinstance(n, Multiple):
                raise Unsupported(f"a size ({n}) depends on the batch in no simple way")
            if fixed:
                parts.append(self.constant(np.array(fixed, np.int64), np.int64, "shape"))
                fixed = []
            part = self.batch_size()
            if n.factor != 1:
                factor = self.constant(np.array([n.factor], np.int64), np.int64, "factor")
                part = self.node(scope, "Mul", [part, factor], 1, {})[0]
            parts.append(part)
        if fixed:
            parts.append(self.constant(np.array(fixed, np.int64), np.int64, "shape"))
        if len(parts) == 1:
            return parts[0]
        return self.node(scope, "Concat", parts, 1, {"axis": 0})[0]


def onnx_type(dtype: Any) -> int:
    """ONNX's number for a NumPy dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@dataclass
class Call:
    """One call of the traced graph: a function with its arguments by name.

    A leaf module is the call of its function: the module's parameters and settings are arguments
    like any other. Tensors are named by `call["weight"]`, settings read by `call.get("stride")`.
    """

    builder: Builder
    function: str
    arguments: dict[str, Any]
    node: Node
    scope: str

    # ------------------------------------------------------------ arguments

    def get(self, name: str, default: Any = None) -> Any:
        """A setting: a number, a string, a tuple of them or None."""
        value = self.arguments.get(name, default)
        items = value if isinstance(value, tuple | list) else (value,)
        for item in items:
            if isinstance(item, Multiple | Varying):
                raise Unsupported(f"{name}={value} depends on the batch size")
            if self.is_tensor(item):
                raise Unsupported(f"{name} is a tensor; a number is expected here")
        return value

    @staticmethod
    def is_tensor(value: Any) -> bool:
        """Whether an argument is a tensor of the graph, a parameter or a constant."""
        return isinstance(value, Tensor) or (hasattr(value, "producer") and hasattr(value, "kind"))

    def has(self, name: str) -> bool:
        """Whether an argument is there and not None."""
        return self.arguments.get(name) is not None

    def __getitem__(self, name: str) -> str:
        return self.name_of(self.arguments[name], name)

    def optional(self, name: str) -> str:
        """The name of a tensor, or "" where it is None: an input that is left out."""
        return self[name] if self.has(name) else ""

    def name_of(self, value: Any, hint: str = "value") -> str:
        """The ONNX name of a tensor."""
        if isinstance(value, Tensor):
            return self.builder.state(value, f"{self.scope}.{hint}" if self.scope else hint)
        if not self.is_tensor(value):
            raise Unsupported(f"expected {hint} as a tensor, got {value!r}")
        return self.builder.value(value, self.scope)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor argument in the trace."""
        return tuple(self.arguments[name].shape)

    def sizes(self, name: str) -> tuple[Size, ...]:
        """The shape of a tensor argument, the batch unknown."""
        return self.sizes_of(self.arguments[name])

    def sizes_of(self, value: Any) -> tuple[Size, ...]:
        """The shape of a tensor, the batch unknown."""
        known = self.builder.shapes.get(id(value))
        return tuple(value.shape) if known is None else known

    def rank(self, name: str) -> int:
        """The number of dimensions of a tensor argument."""
        return len(self.arguments[name].shape)

    def dtype(self, name: str) -> np.dtype[Any]:
        """The NumPy dtype of a tensor argument."""
        return to_numpy(self.arguments[name].dtype)

    # ------------------------------------------------------------ results

    @property
    def result(self) -> Value:
        """The first output in the trace."""
        return self.node.outputs[0]

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the first output in the trace."""
        return tuple(self.result.shape)

    @property
    def out_sizes(self) -> tuple[Size, ...]:
        """The shape of the first output, the batch unknown."""
        return self.sizes_of(self.result)

    @property
    def out_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the first output."""
        return to_numpy(self.result.dtype)

    @property
    def opset(self) -> int:
        """The version of the operators."""
        return self.builder.opset

    # ------------------------------------------------------------ nodes

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with these inputs; "" stands for one that is left out."""
        return self.builder.node(self.scope, kind, inputs, 1, attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Append a node with several outputs."""
        return self.builder.node(self.scope, kind, inputs, outputs, attributes)

    def constant(self, values: Any, dtype: Any, hint: str = "constant") -> str:
        """An initialiser with these values."""
        return self.builder.constant(values, dtype, hint)

    def scalar(self, value: float) -> str:
        """A number in the dtype of the result."""
        return self.constant(value, self.out_dtype, "scalar")

    def ints(self, values: Iterable[int]) -> str:
        """An int64 vector."""
        return self.constant(np.array(list(values), np.int64), np.int64, "ints")

    def cast(self, name: str, before: Any, after: Any) -> str:
        """The tensor in another dtype; itself where it has it."""
        if np.dtype(before) == np.dtype(after):
            return name
        return self.op("Cast", name, to=onnx_type(after))

    def operand(self, value: Any, dtype: Any) -> str:
        """A tensor or a number as an input of this dtype."""
        if isinstance(value, Varying):
            raise Unsupported(f"a number in it ({value.text}) depends on the batch size")
        if isinstance(value, Multiple):
            size = self.builder.shape_vector(self.scope, [value])
            scalar = self.op("Squeeze", size, self.ints([0]))
            return self.cast(scalar, np.int64, dtype)
        if self.is_tensor(value):
            return self.cast(self.name_of(value), to_numpy(value.dtype), dtype)
        return self.constant(np.array(value), dtype, "scalar")

    def reshape(self, name: str, sizes: Sequence[Size]) -> str:
        """The tensor in another shape."""
        free = [i for i, n in enumerate(sizes) if isinstance(n, Multiple)]
        if len(free) > 1 or (free and 0 in sizes):
            shape = self.builder.shape_vector(self.scope, sizes)
        else:
            shape = self.ints([-1 if isinstance(n, Multiple) else n for n in sizes])
        zero = {"allowzero": 1} if 0 in sizes and self.opset >= 14 else {}
        return self.op("Reshape", name, shape, **zero)

    def unsqueeze(self, name: str, *axes: int) -> str:
        """The tensor with dimensions of size one at these places."""
        return self.op("Unsqueeze", name, self.ints(axes))

    def squeeze(self, name: str, *axes: int) -> str:
        """The tensor without these dimensions of size one."""
        return self.op("Squeeze", name, self.ints(axes))

    def slice(self, name: str, axis: int, start: int, end: int, step: int = 1) -> str:
        """The part of a tensor from start to before end."""
        return self.op(
            "Slice",
            name,
            self.ints([start]),
            self.ints([end]),
            self.ints([axis]),
            self.ints([step]),
        )

    def reduce(self, kind: str, name: str, axes: Sequence[int] | None, keepdims: bool) -> str:
        """One of ONNX's reductions; None reduces everything."""
        keep = int(keepdims)
        if axes is None:
            return self.op(kind, name, keepdims=keep)
        if self.opset >= 18 or kind == "ReduceSum":
            return self.op(kind, name, self.ints(axes), keepdims=keep)
        return self.op(kind, name, axes=list(axes), keepdims=keep)


def value_info(name: str, dtype: Any, sizes: Sequence[Size]) -> onnx.ValueInfoProto:
    """The type of a graph's input or output."""
    shape: list[int | str] = []
    for n in sizes:
        if isinstance(n, int):
            shape.append(n)
        else:
            shape.append(BATCH if n.factor == 1 else f"{n.factor}*{BATCH}")
    return helper.make_tensor_value_info(name, onnx_type(dtype), shape)
