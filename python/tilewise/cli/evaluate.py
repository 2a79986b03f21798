"""`tilewise evaluate`: test trained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import (
    PATH,
    DatasetName,
    data_option,
    download_option,
    open_weights,
    quieten,
    set_threads,
    threads_option,
    weights_options,
)

if TYPE_CHECKING:
    from ..train import Bundle, Evaluation


@click.command()
@click.argument("path", type=PATH, metavar="[WEIGHTS]", required=False)
@click.option(
    "--on",
    type=DatasetName(),
    metavar="DATASET",
    help="What to test on, as for `tilewise train`. Default: what they were trained on.",
)
@weights_options
@data_option
@download_option
@click.option("--confusion", type=PATH, metavar="PNG", help="Also draw the confusion matrix.")
@threads_option
def evaluate(
    path: Path | None,
    on: str | None,
    weights: Path | None,
    data: Path | None,
    download: bool,
    confusion: Path | None,
    threads: int | None,
    **options: Any,
) -> None:
    """Test trained weights on the test images of a dataset.

    \b
    Examples:
      tilewise evaluate runs/fashion-mnist-cnn/weights.safetensors
      tilewise evaluate --weights resnet20.th --model resnet20_cifar --on cifar10
    """  # noqa: D301
    from .. import viz
    from ..train import evaluate as measure
    from ..train.datasets import open_images, with_classes, with_transform
    from ..train.recipe import test_transform

    path = path or weights
    if path is None:
        raise click.UsageError("Missing argument 'WEIGHTS'.", click.get_current_context())
    quieten()
    set_threads(threads)
    bundle = open_weights(path, options)
    dataset = on or bundle.dataset
    if not dataset:
        raise click.UsageError("Missing option '--on'.", click.get_current_context())
    images = open_images(dataset, data, download=download, seed=bundle.seed)
    known = images.known
    numbered = not bundle.dataset and options["labels"] is None
    if numbered and len(bundle.classes) == len(known.classes):
        bundle = replace(bundle, classes=known.classes)
    test = with_transform(images.test, test_transform(bundle.preprocessing, known.size))
    test = with_classes(test, known.classes, bundle.classes)
    click.echo(f"{bundle.name} on {len(test):,} test images from {images.place}")
    for note in images.notes:
        click.echo(note)
    result = measure(bundle.model, test)
    _print_classes(bundle, result)
    click.echo(f"test accuracy {100 * result.accuracy:.2f} %, loss {result.loss:.4f}")
    if confusion is not None:
        title = f"{known.title} · {bundle.name} · {100 * result.accuracy:.2f} % right"
        viz.confusion_matrix(result.confusion, bundle.classes, confusion, title=title)
        click.echo(f"  confusion matrix  {confusion}")


def _print_classes(bundle: Bundle, result: Evaluation) -> None:
    counts = result.confusion
    width = max(map(len, bundle.classes))
    click.echo(f"  {'':<{width}}  recall  precision")
    for label, name in enumerate(bundle.classes):
        if not counts[label].any() and not counts[:, label].any():
            continue
        right = counts[label, label]
        recall = right / max(counts[label].sum(), 1)
        precision = right / max(counts[:, label].sum(), 1)
        click.echo(f"  {name:<{width}}  {100 * recall:5.1f}%     {100 * precision:5.1f}%")
