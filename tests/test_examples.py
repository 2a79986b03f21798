"""Every public name has a docstring with an example, and the example is what happens."""

from __future__ import annotations

import doctest
import importlib
import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from tilewise import data, nn, optim
from tilewise.nn import functional as F

NAMES = {"tw": tw, "nn": nn, "F": F, "optim": optim, "data": data, "np": np}

# The modules of the reference, by the names that users import.
MODULES = [
    "tilewise",
    "tilewise.autograd",
    "tilewise.nn",
    "tilewise.nn.functional",
    "tilewise.nn.init",
    "tilewise.nn.utils",
    "tilewise.optim",
    "tilewise.optim.lr_scheduler",
]
PARSER = doctest.DocTestParser()


def public(module: ModuleType) -> list[str]:
    """The functions and classes that a module offers."""
    listed = getattr(module, "__all__", None)
    names = listed or [n for n in vars(module) if not n.startswith("_")]
    # A module without a list offers what it defines; the package, what it imports from below.
    home = module.__name__ if listed is None and module is not tw else "tilewise"
    found = []
    for name in names:
        value = getattr(module, name)
        if callable(value) and str(getattr(value, "__module__", "")).startswith(home):
            found.append(name)
    return sorted(found)


def entries() -> list[tuple[str, Any]]:
    """Every public name once, under the first module that has it."""
    seen: dict[int, tuple[str, Any]] = {}
    for module in map(importlib.import_module, MODULES):
        for name in public(module):
            value = getattr(module, name)
            seen.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return list(seen.values())


@pytest.mark.parametrize(("name", "value"), entries(), ids=lambda v: v if type(v) is str else "")
def test_the_example_runs(name: str, value: Any) -> None:
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    test = PARSER.get_doctest(text, dict(NAMES), name, None, 0)
    assert test.examples, f"{name} has no example"
    tw.manual_seed(0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failed = runner.run(test, out=report.append).failed
    assert not failed, "".join(report)
