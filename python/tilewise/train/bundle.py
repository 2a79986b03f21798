"""Trained weights that say what they are: `evaluate` and `predict` need nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import catalog
from ..data.transforms import Compose, Normalize, ToTensor, Transform
from ..io import check_state_dict, load, load_metadata, save
from ..models import create
from ..nn import Module
from .recipe import Recipe

FORMAT = "1"


@dataclass(frozen=True)
class Bundle:
    """A trained model and what its input and output mean.

    Args:
        model: in evaluation mode.
        name: of the model, as `tilewise.models.create` knows it.
        dataset: what it was trained on.
        classes: names of its outputs.
        mean, std: of the normalisation of its input.
        size: (height, width) of its input.

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
    mean: float
    std: float
    size: tuple[int, int]

    def transform(self) -> Transform:
        """uint8 image (H, W) → float32 (1, H, W), as in training."""
        return Compose([ToTensor(), Normalize(self.mean, self.std)])


def save_bundle(
    path: str | os.PathLike[str], model: Module, recipe: Recipe, results: Mapping[str, Any]
) -> None:
    """Write weights with the description that `load_bundle` reads.

    Args:
        path: the safetensors file to write.
        model: the trained model.
        recipe: how it was trained.
        results: JSON values worth keeping beside it; nothing that changes from run to run.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> train.save_bundle("mlp.safetensors", models.create("mlp"), recipe, {"accuracy": 0.1})
    """
    spec = recipe.spec
    description = {
        "model": recipe.model,
        "dataset": recipe.dataset,
        "classes": list(spec.classes),
        "mean": spec.mean,
        "std": spec.std,
        "size": [28, 28],
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
        height, width = described["size"]
        bundle = Bundle(
            model=create(described["model"], num_classes=len(described["classes"])),
            name=str(described["model"]),
            dataset=str(described["dataset"]),
            classes=tuple(map(str, described["classes"])),
            mean=float(described["mean"]),
            std=float(described["std"]),
            size=(int(height), int(width)),
        )
        bundle.transform()
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its description is corrupt: {error!r}") from error
    if bundle.size != (28, 28) or bundle.dataset not in catalog.SPECS:
        raise ValueError(f"{path}: its description is corrupt: {bundle.dataset}, {bundle.size}")
    state = load(path)
    try:
        check_state_dict(bundle.model, state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    bundle.model.load_state_dict(state)
    bundle.model.eval()
    return bundle
