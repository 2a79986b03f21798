"""Weights and checkpoints on disk, and state dicts from elsewhere made to fit.

Written are safetensors, completely or not at all. Read are also PyTorch's files and the
initialisers of ONNX graphs.

Example:
    >>> model = nn.Linear(2, 1)
    >>> io.save(model.state_dict(), "weights.safetensors")
    >>> fitted = io.fit_state_dict(model, io.load_weights("weights.safetensors"))
    >>> model.load_state_dict(fitted.state)
    <All keys matched successfully>
"""

from ..nn._state_diff import StateDiff
from .atomic import atomic_write, open_atomic
from .checkpoint import Checkpoint
from .safetensors import load, load_metadata, save
from .state_dicts import (
    Fitted,
    StateMismatch,
    check_state_dict,
    compare_state_dict,
    fit_state_dict,
    match_by_shape,
    rename,
    rename_pattern,
    strip_prefix,
)
from .weights import load_weights, weights_format

__all__ = [
    "Checkpoint",
    "Fitted",
    "StateDiff",
    "StateMismatch",
    "atomic_write",
    "check_state_dict",
    "compare_state_dict",
    "fit_state_dict",
    "load",
    "load_metadata",
    "load_weights",
    "match_by_shape",
    "open_atomic",
    "rename",
    "rename_pattern",
    "save",
    "strip_prefix",
    "weights_format",
]
