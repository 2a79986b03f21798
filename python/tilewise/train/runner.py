"""One run from beginning to end: data, training, the test, and the files it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import _core, viz
from ..data import Subset, random_split
from ..io import Checkpoint
from ..models import Preprocessing, count_parameters
from .bundle import save_bundle
from .datasets import Images, Known, open_images, with_transform
from .evaluation import Evaluation, evaluate
from .folder import RunFolder
from .interrupt import StopSignal
from .metrics import read_metrics
from .network import Network, build
from .progress import Echo, Progress
from .recipe import Recipe
from .trainer import Split, Trainer, stored_recipe


@dataclass(frozen=True)
class RunOptions:
    """What does not change the weights: where the data lie, and what is shown.

    Args:
        data: the folder of the dataset; None searches.
        download: fetch the dataset where it is not found.
        resume: go on with the run in the folder, where there is one.
        checkpoint_every: steps between checkpoints.
        quiet: print nothing but errors.

    Example:
        >>> train.RunOptions(resume=True).checkpoint_every
        200
    """

    data: Path | None = None
    download: bool = False
    resume: bool = False
    checkpoint_every: int = 200
    quiet: bool = False


@dataclass(frozen=True)
class RunResult:
    """What a finished run gives.

    Example:
        >>> from dataclasses import replace
        >>> recipe = replace(train.default_recipe("fashion-mnist", "mlp"), epochs=1)
        >>> folder = train.choose_folder(recipe)
        >>> options = train.RunOptions(quiet=True)
        >>> train.run(recipe, folder, options, print).test.accuracy > 0.5
        True
    """

    folder: RunFolder
    test: Evaluation
    seconds: float


def run(
    recipe: Recipe,
    folder: RunFolder,
    options: RunOptions,
    echo: Echo,
    changes: Mapping[str, Any] | None = None,
) -> RunResult:
    """Train a recipe, test it, and write the files of the run.

    Args:
        recipe: what to train. A resumed run keeps the recipe that it began with.
        folder: where the files go; `choose_folder` finds one.
        options: see `RunOptions`.
        echo: prints one line.
        changes: the settings of the recipe that the user asked for by name. A resumed run must
            agree with these.

    Raises:
        FileNotFoundError, ValueError: the data, the folder or the checkpoint are not usable.
        Interrupted: Ctrl-C or SIGTERM; the checkpoint is of the last step.
        Diverged: the loss is not finite.
        OSError: a file cannot be written; the last checkpoint is whole.

    Example:
        >>> from dataclasses import replace
        >>> recipe = replace(train.default_recipe("fashion-mnist", "mlp"), epochs=1)
        >>> folder = train.choose_folder(recipe)
        >>> options = train.RunOptions(quiet=True)
        >>> result = train.run(recipe, folder, options, print)
        >>> result.folder.weights.is_file()
        True
    """
    with folder.claim():
        checkpoint = None
        if options.resume and folder.checkpoint.is_file():
            checkpoint = Checkpoint.load(folder.checkpoint)
            recipe = _agree(stored_recipe(checkpoint.extra), changes or {}, folder)
        images = open_images(
            recipe.dataset, options.data, download=options.download, seed=recipe.seed
        )
        network = build(recipe, images.known)
        if not options.quiet:
            for line in describe(recipe, images, network):
                echo(line)
        trainer = Trainer(
            recipe,
            split(recipe, images, network.rule),
            folder,
            checkpoint_every=options.checkpoint_every,
            model=network.model,
        )
        if checkpoint is not None:
            trainer.restore(checkpoint)
        if options.resume and not options.quiet:
            at = trainer.at
            where = f"step {at.step:,}" if checkpoint is not None else "the beginning"
            echo(f"resuming {folder.path} at {where}")
        return _train_and_test(trainer, images, network.rule, options, echo)


def _agree(stored: Recipe, changes: Mapping[str, Any], folder: RunFolder) -> Recipe:
    for name, value in changes.items():
        begun = getattr(stored, name)
        if begun != value:
            raise ValueError(
                f"the run in {folder.path} began with {name.replace('_', '-')} {begun}, "
                f"not {value}: leave the option out, or begin another run"
            )
    return stored


def split(recipe: Recipe, images: Images, rule: Preprocessing) -> Split:
    """The images to train on and, where the recipe holds some out, those to measure on.

    Raises:
        ValueError: nothing would be left to train on.
    """
    size = images.known.size
    train = with_transform(images.train, recipe.train_transform(rule, size))
    if not recipe.validation:
        return Split(train, None, images.fingerprint)
    if recipe.validation >= len(train):
        raise ValueError(
            f"expected validation of less than the {len(train):,} training images, "
            f"got {recipe.validation:,}"
        )
    plain = with_transform(images.train, recipe.test_transform(rule, size))
    sizes = [len(train) - recipe.validation, recipe.validation]
    kept, held_out = random_split(train, sizes, seed=recipe.seed)
    return Split(kept, Subset(plain, held_out.indices), images.fingerprint)


def describe(recipe: Recipe, images: Images, network: Network) -> list[str]:
    """Lines that say what is trained, on what, and with what."""
    sizes = f"{len(images.train):,} training and {len(images.test):,} test images"
    lines = [f"{images.known.title}: {sizes} from {images.place}", *images.notes]
    lines += [f"{recipe.weights}: {note}" for note in network.notes]
    held_out = f", {recipe.validation:,} held out" if recipe.validation else ""
    frozen = ", all but the last layer frozen" if recipe.freeze else ""
    lines.append(
        f"{recipe.model}: {recipe.epochs} epochs, {recipe.optimizer} with lr {recipe.lr:g}, "
        f"batch {recipe.batch_size}, seed {recipe.seed}{held_out}{frozen}; "
        f"{_threads()}, {_core.isa()}"
    )
    return lines


def _threads() -> str:
    threads = _core.get_num_threads()
    return "1 thread" if threads == 1 else f"{threads} threads"


def _train_and_test(
    trainer: Trainer, images: Images, rule: Preprocessing, options: RunOptions, echo: Echo
) -> RunResult:
    recipe, folder = trainer.recipe, trainer.folder
    test = with_transform(images.test, recipe.test_transform(rule, images.known.size))
    done = trainer.at.epoch * trainer.images_per_epoch + trainer.at.seen
    progress = Progress(
        recipe.epochs, trainer.images_per_epoch, done, echo, bar=True, quiet=options.quiet
    )
    try:
        with StopSignal(announce=not options.quiet) as stop, trainer.open_metrics() as log:
            trainer.fit(log, progress, stop)
            measured = evaluate(trainer.model, test, on_batch=lambda _: stop.check())
            log.write(
                {
                    "kind": "test",
                    "epoch": recipe.epochs,
                    "loss": measured.loss,
                    "accuracy": measured.accuracy,
                    "images": len(test),
                }
            )
    finally:
        progress.close()
    results = {
        "test_accuracy": measured.accuracy,
        "test_images": len(test),
        "training_images": len(images.train),
        "notes": list(images.notes),
    }
    save_bundle(
        folder.weights, trainer.model, recipe, results, known=images.known, preprocessing=rule
    )
    _draw(trainer, images.known, measured)
    return RunResult(folder, measured, trainer.at.seconds)


def _draw(trainer: Trainer, known: Known, measured: Evaluation) -> None:
    recipe, folder = trainer.recipe, trainer.folder
    trained = f"{known.title} · {recipe.model}"
    size = count_parameters(trainer.model, "keras")
    viz.learning_curve(
        read_metrics(folder.metrics),
        folder.learning_curve,
        title=f"{trained}, {size:,} parameters, {trainer.images_per_epoch:,} training images",
    )
    viz.confusion_matrix(
        measured.confusion,
        known.classes,
        folder.confusion_matrix,
        title=f"{trained} · {100 * measured.accuracy:.2f} % of "
        f"{len(measured.labels):,} test images right",
    )


def with_changes(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings replaced; ValueError where one is out of its range."""
    return replace(recipe, **changes)
