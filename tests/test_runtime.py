"""Threads, instruction sets, denormals, fork, memory: how the library behaves in a process."""

from __future__ import annotations

import ctypes
import os
import threading

import numpy as np
import pytest
import threadpoolctl

import tilewise as tw
from helpers import run_ok, run_python
from tilewise import _core

# Large enough that every op below uses several threads.
LARGE = (8, 16, 64, 64)


# ------------------------------------------------------------------ instruction sets


def test_isas_are_listed_lowest_first() -> None:
    order = ["baseline", "avx2", "avx512"]
    available = _core.available_isas()
    assert available == order[: len(available)]
    assert _core.isa() in available


def test_set_isa_rejects_unknown_names(isa: str) -> None:
    with pytest.raises(ValueError, match=r"set_isa: expected one of baseline.*got 'sse9'"):
        _core.set_isa("sse9")
    assert _core.isa() == isa


@pytest.mark.parametrize("name", _core.available_isas())
def test_environment_forces_an_isa(name: str) -> None:
    code = "from tilewise import _core; print(_core.isa(), _core.config()['isa'])"
    assert run_ok(code, env={"TILEWISE_ISA": name}) == f"{name} {name}"


def test_environment_with_an_unknown_isa_fails_at_import() -> None:
    done = run_python("import tilewise", env={"TILEWISE_ISA": "sse9"})
    assert done.returncode == 1
    assert "TILEWISE_ISA=sse9 is not available" in done.stderr


def test_isas_agree() -> None:
    """One product through every instruction set: the same up to rounding."""
    a = np.random.default_rng(0).standard_normal((33, 47)).astype(np.float32)
    before = _core.isa()
    results = []
    for name in _core.available_isas():
        _core.set_isa(name)
        results.append((tw.from_numpy(a) @ tw.from_numpy(a.T.copy())).numpy().copy())
    _core.set_isa(before)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=0, atol=1e-4)


# ------------------------------------------------------------------ threads


@pytest.mark.parametrize("count", [0, -1, 1 << 20])
def test_set_num_threads_rejects_values(count: int) -> None:
    with pytest.raises(ValueError, match="set_num_threads"):
        tw.set_num_threads(count)


@pytest.mark.parametrize("count", [2.5, "2", None, 1 << 80])
def test_set_num_threads_rejects_types(count: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        tw.set_num_threads(count)  # type: ignore[arg-type]


def test_set_num_threads_is_read_back() -> None:
    for count in (1, 2, 7):
        tw.set_num_threads(count)
        assert tw.get_num_threads() == count


def test_environment_limits_threads() -> None:
    code = "import tilewise as tw; print(tw.get_num_threads())"
    assert run_ok(code, env={"OMP_NUM_THREADS": "1"}) == "1"


def test_affinity_limits_threads() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no CPU affinity")
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import tilewise as tw; print(tw.get_num_threads())"
    )
    environment = {"OMP_NUM_THREADS": "64"}
    assert run_ok(code, env=environment) == "1"


def test_threadpoolctl_sees_and_limits_the_threads() -> None:
    code = (
        "import tilewise as tw, threadpoolctl\n"
        "with threadpoolctl.threadpool_limits(1, user_api='openmp'):\n"
        "    print(tw.get_num_threads())"
    )
    assert run_ok(code) == "1"
    assert any(pool["user_api"] == "openmp" for pool in threadpoolctl.threadpool_info())


def test_calls_from_several_python_threads() -> None:
    x = tw.from_numpy(np.random.default_rng(0).standard_normal(LARGE).astype(np.float32))
    expected = tw.functional.relu(x).numpy().copy()
    wrong = []

    def work() -> None:
        for _ in range(5):
            if not np.array_equal(tw.functional.relu(x).numpy(), expected):
                wrong.append(threading.current_thread().name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_fork_after_use_neither_hangs_nor_corrupts() -> None:
    code = f"""
import os, signal, warnings
import numpy as np
import tilewise as tw
warnings.simplefilter("ignore")
x = tw.from_numpy(np.random.default_rng(0).standard_normal({LARGE}).astype(np.float32))
w = tw.from_numpy(np.random.default_rng(1).standard_normal((16, 16, 3, 3)).astype(np.float32))
tw.set_num_threads(2)
before = tw.functional.conv2d(x, w, padding=1).numpy().copy()
child = os.fork()
if child == 0:
    signal.alarm(30)
    after = tw.functional.conv2d(x, w, padding=1).numpy()
    os._exit(0 if np.array_equal(before, after) else 3)
_, status = os.waitpid(child, 0)
again = tw.functional.conv2d(x, w, padding=1).numpy()
assert np.array_equal(before, again)
print(os.waitstatus_to_exitcode(status))
"""
    assert run_ok(code) == "0"


# ------------------------------------------------------------------ floating point


def test_denormals_count_as_zero_inside(isa: str) -> None:
    """Arithmetic on denormals can be fifty times slower; kernels flush them."""
    tiny = tw.from_numpy(np.full(LARGE, 1e-30, np.float32))
    for threads in (1, 2):
        tw.set_num_threads(threads)
        assert not (tiny * tiny.numpy()[0, 0, 0, 0].item() * 1e10).numpy().any()


def test_the_callers_floating_point_state_is_kept() -> None:
    denormal = np.full(100_000, 1e-40, np.float32)
    x = tw.from_numpy(np.ones(LARGE, np.float32))
    for threads in (1, 2):
        tw.set_num_threads(threads)
        tw.functional.relu(x)
        assert (denormal * np.float32(1)).all()


# ------------------------------------------------------------------ memory, reports


def test_memory_does_not_grow_with_changing_shapes() -> None:
    _core.empty_cache()
    _core.reset_peak_memory()
    for size in range(100, 160):
        x = tw.ones((size, 31, size))
        (x + x).sum()
    del x
    stats = _core.memory_stats()
    assert stats["cached"] <= stats["peak_in_use"] + (64 << 20)
    _core.empty_cache()
    assert _core.memory_stats()["cached"] == 0


RESIDENT_BYTES_OF_SLABS = """
import ctypes, os
from pathlib import Path
import numpy as np
import tilewise as tw
from tilewise import _core

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def resident_bytes_without_mallocs():
    ctypes.CDLL(None).malloc_trim(0)  # what glibc keeps of NumPy's temporaries
    return resident_bytes()

def use_and_free():
    sizes = np.random.default_rng(0).integers(2_000, 600_000, 100)
    kept = {}
    for step, size in enumerate([*sizes, *sizes[::-1], *sizes]):
        kept[step] = tw.full((int(size),), float(step))
        for old in [k for k in kept if k * 7 % 5 == step % 5 and k % 3]:
            assert (kept.pop(old).numpy() == old).all()
        if step % 50 == 0:
            _core.empty_cache()
    assert len(kept) > 50
    assert all((value.numpy() == key).all() for key, value in kept.items())
    held = sum(value.numpy().nbytes for value in kept.values())
    full = resident_bytes()
    kept.clear()
    _core.empty_cache()
    return held, full

before = resident_bytes_without_mallocs()
held, full = use_and_free()
print(before, held, full, resident_bytes_without_mallocs())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc and /proc/self/statm"
)
def test_blocks_of_slabs_are_apart_and_go_back() -> None:
    """Blocks of 32 KB to 2 MB share slabs: each keeps its values, and their pages are returned."""
    # A process of its own: what other tests left behind would come and go in the counts.
    before, held, full, after = map(int, run_ok(RESIDENT_BYTES_OF_SLABS).split())
    assert full > before + held // 2  # else the next line proves nothing
    assert after < before + (12 << 20)


def test_steady_work_asks_the_system_for_nothing() -> None:
    x = tw.ones(LARGE)
    for _ in range(2):
        (x * 2 + x).sum()
    before = _core.memory_stats()["system_allocations"]
    for _ in range(5):
        (x * 2 + x).sum()
    assert _core.memory_stats()["system_allocations"] == before


def test_show_config_names_the_machine() -> None:
    report = tw.show_config()
    assert report["version"] == tw.__version__
    assert report["isa"] == _core.isa()
    assert report["threads"] == tw.get_num_threads()
    assert report["compiler"]
    assert 8 << 10 <= report["l1_data_cache"] <= report["l2_cache"] <= report["l3_cache"]


def test_verbose_goes_to_standard_error() -> None:
    code = (
        "import numpy as np, tilewise as tw\n"
        "x = tw.from_numpy(np.ones((1, 3, 8, 8), np.float32))\n"
        "tw.functional.conv2d(x, tw.from_numpy(np.ones((4, 3, 3, 3), np.float32)))\n"
    )
    done = run_python(code, env={"TILEWISE_VERBOSE": "1"})
    assert done.returncode == 0
    assert done.stdout == ""
    assert "conv" in done.stderr
    assert run_python(code, env={"TILEWISE_VERBOSE": ""}).stderr == ""
