"""NumPy arrays between inaccessible pages, for memory that the library is handed without a copy.

The pool's own blocks have such pages with TILEWISE_GUARD_PAGES=1 (csrc/base/guard_pages.h).
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

_NONE = 0  # PROT_NONE


def channels_last_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of N, C, spatial… laid out as N, spatial…, C."""
    order = [0, *range(2, len(shape)), 1]
    strides = [0] * len(shape)
    step = itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(1, shape[axis])
    return tuple(strides)


def _protect(address: int, count: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(count), _NONE) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def guarded(
    values: np.ndarray[Any, Any], *, channels_last: bool = False, at_start: bool = False
) -> np.ndarray[Any, Any]:
    """A copy of `values` whose last byte is followed by an inaccessible page.

    Args:
        values: any array.
        channels_last: lay out N, C, spatial… as N, spatial…, C.
        at_start: the first byte follows an inaccessible page instead.

    Returns:
        An array of the same shape and dtype, aligned to its elements and no better. An access
        beyond the page ends the process with SIGSEGV.
    """
    page = mmap.PAGESIZE
    size = values.size * values.itemsize
    body = math.ceil(size / page) * page
    memory = mmap.mmap(-1, body + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    offset = page if at_start else page + body - size
    array: np.ndarray[Any, Any] = np.ndarray(
        values.shape,
        values.dtype,
        memory,
        offset,
        channels_last_strides(values.shape, values.itemsize) if channels_last else None,
    )
    array[...] = values
    _protect(address, page)
    _protect(address + page + body, page)
    return array
