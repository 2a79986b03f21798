"""`import tilewise` is light: quick, quiet, without what only some uses need."""

from __future__ import annotations

import json

from helpers import run_ok

# Loaded where they are used.
HEAVY = ["click", "matplotlib", "multiprocessing", "PIL", "rich", "safetensors", "torch", "tqdm"]


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules)\n"
        "import tilewise, json\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))"
    )
    loaded = json.loads(run_ok(code))
    assert not set(loaded) & set(HEAVY)


def test_import_takes_a_tenth_of_a_second_over_numpy() -> None:
    """In time of the processor, the least of five: a busy machine does not count."""
    code = (
        "import numpy, time; start = time.process_time()\n"
        "import tilewise; print(time.process_time() - start)"
    )
    run_ok(code)  # byte-compiles and fills the disk cache
    seconds = min(float(run_ok(code)) for _ in range(5))
    assert seconds <= 0.1, f"import tilewise took {seconds:.3f} s"


def test_import_prints_nothing() -> None:
    assert run_ok("import tilewise") == ""


def test_public_names_exist() -> None:
    code = (
        "import tilewise as tw\n"
        "missing = [name for name in tw.__all__ if not hasattr(tw, name)]\n"
        "assert not missing, missing\n"
        "assert len(set(tw.__all__)) == len(tw.__all__)"
    )
    run_ok(code)
