"""Trained weights that say what they are: `evaluate` and `predict` need nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.transforms import Transform
from ..io import check_state_dict, load_metadata, load_weights, save
from ..models import Preprocessing, create, info
from ..nn import Module
from .datasets import KNOWN, Known, known_of
from .preprocess import to_input
from .recipe import Recipe

FORMAT = "1"


@dataclass(frozen=True)
class Bundle:
    """A trained model and what its input and output mean.

    Args:
        model: in evaluation mode.
        name: of the model, as `tilewise.models.create` knows it.
        dataset: what it was trained on; "" where that is not known.
        classes: names of its outputs.
        preprocessing: what its input is made of.
        seed: of the run, which chose the images for the test.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> train.save_bundle("mlp.safetensors", models.create("mlp"), recipe, {})
        >>> train.load_bundle("mlp.safetensors").size
        (28, 28)
    """

    model: Module
    name: str
    dataset: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    seed: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its input."""
        return self.preprocessing.size

    def transform(self) -> Transform:
        """uint8 image (H, W) or (H, W, C) of the input's size → float32 (C, H, W)."""
        return to_input(self.preprocessing)


def save_bundle(
    path: str | os.PathLike[str],
    model: Module,
    recipe: Recipe,
    results: Mapping[str, Any],
    *,
    known: Known | None = None,
    preprocessing: Preprocessing | None = None,
) -> None:
    """Write weights with the description that `load_bundle` reads.

    Args:
        path: the safetensors file to write.
        model: the trained model.
        recipe: how it was trained.
        results: JSON values worth keeping beside it; nothing that changes from run to run.
        known: the dataset's classes; may be left out where the dataset has a name.
        preprocessing: what the input is made of; by default the dataset's size and statistics.

    Raises:
        ValueError: the dataset has no name, and `known` is left out.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> train.save_bundle("mlp.safetensors", models.create("mlp"), recipe, {"accuracy": 0.1})
    """
    if known is None:
        if recipe.dataset not in KNOWN:
            raise ValueError(f"save_bundle: expected known for the dataset {recipe.dataset}")
        known = known_of(recipe.dataset)
    if preprocessing is None:
        size = known.size or (224, 224)
        preprocessing = Preprocessing(size, None, known.mean, known.std, channels=known.channels)
    description = {
        "model": recipe.model,
        "dataset": recipe.dataset,
        "classes": list(known.classes),
        "preprocessing": preprocessing.to_dict(),
        "recipe": recipe.to_dict(),
        "results": dict(results),
    }
    metadata = {"tilewise_weights": FORMAT, "description": json.dumps(description)}
    save(model.state_dict(), path, metadata)


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read weights that `tilewise train` wrote, and build their model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is corrupt, has no such description, or does not fit its model.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> train.save_bundle("mlp.safetensors", models.create("mlp"), recipe, {})
        >>> train.load_bundle("mlp.safetensors").classes[:2]
        ('T-shirt/top', 'Trouser')
    """
    path = Path(path)
    metadata = load_metadata(path)
    if metadata.get("tilewise_weights") != FORMAT:
        kind = "a checkpoint" if "tilewise_checkpoint" in metadata else "no weights"
        raise ValueError(f"{path} is {kind} of `tilewise train`: expected its weights.safetensors")
    try:
        described = json.loads(metadata["description"])
        rule = Preprocessing.from_dict(described["preprocessing"])
        name, outputs = str(described["model"]), len(described["classes"])
        arguments: dict[str, Any] = {"num_classes": outputs}
        if rule.channels != info(name).input_shape[0]:
            arguments["in_channels"] = rule.channels
        bundle = Bundle(
            model=create(name, **arguments),
            name=name,
            dataset=str(described["dataset"]),
            classes=tuple(map(str, described["classes"])),
            preprocessing=rule,
            seed=int(described["recipe"]["seed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its description is corrupt: {error!r}") from error
    state = load_weights(path)
    try:
        check_state_dict(bundle.model, state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    bundle.model.load_state_dict(state)
    bundle.model.eval()
    return bundle
