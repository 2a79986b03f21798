"""Trained weights of any origin as a `Bundle`: the caller says what the file does not."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..io import (
    Fitted,
    StateDiff,
    StateMismatch,
    fit_state_dict,
    load_metadata,
    load_weights,
    weights_format,
)
from ..models import Preprocessing, conventions, create, find_heads, preprocessing
from ..nn import Module, init
from .bundle import Bundle, load_bundle

_MAX_LABELS = 10_000_000  # bytes
_BACKGROUND = ("background", "dummy", "__background__")


@dataclass(frozen=True)
class InputOptions:
    """What is known of the input of weights; None leaves it to the weights' origin.

    Args:
        preset: see `tilewise.models.preprocessing`.
        size: pixels of the input's sides.
        resize: what the shorter side of an image is brought to before the crop.
        mean, std: for each channel, of pixels in [0, 1], or in [0, 255] with the preset "caffe".
        bgr: whether the channels are blue, green, red.

    Example:
        >>> train.InputOptions(size=128).preset is None
        True
    """

    preset: str | None = None
    size: int | None = None
    resize: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bgr: bool | None = None

    def applied(self, rule: Preprocessing) -> Preprocessing:
        """A rule with what is known put in."""
        if self.size is not None:
            rule = rule.of_size(self.size)
        wanted = {"resize": self.resize, "mean": self.mean, "std": self.std, "bgr": self.bgr}
        changes: dict[str, Any] = {name: v for name, v in wanted.items() if v is not None}
        return replace(rule, **changes)


def create_fitted(name: str, path: str | os.PathLike[str]) -> tuple[Module, Fitted, str]:
    """A network of the zoo with the weights of a file, and the preset that their origin implies.

    It has as many outputs as the weights are for.

    Raises:
        FileNotFoundError, ImportError, ValueError: as `io.load_weights` and `io.fit_state_dict`.
    """
    rows = conventions(name)
    pairs = [(row.title, row.pairs) for row in rows]
    state = load_weights(path)
    with init.skip():
        model = create(name)
        try:
            fitted = fit_state_dict(model, state, conventions=pairs)
        except StateMismatch as error:
            outputs = _other_outputs(model, error.diff)
            if outputs is None:
                raise ValueError(
                    f"{Path(path)}: the weights are of another model than {name}: "
                    f"{error.diff.brief()}"
                ) from error
            model = create(name, num_classes=outputs)
            fitted = fit_state_dict(model, state, conventions=pairs)
    model.load_state_dict(fitted.state)
    preset = next((row.preset for row in rows if row.title == fitted.convention), "imagenet")
    return model, fitted, preset


def _other_outputs(model: Module, diff: StateDiff) -> int | None:
    """How many outputs weights are for, if that is all in which they differ."""
    heads = {f"{head}.{part}" for head in find_heads(model) for part in ("weight", "bias")}
    if diff.missing or diff.unexpected or not diff.shapes:
        return None
    found = {shape.found[0] for shape in diff.shapes if shape.found}
    same = all(shape.name in heads and shape.found for shape in diff.shapes) and len(found) == 1
    return found.pop() if same else None


def load_pretrained(
    path: str | os.PathLike[str],
    name: str,
    labels: str | os.PathLike[str] | None = None,
    options: InputOptions | None = None,
) -> tuple[Bundle, tuple[str, ...]]:
    """A network of the zoo with weights of any origin, ready to classify.

    Args:
        path: safetensors, PyTorch's files or ONNX; see `io.load_weights`.
        name: of `models.available()`.
        labels: a text file with the name of a class in each line, in the order of the outputs. A
            first line "background" that has no output is left out. Without it the classes are
            numbered.
        options: what is known of the input.

    Returns:
        The bundle, and lines that say what was assumed.

    Raises:
        FileNotFoundError, ImportError, ValueError: a file cannot be read, or does not fit.

    Example:
        >>> tw.save(models.create("resnet20_cifar").state_dict(), "w.safetensors")
        >>> bundle, notes = train.load_pretrained("w.safetensors", "resnet20_cifar")
        >>> bundle.classes[3], bundle.size
        ('class 3', (32, 32))
    """
    options = options or InputOptions()
    names = None if labels is None else read_labels(labels)
    model, fitted, preset = create_fitted(name, path)
    outputs = int(model.get_submodule(find_heads(model)[-1]).get_parameter("weight").shape[0])
    if names is None:
        names = [f"class {i}" for i in range(outputs)]
    elif len(names) == outputs + 1 and names[0].lower() in _BACKGROUND:
        names = names[1:]
    if len(names) != outputs:
        raise ValueError(f"{labels}: expected {outputs} names of classes, got {len(names)}")
    preset = options.preset or preset
    rule = options.applied(preprocessing(name, preset))
    model.eval()
    bundle = Bundle(model, name, "", tuple(names), rule)
    return bundle, (*fitted.steps, _described(rule, preset))


def load_any(
    path: str | os.PathLike[str],
    name: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    options: InputOptions | None = None,
) -> tuple[Bundle, tuple[str, ...]]:
    """`load_bundle` where the file says what it is, else `load_pretrained`.

    Raises:
        ValueError: the file does not say what model it is of, and no name is given.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> train.save_bundle("mlp.safetensors", models.create("mlp"), recipe, {})
        >>> train.load_any("mlp.safetensors")[0].name
        'mlp'
    """
    if name is not None:
        return load_pretrained(path, name, labels, options)
    described = Path(path).is_file() and _starts_like_safetensors(path)
    if described and not load_metadata(path).keys() & {"tilewise_weights", "tilewise_checkpoint"}:
        raise ValueError(f"{Path(path)} does not say what model it is of: name it with --model")
    bundle = load_bundle(path)
    names = bundle.classes if labels is None else tuple(read_labels(labels))
    if len(names) != len(bundle.classes):
        raise ValueError(
            f"{labels}: expected {len(bundle.classes)} names of classes, got {len(names)}"
        )
    rule = (options or InputOptions()).applied(bundle.preprocessing)
    return replace(bundle, classes=names, preprocessing=rule), ()


def _starts_like_safetensors(path: str | os.PathLike[str]) -> bool:
    kind = weights_format(path)
    if kind != "safetensors":
        raise ValueError(
            f"{Path(path)} is of {kind} and does not say what model it is of: name it with --model"
        )
    return True


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """The names of classes in a text file, one a line; empty lines at the end do not count.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no text in UTF-8, has no names, or more than ten megabytes.
    """
    path = Path(path)
    with path.open("rb") as stream:
        content = stream.read(_MAX_LABELS + 1)
    if len(content) > _MAX_LABELS:
        raise ValueError(f"{path}: expected names of classes, got more than ten megabytes")
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8: {error}") from error
    if not lines or not all(line.isprintable() for line in lines):
        raise ValueError(f"{path}: expected a name of a class in each line")
    return lines


def _described(rule: Preprocessing, preset: str) -> str:
    height, width = rule.size
    cut = "" if rule.resize is None else f", cut from images with a shorter side of {rule.resize}"
    return f"input {height}×{width}{cut}, {preset} colours{' (blue, green, red)' * rule.bgr}"
