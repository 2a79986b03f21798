"""The graph: values, and the nodes that make them from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tilewise.autograd import no_grad
from tilewise.nn import fusion
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.nn import Module


@dataclass(eq=False, frozen=True)
class Value:
    """A tensor of the graph.

    Attributes:
        kind: "input", "node" (a result), "parameter", "buffer" or "constant".
        shape: as it was while tracing.
        dtype: of its elements.
        name: its name in the state dict, for parameters and buffers; else empty.
        producer: the node that made it, or None.
        tensor: the parameter, buffer or constant itself, or None.

    Example:
        >>> graph = tw.graph.trace(nn.Linear(3, 2), tw.zeros(5, 3))
        >>> graph.outputs[0].shape, graph.outputs[0].producer.op
        ((5, 2), 'Linear')
    """

    kind: str
    shape: tuple[int, ...]
    dtype: DType
    name: str = ""
    producer: Node | None = field(default=None, repr=False)
    tensor: Tensor | None = field(default=None, repr=False)


@dataclass(eq=False)
class Node:
    """One call: of a layer, or of a public function outside of any layer.

    Attributes:
        op: the layer's class ("Conv2d") or the function's name ("max_pool2d"). Operators and
            methods have the name of the function that they are ("add", "reshape"), and so have the
            forms in place.
        path: the layer's dotted name in the model; for a function the name of the module whose
            forward called it, empty for the model itself.
        module: the layer, or None for a function.
        arguments: by name, with Values in place of tensors, also inside lists and tuples.
        inputs: the Values among the arguments, in their order.
        outputs: the Values that it made.
        function: what was called, without the layer's hooks.

    Example:
        >>> graph = tw.graph.trace(lambda x: F.max_pool2d(x, 2), tw.zeros(1, 1, 8, 8))
        >>> node = graph.nodes[0]
        >>> node.op, node.arguments["kernel_size"], node.outputs[0].shape
        ('max_pool2d', 2, (1, 1, 4, 4))
    """

    op: str
    path: str
    module: Module | None
    arguments: dict[str, Any]
    function: Callable[..., Any] = field(repr=False)
    variadic: str = field(default="", repr=False)  # the name of an *args among the arguments
    inputs: tuple[Value, ...] = field(default=(), repr=False)
    outputs: tuple[Value, ...] = field(default=(), repr=False)

    def call(self, arguments: dict[str, Any]) -> Any:
        """The node's function of other arguments: tensors stand where Values stood."""
        named = dict(arguments)
        if not self.variadic:
            return self.function(**named)
        names = list(named)
        leading = [named.pop(name) for name in names[: names.index(self.variadic)]]
        return self.function(*leading, *named.pop(self.variadic), **named)


@dataclass(eq=False)
class Graph:
    """The nodes of a model in the order in which they ran.

    Attributes:
        nodes: every call.
        inputs: the tensors that the model was called with.
        outputs: the tensors that it returned, in order.
        structure: what it returned, with Values in place of tensors.
        asks_mode: some code between the nodes names `training`: the other mode may have another
            graph. Otherwise both modes have this one, with layers in the mode they are in.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> print(tw.graph.trace(net, tw.zeros(1, 1, 8, 8)))
        %0 = input (1, 1, 8, 8)
        %1 = Conv2d[0](%0) (1, 4, 6, 6)
        %2 = ReLU[1](%1) (1, 4, 6, 6)
        return %2
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    structure: Any
    asks_mode: bool = False

    def run(self, *inputs: Tensor) -> Any:
        """Compute the graph for other inputs; the model's Python code does not run.

        Layers run in the mode they are in now; no gradients are recorded.

        Args:
            inputs: as many tensors as the model was traced with.

        Returns:
            What the model returns.

        Raises:
            ValueError: for another number of inputs.

        Example:
            >>> graph = tw.graph.trace(lambda x: (x * 2).sum(), tw.zeros(3))
            >>> graph.run(tw.ones(4))
            tensor(8.)
        """
        if len(inputs) != len(self.inputs):
            raise ValueError(f"Graph.run: expected {len(self.inputs)} inputs, got {len(inputs)}")
        known = dict(zip(self.inputs, inputs, strict=True))

        def tensor_of(value: Value) -> Tensor:
            return known[value] if value.tensor is None else value.tensor

        with no_grad(), fusion.disabled():
            for node in self.nodes:
                result = node.call(substitute(node.arguments, Value, tensor_of))
                known.update(zip(node.outputs, leaves(result, Tensor), strict=True))
        return substitute(self.structure, Value, tensor_of)

    def __str__(self) -> str:
        numbers: dict[Value, str] = {}
        lines = []
        for value in self.inputs:
            numbers[value] = f"%{len(numbers)}"
            lines.append(f"{numbers[value]} = input {value.shape}")
        for node in self.nodes:
            used = ", ".join(numbers.get(v, v.name or v.kind) for v in node.inputs)
            for value in node.outputs:
                numbers[value] = f"%{len(numbers)}"
            made = ", ".join(numbers[v] for v in node.outputs)
            shapes = ", ".join(str(v.shape) for v in node.outputs)
            place = f"[{node.path}]" if node.module is not None else ""
            lines.append(f"{made} = {node.op}{place}({used}) {shapes}")
        returned = ", ".join(numbers.get(v, v.name or v.kind) for v in self.outputs)
        return "\n".join([*lines, f"return {returned}"])


def leaves(structure: Any, kind: type) -> Iterator[Any]:
    """The objects of one class in nested tuples, lists and dicts, in order."""
    if isinstance(structure, kind):
        yield structure
    elif isinstance(structure, tuple | list):
        for part in structure:
            yield from leaves(part, kind)
    elif isinstance(structure, dict):
        for part in structure.values():
            yield from leaves(part, kind)
    elif isinstance(structure, slice):
        yield from leaves((structure.start, structure.stop, structure.step), kind)


def substitute(structure: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """The same structure with `function(object)` in place of each object of one class."""
    if isinstance(structure, kind):
        return function(structure)
    if isinstance(structure, tuple):
        parts = [substitute(part, kind, function) for part in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    if isinstance(structure, list):
        return [substitute(part, kind, function) for part in structure]
    if isinstance(structure, dict):
        return {name: substitute(part, kind, function) for name, part in structure.items()}
    if isinstance(structure, slice):
        ends = (structure.start, structure.stop, structure.step)
        return slice(*(substitute(end, kind, function) for end in ends))
    return structure
