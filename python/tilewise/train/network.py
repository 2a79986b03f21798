"""The network of a run: built, given the weights it starts from, and fitted to the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..autograd import no_grad
from ..creation import zeros
from ..models import Preprocessing, create, find_heads, info, preprocessing, replace_head
from ..nn import Module
from ..nn.transfer import freeze, unfreeze
from ..random import manual_seed
from .datasets import Known
from .pretrained import create_fitted
from .recipe import Recipe


@dataclass(frozen=True)
class Network:
    """A model to train, the input it wants, and what was done to make it.

    Example:
        >>> recipe = train.Recipe("cifar10", "resnet20_cifar")
        >>> network = train.network.build(recipe, train.datasets.known_of("cifar10"))
        >>> network.rule.size
        (32, 32)
    """

    model: Module
    rule: Preprocessing
    notes: tuple[str, ...] = ()


def build(recipe: Recipe, known: Known) -> Network:
    """The network that a recipe begins with, for a dataset.

    Raises:
        FileNotFoundError, ImportError, ValueError: the weights cannot be read or do not fit, or the
            network cannot take such images.

    Example:
        >>> recipe = train.Recipe("fashion-mnist", "lenet5")
        >>> network = train.network.build(recipe, train.datasets.known_of("fashion-mnist"))
        >>> network.rule.channels
        1
    """
    manual_seed(recipe.seed)
    outputs = len(known.classes)
    if recipe.weights:
        model, fitted, preset = create_fitted(recipe.model, recipe.weights)
        rule, notes = preprocessing(recipe.model, preset), fitted.steps
        if rule.channels != known.channels:
            raise ValueError(
                f"{recipe.weights} is for images of {rule.channels} channels, {known.title} has "
                f"{known.channels}"
            )
        if known.size is not None and not recipe.image_size:
            rule = replace(rule, size=known.size, resize=None)
        replace_head(model, outputs)
    else:
        model, rule, notes = *_fresh(recipe, known, outputs), ()
    if recipe.image_size:
        rule = rule.of_size(recipe.image_size)
    if recipe.freeze:
        freeze(model)
        for head in find_heads(model):
            unfreeze(model.get_submodule(head))
    _check(model, rule, recipe)
    return Network(model, rule, notes)


def _fresh(recipe: Recipe, known: Known, outputs: int) -> tuple[Module, Preprocessing]:
    row = info(recipe.model)
    arguments: dict[str, Any] = {"num_classes": outputs}
    if known.channels != row.input_shape[0]:
        arguments["in_channels"] = known.channels
    try:
        model = create(recipe.model, **arguments)
    except TypeError as error:
        raise ValueError(
            f"{recipe.model} cannot be trained on {known.title}: it does not take "
            f"{' and '.join(arguments)}: {error}"
        ) from error
    _, height, width = row.input_shape
    size = known.size or (height, width)
    resize = None if known.size is not None else max(size) * 8 // 7
    return model, Preprocessing(size, resize, known.mean, known.std, channels=known.channels)


def _check(model: Module, rule: Preprocessing, recipe: Recipe) -> None:
    """Run it once on nothing: what does not fit is said before the data are read."""
    training = model.training
    model.eval()
    try:
        with no_grad():
            model(zeros(1, rule.channels, *rule.size))
    except (ValueError, RuntimeError) as error:
        height, width = rule.size
        raise ValueError(
            f"{recipe.model} cannot take images of {rule.channels}×{height}×{width}: {error}"
        ) from error
    finally:
        model.train(training)
