"""`tilewise train`: train a network and test it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import (
    AT_LEAST_1,
    FOLDER,
    PATH,
    DatasetName,
    Failure,
    ModelName,
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
@click.argument("dataset", type=DatasetName(), metavar="DATASET")
@click.option(
    "--model",
    type=ModelName(),
    metavar="NAME",
    help="cnn, mlp, lenet, or a name of `tilewise models`. Default: cnn for fashion-mnist, lenet "
    "for mnist, resnet20_cifar for CIFAR, resnet18 for photos.",
)
@click.option(
    "--image-size",
    type=AT_LEAST_1,
    metavar="N",
    help="Of the input's sides. Default: the dataset's, or the model's for photos.",
)
@click.option(
    "--weights",
    type=PATH,
    metavar="FILE",
    help="Begin with these: .safetensors, PyTorch's .pth, .pt, .th, or .onnx. The last layer is "
    "new.",
)
@click.option("--freeze", is_flag=True, default=None, help="Let only the last layer learn.")
@data_option
@download_option
@click.option(
    "--epochs",
    type=AT_LEAST_1,
    metavar="N",
    help="Default: 12 (mnist: 6, CIFAR: 15, photos: 10).",
)
@click.option("--batch-size", type=AT_LEAST_1, metavar="N", help="Default: 128 (photos: 32).")
@click.option(
    "--lr", type=float, metavar="RATE", help="Peak of the one-cycle schedule. Default: 3e-3 (cnn)."
)
@click.option("--weight-decay", type=float, metavar="X", help="Default: 1e-2 (mlp: 1e-4).")
@click.option("--optimizer", type=click.Choice(["adamw", "adam", "sgd"]), help="Default: adamw.")
@click.option("--label-smoothing", type=float, metavar="X", help="In [0, 1).")
@click.option(
    "--augment",
    type=click.Choice(["none", "flip", "shift", "flip-shift", "crop", "resized-crop", "colour"]),
    help="Random changes of the training images. Default: crop for CIFAR, resized-crop for photos.",
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

    DATASET is fashion-mnist, mnist, cifar10, cifar100, or the path of a folder or tar file of
    images with a folder for each class, below train and test where it is parted.

    Writes weights, a checkpoint, metrics of each step and epoch, a learning curve and a confusion
    matrix. A run that was interrupted or killed goes on with --resume, to the same weights.

    \b
    Examples:
      tilewise train fashion-mnist
      tilewise train mnist --data ~/datasets/mnist --epochs 3
      tilewise train fashion-mnist --model mlp --out runs/mlp
      tilewise train fashion-mnist --resume
      tilewise train cifar10 --model resnet18 --epochs 30
      tilewise train photos/ --model squeezenet1_1 --weights squeezenet1_1.safetensors --freeze
    """  # noqa: D301
    from ..train import Interrupted, RunOptions, choose_folder, run
    from ..train.recipe import default_model, default_recipe
    from ..train.runner import with_changes

    quieten()
    changes = {name: value for name, value in settings.items() if value is not None}
    if "weights" in changes:
        changes["weights"] = str(changes["weights"].absolute())
    model = changes.get("model", default_model(dataset))
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
