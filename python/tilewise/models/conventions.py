"""What weights of other origins call a network's parts, and what images they want.

A network's own names are torchvision's where torchvision has it. A row here says how the names of
another origin become those, for `io.fit_state_dict`.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Convention:
    """How one origin names the parts of some networks.

    Args:
        title: the origin, to be said after "took the names as".
        models: a shell pattern of the networks.
        pairs: for `io.rename_pattern`.
        preset: what its weights expect of an image, as `preprocessing` names it.

    Example:
        >>> (row,) = models.conventions("squeezenet1_1")
        >>> row.title
        "Caffe's"
    """

    title: str
    models: str
    pairs: tuple[tuple[str, str], ...]
    preset: str


def _squeezenet(places: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Names of the authors' Caffe model; `places` of fire2 to fire9 among the layers."""
    fires = ((rf"^fire{fire}/", f"features.{at}.") for fire, at in enumerate(places, start=2))
    return (
        (r"^conv1\.", "features.0."),
        (r"^conv10\.", "classifier.1."),
        *fires,
        (r"\.squeeze1x1\.", ".squeeze."),
    )


_ROWS = (
    Convention("Caffe's", "squeezenet1_0", _squeezenet((3, 4, 5, 7, 8, 9, 10, 12)), "caffe"),
    Convention("Caffe's", "squeezenet1_1", _squeezenet((3, 4, 6, 7, 9, 10, 11, 12)), "caffe"),
)


def conventions(name: str) -> tuple[Convention, ...]:
    """The other origins whose names for a network are known.

    Args:
        name: of `available()`.

    Example:
        >>> models.conventions("lenet5")
        ()
    """
    return tuple(row for row in _ROWS if fnmatch.fnmatchcase(name, row.models))
