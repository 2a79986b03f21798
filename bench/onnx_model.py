"""An ONNX model of one convolution, written without the onnx package.

A protocol-buffers message is a sequence of fields: a key (field number × 8 + wire type), then a
varint (wire type 0) or a length and as many bytes (wire type 2). Field numbers are onnx.proto's.
"""

from __future__ import annotations

import numpy as np

from conv_shapes import Conv

FLOAT = 1  # TensorProto.DataType
INT, INTS = 2, 7  # AttributeProto.AttributeType
IR_VERSION, OPSET = 8, 17


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _ints(name: str, values: tuple[int, ...]) -> bytes:
    content = _bytes(1, name) + b"".join(_number(8, v) for v in values) + _number(20, INTS)
    return _bytes(5, content)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, size)) for size in shape)
    tensor = _number(1, FLOAT) + _bytes(2, dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


def conv_model(conv: Conv, weight: np.ndarray) -> bytes:
    """A ModelProto: y = Conv(x, w), the weights an initializer."""
    node = _bytes(1, "x") + _bytes(1, "w") + _bytes(2, "y") + _bytes(4, "Conv")
    node += _ints("kernel_shape", conv.kernel) + _ints("strides", conv.stride)
    node += _ints("pads", conv.pad * 2) + _ints("dilations", conv.dilation)
    node += _bytes(5, _bytes(1, "group") + _number(3, conv.groups) + _number(20, INT))
    tensor = b"".join(_number(1, size) for size in conv.weight) + _number(2, FLOAT)
    tensor += _bytes(8, "w") + _bytes(9, np.ascontiguousarray(weight, "<f4").tobytes())
    graph = _bytes(1, node) + _bytes(2, "conv") + _bytes(5, tensor)
    graph += _bytes(11, _value("x", conv.input)) + _bytes(12, _value("y", conv.output))
    return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))
