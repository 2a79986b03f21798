"""The folder of a run: its files, its name, and the lock that keeps two runs apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..io.atomic import remove_leftovers
from .recipe import Recipe

DEFAULT_ROOT = Path("runs")


class RunFolder:
    """Names the files of a run.

    Args:
        path: the folder; `create` makes it.

    Example:
        >>> from pathlib import Path
        >>> train.RunFolder(Path("runs/a")).weights.name
        'weights.safetensors'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.weights = path / "weights.safetensors"
        self.checkpoint = path / "checkpoint.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.learning_curve = path / "learning_curve.png"
        self.confusion_matrix = path / "confusion_matrix.png"

    @property
    def outputs(self) -> tuple[tuple[str, Path], ...]:
        """What a finished run leaves, with a word on each."""
        return (
            ("weights", self.weights),
            ("checkpoint", self.checkpoint),
            ("metrics", self.metrics),
            ("learning curve", self.learning_curve),
            ("confusion matrix", self.confusion_matrix),
        )

    def holds_a_run(self) -> bool:
        """Whether a run has begun here."""
        return self.checkpoint.is_file() or self.metrics.is_file()

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it; a killed run's lock ends with it.

        Raises:
            ValueError: another run is writing here.
            OSError: the folder cannot be made or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a", encoding="utf-8") as lock:
            _lock(lock.fileno(), self.path)
            for path in (self.checkpoint, self.weights):
                remove_leftovers(path)
            yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; two runs there must not share a folder
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ValueError(f"another run is writing to {path}") from error


def choose_folder(recipe: Recipe, out: Path | None = None, *, resume: bool = False) -> RunFolder:
    """The folder that a run writes to.

    Without `out`: `runs/<dataset>-<model>`, with a number behind it where that is taken; to
    resume, the one of these that was written last.

    Raises:
        ValueError: `out` holds a run, and it was not asked to resume it.

    Example:
        >>> train.choose_folder(train.default_recipe("mnist", "mlp")).path.as_posix()
        'runs/mnist-mlp'
    """
    if out is not None:
        folder = RunFolder(out)
        if not resume and folder.holds_a_run():
            raise ValueError(f"{out} holds a run already: add --resume, or choose another --out")
        return folder
    base = f"{recipe.short_dataset}-{recipe.short_model}"
    if resume:
        begun = [
            folder
            for path in (DEFAULT_ROOT / base, *DEFAULT_ROOT.glob(f"{base}-[0-9]*"))
            if (folder := RunFolder(path)).checkpoint.is_file()
        ]
        if begun:
            return max(begun, key=lambda folder: folder.checkpoint.stat().st_mtime)
        return RunFolder(DEFAULT_ROOT / base)
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        folder = RunFolder(DEFAULT_ROOT / name)
        if not folder.holds_a_run():
            return folder
        number += 1
