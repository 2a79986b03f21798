"""Names of parameters: the file's own where it has readable ones, else those of the node."""

from __future__ import annotations

import re

from tilewise import nn
from tilewise.tensor import Tensor

_READABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


class Scope(nn.Module):
    """A part of the tree of names: `layer1.0.conv1.weight` lies in three of them."""


def readable(name: str) -> bool:
    """Whether a name is one that a person gave: "layer1.0.conv1.weight", not "onnx::Conv_12"."""
    return _READABLE.fullmatch(name) is not None and not re.fullmatch(r"_*\d+|val_\d+", name)


def state_name(name: str, node: str, role: str) -> str:
    """The dotted name for an initialiser that plays a role in a node."""
    return name if readable(name) else f"{node_path(node)}.{role}"


def node_path(node: str) -> str:
    """A dotted path from the name of a node.

    PyTorch's exporter names nodes by the scopes around them, each with its whole place in a list,
    and the operator: "/layer1/layer1.0/conv1/Conv" is layer1.0.conv1.
    """
    parts = [part for part in node.split("/") if part]
    if node.startswith("/") and len(parts) > 1:
        parts.pop()
    kept = [
        part
        for part, following in zip(parts, [*parts[1:], ""], strict=True)
        if not following.startswith(part + ".")
    ]
    return re.sub(r"[^A-Za-z0-9_.]+", "_", ".".join(kept)).strip(".") or "node"


def place(
    root: nn.Module, name: str, value: Tensor, transient: bool = False
) -> tuple[nn.Module, str]:
    """Put a parameter or buffer where its dotted name says; the module that has it and its name.

    Where something else has the name already, an underscore is added to it.
    """
    *path, leaf = [part for part in name.split(".") if part] or ["tensor"]
    owner = root
    for part in path:
        key = part
        while not isinstance(owner._modules.get(key), Scope):
            if not _taken(owner, key):
                owner.register_module(key, Scope())
            else:
                key += "_"
        inner = owner._modules[key]
        assert inner is not None
        owner = inner
    while _taken(owner, leaf):
        leaf += "_"
    if isinstance(value, nn.Parameter):
        owner.register_parameter(leaf, value)
    else:
        owner.register_buffer(leaf, value, persistent=not transient)
    return owner, leaf


def _taken(owner: nn.Module, name: str) -> bool:
    return hasattr(owner, name)
