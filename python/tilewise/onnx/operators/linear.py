"""Matrix products."""

from __future__ import annotations

from tilewise import functional as F
from tilewise.onnx import namespace as tw
from tilewise.tensor import Tensor

from ..module import Node
from ..registry import operator
from ..values import Value, compute, is_float, numpy_type, tensor


@operator("MatMul", weights={0: "weight", 1: "weight"})
def matmul(_: Node, a: Value, b: Value) -> Value:
    """Matrix product with NumPy's rules."""
    if numpy_type(a) != numpy_type(b):
        raise ValueError(f"expected two values of one type, got {a.dtype} and {b.dtype}")
    if not is_float(a):
        return compute(_exact, lambda x, y: x @ y, a, b)
    return tw.matmul(tensor(a), tensor(b))


def _exact(a: Tensor, b: Tensor) -> Tensor:
    """A product of integers, exact while it fits 53 bits."""
    return tw.matmul(a.to(tw.float64), b.to(tw.float64)).to(a.dtype)


@operator("Gemm", weights={0: "weight", 1: "weight", 2: "bias"})
def gemm(node: Node, a: Value, b: Value, c: Value | None = None) -> Tensor:
    """`alpha · A B + beta · C`, A and B perhaps transposed."""
    left, right = tensor(a), tensor(b)
    if left.ndim > 2 and node.version < 7:  # of old, an image was a row
        left = left.flatten(1)
    if left.ndim != 2 or right.ndim != 2:
        raise ValueError(f"expected two matrices, got {left.shape} and {right.shape}")
    alpha, beta = node["alpha"], node["beta"]
    left = left.t() if node["transA"] else left
    shift = None if c is None else tensor(c)
    fits = shift is None or (beta == 1 and tuple(shift.shape) == (right.shape[0],))
    if node["transB"] and alpha == 1 and fits:
        return F.linear(left, right, shift)
    product = tw.matmul(left, right.t() if node["transB"] else right)
    product = product if alpha == 1 else product * alpha
    if shift is None:
        return product
    return product + (shift if beta == 1 else shift * beta)


@operator("Einsum")
def einsum(node: Node, *values: Value) -> Tensor:
    """Products summed over labelled dimensions."""
    return tw.einsum(node["equation"].replace(" ", ""), *[tensor(v) for v in values])
