"""Graphs of ONNX operators, and the module that holds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilewise import nn
from tilewise.creation import from_numpy
from tilewise.tensor import Tensor

from .registry import Operator
from .values import Array, Value, numpy_type

# What a handler's argument checks, and NumPy's, raise for a graph that makes no sense.
_FAULTS = (
    ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError, MemoryError,
    NotImplementedError,
)  # fmt: skip


_MAX_PASSES = 20_000


class Budget:
    """How many passes of loops a run may still make, so that none goes on for ever."""

    def __init__(self) -> None:
        self.left = _MAX_PASSES

    def spend(self) -> None:
        """Count a pass.

        Raises:
            ValueError: there were too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"expected at most {_MAX_PASSES} passes of loops")


@dataclass(frozen=True)
class Frame:
    """Where a node with inner graphs stands: the values around it, and what loops may spend."""

    values: dict[str, Value | None]
    budget: Budget


class NodeError(ValueError):
    """A node that cannot be computed; the message names it."""


@dataclass(eq=False)
class Node:
    """One application of an operator.

    Attributes:
        name: of the node, or of its place: "Conv_3".
        op: of the operator, as ONNX calls it.
        version: the opset that the graph wants it from.
        attributes: by name, with the defaults of that opset; those without a value are left out.
        inputs, outputs: names of values; "" for one that is left out.
        graphs: attributes that are graphs.
        required: for each input, whether it must have a value.
        frees: values that nobody needs afterwards.
        relu: whether the result goes through a ReLU.
    """

    name: str
    op: str
    version: int
    row: Operator
    module: OnnxModule
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    graphs: dict[str, Graph] = field(default_factory=dict)
    required: tuple[bool, ...] = ()
    frees: tuple[str, ...] = ()
    relu: bool = False

    def __getitem__(self, name: str) -> Any:
        """An attribute that must be there."""
        if name not in self.attributes:
            raise ValueError(f"expected attribute {name}")
        return self.attributes[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or a default."""
        return self.attributes.get(name, default)

    def wants(self, output: int) -> bool:
        """Whether an output is used."""
        return output < len(self.outputs) and self.outputs[output] != ""

    @property
    def training(self) -> bool:
        """Whether the module is in training mode."""
        return self.module.training

    @property
    def literal(self) -> bool:
        """Whether training is what the graph's own attributes say, not the module's mode."""
        return self.module._literal


@dataclass(eq=False)
class Graph:
    """Nodes in order, and the values they start from.

    Attributes:
        constants: bookkeeping that the file holds.
        state: parameters and buffers: the module that has one, and its name there.
        captured: values of the graphs around this one.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...] = ()
    constants: dict[str, Value] = field(default_factory=dict)
    state: dict[str, tuple[nn.Module, str]] = field(default_factory=dict)
    captured: frozenset[str] = frozenset()

    def run(
        self, given: Mapping[str, Value | None], budget: Budget | None = None
    ) -> list[Value | None]:
        """The outputs for values by name: the inputs, and for an inner graph those around it."""
        values: dict[str, Value | None] = {**self.constants, **given}
        for name, (owner, attribute) in self.state.items():
            values[name] = getattr(owner, attribute)
        frame = Frame(values, budget or Budget())
        for node in self.nodes:
            results = _apply(node, frame)
            given_back = zip(node.outputs, results, strict=False)
            values.update((name, result) for name, result in given_back if name)
            for name in node.frees:
                values.pop(name, None)
        return [values.get(name) for name in self.outputs]


def _apply(node: Node, frame: Frame) -> Sequence[Value | None]:
    arguments = [frame.values[name] if name else None for name in node.inputs]
    for name, value, must in zip(node.inputs, arguments, node.required, strict=False):
        if must and value is None:
            raise NodeError(f"{node.op} node {node.name!r}: input {name!r} has no value")
    try:
        if node.row.scoped:
            results = node.row.handler(node, frame, *arguments)
        else:
            results = node.row.handler(node, *arguments)
    except NodeError:
        raise
    except _FAULTS as error:
        shapes = ", ".join(_describe(value) for value in arguments)
        raise NodeError(
            f"{node.op} node {node.name!r} on ({shapes}): {str(error) or type(error).__name__}"
        ) from error
    results = results if isinstance(results, tuple) else (results,)
    if len(results) < len(node.outputs) and any(node.outputs[len(results) :]):
        raise NodeError(
            f"{node.op} node {node.name!r}: expected at most {len(results)} outputs, got "
            f"{len(node.outputs)}"
        )
    return results


def _describe(value: Value | None) -> str:
    if value is None:
        return "none"
    kind = value.dtype.name
    return f"{kind} {tuple(value.shape)}" if len(value.shape) <= 8 else f"{kind} {value.ndim}-d"


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: its name in the file.
        dtype: its element type in NumPy's words, or "" where the file does not say.
        shape: its sizes; a string or None for one that may vary; None where the rank may vary.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        shape = "" if self.shape is None else f" {self.shape}".replace("'", "").replace("None", "?")
        return f"{self.name}: {self.dtype}{shape}".rstrip(": ")


class OnnxModule(nn.Module):
    """A graph from an ONNX file as a module; `load` makes it.

    It computes what the graph says, and gradients flow through it. Weights of convolutions,
    products and normalisations are parameters under the file's names for them, running statistics
    are buffers: `state_dict`, optimizers and `train` treat it as any other module. `eval()`, in
    which it starts, normalises with the running statistics and drops nothing; `train()` normalises
    with those of the batch, updates the running ones, and lets dropout drop.

    Attributes:
        inputs, outputs: what the graph takes and gives, in order: `name`, `dtype`, `shape`.
        opset: the version of ONNX's own operators that the file was written for.

    Shape:
        As the file says; a batch may have any size unless the graph itself computes with a fixed
        one.

    Example:
        >>> from tilewise import onnx
        >>> model = onnx.load(onnx.export(models.create("lenet5"), tw.zeros(1, 1, 28, 28))).train()
        >>> optimizer = optim.SGD(model.parameters(), lr=0.01)
        >>> next(name for name, _ in model.named_parameters())
        'features.0.weight'
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    _graph: Graph
    _literal: bool

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.outputs, self.opset, self._literal = (), (), 0, False
        self._graph = Graph((), ())

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """The graph's output, or a tuple of its outputs.

        Args:
            inputs: tensors or arrays, in the order of `self.inputs`.
            named: the same by name.

        Raises:
            ValueError: inputs are missing, too many, of another type or rank than the file says,
                or a node cannot compute with them; the message names the node.
        """
        with np.errstate(all="ignore"):
            results = self._graph.run(self._bind(inputs, named))
        outputs = tuple(
            value if isinstance(value, Tensor) or value is None else _exported(value)
            for value in results
        )
        return outputs[0] if len(outputs) == 1 else outputs

    def _bind(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Value | None]:
        names = [port.name for port in self.inputs]
        given = dict(zip(names, inputs, strict=False))
        if len(inputs) > len(names) or given.keys() & named.keys() or named.keys() - set(names):
            raise ValueError(
                f"OnnxModule: expected {len(names)} inputs, {names}, got {len(inputs)} and "
                f"{sorted(named)}"
            )
        given.update(named)
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(f"OnnxModule: expected inputs {names}, {missing} are missing")
        return {port.name: _checked_input(port, given[port.name]) for port in self.inputs}

    def extra_repr(self) -> str:
        """The opset, the number of nodes, inputs and outputs."""
        ports = [f"{kind} {p}" for kind in ("inputs", "outputs") for p in getattr(self, kind)]
        lines = [line.replace("inputs ", "input ").replace("outputs ", "output ") for line in ports]
        return "\n".join([f"opset {self.opset}, {len(self._graph.nodes)} nodes", *lines])


def _exported(array: Array) -> Any:
    """An array as a tensor, where tensors have its type."""
    try:
        return from_numpy(array)
    except TypeError:
        return array


def _checked_input(port: Port, value: Any) -> Value:
    if not isinstance(value, Tensor):
        array = np.asarray(value)
        if array.dtype.name in ("float16", "bfloat16"):
            array = array.astype(np.float32)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"OnnxModule: expected a tensor for {port.name!r}, got {type(value).__name__}"
            )
        exported = _exported(array.astype(array.dtype.newbyteorder("="), copy=False))
        value = exported if isinstance(exported, Tensor) else np.asarray(exported)
    if port.shape is not None and len(port.shape) != value.ndim:
        raise ValueError(
            f"OnnxModule: expected {port.name!r} of shape {port.shape}, got {tuple(value.shape)}"
        )
    found = numpy_type(value)
    # A module that was made float64 takes float64.
    if port.dtype and found != port.dtype and (np.dtype(port.dtype).kind, found.kind) != ("f", "f"):
        raise ValueError(f"OnnxModule: expected {port.name!r} as {port.dtype}, got {found}")
    result: Value = value
    return result
