"""Operations that write to their tensor; their names end in an underscore.

The tape stays right: a leaf that requires a gradient cannot be written to outside `no_grad`; a
tensor with history gets a new node, as if the result were a new tensor; and a write to memory that
a gradient still needs is noticed in `backward` by its version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import as_float, wrong_type
from tilewise._ops import (
    arithmetic,
    comparison,
    entries,
    linalg,
    matrix,
    norms,
    scan,
    scatter,
    select,
)
from tilewise._ops.common import SCALARS, check_inplace, operand
from tilewise._ops.shape import expand
from tilewise.autograd import record, recording, wrap

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise._ops.common import Operand, Scalar
    from tilewise.tensor import Tensor


def _inplace(op: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of a function of a tensor and further operands."""

    def method(self: Tensor, *operands: Any, **options: Any) -> Tensor:
        before = self
        others = recording([o for o in operands if hasattr(o, "_array")])
        recorded = check_inplace(op, self, others)
        if recorded:  # the function may keep its input for the gradient: give it a copy
            before = wrap(self._array.copy())
            before._node, before._requires_grad = self._node, self._requires_grad
        result = function(before, *operands, **options)
        if result._array.shape != self._array.shape:
            raise ValueError(
                f"{op}: expected a result of shape {self._array.shape}, the tensor's, got "
                f"{result._array.shape}"
            )
        _check_result_type(op, self._array, result._array)
        self._array.copy_(result._array)
        if recorded:
            self._node, self._requires_grad = result._node, result._requires_grad
        return self

    method.__name__ = method.__qualname__ = op
    method.__doc__ = f"`{op.rstrip('_')}` in place; returns the tensor."
    return method


def _check_result_type(op: str, x: Array, y: Array) -> None:
    floating = _core.DType.float32, _core.DType.float64
    if y.dtype in floating and x.dtype not in floating:
        raise TypeError(f"{op}: expected a result of dtype {x.dtype.name}, got {y.dtype.name}")


def _native(
    op: str, function: Callable[..., Tensor], core: Callable[[Array, Any], Any]
) -> Callable[[Tensor, Operand], Tensor]:
    """An in-place operator with a native form, used while nothing is recorded."""
    recorded = _inplace(op, function)

    def method(self: Tensor, other: Any) -> Tensor:
        if check_inplace(op, self, getattr(other, "_requires_grad", False)):
            return recorded(self, other)
        b = other if other.__class__ in SCALARS else operand(op, "other", other)
        x = self._array
        if x.dtype not in (_core.DType.float32, _core.DType.float64):
            return recorded(self, other)
        core(x, b)
        return self

    method.__name__ = method.__qualname__ = op
    method.__doc__ = f"`{op.rstrip('_')}` in place; returns the tensor."
    return method


sub_ = _native("sub_", arithmetic.sub, _core.sub_)
mul_ = _native("mul_", arithmetic.mul, _core.mul_)
div_ = _native("div_", arithmetic.div, _core.div_)


# The in-place forms without a native form of their own: computed, then stored.
_NAMES = (
    (arithmetic, "pow floor_divide remainder fmod atan2 hypot copysign xlogy float_power ldexp"),
    (arithmetic, "bitwise_and bitwise_or bitwise_xor bitwise_not"),
    (arithmetic, "bitwise_left_shift bitwise_right_shift"),
    (comparison, "eq ne lt le gt ge logical_and logical_or logical_xor"),
    (select, "clamp clamp_min clamp_max masked_fill nan_to_num"),
    (select, "lerp addcmul addcdiv heaviside"),
    (scan, "cumsum cumprod"),
    (scatter, "scatter scatter_add scatter_reduce"),
    (entries, "index_add index_copy index_fill index_put put masked_scatter"),
    (matrix, "tril triu"),
    (linalg, "addmm addmv addr addbmm baddbmm"),
    (norms, "renorm"),
)
FORMS: dict[str, Callable[..., Tensor]] = {
    f"{name}_": _inplace(f"{name}_", getattr(module, name))
    for module, names in _NAMES
    for name in names.split()
}

_add_ = _native("add_", arithmetic.add, _core.add_)


def add_(self: Tensor, other: Operand, *, alpha: Scalar = 1) -> Tensor:
    """`self += alpha · other`; returns the tensor.

    Raises:
        RuntimeError: for a leaf that requires a gradient, outside `no_grad`.
        ValueError: where `other` does not broadcast to the tensor's shape.

    Example:
        >>> tw.zeros(2).add_(tw.ones(2), alpha=3)
        tensor([3., 3.])
    """
    return _add_(self, other if alpha == 1 else other * alpha)


def copy_(self: Tensor, source: Any) -> Tensor:
    """Take the values of `source`, which broadcasts and is converted; returns the tensor.

    Args:
        self: the tensor to write to.
        source: a tensor, a NumPy array or a number.

    Raises:
        ValueError: where `source` does not broadcast to the tensor's shape.
    """
    needs_source = getattr(source, "_requires_grad", False)
    recording = check_inplace("copy_", self, needs_source)
    if isinstance(source, np.ndarray):
        array = _core.Array.from_numpy(source)
    elif source.__class__ in SCALARS:
        array = _core.Array.full((), source, self._array.dtype)
    elif hasattr(source, "_array"):
        array = source._array
    else:
        raise wrong_type("copy_", "source", "a Tensor, an array or a number", source)
    if not _broadcasts(array.shape, self._array.shape):
        raise ValueError(
            f"copy_: expected a source that broadcasts to {self._array.shape}, got {array.shape}"
        )
    if not recording:
        self._array.copy_(array)
        return self
    taken = source if needs_source else wrap(array)
    result = expand(taken, self._array.shape).to(self._array.dtype)
    self._array.copy_(array)
    self._node, self._requires_grad = result._node, result._requires_grad
    return self


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    extra = len(target) - len(shape)
    pairs = zip(shape, target[max(extra, 0) :], strict=True) if extra >= 0 else ()
    return extra >= 0 and all(n in {1, m} for n, m in pairs)


def fill_(self: Tensor, value: Scalar) -> Tensor:
    """Set every element to a number; returns the tensor."""
    return _constant("fill_", self, value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero; returns the tensor."""
    return _constant("zero_", self, 0)


def _constant(op: str, self: Tensor, value: Scalar) -> Tensor:
    number = value if isinstance(value, bool | int) else as_float(op, "value", value)
    if check_inplace(op, self):
        shape = self._array.shape
        result = record(op, self._array, (self,), lambda dy: (_zeros(dy, shape),))
        self._node = result._node
    self._array.fill_(number)
    return self


def _zeros(dy: Array, shape: tuple[int, ...]) -> Array:
    return _core.Array.full(shape, 0, dy.dtype)
