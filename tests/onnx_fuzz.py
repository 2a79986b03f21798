"""Damaged ONNX models, loaded and run in a process of its own: `python onnx_fuzz.py SEED SECONDS`.

Each must give a result, or a ValueError or TypeError, within a second and within bounds of memory.
With `suite` as a third argument the models are those of ONNX's own suite.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from typing import Any

import numpy as np

import onnx_models
import tilewise as tw

NUMBERS = [0, 1, -1, 2, 3, 7, -2, 255, 2**16, 2**31 - 1, 2**31, 2**32, -(2**31), 2**62, 2**63 - 1,
           -(2**63)]  # fmt: skip
FLOATS = [0.0, -1.0, 1e-30, 1e30, float("inf"), float("nan"), 0.5, 1e9]
LIMIT_BYTES = 6 * 2**30
SECONDS = 1.0


def base_models() -> list[tuple[Any, dict[str, Any]]]:
    """Models with the inputs that they take: one with all of a network, and many of one node."""
    image = np.random.default_rng(0).normal(size=(1, 2, 6, 6)).astype(np.float32)
    kernel = np.ones((2, 2, 3, 3), np.float32)
    two = np.ones(2, np.float32)
    rows: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
        ("Conv", {"w": kernel, "b": two},
         {"pads": [1] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1,
          "kernel_shape": [3, 3]}, 17),
        ("Conv", {"w": kernel}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 17),
        ("ConvTranspose", {"w": kernel},
         {"pads": [1] * 4, "strides": [2, 2], "output_padding": [1, 0], "dilations": [1, 1],
          "group": 1}, 17),
        ("ConvTranspose", {"w": kernel}, {"output_shape": [12, 12], "strides": [2, 2]}, 17),
        ("DeformConv", {"w": kernel, "o": np.ones((1, 18, 6, 6), np.float32)},
         {"pads": [1] * 4, "offset_group": 1, "group": 1, "strides": [1, 1]}, 19),
        ("MaxPool", {},
         {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1], "strides": [2, 2], "dilations": [1, 1],
          "ceil_mode": 1, "storage_order": 0}, 12),
        ("AveragePool", {}, {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1], "ceil_mode": 1}, 19),
        ("LpPool", {}, {"kernel_shape": [2, 2], "p": 2}, 18),
        ("BatchNormalization", {"s": two, "b": two, "m": two, "v": two}, {"epsilon": 1e-5}, 15),
        ("GroupNormalization", {"s": two, "b": two}, {"num_groups": 2}, 21),
        ("LayerNormalization", {"s": np.ones(6, np.float32)}, {"axis": -1}, 17),
        ("InstanceNormalization", {"s": two, "b": two}, {"epsilon": 1e-5}, 17),
        ("LRN", {}, {"size": 3, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}, 13),
        ("Resize", {"r": np.zeros(0, np.float32), "s": np.float32([1, 1, 2, 1.5])},
         {"mode": "cubic", "cubic_coeff_a": -0.5}, 13),
        ("Resize", {"r": np.zeros(0, np.float32), "s": np.zeros(0, np.float32),
                    "z": np.array([1, 2, 9, 3])}, {"mode": "linear", "antialias": 1}, 18),
        ("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 1, -1])}, {"mode": "reflect"}, 13),
        ("Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 1, 1])}, {"mode": "constant"}, 13),
        ("Slice", {"a": np.array([1, -1]), "b": np.array([5, 0]), "c": np.array([2, 3]),
                   "d": np.array([2, -1])}, {}, 13),
        ("Reshape", {"s": np.array([2, -1, 0])}, {"allowzero": 0}, 14),
        ("Expand", {"s": np.array([3, 2, 6, 6])}, {}, 13),
        ("Tile", {"r": np.array([1, 2, 1, 3])}, {}, 13),
        ("Split", {"s": np.array([2, 4])}, {"axis": 2}, 13),
        ("Gather", {"i": np.array([[0, 5], [-1, 2]])}, {"axis": 3}, 13),
        ("GatherND", {"i": np.array([[0, 1], [0, 0]])}, {"batch_dims": 0}, 13),
        ("ScatterND", {"i": np.array([[0, 1, 2, 3]]), "u": np.ones(1, np.float32)}, {}, 16),
        ("Unsqueeze", {"a": np.array([0, 5])}, {}, 13),
        ("Squeeze", {"a": np.array([0])}, {}, 13),
        ("Transpose", {}, {"perm": [0, 2, 3, 1]}, 13),
        ("Flatten", {}, {"axis": 2}, 13),
        ("ReduceMean", {"a": np.array([2, 3])}, {"keepdims": 1}, 18),
        ("ReduceSum", {"a": np.array([1])}, {"keepdims": 0}, 13),
        ("ArgMax", {}, {"axis": 1, "select_last_index": 1}, 13),
        ("TopK", {"k": np.array([3])}, {"axis": 2}, 11),
        ("CumSum", {"a": np.array(2)}, {"exclusive": 1}, 14),
        ("Softmax", {}, {"axis": 1}, 11),
        ("DepthToSpace", {}, {"blocksize": 1}, 13),
        ("Dropout", {"r": np.float32(0.5), "t": np.array(True)}, {"seed": 3}, 13),
        ("QuantizeLinear", {"s": np.float32([0.1, 0.2]), "z": np.uint8([3, 4])}, {"axis": 1}, 13),
        ("Clip", {"a": np.float32(0), "b": np.float32(1)}, {}, 13),
        ("OneHot", {"d": np.array(4), "v": np.float32([0, 1])}, {"axis": -1}, 11),
        ("Cast", {}, {"to": 7}, 13),
        ("Trilu", {"k": np.array(1)}, {"upper": 1}, 14),
        ("CenterCropPad", {"s": np.array([4, 9])}, {"axes": [2, 3]}, 18),
        ("MeanVarianceNormalization", {}, {"axes": [0, 2, 3]}, 13),
        ("LpNormalization", {}, {"axis": 1, "p": 2}, 13),
        ("PRelu", {"s": np.ones((2, 1, 1), np.float32)}, {}, 16),
        ("Compress", {"c": np.array([True, False])}, {"axis": 1}, 11),
    ]  # fmt: skip
    models = [(onnx_models.cnn(), {"x": np.ones((2, 3, 8, 8), np.float32)})]
    for op, tensors, attributes, opset in rows:
        node = onnx_models.node(op, ["x", *tensors], ["y"], **attributes)
        if op in ("MaxPool", "TopK", "Dropout", "Split"):
            node.output.append("z")
        feed = np.array([[1, 2], [0, 3]]) if op == "OneHot" else image
        kind = 7 if op == "OneHot" else 1
        proto = onnx_models.model([node], {"x": feed.shape}, ["y"], tensors, opset, kind)
        models.append((proto, {"x": feed}))
    sizes = {"s": np.array([2, 3])}
    make = onnx_models.node("ConstantOfShape", ["s"], ["y"])
    models.append((onnx_models.model([make], {}, ["y"], sizes), {}))
    numbers = {"a": np.array(1), "b": np.array(9), "c": np.array(2)}
    make = onnx_models.node("Range", ["a", "b", "c"], ["y"])
    models.append((onnx_models.model([make], {}, ["y"], numbers), {}))
    return models


def suite_models() -> list[tuple[Any, dict[str, Any]]]:
    """Every node case of ONNX's suite."""
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import _normalize_tensor

    found = []
    for case in load_model_tests(kind="node"):
        names = [value.name for value in case.model.graph.input]
        arrays = [_normalize_tensor(value) for value in case.data_sets[0][0]]
        if all(isinstance(array, np.ndarray) for array in arrays):
            found.append((case.model, dict(zip(names, arrays, strict=False))))
    return found


def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes replaced, cut, doubled."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(max(len(out), 1))
        kind = rng.randrange(5)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at] = rng.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.randrange(1, 16)]
        else:
            out[at:at] = out[at : at + rng.randrange(1, 32)]
    return bytes(out)


def damage_model(proto: Any, feed: dict[str, Any], rng: random.Random) -> None:
    """An attribute, a tensor, a name, an operator or an input that is something else."""
    graph = proto.graph
    node = rng.choice(graph.node)
    names = [value.name for value in (*graph.input, *graph.initializer)]
    names += [name for other in graph.node for name in other.output]
    kind = rng.randrange(9)
    if kind <= 3 and node.attribute:
        attribute = rng.choice(node.attribute)
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
            if rng.random() < 0.3:
                attribute.ints.append(rng.choice(NUMBERS))
        elif attribute.type == 1:
            attribute.f = rng.choice(FLOATS)
        elif attribute.type == 3:
            attribute.s = rng.choice((b"", b"\xff\xfe", b"linear", b"SAME_LOWER", b"VALID"))
        else:
            attribute.i = rng.choice(NUMBERS)
        if rng.random() < 0.1:
            attribute.type = rng.randrange(15)
    elif kind <= 5 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        roll = rng.randrange(3)
        if roll == 0 and tensor.data_type in (1, 7):
            dtype, pool = (np.float32, FLOATS) if tensor.data_type == 1 else (np.int64, NUMBERS)
            whole = len(tensor.raw_data) // np.dtype(dtype).itemsize
            values = np.frombuffer(tensor.raw_data, dtype, whole).copy()
            if values.size:
                values[rng.randrange(values.size)] = rng.choice(pool)
                tensor.raw_data = values.tobytes()
        elif roll == 1:
            tensor.dims.append(rng.choice(NUMBERS))
        else:
            tensor.data_type = rng.randrange(20)
    elif kind == 6 and feed:
        name = rng.choice(list(feed))
        shape = [rng.choice((0, 1, 2, 5)) for _ in range(rng.randrange(6))]
        array = feed[name]
        if rng.random() < 0.5:
            array = np.resize(array, shape)
        elif array.dtype.kind in "iu" and array.size:
            array = array.copy()
            info = np.iinfo(array.dtype)
            value = min(max(rng.choice(NUMBERS), int(info.min)), int(info.max))
            array.reshape(-1)[rng.randrange(array.size)] = value
        feed[name] = array
    elif kind == 7 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "nobody"])
    else:
        node.op_type = rng.choice(("Conv", "Reshape", "Gemm", "Add", "Loop", "Nonsense", "Concat"))


def attempt(proto: Any, feed: dict[str, Any], rng: random.Random) -> str:
    """Damage a copy of a model, load it and run it; what came of it."""
    from tilewise.onnx import load

    feed = dict(feed)
    if rng.random() < 0.4:
        source: Any = damage_bytes(proto.SerializeToString(), rng)
    else:
        source = type(proto)()
        source.CopyFrom(proto)
        for _ in range(rng.choice((1, 1, 2))):
            damage_model(source, feed, rng)
    try:
        module = load(source)
    except ValueError:
        return "refused"
    try:
        with tw.no_grad():
            module(*feed.values())
    except (ValueError, TypeError):
        return "failed"
    return "ran"


def main() -> None:
    """Damage models until the time is over; exit with the first thing that is not as it must be."""
    seed, seconds = int(sys.argv[1]), float(sys.argv[2])
    warnings.simplefilter("ignore")
    models = suite_models() if sys.argv[3:] == ["suite"] else base_models()
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    for proto, feed in models:  # what is loaded once is loaded before the clock runs
        attempt(proto, feed, random.Random(0))
    counts: Counter[str] = Counter()
    faults: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(faults) < 20:
        number = sum(counts.values())
        rng = random.Random(f"{seed} {number}")
        proto, feed = rng.choice(models)
        name = f"{seed} {number} {proto.graph.node[0].op_type}"
        print(name, file=sys.stderr, flush=True)  # the last one, if the process dies of it
        start = time.process_time()
        try:
            counts[attempt(proto, feed, rng)] += 1
        except Exception:
            counts["wrong"] += 1
            faults.append(f"{name}: {traceback.format_exc()[-1500:]}")
        took = time.process_time() - start
        if took > SECONDS:
            faults.append(f"{name}: took {took:.1f} s")
    print(dict(counts), *faults, sep="\n")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
