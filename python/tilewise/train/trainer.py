"""The training loop: seeded, resumable at any step, bit for bit."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .. import _core, optim
from ..data import DataLoader, Dataset
from ..io import Checkpoint
from ..nn import CrossEntropyLoss, Module
from ..tensor import Tensor
from .datasets import known_of
from .evaluation import evaluate
from .folder import RunFolder
from .interrupt import StopSignal
from .metrics import MetricsLog
from .network import build
from .progress import EpochSummary, Progress
from .recipe import Recipe

logger = logging.getLogger(__name__)

_AUXILIARY = 0.3  # weight of an auxiliary head's loss (C. Szegedy et al., 2014, section 5)
Samples = Dataset[tuple[Any, Any]]


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass
class Position:
    """Where a run is: the next batch, and the sums of the epoch so far.

    Args:
        epoch, batch: the next batch to train on.
        step: optimizer steps done.
        loss, correct, seen: sums over the images of this epoch.
        seconds: time spent in training, over all parts of the run.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Split:
    """The images of a run: those trained on, those held out, and what tells them from others."""

    training: Samples
    held_out: Samples | None
    fingerprint: str


class Trainer:
    """Trains a recipe's model, saving checkpoints as it goes.

    A checkpoint holds everything that the weights depend on, so training that was killed at any
    moment and resumed ends with the same bits as training that was not.

    Args:
        recipe: what to train.
        split: the images.
        folder: where the checkpoint and the metrics go.
        checkpoint_every: steps between checkpoints; one is also written before the first step and
            after each epoch.
        model: what to train, from `network.build`; by default the recipe's, for a dataset that has
            a name.

    Example:
        >>> recipe = train.default_recipe("fashion-mnist", "mlp")
        >>> images = data.FashionMNIST(transform=data.transforms.ToTensor())
        >>> split = Split(data.Subset(images, range(256)), None, "the first 256")
        >>> train.Trainer(recipe, split, train.choose_folder(recipe)).images_per_epoch
        256
    """

    def __init__(
        self,
        recipe: Recipe,
        split: Split,
        folder: RunFolder,
        *,
        checkpoint_every: int = 200,
        model: Module | None = None,
    ) -> None:
        self.recipe = recipe
        self.split = split
        self.folder = folder
        self.checkpoint_every = checkpoint_every
        self.model = build(recipe, known_of(recipe.dataset)).model if model is None else model
        size = len(split.training)
        self.loader = DataLoader(
            split.training,
            recipe.batch_size,
            shuffle=True,
            seed=recipe.seed,
            # Batch norm has no variance of a single image.
            drop_last=size % recipe.batch_size == 1 and size > 1,
        )
        self.optimizer = _make_optimizer(recipe, self.model)
        self.scheduler = optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=recipe.lr, total_steps=recipe.epochs * len(self.loader)
        )
        self.loss_fn = CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.at = Position()
        self._metrics_bytes = 0

    @property
    def images_per_epoch(self) -> int:
        """Images that an epoch trains on."""
        size = len(self.split.training)
        return size - (size % self.recipe.batch_size if self.loader.drop_last else 0)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of this recipe was written.

        Raises:
            ValueError: the checkpoint is of another run, model or data, or is corrupt.
        """
        extra = checkpoint.extra
        recipe = stored_recipe(extra)
        if recipe != self.recipe:
            raise ValueError(
                f"the checkpoint is of another run: {differences(recipe, self.recipe)}"
            )
        if extra.get("data") != self.split.fingerprint:
            raise ValueError(
                f"the training images are not those that the run began with: expected "
                f"{extra.get('data')}, got {self.split.fingerprint}"
            )
        try:
            self.at = Position(**extra["position"])
            self._metrics_bytes = int(extra["metrics_bytes"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the checkpoint's position is corrupt: {error!r}") from error
        if extra.get("isa") != _core.isa():
            logger.warning(
                "the run began with %s and goes on with %s: its weights may differ in the last "
                "bits from those of an uninterrupted run",
                extra.get("isa"),
                _core.isa(),
            )
        checkpoint.restore(self.model, self.optimizer, self.scheduler)

    def save(self, log: MetricsLog) -> None:
        """Write the checkpoint of this moment."""
        extra = {
            "recipe": self.recipe.to_dict(),
            "position": asdict(self.at),
            "metrics_bytes": log.position(),
            "data": self.split.fingerprint,
            "isa": _core.isa(),
        }
        Checkpoint.capture(self.model, self.optimizer, self.scheduler, extra=extra).save(
            self.folder.checkpoint
        )

    def open_metrics(self) -> MetricsLog:
        """The metrics file, cut off where the checkpoint was written."""
        return MetricsLog(self.folder.metrics, self._metrics_bytes)

    def fit(self, log: MetricsLog, progress: Progress, stop: StopSignal) -> None:
        """Train to the end.

        Raises:
            Interrupted: a stop was asked for; the checkpoint is of the last step done.
            Diverged: the loss is not finite.
            OSError: a checkpoint or the metrics cannot be written; the last checkpoint is whole.
        """
        if self.at.step == 0:
            self.save(log)
        while self.at.epoch < self.recipe.epochs:
            progress.begin_epoch(self.at.epoch + 1)
            self.model.train()
            self.loader.set_epoch(self.at.epoch, self.at.batch)
            clock = time.perf_counter()
            for x, y in self.loader:
                self._step(x, y, log, progress)
                now = time.perf_counter()
                self.at.seconds += now - clock
                clock = now
                if stop.requested is not None or self.at.step % self.checkpoint_every == 0:
                    self.save(log)
                stop.check()
            self._end_epoch(log, progress, stop)

    def _step(self, x: Tensor, y: Tensor, log: MetricsLog, progress: Progress) -> None:
        lr = float(self.optimizer.param_groups[0]["lr"])
        self.optimizer.zero_grad()
        output = self.model(x)
        logits, others = (output[0], output[1:]) if isinstance(output, tuple) else (output, ())
        loss = self.loss_fn(logits, y)
        for auxiliary in others:  # the heads that GoogLeNet and Inception have in training
            if auxiliary is not None:
                loss = loss + _AUXILIARY * self.loss_fn(auxiliary, y)
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()

        value, count = float(loss.item()), int(y.shape[0])
        correct = int((logits.detach().numpy().argmax(axis=1) == y.numpy()).sum())
        at = self.at
        at.batch += 1
        at.step += 1
        at.loss += value * count
        at.correct += correct
        at.seen += count
        if not math.isfinite(value):
            raise Diverged(f"training diverged: the loss of step {at.step} is {value}; lower lr")
        log.write(
            {
                "kind": "step",
                "step": at.step,
                "epoch": at.epoch + 1,
                "progress": at.step / len(self.loader),
                "loss": value,
                "accuracy": correct / count,
                "lr": lr,
                "seconds": round(at.seconds, 3),
            }
        )
        progress.step(count, at.loss / at.seen, at.correct / at.seen)

    def _end_epoch(self, log: MetricsLog, progress: Progress, stop: StopSignal) -> None:
        at = self.at
        rate = progress.rate()
        held_out = self._measure(stop)
        summary = EpochSummary(at.epoch + 1, at.loss / at.seen, at.correct / at.seen, *held_out)
        log.write(
            {
                "kind": "epoch",
                **asdict(summary),
                "step": at.step,
                "seconds": round(at.seconds, 3),
                "images_per_second": round(rate, 1),
            }
        )
        progress.end_epoch(summary, rate)
        self.at = Position(epoch=at.epoch + 1, step=at.step, seconds=at.seconds)
        self.save(log)
        stop.check()

    def _measure(self, stop: StopSignal) -> tuple[float, float] | tuple[None, None]:
        if self.split.held_out is None:
            return None, None
        measured = evaluate(self.model, self.split.held_out, on_batch=lambda _: stop.check())
        return measured.loss, measured.accuracy


def _make_optimizer(recipe: Recipe, model: Module) -> optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.optimizer == "sgd":
        return optim.SGD(
            parameters, recipe.lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    kind = optim.AdamW if recipe.optimizer == "adamw" else optim.Adam
    return kind(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def stored_recipe(extra: Mapping[str, Any]) -> Recipe:
    """The recipe that a training checkpoint holds.

    Raises:
        ValueError: it holds none.
    """
    recipe = extra.get("recipe")
    if not isinstance(recipe, dict):
        raise ValueError("the checkpoint is not of `tilewise train`")
    return Recipe.from_dict(recipe)


def differences(stored: Recipe, wanted: Recipe) -> str:
    """The settings in which two recipes differ, as one phrase."""
    there, here = stored.to_dict(), wanted.to_dict()
    return ", ".join(
        f"{name} is {there[name]} there and {here[name]} here"
        for name in there
        if there[name] != here[name]
    )
