"""The last layer of a classifier, found and exchanged: the first step of transfer learning."""

from __future__ import annotations

from typing import TypeVar

from .. import nn
from .._arguments import as_int, wrong_type

M = TypeVar("M", bound=nn.Module)


def find_heads(model: nn.Module) -> list[str]:
    """The dotted names of the layers that give a classifier's logits, the main one last.

    The head is the last linear layer or convolution in the order of definition; where a network has
    auxiliary classifiers (parts whose names begin with "aux"), theirs come before it.

    Raises:
        TypeError: this is no module.
        ValueError: it has no linear layer or convolution.

    Example:
        >>> models.find_heads(models.create("squeezenet1_1"))
        ['classifier.1']
    """
    if not isinstance(model, nn.Module):
        raise wrong_type("find_heads", "model", "a Module", model)
    last: dict[str, str] = {}  # the part an auxiliary classifier lies in, or "" → its last layer
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            auxiliary = [part for part in name.split(".") if part.lower().startswith("aux")]
            last[auxiliary[0] if auxiliary else ""] = name
    if "" not in last:
        raise ValueError(
            f"find_heads: {type(model).__name__} has no linear layer or convolution at its end"
        )
    main = last.pop("")
    return [*last.values(), main]


def replace_head(model: M, num_classes: int) -> M:
    """Give a classifier new, freshly initialised last layers for another number of classes.

    All else keeps its weights. The new layers have the kind, bias, kernel and dtype of the old, are
    trained whatever was frozen, and hang in the same places, so optimizers must be made afterwards.

    Args:
        model: a classifier; changed in place.
        num_classes: outputs that it shall have.

    Returns:
        The model.

    Raises:
        TypeError, ValueError: as `find_heads`, and for less than one class.

    Example:
        >>> model = models.replace_head(models.create("resnet20_cifar"), 2)
        >>> model(tw.zeros(1, 3, 32, 32)).shape
        (1, 2)
    """
    outputs = as_int("replace_head", "num_classes", num_classes, 1)
    for path in find_heads(model):
        parent, _, name = path.rpartition(".")
        old = model.get_submodule(path)
        setattr(model.get_submodule(parent), name, _like(old, outputs))
    return model


def _like(old: nn.Module, outputs: int) -> nn.Module:
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(
            old.in_features, outputs, bias=old.bias is not None, dtype=old.weight.dtype
        )
    elif isinstance(old, nn.Conv2d) and old.groups == 1:
        new = nn.Conv2d(
            old.in_channels,
            outputs,
            old.kernel_size,
            old.stride,
            old.padding,
            old.dilation,
            bias=old.bias is not None,
            padding_mode=old.padding_mode,
            dtype=old.weight.dtype,
        )
    else:
        raise ValueError(f"replace_head: expected a last layer of one group, got {old}")
    return new.train(old.training)
