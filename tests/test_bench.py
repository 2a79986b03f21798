"""The comparison script runs: its workers, its check for equal work, its tables."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import REPO

SCRIPT = REPO / "bench" / "train_step.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--slices", "2", "--slice-seconds", "0.01", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(not SCRIPT.is_file(), reason="bench/ is not beside the tests")
def test_train_step_measures_and_writes(tmp_path: Path) -> None:
    forms = ["tilewise"]
    if importlib.util.find_spec("torch"):
        forms.append("torch")  # checks that both start with the same loss
    done = run(
        *("--models", "lenet", "--threads", "1", "--memory", "default", "--forms", *forms),
        *("--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md")),
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert [row["form"] for row in content["rows"]] == forms
    assert all(row["step_ms"] > 0 and row["ratio"] > 0 for row in content["rows"])
    assert content["machine"]["isa"]
    table = (tmp_path / "out.md").read_text()
    assert "| lenet, batch 64 | 1 | tilewise |" in table
    assert table in done.stdout + "\n"


@pytest.mark.skipif(not SCRIPT.is_file(), reason="bench/ is not beside the tests")
def test_train_step_rejects_unknown_forms() -> None:
    done = run("--forms", "abacus")
    assert done.returncode == 2
    assert "invalid choice: 'abacus'" in done.stderr
