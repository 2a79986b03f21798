"""What a run is made of, and the settings that the documented commands use."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..data.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomShift,
    Resize,
    Transform,
)
from ..models import Preprocessing, available
from .datasets import KNOWN, is_dataset, short_name
from .preprocess import to_input

OPTIMIZERS = ("adamw", "adam", "sgd")
MODELS = {"cnn": "fashion_cnn", "mlp": "mlp", "lenet": "lenet5"}  # names on the command line

Size = tuple[int, int]


def _resized_crop(size: Size) -> list[Transform]:
    return [RandomResizedCrop(size, scale=(0.35, 1.0)), RandomHorizontalFlip()]


# What each does to images of the input's size; those of _FROM_ANY make that size themselves.
_AUGMENTATIONS: dict[str, Callable[[Size], list[Transform]]] = {
    "none": lambda _: [],
    "flip": lambda _: [RandomHorizontalFlip()],
    "shift": lambda _: [RandomShift(2)],
    "flip-shift": lambda _: [RandomShift(2), RandomHorizontalFlip()],
    "crop": lambda size: [RandomCrop(size, padding=max(size) // 8), RandomHorizontalFlip()],
    "resized-crop": _resized_crop,
    "colour": lambda size: [*_resized_crop(size), ColorJitter(0.3, 0.3, 0.3)],
}
_FROM_ANY = ("resized-crop", "colour")
AUGMENTATIONS = tuple(_AUGMENTATIONS)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights of a run; two equal recipes train bit for bit alike.

    Args:
        dataset: fashion-mnist, mnist, cifar10, cifar100, or the path of a folder or tar of images.
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
        image_size: pixels of the input's sides; 0 for the dataset's, or the model's for photos.
        weights: a file of weights to begin with; "" for fresh ones.
        freeze: whether only the last layer learns.

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
    image_size: int = 0
    weights: str = ""
    freeze: bool = False

    def __post_init__(self) -> None:
        if not is_dataset(self.dataset):
            raise ValueError(
                f"expected dataset as one of {', '.join(KNOWN)}, or a folder or tar file of "
                f"images, got {self.dataset!r}"
            )
        if self.model not in available():
            near = ", ".join(difflib.get_close_matches(self.model, available(), n=4))
            raise ValueError(
                f"expected model as a name of tilewise.models.available(), got {self.model!r}"
                f"{f' (close: {near})' if near else ''}"
            )
        choices = (("optimizer", OPTIMIZERS), ("augment", AUGMENTATIONS))
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
            ("image_size", 0, 4096),
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
    def short_dataset(self) -> str:
        """The dataset's name in the name of a folder."""
        return short_name(self.dataset)

    def train_transform(self, rule: Preprocessing, size: Size | None) -> Transform:
        """What is done to training images of a size (None: of any): augmentation, then input."""
        augmentation = _AUGMENTATIONS[self.augment](rule.size)
        first = [] if self.augment in _FROM_ANY else fit_size(rule, size)
        return Compose([*first, *augmentation, to_input(rule)])

    def test_transform(self, rule: Preprocessing, size: Size | None) -> Transform:
        """What is done to images that are only measured."""
        return test_transform(rule, size)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe of `to_dict`.

        Raises:
            ValueError: a setting is missing, unknown, of another type or out of its range.
        """
        kinds: dict[str, type | tuple[type, ...]] = {
            "int": int, "float": (int, float), "str": str, "bool": bool,
        }  # fmt: skip
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


_SMALL = Recipe("cifar10", "resnet20_cifar", epochs=15, weight_decay=5e-2, augment="crop")
_PHOTOS = {"epochs": 10, "batch_size": 32, "lr": 1e-3, "augment": "resized-crop"}


def default_recipe(dataset: str, model: str) -> Recipe:
    """The documented settings for a dataset and a model, or sensible ones where none are.

    Raises:
        ValueError: there is no such dataset or model.

    Example:
        >>> default_recipe("fashion-mnist", "fashion_cnn").epochs
        12
        >>> default_recipe("cifar100", "resnet18").augment
        'crop'
    """
    for recipe in _RECIPES:
        if (recipe.dataset, recipe.model) == (dataset, model):
            return recipe
    if model not in available():
        raise ValueError(f"there is no recipe for {model!r}, which is no model")
    if dataset in ("fashion-mnist", "mnist"):
        return Recipe(dataset, model, lr=1e-3)
    if dataset in KNOWN:
        return replace(_SMALL, dataset=dataset, model=model)
    return Recipe(dataset, model, **_PHOTOS)  # type: ignore[arg-type]


def default_model(dataset: str) -> str:
    """The model that a dataset is trained with where none is named.

    Example:
        >>> default_model("mnist")
        'lenet5'
    """
    models = {"fashion-mnist": "fashion_cnn", "mnist": "lenet5"}
    return models.get(dataset, "resnet20_cifar" if dataset in KNOWN else "resnet18")


def test_transform(rule: Preprocessing, size: Size | None) -> Transform:
    """What is done to images of a size (None: of any) that are only measured."""
    return Compose([*fit_size(rule, size), to_input(rule)])


def fit_size(rule: Preprocessing, size: Size | None) -> list[Transform]:
    """What brings images of a size (None: of any) to the input's."""
    if size == rule.size:
        return []
    if rule.resize is None:
        return [Resize(rule.size)]
    return [Resize(rule.resize), CenterCrop(rule.size)]
