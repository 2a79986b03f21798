"""What scripts ask about graphics processors before they choose a device: there are none here.

Example:
    >>> tw.device("cuda" if tw.cuda.is_available() else "cpu")
    device(type='cpu')
"""

from __future__ import annotations

from tilewise._arguments import as_int

__all__ = ["device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """Whether tensors can be on a graphics processor: never.

    Example:
        >>> tw.cuda.is_available()
        False
    """
    return False


def device_count() -> int:
    """The number of graphics processors that tensors can be on: 0.

    Example:
        >>> tw.cuda.device_count()
        0
    """
    return 0


def manual_seed(seed: int) -> None:
    """Check the seed; without a device there is no generator to set, as in PyTorch.

    Example:
        >>> tw.cuda.manual_seed(0)
    """
    as_int("cuda.manual_seed", "seed", seed, -(2**63), 2**64 - 1)


manual_seed_all = manual_seed
