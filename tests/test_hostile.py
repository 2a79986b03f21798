"""Hostile calls of every operation, in a process of its own, where a signal is seen and counted.

TILEWISE_HOSTILE=50000 makes more calls than the default.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import REPO, requires_torch_samples

CALLS = int(os.environ.get("TILEWISE_HOSTILE", "4000"))
FINE = {"answered", "refused", "refused backward"}
MOST_SIGNALS = 20  # after which the rest is not worth the time

pytestmark = requires_torch_samples  # they are the valid calls


def run(first: int, calls: int) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, the announcements and outcomes, and the end of the error stream."""
    command = [sys.executable, str(Path(__file__).parent / "hostile.py")]
    command += ["--calls", str(calls), "--from", str(first)]
    if "asan" in os.environ.get("LD_PRELOAD", ""):  # its shadow takes terabytes of address space
        command.append("--unlimited")
    paths = [str(REPO / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        timeout=1200,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, lines, done.stderr[-2000:]


def test_hostile_calls_raise_or_answer() -> None:
    faults: list[str] = []
    outcomes: Counter[str] = Counter()
    signals = first = 0
    while first < CALLS and signals < MOST_SIGNALS:
        status, lines, errors = run(first, CALLS)
        calls = {line["number"]: line for line in lines if "call" in line}
        ended = {line["number"]: line["outcome"] for line in lines if "outcome" in line}
        for number, outcome in ended.items():
            outcomes[outcome if outcome in FINE else "fault"] += 1
            if outcome not in FINE:
                call = calls[number]
                faults.append(f"{number} {call['op']}: {outcome}\n    {call['call']}")
        if status == 0:
            break
        assert calls, f"the program did not start: status {status}\n{errors}"
        last = max(calls)
        signals += 1
        faults.append(f"{last} {calls[last]['op']}: status {status}\n    {calls[last]['call']}")
        faults.append(errors)
        first = last + 1
    print(f"{sum(outcomes.values())} calls: {dict(outcomes)}, {signals} ended the process")
    assert not faults, f"{len(faults)} faults, {signals} signals:\n" + "\n".join(faults[:12])
    assert outcomes["answered"] > CALLS // 20
    assert outcomes["refused"] > CALLS // 20
