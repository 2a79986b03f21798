"""Groups of parameters with options of their own."""

from __future__ import annotations

from collections.abc import Iterable
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
