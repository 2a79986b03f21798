"""Loads the core with an OpenMP runtime whose idle threads sleep soon.

GNU's runtime lets a thread that waits for others spin for milliseconds. Where another program wants
the core, the spinning thread keeps the one it waits for from running: on two cores with two busy
neighbours a training step took 11 times as long as with a short spin, and on a quiet machine there
is no difference. The runtime reads its setting once, when it is loaded, so it is set around the
import alone; what the user has set stays.
"""

from __future__ import annotations

import importlib
import os

_SPINS = "5000"  # about 0.1 ms
_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def _load_core() -> None:
    if any(name in os.environ for name in _SETTINGS):
        importlib.import_module("tilewise._core")
        return
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        importlib.import_module("tilewise._core")
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_load_core()
