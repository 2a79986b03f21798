"""Turn a list of samples into one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..tensor import Tensor


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples along a new leading dimension, following their structure.

    Tensors, arrays and numbers become Tensors of shape (B, …); tuples, named tuples, lists and
    mappings are collated element by element; strings and bytes stay a list.

    Raises:
        ValueError: the batch is empty, or the samples' shapes or lengths differ.
        TypeError: a sample has a type that cannot be stacked; the message names it.

    Example:
        >>> images, labels = default_collate([(np.zeros(3), 1), (np.ones(3), 0)])
        >>> images.shape, labels.shape
        ((2, 3), (2,))
    """
    if not samples:
        raise ValueError("default_collate: expected at least one sample, got none")
    first = samples[0]
    if isinstance(first, (Tensor, np.ndarray, np.generic, bool, int, float)):
        return to_tensor(_stack(samples))
    if isinstance(first, (str, bytes)):
        return list(samples)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in samples}
        if len(lengths) != 1:
            raise ValueError(
                f"default_collate: expected samples of one length, got lengths {sorted(lengths)}"
            )
        columns = [default_collate(list(column)) for column in zip(*samples, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*columns)
        return tuple(columns) if isinstance(first, tuple) else columns
    raise TypeError(
        "default_collate: expected samples of tensors, arrays, numbers, strings, mappings or "
        f"sequences, got {type(first).__name__}; pass collate_fn for other types"
    )


def _stack(samples: Sequence[Any]) -> np.ndarray[Any, Any]:
    arrays = [np.asarray(s.numpy() if isinstance(s, Tensor) else s) for s in samples]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1:
        raise ValueError(
            f"default_collate: expected samples of one shape, got shapes {sorted(shapes)}"
        )
    return np.stack(arrays)


def to_tensor(value: Any) -> Any:
    """A Tensor that shares the array's memory where it can; other values unchanged."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return from_numpy(value if _channels_last(value) else np.ascontiguousarray(value))
    return value


def _channels_last(value: np.ndarray[Any, Any]) -> bool:
    """Whether this is a batch (B, C, H, W) as layers want it: they would put it back so."""
    return value.ndim == 4 and bool(np.moveaxis(value, 1, -1).flags.c_contiguous)
