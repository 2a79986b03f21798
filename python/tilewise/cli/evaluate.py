"""`tilewise evaluate`: test trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .common import PATH, data_option, download_option, quieten, set_threads, threads_option

if TYPE_CHECKING:
    from ..train import Bundle, Evaluation


@click.command()
@click.argument("weights", type=PATH)
@data_option
@download_option
@click.option("--confusion", type=PATH, metavar="PNG", help="Also draw the confusion matrix.")
@threads_option
def evaluate(
    weights: Path, data: Path | None, download: bool, confusion: Path | None, threads: int | None
) -> None:
    """Test trained weights on the test images of their dataset.

    \b
    Example:
      tilewise evaluate runs/fashion-mnist-cnn/weights.safetensors
    """  # noqa: D301
    from .. import viz
    from ..train import evaluate as measure
    from ..train import load_bundle
    from ..train.runner import DATASETS

    quieten()
    set_threads(threads)
    bundle = load_bundle(weights)
    dataset = DATASETS[bundle.dataset](
        data, train=False, transform=bundle.transform(), download=download
    )
    click.echo(f"{bundle.name} on {len(dataset):,} test images from {dataset.source.describe()}")
    if dataset.source.kind == "sample":
        click.echo("note: this is a sample; the accuracy is not that of the full set")
    result = measure(bundle.model, dataset)
    _print_classes(bundle, result)
    click.echo(f"test accuracy {100 * result.accuracy:.2f} %, loss {result.loss:.4f}")
    if confusion is not None:
        title = f"{dataset.spec.title} · {bundle.name} · {100 * result.accuracy:.2f} % right"
        viz.confusion_matrix(result.confusion, bundle.classes, confusion, title=title)
        click.echo(f"  confusion matrix  {confusion}")


def _print_classes(bundle: Bundle, result: Evaluation) -> None:
    counts = result.confusion
    width = max(map(len, bundle.classes))
    click.echo(f"  {'':<{width}}  recall  precision")
    for label, name in enumerate(bundle.classes):
        right = counts[label, label]
        recall = right / max(counts[label].sum(), 1)
        precision = right / max(counts[:, label].sum(), 1)
        click.echo(f"  {name:<{width}}  {100 * recall:5.1f}%     {100 * precision:5.1f}%")
