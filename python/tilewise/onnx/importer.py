"""From an ONNX file to a module: names, attributes and order checked, weights made parameters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tilewise import nn
from tilewise.io.onnx_files import decode, dtype_of, read_model, require_onnx
from tilewise.tensor import Tensor

from . import operators  # noqa: F401 - fills the table
from .fusion import fuse
from .module import Frame, Graph, Node, NodeError, OnnxModule, Port
from .naming import place, state_name
from .registry import Operator, find
from .schema import Schema, schema_of
from .values import Array, Value, is_float, wrap

OLDEST_OPSET = 1
_MAX_DEPTH = 16  # of graphs and functions in each other
_MAX_NODES = 10_000  # with the nodes of functions counted at each call
# What a weight may pass on its way to the operator that it belongs to.
_CARRIERS = {"Identity", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Flatten"}


def load(source: str | os.PathLike[str] | bytes | Any) -> OnnxModule:
    """Read an ONNX file as a module that runs and trains.

    Floating-point initialisers that feed convolutions, matrix products, normalisations, embeddings
    and the like become parameters, running statistics become buffers, both under the file's names
    for them (or those of the node, where the file has only numbers). What else is floating-point
    is a buffer that is not saved; integers are constants. The module starts in `eval()` mode.

    Args:
        source: a path, the bytes of a file, or an `onnx.ModelProto`. Opsets 7 to the current one;
            of older ones, operators that have kept their form. External data is read from the
            folder of the path, or below it.

    Returns:
        The module; its `inputs` and `outputs` say what it takes and gives.

    Raises:
        ImportError: the package `onnx` is missing.
        FileNotFoundError: there is no such file.
        TypeError: `source` is none of these.
        ValueError: the file is truncated or corrupt, or uses an operator or a type that tilewise
            lacks; the message names the node or tensor and what was expected.

    Example:
        >>> from tilewise import onnx
        >>> exported = onnx.export(models.create("lenet5"), tw.zeros(1, 1, 28, 28), "lenet5.onnx")
        >>> onnx.load("lenet5.onnx")(tw.rand(4, 1, 28, 28)).shape
        (4, 10)
    """
    model, folder, what = read_model(source)
    try:
        return _Importer(model, folder).module()
    except ValueError as error:
        raise ValueError(f"load: {what}: {error}") from error


class FunctionBody:
    """An operator that is defined by other operators, as a handler."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, _: Node, frame: Frame, *inputs: Value | None) -> tuple[Value | None, ...]:
        """The outputs of the function."""
        missing = [None] * (len(self.graph.inputs) - len(inputs))
        named = dict(zip(self.graph.inputs, [*inputs, *missing], strict=True))
        return tuple(self.graph.run(named, frame.budget))


@dataclass
class _Scope:
    """What a list of nodes is read in.

    Attributes:
        opsets: the version of each domain.
        outer: names of the graphs around.
        attributes: what a function was called with.
        path: the functions and graphs that this one is in.
    """

    opsets: Mapping[str, int]
    outer: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] | None = None
    path: tuple[str, ...] = ()
    defined: set[str] = field(default_factory=set)


class _Importer:
    def __init__(self, model: Any, folder: Path | None) -> None:
        self._onnx = require_onnx("load")
        self._model, self._folder = model, folder
        self._root = OnnxModule()
        self._count = 0
        self._functions = {(f.domain, f.name): f for f in model.functions}
        if len(self._functions) != len(model.functions):
            raise ValueError("expected functions of different names")

    # ------------------------------------------------------------ the module

    def module(self) -> OnnxModule:
        model, root = self._model, self._root
        opsets = self._opsets(model.opset_import)
        graph = model.graph
        tensors = self._initialisers(graph)
        ports = [self._port(p) for p in graph.input if p.name not in tensors]
        names = [p.name for p in ports]
        if len(set(names)) != len(names) or "" in names:
            raise ValueError(f"expected inputs of different names, got {names}")
        for node in graph.node:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and node.output:
                name = node.output[0]
                if name in tensors or name in names:
                    raise ValueError(f"expected one value of the name {name!r}, got several")
                tensors[name] = self._constant(node)
        rest = [n for n in graph.node if n.op_type != "Constant" or n.domain not in ("", "ai.onnx")]
        scope = _Scope(opsets, defined={*names, *tensors})
        root.inputs = tuple(ports)
        root.outputs = tuple(self._port(p) for p in graph.output)
        root.opset = opsets.get("", 0)
        built = self._graph(rest, names, [p.name for p in root.outputs], scope)
        _share_state(root, built, tensors)
        root._graph = built
        return root.eval()

    def _opsets(self, imports: Iterable[Any]) -> dict[str, int]:
        opsets: dict[str, int] = {}
        for entry in imports:
            domain = "" if entry.domain == "ai.onnx" else entry.domain
            if opsets.setdefault(domain, entry.version) != entry.version:
                raise ValueError(f"expected one opset of domain {domain!r}, got several")
        newest = self._onnx.defs.onnx_opset_version()
        if not OLDEST_OPSET <= opsets.get("", OLDEST_OPSET) <= newest:
            raise ValueError(f"expected opset {OLDEST_OPSET} to {newest}, got {opsets['']}")
        return opsets

    def _initialisers(self, graph: Any) -> dict[str, Array]:
        if graph.sparse_initializer:
            raise ValueError("expected dense initialisers, got a sparse one")
        tensors: dict[str, Array] = {}
        for proto in graph.initializer:
            _check_names(proto.name)
            if not proto.name or proto.name in tensors:
                raise ValueError(f"expected initialisers of different names, got {proto.name!r}")
            tensors[proto.name] = decode(proto, self._folder)
        return tensors

    def _port(self, info: Any) -> Port:
        _check_names(info.name)
        kind = info.type.WhichOneof("value")
        if kind not in ("tensor_type", None):
            raise ValueError(f"expected tensors, got {kind} for {info.name!r}")
        described = info.type.tensor_type
        dtype = str(dtype_of(described.elem_type)) if described.elem_type else ""
        if not described.HasField("shape"):
            return Port(info.name, dtype, None)
        sizes: list[int | str | None] = []
        for dim in described.shape.dim:
            which = dim.WhichOneof("value")
            sizes.append(getattr(dim, which) if which and getattr(dim, which) != "" else None)
        if any(isinstance(n, int) and n < 0 for n in sizes):
            raise ValueError(f"expected sizes of {info.name!r} that are not negative, got {sizes}")
        return Port(info.name, dtype, tuple(sizes))

    # ------------------------------------------------------------ graphs

    def _graph(
        self, nodes: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str], scope: _Scope
    ) -> Graph:
        """Nodes in an order in which every input is there."""
        if len(scope.path) > _MAX_DEPTH:
            raise ValueError(
                f"expected graphs at most {_MAX_DEPTH} deep: {' in '.join(scope.path)}"
            )
        built: list[Node] = []
        captured: set[str] = set()
        for index, proto in enumerate(nodes):
            node = self._node(proto, index, scope)
            used = {name for name in node.inputs if name}
            for inner in node.graphs.values():
                used |= inner.captured
            unknown = used - scope.defined - scope.outer
            if unknown:
                raise ValueError(
                    f"{node.op} node {node.name!r}: input {min(unknown)!r} is no output of an "
                    "earlier node: the graph has a cycle, or is not sorted"
                )
            captured |= used - scope.defined
            given = [name for name in node.outputs if name]
            again = [n for n in given if n in scope.defined] or len(set(given)) != len(given)
            if again:
                raise ValueError(f"{node.op} node {node.name!r}: {given} are defined already")
            scope.defined.update(given)
            built.append(node)
        lost = [name for name in outputs if name not in scope.defined and name not in scope.outer]
        if lost:
            raise ValueError(f"output {lost[0]!r} is computed by no node")
        captured |= {name for name in outputs if name not in scope.defined}
        built = fuse(built, outputs)
        _release(built, set(outputs))
        return Graph(tuple(inputs), tuple(outputs), tuple(built), captured=frozenset(captured))

    def _inner_graph(self, proto: Any, name: str, scope: _Scope) -> Graph:
        tensors = self._initialisers(proto)
        inputs = [p.name for p in proto.input if p.name not in tensors]
        inner = _Scope(
            scope.opsets,
            scope.outer | scope.defined,
            scope.attributes,
            (*scope.path, name),
            {*inputs, *tensors},
        )
        graph = self._graph(proto.node, inputs, [p.name for p in proto.output], inner)
        graph.constants.update({key: wrap(array) for key, array in tensors.items()})
        return graph

    def _function(self, proto: Any, call: Node, raw: Mapping[str, Any], scope: _Scope) -> Operator:
        label = f"{proto.domain}.{proto.name}"
        if label in scope.path:
            raise ValueError(f"function {label} calls itself")
        given = {a.name: a for a in proto.attribute_proto} | dict(raw)
        missing = [name for name in proto.attribute if name not in given]
        if missing and proto.domain not in ("", "ai.onnx"):
            raise ValueError(f"function {label}: expected attributes {missing}")
        opsets = {**scope.opsets, **self._opsets(proto.opset_import)}
        inner = _Scope(
            opsets, attributes=given, path=(*scope.path, label), defined=set(proto.input)
        )
        graph = self._graph(proto.node, list(proto.input), list(proto.output), inner)
        if len(call.inputs) > len(graph.inputs):
            raise ValueError(f"function {label}: expected at most {len(graph.inputs)} inputs")
        return Operator(FunctionBody(graph), scoped=True)

    # ------------------------------------------------------------ nodes

    def _node(self, proto: Any, index: int, scope: _Scope) -> Node:
        _check_names(proto.name, proto.op_type, proto.domain, *proto.input, *proto.output)
        self._count += 1
        if self._count > _MAX_NODES:
            raise ValueError(f"expected at most {_MAX_NODES} nodes")
        name = proto.name or f"{proto.op_type}_{index}"
        try:
            return self._checked_node(proto, name, scope)
        except NodeError:
            raise
        except ValueError as error:
            raise NodeError(f"{proto.op_type} node {name!r}: {error}") from error

    def _checked_node(self, proto: Any, name: str, scope: _Scope) -> Node:
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        version = scope.opsets.get(domain, 1 if domain else OLDEST_OPSET)
        raw = self._attributes(proto, scope)
        node = Node(
            name, proto.op_type, version, Operator(_unknown), self._root, {},
            tuple(proto.input), tuple(proto.output),
        )  # fmt: skip
        function = self._functions.get((proto.domain, proto.op_type))
        if function is not None:
            node.row = self._function(function, node, raw, scope)
            return node
        schema = schema_of(proto.op_type, version, domain)
        node.required = schema.required_inputs(node.inputs, len(node.outputs))
        row = find(domain, proto.op_type, version)
        if row is None and schema.body is not None:
            node.row = self._function(schema.body, node, {**schema.defaults, **raw}, scope)
            return node
        if row is None:
            raise ValueError(f"operator {_qualified(domain, node)} is not among those of tilewise")
        node.row = row
        for key, attribute in {**schema.defaults, **raw}.items():
            self._set_attribute(node, key, attribute, schema, scope)
        missing = [key for key in schema.required if key not in raw]
        if missing:
            raise ValueError(f"expected attribute {missing[0]}")
        return node

    def _attributes(self, proto: Any, scope: _Scope) -> dict[str, Any]:
        """A node's attributes by name, those that refer to a function's replaced."""
        found: dict[str, Any] = {}
        for attribute in proto.attribute:
            if attribute.name in found:
                raise ValueError(f"attribute {attribute.name!r} occurs twice")
            if attribute.ref_attr_name:
                if scope.attributes is None:
                    raise ValueError(
                        f"attribute {attribute.name!r} refers to one outside functions"
                    )
                referred = scope.attributes.get(attribute.ref_attr_name)
                if referred is None:
                    continue
                found[attribute.name] = referred
            else:
                found[attribute.name] = attribute
        return found

    def _set_attribute(
        self, node: Node, key: str, attribute: Any, schema: Schema, scope: _Scope
    ) -> None:
        if key not in schema.kinds:
            raise ValueError(f"attribute {key!r} is unknown; expected {sorted(schema.kinds)}")
        kind, number = schema.kinds[key]
        if attribute.type != number:
            kinds = self._onnx.AttributeProto.AttributeType
            found = kinds.Name(attribute.type) if attribute.type in kinds.values() else "?"
            raise ValueError(f"expected attribute {key} as {kind}, got {found}")
        if kind == "GRAPH":
            node.graphs[key] = self._inner_graph(attribute.g, f"{node.name}.{key}", scope)
        else:
            node.attributes[key] = self._attribute_value(attribute, kind)

    def _attribute_value(self, attribute: Any, kind: str) -> Any:
        if kind == "STRING":
            return _text(attribute.s)
        if kind == "TENSOR":
            return wrap(decode(attribute.t, self._folder))
        if kind == "STRINGS":
            return [_text(entry) for entry in attribute.strings]
        if kind in ("FLOAT", "INT"):
            return getattr(attribute, kind[0].lower())
        if kind in ("FLOATS", "INTS"):
            return list(getattr(attribute, kind.lower()))
        raise ValueError(
            f"attribute {attribute.name} of kind {kind} has no counterpart in tilewise"
        )

    def _constant(self, proto: Any) -> Array:
        if len(proto.attribute) != 1 or len(proto.output) != 1 or proto.input:
            raise ValueError(f"Constant node {proto.name!r}: expected one attribute and one output")
        try:
            return constant_array(self._attribute_of_constant(proto.attribute[0]))
        except ValueError as error:
            raise NodeError(f"Constant node {proto.name!r}: {error}") from error

    def _attribute_of_constant(self, attribute: Any) -> tuple[str, Any]:
        schema = schema_of("Constant", self._onnx.defs.onnx_opset_version(), "")
        node = Node("", "Constant", 0, Operator(_unknown), self._root, {}, (), ())
        self._set_attribute(node, attribute.name, attribute, schema, _Scope({}))
        return attribute.name, node.attributes[attribute.name]


def constant_array(entry: tuple[str, Any]) -> Array:
    """The array that an attribute of Constant stands for.

    Raises:
        ValueError: it stands for strings.
    """
    name, value = entry
    if name == "value":
        return value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if name in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if name in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    raise ValueError(f"{name} has no counterpart in tilewise")


def _check_names(*names: Any) -> None:
    """Text that is no UTF-8 comes as bytes."""
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"expected names in UTF-8, got {name!r}")


def _unknown(node: Node, *_: Value | None) -> None:
    raise ValueError(f"operator {node.op} has no handler")


def _qualified(domain: str, node: Node) -> str:
    return f"{domain or 'ai.onnx'}.{node.op} (opset {node.version})"


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"expected text, got {data[:20]!r}") from None


def _release(nodes: Sequence[Node], kept: set[str]) -> None:
    """Note at each node which values nobody needs after it."""
    needed = set(kept)
    for node in reversed(nodes):
        used = {name for name in (*node.inputs, *node.outputs) if name}
        for inner in node.graphs.values():
            used |= inner.captured
        node.frees = tuple(sorted(used - needed))
        needed |= used


def _share_state(root: OnnxModule, graph: Graph, tensors: Mapping[str, Array]) -> None:
    """Make parameters, buffers and constants of the file's tensors, in order of their first use."""
    users: dict[str, list[tuple[Node, int]]] = {}
    for node in graph.nodes:
        for slot, name in enumerate(node.inputs):
            users.setdefault(name, []).append((node, slot))
    order = [name for name in users if name in tensors]
    for name in [*order, *(name for name in tensors if name not in users)]:
        value = wrap(tensors[name])
        if not isinstance(value, Tensor) or not is_float(value):
            graph.constants[name] = value
            continue
        role, home, trained = _role(name, value, users)
        label = state_name(name, home, role) if home else name
        held = nn.Parameter(value) if trained else value
        graph.state[name] = place(root, label, held, transient=not role)


def _role(
    name: str, value: Tensor, users: Mapping[str, list[tuple[Node, int]]], depth: int = 0
) -> tuple[str, str, bool]:
    """What a tensor is to the first node that has a name for it: role, node, is it trained."""
    for node, slot in users.get(name, []):
        row = node.row
        if slot in row.weights and (value.numel() > 1 or not row.large):
            return row.weights[slot], node.name, True
        if slot in row.statistics:
            return row.statistics[slot], node.name, False
        if node.op in _CARRIERS and slot == 0 and node.outputs and depth < _MAX_DEPTH:
            found = _role(node.outputs[0], value, users, depth + 1)
            if found[0]:
                return found
    return "", "", False
