"""What ONNX says of an operator in an opset: its inputs, outputs and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tilewise.io.onnx_files import require_onnx


@dataclass(frozen=True)
class Schema:
    """An operator of an opset.

    Attributes:
        inputs: name of each, and whether it may be left out; the last may stand for many.
        input_counts, output_counts: the fewest and the most.
        kinds: for each attribute, ONNX's name and number of its kind.
        required: attributes without which it cannot do.
        defaults: attributes (AttributeProto) that it has where a node says nothing.
        body: the function of other operators that it stands for (FunctionProto), or None.
    """

    inputs: tuple[tuple[str, bool], ...]
    input_counts: tuple[int, int]
    output_counts: tuple[int, int]
    kinds: Mapping[str, tuple[str, int]]
    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    body: Any

    def required_inputs(self, names: Sequence[str], outputs: int) -> tuple[bool, ...]:
        """Which inputs of a node must have a value.

        Raises:
            ValueError: it has too few or too many inputs or outputs, or leaves out one of those.
        """
        for what, count, (low, high) in (
            ("inputs", len(names), self.input_counts),
            ("outputs", outputs, self.output_counts),
        ):
            if not low <= count <= high:
                raise ValueError(f"expected {low} to {high} {what}, got {count}")
        if not self.inputs:
            return ()
        formals = [self.inputs[min(i, len(self.inputs) - 1)] for i in range(len(names))]
        for name, (formal, optional) in zip(names, formals, strict=True):
            if not name and not optional:
                raise ValueError(f"expected input {formal}, which is left out")
        return tuple(not optional for _, optional in formals)


@lru_cache(maxsize=1024)
def schema_of(op: str, version: int, domain: str) -> Schema:
    """The schema of an operator.

    Raises:
        ValueError: ONNX knows no such operator, or no longer.
    """
    defs = require_onnx("load").defs
    try:
        found = defs.get_schema(op, version, domain)
    except (defs.SchemaError, TypeError, OverflowError):
        raise ValueError(f"operator of domain {domain!r}, opset {version}, is unknown") from None
    if found.deprecated:
        raise ValueError(f"operator has left ONNX in opset {found.since_version}")
    attributes = dict(found.attributes)
    return Schema(
        tuple((formal.name, formal.option.name == "Optional") for formal in found.inputs),
        (found.min_input, found.max_input),
        (found.min_output, found.max_output),
        {name: (a.type.name, a.type.value) for name, a in attributes.items()},
        tuple(name for name, a in attributes.items() if a.required),
        {name: a.default_value for name, a in attributes.items() if a.default_value.name},
        found.function_body if found.has_function else None,
    )
