"""How the elements of a tensor lie in memory, under PyTorch's names."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from tilewise._arguments import wrong_type

if TYPE_CHECKING:
    from tilewise._core import Array


class MemoryFormat(Enum):
    """An order of the elements in memory.

    Example:
        >>> tw.zeros(1, 3, 8, 8).contiguous(memory_format=tw.channels_last).stride()
        (192, 1, 24, 3)
    """

    contiguous_format = "contiguous_format"
    preserve_format = "preserve_format"
    channels_last = "channels_last"
    channels_last_3d = "channels_last_3d"

    def __repr__(self) -> str:
        return f"tilewise.{self.name}"


_RANKS = {MemoryFormat.channels_last: 4, MemoryFormat.channels_last_3d: 5}


def _ranked(op: str, x: Array, memory_format: Any) -> bool:
    """Whether the format is a channels-last one; ValueError for tensors of another rank."""
    if not isinstance(memory_format, MemoryFormat):
        raise wrong_type(op, "memory_format", "one such as tw.channels_last", memory_format)
    rank = _RANKS.get(memory_format)
    if rank is not None and x.ndim != rank:
        raise ValueError(f"{op}: expected {rank} dimensions for {memory_format}, got {x.shape}")
    return rank is not None


def is_in(op: str, x: Array, memory_format: Any) -> bool:
    """Whether an array lies in memory so."""
    if _ranked(op, x, memory_format):
        return x.is_channels_last()
    return memory_format is MemoryFormat.preserve_format or x.is_contiguous()


def as_format(op: str, x: Array, memory_format: Any) -> Array:
    """The array itself where it lies in memory so, else a copy that does."""
    if is_in(op, x, memory_format):
        return x
    return x.channels_last() if memory_format in _RANKS else x.contiguous()
