"""Options, errors and settings that commands share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..train import Bundle

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
AT_LEAST_1 = click.IntRange(min=1)

data_option = click.option(
    "--data",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the data. Default: $TILEWISE_DATA, the system's copy, the user's cache, else "
    "the sample inside the package.",
)
download_option = click.option(
    "--download", is_flag=True, help="Fetch the official files where no copy is found."
)
threads_option = click.option(
    "--threads", type=AT_LEAST_1, metavar="N", help="Threads. Default: the cores in reach."
)


class Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in some versions
    """Numbers with commas between them: `0.485,0.456,0.406`."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:  # noqa: D102 (inherited)
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not of numbers with commas between them", param, ctx)


class DatasetName(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in some versions
    """A dataset's name, or the path of a folder or tar file of images."""

    name = "dataset"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: D102 (inherited)
        from ..train.datasets import KNOWN, is_dataset

        if not is_dataset(value):
            known = ", ".join(KNOWN)
            self.fail(f"{value!r} is not one of {known}, nor a folder or tar file", param, ctx)
        return str(value) if value in KNOWN else str(Path(value).absolute())


class ModelName(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in some versions
    """A model's name, or one of the short ones of the command line; the full name is given on."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: D102 (inherited)
        import difflib

        from ..models import available
        from ..train.recipe import MODELS

        known = available()
        if value not in MODELS and value not in known:
            near = difflib.get_close_matches(value, [*MODELS, *known], n=4)
            hint = f" (close: {', '.join(near)})" if near else ""
            self.fail(f"{value!r} is not one of `tilewise models`{hint}", param, ctx)
        return str(MODELS.get(value, value))


_FOREIGN = (
    click.option(
        "--weights",
        type=PATH,
        metavar="FILE",
        help="Weights of any origin: .safetensors, PyTorch's .pth, .pt, .th, or .onnx.",
    ),
    click.option(
        "--model",
        type=ModelName(),
        metavar="NAME",
        help="What they are of, a name of `tilewise models`. Not needed for weights of "
        "`tilewise train`.",
    ),
    click.option(
        "--labels", type=PATH, metavar="FILE", help="The classes' names, one in each line."
    ),
    click.option(
        "--preprocess",
        type=click.Choice(["imagenet", "caffe", "unit", "symmetric"]),
        help="Mean and deviation of torchvision; blue, green, red of 0 to 255 less their mean; "
        "0 to 1; or -1 to 1. Default: by the weights' origin.",
    ),
    click.option("--image-size", type=AT_LEAST_1, metavar="N", help="Of the input's sides."),
    click.option(
        "--resize", type=AT_LEAST_1, metavar="N", help="Shorter side of images before the crop."
    ),
    click.option("--mean", type=Numbers(), metavar="R,G,B", help="Subtracted from the pixels."),
    click.option("--std", type=Numbers(), metavar="R,G,B", help="What they are divided by."),
    click.option("--bgr/--rgb", default=None, help="The order of the colours."),
)


def weights_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what weights of any origin are; `open_weights` takes them."""
    for option in reversed(_FOREIGN):
        command = option(command)
    return command


def open_weights(path: Path, options: dict[str, Any]) -> Bundle:
    """The model of the options of `weights_options`; what was assumed is printed."""
    from ..train import InputOptions, load_any

    known = InputOptions(
        options["preprocess"],
        options["image_size"],
        options["resize"],
        options["mean"],
        options["std"],
        options["bgr"],
    )
    bundle, notes = load_any(path, options["model"], options["labels"], known)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return bundle


class Failure(click.ClickException):
    """An error that is the data's or the machine's, not the command line's."""


def set_threads(threads: int | None) -> None:
    """Compute on that many threads; None leaves the number as it is."""
    if threads is not None:
        from .. import set_num_threads

        set_num_threads(threads)


def quieten() -> None:
    """Warnings of the library as single lines; what the command itself says, not twice."""
    logging.basicConfig(level=logging.WARNING, format="tilewise: %(message)s")
    logging.getLogger("tilewise.data.vision").setLevel(logging.ERROR)


def explain(error: BaseException) -> str:
    """An exception as one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
