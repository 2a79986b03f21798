"""The ONNX project's backend suite by families of operators, on any backend.

`python tests/onnx_suite.py` prints the table for tilewise and for ONNX Runtime.
"""

from __future__ import annotations

import os
import re
import tempfile
import unittest
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

# Operators whose single-node cases (and the same cases expanded into functions) make a family.
FAMILIES: dict[str, str] = {
    "conv": "Conv ConvTranspose DeformConv CausalConvWithState ConvInteger QLinearConv",
    "pool": "MaxPool AveragePool LpPool MaxUnpool GlobalAveragePool GlobalMaxPool",
    "norm": (
        "BatchNormalization LayerNormalization RMSNormalization GroupNormalization "
        "InstanceNormalization LRN MeanVarianceNormalization LpNormalization"
    ),
    "pad": "Pad CenterCropPad",
    "resize": "Resize Upsample",
    "dropout": "Dropout",
    "activation": (
        "Relu LeakyRelu Elu Celu Selu ThresholdedRelu HardSigmoid HardSwish Gelu Swish SwiGLU "
        "Shrink PRelu Sigmoid Softplus Softsign Tanh Mish Softmax LogSoftmax Hardmax"
    ),
    "gemm": "Gemm MatMul MatMulInteger Einsum",
    "loss": "SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss",
    "quantize": "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearMatMul",
    "reduction": (
        "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum "
        "ReduceLogSumExp ReduceSumSquare ArgMax ArgMin CumSum CumProd TopK"
    ),
    "elementwise": (
        "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor IsInf IsNaN Log Neg Not "
        "Reciprocal Round Sign Sin Sinh Sqrt Tan Add Sub Mul Div Pow Mod And Or Xor Equal Greater "
        "GreaterOrEqual Less LessOrEqual Max Min Mean Sum Where Clip BitShift BitwiseAnd "
        "BitwiseNot BitwiseOr BitwiseXor"
    ),
    "cast": "Cast CastLike",
    "shape": (
        "Concat Slice Split Gather GatherElements GatherND Scatter ScatterElements ScatterND "
        "Transpose Reshape Expand Tile Squeeze Unsqueeze Flatten Shape Size DepthToSpace "
        "SpaceToDepth Identity Compress NonZero OneHot ReverseSequence Trilu Col2Im"
    ),
    "constant": "Constant ConstantOfShape Range EyeLike Bernoulli",
    "optimizer": "Momentum Adam Adagrad",
    "control": "If Loop",
}
# What no convolutional network is made of.
NOT_OFFERED: dict[str, str] = {
    "recurrent": "RNN LSTM GRU Scan",
    "attention": ("Attention FlexAttention LinearAttention RotaryEmbedding TensorScatter"),
    "sampling and boxes": "GridSample AffineGrid NonMaxSuppression RoiAlign Det",
    "signal": "DFT STFT BlackmanWindow HammingWindow HannWindow MelWeightMatrix",
    "text and trees": (
        "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer LabelEncoder "
        "TreeEnsemble ArrayFeatureExtractor Binarizer"
    ),
    "sequences and optionals": (
        "SequenceInsert SequenceMap SplitToSequence OptionalGetElement OptionalHasElement"
    ),
    "other": "BitCast ImageDecoder Unique",
}
FOLDERS = ("pytorch-converted", "pytorch-operator", "simple", "light")
KINDS = {"real": "light"}
RANDOM = {"Bernoulli", "RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike"}
# Element types that tensors (or the bookkeeping beside them) have.
TYPES = {
    "FLOAT", "DOUBLE", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "BOOL", "UNDEFINED", "FLOAT16", "BFLOAT16",
}  # fmt: skip


@dataclass
class Outcome:
    """What became of a family's cases."""

    family: str
    cases: int = 0
    passed: int = 0
    void: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def rows() -> list[str]:
    """The families, in the order of the table."""
    return [*FAMILIES, *FOLDERS, *(f"not offered: {name}" for name in NOT_OFFERED)]


@cache
def _models() -> dict[str, Any]:
    """Every case of the suite but the light models, by name."""
    import onnx
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators of node cases divide by zero
        models = {case.name: case.model for case in load_model_tests(kind="node")}
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            models[case.name] = onnx.load(Path(case.model_dir) / "model.onnx")
    return models


@cache
def _family_of_operator() -> dict[str, str]:
    homes = {op: family for family, ops in FAMILIES.items() for op in ops.split()}
    homes |= {op: f"not offered: {name}" for name, ops in NOT_OFFERED.items() for op in ops.split()}
    return homes


@cache
def families() -> dict[str, list[tuple[str, str]]]:
    """The names of all cases by family, each with its kind."""
    from onnx.backend.test.loader import load_model_tests

    found: dict[str, list[tuple[str, str]]] = {row: [] for row in rows()}
    for kind in ("simple", "pytorch-converted", "pytorch-operator", "real"):
        for case in load_model_tests(kind=kind):
            found[KINDS.get(kind, kind)].append((kind, case.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
    models = {case.name: case.model for case in cases}
    for name, model in models.items():
        plain = models.get(name.split("_expanded")[0], model)
        ops = [node.op_type for node in plain.graph.node]
        # A case may come with a second node that makes it an operator's: the last is what it tests.
        homes = [_family_of_operator()[op] for op in reversed(ops) if op in _family_of_operator()]
        assert homes, f"{name}: no family for {sorted(set(ops))}"
        found[homes[0]].append(("node", name))
    return found


def _types(model: Any) -> Iterator[str]:
    """The names of the element types that a model handles, and of what is no tensor."""
    import onnx

    name = onnx.TensorProto.DataType.Name
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        kind = value.type.WhichOneof("value")
        yield name(value.type.tensor_type.elem_type) if kind == "tensor_type" else str(kind)
    for tensor in graph.initializer:
        yield name(tensor.data_type)
    for node in graph.node:
        if node.op_type.startswith(("Sequence", "Optional", "SplitToSequence")):
            yield "sequence_type"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield name(attribute.t.data_type)
            elif attribute.name in ("to", "dtype", "output_dtype"):
                yield name(attribute.i)


def reason(name: str) -> str | None:
    """Why a case may fail, from its model alone; None where it must pass."""
    model = _models().get(name)
    if model is None:
        return None
    ops = [node.op_type for node in model.graph.node]
    foreign = [t for t in _types(model) if t not in TYPES]
    if foreign:
        kind = re.sub(r"FLOAT8.*|FLOAT4.*|U?INT[24]$", "float8, float4, int4, int2", foreign[0])
        return "type " + kind.lower().replace("_type", "s")
    if RANDOM & set(ops) or any(op.startswith("Random") for op in ops):
        return "random numbers"
    if "Gradient" in ops:
        return "operator Gradient"
    base = _models().get(name.split("_expanded", maxsplit=1)[0], model)
    offered = {op for row in FAMILIES.values() for op in row.split()}
    missing = [node.op_type for node in (*base.graph.node, *model.graph.node)]
    other = {op for row in NOT_OFFERED.values() for op in row.split()}
    outside = [op for op in missing if op in other and op not in offered]
    return f"operator {outside[0]}" if outside else None


@contextmanager
def _home() -> Iterator[None]:
    """A folder of its own for the copies of light models that the suite makes."""
    before = os.environ.get("ONNX_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ONNX_HOME"] = folder
        yield
    if before is None:
        del os.environ["ONNX_HOME"]
    else:
        os.environ["ONNX_HOME"] = before


@cache
def _tests(backend: Any) -> dict[str, unittest.TestCase]:
    """The suite's own test of each case, for a backend."""
    import onnx.backend.test

    found: dict[str, unittest.TestCase] = {}
    for cls in onnx.backend.test.BackendTest(backend, __name__).test_cases.values():
        for name in dir(cls):
            if name.startswith("test_") and name.endswith("_cpu"):
                found[name.removesuffix("_cpu")] = cls(name)
    return found


def run_family(family: str, backend: Any) -> Outcome:
    """Run a family's cases through a backend."""
    outcome = Outcome(family)
    with _home():
        for _, name in sorted(families()[family]):
            outcome.cases += 1
            excuse = reason(name)
            result = unittest.TestResult()
            with warnings.catch_warnings():
                _tests(backend)[name].run(result)
            wrong = [*result.failures, *result.errors]
            if not wrong and not result.skipped:
                outcome.passed += 1
                continue
            told = wrong[0][1].strip().splitlines() if wrong else ["skipped by the backend"]
            # An excuse holds for what is refused, never for a wrong number.
            refused = not result.failures or excuse == "random numbers"
            if excuse is not None and refused:
                outcome.void[excuse] += 1
            else:
                outcome.failures.append(f"{name}: {' '.join(told[-6:])[:400]}")
    return outcome


def table(outcomes: Iterable[tuple[str, int, int, dict[str, int]]]) -> list[str]:
    """The lines that are printed."""
    lines = [f"{'family':36}{'cases':>7}{'passed':>8}{'failed':>8}  not applicable"]
    total = [0, 0, 0]
    for family, cases, passed, void in outcomes:
        failed = cases - passed - sum(void.values())
        shown = "; ".join(f"{count} {why}" for why, count in void.items())
        lines.append(f"{family:36}{cases:7}{passed:8}{failed:8}  {shown}".rstrip())
        total = [a + b for a, b in zip(total, (cases, passed, failed), strict=True)]
    lines.append(f"{'all':36}{total[0]:7}{total[1]:8}{total[2]:8}")
    return lines


def main() -> None:
    """Both tables."""
    import onnxruntime
    import onnxruntime.backend

    from tilewise.onnx import Backend

    onnxruntime.set_default_logger_severity(4)
    warnings.simplefilter("ignore")
    for title, backend in (("tilewise", Backend), ("onnxruntime", onnxruntime.backend)):
        outcomes = [run_family(family, backend) for family in rows()]
        print(
            title, *table((o.family, o.cases, o.passed, dict(o.void)) for o in outcomes), sep="\n"
        )
        for outcome in outcomes:
            for failure in outcome.failures if title == "tilewise" else ():
                print("FAILED", failure)


if __name__ == "__main__":
    main()
