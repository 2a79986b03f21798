"""Recording a graph: the model runs once, and the interpreter reports the calls.

While a model is traced, Python's profile hook (`sys.setprofile`) sees every call and return on this
thread. Three kinds of frames matter: `forward` of a layer of `tilewise.nn`, a public function or
method of tensors, and `Module.__call__`, which tells where in the model the others happen. What a
layer or a function calls in turn is its own affair, so the outermost call is a node. Ops know
nothing of all this and pay nothing for it when nobody traces.

Tensors are followed by identity. One that no recorded call made is a parameter, a buffer or a
constant; one that was made by something else than a public function (a custom op) raises, for the
graph would silently lose what it depends on. A value that Python read (`item`, `numpy`) cannot be
followed, and is named in a warning.
"""

from __future__ import annotations

import inspect
import logging
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tilewise._arguments import describe, wrong_type
from tilewise.autograd import no_grad, record, wrap
from tilewise.graph.functions import Function, is_layer, layer_name, table
from tilewise.graph.nodes import Graph, Node, Value, leaves, substitute
from tilewise.nn import Module, fusion
from tilewise.nn.weight_norm import forward_of
from tilewise.random import get_rng_state, set_rng_state
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from types import CodeType, FrameType

logger = logging.getLogger(__name__)

_CALL = id(Module.__call__.__code__)
_MADE = id(Module.__init__.__code__)
_TENSOR_MADE = {id(wrap.__code__), id(record.__code__)}


def trace(model: Callable[..., Any], *inputs: Tensor) -> Graph:
    """Run a model once and return the graph of what it computed.

    The model runs in the mode it is in, without gradients; buffers (batch norm statistics) and the
    random state are afterwards what they were. Sizes and branches that Python computed are fixed in
    the graph. Parts that `Sequential` fuses are separate nodes.

    Args:
        model: a Module, or any function of tensors.
        inputs: its arguments.

    Raises:
        TypeError: for a model that cannot be called, or an input that is no Tensor.
        ValueError: where a tensor comes from an op that is no public function, or memory that
            another tensor views is written to.

    Example:
        >>> graph = tw.graph.trace(models.create("lenet5"), tw.zeros(1, 1, 28, 28))
        >>> graph.nodes[0].op, graph.nodes[0].path, graph.outputs[0].shape
        ('Conv2d', 'features.0', (1, 10))
    """
    if not callable(model):
        raise wrong_type("graph.trace", "model", "a Module or a function", model)
    for tensor in inputs:
        if not isinstance(tensor, Tensor):
            raise wrong_type("graph.trace", "each input", "a Tensor", tensor)
    recorder = _Recorder(model, inputs)
    with no_grad(), fusion.disabled(), _unchanged(model), recorder.listening():
        result = model(*inputs)
    return recorder.finish(result)


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Buffers and random numbers are put back."""
    buffers = list(model.buffers()) if isinstance(model, Module) else []
    before = [buffer.detach().clone() for buffer in buffers]
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
        with no_grad():
            for buffer, values in zip(buffers, before, strict=True):
                buffer.detach().copy_(values)


class _Recorder:
    """Listens to calls, and writes nodes down."""

    def __init__(self, model: Any, inputs: tuple[Tensor, ...]) -> None:
        self.nodes: list[Node] = []
        # By identity, which weak references confirm: a freed tensor's may be used again, and a
        # trace that kept every tensor would need the memory of training.
        self.values: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self.strays: dict[int, tuple[weakref.ref[Tensor], str]] = {}  # something unknown made them
        self.warned = False
        self.entered: dict[int, CodeType] = {}  # the model's own code, and what it calls
        self.paths: dict[int, str] = {}
        self.scope: list[str] = []
        self.open: FrameType | None = None  # the call that is being recorded
        self.pending: tuple[Function, str, Module | None, dict[str, Any], str] | None = None
        if isinstance(model, Module):
            self.paths = {id(part): path for path, part in model.named_modules()}
            for name, parameter in model.named_parameters():
                self._know(parameter, "parameter", name)
            for name, buffer in model.named_buffers():
                self._know(buffer, "buffer", name)
        self.inputs = tuple(self._know(tensor, "input") for tensor in inputs)

    def _know(
        self, tensor: Tensor, kind: str, name: str = "", producer: Node | None = None
    ) -> Value:
        held = None if kind in {"input", "node"} else tensor
        value = Value(kind, tensor.shape, tensor.dtype, name, producer, held)
        self.values[id(tensor)] = weakref.ref(tensor), value
        self.strays.pop(id(tensor), None)
        return value

    def _known(self, tensor: object) -> Value | None:
        reference, value = self.values.get(id(tensor), (None, None))
        return value if reference is not None and reference() is tensor else None

    def _value_of(self, tensor: Tensor) -> Value:
        known = self._known(tensor)
        if known is not None:
            return known
        reference, maker = self.strays.get(id(tensor), (None, ""))
        if reference is not None and reference() is tensor:
            raise ValueError(
                f"graph.trace: expected tensors made by public functions, got one of shape "
                f"{tensor.shape} that {maker} made; build it of public functions or layers of "
                "tilewise"
            )
        return self._know(tensor, "constant")

    # ------------------------------------------------------------ listening

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive the interpreter's reports; an earlier listener gets its place back."""
        self.table = table()
        before = sys.getprofile()
        sys.setprofile(self._report)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _report(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.open is not None:
            if frame is self.open and event == "return":
                self._close(argument)
            return
        code = id(frame.f_code)
        if event == "call":
            self._enter(frame, code)
        elif event == "return":
            if code == _CALL:
                self.scope.pop()
            elif code in _TENSOR_MADE and isinstance(argument, Tensor):
                self._stray(frame, argument)

    def _enter(self, frame: FrameType, code: int) -> None:
        known = self.table
        if code == _CALL:
            module = frame.f_locals["self"]
            self.scope.append(self.paths.get(id(module), type(module).__name__))
        elif code in known.functions:
            self._open_call(frame, known.functions[code], None)
        elif code in known.forwards:
            module = frame.f_locals["self"]
            layer = Function(layer_name(type(module)), forward_of(module))
            self._open_call(frame, layer, module)
        elif code in known.makers or (
            # A layer's own weight is its own affair; elsewhere it is a node.
            code == known.normaliser and is_layer(type(frame.f_locals["module"]))
        ):
            self.open = frame
        elif code in known.readers and not self.warned:
            value = self._known(frame.f_locals.get("self"))
            if value is not None and value.kind in {"input", "node"}:
                self.warned = True
                logger.warning(
                    "graph.trace: %s() in %r read a tensor of shape %s; what Python does with it "
                    "is fixed in the graph",
                    known.readers[code],
                    self._here() or "the model",
                    value.shape,
                )
        elif code != _MADE:  # a slice of a ModuleList, say: that sets the mode and asks for none
            self.entered[code] = frame.f_code

    def _here(self) -> str:
        return self.scope[-1] if self.scope else ""

    def _stray(self, frame: FrameType, tensor: Tensor) -> None:
        caller = frame.f_back
        maker = caller.f_code.co_name if caller is not None else "something"
        self.strays[id(tensor)] = weakref.ref(tensor), maker

    def _open_call(self, frame: FrameType, function: Function, module: Module | None) -> None:
        path = self._here() if module is None else self.paths.get(id(module), self._here())
        arguments, variadic = _arguments(frame, function, module is not None)
        self.open = frame
        substituted = substitute(arguments, Tensor, self._value_of)
        if function.writes:
            _check_write(function, arguments)
        self.pending = (function, path, module, substituted, variadic)

    def _close(self, result: Any) -> None:
        """The outermost call returned: make its node."""
        frame, self.open = self.open, None
        pending, self.pending = self.pending, None
        made = list(leaves(result, Tensor))
        if pending is None:  # a maker of constants
            for tensor in made:
                self._know(tensor, "constant")
            return
        function, path, module, arguments, variadic = pending
        if function.name == "setitem" and frame is not None:
            made = [frame.f_locals[frame.f_code.co_varnames[0]]]
        if not made or result is NotImplemented:
            return
        node = Node(function.name, path, module, arguments, function.call, variadic)
        node.inputs = tuple(leaves(arguments, Value))
        node.outputs = tuple(self._know(tensor, "node", producer=node) for tensor in made)
        self.nodes.append(node)

    def finish(self, result: Any) -> Graph:
        """The graph, once the model has returned."""
        if not any(True for _ in leaves(result, Tensor)):
            raise ValueError(
                f"graph.trace: expected a model that returns tensors, got {describe(result)}"
            )
        structure = substitute(result, Tensor, self._value_of)
        outputs = tuple(leaves(structure, Value))
        asks_mode = any(_names_mode(code) for code in self.entered.values())
        return Graph(tuple(self.nodes), self.inputs, outputs, structure, asks_mode)


def _names_mode(code: CodeType) -> bool:
    """Whether code reads an attribute `training`, or may do so by a string."""
    return "training" in code.co_names or "training" in code.co_consts


def _check_write(function: Function, arguments: dict[str, Any]) -> None:
    target = next(leaves(arguments, Tensor), None)
    if target is not None and target._base is not None:
        raise ValueError(
            f"graph.trace: expected {function.name}_ to write to a tensor of its own, got a view "
            f"of shape {target.shape}; a graph has no shared memory"
        )


def _arguments(frame: FrameType, function: Function, is_layer: bool) -> tuple[dict[str, Any], str]:
    """The arguments of a call by name, and the name of its *args."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    variadic = ""
    if code.co_flags & inspect.CO_VARARGS:
        variadic = code.co_varnames[count]
        names.insert(code.co_argcount, variadic)
        count += 1
    arguments = {name: values[name] for name in names}
    if code.co_flags & inspect.CO_VARKEYWORDS:
        arguments.update(values[code.co_varnames[count]])
    if is_layer:
        arguments.pop("self")
    if not function.renamed:
        return arguments, variadic
    signature = inspect.signature(function.call)
    positions: list[Any] = []
    for name in names:
        wanted = signature.parameters.get(name)
        if wanted is None or wanted.kind is not wanted.KEYWORD_ONLY:
            value = arguments.pop(name)
            positions += value if name == variadic else [value]
    if function.reflected:
        positions[:2] = positions[1::-1]
    bound = signature.bind(*positions, **arguments)
    bound.apply_defaults()
    return dict(bound.arguments), ""
