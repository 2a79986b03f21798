#!/usr/bin/env python3
"""Time convolutions of tilewise, PyTorch and, for inference, ONNX Runtime, side by side.

    python bench/compare.py                                  # shapes/conv.txt, some minutes
    python bench/compare.py --shapes resnet50 'conv/dw*' --threads 1 --directions forward
    python bench/compare.py --inference                      # batch 1 and 16, weights prepared once
    python bench/compare.py --isa avx2                       # tilewise and PyTorch limited to AVX2
    python bench/compare.py --merge a.json b.json --markdown out.md

Each library has a process of its own; they take turns (turns.py). PyTorch runs twice: as a user
runs it, and with glibc told to keep its memory, without the page faults that large results cost it.
README.md says how to read the table.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import conv_shapes
from conv_shapes import Conv
from conv_tables import Row, markdown
from turns import KEEP_MEMORY, Worker, machine, quartile_distance, report, take_turns

DIRECTIONS = ("forward", "backward_data", "backward_weight")
FORMS = ("tilewise", "torch", "torch-kept", "onnxruntime")
# What each library has for staying below AVX-512; ONNX Runtime has nothing.
ISA_VARIABLES = {
    "avx2": {
        "TILEWISE_ISA": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}
ERROR_LIMIT = 1e-3  # maximum difference over the RMS of tilewise's result
BENCH = Path(__file__).parent
PEAK_BINARIES = [BENCH.parent / "build" / p / "bench" / "bench_conv" for p in ("bench", "clang")]
WARM_BELOW = 0.02  # seconds; slower calls start a slice without one that is not timed
MOST_CALLS = 2000  # in a slice


def selected(patterns: Iterable[str]) -> list[Conv]:
    """The layers that NETWORK or NETWORK/LAYER, with * and ?, or the path of a file, name."""
    layers: dict[tuple[str, str], Conv] = {}
    for pattern in patterns:
        if pattern.endswith(".txt"):
            found = conv_shapes.read(Path(pattern))
        else:
            network, _, layer = pattern.partition("/")
            found = [
                conv
                for path in conv_shapes.files()
                if fnmatch.fnmatchcase(path.stem, network)
                for conv in conv_shapes.read(path)
                if fnmatch.fnmatchcase(conv.name, layer or "*")
            ]
        if not found:
            known = ", ".join(path.stem for path in conv_shapes.files())
            raise SystemExit(f"no layer matches {pattern!r}; files are {known}")
        layers |= {(conv.network, conv.name): conv for conv in found}
    return list(layers.values())


def measure_peak(binary: Path | None, threads: int, variables: dict[str, str]) -> dict[str, float]:
    """Multiply-adds and copy bandwidth, by the C++ benchmark; empty where it is not built."""
    candidates = [binary] if binary else [path for path in PEAK_BINARIES if path.is_file()]
    if not candidates:
        return {}
    environment = {**os.environ, **variables, "OMP_NUM_THREADS": str(threads)}
    command = [str(candidates[0]), "--peak"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    peak: dict[str, float] = json.loads(done.stdout)
    return peak


def cache_bytes() -> int:
    """The last-level cache, 32 MB where the system does not tell."""
    path = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    text = path.read_text().strip() if path.is_file() else "32768K"
    return int(text.rstrip("KM")) << (20 if text.endswith("M") else 10)


@dataclass
class Comparison:
    """Workers with one number of threads, and how they are to be used."""

    args: argparse.Namespace
    threads: int
    folder: Path
    peak: dict[str, float] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def start(self) -> None:
        variables = {
            "OMP_NUM_THREADS": str(self.threads),
            **(ISA_VARIABLES[self.args.isa] if self.args.isa else {}),
        }
        self.peak = measure_peak(self.args.peak_binary, self.threads, variables)
        for form in self.args.forms:
            own = KEEP_MEMORY if form == "torch-kept" else {}
            command = [sys.executable, __file__, "--worker", form, "--threads", str(self.threads)]
            command += ["--inference"] if self.args.inference else []
            self.workers.append(Worker(form, command, {**variables, **own}))

    def close(self) -> None:
        for worker in self.workers:
            worker.close()

    def measure(self, conv: Conv, direction: str) -> Row:
        """All forms of one layer, in turns."""
        layer = asdict(conv)
        seconds = []
        for worker in self.workers:
            request = {"layer": layer, "direction": direction, "sample": self.sample_path(worker)}
            seconds.append(float(worker.ask(request)["seconds"]))
        error = self.check(conv, direction)
        requests = [
            {
                "count": max(1, min(MOST_CALLS, round(self.args.slice_seconds / s))),
                "warm": int(s < WARM_BELOW),
            }
            for s in seconds
        ]
        answers = take_turns(self.workers, self.args.slices, requests)
        times = {
            worker.name: [float(answer["seconds"]) for answer in given]
            for worker, given in zip(self.workers, answers, strict=True)
        }
        faults = {
            worker.name: statistics.median(float(answer["faults"]) for answer in given)
            for worker, given in zip(self.workers, answers, strict=True)
        }
        row = Row(
            network=conv.network,
            layer=conv.name,
            direction=direction,
            mode="inference" if self.args.inference else "training",
            isa=self.workers[0].ready["isa"],
            threads=self.threads,
            batch=conv.n,
            count=conv.count,
            flops=conv.flops,
            bytes=conv.bytes,
            error=error,
            peak=self.peak,
            page_faults=faults,
        )
        for name, values in times.items():
            row.seconds[name] = statistics.median(values)
            row.spread[name] = quartile_distance(values)
            if "tilewise" in times:  # the turns lie side by side: ratios a turn, then the median
                ratios = [b / a for a, b in zip(times["tilewise"], values, strict=True)]
                row.ratio[name] = statistics.median(ratios)
                row.ratio_spread[name] = quartile_distance(ratios)
        return row

    def sample_path(self, worker: Worker) -> str:
        return str(self.folder / f"{worker.name}.npy")

    def check(self, conv: Conv, direction: str) -> float:
        """The largest difference from the first form's result; ends the program above the limit."""
        results = [np.load(self.sample_path(worker)) for worker in self.workers]
        rms = float(np.sqrt(np.mean(np.square(results[0], dtype=np.float64))))
        errors = [float(np.max(np.abs(result - results[0]))) / rms for result in results]
        for worker, error in zip(self.workers, errors, strict=True):
            if not error <= ERROR_LIMIT:  # NaN too
                raise SystemExit(
                    f"{conv.network}/{conv.name} {direction}: {worker.name} differs from "
                    f"{self.workers[0].name} by {error:.2g} of the RMS, limit {ERROR_LIMIT:.0e}"
                )
        return max(errors)


def compare(args: argparse.Namespace) -> list[Row]:
    layers = selected(args.shapes)
    batches = args.batch or ([1, 16] if args.inference else [None])
    layers = [conv.with_batch(n) if n else conv for n in batches for conv in layers]
    rows = []
    for threads in args.threads:
        with tempfile.TemporaryDirectory() as folder:
            comparison = Comparison(args, threads, Path(folder))
            try:
                comparison.start()
                for conv in layers:
                    for direction in args.directions:
                        rows.append(comparison.measure(conv, direction))
                        print(rows[-1].summary(), file=sys.stderr, flush=True)
            finally:
                comparison.close()
    return rows


def merge(paths: Iterable[Path]) -> tuple[list[Row], dict[str, Any]]:
    """The rows of several results; of two for the same measurement, the later."""
    rows: dict[tuple[Any, ...], Row] = {}
    info: dict[str, Any] = {}
    for path in paths:
        content = json.loads(path.read_text(encoding="utf-8"))
        info = content["machine"]
        for values in content["rows"]:
            row = Row(**values)
            rows[row.key()] = row
    return list(rows.values()), info


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--shapes",
        nargs="+",
        default=["conv"],
        metavar="NETWORK[/LAYER]",
        help="files of bench/shapes, with layers or without; * and ? match",
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--directions", nargs="+", choices=DIRECTIONS)
    parser.add_argument("--inference", action="store_true", help="forward, weights prepared once")
    parser.add_argument("--batch", nargs="+", type=int, help="instead of the files'")
    parser.add_argument("--forms", nargs="+", choices=FORMS)
    parser.add_argument("--isa", choices=tuple(ISA_VARIABLES), help="limit the instruction set")
    parser.add_argument("--slices", type=int, default=5, help="turns of each form")
    parser.add_argument("--slice-seconds", type=float, default=0.06)
    parser.add_argument("--quick", action="store_true", help="3 short turns: a trial")
    parser.add_argument("--peak-binary", type=Path, help="bench_conv, where not in build/")
    parser.add_argument("--json", type=Path, help="write the rows and the machine here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parser.add_argument("--merge", nargs="+", type=Path, help="tables of these, measure nothing")
    parser.add_argument("--worker", choices=FORMS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inference and args.directions not in (None, ["forward"]):
        parser.error("--inference runs forward only")
    args.directions = args.directions or (["forward"] if args.inference else list(DIRECTIONS))
    usual = [f for f in FORMS if f != "onnxruntime" or (args.inference and not args.isa)]
    args.forms = args.forms or usual
    if "onnxruntime" in args.forms and args.isa:
        parser.error("ONNX Runtime cannot be limited to an instruction set: leave out --isa or it")
    if "onnxruntime" in args.forms and not args.inference:
        parser.error("onnxruntime is a form of --inference")
    if args.quick:
        args.slices, args.slice_seconds = 3, 0.01
    return args


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    args = parse(argv)
    if args.worker:
        from conv_sides import work

        library = "torch" if args.worker == "torch-kept" else args.worker
        work(library, args.threads[0], args.inference, cache_bytes())
        return
    if args.merge:
        rows, info = merge(args.merge)
    else:
        rows, info = compare(args), machine(["torch", "onnxruntime"])
        del info["isa"]  # the rows have it
    report(markdown(rows, info), info, rows, args)


if __name__ == "__main__":
    main()
