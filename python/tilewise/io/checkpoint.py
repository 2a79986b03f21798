"""Checkpoints: everything a run needs to go on bit for bit, in one safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..creation import from_numpy
from ..nn import Module
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from .safetensors import read, save
from .state_dicts import check_state_dict
from .tree import flatten, unflatten

FORMAT = 1


class Stateful(Protocol):
    """What optimizers and schedulers have in common."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as nested dicts, lists, numbers and tensors."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state of `state_dict` over."""


@dataclass
class Checkpoint:
    """The state of a training run.

    Tensors are stored as such, all else as JSON in the file's metadata: nothing is pickled, so a
    checkpoint from a stranger can do no more than hold wrong numbers.

    Args:
        model: the model's state dict.
        optimizer, scheduler: their state dicts; None where the run has none.
        rng: the state of the random-number generator that dropout draws from.
        extra: anything else of dicts, lists, numbers, strings and tensors: the position in the
            run, its settings.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> io.Checkpoint.capture(model, optimizer, extra={"epoch": 3}).save("run.ckpt")
        >>> saved = io.Checkpoint.load("run.ckpt")
        >>> saved.restore(model, optimizer)
        >>> saved.extra["epoch"]
        3
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any] | None = None
    scheduler: dict[str, Any] | None = None
    rng: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def capture(
        cls,
        model: Module,
        optimizer: Stateful | None = None,
        scheduler: Stateful | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """The state at this moment. Tensors are shared, so save it before the next step."""
        return cls(
            model=dict(model.state_dict()),
            optimizer=None if optimizer is None else optimizer.state_dict(),
            scheduler=None if scheduler is None else scheduler.state_dict(),
            rng=get_rng_state(),
            extra=dict(extra or {}),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the checkpoint; an older one is replaced only by a complete new one.

        Raises:
            OSError: it cannot be written (a full disk, say); the older file is left as it was.
            TypeError: some state is neither a tensor nor a value of JSON.
        """
        tensors: dict[str, Any] = {f"model.{name}": value for name, value in self.model.items()}
        state = {
            name: flatten(getattr(self, name), name, tensors)
            for name in ("optimizer", "scheduler", "rng", "extra")
        }
        save(tensors, path, {"tilewise_checkpoint": str(FORMAT), "state": json.dumps(state)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is corrupt, or no checkpoint; the message names the path.
        """
        arrays, metadata = read(path)
        if metadata.get("tilewise_checkpoint") != str(FORMAT):
            raise ValueError(f"checkpoint: {Path(path)} is no checkpoint of this version")
        try:
            state = json.loads(metadata["state"])
            if not isinstance(state["extra"], dict):
                raise ValueError("its extra is no dictionary")
            parts = {
                name: unflatten(state[name], arrays)
                for name in ("optimizer", "scheduler", "rng", "extra")
            }
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"checkpoint: {Path(path)} is corrupt: {error}") from error
        model = {
            name.removeprefix("model."): from_numpy(array)
            for name, array in arrays.items()
            if name.startswith("model.")
        }
        return cls(model=model, **parts)

    def restore(
        self,
        model: Module,
        optimizer: Stateful | None = None,
        scheduler: Stateful | None = None,
        *,
        rng: bool = True,
    ) -> None:
        """Put the state back into a model, an optimizer and a scheduler built as before.

        Raises:
            ValueError: the checkpoint is of another model (nothing has been changed then), or
                lacks the state of an optimizer or scheduler that was given.
        """
        check_state_dict(model, self.model)
        for name, part in (("optimizer", optimizer), ("scheduler", scheduler)):
            state = getattr(self, name)
            if part is not None and state is None:
                raise ValueError(f"checkpoint: it holds no state of the {name}")
        model.load_state_dict(self.model)
        if optimizer is not None and self.optimizer is not None:
            optimizer.load_state_dict(self.optimizer)
        if scheduler is not None and self.scheduler is not None:
            scheduler.load_state_dict(self.scheduler)
        if rng:
            set_rng_state(self.rng)
