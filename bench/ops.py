#!/usr/bin/env python3
"""Time the ops that memory bounds, in tilewise and in PyTorch, side by side.

    python bench/ops.py                                    # every case, some minutes
    python bench/ops.py 'max_pool*' 'batch_norm*' --threads 1
    python bench/ops.py --overhead                         # calls on a 1x8x8x8 tensor, microseconds

Two figures a case: a forward call without gradients, and training, a forward call and the gradients
of its inputs. The cases are in `op_cases/`. Every form is a process of its own; they take turns
(turns.py). PyTorch runs with contiguous and with channels-last inputs, with `--compiled` also
through torch.compile; glibc keeps its memory, so it pays for no fresh pages. Its fastest form
counts. `% copy` is the least possible traffic over the time, of the copy bandwidth that
`bench_conv --peak` measures.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from compare import cache_bytes, measure_peak
from op_cases import Case, all_cases
from op_cases.overhead import CALLS
from turns import KEEP_MEMORY, Message, Worker, machine, machine_line, report, serve, take_turns

FORMS = ("tilewise", "torch", "torch-channels-last")
COMPILED = "torch-compiled"
MODES = ("forward", "training")
MOST_CALLS = 5000


# ---------------------------------------------------------------- workers


def library(form: str, threads: int) -> Any:
    """The names that a case uses."""
    if form == "tilewise":
        import tilewise as root
        from tilewise import nn, optim

        root.set_num_threads(threads)
    else:
        import torch as root  # type: ignore[no-redef]
        from torch import nn, optim  # type: ignore[assignment]

        root.set_num_threads(threads)
    return SimpleNamespace(root=root, nn=nn, F=nn.functional, optim=optim, name=form)


class Work:
    """What a worker does: prepares a call, then runs it as often as it is asked to."""

    def __init__(self, form: str, threads: int) -> None:
        self.lib = library(form, threads)
        self.form = form
        self.call: Callable[[], Any] = tuple
        self.cases = {case.name: case for case in all_cases()}

    def tensor(self, case: Case, index: int) -> Any:
        spec, lib = case.inputs[index], self.lib
        value = lib.root.from_numpy(spec.array(index)).clone()
        if len(spec.shape) >= 4 and not spec.classes and not spec.plain:
            if self.form == "tilewise":
                value = lib.root.autograd.wrap(value._array.channels_last())
            elif self.form != "torch":
                layout = "channels_last" if len(spec.shape) == 4 else "channels_last_3d"
                value = value.contiguous(memory_format=getattr(lib.root, layout))
        return value

    def arguments(self, case: Case, mode: str) -> Callable[[], list[Any]]:
        """Sets of arguments in turn, of twice the last-level cache in all, at most eight."""
        nbytes = sum(4 * len(spec.array(0).ravel()) for spec in case.inputs) or 1
        sets = []
        for _ in range(max(1, min(8, 2 * cache_bytes() // nbytes))):
            tensors = [self.tensor(case, i) for i in range(len(case.inputs))]
            for value, spec in zip(tensors, case.inputs, strict=True):
                if mode == "training" and spec.grad and not spec.classes:
                    value.requires_grad_(True)
            sets.append(tensors)
        return itertools.cycle(sets).__next__

    def prepare(self, case: Case, mode: str) -> Callable[[], Any]:
        function = case.make(self.lib)
        if self.form == COMPILED:
            function = self.lib.root.compile(function)
        draw, root = self.arguments(case, mode), self.lib.root

        def forward() -> Any:
            with root.no_grad():
                return function(*draw())

        if mode == "forward":
            return forward
        y = function(*draw())
        cotangent = (y * 0 + 1).detach()

        def training() -> Any:
            given = draw()
            wanted = [t for t in given if t.requires_grad]
            return root.autograd.grad(function(*given), wanted, cotangent)

        return training

    def answer(self, request: Message) -> Message:
        if "call" in request:
            self.call = CALLS[request["call"]](self.lib)
            self.call()
            return {"seconds": self.time(200)}
        if "case" in request:
            self.call = tuple  # frees the last case's arrays
            self.call = self.prepare(self.cases[request["case"]], request["mode"])
            for _ in range(3):
                self.call()
            return {"seconds": self.time(1)}
        self.call()
        return {"seconds": self.time(request["count"])}

    def time(self, count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            self.call()
        return (time.perf_counter() - start) / count


# ---------------------------------------------------------------- the comparison


@dataclass
class Row:
    """One measurement."""

    name: str
    mode: str
    threads: int
    milliseconds: dict[str, float]
    ratio: float
    percent_copy: float | None


def measure(workers: list[Worker], setup: Message, args: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds a call, by form; of a call's overhead the least, which others disturb."""
    typical = min if args.overhead else statistics.median
    first = [float(worker.ask(setup)["seconds"]) for worker in workers]
    requests = [
        {"count": max(1, min(MOST_CALLS, round(args.slice_seconds / max(s, 1e-7))))} for s in first
    ]
    answers = take_turns(workers, args.slices, requests)
    return {
        worker.name: 1e3 * typical(float(answer["seconds"]) for answer in given)
        for worker, given in zip(workers, answers, strict=True)
    }


def row_of(name: str, mode: str, threads: int, ms: dict[str, float], share: float | None) -> Row:
    others = [value for form, value in ms.items() if form != "tilewise"]
    return Row(name, mode, threads, ms, min(others) / ms["tilewise"], share)


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    forms = (*FORMS, COMPILED) if args.compiled else FORMS
    cases = [c for c in all_cases() if any(fnmatch.fnmatchcase(c.name, p) for p in args.patterns)]
    if not cases:
        raise SystemExit(f"no case matches {args.patterns}")
    for threads in args.threads:
        environment = {"OMP_NUM_THREADS": str(threads)}
        copy = measure_peak(args.peak_binary, threads, environment).get("copy_gbps")
        workers = [
            Worker(
                form,
                [sys.executable, __file__, "--worker", form, "--threads", str(threads)],
                {**environment, **(KEEP_MEMORY if form != "tilewise" else {})},
            )
            for form in (("tilewise", "torch") if args.overhead else forms)
        ]
        try:
            if args.overhead:
                for name in CALLS:
                    ms = measure(workers, {"call": name}, args)
                    rows.append(row_of(name, "overhead", threads, ms, None))
                    show(rows[-1])
                continue
            for case, mode in itertools.product(cases, MODES):
                values = getattr(case, mode)
                if values is None:
                    continue
                ms = measure(workers, {"case": case.name, "mode": mode}, args)
                share = 400 * values / (copy * 1e6 * ms["tilewise"]) if values and copy else None
                rows.append(row_of(case.name, mode, threads, ms, share))
                show(rows[-1])
        finally:
            for worker in workers:
                worker.close()
    return rows


def show(row: Row) -> None:
    print(cells(row), file=sys.stderr, flush=True)


def cells(row: Row) -> str:
    unit = 1e3 if row.mode == "overhead" else 1.0
    ours = row.milliseconds["tilewise"] * unit
    theirs = min(v for f, v in row.milliseconds.items() if f != "tilewise") * unit
    share = "" if row.percent_copy is None else f"{row.percent_copy:.0f}"
    return (
        f"| {row.name} | {row.mode} | {row.threads} | {ours:.3g} | {theirs:.3g} | {row.ratio:.2f} |"
        f" {share} |"
    )


def markdown(rows: list[Row], unit: str) -> str:
    lines = [
        f"| op | mode | threads | tilewise, {unit} | PyTorch, {unit} | ÷ | % copy |",
        "|---|---|--:|--:|--:|--:|--:|",
        *map(cells, rows),
    ]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("patterns", nargs="*", default=["*"], help="names of cases, with * and ?")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--slices", type=int, default=9, help="turns of each form")
    parser.add_argument("--slice-seconds", type=float, default=0.15)
    parser.add_argument("--overhead", action="store_true", help="calls on a 1x8x8x8 tensor")
    parser.add_argument("--compiled", action="store_true", help="time torch.compile too")
    parser.add_argument("--peak-binary", type=Path, help="bench_conv, for the copy bandwidth")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.worker:
        work = Work(args.worker, args.threads[0])
        serve({"pid": os.getpid()}, work.answer)
        return
    rows = run(args)
    info = machine(["torch", "numpy"])
    text = markdown(rows, "µs" if args.overhead else "ms") + f"\n{machine_line(info)}\n"
    report(text, info, rows, args)


if __name__ == "__main__":
    main()
