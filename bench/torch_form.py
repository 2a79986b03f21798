"""A model of tilewise as one of PyTorch: the same layers with the same weights.

The graph that `tilewise.graph` records is written as a `torch.fx` graph. Layers and functions have
PyTorch's names and arguments in tilewise, so a layer is made from its own attributes and a function
is looked up by name; what PyTorch lacks raises. The result is generated Python code, as a person
would write it, which `torch.compile` takes whole.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import fx
from torch.nn import functional

import tilewise as tw
from tilewise.graph import Value


def as_torch(model: tw.nn.Module, sample: tw.Tensor) -> fx.GraphModule:
    """The PyTorch form of a model, in the same mode, with the same weights and statistics."""
    traced = tw.graph.trace(model, sample)
    root = torch.nn.Module()
    out = fx.Graph()
    made: dict[Value, fx.Node] = {}

    def node_of(value: Value) -> fx.Node:
        if value not in made:
            name = value.name.replace(".", "_")
            if value.kind != "parameter":
                raise ValueError(f"as_torch: expected no {value.kind} in the graph")
            root.register_parameter(name, torch.nn.Parameter(_copy(value.tensor)))
            made[value] = out.get_attr(name)
        return made[value]

    for i, value in enumerate(traced.inputs):
        made[value] = out.placeholder(f"x{i}")
    for node in traced.nodes:
        arguments = _replaced(node.arguments, node_of)
        if node.module is not None:
            name = node.path.replace(".", "_")
            if not hasattr(root, name):
                setattr(root, name, _layer(node.op, node.module))
            result = out.call_module(name, tuple(arguments.values()))
        else:
            result = out.call_function(_function(node.op), (), arguments)
        if len(node.outputs) == 1:
            made[node.outputs[0]] = result
        else:
            for i, value in enumerate(node.outputs):
                made[value] = out.call_function(_getitem, (result, i))
    out.output(_replaced(traced.structure, node_of))
    return fx.GraphModule(root, out).train(model.training)


def _getitem(values: Any, i: int) -> Any:
    return values[i]


def _replaced(structure: Any, node_of: Any) -> Any:
    return tw.graph.nodes.substitute(structure, Value, node_of)


def _copy(tensor: Any) -> torch.Tensor:
    return torch.from_numpy(tensor.detach().numpy().copy())


def _function(name: str) -> Any:
    found = getattr(functional, name, None) or getattr(torch, name, None)
    if found is None:
        found = getattr(torch.Tensor, name, None)
    if found is None:
        raise ValueError(f"as_torch: PyTorch has no function {name!r}")
    return found


def _layer(kind: str, ours: Any) -> torch.nn.Module:
    """A layer of PyTorch with the settings and the state of one of tilewise."""
    theirs = getattr(torch.nn, kind, None)
    if theirs is None:
        raise ValueError(f"as_torch: PyTorch has no layer {kind!r}")
    settings = {}
    for name in inspect.signature(theirs.__init__).parameters:
        if name == "bias":
            settings[name] = ours.bias is not None
        elif name not in {"self", "dtype", "device"} and hasattr(ours, name):
            settings[name] = getattr(ours, name)
    layer: torch.nn.Module = theirs(**settings)
    layer.load_state_dict({name: _copy(t) for name, t in ours.state_dict().items()})
    return layer
