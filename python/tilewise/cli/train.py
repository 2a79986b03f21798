"""`tilewise train`: train a network and test it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import (
    AT_LEAST_1,
    FOLDER,
    Failure,
    data_option,
    download_option,
    explain,
    quieten,
    set_threads,
    threads_option,
)

if TYPE_CHECKING:
    from ..train import Evaluation, RunFolder


@click.command()
@click.argument("dataset", type=click.Choice(["fashion-mnist", "mnist"]))
@click.option(
    "--model",
    type=click.Choice(["cnn", "mlp", "lenet"]),
    help="Default: cnn for fashion-mnist, lenet for mnist.",
)
@data_option
@download_option
@click.option("--epochs", type=AT_LEAST_1, metavar="N", help="Default: 12 (mnist: 6).")
@click.option("--batch-size", type=AT_LEAST_1, metavar="N", help="Default: 128.")
@click.option(
    "--lr", type=float, metavar="RATE", help="Peak of the one-cycle schedule. Default: 3e-3 (cnn)."
)
@click.option("--weight-decay", type=float, metavar="X", help="Default: 1e-2 (mlp: 1e-4).")
@click.option("--optimizer", type=click.Choice(["adamw", "adam", "sgd"]), help="Default: adamw.")
@click.option("--label-smoothing", type=float, metavar="X", help="In [0, 1).")
@click.option(
    "--augment",
    type=click.Choice(["none", "flip", "shift", "flip-shift"]),
    help="Random changes of the training images.",
)
@click.option(
    "--validation",
    type=click.IntRange(min=0),
    metavar="N",
    help="Hold out N training images and measure them after each epoch. Default: 0.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Default: 0.")
@threads_option
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Folder of the run. Default: a new one in runs/."
)
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option(
    "--checkpoint-every",
    type=AT_LEAST_1,
    default=200,
    show_default=True,
    metavar="STEPS",
    help="Steps between checkpoints; one is also written after each epoch.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def train(
    dataset: str,
    data: Path | None,
    download: bool,
    threads: int | None,
    out: Path | None,
    resume: bool,
    checkpoint_every: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a network and test it.

    Writes weights, a checkpoint, metrics of each step and epoch, a learning curve and a confusion
    matrix. A run that was interrupted or killed goes on with --resume, to the same weights.

    \b
    Examples:
      tilewise train fashion-mnist
      tilewise train mnist --data ~/datasets/mnist --epochs 3
      tilewise train fashion-mnist --model mlp --out runs/mlp
      tilewise train fashion-mnist --resume
    """  # noqa: D301
    from ..train import Interrupted, RunOptions, choose_folder, run
    from ..train.recipe import MODELS, default_recipe
    from ..train.runner import with_changes

    quieten()
    changes = {name: value for name, value in settings.items() if value is not None}
    if "model" in changes:
        changes["model"] = MODELS[changes["model"]]
    model = changes.get("model", "fashion_cnn" if dataset == "fashion-mnist" else "lenet5")
    changes["dataset"] = dataset
    recipe = with_changes(default_recipe(dataset, model), changes)
    set_threads(threads)
    folder = choose_folder(recipe, out, resume=resume)
    options = RunOptions(data, download, resume, checkpoint_every, quiet)
    try:
        result = run(recipe, folder, options, click.echo, changes)
    except (Interrupted, KeyboardInterrupt) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else signal.SIGINT
        raise click.exceptions.Exit(_say_interrupted(dataset, folder, number)) from stopped
    except OSError as error:
        raise Failure(f"{explain(error)}{_hint(dataset, folder)}") from error
    if not quiet:
        _print_result(result.folder, result.test, result.seconds)


def _hint(dataset: str, folder: RunFolder) -> str:
    if not folder.checkpoint.is_file():
        return ""
    return f"; to go on: tilewise train {dataset} --resume --out {folder.path}"


def _say_interrupted(dataset: str, folder: RunFolder, number: int) -> int:
    kept = "the checkpoint is kept" if folder.checkpoint.is_file() else "nothing was trained yet"
    click.echo(f"tilewise: interrupted; {kept}{_hint(dataset, folder)}", err=True)
    return 128 + number


def _print_result(folder: RunFolder, test: Evaluation, seconds: float) -> None:
    minutes, rest = divmod(round(seconds), 60)
    click.echo(
        f"test accuracy {100 * test.accuracy:.2f} % of {len(test.labels):,} images; "
        f"trained in {minutes}:{rest:02d} min"
    )
    for label, path in folder.outputs:
        click.echo(f"  {label:<17} {path}")
