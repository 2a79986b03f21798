"""Weight normalisation: a parameter as its length times its direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tilewise._arguments import as_axis, wrong_type
from tilewise._ops.shape import movedim
from tilewise.autograd import no_grad
from tilewise.functional.similarity import unit_norm
from tilewise.nn.module import Module
from tilewise.nn.parameter import Parameter

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

_M = TypeVar("_M", bound=Module)


def _lengths(v: Tensor, dim: int | None) -> Tensor:
    """The norms over all dimensions but `dim`, which are kept with size 1; all for None."""
    axes = tuple(i for i in range(v.ndim) if i != dim)
    return v.norm(2, axes, keepdim=True) if axes else v.abs()


def normalised(v: Tensor, g: Tensor, dim: int | None) -> Tensor:
    """`g v / |v|`: a node of a graph where the module is no layer of the library."""
    op = "weight_norm"
    if dim is None:
        return unit_norm(op, v.reshape(1, -1), 1, 0.0, g.reshape(1)).reshape(v.shape)
    first = movedim(v, dim, 0)
    count = first.shape[0]
    rows = unit_norm(op, first.reshape(count, -1), 1, 0.0, g.reshape(count))
    return movedim(rows.reshape(first.shape), 0, dim)


class WeightNorm:
    """The hook that makes the parameter anew before each forward pass."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = self.made_before_forward = name
        self.dim = dim

    def weight(self, module: Module) -> Tensor:
        """The parameter of the length and the direction as they are now."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return normalised(v, g, self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        """Before the forward pass."""
        setattr(module, self.name, self.weight(module))


def _hooks_of(module: Module) -> list[WeightNorm]:
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm)]


def forward_of(module: Module) -> Callable[..., Any]:
    """The forward pass of a module, with its normalised parameters made anew before it."""
    hooks = _hooks_of(module)
    if not hooks:
        return module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        for hook in hooks:
            hook(module, args)
        return module.forward(*args, **kwargs)

    return forward


def normalised_of(module: Module) -> dict[str, Tensor]:
    """The parameters that `weight_norm` computes, by name, as the last pass made them."""
    return {hook.name: getattr(module, hook.name) for hook in _hooks_of(module)}


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """Replace a parameter by a length and a direction: `weight = g · v / ‖v‖`.

    Salimans and Kingma: "Weight normalization" (2016). The module gets the parameters `name_g`
    and `name_v`, which its state dict names so, and computes the weight before each forward pass.

    Args:
        module: with the parameter; it is changed.
        name: of the parameter.
        dim: the dimension that keeps lengths of its own (0: one a filter); None for one length.

    Returns:
        The module.

    Raises:
        TypeError: for what is no module.
        ValueError: where it has no such parameter, or has it normalised already.

    Example:
        >>> layer = nn.utils.weight_norm(nn.Linear(20, 40))
        >>> layer.weight_g.shape, layer.weight_v.shape
        ((40, 1), (40, 20))
    """
    op = "weight_norm"
    if not isinstance(module, Module):
        raise wrong_type(op, "module", "a Module", module)
    if _hook_of(module, name) is not None:
        raise ValueError(f"{op}: expected a parameter {name!r} that is not normalised already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"{op}: expected {type(module).__name__} to have a parameter {name!r}")
    kept = None if dim is None or dim == -1 else as_axis(op, dim, weight.ndim)
    hook = WeightNorm(name, kept)
    del module._parameters[name]
    with no_grad():
        length = _lengths(weight, kept) if kept is not None else weight.norm()
        module.register_parameter(name + "_g", Parameter(length.clone()))
        module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def _hook_of(module: Module, name: str) -> tuple[int, WeightNorm] | None:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return key, hook
    return None


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Make the parameter of `weight_norm` an ordinary one again, with its present value.

    Raises:
        ValueError: where the parameter is not normalised.

    Example:
        >>> layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(20, 40)))
        >>> sorted(layer.state_dict())
        ['bias', 'weight']
    """
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(
            f"remove_weight_norm: expected {name!r} of {type(module).__name__} to be normalised"
        )
    key, hook = found
    with no_grad():
        weight = hook.weight(module)
    delattr(module, name)
    del module._parameters[name + "_g"], module._parameters[name + "_v"]
    module.register_parameter(name, Parameter(weight.data))
    del module._forward_pre_hooks[key]
    return module
