"""`tilewise predict`: name what images show."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .common import AT_LEAST_1, PATH, quieten


@click.command()
@click.argument("weights", type=PATH)
@click.argument("images", type=PATH, nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=AT_LEAST_1, default=3, show_default=True, metavar="K")
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    show_default=True,
    help="The networks know light things on black; auto inverts images with a light border.",
)
def predict(weights: Path, images: tuple[Path, ...], top: int, invert: str) -> None:
    """Name what images show (PNG, JPEG and others that Pillow reads).

    Images are made grey, inverted if need be, and fitted into 28×28 pixels.

    \b
    Example:
      tilewise predict runs/fashion-mnist-cnn/weights.safetensors shoe.jpg --top 5
    """  # noqa: D301
    from ..train import load_bundle
    from ..train.images import load_image
    from ..train.predict import classify

    quieten()
    bundle = load_bundle(weights)
    pixels = [load_image(path, bundle.size, invert=invert) for path in images]  # type: ignore[arg-type]
    width = max(map(len, bundle.classes))
    for path, ranked in zip(images, classify(bundle, pixels, top), strict=True):
        click.echo(str(path))
        for name, share in ranked:
            click.echo(f"  {name:<{width}}  {100 * share:5.1f} %  {_bar(share)}".rstrip())


def _bar(share: float, width: int = 30) -> str:
    """A bar of eighths of a character, or of # where the terminal cannot show those."""
    eighths = round(share * width * 8)
    bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        bar.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(share * width)
    return bar
