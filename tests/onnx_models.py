"""Small ONNX models, made by `onnx.helper`."""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPES = {
    "features.conv.weight": (8, 3, 3, 3),
    "features.conv.bias": (8,),
    "features.bn.weight": (8,),
    "features.bn.bias": (8,),
    "features.bn.running_mean": (8,),
    "features.bn.running_var": (8,),
    "head.weight": (5, 8),
    "head.bias": (5,),
}


def weights(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Weights of `cnn`; every statistic and scale is its own."""
    rng = np.random.default_rng(seed)
    made = {k: rng.normal(0, 0.4, s).astype(np.float32) for k, s in SHAPES.items()}
    for name in ("features.bn.weight", "features.bn.running_var"):
        made[name] = rng.uniform(0.5, 1.5, 8).astype(np.float32)
    return made


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    """A node of the default domain."""
    from onnx import helper

    return helper.make_node(op, inputs, outputs, **attributes)


def model(
    nodes: list[Any],
    inputs: dict[str, tuple[Any, ...]],
    outputs: list[str],
    tensors: dict[str, Any] | None = None,
    opset: int = 17,
    kind: int = 1,
) -> Any:
    """A model of float32 inputs and outputs, checked by nobody."""
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(k, kind, list(s)) for k, s in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (tensors or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def cnn(opset: int = 17) -> Any:
    """Conv, BN, ReLU, pool, dropout, a shape computed by the graph, Gemm; any batch."""
    nodes = [
        node("Conv", ["x", "features.conv.weight", "features.conv.bias"], ["c"], pads=[1] * 4),
        node(
            "BatchNormalization",
            ["c", *(f"features.bn.{k}" for k in ("weight", "bias", "running_mean", "running_var"))],
            ["n"],
            momentum=0.9,
            epsilon=1e-5,
        ),
        node("Relu", ["n"], ["r"]),
        node("Dropout", ["r", "ratio"] if opset >= 12 else ["r"], ["d"]),
        node("GlobalAveragePool", ["d"], ["p"]),
        node("Shape", ["p"], ["s"]),
        node("Gather", ["s", "zero"], ["batch"], axis=0),
        node("Concat", ["batch", "rest"], ["target"], axis=0),
        node("Reshape", ["p", "target"], ["f"]),
        node("Gemm", ["f", "head.weight", "head.bias"], ["y"], transB=1),
    ]
    tensors: dict[str, Any] = dict(weights())
    tensors["zero"], tensors["rest"] = np.array([0]), np.array([-1])
    if opset >= 12:
        tensors["ratio"] = np.float32(0.25)
    return model(nodes, {"x": ("N", 3, 8, 8)}, ["y"], tensors, opset)
