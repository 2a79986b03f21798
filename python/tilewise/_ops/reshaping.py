"""In place what moves no data: a tensor's own shape, as `x.unsqueeze_(0)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilewise._ops import arithmetic, inplace, shape
from tilewise._ops.common import check_inplace
from tilewise.autograd import wrap

if TYPE_CHECKING:
    from tilewise._ops.common import Operand, Scalar
    from tilewise.tensor import Tensor


def _reshaping(op: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(self: Tensor, *arguments: Any, **named: Any) -> Tensor:
        before = wrap(self._array)
        if check_inplace(op, self):
            before._node, before._requires_grad = self._node, True
        result = function(before, *arguments, **named)
        self._array, self._node = result._array, result._node
        return self

    method.__name__ = method.__qualname__ = op
    method.__doc__ = f"`{op.rstrip('_')}` of the tensor itself; returns the tensor."
    return method


squeeze_ = _reshaping("squeeze_", shape.squeeze)
unsqueeze_ = _reshaping("unsqueeze_", shape.unsqueeze)
transpose_ = _reshaping("transpose_", shape.transpose)
t_ = _reshaping("t_", shape.t)


def sub_(self: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`self -= alpha · other`; returns the tensor.

    Raises:
        RuntimeError: for a leaf that requires a gradient, outside `no_grad`.
        ValueError: where `other` does not broadcast to the tensor's shape.
    """
    return inplace.sub_(self, other if alpha == 1 else other * alpha)


_rounded_div_ = inplace._inplace("div_", arithmetic.div)


def div_(self: Tensor, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """`self /= other`, rounded by "floor" or "trunc" where asked; returns the tensor.

    Raises:
        RuntimeError: for a leaf that requires a gradient, outside `no_grad`.
        ValueError: where `other` does not broadcast to the tensor's shape.
    """
    if rounding_mode is None:
        return inplace.div_(self, other)
    return _rounded_div_(self, other, rounding_mode=rounding_mode)
