"""Every public name has a docstring with an example, and the example is what happens."""

from __future__ import annotations

import doctest
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from reference_pages import public_entries
from tilewise import data, io, models, nn, optim, train, viz
from tilewise.nn import functional as F

NAMES = {
    "tw": tw,
    "nn": nn,
    "F": F,
    "optim": optim,
    "data": data,
    "io": io,
    "models": models,
    "train": train,
    "viz": viz,
    "np": np,
}

PARSER = doctest.DocTestParser()
ENTRIES = [(f"{module}.{name}", value) for module, name, value in public_entries()]


@pytest.mark.parametrize(("name", "value"), ENTRIES, ids=lambda v: v if type(v) is str else "")
def test_the_example_runs(
    name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    if isinstance(value, type) and issubclass(value, Exception):
        return  # where it is raised is the example
    assert "SKIP" not in text, f"{name} skips its example"
    names = {**vars(sys.modules[value.__module__]), **NAMES}
    test = PARSER.get_doctest(text, names, name, None, 0)
    assert test.examples, f"{name} has no example"
    monkeypatch.chdir(tmp_path)  # an example may write files
    tw.manual_seed(0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failed = runner.run(test, out=report.append).failed
    assert not failed, "".join(report)
