"""ONNX files from strangers: an error that names the fault, soon, and nothing else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onnx_models
import tilewise as tw
from helpers import REPO, requires_onnx

pytestmark = requires_onnx

LIMIT = 2.0  # seconds of the processor: twice what a file may cost, for slow machines


def refused(source: Any, match: str, *, traced: bool = True) -> None:
    """Loading must raise within a second and (a slow look) allocate next to nothing."""
    from tilewise.onnx import load

    start = time.process_time()
    with pytest.raises(ValueError, match=match):
        load(source)
    assert time.process_time() - start < LIMIT
    if not traced:
        return
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            load(source)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def edited(edit: Callable[[Any], object]) -> Any:
    proto = onnx_models.cnn()
    edit(proto)
    return proto


def tensor(proto: Any, name: str) -> Any:
    return next(t for t in proto.graph.initializer if t.name == name)


def set_dims(proto: Any, dims: list[int], raw: bytes = b"\0" * 16) -> None:
    found = tensor(proto, "features.conv.weight")
    del found.dims[:]
    found.dims.extend(dims)
    found.raw_data = raw


def make_cycle(proto: Any) -> None:
    proto.graph.node[0].input[0] = "r"  # an output of a later node


def add_twin(proto: Any) -> None:
    proto.graph.initializer.add().CopyFrom(proto.graph.initializer[0])


def second_output(proto: Any) -> None:
    proto.graph.node[2].output[0] = "n"  # what the node before gives


def wrong_attribute(proto: Any) -> None:
    attribute = proto.graph.node[0].attribute[0]  # pads
    attribute.Clear()
    attribute.name, attribute.type, attribute.s = "pads", 3, b"SAME"


def foreign_attribute(proto: Any) -> None:
    proto.graph.node[2].attribute.add(name="slope", type=1, f=1.0)


def calls_itself(proto: Any) -> None:
    from onnx import helper

    node = helper.make_node("f", ["a"], ["b"], domain="mine")
    function = helper.make_function("mine", "f", ["a"], ["b"], [node], proto.opset_import)
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    proto.graph.node[2].domain, proto.graph.node[2].op_type = "mine", "f"


def doubles_and_doubles(proto: Any) -> None:
    """Functions that call the next one ten times each: 10¹⁰ nodes from a kilobyte."""
    from onnx import helper

    proto.opset_import.append(helper.make_opsetid("mine", 1))
    for level in range(10):
        names = [f"v{i}" for i in range(11)]
        op, domain = (f"f{level + 1}", "mine") if level < 9 else ("Relu", "")
        nodes = [helper.make_node(op, [a], [b], domain=domain) for a, b in pairwise(names)]
        proto.functions.append(
            helper.make_function("mine", f"f{level}", ["v0"], ["v10"], nodes, proto.opset_import)
        )
    proto.graph.node[2].domain, proto.graph.node[2].op_type = "mine", "f0"


EDITS: dict[str, tuple[Callable[[Any], object], str]] = {
    "2^62 elements": (lambda p: set_dims(p, [2**31, 2**31]), "expected 18446744073709551616"),
    "2^64 elements": (lambda p: set_dims(p, [2**32, 2**32]), r"tensor .*expected \d+ bytes"),
    "negative dims": (lambda p: set_dims(p, [-1, 4]), "not negative"),
    "100 dims": (lambda p: set_dims(p, [1] * 100, b"\0" * 4), "at most 16 sizes"),
    "dims and typed data": (lambda p: tensor(p, "zero").int64_data.append(1), "in int64_data"),
    "unknown element type": (lambda p: setattr(tensor(p, "zero"), "data_type", 99), "number 99"),
    "float8": (lambda p: setattr(tensor(p, "zero"), "data_type", 17), "FLOAT8E4M3FN has no"),
    "cycle": (make_cycle, "Conv node 'Conv_0': input 'r' is no output of an earlier node"),
    "unknown operator": (lambda p: setattr(p.graph.node[0], "op_type", "Cnov"), "Cnov node"),
    "unknown domain": (lambda p: setattr(p.graph.node[0], "domain", "evil"), "domain 'evil'"),
    "unknown opset": (lambda p: setattr(p.opset_import[0], "version", 10**9), "expected opset"),
    "attribute of another type": (wrong_attribute, "expected attribute pads as INTS, got STRING"),
    "attribute of nobody": (foreign_attribute, "attribute 'slope' is unknown"),
    "two initialisers of a name": (add_twin, "initialisers of different names"),
    "two outputs of a name": (second_output, r"\['n'\] are defined already"),
    "output of nobody": (lambda p: setattr(p.graph.output[0], "name", "z"), "computed by no node"),
    "input without a name": (lambda p: p.graph.input.add(), "inputs of different names"),
    "too many inputs": (lambda p: p.graph.node[2].input.extend("abc"), "expected 1 to 1 inputs"),
    "sparse initialiser": (lambda p: p.graph.sparse_initializer.add(), "dense initialisers"),
    "function that calls itself": (calls_itself, "calls itself"),
    "functions in functions": (doubles_and_doubles, "expected at most 10000 nodes"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_edited_models(name: str) -> None:
    edit, match = EDITS[name]
    refused(edited(edit), match, traced=name != "functions in functions")


def test_graphs_in_graphs_have_a_limit() -> None:
    from onnx import helper

    inner = helper.make_graph([onnx_models.node("Identity", ["x"], ["y0"])], "g", [], [])
    inner.output.add(name="y0")
    for level in range(1, 30):
        node = onnx_models.node("If", ["c"], [f"y{level}"], then_branch=inner, else_branch=inner)
        node.attribute[1].g.node[0].output[0] = "e"
        node.attribute[1].g.output[0].name = "e"
        del node.attribute[1].g.node[:]
        node.attribute[1].g.output[0].name = "x"
        inner = helper.make_graph([node], "g", [], [])
        inner.output.add(name=f"y{level}")
    proto = onnx_models.model(list(inner.node), {"x": (1,)}, ["y29"], {"c": np.array(True)})
    refused(proto, "expected graphs at most")


def test_truncated_and_foreign_bytes() -> None:
    data = onnx_models.cnn().SerializeToString()
    for length in [*range(64), *range(64, len(data), 97)]:
        # What is cut between two fields is a smaller model, without an operator, a weight, …
        refused(data[:length], "load: the bytes", traced=False)
    refused(os.urandom(4096), "load: the bytes")
    refused(b"\x80\x04\x95" + b"c__builtin__\nexit\n." * 10, "load: the bytes")  # a pickle


def test_missing_file(tmp_path: Path) -> None:
    from tilewise.onnx import load

    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, with secrets beside it."""
    (tmp_path / "model").mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    (tmp_path / "model" / "w.bin").write_bytes(b"\0" * 4096)
    (tmp_path / "model" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "model" / "up").symlink_to(tmp_path)
    (tmp_path / "model" / "dir").mkdir()
    os.mkfifo(tmp_path / "model" / "pipe")
    return tmp_path / "model"


EXTERNAL = {
    "../secret": ({"location": "../secret"}, "in the model's folder"),
    "dir/../../secret": ({"location": "dir/../../secret"}, "in the model's folder"),
    "backslashes": ({"location": "..\\secret"}, "in the model's folder"),
    "absolute": ({"location": "/etc/passwd"}, "in the model's folder"),
    "drive": ({"location": "C:/x"}, "in the model's folder"),
    "empty": ({"location": ""}, "in the model's folder"),
    "zero byte": ({"location": "w.bin\0"}, "in the model's folder"),
    "symbolic link": ({"location": "link"}, "got a link"),
    "link on the way": ({"location": "up/secret"}, "got a link"),
    "folder": ({"location": "dir"}, "expected a file of"),
    "pipe": ({"location": "pipe"}, "expected a file of"),
    "missing": ({"location": "none"}, "cannot read"),
    "negative offset": ({"location": "w.bin", "offset": "-8"}, "expected 864 bytes"),
    "offset beyond": ({"location": "w.bin", "offset": "4000"}, "of at least 4864 bytes"),
    "offset of 2^70": ({"location": "w.bin", "offset": str(2**70)}, "of at least"),
    "length of 2^70": ({"location": "w.bin", "length": str(2**70)}, "expected 864 bytes"),
    "offset of letters": ({"location": "w.bin", "offset": "x"}, "as integers"),
}


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_data_stays_in_its_folder(name: str, folder: Path) -> None:
    entries, match = EXTERNAL[name]
    proto = onnx_models.cnn()
    found = tensor(proto, "features.conv.weight")
    found.ClearField("raw_data")
    found.data_location = 1
    for key, value in entries.items():
        found.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    refused(folder / "m.onnx", match)


RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "fill of 2^62": ("ConstantOfShape", {"s": np.array([2**31, 2**31])}, {}),
    "fill of negative size": ("ConstantOfShape", {"s": np.array([-1])}, {}),
    "fill of 100 dims": ("ConstantOfShape", {"s": np.ones(100, np.int64)}, {}),
    "range without end": (
        "Range", {"a": np.array(0), "b": np.array(2**62), "c": np.array(1)}, {}),
    "range in steps of 0": ("Range", {"a": np.array(0), "b": np.array(9), "c": np.array(0)}, {}),
    "tiles": ("Tile", {"x": np.ones((2, 2), np.float32), "r": np.array([2**40, 1])}, {}),
    "expansion": ("Expand", {"x": np.ones(1, np.float32), "s": np.array([2**40])}, {}),
    "border": ("Pad", {"x": np.ones(4, np.float32), "p": np.array([2**40, 2**40])}, {}),
    "resize": (
        "Resize",
        {"x": np.ones((1, 1, 2, 2), np.float32), "r": np.float32([]),
         "s": np.float32([1, 1, 1e9, 1e9])}, {}),
    "padding": (
        "Conv", {"x": np.ones((1, 1, 2, 2), np.float32), "w": np.ones((1, 1, 1, 1), np.float32)},
        {"pads": [2**30] * 4}),
    "stride 0": (
        "Conv", {"x": np.ones((1, 1, 2, 2), np.float32), "w": np.ones((1, 1, 1, 1), np.float32)},
        {"strides": [0, 1]}),
    "kernel 0": ("MaxPool", {"x": np.ones((1, 1, 2, 2), np.float32)}, {"kernel_shape": [0, 2]}),
    "classes": (
        "OneHot", {"i": np.array([1]), "d": np.array(2**40), "v": np.float32([0, 1])}, {}),
    "transposed": (
        "ConvTranspose",
        {"x": np.ones((1, 1, 9, 9), np.float32), "w": np.ones((1, 1, 1, 1), np.float32)},
        {"strides": [2**30, 2**30]}),
    "index beyond": ("Gather", {"x": np.ones(3, np.float32), "i": np.array([3])}, {}),
    "parts": ("Split", {"x": np.ones(3, np.float32)}, {"num_outputs": 2**40}),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_graphs_that_ask_for_too_much(name: str) -> None:
    from tilewise.onnx import load

    op, tensors, attributes = RUNS[name]
    node = onnx_models.node(op, list(tensors), ["y"], **attributes)
    start = time.process_time()
    with pytest.raises(ValueError, match=rf"{op} node '{op}_0'"):
        load(onnx_models.model([node], {}, ["y"], tensors, 18))()
    assert time.process_time() - start < LIMIT


def test_loops_end() -> None:
    from onnx import helper

    from tilewise.onnx import load

    body = helper.make_graph([onnx_models.node("Identity", ["go"], ["on"])], "b", [], [])
    for name in ("i", "go"):
        body.input.add(name=name)
    body.output.add(name="on")
    node = onnx_models.node("Loop", ["trips", "yes"], [""], body=body)
    node.output[:] = ["never"]
    body_node = node.attribute[0].g
    body_node.input.add(name="v")
    body_node.output.add(name="v")
    node.input.append("x")
    tensors = {"trips": np.array(2**62), "yes": np.array(True)}
    module = load(onnx_models.model([node], {"x": (1,)}, ["never"], tensors))
    with pytest.raises(ValueError, match="Loop node 'Loop_0'.*at most 20000 passes"):
        module(tw.ones(1))


def test_names_are_text() -> None:
    data = onnx_models.cnn().SerializeToString().replace(b"features.conv.weight", b"\xff" * 20)
    refused(data, "expected names in UTF-8|no ONNX file")


def test_damaged_models() -> None:
    """Thousands of damaged models in a process of its own."""
    seed = "0" if os.environ.get("CI") else str(random.randrange(10**6))
    done = subprocess.run(
        [sys.executable, str(REPO / "tests" / "onnx_fuzz.py"), seed, "6"],
        capture_output=True, text=True, timeout=90, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1:]
    assert done.returncode == 0, f"{done.returncode} at {last}\n{done.stdout[-3000:]}"
