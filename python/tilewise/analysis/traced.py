"""A model traced at batch 1, and how what was seen grows with the batch."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tilewise._arguments import LARGEST, as_int, wrong_type
from tilewise._dtypes import float32
from tilewise._dtypes import to_numpy as numpy_dtype
from tilewise.creation import zeros
from tilewise.graph import trace
from tilewise.graph.functions import is_layer
from tilewise.graph.nodes import leaves
from tilewise.nn import Module, Sequential, fusion
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import DType
    from tilewise.graph import Graph, Node, Value

    InputShape = Sequence[int] | Sequence[Sequence[int]] | Tensor | Sequence[Tensor]


@dataclass
class Call:
    """One call of a module that is made of others.

    Attributes:
        path: its dotted name.
        module: the module.
        first, last: the nodes that ran in it: `nodes[first:last]`.
        outputs: the shapes of what it returned, of one sample.
    """

    path: str
    module: Module
    first: int = 0
    last: int = 0
    outputs: tuple[tuple[int, ...], ...] = ()
    _layers: tuple[int, int] = (0, 0)  # how many layers had been called before it, and after it


@dataclass
class Traced:
    """A model's graph for one sample, seen as that of a batch.

    Attributes:
        model: the model.
        graph: of a batch of one.
        batch: the batch that sizes are told for.
        calls: of the modules that are made of others, in the order in which they returned.
        fused: the first node of each group of nodes that run as one, and how many they are.
    """

    model: Module
    graph: Graph
    batch: int
    calls: tuple[Call, ...]
    fused: dict[int, int]
    varying: set[Value] = field(default_factory=set)

    def shape(self, value: Value) -> tuple[int, ...]:
        """The shape of a value for the whole batch."""
        if value in self.varying and value.shape:
            return (value.shape[0] * self.batch, *value.shape[1:])
        return value.shape

    def size(self, value: Value) -> int:
        """How many numbers a value has for the whole batch."""
        return math.prod(value.shape) * (self.batch if value in self.varying else 1)

    def node_names(self) -> list[str]:
        """A name for each node."""
        return node_names(self.graph.nodes)

    def bytes(self, value: Value) -> int:
        """The bytes of a value for the whole batch."""
        return self.size(value) * itemsize(value.dtype)


def itemsize(dtype: DType) -> int:
    """Bytes of an element."""
    return numpy_dtype(dtype).itemsize


def _shapes(op: str, input_shape: Any) -> list[tuple[int, ...]]:
    """The shape of each input, without the batch."""
    if not isinstance(input_shape, tuple | list) or not input_shape:
        raise wrong_type(op, "input_shape", "a shape without the batch, or a tensor", input_shape)
    several = isinstance(input_shape[0], tuple | list)
    shapes = []
    for shape in input_shape if several else (input_shape,):
        if not isinstance(shape, tuple | list):
            raise wrong_type(op, "input_shape", "one shape or a list of shapes", input_shape)
        sizes = tuple([as_int(op, "input_shape", n, 1, LARGEST) for n in shape])
        if math.prod(sizes) > 2**40:
            raise ValueError(f"{op}: expected input_shape of at most 2**40 values, got {sizes}")
        shapes.append(sizes)
    return shapes


def sample_of(op: str, model: Module, input_shape: Any) -> list[Tensor]:
    """Inputs of batch 1: zeros of the shapes, or the first sample of the tensors."""
    given = [input_shape] if isinstance(input_shape, Tensor) else input_shape
    if isinstance(given, tuple | list) and given and isinstance(given[0], Tensor):
        for tensor in given:
            if not isinstance(tensor, Tensor) or tensor.ndim == 0 or tensor.shape[0] == 0:
                raise wrong_type(op, "input_shape", "tensors (N, …) with N >= 1", tensor)
        return [tensor.detach()[:1] for tensor in given]
    parameter = next(model.parameters(), None)
    dtype = float32 if parameter is None else parameter.dtype
    return [zeros(1, *shape, dtype=dtype) for shape in _shapes(op, given)]


def trace_batch(
    op: str, model: Module, input_shape: InputShape, batch: int = 1, training: bool | None = None
) -> Traced:
    """Run a model on one sample, and see it as a batch.

    Layers run as in evaluation, so that batch norm takes a single value and nothing is drawn;
    modules made of others are in training where `training` says so, for they may have outputs of
    their own there. Their modes, statistics and random numbers are afterwards what they were.

    Args:
        op: for messages.
        model: the network.
        input_shape: (C, H, W), a list of such shapes for several inputs, or tensors with a batch.
        batch: the batch that sizes are told for.
        training: whether modules made of others train; None for the mode that they are in.
    """
    if not isinstance(model, Module):
        raise wrong_type(op, "model", "a Module", model)
    size = as_int(op, "batch", batch, 1, LARGEST)
    inputs = sample_of(op, model, input_shape)
    groups = set(_fused_groups(model))
    with _modes(model, training), _calls_of(model) as calls:
        graph = trace(model, *inputs)
    _place(calls, graph.nodes)
    traced = Traced(model, graph, size, tuple(calls), _fused_nodes(graph.nodes, groups))
    traced.varying.update(graph.inputs)
    for node in graph.nodes:
        if any(value in traced.varying for value in node.inputs):
            traced.varying.update(node.outputs)
    return traced


def trace_modes(
    op: str, model: Module, input_shape: InputShape, batch: int = 1
) -> tuple[Traced, Traced]:
    """A model in training and in evaluation; see `trace_batch`.

    It runs once where its code does not ask for the mode, and both are the same object.
    """
    training = trace_batch(op, model, input_shape, batch, training=True)
    if not training.graph.asks_mode:
        return training, training
    return training, trace_batch(op, model, input_shape, batch, training=False)


def node_names(nodes: Sequence[Node]) -> list[str]:
    """A name for each node: the layer's, or the function's with the path of its module."""
    names = []
    for node in nodes:
        path = node.path if node.module is not None else f"{node.path}.{node.op}".lstrip(".")
        names.append(path or node.op)
    total = Counter(names)
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if total[name] > 1 and seen[name] > 1:
            names[i] = f"{name}:{seen[name]}"
    return names


# ---------------------------------------------------------------- modes and calls


@contextmanager
def _modes(model: Module, training: bool | None) -> Iterator[None]:
    """Layers in evaluation, other modules as asked."""
    before = [(module, module.training) for module in model.modules()]
    for module, mode in before:
        wanted = mode if training is None else training
        module.training = wanted and not is_layer(type(module))
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


@contextmanager
def _calls_of(model: Module) -> Iterator[list[Call]]:
    """Records when modules that are made of others begin and end."""
    calls: list[Call] = []
    running: list[Call] = []
    handles = []
    layers, depth = 0, 0

    def enter_layer(_module: Module, _args: Any) -> None:
        nonlocal depth
        depth += 1

    def leave_layer(_module: Module, _args: Any, _output: Any) -> None:
        nonlocal layers, depth
        depth -= 1
        layers += depth == 0

    def enter(module: Module, _args: Any) -> None:
        running.append(Call(paths[id(module)], module, _layers=(layers, layers)))

    def leave(_module: Module, _args: Any, output: Any) -> None:
        call = running.pop()
        call._layers = (call._layers[0], layers)
        call.outputs = tuple([tensor.shape for tensor in leaves(output, Tensor)])
        calls.append(call)

    paths = {}
    for path, module in model.named_modules():
        paths[id(module)] = path
        before, after = (enter_layer, leave_layer) if is_layer(type(module)) else (enter, leave)
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def within(path: str, outer: str) -> bool:
    """Whether a dotted name is that of a module or of one of its parts."""
    return not outer or path == outer or path.startswith(outer + ".")


def _place(calls: list[Call], nodes: tuple[Node, ...]) -> None:
    """Finds the nodes of each call."""
    layers = [i for i, node in enumerate(nodes) if node.module is not None]
    for call in calls:
        begin, end = call._layers
        low = layers[begin - 1] + 1 if begin else 0
        high = layers[end] if end < len(layers) else len(nodes)
        inside = [i for i in range(low, high) if within(nodes[i].path, call.path)]
        call.first, call.last = (inside[0], inside[-1] + 1) if inside else (low, low)


# ---------------------------------------------------------------- what runs as one


def _fused_groups(model: Module) -> Iterator[tuple[int, ...]]:
    """The identities of neighbours that `Sequential` runs together."""
    for module in model.modules():
        if isinstance(module, Sequential) and type(module).forward is Sequential.forward:
            parts = list(module)
            for begin, end in fusion.groups(parts):
                if end - begin > 1:
                    yield tuple([id(part) for part in parts[begin:end]])


def _fused_nodes(nodes: tuple[Node, ...], groups: set[tuple[int, ...]]) -> dict[int, int]:
    """Where such neighbours ran one after the other."""
    found: dict[int, int] = {}
    lengths = sorted({len(group) for group in groups}, reverse=True)
    i = 0
    while i < len(nodes):
        for length in lengths:
            run = nodes[i : i + length]
            if tuple([id(node.module) for node in run]) in groups and all(
                b.inputs[:1] == a.outputs[:1] for a, b in itertools.pairwise(run)
            ):
                found[i] = length
                i += length - 1
                break
        i += 1
    return found
