"""What optimizers share: parameter groups, state, saving and loading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tilewise._arguments import describe, wrong_type
from tilewise._dtypes import FLOATING
from tilewise._hooks import RemovableHandle, new_registry
from tilewise.autograd import enable_grad
from tilewise.tensor import Tensor

Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]


class Optimizer:
    """Changes parameters by their gradients.

    An optimizer of one's own passes the defaults of its options to `super().__init__` and defines
    `step`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        defaults: the options of groups that do not set them.

    Attributes:
        param_groups: dicts of the options with the tensors under "params".
        state: what the optimizer remembers of each tensor.

    Raises:
        TypeError, ValueError: for parameters or options that cannot be.

    Example:
        >>> class SignDescent(optim.Optimizer):
        ...     def __init__(self, params, lr=0.5):
        ...         super().__init__(params, {"lr": lr})
        ...     def step(self):
        ...         with tw.no_grad():
        ...             for group in self.param_groups:
        ...                 for p in group["params"]:
        ...                     p -= group["lr"] * tw.sign(p.grad)
        >>> weight = nn.Parameter(tw.tensor([1.0, -1.0]))
        >>> optimizer = SignDescent([weight])
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, -0.5]
    """

    # Entries of a parameter's state that are numbers.
    _numbers: tuple[str, ...] = ("step",)

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        op = type(self).__name__
        if isinstance(params, Tensor | str | set) or not isinstance(params, Iterable):
            raise wrong_type(op, "params", "a list of tensors or of dicts of groups", params)
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._pre_hooks: dict[int, Callable[..., Any]] = new_registry()
        self._post_hooks: dict[int, Callable[..., Any]] = new_registry()
        self.param_groups: list[dict[str, Any]] = []
        given = list(params)
        if not given:
            raise ValueError(f"{op}: expected at least one parameter, got none")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            if not isinstance(group, dict):
                raise wrong_type(op, "params", "tensors or dicts, not both", group)
            self.add_param_group(group)

    def _check_options(self, group: dict[str, Any]) -> None:
        """Raise for options that cannot be; for subclasses."""

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """Change the tensors of one group, which all have gradients; for subclasses."""
        raise NotImplementedError(f"{type(self).__name__}: expected a step method, got none")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors with options of their own; the others are the optimizer's defaults.

        Raises:
            TypeError: for what is no tensor.
            ValueError: for a tensor that is in a group already, or options that cannot be.
        """
        op = type(self).__name__
        if "params" not in param_group:
            raise wrong_type(op, "a group", "a dict with 'params'", param_group)
        given = param_group["params"]
        tensors = [given] if isinstance(given, Tensor) else list(given)
        named = bool(tensors) and all(isinstance(t, tuple) and len(t) == 2 for t in tensors)
        names = [t[0] for t in tensors] if named else []
        tensors = [t[1] for t in tensors] if named else tensors
        known = {id(t) for group in self.param_groups for t in group["params"]}
        for tensor in tensors:
            if isinstance(tensor, tuple):
                raise ValueError(f"{op}: expected all parameters with names, or all without")
            if not isinstance(tensor, Tensor):
                raise wrong_type(op, "a parameter", "a Tensor", tensor)
            if not tensor.is_leaf or tensor.dtype not in FLOATING:
                raise ValueError(f"{op}: expected a floating-point leaf, got {describe(tensor)}")
            if id(tensor) in known:
                raise ValueError(f"{op}: a parameter of shape {tensor.shape} was given twice")
            known.add(id(tensor))
        group = {**self.defaults, **param_group, "params": tensors}
        if named:
            group["param_names"] = names
        if any(("param_names" in other) is not named for other in self.param_groups):
            raise ValueError(f"{op}: expected all parameters with names, or all without")
        own = {"params", "initial_lr", "name", "param_names"}
        unknown = set(param_group) - set(self.defaults) - own
        if unknown:
            raise ValueError(f"{op}: expected options among {sorted(self.defaults)}, got {unknown}")
        self._check_options(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter._grad = None
                elif parameter._grad is not None:
                    parameter._grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once.

        Args:
            closure: computes the loss and its gradients again; called first.

        Returns:
            What the closure returns, or None.
        """
        for hook in tuple(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p._grad is not None]
            if params:
                self._step_group(group, params)
        for hook in tuple(self._post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before every step."""
        return RemovableHandle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after every step."""
        return RemovableHandle(self._post_hooks, hook)

    def state_dict(self) -> dict[str, Any]:
        """The options and what is remembered, with tensors by number; see `load_state_dict`."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            indices = [numbers[id(p)] for p in group["params"]]
            groups.append({**group, "params": indices})
        state = {numbers[id(p)]: dict(memory) for p, memory in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the options and memory of another optimizer of the same parameters.

        Args:
            state_dict: as `state_dict` gives. The tensors in it are copied.

        Raises:
            TypeError: where it is no such mapping.
            ValueError: where the groups or the shapes differ; nothing is changed then.
        """
        op = f"{type(self).__name__}.load_state_dict"
        keys: Any = state_dict
        if not isinstance(keys, Mapping) or not {"state", "param_groups"} <= set(keys):
            raise wrong_type(op, "state_dict", "a dict with 'state' and 'param_groups'", state_dict)
        groups = state_dict["param_groups"]
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in groups]
        if ours != theirs:
            raise ValueError(f"{op}: expected groups of {ours} parameters, got {theirs}")
        by_number = {
            number: parameter
            for group, own in zip(groups, self.param_groups, strict=True)
            for number, parameter in zip(group["params"], own["params"], strict=True)
        }
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, memory in state_dict["state"].items():
            parameter = by_number.get(int(number))
            if parameter is None:
                raise ValueError(f"{op}: expected state of {len(ours)} groups, got {number!r}")
            state[parameter] = {
                name: _number(name, value)
                if name in self._numbers
                else _own_copy(op, name, value, parameter)
                for name, value in memory.items()
            }
        merged = [
            {**own, **group, "params": own["params"]}
            for group, own in zip(groups, self.param_groups, strict=True)
        ]
        for group in merged:
            self._check_options(group)
        self.param_groups = merged
        self.state = state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _number(name: str, value: Any) -> int | float:
    """A number of the state: the count of steps as an int."""
    return int(value) if name == "step" else float(value)


def _own_copy(op: str, name: str, value: Any, parameter: Tensor) -> Any:
    """A value of the state as this optimizer keeps it: tensors are copied."""
    if not hasattr(value, "_array") and hasattr(value, "__array__"):
        from tilewise.creation import tensor

        value = tensor(value.detach() if hasattr(value, "detach") else value)
    if isinstance(value, Tensor):
        if value.shape != parameter.shape:
            raise ValueError(f"{op}: expected {name} of shape {parameter.shape}, got {value.shape}")
        return value.detach().clone().to(parameter.dtype)
    return value
