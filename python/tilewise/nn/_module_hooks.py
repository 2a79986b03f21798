"""What is called around a module's forward pass, and after its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tilewise._arguments import as_bool
from tilewise._hooks import RemovableHandle
from tilewise.autograd import grad_mode, record
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise.nn.module import Module


class Flagged(NamedTuple):
    """A hook with settings of its own; one without is stored as it is."""

    function: Callable[..., Any]
    with_kwargs: bool
    always_call: bool = False


def add(
    op: str, registry: dict[int, Any], hook: Callable[..., Any], prepend: bool, **flags: bool
) -> RemovableHandle:
    """Register a hook as the last one, or the first."""
    for name, value in flags.items():
        as_bool(op, name, value)
    entry = Flagged(hook, **flags) if any(flags.values()) else hook
    before = dict(registry) if as_bool(op, "prepend", prepend) else {}
    handle = RemovableHandle(registry, entry)
    for key in before:  # behind the new one
        registry[key] = registry.pop(key)
    return handle


def call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The forward pass with the hooks around it."""
    for hook in tuple(module._forward_pre_hooks.values()):
        if isinstance(hook, Flagged):
            changed = hook.function(module, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    called: set[int] = set()
    try:
        output = module.forward(*args, **kwargs)
        for key, hook in tuple(module._forward_hooks.items()):
            called.add(key)
            changed = _after(hook, module, args, kwargs, output)
            output = output if changed is None else changed
    except Exception:
        for key, hook in tuple(module._forward_hooks.items()):
            if isinstance(hook, Flagged) and hook.always_call and key not in called:
                _after(hook, module, args, kwargs, None)
        raise
    return output


def _after(hook: Any, module: Module, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
    if not isinstance(hook, Flagged):
        return hook(module, args, output)
    if hook.with_kwargs:
        return hook.function(module, args, kwargs, output)
    return hook.function(module, args, output)


# ---------------------------------------------------------------- after the backward pass


class _Pass:
    """The gradients of one pass, until all that the hook is told are there."""

    def __init__(self, module: Module, hook: Callable[..., Any]) -> None:
        self.module = module
        self.hook = hook
        self.inputs: list[Tensor | None] = []
        self.outputs: list[Tensor | None] = []
        self.waiting = 0  # inputs whose gradient is to come
        self.expected = 0  # outputs whose gradient is to come, where no input has one

    def watched(self, values: Any, found: list[Tensor | None], arrived: Any) -> Any:
        """The values, with tensors that gradients pass replaced by ones that report them."""
        several = isinstance(values, tuple | list)
        result = []
        for place, value in enumerate(values if several else (values,)):
            found.append(None)
            if isinstance(value, Tensor) and value.requires_grad and grad_mode.enabled:
                alias = record("hooked", value._array, (value,), lambda dy: (dy,), aliases=True)
                alias.register_hook(_reporter(arrived, place))
                result.append(alias)
            else:
                result.append(value)
        return type(values)(result) if several else result[0]

    def of_output(self, place: int, gradient: Tensor) -> Tensor | None:
        """The gradient of an output."""
        self.outputs[place] = gradient
        self.expected -= 1
        if not self.waiting and self.expected <= 0:
            self.hook(self.module, tuple(self.inputs), tuple(self.outputs))
        return None

    def of_input(self, place: int, gradient: Tensor) -> Tensor | None:
        """The gradient of an input: with the last one the hook is called."""
        self.inputs[place] = gradient
        self.waiting -= 1
        if self.waiting:
            return None
        changed = self.hook(self.module, tuple(self.inputs), tuple(self.outputs))
        if changed is None:
            return None
        if sum(g is not None for g in self.inputs) > 1:
            raise RuntimeError(
                "register_full_backward_hook: expected None from the hook of a module with "
                "gradients of several inputs: the others are on their way already"
            )
        first: Tensor | None = changed[place] if isinstance(changed, tuple | list) else changed
        return first


def _reporter(arrived: Callable[[int, Tensor], Tensor | None], place: int) -> Any:
    return lambda gradient: arrived(place, gradient)


class BackwardHook:
    """The two hooks of the forward pass that make a hook of the backward pass."""

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook
        self.passes: list[_Pass] = []

    def before(self, module: Module, args: tuple[Any, ...]) -> Any:
        """Watch the gradients of the inputs."""
        current = _Pass(module, self.hook)
        self.passes.append(current)
        args = current.watched(args, current.inputs, current.of_input)
        current.waiting = _count(args)
        return args

    def after(self, module: Module, args: tuple[Any, ...], output: Any) -> Any:
        """Watch the gradients of the outputs."""
        current = self.passes.pop()
        output = current.watched(output, current.outputs, current.of_output)
        current.expected = _count(output)
        return output


def _count(values: Any) -> int:
    tensors: Iterator[Any] = iter(values if isinstance(values, tuple | list) else (values,))
    return sum(isinstance(v, Tensor) and v.requires_grad for v in tensors) * grad_mode.enabled


class Handles(RemovableHandle):
    """Removes several hooks at once; also at the end of a `with`."""

    def __init__(self, *handles: RemovableHandle) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take the hooks back; a second call does nothing."""
        for handle in self._handles:
            handle.remove()
