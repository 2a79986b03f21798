"""`tilewise summary`: what a network of the zoo is made of and what it needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .common import AT_LEAST_1, set_threads, threads_option

if TYPE_CHECKING:
    from ..analysis import Summary

_STYLES = ("table", "keras", "torchsummary", "markdown", "json")


class _Shape(click.ParamType):  # type: ignore[type-arg]
    """Sizes with x between them."""

    name = "CxHxW"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """3x224x224 as (3, 224, 224)."""
        if isinstance(value, tuple):
            return value
        parts = str(value).lower().replace("×", "x").split("x")
        if len(parts) > 5 or not all(p.isascii() and p.isdigit() and 0 < len(p) < 8 for p in parts):
            self.fail(f"expected sizes such as 3x224x224, got {value!r}", param, ctx)
        sizes = tuple(int(part) for part in parts)
        if min(sizes) < 1:
            self.fail(f"expected sizes above 0, got {value!r}", param, ctx)
        return sizes


@click.command()
@click.argument("name")
@click.option(
    "--input",
    "shape",
    type=_Shape(),
    metavar="CxHxW",
    help="Of an image. Default: what the network is for.",
)
@click.option("--batch", type=AT_LEAST_1, default=1, show_default=True, metavar="N")
@click.option(
    "--style", type=click.Choice(_STYLES), default="table", show_default=True, help="How to print."
)
@click.option(
    "--optimizer",
    default="adamw",
    show_default=True,
    metavar="NAME",
    help="What a training step's memory is told for; momentum is SGD with momentum.",
)
@click.option("--classes", type=AT_LEAST_1, metavar="N", help="Outputs of the network.")
@click.option("--receptive-field", is_flag=True, help="Print what the units of each layer see.")
@click.option("--memory", is_flag=True, help="Print what needs how much memory.")
@threads_option
def summary(
    name: str,
    shape: tuple[int, ...] | None,
    batch: int,
    style: str,
    optimizer: str,
    classes: int | None,
    receptive_field: bool,
    memory: bool,
    threads: int | None,
) -> None:
    """Show a network layer by layer: shapes, parameters, multiply-adds, memory, algorithms.

    Nothing is trained and no weights are needed; NAME is one of `tilewise models`.

    \b
    Examples:
      tilewise summary resnet50 --input 3x224x224
      tilewise summary mobilenet_v2 --batch 64 --optimizer momentum --memory
      tilewise summary fashion_cnn --style keras
      tilewise summary vgg16 --receptive-field
    """  # noqa: D301
    from .. import analysis, nn
    from ..models import create, info

    set_threads(threads)
    row = info(name)
    arguments: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if shape is not None and len(shape) > 1 and shape[0] != row.input_shape[0]:
        arguments["in_channels"] = shape[0]
    with nn.init.skip():
        try:
            model = create(name, **arguments)
        except TypeError as error:
            raise click.UsageError(
                f"{name} takes no other {' or '.join(arguments)}", click.get_current_context()
            ) from error
    image = row.input_shape if shape is None else shape
    result = analysis.summary(model.eval(), image, batch, style, optimizer=optimizer)
    if receptive_field:
        if result.field is None:
            raise click.UsageError(f"the input of {name} is no image", click.get_current_context())
        click.echo(str(result.field))
    elif memory:
        click.echo(str(result.memory))
    else:
        _print(result)


def _print(result: Summary) -> None:
    """In colour and fitted to the window where rich is installed and somebody looks."""
    if result.style == "table" and sys.stdout.isatty():
        try:
            from rich.console import Console
        except ImportError:  # rich is optional: the plain table says the same
            click.echo(str(result))
            return
        Console().print(result)
    else:
        click.echo(str(result))
