"""`tilewise predict`: name what images show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .common import AT_LEAST_1, PATH, open_weights, quieten, weights_options


@click.command()
@click.argument("paths", type=PATH, nargs=-1, metavar="[WEIGHTS] IMAGE...")
@weights_options
@click.option("--top", type=AT_LEAST_1, default=5, show_default=True, metavar="K")
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="Networks of small grey images know light things on black; auto inverts images with a "
    "light border.",
)
def predict(
    paths: tuple[Path, ...], weights: Path | None, top: int, invert: Any, **options: Any
) -> None:
    """Name what images show (PNG, JPEG and others that Pillow reads).

    The first path is the weights, unless --weights gives them. Weights of `tilewise train` say what
    they are; for others name the model, and a file with the names of its classes.

    \b
    Examples:
      tilewise predict runs/fashion-mnist-cnn/weights.safetensors shoe.jpg
      tilewise predict --weights squeezenet1_1.safetensors --model squeezenet1_1 \\
        --labels imagenet_labels.txt cat.jpg dog.jpg
    """  # noqa: D301
    from ..train.predict import classify

    if weights is None and paths:
        weights, paths = paths[0], paths[1:]
    if weights is None or not paths:
        raise click.UsageError(
            f"Missing argument '{'WEIGHTS' if weights is None else 'IMAGE...'}'.",
            click.get_current_context(),
        )
    quieten()
    bundle = open_weights(weights, options)
    for path, ranked in zip(paths, classify(bundle, paths, top, invert=invert), strict=True):
        click.echo(str(path))
        width = max(len(_short(name)) for name, _ in ranked)
        for name, share in ranked:
            click.echo(f"  {_short(name):<{width}}  {100 * share:5.1f} %  {_bar(share)}".rstrip())


def _short(name: str, width: int = 40) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _bar(share: float, width: int = 30) -> str:
    """A bar of eighths of a character, or of # where the terminal cannot show those."""
    eighths = round(share * width * 8)
    bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        bar.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(share * width)
    return bar
