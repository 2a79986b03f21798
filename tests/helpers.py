"""What the tests share: random arrays, comparison with the float64 oracle, reasons for skips.

The core runs float32 through the SIMD kernels and float64 through the plain loops of `csrc/ref`,
so the same call with float64 arguments is the oracle of the float32 one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from tilewise import _core

REPO = Path(__file__).resolve().parents[1]
EPS32 = float(np.finfo(np.float32).eps)

requires_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="PyTorch is not installed: pip install '.[test-torch]'",
)

requires_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None,
    reason="onnx is not installed: pip install '.[onnx]'",
)

# PyTorch's databases of samples import expecttest.
HAS_TORCH_SAMPLES = all(importlib.util.find_spec(name) for name in ("torch", "expecttest"))
requires_torch_samples = pytest.mark.skipif(
    not HAS_TORCH_SAMPLES,
    reason="PyTorch or expecttest is not installed: pip install '.[test-torch]'",
)


def requires_tool(name: str) -> pytest.MarkDecorator:
    """Skip where a program is not on PATH."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def data_dir(name: str) -> Path:
    """The folder `name` of TILEWISE_DATA, or a skip that says what is missing."""
    root = os.environ.get("TILEWISE_DATA")
    if not root:
        pytest.skip("TILEWISE_DATA is not set: it names a folder with the real data sets")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"TILEWISE_DATA={root} has no folder {name}")
    return folder


def random_array(
    shape: Sequence[int],
    seed: int = 0,
    *,
    dtype: Any = np.float32,
    low: float = -1.0,
    high: float = 1.0,
) -> np.ndarray:
    """Uniform values in [low, high); the same for the same seed on every machine."""
    rng = np.random.default_rng(seed)
    if np.issubdtype(np.dtype(dtype), np.floating):
        return rng.uniform(low, high, tuple(shape)).astype(dtype)
    return rng.integers(int(low), int(high), tuple(shape)).astype(dtype)


def leaf(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> tw.Tensor:
    """A float64 tensor of random values that requires a gradient."""
    values = random_array(shape, seed, dtype=np.float64, low=low, high=high)
    return tw.tensor(values, requires_grad=True)


def to_core(array: np.ndarray, *, channels_last: bool = False) -> _core.Array:
    """A core Array with its own memory; `channels_last` lays out N, spatial…, C."""
    result = _core.Array.from_numpy(np.array(array, order="C", copy=True))
    return result.channels_last() if channels_last else result


def to_numpy(value: Any) -> np.ndarray:
    """A NumPy array of a core Array, a Tensor, a torch tensor or anything array-like."""
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "numpy"):
        value = value.numpy()
    return np.asarray(value)


def assert_close(
    actual: Any, expected: Any, *, limit: float, scale: float | None = None, what: str = "result"
) -> None:
    """Maximum error ≤ `limit` · `scale`; NaN and infinities must agree in place and sign.

    `scale` defaults to the largest finite magnitude of `expected`: the right measure for sums of
    many products, where cancellation leaves small entries with the error of the large ones.
    """
    got = to_numpy(actual)
    want = to_numpy(expected)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.size == 0:
        return
    got = got.astype(np.float64)
    want = want.astype(np.float64)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=f"{what}: NaN differs")
    infinite = np.isinf(got) | np.isinf(want)
    np.testing.assert_array_equal(got[infinite], want[infinite], err_msg=f"{what}: Inf differs")
    finite = np.isfinite(want)
    if not finite.any():
        return
    if scale is None:
        scale = float(np.abs(want[finite]).max()) or 1.0
    error = np.where(finite, np.abs(np.where(finite, got, 0) - np.where(finite, want, 0)), 0)
    worst = np.unravel_index(int(error.argmax()), error.shape)
    assert error[worst] <= limit * scale, (
        f"{what}: error {error[worst] / scale:.3g} of the scale {scale:.3g} exceeds {limit:.3g}"
        f" at {tuple(map(int, worst))}: {got[worst]!r}, expected {want[worst]!r}"
    )


def dot_limit(terms: int) -> float:
    """Error limit, relative to the largest result, of float32 sums of `terms` products.

    Rounding errors of blocked sums grow like the square root of the length; the factor leaves
    room for the worst element of a large array.
    """
    return 4.0 * EPS32 * max(1.0, float(terms)) ** 0.5


def check_with_ref(
    function: Callable[..., Any],
    *inputs: Any,
    limit: float | Sequence[float],
    channels_last: bool = False,
    what: str = "result",
) -> Any:
    """Run `function` on float32 arrays and on their float64 copies and compare every output.

    NumPy float arrays among `inputs` become core Arrays of either type, integer arrays keep
    theirs, anything else is passed on. Returns the float32 outputs.
    """

    def convert(value: Any, dtype: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        if np.issubdtype(value.dtype, np.floating):
            value = value.astype(dtype)
        return to_core(value, channels_last=channels_last and value.ndim >= 3)

    fast = function(*(convert(value, np.float32) for value in inputs))
    oracle = function(*(convert(value, np.float64) for value in inputs))
    fast_outputs = fast if isinstance(fast, (tuple, list)) else (fast,)
    oracle_outputs = oracle if isinstance(oracle, (tuple, list)) else (oracle,)
    assert len(fast_outputs) == len(oracle_outputs)
    limits = [limit] * len(fast_outputs) if isinstance(limit, float) else list(limit)
    for i, (got, want) in enumerate(zip(fast_outputs, oracle_outputs, strict=True)):
        if want is None:
            assert got is None, f"{what}[{i}]: expected None"
            continue
        assert_close(got, want, limit=limits[i], what=f"{what}[{i}]")
    return fast


def run_python(
    code: str, *, env: dict[str, str] | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter; `env` adds to the environment."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )


def run_ok(code: str, *, env: dict[str, str] | None = None, timeout: float = 120.0) -> str:
    """`run_python`, which must succeed; returns what it printed."""
    done = run_python(code, env=env, timeout=timeout)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


Check = Callable[[], None]


def fact_table() -> tuple[list[Any], Callable[[str], Callable[[Check], Check]]]:
    """A list of facts for `parametrize`, and a decorator that adds a check under a row's text."""
    rows: list[Any] = []

    def fact(text: str) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            rows.append(pytest.param(check, id=text))
            return check

        return register

    return rows, fact
