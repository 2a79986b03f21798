"""The command line: `tilewise train`, `evaluate`, `predict` and `info`.

Errors are one line on standard error. Exit codes: 0 for success, 1 for bad data or a failed run,
2 for a command line that cannot be understood, 128 + n after signal n (130 for Ctrl-C).
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__

if TYPE_CHECKING:
    from .train import Bundle, Evaluation, RunFolder

_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_AT_LEAST_1 = click.IntRange(min=1)

_data_option = click.option(
    "--data",
    type=_FOLDER,
    metavar="DIR",
    help="Folder of the data. Default: $TILEWISE_DATA, the system's copy, the user's cache, else "
    "the sample inside the package.",
)
_download_option = click.option(
    "--download", is_flag=True, help="Fetch the official files where no copy is found."
)
_threads_option = click.option(
    "--threads", type=_AT_LEAST_1, metavar="N", help="Threads. Default: the cores in reach."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, message="tilewise %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Train and run convolutional networks on an ordinary CPU.

    \b
    Example:
      tilewise train fashion-mnist
    """  # noqa: D301
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@app.command()
@click.argument("dataset", type=click.Choice(["fashion-mnist", "mnist"]))
@click.option(
    "--model",
    type=click.Choice(["cnn", "mlp", "lenet"]),
    help="Default: cnn for fashion-mnist, lenet for mnist.",
)
@_data_option
@_download_option
@click.option("--epochs", type=_AT_LEAST_1, metavar="N", help="Default: 12 (mnist: 6).")
@click.option("--batch-size", type=_AT_LEAST_1, metavar="N", help="Default: 128.")
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
@_threads_option
@click.option(
    "--out", type=_FOLDER, metavar="DIR", help="Folder of the run. Default: a new one in runs/."
)
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option(
    "--checkpoint-every",
    type=_AT_LEAST_1,
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
    from .train import Interrupted, RunOptions, choose_folder, run
    from .train.recipe import MODELS, default_recipe
    from .train.runner import with_changes

    _quieten()
    changes = {name: value for name, value in settings.items() if value is not None}
    if "model" in changes:
        changes["model"] = MODELS[changes["model"]]
    model = changes.get("model", "fashion_cnn" if dataset == "fashion-mnist" else "lenet5")
    changes["dataset"] = dataset
    recipe = with_changes(default_recipe(dataset, model), changes)
    _set_threads(threads)
    folder = choose_folder(recipe, out, resume=resume)
    options = RunOptions(data, download, resume, checkpoint_every, quiet)
    try:
        result = run(recipe, folder, options, click.echo, changes)
    except (Interrupted, KeyboardInterrupt) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else signal.SIGINT
        raise click.exceptions.Exit(_say_interrupted(dataset, folder, number)) from stopped
    except OSError as error:
        raise _Failure(f"{_explain(error)}{_hint(dataset, folder)}") from error
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


@app.command()
@click.argument("weights", type=_PATH)
@_data_option
@_download_option
@click.option("--confusion", type=_PATH, metavar="PNG", help="Also draw the confusion matrix.")
@_threads_option
def evaluate(
    weights: Path, data: Path | None, download: bool, confusion: Path | None, threads: int | None
) -> None:
    """Test trained weights on the test images of their dataset.

    \b
    Example:
      tilewise evaluate runs/fashion-mnist-cnn/weights.safetensors
    """  # noqa: D301
    from . import viz
    from .train import evaluate as measure
    from .train import load_bundle
    from .train.runner import DATASETS

    _quieten()
    _set_threads(threads)
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


@app.command()
@click.argument("weights", type=_PATH)
@click.argument("images", type=_PATH, nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=_AT_LEAST_1, default=3, show_default=True, metavar="K")
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
    from .train import load_bundle
    from .train.images import load_image
    from .train.predict import classify

    _quieten()
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


@app.command()
def info() -> None:
    """Show the version, the instruction set, caches and threads.

    \b
    Example:
      tilewise info
    """  # noqa: D301
    from . import show_config

    for name, value in show_config().items():
        if name.endswith("_cache"):
            text = f"{value // 1024:,} KiB"
        else:
            text = ", ".join(value) if isinstance(value, list) else str(value)
        click.echo(f"{name.replace('_', ' '):<16} {text}")


class _Failure(click.ClickException):
    """An error that is the data's or the machine's, not the command line's."""


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        from . import set_num_threads

        set_num_threads(threads)


def _quieten() -> None:
    """Warnings of the library as single lines; what the command itself says, not twice."""
    logging.basicConfig(level=logging.WARNING, format="tilewise: %(message)s")
    logging.getLogger("tilewise.data.vision").setLevel(logging.ERROR)


def _explain(error: BaseException) -> str:
    """An exception as one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
    """
    try:
        code = app.main(args=arguments, prog_name="tilewise", standalone_mode=False)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
        _leave(f"{' '.join(error.format_message().split())}{hint}", 2)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _leave("interrupted", 130)
    except click.ClickException as error:
        _leave(error.format_message(), 1)
    except (OSError, ValueError, ArithmeticError, ImportError, MemoryError) as error:
        _leave(_explain(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> None:
    click.echo(f"tilewise: {message}", err=True)
    sys.exit(code)
