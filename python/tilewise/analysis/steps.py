"""What a model does one after the other: its nodes, with those that run as one joined."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewise.analysis.costs import CONVOLUTIONS, explained
from tilewise.analysis.kept import (
    is_copied,
    is_passed_on,
    is_view,
    kept_letters,
    partners,
    reads_of,
)
from tilewise.analysis.kinds import data, kind_of, setting
from tilewise.analysis.traced import within
from tilewise.nn.weight_norm import normalised_of

if TYPE_CHECKING:
    from tilewise.analysis.traced import Traced
    from tilewise.graph import Node, Value
    from tilewise.tensor import Tensor

_DROPOUT = frozenset(
    ["dropout", "alphadropout", "featurealphadropout", "dropblock", "stochasticdepth"]
)


@dataclass
class Step:
    """One operation as it runs.

    Attributes:
        node: its number in the graph; of the first node, where several run as one.
        kind: what it is.
        inputs: the values that it reads, parameters aside.
        outputs: the values that it makes.
        parameters: those that it trains.
        view: the outputs share the memory of the first input.
        kept: values that are kept for the gradient.
        kept_bytes: and what is kept besides.
        passes: the gradient that arrives is passed on without a copy.
        dense: what is passed on is laid out as kernels want it.
        gated: the gradient passes an activation in a copy first.
        scratch: temporary bytes of the forward pass.
        packed: bytes of packed weights, that inference keeps.
        backward: temporary bytes of the gradients of the input and of the parameters.
        last: the last step that needs each of its inputs held, by the callers' frames.
    """

    node: int
    kind: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: tuple[Tensor, ...] = ()
    view: bool = False
    kept: tuple[Value, ...] = ()
    kept_bytes: int = 0
    passes: bool = False
    dense: bool = True
    gated: bool = False
    scratch: int = 0
    packed: int = 0
    backward: tuple[int, int] = (0, 0)
    frames: tuple[int, ...] = field(default=())  # the ends of the calls that it runs in


class Plan:
    """The steps of a traced model, and which values have gradients.

    Attributes:
        steps: in order.
        wanted: the values and parameters that a gradient is sent to.
        assumed: names of operations of which it is not known what they keep: inputs and outputs
            are taken.
    """

    def __init__(self, traced: Traced, training: bool) -> None:
        self.traced = traced
        self.training = training
        self.wanted: set[Value] = set()
        self.assumed: list[str] = []
        self.steps: list[Step] = []
        self.joined: dict[int, int] = {}
        nodes = traced.graph.nodes
        i = 0
        while i < len(nodes):
            length = traced.fused.get(i, 1)
            self._add(i, nodes[i : i + length])
            i += length
        self.held = self._held()

    # ------------------------------------------------------------ steps

    def _add(self, at: int, group: tuple[Node, ...]) -> None:
        """The steps of nodes that run as one: see `nn/fusion.py`."""
        kinds = [kind_of(node) for node in group]
        if len(group) == 1:
            self._step(at, group[0], group[0].outputs)
            return
        i = 0
        if kinds[0] == "conv":
            relu = kinds[1] == "relu"
            norm = "batchnorm" in kinds
            self._step(at, group[0], group[1 if relu else 0].outputs, gated=relu and not norm)
            i = 1 + relu
        if i < len(group):
            self._step(at + i, group[i], group[-1].outputs, group[i].inputs[:1])
        if i and i < len(group):  # the frame that runs both holds the input
            self.joined[len(self.steps) - 2] = len(self.steps) - 1

    def _step(
        self,
        at: int,
        node: Node,
        outputs: tuple[Value, ...],
        inputs: tuple[Value, ...] | None = None,
        gated: bool = False,
    ) -> None:
        kind = kind_of(node)
        given = data(node) if inputs is None else inputs
        parameters = self._parameters(node)
        step = Step(at, kind, given, outputs, tuple(parameters), is_view(node))
        dropped = kind in _DROPOUT and not (self.training and _rate(node) > 0)
        if dropped:
            step.view, step.passes = True, True
        else:
            step.passes, step.dense = is_passed_on(node)
        step.gated = gated
        wants = bool(parameters) or any(value in self.wanted for value in node.inputs)
        wants = wants or any(v.kind == "parameter" and _trains(v.tensor) for v in node.inputs)
        if self.training and wants:
            self.wanted.update(outputs)
            if not dropped:
                self._keep(step, node)
        self._temporary(step, node)
        self.steps.append(step)

    def _parameters(self, node: Node) -> list[Tensor]:
        found: list[Tensor]
        if node.module is not None:
            found = list(node.module.parameters())
        else:
            found = [
                v.tensor for v in node.inputs if v.kind == "parameter" and v.tensor is not None
            ]
        return [tensor for tensor in found if tensor.requires_grad]

    def _keep(self, step: Step, node: Node) -> None:
        letters = kept_letters(step.kind)
        floating = "float" in step.outputs[0].dtype.name
        if is_copied(node) or (step.view and reads_of(step.kind) is None):
            step.kept = step.outputs[:1]
        elif letters is None:
            self.assumed.append(node.op)
            step.kept = (*step.inputs, *step.outputs)
        elif floating:
            kept: list[Value] = []
            if "x" in letters and (
                step.kind not in {*CONVOLUTIONS, "linear"} or _weight_trains(node)
            ):
                kept += step.inputs[:1]
            if "a" in letters:
                kept += step.inputs
            if "o" in letters:
                kept += [
                    v for v in step.inputs if partners(node, v, self.wanted) or step.parameters
                ]
            if "y" in letters or step.gated:
                kept += step.outputs
            step.kept = tuple(kept)
            if letters == "p":
                step.kept_bytes = 4 * self.traced.size(step.outputs[0])
            elif letters == "b":
                step.kept_bytes = self.traced.size(step.outputs[0]) // 8

    def _temporary(self, step: Step, node: Node) -> None:
        """The workspace of convolutions, and copies of what lies channel by channel."""
        if step.kind not in CONVOLUTIONS:
            return
        sent = [v for v in step.inputs[:1] if v in self.wanted]
        choice = explained(self.traced, node, None if self.training else "forward")
        assert choice is not None
        copy = sum(self.traced.bytes(v) for v in step.inputs[:1] if _is_rows(v))
        step.scratch = choice.forward.workspace + copy
        if not self.training:
            step.packed = choice.forward.packed
            step.scratch -= step.packed
            return
        data_bytes = choice.backward_data.workspace if sent else 0
        made = sum(t.nbytes for t in normalised_of(node.module).values()) if node.module else 0
        step.backward = (data_bytes, choice.backward_weight.workspace + copy + made)

    # ------------------------------------------------------------ how long values are held

    def _held(self) -> dict[Value, int]:
        """The last step that needs each value in the forward pass.

        A value is needed by what reads it, and it is an argument of the calls that it enters: their
        frames hold it until they return.
        """
        last: dict[Value, int] = {}
        made: dict[Value, int] = {}
        by_node = {step.node: i for i, step in enumerate(self.steps)}
        ends = sorted(by_node)

        def step_at(node: int) -> int:
            """The step that a node belongs to."""
            return by_node[ends[max(bisect.bisect_right(ends, node) - 1, 0)]]

        spans = [
            (call.path, step_at(call.first), step_at(call.last - 1))
            for call in self.traced.calls
            if call.last > call.first and call.path
        ]
        nodes = self.traced.graph.nodes
        for i, step in enumerate(self.steps):
            path = nodes[step.node].path
            for value in step.inputs:
                last[value] = max(last.get(value, 0), self.joined.get(i, i))
                for outer, first, end in spans:
                    enters = made.get(value, -1) < first <= i <= end
                    if enters and within(path, outer):
                        last[value] = max(last[value], end)
            made.update(dict.fromkeys(step.outputs, i))
        for value in (*self.traced.graph.outputs, *self.traced.graph.inputs):
            last[value] = len(self.steps)
        return last


def _rate(node: Node) -> float:
    return float(setting(node, "p", 0.5))


def _trains(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.requires_grad


def _weight_trains(node: Node) -> bool:
    if node.module is not None:
        parts = (getattr(node.module, name, None) for name in ("weight", "weight_g", "weight_v"))
        return any(_trains(part) for part in parts)
    weight = node.arguments.get("weight")
    return weight is not None and (weight.kind == "node" or _trains(weight.tensor))


def _is_rows(value: Value) -> bool:
    """Whether a value lies channel by channel: an image that comes from outside."""
    many = len(value.shape) > 2 and value.shape[1] > 1
    return many and value.kind == "input"
