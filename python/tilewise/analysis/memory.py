"""How much memory a network will need, known before it runs.

The model is traced on one sample. Its steps are then played through as bookkeeping: which arrays a
forward pass allocates and for how long it holds them, what the tape keeps of each, which gradients
the backward pass allocates and when it frees them, what convolutions need besides, and what the
optimizer remembers. Nothing of the real size is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_int, wrong_type
from tilewise._formatting import format_bytes
from tilewise.analysis.steps import Plan, Step
from tilewise.analysis.traced import trace_modes
from tilewise.creation import zeros
from tilewise.nn.weight_norm import normalised_of

if TYPE_CHECKING:
    from tilewise.analysis.traced import InputShape, Traced
    from tilewise.graph import Value
    from tilewise.nn import Module
    from tilewise.optim import Optimizer
    from tilewise.tensor import Tensor

    OptimizerLike = str | Optimizer | Callable[[Iterable[Tensor]], Optimizer] | None


@dataclass(frozen=True)
class MemoryEstimate:
    """What a network needs, in bytes; printing it gives a table.

    Attributes:
        batch: the batch that this is for.
        optimizer: the optimizer's name, or "" for none.
        threads: how many the workspaces are for.
        parameters: weights, and statistics.
        packed_weights: weights in the algorithms' own layout, which inference keeps beside them.
        gradients: of the parameters.
        optimizer_state: what the optimizer remembers.
        kept_activations: what the tape holds when the forward pass of a training step ends.
        inference_peak: the most that is held at once in inference, parameters and input included.
        training_peak: the most in a training step, after the first one.
        inference_at, training_at: what is running then.
        kept: bytes that the tape keeps of each node, by its name.
        assumed: operations of which it is not known what they keep; inputs and outputs are taken.

    Example:
        >>> need = tw.memory_estimate(nn.Linear(1024, 1024), (1024,), optimizer="adamw")
        >>> need.gradients, need.optimizer_state
        (4198400, 8396800)
    """

    batch: int
    optimizer: str
    threads: int
    parameters: int
    packed_weights: int
    gradients: int
    optimizer_state: int
    kept_activations: int
    inference_peak: int
    training_peak: int
    inference_at: str
    training_at: str
    kept: dict[str, int] = field(repr=False, default_factory=dict)
    assumed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for programs.

        Example:
            >>> tw.memory_estimate(nn.Linear(4, 2), (4,)).to_dict()["parameters"]
            128
        """
        return {name: value for name, value in asdict(self).items() if name != "kept"}

    def __str__(self) -> str:
        rows = [
            ("parameters and statistics", self.parameters),
            ("packed weights (inference)", self.packed_weights),
            ("gradients of parameters", self.gradients),
            (f"state of {self.optimizer or 'no optimizer'}", self.optimizer_state),
            ("activations kept for the gradients", self.kept_activations),
        ]
        lines = [f"{name:<36}{format_bytes(count):>11}" for name, count in rows]
        peaks = (
            ("inference", self.inference_peak, self.inference_at),
            ("training step", self.training_peak, self.training_at),
        )
        for name, count, at in peaks:
            what = f"peak of {name}, batch {self.batch}"
            lines.append(f"{what:<36}{format_bytes(count):>11}  at {at}")
        if self.assumed:
            lines.append(f"taken to keep inputs and outputs: {', '.join(self.assumed)}")
        return "\n".join(lines)


# ---------------------------------------------------------------- bookkeeping


class _Heap:
    """Bytes in use, and the most of them."""

    def __init__(self, base: int) -> None:
        self.live = base
        self.peak = base
        self.at = "the parameters"

    def allocate(self, count: int) -> _Buffer:
        buffer = _Buffer(self, _core.block_bytes(count), count)
        self.live += buffer.size
        return buffer

    def note(self, what: str, more: int = 0) -> None:
        """Something runs that needs `more` bytes for a moment."""
        if self.live + more > self.peak:
            self.peak, self.at = self.live + more, what


class _Buffer:
    """Memory with its holders counted."""

    __slots__ = ("count", "heap", "holders", "size")

    def __init__(self, heap: _Heap, size: int, count: int) -> None:
        self.heap, self.size, self.count, self.holders = heap, size, count, 1

    def hold(self) -> _Buffer:
        self.holders += 1
        return self

    def release(self) -> None:
        self.holders -= 1
        if self.holders == 0:
            self.heap.live -= self.size


class _Run:
    """A forward pass, and a backward pass after it."""

    def __init__(self, plan: Plan, base: int) -> None:
        self.plan = plan
        self.traced = plan.traced
        self.heap = _Heap(base)
        self.buffers: dict[Value, _Buffer] = {}
        self.tape: dict[int, list[_Buffer]] = {}
        self.kept: dict[str, int] = {}
        self.names = plan.traced.node_names()
        for value in self.traced.graph.inputs:
            self.buffers[value] = self.heap.allocate(self.traced.bytes(value))

    def _name(self, step: Step) -> str:
        return self.names[step.node]

    def forward(self) -> None:
        steps = self.plan.steps
        leaving: dict[int, list[Value]] = {}
        for value, last in self.plan.held.items():
            leaving.setdefault(last, []).append(value)
        seen: set[int] = set()
        for i, step in enumerate(steps):
            for value in step.outputs:
                source = self.buffers.get(step.inputs[0]) if step.view and step.inputs else None
                self.buffers[value] = (
                    self.heap.allocate(self.traced.bytes(value))
                    if source is None
                    else source.hold()
                )
            if step.kept or step.kept_bytes:
                self._keep(i, step, seen)
            self.heap.note(self._name(step), step.scratch)
            for value in (
                *leaving.get(i, ()),
                *(v for v in step.outputs if v not in self.plan.held),
            ):
                if value in self.buffers:
                    self.buffers.pop(value).release()

    def _keep(self, i: int, step: Step, seen: set[int]) -> None:
        held = [self.buffers[value].hold() for value in step.kept if value in self.buffers]
        if step.kept_bytes:
            held.append(self.heap.allocate(step.kept_bytes))
        self.tape[i] = held
        fresh = {id(buffer): buffer.count for buffer in held if id(buffer) not in seen}
        seen.update(fresh)
        self.kept[self._name(step)] = sum(fresh.values())

    def backward(self) -> None:
        wanted, heap = self.plan.wanted, self.heap
        pending: dict[Value, tuple[_Buffer, bool, bool]] = {}  # buffer, owned, dense
        for value in self.traced.graph.outputs:
            if value in wanted and value not in pending:
                pending[value] = (heap.allocate(self.traced.bytes(value)), False, True)
        heap.note("the loss")
        summed: set[int] = set()
        for i in range(len(self.plan.steps) - 1, -1, -1):
            step = self.plan.steps[i]
            arrived = [pending.pop(value) for value in step.outputs if value in pending]
            if arrived:
                self._send(step, arrived, pending, summed)
            for buffer, _, _ in arrived:
                buffer.release()
            for buffer in self.tape.pop(i, ()):
                buffer.release()

    def _send(
        self,
        step: Step,
        arrived: list[tuple[_Buffer, bool, bool]],
        pending: dict[Value, tuple[_Buffer, bool, bool]],
        summed: set[int],
    ) -> None:
        """One step's gradients."""
        heap, name = self.heap, f"the gradient of {self._name(step)}"
        gradient, _, dense = arrived[0]
        copies = sum(buffer.size for buffer, _, is_dense in arrived if not is_dense)
        if step.passes:
            copies = 0
        extra = copies + (gradient.size if step.gated else 0)
        sent: list[tuple[Value, _Buffer]] = []
        for value in dict.fromkeys(step.inputs):
            if value not in self.plan.wanted:
                continue
            if step.passes:
                sent.append((value, gradient.hold()))
            else:
                sent.append((value, heap.allocate(self.traced.bytes(value))))
        heap.note(name, extra + step.backward[0])
        repeated = []
        for parameter in step.parameters:
            made = heap.allocate(parameter.nbytes)
            repeated += [made] if id(parameter) in summed else []
            summed.add(id(parameter))
        heap.note(name, extra + step.backward[1])
        for buffer in repeated:
            buffer.release()
        is_dense = step.dense and (dense or not step.passes)
        for value, buffer in sent:
            self._add(value, buffer, not step.passes, is_dense, pending)
        heap.note(name)

    def _add(
        self,
        value: Value,
        buffer: _Buffer,
        fresh: bool,
        dense: bool,
        pending: dict[Value, tuple[_Buffer, bool, bool]],
    ) -> None:
        before = pending.get(value)
        if before is None:
            pending[value] = (buffer, fresh, dense)
        elif before[1]:
            self.heap.note("a sum of gradients")
            buffer.release()
        else:
            total = self.heap.allocate(self.traced.bytes(value))
            self.heap.note("a sum of gradients")
            before[0].release()
            buffer.release()
            pending[value] = (total, True, True)


def _held_by(model: Module) -> int:
    """Parameters and buffers, each once, and what `weight_norm` makes of parameters."""
    made = [t for module in model.modules() for t in normalised_of(module).values()]
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers(), *made)}
    return sum(_core.block_bytes(tensor.nbytes) for tensor in tensors.values())


# ---------------------------------------------------------------- optimizers


def _state_tensors(make: Callable[[Iterable[Tensor]], Optimizer]) -> int:
    """How many tensors of a parameter's size an optimizer remembers: asked of a small one."""
    from tilewise.nn import Parameter

    probe = Parameter(zeros(64))
    optimizer = make([probe])
    probe.grad = zeros(64)
    optimizer.step()
    held = optimizer.state[probe].values()
    return sum(getattr(value, "shape", None) == (64,) for value in held)


def optimizer_of(op: str, optimizer: OptimizerLike) -> tuple[str, int]:
    """The name of an optimizer, and how many tensors it remembers of each parameter.

    Raises:
        TypeError, ValueError: for what is no optimizer.
    """
    from tilewise import optim

    if optimizer is None:
        return "", 0
    if isinstance(optimizer, optim.Optimizer):
        kind, defaults = type(optimizer), dict(optimizer.defaults)
        return kind.__name__, _state_tensors(lambda params: kind(params, **defaults))
    if callable(optimizer):
        return getattr(optimizer, "__name__", type(optimizer).__name__), _state_tensors(optimizer)
    if not isinstance(optimizer, str):
        raise wrong_type(op, "optimizer", "a name, an optimizer or a function", optimizer)
    known = optimizers()
    if optimizer.lower() not in known:
        raise ValueError(f"{op}: expected optimizer one of {', '.join(known)}, got {optimizer!r}")
    return optimizer.lower(), _state_tensors(known[optimizer.lower()])


def optimizers() -> dict[str, Callable[[Iterable[Tensor]], Optimizer]]:
    """The optimizers by lower-case name; "momentum" is SGD with momentum 0.9."""
    from tilewise import optim

    found: dict[str, Any] = {}
    for name in optim.__all__:
        kind = getattr(optim, name)
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and name != "Optimizer":
            found[name.lower()] = kind
    found["sgd"] = lambda params: optim.SGD(params, lr=0.1)
    found["momentum"] = lambda params: optim.SGD(params, lr=0.1, momentum=0.9)
    return found


# ---------------------------------------------------------------- the estimate


def memory_estimate(
    model: Module,
    input_shape: InputShape,
    batch: int = 1,
    optimizer: OptimizerLike = "adamw",
) -> MemoryEstimate:
    """How much memory inference and a training step will need at their peaks.

    Counted are all arrays: parameters, gradients, the optimizer's state, activations, the input,
    and the workspaces of convolutions with the current number of threads. The Python interpreter
    and the library itself take some 60 MB besides, and the pool keeps freed blocks for use again:
    up to 64 MiB beyond the peak, so that a process grows by the estimate and a few dozen MiB. The
    first training step needs less: it has no optimizer state yet.

    Args:
        model: the network; it runs on one sample, twice if its code asks for the mode.
        input_shape: (C, H, W) without a batch, a list of shapes for several inputs, or tensors.
        batch: images a step.
        optimizer: a name ("adamw", "sgd", "momentum" for SGD with momentum, …), an optimizer, a
            function that makes one of parameters, or None.

    Returns:
        What to print; see `MemoryEstimate`.

    Raises:
        TypeError, ValueError: for arguments that cannot be.

    Example:
        >>> need = tw.memory_estimate(models.create("fashion_cnn"), (1, 28, 28), batch=128)
        >>> 90e6 < need.training_peak < 140e6
        True
    """
    op = "memory_estimate"
    as_int(op, "batch", batch, 1)
    name, states = optimizer_of(op, optimizer)
    trained, idle = trace_modes(op, model, input_shape, batch)
    return estimate_of(Plan(idle, training=False), Plan(trained, training=True), (name, states))


def estimate_of(inference: Plan, training: Plan, optimizer: tuple[str, int]) -> MemoryEstimate:
    """The estimate for plans of one model."""
    model = training.traced.model
    held = _held_by(model)
    packed = sum(_core.block_bytes(step.packed) for step in inference.steps if step.packed)
    idle = _Run(inference, held + packed)
    idle.forward()
    trained = [p for p in model.parameters() if p.requires_grad]
    gradients = sum(_core.block_bytes(p.nbytes) for p in trained)
    state = optimizer[1] * gradients
    busy = _Run(training, held + state)
    before = busy.heap.live
    busy.forward()
    kept = busy.heap.live - before
    busy.backward()
    busy.heap.note("the optimizer")
    return MemoryEstimate(
        batch=training.traced.batch,
        optimizer=optimizer[0],
        threads=_core.get_num_threads(),
        parameters=held,
        packed_weights=packed,
        gradients=gradients,
        optimizer_state=state,
        kept_activations=kept,
        inference_peak=idle.heap.peak,
        training_peak=busy.heap.peak,
        inference_at=idle.heap.at,
        training_at=busy.heap.at,
        kept=busy.kept,
        assumed=tuple(dict.fromkeys(training.assumed)),
    )


__all__ = ["MemoryEstimate", "Traced", "memory_estimate"]
