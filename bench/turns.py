"""Comparing libraries fairly on a machine that others use too: processes that take turns.

Every form of a measurement lives in a worker process of its own, so that no OpenMP runtime,
allocator or cache of compiled code is shared. The workers take turns in short slices, in an order
that rotates; a worker whose turn it is not is stopped (SIGSTOP), so no idle thread spins. What is
compared are medians over the slices, so a disturbance of the machine falls on all forms alike.

A worker reads one JSON request a line and answers each with one line; `serve` is its loop.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Message = dict[str, Any]

# glibc keeps what it once got: no mmap for large blocks, no trimming of the heap, and growth by
# large steps. Without, a large result costs fresh pages in each call.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 40),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 28),
}


class Worker:
    """A form in its own process; stopped whenever it is not its turn."""

    def __init__(self, name: str, command: Sequence[str], variables: dict[str, str]) -> None:
        """Start the process; its first answer, given without a request, is `ready`."""
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        self.ready = self._answer()
        self.process.send_signal(signal.SIGSTOP)

    def _answer(self) -> Message:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"worker {self.name} ended with status {self.process.wait()}")
        answer: Message = json.loads(line)
        return answer

    def ask(self, request: Message) -> Message:
        """Let the worker run until it has answered."""
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def serve(ready: Message, answer: Callable[[Message], Message]) -> None:
    """The loop of a worker process."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def take_turns(
    workers: Sequence[Worker], slices: int, requests: Sequence[Message]
) -> list[list[Message]]:
    """Each worker's answers to its request, asked once a slice in an order that rotates."""
    answers: list[list[Message]] = [[] for _ in workers]
    for turn in range(slices):
        for i in range(len(workers)):
            j = (i + turn) % len(workers)
            answers[j].append(workers[j].ask(requests[j]))
    return answers


def quartile_distance(values: Sequence[float]) -> float:
    """The spread that the tables show."""
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return third - first


def processor() -> str:
    """The processor's name, or the architecture where the system does not tell."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.machine()


def machine(packages: Sequence[str]) -> Message:
    """The machine, the day and the versions behind the figures."""
    import tilewise as tw
    from tilewise import _core

    info: Message = {
        "date": dt.date.today().isoformat(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "tilewise": tw.__version__,
    }
    wanted = ("isa", "compiler", "l1_data_cache", "l2_cache", "l3_cache")
    info |= {key: value for key, value in _core.config().items() if key in wanted}
    for package in packages:
        try:
            info[package] = version(package)
        except PackageNotFoundError:
            info[package] = None
    return info


def machine_line(info: Message) -> str:
    """The last line of a table."""
    return "; ".join(f"{key} {value}" for key, value in info.items())


def report(text: str, info: Message, rows: Sequence[Any], args: argparse.Namespace) -> None:
    """Print the tables; write them and the rows where `--markdown` and `--json` say."""
    print(text)
    if args.markdown:
        args.markdown.write_text(text, encoding="utf-8")
    if args.json:
        content = {"machine": info, "rows": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
