"""`export`: a traced model as an ONNX model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tilewise import graph
from tilewise._arguments import as_bool, as_int, describe, wrong_type
from tilewise._core import __version__
from tilewise._dtypes import to_numpy
from tilewise._ops.joining import cat
from tilewise.creation import from_numpy
from tilewise.graph import Graph, Node, Value
from tilewise.nn import Module
from tilewise.nn.weight_norm import normalised_of
from tilewise.tensor import Tensor

from .builder import Builder, Call, Multiple, Size, Unsupported, Varying, value_info
from .files import write
from .layers import FUNCTIONS, RENAMED, settings
from .table import CONVERTERS

OLDEST_OPSET = 13
_BATCHES = (2, 3)  # of the two traces that tell which sizes follow the batch


def export(
    model: Module,
    sample: Tensor | Sequence[Tensor],
    path: str | os.PathLike[str] | None = None,
    *,
    opset: int = 18,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = True,
    fold_batch_norm: bool = False,
    external_data: bool | None = None,
) -> onnx.ModelProto:
    """A network as an ONNX model, which other programs run.

    The model is traced in evaluation mode (and is afterwards in the mode it was in), checked by
    ONNX, and written where a path is given. Weights are initialisers under their names in the
    state dict. With `dynamic_batch` the model is traced with two batch sizes, which tells the sizes
    that follow the batch from those that are fixed; all other sizes are those of the sample.

    Args:
        model: a network whose forward takes and returns tensors.
        sample: an input, or a tuple of them; the first dimension is the batch.
        path: the file to write, complete or not at all; by custom it ends in `.onnx`.
        opset: the version of the operators, 13 or newer.
        input_names: of the inputs; "input", or "input0", "input1" and so on, by default.
        output_names: of the outputs; likewise.
        dynamic_batch: leave the first dimension of inputs and outputs open.
        fold_batch_norm: multiply batch norms into the convolutions before them.
        external_data: write the weights beside the model, to `<path>.data`; None for where a model
            would exceed ONNX's limit of 2 GB.

    Returns:
        The model; with `external_data` it refers to the file of the weights.

    Raises:
        ImportError: without the package onnx.
        TypeError: for arguments of the wrong type.
        ValueError: for an operation that has no ONNX form, named with its place and what to do; a
            model that computes something else for another batch size; a model beyond 2 GB
            without a path.
        OSError: the file cannot be written.

    Example:
        >>> from tilewise import onnx
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
        >>> exported = onnx.export(net, tw.zeros(1, 1, 8, 8), "net.onnx")
        >>> [node.op_type for node in exported.graph.node]
        ['Conv', 'Relu', 'Flatten', 'Gemm']
    """
    if not isinstance(model, Module):
        raise wrong_type("onnx.export", "model", "a Module", model)
    newest = onnx.defs.onnx_opset_version()
    opset = as_int("onnx.export", "opset", opset, OLDEST_OPSET, newest)
    samples = _samples(sample)
    dynamic = as_bool("onnx.export", "dynamic_batch", dynamic_batch)
    with _evaluating(model):
        first, second = _traces(model, samples, dynamic)
        builder = Builder(opset, _BATCHES, _state_names(model))
        _pair(builder, first, second)
        inputs = _names(input_names, len(first.inputs), "input")
        outputs = _names(output_names, len(first.outputs), "output")
        _place_inputs(builder, first, inputs)
        folded = (
            _foldable(first) if as_bool("onnx.export", "fold_batch_norm", fold_batch_norm) else {}
        )
        for node, other in zip(first.nodes, second.nodes, strict=True):
            _convert(builder, node, other, folded)
    proto = _assemble(builder, first, inputs, outputs, type(model).__name__)
    return write(proto, None if path is None else Path(path), external_data)


# ------------------------------------------------------------ tracing


def _samples(sample: Any) -> tuple[Tensor, ...]:
    samples = tuple(sample) if isinstance(sample, tuple | list) else (sample,)
    for tensor in samples:
        if not isinstance(tensor, Tensor):
            raise wrong_type("onnx.export", "sample", "a Tensor or a tuple of them", tensor)
    if not samples:
        raise ValueError("onnx.export: expected at least one sample input, got none")
    return samples


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode; every module is put back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _traces(model: Module, samples: tuple[Tensor, ...], dynamic: bool) -> tuple[Graph, Graph]:
    """The graph of a batch of two and of three; of the sample, twice, for a fixed batch."""
    if not dynamic:
        traced = graph.trace(model, *samples)
        return traced, traced
    for tensor in samples:
        if tensor.ndim == 0 or tensor.shape[0] == 0:
            raise ValueError(
                f"onnx.export: expected samples with a batch dimension, got shape {tensor.shape}; "
                "use dynamic_batch=False for others"
            )
    first, second = (
        graph.trace(model, *[_rows(tensor, count) for tensor in samples]) for count in _BATCHES
    )
    if [node.op for node in first.nodes] != [node.op for node in second.nodes]:
        raise ValueError(
            f"onnx.export: expected a model that computes the same for every batch size, got "
            f"different graphs for {_BATCHES[0]} and {_BATCHES[1]} samples; use dynamic_batch=False"
        )
    return first, second


def _rows(tensor: Tensor, count: int) -> Tensor:
    """The first `count` samples, from the start again where there are fewer."""
    tensor = tensor.detach()
    copies = -(-count // tensor.shape[0])
    return (cat([tensor] * copies) if copies > 1 else tensor)[:count]


def _pair(builder: Builder, first: Graph, second: Graph) -> None:
    """What the sizes of every value are, from its shapes in both traces."""
    pairs = list(zip(first.inputs, second.inputs, strict=True))
    for node, other in zip(first.nodes, second.nodes, strict=True):
        pairs += zip(node.inputs, other.inputs, strict=True)
        pairs += zip(node.outputs, other.outputs, strict=True)
    for node in first.nodes:
        for value in node.inputs:
            builder.readers.setdefault(id(value), set()).add(FUNCTIONS.get(node.op, node.op))
    for value, twin in pairs:
        sizes = [_both(a, b, builder.batches) for a, b in zip(value.shape, twin.shape, strict=True)]
        if any(isinstance(n, Varying) for n in sizes):
            raise ValueError(
                f"onnx.export: expected sizes that are fixed or multiples of the batch, got shapes "
                f"{value.shape} and {twin.shape} for {_BATCHES[0]} and {_BATCHES[1]} samples; use "
                "dynamic_batch=False"
            )
        builder.shapes[id(value)] = tuple(sizes)
        if value.kind == "constant" and twin.tensor is not None:
            builder.twins[id(value)] = twin.tensor


def _both(first: Any, second: Any, batches: tuple[int, int]) -> Any:
    """A setting that is the same in both traces, or how it depends on the batch."""
    if isinstance(first, Value | Tensor):
        return first
    if isinstance(first, tuple | list) and type(first) is type(second):
        if len(first) != len(second):
            return Varying(f"{first} and {second}")
        parts = [_both(a, b, batches) for a, b in zip(first, second, strict=True)]
        return parts if isinstance(first, list) else tuple(parts)
    if isinstance(first, slice) and isinstance(second, slice):
        ends = zip(*((s.start, s.stop, s.step) for s in (first, second)), strict=True)
        return slice(*[_both(a, b, batches) for a, b in ends])
    if isinstance(first, np.ndarray):
        return first if np.array_equal(first, second) else Varying("an array")
    if type(first) is int and type(second) is int and first != second:
        factor = first // batches[0]
        if (factor * batches[0], factor * batches[1]) == (first, second):
            return Multiple(factor)
    return first if first == second else Varying(f"{first} and {second}")


# ------------------------------------------------------------ names


def _state_names(model: Module) -> dict[int, str]:
    """Names in the state dict; a normalised parameter has the one that it would have without."""
    named = [*model.named_parameters(), *model.named_buffers()]
    for path, module in model.named_modules():
        named += [(f"{path}.{key}".lstrip("."), t) for key, t in normalised_of(module).items()]
    return {id(tensor): name for name, tensor in named}


def _names(given: Sequence[str] | None, count: int, stem: str) -> list[str]:
    if given is None:
        return [stem] if count == 1 else [f"{stem}{i}" for i in range(count)]
    names = list(given)
    if isinstance(given, str) or not all(type(name) is str and name for name in names):
        raise wrong_type("onnx.export", f"{stem}_names", "a list of names", given)
    if len(names) != count or len(set(names)) != count:
        raise ValueError(
            f"onnx.export: expected {count} different {stem}_names, got {describe(given)}"
        )
    return names


def _place_inputs(builder: Builder, traced: Graph, names: list[str]) -> None:
    for value, name in zip(traced.inputs, names, strict=True):
        builder.names[id(value)] = builder.unique(name)
        for axis, n in enumerate(builder.shapes[id(value)]):
            if isinstance(n, Multiple) and not builder.batch_source[0]:
                builder.batch_source = (name, axis)


# ------------------------------------------------------------ nodes


def _convert(builder: Builder, node: Node, other: Node, folded: dict[int, Node]) -> None:
    """Append what a node is in ONNX."""
    if id(node) in folded and node.op.startswith("BatchNorm"):
        builder.names[id(node.outputs[0])] = builder.value(node.inputs[0], node.path)
        return
    call = _call(builder, node, other)
    if id(node) in folded:
        _fold(call, folded[id(node)])
    converter = CONVERTERS.get(call.function)
    try:
        if converter is None:
            raise Unsupported("it has no ONNX form")
        results = converter(call)
    except Unsupported as error:
        raise ValueError(
            f"onnx.export: cannot export {node.op} in {node.path or 'the model itself'!r} "
            f"(input shapes {', '.join(str(v.shape) for v in node.inputs)}): {error}; rewrite it "
            "with functions that have one, or leave it out of the exported model"
        ) from error
    names = [results] if isinstance(results, str) else list(results)
    for value, name in zip(node.outputs, names, strict=True):
        builder.names[id(value)] = name


def _call(builder: Builder, node: Node, other: Node) -> Call:
    arguments = {
        name: _both(value, other.arguments[name], builder.batches)
        for name, value in node.arguments.items()
    }
    if node.module is None:
        return Call(builder, node.op, arguments, node, node.path)
    names = RENAMED.get(node.op, {})
    given = {names.get(name, name): v for name, v in arguments.items() if v is not None}
    function = FUNCTIONS.get(node.op, node.op)
    return Call(builder, function, {**settings(node.op, node.module), **given}, node, node.path)


def _foldable(traced: Graph) -> dict[int, Node]:
    """Convolutions and the batch norms after them that nothing else reads between, each way."""
    uses = Counter(id(value) for node in traced.nodes for value in node.inputs)
    uses.update(id(value) for value in traced.outputs)
    layers = Counter(id(node.module) for node in traced.nodes if node.module is not None)
    pairs: dict[int, Node] = {}
    for norm in traced.nodes:
        if not norm.op.startswith("BatchNorm") or norm.module is None:
            continue
        source = norm.inputs[0]
        conv = source.producer
        if conv is None or conv.op not in {"Conv1d", "Conv2d", "Conv3d"} or uses[id(source)] != 1:
            continue
        if layers[id(conv.module)] == 1 and norm.module.running_mean is not None:
            pairs |= {id(conv): norm, id(norm): conv}
    return pairs


def _fold(call: Call, norm: Node) -> None:
    """Weights and bias of a convolution that computes the batch norm after it too."""
    layer: Any = norm.module
    weight = call.arguments["weight"].detach().numpy().astype(np.float64)
    variance = layer.running_var.numpy().astype(np.float64)
    scale = 1 / np.sqrt(variance + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight.detach().numpy()
    shift = -layer.running_mean.numpy() * scale
    if call.has("bias"):
        shift = shift + call.arguments["bias"].detach().numpy() * scale
    if layer.bias is not None:
        shift = shift + layer.bias.detach().numpy()
    weight *= scale.reshape(-1, *(1,) * (weight.ndim - 1))
    call.arguments["weight"] = from_numpy(weight.astype(call.out_dtype))
    call.arguments["bias"] = from_numpy(shift.astype(call.out_dtype))


# ------------------------------------------------------------ the whole


def _assemble(
    builder: Builder, traced: Graph, inputs: list[str], outputs: list[str], name: str
) -> onnx.ModelProto:
    """The nodes that outputs need, and what these need."""
    for value, wanted in zip(traced.outputs, outputs, strict=True):
        _name_output(builder, builder.value(value, ""), wanted, inputs)
    needed, nodes = set(outputs), []
    for node in reversed(builder.nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    typed = zip((*traced.inputs, *traced.outputs), (*inputs, *outputs), strict=True)
    infos = [_info(builder, value, name) for value, name in typed]
    proto = helper.make_graph(
        nodes[::-1],
        name,
        infos[: len(inputs)],
        infos[len(inputs) :],
        [tensor for key, tensor in builder.initializers.items() if key in needed],
    )
    opsets = [helper.make_opsetid("", builder.opset)]
    return helper.make_model(
        proto,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="tilewise",
        producer_version=__version__,
    )


def _info(builder: Builder, value: Value, name: str) -> onnx.ValueInfoProto:
    sizes: tuple[Size, ...] = builder.shapes.get(id(value), tuple(value.shape))
    return value_info(name, to_numpy(value.dtype), sizes)


def _name_output(builder: Builder, name: str, wanted: str, inputs: list[str]) -> None:
    """Give a result the name of an output; what is none of a node passes through Identity."""
    producer = next((node for node in builder.nodes if name in node.output), None)
    if producer is None or name in inputs or name in builder.outputs:
        builder.nodes.append(helper.make_node("Identity", [name], [wanted], name=wanted))
    else:
        for node in builder.nodes:
            node.input[:] = [wanted if n == name else n for n in node.input]
            node.output[:] = [wanted if n == name else n for n in node.output]
        for key, known in builder.names.items():
            if known == name:
                builder.names[key] = wanted
    builder.outputs.add(wanted)
