"""Checking and writing: the model alone, or with its weights in a file beside it."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, external_data_helper

from tilewise.io import open_atomic

LIMIT = 2**31 - 1  # bytes of a protobuf message
_ALIGNMENT = 4096  # weights start at pages, so that readers can map the file
_SMALLEST = 1024  # bytes of a tensor that moves out


def write(
    model: onnx.ModelProto, path: Path | None, external_data: bool | None = None
) -> onnx.ModelProto:
    """Check a model and write it.

    Args:
        model: as it is in memory.
        path: of the file, or None to check alone.
        external_data: weights in `<path>.data`; None for where the model would be too large.

    Raises:
        ValueError: for weights beyond 2 GB, or `external_data`, without a path.
        OSError: the files cannot be written.
    """
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    outside = size > LIMIT - 2**24 if external_data is None else external_data
    if not outside:
        onnx.checker.check_model(model, full_check=True)
        if path is not None:
            with open_atomic(path) as stream:
                stream.write(model.SerializeToString())
        return model
    if path is None:
        raise ValueError(
            f"onnx.export: expected a path for a model with {size / 2**30:.1f} GB of weights, "
            "which go to a file of their own; got None"
        )
    weights = path.with_name(f"{path.name}.data")
    with open_atomic(weights) as stream:
        offset = 0
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) < _SMALLEST:
                continue
            stream.write(bytes(-offset % _ALIGNMENT))
            offset += -offset % _ALIGNMENT
            stream.write(tensor.raw_data)
            _move_out(tensor, weights.name, offset)
            offset += int(tensor.external_data[2].value)
        path.unlink(missing_ok=True)  # an older model must not meet the new weights
    with open_atomic(path) as stream:
        stream.write(model.SerializeToString())
    onnx.checker.check_model(str(path), full_check=True)
    return model


def _move_out(tensor: TensorProto, location: str, offset: int) -> None:
    """Let a tensor refer to the file that holds its values."""
    length = len(tensor.raw_data)
    external_data_helper.set_external_data(tensor, location, offset, length)
    tensor.ClearField("raw_data")
