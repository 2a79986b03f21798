"""What a run is made of, and the settings that the documented commands use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..data import catalog
from ..data.transforms import (
    Compose,
    Normalize,
    RandomHorizontalFlip,
    RandomShift,
    ToTensor,
    Transform,
)
from ..models import available

OPTIMIZERS = ("adamw", "adam", "sgd")
MODELS = {"cnn": "fashion_cnn", "mlp": "mlp", "lenet": "lenet5"}  # names on the command line
AUGMENTATIONS = ("none", "flip", "shift", "flip-shift")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights of a run; two equal recipes train bit for bit alike.

    Args:
        dataset: a name of `tilewise.data.catalog`.
        model: a name of `tilewise.models.available()`.
        epochs: passes over the training images.
        batch_size: images in a step.
        lr: the peak of the one-cycle schedule.
        weight_decay: decoupled for AdamW, part of the gradient for the others.
        optimizer: one of `OPTIMIZERS`.
        label_smoothing: in [0, 1).
        augment: one of `AUGMENTATIONS`.
        validation: training images held out, at random, to be measured after each epoch.
        seed: of the weights, the order, dropout, augmentation and the held-out images.

    Raises:
        ValueError: a setting is out of its range.

    Example:
        >>> train.Recipe(dataset="fashion-mnist", model="mlp", epochs=1).batch_size
        128
    """

    dataset: str
    model: str
    epochs: int = 12
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 1e-2
    optimizer: str = "adamw"
    label_smoothing: float = 0.0
    augment: str = "none"
    validation: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        choices = (
            ("dataset", tuple(catalog.SPECS)),
            ("model", tuple(available())),
            ("optimizer", OPTIMIZERS),
            ("augment", AUGMENTATIONS),
        )
        for name, allowed in choices:
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"expected {name} as one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        ranges = (
            ("epochs", 1, 10**6),
            ("batch_size", 1, 10**6),
            ("lr", 1e-12, 1e6),
            ("weight_decay", 0.0, 1e6),
            ("label_smoothing", 0.0, 0.999),
            ("validation", 0, 10**9),
            ("seed", 0, 2**63 - 1),
        )
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    f"expected {name} of {low:g} to {high:g}, got {getattr(self, name)}"
                )

    @property
    def short_model(self) -> str:
        """The model's name on the command line."""
        return next((short for short, name in MODELS.items() if name == self.model), self.model)

    @property
    def spec(self) -> catalog.Spec:
        """The dataset's description."""
        return catalog.SPECS[self.dataset]

    def train_transform(self) -> Transform:
        """What is done to training images: augmentation, then what test images get."""
        steps: list[Transform] = []
        if "shift" in self.augment:
            steps.append(RandomShift(2))
        if "flip" in self.augment:
            steps.append(RandomHorizontalFlip())
        return Compose([*steps, *self._normalise()])

    def test_transform(self) -> Transform:
        """What is done to images that are only measured."""
        return Compose(self._normalise())

    def _normalise(self) -> list[Transform]:
        return [ToTensor(), Normalize(self.spec.mean, self.spec.std)]

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe of `to_dict`.

        Raises:
            ValueError: a setting is missing, unknown, of another type or out of its range.
        """
        kinds: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "str": str}
        known = {field.name: kinds[str(field.type)] for field in fields(cls)}
        if set(values) != set(known):
            raise ValueError(f"expected the settings {sorted(known)}, got {sorted(values)}")
        for name, kind in known.items():
            if not isinstance(values[name], kind):
                raise ValueError(f"expected another type for {name}, got {values[name]!r}")
        return cls(**values)


_RECIPES = (
    Recipe("fashion-mnist", "fashion_cnn"),
    Recipe("fashion-mnist", "mlp", lr=1e-3, weight_decay=1e-4),
    Recipe("fashion-mnist", "lenet5", lr=2e-3),
    Recipe("mnist", "lenet5", epochs=6, lr=2e-3),
    Recipe("mnist", "fashion_cnn", epochs=6),
    Recipe("mnist", "mlp", epochs=6, lr=1e-3, weight_decay=1e-4),
)


def default_recipe(dataset: str, model: str) -> Recipe:
    """The documented settings for a dataset and a model.

    Raises:
        ValueError: there are none for this pair.

    Example:
        >>> default_recipe("fashion-mnist", "fashion_cnn").epochs
        12
    """
    for recipe in _RECIPES:
        if (recipe.dataset, recipe.model) == (dataset, model):
            return recipe
    raise ValueError(f"there is no recipe for {model!r} on {dataset!r}")
