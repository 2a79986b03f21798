#!/usr/bin/env python3
"""Time a training step of tilewise and of PyTorch on this machine, side by side.

Forward, loss, backward and AdamW step of the Fashion-MNIST CNN (batch 128) and LeNet-5 (batch 64)
in float32: tilewise, and PyTorch eager, channels_last and compiled, with 1 and 2 threads.

How the comparison is kept fair:

- Every form has a process of its own; they take turns in short slices, the idle ones stopped
  (turns.py). The median over all slices is reported.
- PyTorch gets its fused AdamW, and compilation covers forward and loss.
- PyTorch's allocator hands large blocks back to the system after each use, and pays for fresh
  pages in each step. That is what users see, and it is the main table. The second table repeats
  the PyTorch forms with glibc told to keep its memory, so that no part of a ratio rests on it.
- All forms start from the same weights and see the same batches; their first losses must agree.

    python bench/train_step.py                       # the whole table, some minutes
    python bench/train_step.py --models lenet --threads 1 --slices 5
    python bench/train_step.py --json out.json --markdown out.md
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

BATCH = {"fashion": 128, "lenet": 64}
FORMS = ("tilewise", "torch", "torch-channels-last", "torch-compile")
DATA_BATCHES = 8
FIRST_LOSS_TOLERANCE = 1e-3


# ------------------------------------------------------------------ the networks, once for both


def fashion_layers(nn: Any) -> list[Any]:
    """The Fashion-MNIST CNN, 1,677,674 trainable parameters; dropout off, so that losses agree."""
    layers: list[Any] = []
    channels = 1
    for width in (32, 64):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(width)]
            channels = width
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    layers += [nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.BatchNorm1d(512)]
    return [*layers, nn.Dropout(0.5), nn.Linear(512, 10)]


def lenet_layers(nn: Any) -> list[Any]:
    """LeNet-5 in the form with 1,256,080 parameters."""
    return [
        nn.Conv2d(1, 20, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2450, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    ]


LAYERS = {"fashion": fashion_layers, "lenet": lenet_layers}


def batches(model: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Different batches in turn, so that the images do not sit in a cache."""
    rng = np.random.default_rng(0)
    shape = (BATCH[model], 1, 28, 28)
    return [
        (rng.random(shape, dtype=np.float32), rng.integers(0, 10, shape[0]))
        for _ in range(DATA_BATCHES)
    ]


def initial_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The same start for every form: He-scaled weights, zero biases, unit scales."""
    rng = np.random.default_rng(1)
    weights = {}
    for name, shape in sorted(shapes.items()):
        if len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            values = rng.standard_normal(shape) * (2.0 / fan_in) ** 0.5
        else:
            values = np.full(shape, 1.0 if name.endswith("weight") else 0.0)
        weights[name] = values.astype(np.float32)
    return weights


# ------------------------------------------------------------------ one worker, one form


@dataclass
class Training:
    """A form ready to train: `step(i)` trains on batch i, `loss()` reads the last loss."""

    step: Callable[[int], None]
    first_loss: float
    parameters: int


def tilewise_training(model: str, threads: int, dropout: bool) -> Training:
    import tilewise as tw
    from tilewise import nn, optim
    from tilewise.nn import functional as F

    tw.set_num_threads(threads)
    tw.manual_seed(0)
    net = nn.Sequential(*LAYERS[model](nn))
    start = initial_weights({n: tuple(p.shape) for n, p in net.named_parameters()})
    state = {**net.state_dict(), **{n: tw.from_numpy(w) for n, w in start.items()}}
    net.load_state_dict(state)
    data = [(tw.from_numpy(x), tw.from_numpy(y)) for x, y in batches(model)]
    optimizer = optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    return _training(net, F.cross_entropy, optimizer, data, dropout, nn.Dropout)


def torch_training(model: str, threads: int, dropout: bool, form: str) -> Training:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = nn.Sequential(*LAYERS[model](nn))
    start = initial_weights({n: tuple(p.shape) for n, p in net.named_parameters()})
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(start[name]))
    data = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches(model)]
    if form == "torch-channels-last":
        net = net.to(memory_format=torch.channels_last)
        data = [(x.to(memory_format=torch.channels_last), y) for x, y in data]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2, fused=True)
    return _training(
        net,
        F.cross_entropy,
        optimizer,
        data,
        dropout,
        nn.Dropout,
        compiler=torch.compile if form == "torch-compile" else None,
    )


def _training(
    net: Any,
    cross_entropy: Any,
    optimizer: Any,
    data: list[tuple[Any, Any]],
    dropout: bool,
    dropout_type: type,
    compiler: Callable[[Any], Any] | None = None,
) -> Training:
    """The loop that both libraries run, line for line."""
    net.train()

    def forward(images: Any, labels: Any) -> Any:
        return cross_entropy(net(images), labels)

    # The first losses are compared without dropout: the two draw different masks.
    rates = [(module, module.p) for module in net.modules() if isinstance(module, dropout_type)]
    for module, _ in rates:
        module.p = 0.0
    first_loss = float(forward(*data[0]).item())
    for module, rate in rates:
        module.p = rate if dropout else 0.0
    loss_of = compiler(forward) if compiler else forward

    def step(i: int) -> None:
        images, labels = data[i % len(data)]
        optimizer.zero_grad()
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()

    parameters = sum(int(np.prod(tuple(p.shape))) for p in net.parameters())
    return Training(step, first_loss, parameters)


def work(form: str, model: str, threads: int, dropout: bool) -> None:
    """A worker process: trains as many steps as it is asked to, answers with the seconds of one."""
    if form == "tilewise":
        training = tilewise_training(model, threads, dropout)
    else:
        training = torch_training(model, threads, dropout, form)
    for i in range(3):
        training.step(i)
    done = 3

    def answer(request: Message) -> Message:
        nonlocal done
        count = request["count"]
        start = time.perf_counter()
        for _ in range(count):
            training.step(done)
            done += 1
        return {"seconds": (time.perf_counter() - start) / count}

    serve({"first_loss": training.first_loss, "parameters": training.parameters}, answer)


# ------------------------------------------------------------------ the driver


def start(form: str, model: str, threads: int, dropout: bool, keep: bool) -> Worker:
    """A form in a process of its own."""
    variables = {"OMP_NUM_THREADS": str(threads), **(KEEP_MEMORY if keep else {})}
    command = [sys.executable, __file__, "--worker", form, "--models", model]
    command += ["--threads", str(threads), *([] if dropout else ["--no-dropout"])]
    return Worker(form, command, variables)


@dataclass
class Row:
    """One measured form."""

    model: str
    threads: int
    form: str
    keep_memory: bool
    step_ms: float
    spread_ms: float
    images_per_second: float
    ratio: float = field(default=1.0)  # this form's time over tilewise's


def measure(model: str, threads: int, args: argparse.Namespace, keep: bool) -> list[Row]:
    """All forms of one model in turns; rows in the order of the forms."""
    workers: list[Worker] = []
    try:
        for form in args.forms:
            workers.append(start(form, model, threads, args.dropout, keep and form != "tilewise"))
        check_equal_work(workers)
        seconds = [float(worker.ask({"count": 3})["seconds"]) for worker in workers]
        requests = [{"count": max(1, round(args.slice_seconds / s))} for s in seconds]
        answers = take_turns(workers, args.slices, requests)
    finally:
        for worker in workers:
            worker.close()
    times = [[float(answer["seconds"]) for answer in given] for given in answers]
    medians = [statistics.median(values) for values in times]
    base = medians[args.forms.index("tilewise")] if "tilewise" in args.forms else float("nan")
    return [
        Row(
            model=model,
            threads=threads,
            form=form,
            keep_memory=keep,
            step_ms=median * 1e3,
            spread_ms=quartile_distance(values) * 1e3,
            images_per_second=BATCH[model] / median,
            ratio=median / base,
        )
        for form, median, values in zip(args.forms, medians, times, strict=True)
    ]


def check_equal_work(workers: list[Worker]) -> None:
    """Same parameters and, from the same weights and batch, the same loss."""
    first = workers[0]
    for worker in workers[1:]:
        for key, tolerance in (("parameters", 0.0), ("first_loss", FIRST_LOSS_TOLERANCE)):
            difference = abs(worker.ready[key] - first.ready[key])
            if difference > tolerance:
                raise SystemExit(
                    f"{key} of {worker.name} is {worker.ready[key]}, of {first.name} "
                    f"{first.ready[key]}: the forms do not train the same network"
                )


def markdown(rows: list[Row], info: dict[str, Any]) -> str:
    """Tables of the rows and a line on the machine."""
    titles = {False: "As users find them", True: "PyTorch with glibc told to keep its memory"}
    lines = []
    for keep in sorted({row.keep_memory for row in rows}):
        lines += [f"### {titles[keep]}", ""]
        lines += ["| network | threads | form | ms a step | ± | images/s | time ÷ tilewise |"]
        lines += ["|---|--:|---|--:|--:|--:|--:|"]
        lines += [
            f"| {row.model}, batch {BATCH[row.model]} | {row.threads} | {row.form} "
            f"| {row.step_ms:.2f} | {row.spread_ms:.2f} | {row.images_per_second:,.0f} "
            f"| {row.ratio:.2f} |"
            for row in rows
            if row.keep_memory == keep
        ]
        lines.append("")
    lines.append("± is the distance between the quartiles over the slices.")
    lines.append("")
    lines.append(machine_line(info))
    return "\n".join(lines) + "\n"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--models", nargs="+", choices=tuple(LAYERS), default=list(LAYERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--slices", type=int, default=15, help="turns of each form")
    parser.add_argument("--slice-seconds", type=float, default=1.0)
    parser.add_argument("--no-dropout", dest="dropout", action="store_false")
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
        work(args.worker, args.models[0], args.threads[0], args.dropout)
        return
    rows: list[Row] = []
    for keep in {"default": [False], "keep": [True], "both": [False, True]}[args.memory]:
        for model in args.models:
            for threads in args.threads:
                print(f"{model}, {threads} threads …", file=sys.stderr)
                rows += measure(model, threads, args, keep)
    info = machine(["numpy", "torch"])
    report(markdown(rows, info), info, rows, args)


if __name__ == "__main__":
    main()
