"""What a network is made of: a row a layer, and the totals."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tilewise._arguments import as_choice
from tilewise.analysis import styles
from tilewise.analysis.costs import explained, multiply_adds, parameters_of
from tilewise.analysis.memory import MemoryEstimate, estimate_of, optimizer_of
from tilewise.analysis.receptive_fields import ReceptiveField
from tilewise.analysis.steps import Plan
from tilewise.analysis.traced import trace_modes
from tilewise.nn import Parameter

if TYPE_CHECKING:
    from tilewise.analysis.memory import OptimizerLike
    from tilewise.analysis.traced import InputShape, Traced
    from tilewise.graph import Node
    from tilewise.nn import Module


@dataclass(frozen=True)
class Layer:
    """A row of a summary: a layer, or a function that the model calls.

    Attributes:
        name: the layer's dotted name; for a function its name after that of the module.
        type: the layer's class, or the function's name.
        output_shape: with the batch.
        trainable, frozen: numbers of parameters; those of a layer that ran before count once.
        statistics: numbers in floating-point buffers, such as batch norm's running statistics.
        multiply_adds: products that are summed, for the batch.
        activation_bytes: of the output, for the batch.
        kept_bytes: what a training step keeps of this layer until its gradient is computed.
        receptive_field: width of what a unit sees in the image; empty where there is no image.
        jump: pixels from a unit to the next; empty where the output is no map.
        algorithms: what computes a convolution: forward, gradient of the input, of the weight.

    Example:
        >>> layer = tw.summary(nn.Conv2d(3, 64, 3, padding=1), (3, 32, 32)).layers[0]
        >>> layer.output_shape, layer.parameters, layer.receptive_field
        ((1, 64, 32, 32), 1792, (3, 3))
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    trainable: int
    frozen: int
    statistics: int
    multiply_adds: int
    activation_bytes: int
    kept_bytes: int
    receptive_field: tuple[float, ...]
    jump: tuple[float, ...]
    algorithms: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Trainable and frozen ones together."""
        return self.trainable + self.frozen


@dataclass(frozen=True)
class ModuleCall:
    """A call of a module that is made of others; the "torchsummary" style lists them too."""

    type: str
    output_shape: tuple[int, ...]
    after: int  # the row that it comes behind


@dataclass(frozen=True)
class Totals:
    """What the rows sum to, and what no row has.

    Attributes:
        trainable, frozen: parameters of the whole model, each once; also of parts that did not run.
        statistics: see `Layer`.
        unused: parameters of parts that did not run.
        multiply_adds: for the batch.
        input_bytes: of the batch.
        activation_bytes: of all outputs.
        parameter_bytes: parameters and statistics.

    Example:
        >>> totals = tw.summary(models.create("fashion_cnn"), (1, 28, 28)).totals
        >>> totals.trainable, totals.statistics
        (1677674, 1408)
    """

    trainable: int
    frozen: int
    statistics: int
    unused: int
    multiply_adds: int
    input_bytes: int
    activation_bytes: int
    parameter_bytes: int

    @property
    def parameters(self) -> int:
        """Trainable and frozen ones together."""
        return self.trainable + self.frozen


class Summary:
    """The result of `summary`; printing it gives the table in its style.

    Attributes:
        model_name: the model's class.
        input_shapes: with the batch.
        batch: what sizes are told for.
        layers: a `Layer` for each row.
        totals: `Totals`.
        memory: a `MemoryEstimate`.
        field: the `ReceptiveField`, or None for inputs that are no images.
        style: how it prints.

    Example:
        >>> s = tw.summary(nn.Conv2d(3, 10, 5, padding=2), (3, 32, 32))
        >>> s.totals.parameters, s.totals.multiply_adds, s.layers[0].output_shape
        (760, 768000, (1, 10, 32, 32))
    """

    def __init__(self, traced: Traced, memory: MemoryEstimate, style: str) -> None:
        graph = traced.graph
        self.model_name = type(traced.model).__name__
        self.batch = traced.batch
        self.input_shapes = tuple([traced.shape(value) for value in graph.inputs])
        self.memory = memory
        self.style = style
        self.field = ReceptiveField(traced) if len(graph.inputs[0].shape) > 2 else None
        self._seen: set[int] = set()
        names = traced.node_names()
        self.layers = tuple(
            [self._layer(traced, i, node, names[i]) for i, node in enumerate(graph.nodes)]
        )
        self.calls = tuple(
            [
                ModuleCall(type(call.module).__name__, shape, call.last - 1)
                for call in traced.calls
                for shape in call.outputs[:1]
                if call.path
            ]
        )
        self.totals = self._total(traced)

    def _layer(self, traced: Traced, i: int, node: Node, name: str) -> Layer:
        counts = {"trainable": 0, "frozen": 0, "statistics": 0}
        for _, tensor in parameters_of(node):
            if id(tensor) in self._seen:
                continue
            self._seen.add(id(tensor))
            kind = _kind_of(tensor)
            if kind:
                counts[kind] += tensor.numel()
        row = self.field.row_of(node) if self.field is not None else None
        choice = explained(traced, node)
        return Layer(
            name=name,
            type=node.op,
            output_shape=traced.shape(node.outputs[0]),
            **counts,
            multiply_adds=multiply_adds(traced, node),
            activation_bytes=sum(traced.bytes(value) for value in node.outputs),
            kept_bytes=self.memory.kept.get(name, 0),
            receptive_field=() if row is None else row.size,
            jump=() if row is None else row.jump,
            algorithms=() if choice is None else tuple([d.algorithm for d in choice.directions]),
        )

    def _total(self, traced: Traced) -> Totals:
        counts = {"trainable": 0, "frozen": 0, "statistics": 0}
        total_bytes = unused = 0
        held = {id(t): t for t in (*traced.model.parameters(), *traced.model.buffers())}
        for key, tensor in held.items():
            kind = _kind_of(tensor)
            if not kind:
                continue
            counts[kind] += tensor.numel()
            total_bytes += tensor.nbytes
            unused += tensor.numel() * (kind != "statistics" and key not in self._seen)
        return Totals(
            **counts,
            unused=unused,
            multiply_adds=sum(layer.multiply_adds for layer in self.layers),
            input_bytes=sum(traced.bytes(value) for value in traced.graph.inputs),
            activation_bytes=sum(layer.activation_bytes for layer in self.layers),
            parameter_bytes=total_bytes,
        )

    # ------------------------------------------------------------ as text

    def __str__(self) -> str:
        return styles.STYLES[self.style](self)

    __repr__ = __str__

    def __rich__(self) -> Any:
        return styles.rich_table(self)

    def to_dict(self) -> dict[str, Any]:
        """All rows and numbers, for programs.

        Example:
            >>> tw.summary(nn.Linear(4, 2), (4,)).to_dict()["totals"]["trainable"]
            10
        """
        return {
            "model": self.model_name,
            "batch": self.batch,
            "input_shapes": [list(shape) for shape in self.input_shapes],
            "layers": [asdict(layer) for layer in self.layers],
            "totals": asdict(self.totals),
            "memory": self.memory.to_dict(),
        }

    def to_json(self, indent: int | None = 2) -> str:
        """The same as JSON.

        Example:
            >>> tw.summary(nn.Linear(4, 2), (4,)).to_json(indent=None)[:18]
            '{"model": "Linear"'
        """
        return json.dumps(self.to_dict(), indent=indent)

    def to_markdown(self) -> str:
        """A table for a README.

        Example:
            >>> print(tw.summary(nn.Linear(4, 2), (4,)).to_markdown().splitlines()[2])
            | Linear | Linear | 1×2 | 10 | 8 |  |  |
        """
        return styles.markdown(self)


def _kind_of(tensor: Any) -> str:
    """What a parameter or buffer counts as; nothing for counters."""
    if isinstance(tensor, Parameter):
        return "trainable" if tensor.requires_grad else "frozen"
    return "statistics" if "float" in tensor.dtype.name else ""


def summary(
    model: Module,
    input_shape: InputShape,
    batch: int = 1,
    style: str = "table",
    *,
    optimizer: OptimizerLike = "adamw",
) -> Summary:
    """What a network is made of and what it costs, a row a layer.

    The model runs on one sample, a second time if its code asks for the mode; sizes for a larger
    batch are computed. Layers run as in evaluation; modules of one's own run in the mode that they
    are in, so that outputs which exist in training only are listed until `model.eval()`.

    Args:
        model: any network that `tilewise.graph.trace` can follow.
        input_shape: (C, H, W) without a batch, a list of such shapes for several inputs, or tensors
            with a batch.
        batch: what output shapes, multiply-adds and bytes are told for.
        style: "table"; "keras", as `model.summary()` prints there; "torchsummary", as that package
            prints; "markdown"; or "json".
        optimizer: what the memory of a training step is told for; see `memory_estimate`.

    Returns:
        What to print, with rows and totals for programs; see `Summary`.

    Raises:
        TypeError, ValueError: for arguments that cannot be.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
        >>> print(tw.summary(net, (1, 8, 8), style="keras"))
        Model: "Sequential"
        _________________________________________________________________
        Layer (type)                    Output Shape              Param #
        =================================================================
        conv2d (Conv2d)                 (None, 4, 6, 6)                40
        _________________________________________________________________
        relu (ReLU)                     (None, 4, 6, 6)                 0
        _________________________________________________________________
        flatten (Flatten)               (None, 144)                     0
        _________________________________________________________________
        linear (Linear)                 (None, 10)                  1,450
        =================================================================
        Total params: 1,490
        Trainable params: 1,490
        Non-trainable params: 0
        _________________________________________________________________
    """
    op = "summary"
    as_choice(op, "style", style, tuple(styles.STYLES))
    named = optimizer_of(op, optimizer)
    training, inference = trace_modes(op, model, input_shape, batch)
    memory = estimate_of(Plan(inference, training=False), Plan(training, training=True), named)
    return Summary(training if model.training else inference, memory, style)
