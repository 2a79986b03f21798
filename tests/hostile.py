"""Calls that broke other libraries, made by mutation: a program that test_hostile.py runs.

    python tests/hostile.py --seed 0 --calls 5000 [--from 0]

The valid calls are PyTorch's samples of every operation that exists here (opinfo). Each hostile
call is one of them with a fault of a class: sizes of 0, below 0 or near 2^63, lists of the wrong
length, tensors of another rank, type, layout or of no elements, NaN, aliases, gradients of the
wrong shape. A call may answer or raise; it may not take long, raise anything but the errors of the
interface, or end the process. Each call is announced on standard output before it is made, so that
whoever reads knows the last one; faults are reported there too. A correct convolution must come out
right all the while.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import tilewise as tw
from opinfo import all_rows
from opinfo.harness import NotApplicable, Row, translate
from tilewise.nn import functional as F

ALLOWED = (ValueError, TypeError, RuntimeError, IndexError, MemoryError)
SECONDS = 2.0  # that a call may take; a second, and one for a busy machine
HANG = 30.0
SAMPLES = 8  # valid calls of an operation
ADDRESS_SPACE = 6 << 30

Call = tuple[list[Any], dict[str, Any]]

INTS: list[Any] = [0, -1, 2, 7, -(2**31), 2**31, 2**62, -(2**63), 2**63, 10**30]
NO_INTS: list[Any] = [True, 1.5, float("nan"), None, "3", [], (), [1] * 7, (1, 2, 3, 4), [None]]
FLOATS: list[Any] = [float("nan"), float("inf"), -1.0, 0.0, 1e308, -1e-320, "x", None, [], 2**70]


# ---------------------------------------------------------------- tensors of every bad kind


def _from(array: np.ndarray) -> tw.Tensor:
    return tw.from_numpy(np.asarray(array))  # a view of a scalar is no array


def _resized(x: np.ndarray, rng: random.Random) -> np.ndarray:
    """One dimension longer or shorter by one, or empty."""
    if x.ndim == 0:
        return x
    axis = rng.randrange(x.ndim)
    size = rng.choice([0, max(0, x.shape[axis] - 1), x.shape[axis] + 1])
    return np.resize(x, (*x.shape[:axis], size, *x.shape[axis + 1 :])) if x.size else x


def _poisoned(x: np.ndarray, rng: random.Random) -> np.ndarray:
    if x.size == 0 or not np.issubdtype(x.dtype, np.floating):
        if x.dtype == bool:
            return ~x
        return np.full_like(x, rng.choice([np.iinfo(x.dtype).min, 100, 0]) if x.size else 0)
    y = x.copy()
    y.flat[rng.randrange(y.size)] = rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e-42])
    return y


def _misaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
    raw[:] = np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint8)
    return np.frombuffer(raw, x.dtype).reshape(x.shape)


TENSORS: list[Callable[[np.ndarray, random.Random], Any]] = [
    lambda x, rng: _from(_resized(x, rng)),
    lambda x, rng: _from(_resized(x, rng)),
    lambda x, rng: _from(_poisoned(x, rng)),
    lambda x, _: _from(np.array(x[None])),
    lambda x, _: _from(np.array(x.ravel()[0] if x.size else 0.0, x.dtype)),
    lambda x, _: _from(np.array(x[0])) if x.ndim and len(x) else _from(x),
    lambda x, _: _from(np.array(x)).to(tw.int64),
    lambda x, _: _from(np.array(x)).to(tw.float64),
    lambda x, _: _from(np.array(x)).to(tw.bool_),
    lambda x, _: _from(np.array(x)).to(tw.uint8),
    lambda x, _: _from(np.flip(x)),
    lambda x, _: _from(_misaligned(x)),
    lambda x, _: _from(np.array(x.T)).permute(*reversed(range(x.ndim))) if x.ndim else _from(x),
    lambda x, _: _from(np.array(x[:1])).expand(*x.shape) if x.ndim and len(x) else _from(x),
    lambda x, _: _from(np.zeros((0,) * x.ndim, x.dtype)),
    lambda x, _: np.array(x),
    lambda *_: None,
    lambda *_: "tensor",
    lambda *_: [1.0, [2.0]],
]


# ---------------------------------------------------------------- mutation


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all leaves of nested arguments, and of the lists themselves."""
    if isinstance(value, list | tuple):
        inner = [p for i, v in enumerate(value) for p in _places(v, (*path, i))]
        return [path, *inner] if path else inner
    if isinstance(value, dict):
        return [p for key, v in value.items() for p in _places(v, (*path, key))]
    return [path]


def _replaced(value: Any, path: tuple[Any, ...], make: Callable[[Any], Any]) -> Any:
    if not path:
        return make(value)
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: _replaced(value[head], tuple(rest), make)}
    items = list(value)
    items[head] = _replaced(items[head], tuple(rest), make)
    return type(value)(items) if type(value) in {list, tuple} else items


def _fault(value: Any, rng: random.Random) -> Any:
    """Something else in the place of a value."""
    if isinstance(value, tw.Tensor):
        made = rng.choice(TENSORS)(np.array(value.detach().numpy()), rng)
        if isinstance(made, tw.Tensor) and made.is_floating_point() and rng.random() < 0.5:
            made.requires_grad_(True)
        return made
    if isinstance(value, float):
        return rng.choice(FLOATS)
    if isinstance(value, list | tuple):
        return rng.choice([*INTS, *NO_INTS, [], [*value, *value], [rng.choice(INTS)] * len(value)])
    return rng.choice(INTS if rng.random() < 0.7 else NO_INTS)


def mutate(call: Call, rng: random.Random) -> Call:
    """One fault, sometimes two."""
    args, kwargs = call
    both: Any = {"args": args, "kwargs": kwargs}
    for _ in range(rng.choice([1, 1, 1, 2])):
        kind = rng.random()
        tensors = [a for a in both["args"] if isinstance(a, tw.Tensor)]
        if kind < 0.04 and both["args"]:
            both["args"] = both["args"][:-1]
        elif kind < 0.06:
            both["args"] = [*both["args"], rng.choice(INTS)]
        elif kind < 0.08:
            both["kwargs"] = {**both["kwargs"], "unknown": 1}
        elif kind < 0.12 and tensors:
            both["args"] = [tensors[0] if isinstance(a, tw.Tensor) else a for a in both["args"]]
        else:
            places = [path for path in _places(both) if len(path) > 1]
            if places:
                both = _replaced(both, rng.choice(places), lambda v: _fault(v, rng))
    return list(both["args"]), dict(both["kwargs"])


# ---------------------------------------------------------------- the program


def valid_calls(row: Row) -> list[Call]:
    """Some of the samples of an operation."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    op = next(o for o in op_db if (o.name, o.variant_test_name) == (row.name, row.variant))
    dtype = torch.float32 if torch.float32 in op.supported_dtypes("cpu") else torch.int64
    torch.manual_seed(0)
    gradients = op.supports_autograd and row.gradients and dtype.is_floating_point
    calls: list[Call] = []
    samples = list(op.sample_inputs("cpu", dtype, requires_grad=gradients))
    for sample in samples[:: max(1, len(samples) // SAMPLES)]:
        try:
            calls.append((translate([sample.input, *sample.args]), translate(sample.kwargs)))
        except NotApplicable:
            continue
    return calls


def describe(value: Any) -> Any:
    """For the announcement: shapes and types rather than numbers."""
    if isinstance(value, tw.Tensor | np.ndarray):
        return f"{getattr(value.dtype, 'name', value.dtype)}{list(value.shape)}"
    if isinstance(value, list | tuple):
        return [describe(v) for v in value]
    if isinstance(value, dict):
        return {key: describe(v) for key, v in value.items()}
    return repr(value)


def perform(function: Callable[..., Any], call: Call, rng: random.Random) -> str:
    """The call, then gradients of the right and of the wrong shape; what became of it."""
    args, kwargs = call
    try:
        result = function(*args, **kwargs)
    except ALLOWED as error:
        return "refused" if str(error) else "no message"
    except AttributeError:
        if args and isinstance(args[0], tw.Tensor):
            raise
        return "refused"  # by Python, where a row calls a method: only tensors have it
    outputs = [result] if isinstance(result, tw.Tensor) else result
    for y in outputs if isinstance(outputs, list | tuple) else ():
        if not (isinstance(y, tw.Tensor) and y.requires_grad) or y.numel() > 10**6:
            continue
        wrong = tw.ones(*y.shape, 2)
        try:
            y.backward(wrong, retain_graph=True)
        except ALLOWED:
            pass
        else:
            return "a gradient of the wrong shape was taken"
        try:
            y.backward(tw.ones(*y.shape, dtype=y.dtype), retain_graph=rng.random() < 0.5)
        except ALLOWED:
            return "refused backward"
    return "answered"


def still_right() -> bool:
    """A convolution, a pool and a sum that are known."""
    x = tw.arange(16, dtype=tw.float32).reshape(1, 1, 4, 4)
    y = F.max_pool2d(F.conv2d(x, tw.ones(1, 1, 3, 3)), 2)
    return float(y.sum()) == 90.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--op", default="", help="only operations with this in their name")
    parser.add_argument("--unlimited", action="store_true", help="address space, for sanitizers")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [row for row in all_rows() if options.op in row.title]
    valid = {row.title: valid_calls(row) for row in rows}
    rows = [row for row in rows if valid[row.title]]
    if not options.unlimited:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    faulthandler.enable()
    for number in range(options.first, options.calls):
        rng = random.Random(options.seed * 1_000_003 + number)
        row = rows[number % len(rows)]
        call = mutate(rng.choice(valid[row.title]), rng)
        told = {"number": number, "op": row.title, "call": describe(call)}
        print(json.dumps(told, default=repr), flush=True)
        faulthandler.dump_traceback_later(HANG, exit=True)
        start = time.perf_counter()
        try:
            outcome = perform(row.function(), call, rng)
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        if outcome in {"refused", "refused backward", "answered"} and seconds > SECONDS:
            outcome = f"took {seconds:.1f} s"
        if number % 50 == 0 and not still_right():
            outcome = "the next call was wrong"
        print(json.dumps({"number": number, "outcome": outcome}), flush=True)
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
