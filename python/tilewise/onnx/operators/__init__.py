"""ONNX's operators in terms of tilewise's functions, one file a family; each fills the table."""

from . import (
    activation,
    arithmetic,
    control,
    conv,
    generate,
    indexing,
    linear,
    losses,
    normalization,
    optimizers,
    padding,
    pooling,
    quantization,
    reduction,
    resize,
    shape,
)

__all__ = [
    "activation",
    "arithmetic",
    "control",
    "conv",
    "generate",
    "indexing",
    "linear",
    "losses",
    "normalization",
    "optimizers",
    "padding",
    "pooling",
    "quantization",
    "reduction",
    "resize",
    "shape",
]
