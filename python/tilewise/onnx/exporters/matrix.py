"""Linear layers and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .builder import Call


def _linear(call: Call) -> str:
    """Gemm for matrices; for other ranks a product with the transposed weight."""
    if call.rank("input") == 2:
        return call.op("Gemm", call["input"], call["weight"], call.optional("bias"), transB=1)
    y = call.op("MatMul", call["input"], call.op("Transpose", call["weight"], perm=[1, 0]))
    return call.op("Add", y, call["bias"]) if call.has("bias") else y


def _pair(call: Call, *names: str) -> list[str]:
    values = [call.arguments[name] for name in names] if names else list(call.arguments.values())
    return [call.operand(value, call.out_dtype) for value in values[:2]]


def _matmul(call: Call) -> str:
    return call.op("MatMul", *_pair(call))


def _scaled(call: Call, name: str, factor: Any) -> str:
    if factor == 1:
        return name
    return call.op("Mul", name, call.constant(factor, call.out_dtype, "scalar"))


def _plus_product(first: str, second: str) -> Callable[[Call], str]:
    """The sum beta · input + alpha · first @ second."""

    def convert(call: Call) -> str:
        product = call.op("MatMul", *_pair(call, first, second))
        product = _scaled(call, product, call.get("alpha", 1))
        term = _scaled(
            call, call.operand(call.arguments["input"], call.out_dtype), call.get("beta", 1)
        )
        return call.op("Add", term, product)

    return convert


def _outer(call: Call) -> str:
    a, b = _pair(call)
    return call.op("Mul", call.unsqueeze(a, 1), call.unsqueeze(b, 0))


def _einsum(call: Call) -> str:
    given = call.arguments["operands"]
    items = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    names = [call.operand(value, call.out_dtype) for value in items]
    return call.op("Einsum", *names, equation=call.get("equation"))


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "vdot"), _matmul),
    "addmm": _plus_product("mat1", "mat2"),
    "addmv": _plus_product("mat", "vec"),
    "baddbmm": _plus_product("batch1", "batch2"),
    **dict.fromkeys(("outer", "ger"), _outer),
    "einsum": _einsum,
}
