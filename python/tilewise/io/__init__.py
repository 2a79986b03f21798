"""Weights and checkpoints on disk: safetensors, written completely or not at all.

Example:
    >>> from tilewise import io
    >>> io.save(model.state_dict(), "weights.safetensors")  # doctest: +SKIP
    >>> model.load_state_dict(io.load("weights.safetensors"))  # doctest: +SKIP
"""

from .atomic import atomic_write, open_atomic
from .checkpoint import Checkpoint, check_state_dict
from .safetensors import load, load_metadata, save

__all__ = [
    "Checkpoint",
    "atomic_write",
    "check_state_dict",
    "load",
    "load_metadata",
    "open_atomic",
    "save",
]
