"""Nested state (dicts, lists, numbers, tensors) as JSON beside a flat dictionary of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..creation import from_numpy
from ..tensor import Tensor

_TAGS = ("__tensor__", "__array__", "__tuple__", "__items__")


def flatten(value: Any, prefix: str, tensors: dict[str, Any]) -> Any:
    """Turn nested state into JSON values; Tensors and arrays go to `tensors` by name.

    Dicts (with keys of any JSON type), lists, tuples, strings, numbers, booleans and None come
    back exactly from `unflatten`.

    Args:
        value: the state.
        prefix: begins the names of its tensors, for example "optimizer"; may be empty.
        tensors: receives them.

    Raises:
        TypeError: something else was found; the message says where.

    Example:
        >>> tensors = {}
        >>> flatten({"lr": 0.1, "state": {0: np.zeros(2)}}, "opt", tensors)
        {'lr': 0.1, 'state': {'__items__': [[0, {'__array__': 'opt.state.0'}]]}}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, (Tensor, np.ndarray)):
        name = prefix or "tensor"
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "_"
        tensors[name] = value
        return {"__tensor__" if isinstance(value, Tensor) else "__array__": name}
    if isinstance(value, (list, tuple)):
        items = [flatten(v, _below(prefix, i), tensors) for i, v in enumerate(value)]
        return {"__tuple__": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        pairs = [[k, flatten(v, _below(prefix, k), tensors)] for k, v in value.items()]
        if all(isinstance(k, str) and k not in _TAGS for k, _ in pairs):
            return dict(pairs)
        if all(k is None or isinstance(k, (str, int, float)) for k, _ in pairs):
            return {"__items__": pairs}
    hint = "; pass its state_dict()" if hasattr(value, "state_dict") else ""
    raise TypeError(
        "save: expected tensors, arrays, numbers, strings, None, and dicts and lists of them, got "
        f"{type(value).__name__} at {prefix or 'the root'}{hint}"
    )


def _below(prefix: str, key: Any) -> str:
    return f"{prefix}.{key}" if prefix else str(key)


def unflatten(value: Any, tensors: Mapping[str, npt.NDArray[Any]]) -> Any:
    """The state that `flatten` was given.

    Raises:
        ValueError: a tensor that the state names is missing, or the JSON is not of `flatten`.
    """
    if isinstance(value, list):
        return [unflatten(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value)) if len(value) == 1 else None
    content: Any = value[tag] if tag in _TAGS else None
    if tag in ("__tensor__", "__array__"):
        if not isinstance(content, str) or content not in tensors:
            raise ValueError(f"checkpoint: tensor {content!r} is missing")
        array = tensors[content]
        return from_numpy(array) if tag == "__tensor__" else array
    if tag in ("__tuple__", "__items__"):
        if not isinstance(content, list):
            raise ValueError(f"checkpoint: {tag} is no list")
        items = [unflatten(item, tensors) for item in content]
        return tuple(items) if tag == "__tuple__" else _pairs(items)
    return {key: unflatten(item, tensors) for key, item in value.items()}


def _pairs(items: list[Any]) -> dict[Any, Any]:
    try:
        return {key: item for key, item in items}  # noqa: C416  (a pair each, or ValueError)
    except TypeError as error:
        raise ValueError("checkpoint: __items__ holds no pairs") from error
