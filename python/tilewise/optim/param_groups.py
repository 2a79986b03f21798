"""Groups of parameters with options of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tilewise._arguments import as_float, wrong_type
from tilewise.nn.module import Module

if TYPE_CHECKING:
    from tilewise.nn.parameter import Parameter


def param_groups_weight_decay(
    model: Module, weight_decay: float = 1e-5, no_weight_decay_list: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Two groups for an optimizer: weights with decay, biases and norms' parameters without.

    Decay draws weights towards zero, which says nothing about a bias or the scale of a norm. They
    are told by their shape: one dimension or none.

    Args:
        model: whose parameters to sort; frozen ones are left out.
        weight_decay: of the second group.
        no_weight_decay_list: dotted names of parameters that have none either.

    Returns:
        `[{"params": ..., "weight_decay": 0.0}, {"params": ..., "weight_decay": weight_decay}]`.

    Raises:
        TypeError: where `model` is no module.
        ValueError: for a negative decay.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
        >>> groups = optim.param_groups_weight_decay(net, 0.05)
        >>> [len(group["params"]) for group in groups]
        [3, 1]
        >>> optimizer = optim.AdamW(groups, lr=1e-3)
    """
    op = "param_groups_weight_decay"
    if not isinstance(model, Module):
        raise wrong_type(op, "model", "a Module", model)
    decay = as_float(op, "weight_decay", weight_decay, 0.0)
    exempt = {no_weight_decay_list} if isinstance(no_weight_decay_list, str) else None
    exempt = set(no_weight_decay_list) if exempt is None else exempt
    without: list[Parameter] = []
    with_decay: list[Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = parameter.ndim <= 1 or name in exempt
            (without if plain else with_decay).append(parameter)
    return [
        {"params": without, "weight_decay": 0.0},
        {"params": with_decay, "weight_decay": decay},
    ]


def param_groups_by_name(
    model: Module, rates: Mapping[str, float], default: float | None = None
) -> list[dict[str, Any]]:
    """Groups for an optimizer with a learning rate for each part of a network.

    Pretrained layers want smaller steps than a new head.

    Args:
        model: whose parameters to sort; frozen ones are left out.
        rates: dotted name of a part → its learning rate. The longest name that fits counts, and a
            group is made for each that has parameters, in this order.
        default: learning rate of all others; without one, every parameter must be named.

    Returns:
        `[{"params": [...], "lr": ..., "name": ...}, ...]`; the name of the others is "".

    Raises:
        TypeError: `model` is no module, or a rate is no number.
        ValueError: a rate is negative, a name fits no part, or parameters are left over.

    Example:
        >>> model = models.create("squeezenet1_1")
        >>> groups = optim.param_groups_by_name(model, {"features": 1e-4, "classifier": 1e-3})
        >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
        [('features', 0.0001, 50), ('classifier', 0.001, 2)]
        >>> optimizer = optim.AdamW(groups)
    """
    op = "param_groups_by_name"
    if not isinstance(model, Module):
        raise wrong_type(op, "model", "a Module", model)
    wanted = {name: as_float(op, f"rate of {name!r}", rate, 0.0) for name, rate in rates.items()}
    if default is not None:
        wanted[""] = as_float(op, "default", default, 0.0)
    names = [name for name, _ in model.named_parameters()]
    for part in wanted:
        if part and not any(_lies_in(name, part) for name in names):
            raise ValueError(f"{op}: {type(model).__name__} has no parameters in {part!r}")
    members: dict[str, list[Parameter]] = {part: [] for part in wanted}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        fitting = [part for part in wanted if _lies_in(name, part)]
        if not fitting:
            raise ValueError(f"{op}: expected a rate for every parameter, got none for {name!r}")
        members[max(fitting, key=len)].append(parameter)
    return [
        {"params": members[part], "lr": rate, "name": part}
        for part, rate in wanted.items()
        if members[part]
    ]


def _lies_in(name: str, part: str) -> bool:
    return not part or name == part or name.startswith(f"{part}.")


def param_groups_layer_decay(model: Module, lr: float, decay: float = 0.75) -> list[dict[str, Any]]:
    """Groups for an optimizer whose learning rates shrink from the last layer to the first.

    The layer k from the end learns with lr · decay^k. A layer is a module with parameters of its
    own; a normalisation goes with the layer before it. (Source: J. Howard and S. Ruder, "Universal
    language model fine-tuning for text classification", 2018, section 3.2.)

    Args:
        model: whose parameters to sort; frozen ones are left out, and do not count as layers.
        lr: of the last layer.
        decay: in (0, 1].

    Raises:
        TypeError: `model` is no module, or a number is none.
        ValueError: `lr` is negative or `decay` out of its range.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        >>> [group["lr"] for group in optim.param_groups_layer_decay(net, 0.1, 0.5)]
        [0.05, 0.1]
    """
    op = "param_groups_layer_decay"
    if not isinstance(model, Module):
        raise wrong_type(op, "model", "a Module", model)
    rate, factor = as_float(op, "lr", lr, 0.0), as_float(op, "decay", decay)
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"{op}: expected decay above 0 and at most 1, got {decay}")
    layers: list[list[Parameter]] = []
    for module in model.modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if own and layers and all(p.ndim <= 1 for p in own):
            layers[-1] += own
        elif own:
            layers.append(own)
    last = len(layers) - 1
    return [{"params": own, "lr": rate * factor ** (last - i)} for i, own in enumerate(layers)]
