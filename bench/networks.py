#!/usr/bin/env python3
"""Time networks in tilewise, PyTorch and ONNX Runtime on this machine, side by side.

Two tasks in float32: a training step (forward, cross-entropy, backward, AdamW), and inference with
one image. PyTorch runs eager, in channels_last and compiled (in channels_last too); ONNX Runtime,
which only infers, runs the graph that `tilewise.onnx` exports. Each with 1 and 2 threads.

How the comparison is kept fair:

- Every form has a process of its own; they take turns in short slices, the idle ones stopped
  (turns.py). The median over all slices is reported.
- PyTorch runs the very same network: torch_form.py writes the traced graph as a torch.fx module.
- PyTorch gets its fused AdamW, and compilation covers forward and loss.
- PyTorch's allocator hands large blocks back to the system after each use, and pays for fresh
  pages in each step. That is what users see, and it is the main table. The second table repeats
  the PyTorch forms with glibc told to keep its memory, so that no part of a ratio rests on it.
- All forms start from the same weights and see the same batches; their first losses must agree.

    python bench/networks.py                                   # all of it: an hour
    python bench/networks.py --networks lenet resnet18-32 --threads 1 --slices 5
    python bench/networks.py --tasks infer --json out.json --markdown out.md
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from turns import (
    KEEP_MEMORY,
    Message,
    Worker,
    machine,
    machine_line,
    quartile_distance,
    report,
    serve,
    take_turns,
)


class Network(NamedTuple):
    """A model of the zoo and the images it is timed on."""

    model: str
    image: tuple[int, int, int]
    batch: int  # of a training step
    classes: int


NETWORKS = {
    "fashion": Network("fashion_cnn", (1, 28, 28), 128, 10),
    "lenet": Network("lenet5", (1, 28, 28), 64, 10),
    "resnet18-32": Network("resnet18", (3, 32, 32), 64, 10),
    "resnet18": Network("resnet18", (3, 224, 224), 16, 1000),
    "resnet50": Network("resnet50", (3, 224, 224), 16, 1000),
    "vgg16": Network("vgg16", (3, 224, 224), 8, 1000),
    "mobilenetv2": Network("mobilenet_v2", (3, 224, 224), 16, 1000),
    "squeezenet": Network("squeezenet1_1", (3, 224, 224), 16, 1000),
}
TASKS = ("train", "infer")
TORCH_FORMS = ("torch", "torch-channels-last", "torch-compile")
FORMS = ("tilewise", *TORCH_FORMS, "onnxruntime")
DATA_BATCHES = 4
RESULT_TOLERANCE = 1e-3  # of the first loss, and of outputs relative to their largest


def batches(network: Network, task: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Different batches in turn, so that the images do not sit in a cache."""
    rng = np.random.default_rng(0)
    count = network.batch if task == "train" else 1
    return [
        (
            rng.random((count, *network.image), dtype=np.float32),
            rng.integers(0, network.classes, count),
        )
        for _ in range(DATA_BATCHES)
    ]


# ------------------------------------------------------------------ one worker, one form


@dataclass
class Job:
    """A form that is ready: `step(i)` does the task on batch i."""

    step: Callable[[int], Any]
    result: float  # the first loss, or a mean of the first outputs relative to their largest
    parameters: int


def tilewise_model(network: Network, task: str) -> Any:
    """The model with the weights that all forms start from."""
    import tilewise as tw

    tw.manual_seed(0)
    model = tw.models.create(network.model, num_classes=network.classes)
    return model.train(task == "train")


def tilewise_job(network: Network, task: str, threads: int) -> Job:
    import tilewise as tw
    from tilewise import optim
    from tilewise.nn import functional as F

    tw.set_num_threads(threads)
    model = tilewise_model(network, task)
    data = [(tw.from_numpy(x), tw.from_numpy(y)) for x, y in batches(network, task)]
    if task == "infer":
        return _inference(model, data, tw.no_grad)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    return _training(model, F.cross_entropy, optimizer, data, tw.nn.Module)


def torch_job(network: Network, task: str, threads: int, form: str) -> Job:
    import torch
    from torch.nn import functional as F

    import tilewise as tw
    from torch_form import as_torch

    torch.set_num_threads(threads)
    sample = tw.zeros(2, *network.image)
    model: Any = as_torch(tilewise_model(network, task), sample)
    data = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches(network, task)]
    if form != "torch":
        model = model.to(memory_format=torch.channels_last)
        data = [(x.to(memory_format=torch.channels_last), y) for x, y in data]
    compiler = torch.compile if form == "torch-compile" else None
    if task == "infer":
        return _inference(model, data, torch.inference_mode, compiler)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2, fused=True)
    return _training(model, F.cross_entropy, optimizer, data, torch.nn.Module, compiler)


def onnxruntime_job(network: Network, threads: int) -> Job:
    import onnxruntime as ort

    import tilewise as tw

    model = tilewise_model(network, "infer")
    graph = tw.onnx.export(model, tw.zeros(1, *network.image))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(graph.SerializeToString(), options)
    name = session.get_inputs()[0].name
    images = [x for x, _ in batches(network, "infer")]

    def step(i: int) -> Any:
        return session.run(None, {name: images[i % len(images)]})[0]

    return Job(step, _summary(step(0)), _parameters(model))


def _parameters(model: Any) -> int:
    return sum(int(np.prod(tuple(p.shape))) for p in model.parameters())


def _summary(logits: np.ndarray) -> float:
    """One number that tells outputs of other weights apart."""
    weights = np.linspace(-1, 1, logits.size).reshape(logits.shape)
    return float((weights * logits).mean() / np.abs(logits).max())


def _inference(
    model: Any,
    data: list[tuple[Any, Any]],
    no_grad: Callable[[], Any],
    compiler: Callable[[Any], Any] | None = None,
) -> Job:
    with no_grad():
        result = _summary(model(data[0][0]).numpy())
    forward = compiler(model) if compiler else model

    def step(i: int) -> None:
        with no_grad():
            forward(data[i % len(data)][0])

    return Job(step, result, _parameters(model))


def _training(
    model: Any,
    cross_entropy: Any,
    optimizer: Any,
    data: list[tuple[Any, Any]],
    module_type: type,
    compiler: Callable[[Any], Any] | None = None,
) -> Job:
    """The loop that both libraries run, line for line."""

    def forward(images: Any, labels: Any) -> Any:
        return cross_entropy(model(images), labels)

    # The first losses are compared without dropout: the two draw different masks.
    dropouts = [m for m in model.modules() if isinstance(m, module_type) and hasattr(m, "p")]
    rates = [module.p for module in dropouts]
    for module in dropouts:
        module.p = 0.0
    first_loss = float(forward(*data[0]).item())
    for module, rate in zip(dropouts, rates, strict=True):
        module.p = rate
    loss_of = compiler(forward) if compiler else forward

    def step(i: int) -> None:
        images, labels = data[i % len(data)]
        optimizer.zero_grad()
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()

    return Job(step, first_loss, _parameters(model))


def work(form: str, name: str, task: str, threads: int) -> None:
    """A worker process: does as many steps as it is asked to, answers with the seconds of one."""
    network = NETWORKS[name]
    if form == "tilewise":
        job = tilewise_job(network, task, threads)
    elif form == "onnxruntime":
        job = onnxruntime_job(network, threads)
    else:
        job = torch_job(network, task, threads, form)
    done = 0
    for _ in range(3):
        job.step(done)
        done += 1

    def answer(request: Message) -> Message:
        nonlocal done
        count = request["count"]
        start = time.perf_counter()
        for _ in range(count):
            job.step(done)
            done += 1
        return {"seconds": (time.perf_counter() - start) / count}

    serve({"result": job.result, "parameters": job.parameters}, answer)


# ------------------------------------------------------------------ the driver


def start(form: str, name: str, task: str, threads: int, keep: bool) -> Worker:
    """A form in a process of its own."""
    variables = {"OMP_NUM_THREADS": str(threads), **(KEEP_MEMORY if keep else {})}
    command = [sys.executable, __file__, "--worker", form, "--networks", name]
    command += ["--tasks", task, "--threads", str(threads)]
    return Worker(form, command, variables)


@dataclass
class Row:
    """One measured form."""

    network: str
    task: str
    threads: int
    form: str
    keep_memory: bool
    step_ms: float
    spread_ms: float
    images_per_second: float
    ratio: float = field(default=1.0)  # this form's time over tilewise's


def measure(name: str, task: str, threads: int, args: argparse.Namespace, keep: bool) -> list[Row]:
    """All forms of one network and task in turns; rows in the order of the forms."""
    forms = [form for form in args.forms if task == "infer" or form != "onnxruntime"]
    workers: list[Worker] = []
    try:
        for form in forms:
            workers.append(start(form, name, task, threads, keep and form != "tilewise"))
        check_equal_work(workers)
        seconds = [float(worker.ask({"count": 1})["seconds"]) for worker in workers]
        requests = [{"count": max(1, round(args.slice_seconds / s))} for s in seconds]
        answers = take_turns(workers, args.slices, requests)
    finally:
        for worker in workers:
            worker.close()
    times = [[float(answer["seconds"]) for answer in given] for given in answers]
    medians = [statistics.median(values) for values in times]
    base = medians[forms.index("tilewise")] if "tilewise" in forms else float("nan")
    images = NETWORKS[name].batch if task == "train" else 1
    return [
        Row(
            network=name,
            task=task,
            threads=threads,
            form=form,
            keep_memory=keep,
            step_ms=median * 1e3,
            spread_ms=quartile_distance(values) * 1e3,
            images_per_second=images / median,
            ratio=median / base,
        )
        for form, median, values in zip(forms, medians, times, strict=True)
    ]


def check_equal_work(workers: list[Worker]) -> None:
    """Same parameters and, from the same weights and batch, the same result."""
    first = workers[0]
    for worker in workers[1:]:
        for key, tolerance in (("parameters", 0.0), ("result", RESULT_TOLERANCE)):
            difference = abs(worker.ready[key] - first.ready[key])
            if not difference <= tolerance:
                raise SystemExit(
                    f"{key} of {worker.name} is {worker.ready[key]}, of {first.name} "
                    f"{first.ready[key]}: the forms do not compute the same network"
                )


def markdown(rows: list[Row], info: dict[str, Any]) -> str:
    """A table for each task and way of keeping memory, and a line on the machine."""
    tasks = {"train": "Training step, images/s", "infer": "Inference with one image, ms"}
    memory = {False: "", True: " (PyTorch with glibc told to keep its memory)"}
    lines = []
    for keep in sorted({row.keep_memory for row in rows}):
        for task in (task for task in TASKS if any(row.task == task for row in rows)):
            chosen = [row for row in rows if row.task == task and row.keep_memory == keep]
            lines += [f"### {tasks[task]}{memory[keep]}", "", *table(chosen, task), ""]
    lines.append("± is the distance between the quartiles of tilewise's slices, in percent. The")
    lines.append("last column is the fastest other form's time over tilewise's.")
    lines.append("")
    lines.append(machine_line(info))
    return "\n".join(lines) + "\n"


def table(rows: list[Row], task: str) -> list[str]:
    """One line for a network and a number of threads, one column for a form."""
    forms = [form for form in FORMS if any(row.form == form for row in rows)]
    lines = ["| network | threads | " + " | ".join(forms) + " | ± | |"]
    lines.append("|---|--:|" + "--:|" * (len(forms) + 2))
    cases = dict.fromkeys((row.network, row.threads) for row in rows)
    for name, threads in cases:
        of = {row.form: row for row in rows if (row.network, row.threads) == (name, threads)}
        values = [
            (f"{of[form].images_per_second:,.1f}" if task == "train" else f"{of[form].step_ms:.2f}")
            if form in of
            else "–"
            for form in forms
        ]
        ours = of.get("tilewise")
        others = [row.ratio for form, row in of.items() if form != "tilewise"]
        spread = f"{100 * ours.spread_ms / ours.step_ms:.0f} %" if ours else "–"
        ratio = f"{min(others):.2f}" if ours and others else "–"
        batch = f", batch {NETWORKS[name].batch}" if task == "train" else ""
        cells = [f"{name}{batch}", str(threads), *values, spread, ratio]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--slices", type=int, default=9, help="turns of each form")
    parser.add_argument("--slice-seconds", type=float, default=1.0)
    parser.add_argument(
        "--memory", choices=("default", "keep", "both"), default="both", help="glibc variants"
    )
    parser.add_argument("--json", type=Path, help="write the rows and the machine here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parser.add_argument("--worker", choices=FORMS, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    args = parse(argv)
    if args.worker:
        work(args.worker, args.networks[0], args.tasks[0], args.threads[0])
        return
    rows: list[Row] = []
    for keep in {"default": [False], "keep": [True], "both": [False, True]}[args.memory]:
        for name in args.networks:
            for task in args.tasks:
                for threads in args.threads:
                    print(f"{name}, {task}, {threads} threads …", file=sys.stderr)
                    rows += measure(name, task, threads, args, keep)
    info = machine(["numpy", "torch", "onnxruntime"])
    report(markdown(rows, info), info, rows, args)


if __name__ == "__main__":
    main()
