"""Where tensors are: in the CPU's memory. PyTorch's way to say so is understood."""

from __future__ import annotations

from typing import Any

from tilewise._arguments import as_device


class device(str):  # noqa: N801 - PyTorch's name
    """The place of a tensor: equal to its name, "cpu".

    Args:
        type: "cpu" or "cpu:0".
        index: 0 or None.

    Raises:
        ValueError: for another device.

    Example:
        >>> place = tw.device("cuda" if tw.cuda.is_available() else "cpu")
        >>> place, place.type, tw.ones(2).device == place
        (device(type='cpu'), 'cpu', True)
    """

    __slots__ = ()

    type = "cpu"
    index = None  # type: ignore[assignment]

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> device:
        """Check the names; there is nothing to keep."""
        as_device("device", type)
        if index not in {None, 0}:
            raise ValueError(f"device: expected index 0 or None, got {index!r}")
        return super().__new__(cls, "cpu")

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __reduce__(self) -> tuple[Any, ...]:
        return device, ()


CPU = device()
