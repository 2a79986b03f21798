"""Fixtures of every test: the instruction sets of this machine, and a runtime left as found."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib

import tilewise as tw
from tilewise import _core

hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
# The same examples on every run: a submission passes or fails for what it changed.
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test on each instruction set of this machine."""
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


@pytest.fixture(autouse=True)
def _runtime_as_found() -> Iterator[None]:
    """Threads, the default random stream and log levels are the same at the start of every test."""
    threads = _core.get_num_threads()
    tw.manual_seed(0)
    yield
    if _core.get_num_threads() != threads:
        _core.set_num_threads(threads)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("tilewise") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)  # a command run in this process may have set it


def _recorded(terminalreporter: Any, kind: str) -> list[Any]:
    """What tests recorded under a name."""
    return [
        json.loads(value)
        for status in ("passed", "failed")
        for report in terminalreporter.stats.get(status, [])
        for name, value in getattr(report, "user_properties", [])
        if name == kind and report.when == "call"
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The tables of PyTorch's samples and of the ONNX backend suite, where they ran."""
    rows = _recorded(terminalreporter, "onnx")
    if rows:
        import onnx_suite

        terminalreporter.section("ONNX backend suite")
        for line in onnx_suite.table(rows):
            terminalreporter.write_line(line)
    rows = _recorded(terminalreporter, "opinfo")
    if not rows:
        return
    terminalreporter.section("PyTorch's samples (OpInfo)")
    terminalreporter.write_line(
        f"{'op':44}{'samples':>8}{'passed':>8}{'failed':>8}  not applicable"
    )
    for op, samples, passed, reasons in sorted(rows):
        failed = samples - passed - sum(reasons.values())
        void = "; ".join(f"{count} {reason}" for reason, count in reasons.items())
        terminalreporter.write_line(f"{op:44}{samples:8}{passed:8}{failed:8}  {void}".rstrip())
