"""Random convolutions through every algorithm, direction and instruction set, exactly.

Sums of small integers are exact in float32 in any order, so every algorithm but Winograd's must
agree with the plain loops to the bit. TILEWISE_SWEEP=20000 asks for more problems than the default;
every seventh runs in a child process with guard pages around every block and operand.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from conv_problems import Case, check_case, random_case
from guard import guarded
from helpers import REPO, run_python

PROBLEMS = int(os.environ.get("TILEWISE_SWEEP", "3000"))
PLAIN, GUARDED = 260, 40  # problems of a chunk; those behind guard pages take ten times as long
CHUNKS = range(max(1, PROBLEMS // (PLAIN + GUARDED)))


def first_seed(chunk: int) -> int:
    return chunk * (PLAIN + GUARDED)


def place(case: Case, array: np.ndarray) -> np.ndarray:
    if not case.channels_last or array.ndim < 3:
        return array.copy()
    return np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1)


def place_guarded(case: Case, name: str, array: np.ndarray) -> np.ndarray:
    last = case.channels_last and name != "w" and array.ndim >= 3
    return guarded(array, channels_last=last, at_start=case.at_start)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_every_algorithm_agrees_with_the_plain_loops(chunk: int) -> None:
    for seed in range(first_seed(chunk), first_seed(chunk) + PLAIN):
        case = random_case(seed)
        check_case(case, lambda name, a, c=case: a.copy() if name == "w" else place(c, a))


def guarded_chunk(first: int, log: str) -> None:
    """Run in the child process; `log` holds what was running when it died."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def note(text: str) -> None:
        os.pwrite(descriptor, text.ljust(1000).encode(), 0)

    for seed in range(first, first + GUARDED):
        case = random_case(seed)
        check_case(case, lambda name, a, c=case: place_guarded(c, name, a), note)


@pytest.mark.skipif(os.name != "posix", reason="pages are protected on POSIX only")
@pytest.mark.parametrize("chunk", CHUNKS)
def test_nothing_is_touched_beyond_blocks_and_operands(chunk: int, tmp_path: Path) -> None:
    log = tmp_path / "running"
    code = (
        "import faulthandler; faulthandler.enable()\n"
        f"from test_conv_sweep import guarded_chunk\n"
        f"guarded_chunk({first_seed(chunk) + PLAIN}, {str(log)!r})"
    )
    paths = [str(REPO / "tests"), *(p for p in sys.path if p)]
    env = {"TILEWISE_GUARD_PAGES": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = run_python(code, env=env, timeout=600)
    if done.returncode == 0:
        return
    running = log.read_text().strip() if log.exists() else "before the first problem"
    name = signal.Signals(-done.returncode).name if done.returncode < 0 else done.returncode
    pytest.fail(f"{name} in {running}\n{done.stderr[-3000:]}", pytrace=False)
