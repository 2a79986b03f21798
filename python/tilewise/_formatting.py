"""How tensors print (as in PyTorch), and numbers of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tilewise.autograd import Node

_PRECISION = 4
_THRESHOLD = 1000  # elements printed in full
_WIDTH = 80


def _float_format(values: np.ndarray[Any, Any]) -> Callable[[Any], str]:
    """One format for all elements: whole numbers as "1.", else four decimals or a power of ten."""
    finite = np.abs(values[np.isfinite(values)].astype(np.float64))
    nonzero = finite[finite > 0]
    if nonzero.size == 0:
        return _padded(values, lambda v: f"{v:.0f}." if np.isfinite(v) else f"{v}")
    low, high = float(nonzero.min()), float(nonzero.max())
    whole = bool((finite == np.floor(finite)).all())
    if whole and high < 1e8 and high / low <= 1e5:
        return _padded(values, lambda v: f"{v:.0f}." if np.isfinite(v) else f"{v}")
    if high / low > 1000 or high > 1e8 or low < 1e-4:
        return _padded(values, lambda v: f"{v:.{_PRECISION}e}")
    return _padded(values, lambda v: f"{v:.{_PRECISION}f}")


def _padded(values: np.ndarray[Any, Any], text: Callable[[Any], str]) -> Callable[[Any], str]:
    shown = _summary(values).reshape(-1)
    width = max((len(text(v)) for v in shown), default=0)
    return lambda v: text(v).rjust(width)


def _summary(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that are printed: three at each end of a long dimension of a large tensor."""
    if values.size > _THRESHOLD:
        for axis, size in enumerate(values.shape):
            if size > 6:
                values = np.take(values, [0, 1, 2, size - 3, size - 2, size - 1], axis=axis)
    return values


def format_tensor(
    values: np.ndarray[Any, Any], *, dtype: str | None, node: Node | None, requires_grad: bool
) -> str:
    """The text of a tensor; `dtype` is named where it does not follow from the elements."""
    prefix = "tensor("
    if values.size == 0:
        body = "[]" if values.ndim <= 1 else f"[], size={values.shape}"
    else:
        formatter: dict[str, Callable[[Any], str]] = {"bool": _padded(values, str)}
        if values.dtype.kind == "f":
            formatter = {"float_kind": _float_format(_summary(values))}
        if values.ndim == 0:
            text = next(iter(formatter.values())) if values.dtype.kind in "fb" else str
            body = text(values[()]).strip()
        else:
            body = np.array2string(
                values,
                separator=", ",
                prefix=prefix,
                threshold=_THRESHOLD,
                max_line_width=_WIDTH,
                formatter=formatter,  # type: ignore[arg-type]
            )
    suffix = f", dtype=tilewise.{dtype}" if dtype is not None else ""
    if node is not None:
        suffix += f", grad_fn={node!r}"
    elif requires_grad:
        suffix += ", requires_grad=True"
    return f"{prefix}{body}{suffix})"


def format_bytes(count: float) -> str:
    """Bytes in the largest unit of which there is at least one.

    Example:
        >>> format_bytes(60_950_432)
        '58.1 MiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
