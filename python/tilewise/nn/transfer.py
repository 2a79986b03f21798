"""Parts of a trained network that are kept as they are while others learn."""

from __future__ import annotations

from typing import TypeVar

from tilewise._arguments import as_bool, wrong_type
from tilewise.nn.batchnorm import _BatchNorm
from tilewise.nn.module import Module

M = TypeVar("M", bound=Module)


def _module_of(op: str, module: M) -> M:
    if not isinstance(module, Module):
        raise wrong_type(op, "module", "a Module", module)
    return module


def freeze_batch_norm(module: M, frozen: bool = True) -> M:
    """Let batch norms use and keep their running statistics, whatever mode the model is in.

    `eval()` does so too, but the `train()` at the beginning of the next epoch undoes it, and a
    backbone whose parameters do not learn would still forget the statistics that belong to them.
    Their scale and shift learn on, unless `requires_grad` says otherwise.

    Args:
        module: a model or a part of one; changed in place.
        frozen: False to let them follow the batches again.

    Returns:
        The module.

    Raises:
        TypeError: this is no module.
        ValueError: a batch norm keeps no running statistics.

    Example:
        >>> net = nn.utils.freeze_batch_norm(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
        >>> _ = net.train()(tw.rand(2, 3, 8, 8))
        >>> net[1].num_batches_tracked.item()
        0
    """
    norms = [
        part
        for part in _module_of("freeze_batch_norm", module).modules()
        if isinstance(part, _BatchNorm)
    ]
    flag = as_bool("freeze_batch_norm", "frozen", frozen)
    for norm in norms:
        if flag and norm.running_mean is None:
            raise ValueError(
                f"freeze_batch_norm: expected batch norms with running statistics, got {norm}"
            )
    for norm in norms:
        norm.frozen = flag
    return module


def freeze(module: M) -> M:
    """Keep a part of a network as it is: its parameters do not learn, nor do its batch norms.

    What `freeze` did survives `train()`, and costs nothing in training: where all that lies below
    is frozen no gradient is recorded. Dropout in it still follows the model's mode.

    Args:
        module: a model or a part of one; changed in place.

    Returns:
        The module.

    Raises:
        TypeError, ValueError: as `freeze_batch_norm`.

    Example:
        >>> model = models.create("resnet20_cifar")
        >>> _ = nn.utils.freeze(model)
        >>> _ = nn.utils.unfreeze(model.linear)
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['linear.weight', 'linear.bias']
    """
    return freeze_batch_norm(_module_of("freeze", module)).requires_grad_(False)


def unfreeze(module: M) -> M:
    """Let all parameters and batch norms of a part learn again; the contrary of `freeze`.

    Example:
        >>> layer = nn.utils.unfreeze(nn.utils.freeze(nn.Linear(2, 1)))
        >>> layer.weight.requires_grad
        True
    """
    return freeze_batch_norm(_module_of("unfreeze", module), False).requires_grad_(True)
