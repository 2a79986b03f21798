"""The cases of bench/ops.py: one file an area, each with a list CASES."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

AREAS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem != "__init__")


@dataclass(frozen=True)
class Input:
    """An argument: normal values, or labels below `classes`; logical shape, N, C, spatial….

    A `plain` one is C-contiguous in every form; others of rank four are channels-last, but in
    PyTorch's contiguous form.
    """

    shape: tuple[int, ...]
    classes: int = 0
    grad: bool = True
    plain: bool = False

    def array(self, seed: int) -> np.ndarray:
        """The same values in every process."""
        rng = np.random.default_rng(seed)
        if self.classes:
            return rng.integers(0, self.classes, self.shape)
        values = rng.standard_normal(1_000_003, dtype=np.float32)  # they repeat: large maps
        return np.resize(values, math.prod(self.shape)).reshape(self.shape)


@dataclass(frozen=True)
class Case:
    """A call that both libraries spell alike.

    Attributes:
        name: what the table shows.
        inputs: its tensor arguments.
        make: takes a library (`.root` the package, `.F`, `.nn`, `.optim`) and returns the function
            of the inputs. Modules and optimizers are made in it, once.
        forward: float32 values that a forward call must at least read and write; 0 where
            arithmetic bounds the call.
        training: the same for a forward call and its gradients; None where there are no gradients.
    """

    name: str
    inputs: tuple[Input, ...]
    make: Callable[[Any], Callable[..., Any]]
    forward: int = 0
    training: int | None = 0


def all_cases() -> list[Case]:
    """Every area's."""
    return [case for area in AREAS for case in importlib.import_module(f"op_cases.{area}").CASES]
