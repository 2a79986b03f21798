"""Names, order and defaults of arguments: PyTorch's, so that code moves over."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import tilewise.nn.functional as F
from helpers import requires_torch
from tilewise import nn, optim
from tilewise.optim import lr_scheduler, swa_utils

torch = pytest.importorskip("torch")

# Arguments of PyTorch that have no meaning here: what it has deprecated, and switches of its own.
NOT_HERE = {
    "Hardtanh": {"min_value", "max_value"},
    "softmax": {"_stacklevel"},
    "log_softmax": {"_stacklevel"},
    "softmin": {"_stacklevel"},
    "normalize": {"out"},
}


def places() -> Iterator[tuple[str, Any, Any]]:
    """Each of this library's modules with PyTorch's."""
    yield "nn", nn, torch.nn
    yield "F", F, torch.nn.functional
    yield "init", nn.init, torch.nn.init
    yield "optim", optim, torch.optim
    yield "lr_scheduler", lr_scheduler, torch.optim.lr_scheduler
    yield "swa_utils", swa_utils, torch.optim.swa_utils


def pairs() -> Iterator[Any]:
    """What both have under one name and PyTorch wrote in Python, so that it can be asked."""
    for place, ours, theirs in places():
        for name in sorted(vars(theirs)):
            own, other = getattr(ours, name, None), getattr(theirs, name)
            if name.startswith("_") or own is None:
                continue
            if inspect.isclass(other):
                own, other = own.__init__, other.__init__
            elif not inspect.isfunction(other):
                continue
            yield pytest.param(own, other, name, id=f"{place}.{name}")


def described(function: Any) -> list[tuple[str, Any]]:
    """The arguments that have names, with their defaults."""
    stars = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind not in stars]


@requires_torch
@pytest.mark.parametrize(("own", "other", "name"), list(pairs()))
def test_arguments_are_pytorchs(own: Any, other: Any, name: str) -> None:
    want = [(n, d) for n, d in described(other) if n not in NOT_HERE.get(name, ())]
    got = described(own)
    if name in {"Module", "Optimizer", "LRScheduler"} or want == [
        ("self", inspect.Parameter.empty)
    ]:
        return  # an argument more or less is no one's business but the subclasses'
    mine = dict(got)
    assert [(n, mine.get(n, "missing")) for n, _ in want] == want
    positional = [n for n, _ in want if n in positional_names(other)]
    assert positional_names(own)[: len(positional)] == positional


def positional_names(function: Any) -> list[str]:
    """The arguments that may be given by place."""
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY
    return [n for n, p in inspect.signature(function).parameters.items() if p.kind in kinds]
