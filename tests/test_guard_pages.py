"""TILEWISE_GUARD_PAGES=1 and tests/guard.py catch what they are there to catch."""

from __future__ import annotations

import os
import signal
from mmap import PAGESIZE

import numpy as np
import pytest

from guard import guarded
from helpers import REPO, run_ok, run_python
from tilewise import _core

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pages are protected on POSIX only")

ON = {"TILEWISE_GUARD_PAGES": "1", "PYTHONPATH": os.pathsep.join([str(REPO / "tests")])}
PRELUDE = """
import ctypes, sys
import numpy as np
from tilewise import _core
a = _core.Array.empty((FLOATS,), _core.DType.float32)
address = a.numpy().ctypes.data
"""


def run(code: str, floats: int = 35) -> tuple[int, str]:
    env = dict(ON)
    if os.environ.get("PYTHONPATH"):
        env["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    done = run_python(PRELUDE.replace("FLOATS", str(floats)) + code, env=env)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "access",
    [
        "ctypes.string_at(address + 192, 1)",  # 35 floats are 140 bytes: 192 after alignment
        "ctypes.memset(address + 192, 0, 1)",
        f"ctypes.string_at(address + 192 - {PAGESIZE} - 1, 1)",
        "del a; ctypes.string_at(address, 1)",
    ],
)
def test_an_access_beyond_a_block_or_after_its_release_faults(access: str) -> None:
    assert run(access) == (-signal.SIGSEGV, "")


@pytest.mark.parametrize(
    ("offset", "where"),
    [(140, "0 bytes past the end of"), (191, "51 bytes past"), (-1, "1 bytes before")],
)
def test_a_write_next_to_a_block_is_found_at_release(offset: int, where: str) -> None:
    code, text = run(f"ctypes.memset(address + {offset}, 0, 1); del a")
    assert code == -signal.SIGABRT
    assert f"a write {where}" in text
    assert "a block of 140 bytes" in text


def test_fresh_memory_is_nan_and_ends_aligned() -> None:
    code = "print(np.isnan(a.numpy()).all(), np.isnan(a.numpy()[:34].view(np.float64)).all())"
    assert run(code + "; print(address % 64)") == (0, "True True\n0\n")
    assert run(f"print(address % {PAGESIZE})", floats=PAGESIZE // 4) == (0, "0\n")


def test_empty_blocks_and_many_blocks() -> None:
    code = "b = [_core.Array.empty((i % 70,), _core.DType.float32) for i in range(5000)]; del b; a"
    assert run(code, floats=0)[0] == 0
    stats = "s = _core.memory_stats(); print(s['in_use'] > 0, s['cached'])"
    assert run(stats) == (0, "True 0\n")


def test_off_unless_asked_for() -> None:
    code = PRELUDE.replace("FLOATS", "35") + "ctypes.memset(address + 140, 0, 1); del a"
    for value in ("", "0"):
        run_ok(code, env={"TILEWISE_GUARD_PAGES": value})


def test_guarded_arrays_are_used_in_place() -> None:
    values = np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    for channels_last in (False, True):
        for at_start in (False, True):
            array = guarded(values, channels_last=channels_last, at_start=at_start)
            np.testing.assert_array_equal(array, values)
            core = _core.Array.from_numpy(array)
            assert core.numpy().ctypes.data == array.ctypes.data
            assert core.is_channels_last() == channels_last
            end = array.ctypes.data + array.nbytes
            assert (array.ctypes.data if at_start else end) % PAGESIZE == 0


@pytest.mark.parametrize("at_start", [False, True])
def test_an_access_beyond_a_guarded_array_faults(at_start: bool) -> None:
    access = "b.ctypes.data - 1" if at_start else "b.ctypes.data + b.nbytes"
    code = (
        f"from guard import guarded; b = guarded(np.ones(35, np.float32), at_start={at_start})\n"
        f"print(b.sum(), flush=True); ctypes.string_at({access}, 1)"
    )
    assert run(code) == (-signal.SIGSEGV, "35.0\n")
