"""The comparison scripts run: their workers, their checks for equal work, their tables."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import REPO

BENCH = REPO / "bench"
conv_shapes = pytest.importorskip("conv_shapes", reason="bench/ is not beside the tests")

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_ONNXRUNTIME = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def networks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_script("networks.py", "--slices", "2", "--slice-seconds", "0.01", *arguments)


@pytest.mark.parametrize("task", ["train", "infer"])
def test_networks_measures_and_writes(task: str, tmp_path: Path) -> None:
    forms = ["tilewise"]
    if HAS_TORCH:
        forms.append("torch")  # checks that both start with the same result
    if task == "infer" and HAS_ONNXRUNTIME:
        forms.append("onnxruntime")
    done = networks(
        *("--networks", "lenet", "--tasks", task, "--threads", "1", "--memory", "default"),
        *("--forms", *forms),
        *("--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md")),
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert [row["form"] for row in content["rows"]] == forms
    assert all(row["step_ms"] > 0 and row["ratio"] > 0 for row in content["rows"])
    assert content["machine"]["isa"]
    table = (tmp_path / "out.md").read_text()
    assert f"| network | threads | {' | '.join(forms)} |" in table
    assert ("| lenet, batch 64 | 1 |" if task == "train" else "| lenet | 1 |") in table
    assert table in done.stdout + "\n"


def test_networks_rejects_unknown_forms() -> None:
    done = networks("--forms", "abacus")
    assert done.returncode == 2
    assert "invalid choice: 'abacus'" in done.stderr


# ------------------------------------------------------------------ shapes of convolutions

# Layers, and multiply-adds of one image through all of them, as the papers and torchvision give.
NETWORKS = {
    "vgg16": (13, 15_346_630_656),
    "resnet18": (20, 1_813_561_344),
    "resnet50": (53, 4_087_136_256),
    "mobilenetv2": (52, 299_494_272),
    "squeezenet": (26, 349_151_936),
    "inception": (94, 5_711_168_096),
    "unet": (23, 48_171_581_440),
    "lenet": (2, 5_292_000),
    "fashion_mnist": (4, 18_289_152),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_shape_files_hold_the_networks(network: str) -> None:
    layers = conv_shapes.read(BENCH / "shapes" / f"{network}.txt")
    assert len({layer.n for layer in layers}) == 1
    macs = sum(layer.count * layer.flops / 2 / layer.n for layer in layers)
    assert (sum(layer.count for layer in layers), macs) == NETWORKS[network]


def test_shape_files_are_all_read() -> None:
    assert {path.stem for path in conv_shapes.files()} == {*NETWORKS, "conv", "odd"}
    layers = {layer.name: layer for layer in conv_shapes.read(BENCH / "shapes" / "conv.txt")}
    assert {len(layer.map) for layer in layers.values()} == {1, 2, 3}
    strided = layers["11x11-3-96-227-s4"]
    assert (strided.weight, strided.output) == ((96, 3, 11, 11), (16, 96, 55, 55))
    depthwise = layers["dw3x3-96-112-s2"]
    assert (depthwise.weight, depthwise.output) == ((96, 1, 3, 3), (16, 96, 56, 56))
    assert depthwise.flops == 2 * 16 * 96 * 56 * 56 * 9
    assert depthwise.bytes == 4 * 16 * 96 * (112 * 112 + 56 * 56) + 4 * 96 * 9


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a n=1 c=2 k=3 hw=4 r", "expected key=number"),
        ("a n=1 c=2 k=3 hw=4 r=1x", "expected key=number"),
        ("a n=1 c=2 k=3 hw=4 r=1 q=1", "unknown key 'q'"),
        ("a n=1 c=2 k=3 hw=4 r=1 r=1", "r= is given twice"),
        ("a n=1 c=2 k=3 r=1", "either hw= or map="),
        ("a n=1 c=2 k=3 hw=4 map=4 r=1", "either hw= or map="),
        ("a n=1 c=2 hw=4 r=1", "expected k="),
        ("a n=1 c=0 k=3 hw=4 r=1", "expected c="),
        ("a n=1 c=2 k=3 hw=4 r=1x2x3", "1 or 2 numbers"),
        ("a n=1 c=2 k=3 hw=4 r=1 stride=0", "stride= with 1 or 2 numbers of 1 or more"),
        ("a n=1 c=2 k=3 map=1x1x1x1 r=1", "one to three"),
        ("a n=1 c=2 k=3 hw=4 r=1 groups=2", "groups=2 does not divide"),
        ("a n=1 c=2 k=3 hw=4 r=5", "the output has shape (1, 3, 0, 0)"),
        ("good n=1 c=2 k=3 hw=4 r=1", "a second layer named 'good'"),
    ],
)
def test_shape_errors_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(f"# comment\n\ngood n=1 c=2 k=3 hw=4 r=1 # comment\n{line}\n")
    with pytest.raises(ValueError) as error:
        conv_shapes.read(path)
    assert str(error.value).startswith(f"{path}:4: ")
    assert message in str(error.value)


# ------------------------------------------------------------------ compare.py


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., tuple[dict, str]]:
    """Runs compare.py; returns what it writes."""
    outputs = ("--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md"))

    def run(*arguments: str) -> tuple[dict, str]:
        done = run_script("compare.py", *arguments, *outputs)
        assert done.returncode == 0, done.stderr
        table = (tmp_path / "out.md").read_text()
        assert table in done.stdout + "\n"
        return json.loads((tmp_path / "out.json").read_text()), table

    return run


def test_compare_measures_all_directions(compare: Callable[..., tuple[dict, str]]) -> None:
    forms = ["tilewise", "torch", "torch-kept"] if HAS_TORCH else ["tilewise"]
    content, table = compare(
        *("--shapes", "odd/1x1*", "odd/*x23", "--threads", "1", "--quick", "--forms", *forms)
    )
    rows = content["rows"]
    assert [row["layer"] for row in rows] == ["1x1-17-33-15"] * 3 + ["3x5-20-60-17x23"] * 3
    assert [row["direction"] for row in rows[:3]] == ["forward", "backward_data", "backward_weight"]
    for row in rows:
        assert list(row["seconds"]) == forms
        assert all(seconds > 0 for seconds in row["seconds"].values())
        assert row["ratio"]["tilewise"] == 1.0
        assert row["error"] < 1e-4
    assert "| odd/1x1-17-33-15 | forward | 5 |" in table
    assert "onnxruntime" in content["machine"]


def test_compare_inference_totals_and_merge(
    compare: Callable[..., tuple[dict, str]], tmp_path: Path
) -> None:
    forms = ["tilewise", "onnxruntime"] if HAS_ONNXRUNTIME else ["tilewise"]
    binary = tmp_path / "peak"  # in place of the C++ benchmark, which need not be built
    binary.write_text('#!/bin/sh\necho \'{"gflops": 1234, "copy_gbps": 56.7}\'\n')
    binary.chmod(0o755)
    content, table = compare(
        *("--shapes", "lenet", "--inference", "--batch", "1", "2", "--threads", "1", "--quick"),
        *("--peak-binary", str(binary), "--forms", *forms),
    )
    assert [(row["layer"], row["batch"]) for row in content["rows"]] == [
        *(("conv1", 1), ("conv2", 1), ("conv1", 2), ("conv2", 2))
    ]
    assert "inference, 1 thread" in table
    assert "1234 GFLOP/s of multiply-adds, 56.7 GB/s of copying" in table
    assert "| lenet/(all) | forward | 2 |" in table

    first = tmp_path / "first.json"
    second = tmp_path / "second.json"
    first.write_text(json.dumps(content))
    content["rows"] = content["rows"][:1]
    content["rows"][0]["seconds"]["tilewise"] = 0.5
    second.write_text(json.dumps(content))
    merged, _ = compare("--merge", str(first), str(second))
    assert [row["seconds"]["tilewise"] == 0.5 for row in merged["rows"]] == [True, *[False] * 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shapes", "abacus"), "no layer matches 'abacus'; files are conv, "),
        (("--inference", "--directions", "backward_data"), "--inference runs forward only"),
        (("--forms", "onnxruntime"), "onnxruntime is a form of --inference"),
        (("--inference", "--forms", "onnxruntime", "--isa", "avx2"), "cannot be limited"),
    ],
)
def test_compare_rejects(arguments: tuple[str, ...], message: str) -> None:
    done = run_script("compare.py", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
