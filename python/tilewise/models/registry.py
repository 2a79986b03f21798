"""Models by name, and their sizes."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._arguments import as_choice
from . import catalog, catalog_mobile, catalog_tasks
from .model_info import ModelInfo

if TYPE_CHECKING:
    from ..nn import Module

CONVENTIONS = ("torchvision", "keras")

_ROWS = {row.name: row for row in (*catalog.ROWS, *catalog_mobile.ROWS, *catalog_tasks.ROWS)}


def available(pattern: str | None = None) -> list[str]:
    """Names that `create` knows.

    Args:
        pattern: only the names that this shell pattern matches, such as "resnet*".

    Example:
        >>> available("lenet*")
        ['lenet5']
    """
    return sorted(fnmatch.filter(_ROWS, "*" if pattern is None else pattern))


def info(name: str) -> ModelInfo:
    """What the zoo knows about a model: size, depth, published accuracy, paper.

    Raises:
        ValueError: there is no model of that name.

    Example:
        >>> info("fashion_cnn").parameters
        1677674
    """
    return _row("info", name)


def _row(op: str, name: str) -> ModelInfo:
    row = _ROWS.get(name)
    if row is None:
        near = difflib.get_close_matches(str(name)[:64], _ROWS, n=4)
        hint = f" (close: {', '.join(near)})" if near else ""
        raise ValueError(
            f"models.{op}: expected one of the {len(_ROWS)} names of models.available(), "
            f"got {name!r}{hint}"
        )
    return row


def create(name: str, *, convention: str = "torchvision", **arguments: Any) -> Module:
    """Build a model by name, with freshly initialised weights.

    Args:
        name: one of `available()`.
        convention: "keras" builds Keras's form of an architecture, which may differ from
            torchvision's: its ResNets have biases in their convolutions, for one.
        arguments: passed on to the model's class: `num_classes`, `in_channels`, ….

    Raises:
        ValueError: there is no model of that name, or no form of Keras's.

    Example:
        >>> models.create("lenet5", num_classes=5)(tw.zeros(1, 1, 28, 28)).shape
        (1, 5)
    """
    row = _row("create", name)
    settings = {**row.arguments}
    if as_choice("models.create", "convention", convention, CONVENTIONS) == "keras":
        if row.keras_parameters is None:
            raise ValueError(f"models.create: expected a model that Keras has, got {name!r}")
        settings.update(row.keras_arguments)
    file, _, builder = row.builder.partition(":")
    module = importlib.import_module(f"{__package__}.{file}")
    build: Callable[..., Module] = getattr(module, builder)
    return build(**{**settings, **arguments})


def count_parameters(model: Module, convention: str = "torchvision") -> int:
    """How many numbers a model learns.

    Args:
        model: any module.
        convention: "torchvision" counts parameters, frozen ones too; "keras" adds the running
            means and variances of batch norm, as Keras does.

    Example:
        >>> model = create("fashion_cnn")
        >>> count_parameters(model), count_parameters(model, "keras")
        (1677674, 1679082)
    """
    count = sum(math.prod(p.shape) for p in model.parameters())
    if as_choice("count_parameters", "convention", convention, CONVENTIONS) == "keras":
        count += sum(
            math.prod(buffer.shape)
            for name, buffer in model.named_buffers()
            if name.rpartition(".")[2] in ("running_mean", "running_var")
        )
    return count
