"""Module: layers and networks, with their parameters, buffers and parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tilewise._arguments import as_bool, describe, wrong_type
from tilewise._dtypes import FLOATING, as_dtype
from tilewise._hooks import new_registry
from tilewise.autograd import no_grad
from tilewise.nn import _module_hooks
from tilewise.nn._state import load_state, state_of
from tilewise.nn.parameter import Buffer, Parameter
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

    from tilewise._core import DType
    from tilewise._hooks import RemovableHandle
    from tilewise.nn._state import IncompatibleKeys

_V = TypeVar("_V")


class _Registered(NamedTuple):
    """Where a module keeps what is assigned to its attributes."""

    parameters: dict[str, Parameter | None]
    buffers: dict[str, Tensor | None]
    modules: dict[str, Module | None]


def _target_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> DType | None:
    """The dtype that `to` was asked for, or None for a device alone."""
    unknown = set(kwargs) - {"device", "dtype", "non_blocking", "copy", "memory_format"}
    if unknown:
        raise TypeError(f"to: expected dtype, device or non_blocking, got {sorted(unknown)}")
    targets = [*args[:2], kwargs.get("device"), kwargs.get("dtype")]
    dtype = None
    for target in targets:
        if target is None or isinstance(target, bool):
            continue
        if isinstance(target, Tensor):
            dtype = target.dtype
        elif isinstance(target, str) and not target.startswith("float"):
            Tensor(()).to(target)  # raises for another device
        else:
            dtype = as_dtype("to", target)
    return dtype


class Module:
    """A layer or a network: a function with parameters.

    Assigning a Parameter or a Module to an attribute registers it. Subclasses call
    `super().__init__()` first and define `forward`.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.conv = nn.Conv2d(1, 8, 3, padding="same")
        ...         self.fc = nn.Linear(8 * 28 * 28, 10)
        ...     def forward(self, x):
        ...         return self.fc(F.relu(self.conv(x)).flatten(1))
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: set[str]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks: dict[int, Any]
    _optional_state: tuple[str, ...] = ()  # names of the state that a state dict may lack

    def __init__(self) -> None:
        set_attribute = object.__setattr__
        set_attribute(self, "training", True)
        set_attribute(self, "_parameters", {})
        set_attribute(self, "_buffers", {})
        set_attribute(self, "_modules", {})
        set_attribute(self, "_transient", set())  # buffers that are not saved
        set_attribute(self, "_forward_hooks", new_registry())
        set_attribute(self, "_forward_pre_hooks", new_registry())

    # ------------------------------------------------------------ calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; defined by subclasses."""
        raise NotImplementedError(f"{type(self).__name__}: expected a forward method, got none")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute `forward`, with the hooks around it."""
        if not (self._forward_pre_hooks or self._forward_hooks):
            return self.forward(*args, **kwargs)
        return _module_hooks.call(self, args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, inputs)` before forward; a result that is not None replaces them.

        Args:
            hook: the function; with `with_kwargs`, `hook(module, inputs, kwargs)`, whose result is
                both.
            prepend: before the hooks that there are.
            with_kwargs: hand over the arguments given by name.
        """
        registry = self._forward_pre_hooks
        op = "register_forward_pre_hook"
        return _module_hooks.add(op, registry, hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, inputs, output)` after forward; a result replaces the output.

        Args:
            hook: the function; with `with_kwargs`, `hook(module, inputs, kwargs, output)`.
            prepend: before the hooks that there are.
            with_kwargs: hand over the arguments given by name.
            always_call: also where forward raises; the output is None then.
        """
        return _module_hooks.add(
            "register_forward_hook", self._forward_hooks, hook, prepend,
            with_kwargs=with_kwargs, always_call=always_call,
        )  # fmt: skip

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Call `hook(module, grad_input, grad_output)` when the gradients of a pass are known.

        Both are tuples, with None for what has no gradient. A result that is not None replaces the
        gradient of the input, where the module has one.

        Returns:
            A handle with `remove()`.

        Example:
            >>> layer = nn.Linear(2, 1)
            >>> seen = []
            >>> handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append(go[0]))
            >>> layer(tw.ones(1, 2, requires_grad=True)).backward()
            >>> seen
            [tensor([[1.]])]
        """
        pair = _module_hooks.BackwardHook(hook)
        return _module_hooks.Handles(
            self.register_forward_pre_hook(pair.before, prepend=prepend),
            self.register_forward_hook(pair.after, prepend=prepend),
        )

    # ------------------------------------------------------------ registering

    def _registered(self) -> _Registered:
        try:
            return _Registered(self._parameters, self._buffers, self._modules)
        except AttributeError:
            raise AttributeError(
                f"{type(self).__name__}: call super().__init__() before assigning parameters, "
                "buffers or modules"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        kind = (
            "parameters"
            if isinstance(value, Parameter)
            else "modules"
            if isinstance(value, Module)
            else "buffers"
            if isinstance(value, Buffer)
            else None
        )
        if kind is None and not isinstance(value, Tensor) and value is not None:
            if "_modules" in self.__dict__ and not self._is_registered(name):
                object.__setattr__(self, name, value)
                return
            if "_modules" not in self.__dict__:
                object.__setattr__(self, name, value)
                return
        self._set_registered(name, value, kind)

    def _is_registered(self, name: str) -> bool:
        return name in self._parameters or name in self._modules or name in self._buffers

    def _set_registered(self, name: str, value: Any, kind: str | None) -> None:
        """Assign what is, or replaces, a parameter, a buffer or a module."""
        places = self._registered()
        if kind is not None:
            own = getattr(places, kind)
            for other in places:
                if other is not own:  # where it stands already, it keeps its place in the order
                    other.pop(name, None)
            self.__dict__.pop(name, None)
            own[name] = value
            return
        if name in places.parameters:
            if value is not None:
                raise wrong_type(
                    type(self).__name__, f"parameter {name!r}", "a Parameter or None", value
                )
            places.parameters[name] = None
        elif name in places.modules:
            if value is not None:
                raise wrong_type(type(self).__name__, f"module {name!r}", "a Module or None", value)
            places.modules[name] = None
        elif name in places.buffers:
            if value is not None and not isinstance(value, Tensor):
                raise wrong_type(type(self).__name__, f"buffer {name!r}", "a Tensor or None", value)
            places.buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for place in ("_parameters", "_buffers", "_modules"):
            registered = self.__dict__.get(place)
            if registered is not None and name in registered:
                return registered[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for place in self._registered():
            if name in place:
                del place[name]
                self._transient.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = [name for place in self._registered() for name in place]
        return sorted({*super().__dir__(), *names})

    def _check_name(self, op: str, name: Any) -> str:
        if not isinstance(name, str):
            raise wrong_type(op, "name", "a string", name)
        if not name or "." in name:
            raise ValueError(f"{op}: expected a name without dots and not empty, got {name!r}")
        if hasattr(self, name) and not self._is_registered(name):
            raise ValueError(f"{op}: {type(self).__name__} already has an attribute {name!r}")
        return name

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or a place without one (None)."""
        self._check_name("register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise wrong_type("register_parameter", "param", "a Parameter or None", param)
        self._registered().parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained.

        Args:
            name: of the attribute.
            tensor: the buffer, or None for a place without one.
            persistent: whether it is part of the state dict.
        """
        self._check_name("register_buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise wrong_type("register_buffer", "tensor", "a Tensor or None", tensor)
        self._registered().buffers[name] = tensor
        if as_bool("register_buffer", "persistent", persistent):
            self._transient.discard(name)
        else:
            self._transient.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a part; the same as `add_module`."""
        self._check_name("register_module", name)
        if module is not None and not isinstance(module, Module):
            raise wrong_type("register_module", "module", "a Module or None", module)
        self._registered().modules[name] = module

    add_module = register_module

    # ------------------------------------------------------------ walking

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all its parts, each once, with dotted names; its own is empty."""
        seen = set() if memo is None else memo
        if self in seen:
            return
        if remove_duplicate:
            seen.add(self)
        yield prefix, self
        for name, part in self._modules.items():
            if part is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from part.named_modules(seen, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all its parts, each once unless told otherwise."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts with their names."""
        seen: set[Module] = set()
        for name, part in self._modules.items():
            if part is not None and part not in seen:
                seen.add(part)
                yield name, part

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return (module for _, module in self.named_children())

    def get_submodule(self, target: str) -> Module:
        """The part of a dotted name; the module itself for an empty one.

        Raises:
            AttributeError: where there is none.
        """
        module = self
        for name in target.split(".") if target else ():
            part = module._modules.get(name)
            if part is None:
                raise AttributeError(f"get_submodule: {type(self).__name__} has no part {target!r}")
            module = part
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name.

        Raises:
            AttributeError: where there is none.
        """
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path)._parameters.get(name)
        if parameter is None:
            raise AttributeError(
                f"get_parameter: {type(self).__name__} has no parameter {target!r}"
            )
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name.

        Raises:
            AttributeError: where there is none.
        """
        path, _, name = target.rpartition(".")
        buffer = self.get_submodule(path)._buffers.get(name)
        if buffer is None:
            raise AttributeError(f"get_buffer: {type(self).__name__} has no buffer {target!r}")
        return buffer

    def _named(
        self, place: str, prefix: str, recurse: bool, once: bool, kind: type[_V]
    ) -> Iterator[tuple[str, _V]]:
        seen: set[int] = set()
        named = self.named_modules(prefix=prefix, remove_duplicate=once)
        for path, module in named if recurse else ((prefix, self),):
            for name, value in getattr(module, place).items():
                if value is not None and not (once and id(value) in seen):
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names, each once unless told otherwise."""
        return self._named("_parameters", prefix, recurse, remove_duplicate, Parameter)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with dotted names, each once unless told otherwise."""
        return self._named("_buffers", prefix, recurse, remove_duplicate, Tensor)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # ------------------------------------------------------------ changing

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation (dropout, batch norm), of all parts; returns the module."""
        flag = as_bool("train", "mode", mode)
        for module in self.modules():
            module.training = flag
        return self

    def eval(self) -> Self:
        """Evaluation mode, of all parts; returns the module."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every part and then the module itself; returns the module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters, or freeze them; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter._grad = None
            elif parameter._grad is not None:
                parameter._grad.zero_()

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert the floating-point parameters and buffers to a dtype; returns the module.

        Args:
            args: `to(dtype)`, `to("cpu")`, `to("cpu", dtype)`, or `to(tensor)` for its dtype.
            kwargs: `dtype`, `device`, and `non_blocking`, which does nothing: every module is in
                the CPU's memory.

        Raises:
            TypeError: for another dtype.
            ValueError: for another device.

        Example:
            >>> nn.Linear(2, 2).to(tw.float64).weight.dtype
            tilewise.float64
        """
        dtype = _target_dtype(args, kwargs)
        if dtype is None:
            return self
        if dtype not in FLOATING:
            raise TypeError(f"to: expected float32 or float64, got {dtype.name}")
        with no_grad():
            for tensor in (*self.parameters(), *self.buffers()):
                if tensor.dtype in FLOATING:
                    tensor.data = tensor.data.to(dtype)
                    if tensor._grad is not None:
                        tensor._grad = tensor._grad.to(dtype)
        return self

    def float(self) -> Self:
        """Convert to float32; returns the module."""
        return self.to("float32")

    def double(self) -> Self:
        """Convert to float64; returns the module."""
        return self.to("float64")

    def cpu(self) -> Self:
        """Itself: every module is in the CPU's memory."""
        return self

    # ------------------------------------------------------------ state

    def state_dict(
        self,
        *,
        destination: dict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Tensor]:
        """The parameters and persistent buffers by dotted name, on the module's own memory.

        Args:
            destination: a dict to add them to; a new one by default.
            prefix: before each name.
            keep_vars: the parameters themselves, not tensors without history on their memory.
        """
        state = state_of(self, prefix, as_bool("state_dict", "keep_vars", keep_vars))
        if destination is None:
            return state
        destination.update(state)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers.

        Batch norms' `num_batches_tracked` may be missing, as it is in files older than PyTorch
        0.4.1 and of other libraries; it then stays what it is.

        Args:
            state_dict: tensors or arrays by dotted name, as `state_dict` gives or PyTorch saves.
            strict: whether missing and unexpected names are errors.
            assign: take the memory and the type of the values over, where it else is copied.

        Returns:
            `(missing_keys, unexpected_keys)`.

        Raises:
            RuntimeError: where names (if strict) or shapes differ, side by side, with the
                likeliest counterparts of missing names; nothing is changed then.
            TypeError: where `state_dict` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping, got {describe(state_dict)}")
        op = "load_state_dict"
        return load_state(
            self, state_dict, as_bool(op, "strict", strict), as_bool(op, "assign", assign)
        )

    # ------------------------------------------------------------ printing

    def extra_repr(self) -> str:
        """The module's own settings for `repr`; for subclasses."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        parts = [
            f"({name}): " + repr(part).replace("\n", "\n  ") for name, part in self._modules.items()
        ]
        name = self._get_name()
        if not parts and len(extra) <= 1:
            return f"{name}({''.join(extra)})"
        return f"{name}(\n  " + "\n  ".join(extra + parts) + "\n)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {
            "_forward_hooks": new_registry(),
            "_forward_pre_hooks": new_registry(),
        }
        for key, hook in self._forward_pre_hooks.items():
            made = getattr(hook, "made_before_forward", None)
            if made is not None:  # by weight_norm: part of the module, and its value has a history
                state["_forward_pre_hooks"][key] = hook
                state[made] = state[made].detach()
        return state
