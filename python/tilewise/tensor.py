"""Tensor: an array of the core with a place on the tape.

Operators and most methods are the functions of `tilewise._ops` under their own names, so that
`x.exp()` and `tw.exp(x)` are one piece of code. What is here is what a tensor itself knows: its
memory, its type, its gradient, and how it meets Python and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._arguments import as_bool, as_device, as_shape, wrong_type
from tilewise._device import CPU
from tilewise._dtypes import FLOATING, as_dtype, bool_, float32, int64, name_of
from tilewise._dtypes import to_numpy as numpy_dtype
from tilewise._formatting import format_tensor
from tilewise._hooks import RemovableHandle, new_registry
from tilewise._memory_format import as_format, is_in
from tilewise._ops import arithmetic, inplace, reduction, reshaping, splitting
from tilewise._ops.common import OPERANDS
from tilewise._ops.methods import Methods
from tilewise.autograd import Node, backward, grad_mode, record, wrap

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from tilewise._core import Array, DType
    from tilewise._device import device as Device
    from tilewise._memory_format import MemoryFormat


def _rebuild(array: Array, requires_grad: bool) -> Tensor:
    """The inverse of `Tensor.__reduce__`."""
    out = wrap(array)
    out._requires_grad = requires_grad
    return out


class Tensor(Methods, _core.TensorBase):
    """An n-dimensional array that remembers how it was computed.

    Make tensors with `tw.tensor`, `tw.from_numpy`, `tw.zeros` and their like. The shape is logical
    (N, C, spatial… for images); activations are stored channels-last, which the strides show.

    Example:
        >>> x = tw.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([[2., 4.],
                [6., 8.]])
    """

    __slots__ = ("__weakref__",)

    # The fields are the core's (csrc/bindings/bind_tape.cpp), which makes a tensor in one call.
    _array: Array  # shape, strides, type and memory
    _requires_grad: bool
    _grad: Tensor | None
    _node: Node | None  # what made it; None for leaves
    _base: Tensor | None  # the tensor whose memory it views
    _hooks: dict[int, Callable[[Tensor], Tensor | None]] | None

    def __new__(cls, data: Any = (), *sizes: int) -> Tensor:
        """A float32 tensor with a copy of `data`: PyTorch's older spelling of `tw.tensor`.

        `Tensor(3, 4)` is one of that shape, with zeros.
        """
        if sizes or data.__class__ is int:
            data = np.zeros(as_shape("Tensor", (data, *sizes)), np.float32)
        source = getattr(data, "_array", None)
        if source is None:
            source = _core.Array.from_numpy(np.array(data, dtype=np.float32))
        out = wrap(source)
        out.__class__ = cls
        return out

    # ------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        return self._array.shape

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    @property
    def device(self) -> Device:
        """Where the memory is: "cpu"."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is that of a graphics processor: never."""
        return False

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return numpy_dtype(self._array.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        sizes = self._array.shape
        if dim is None:
            return sizes
        return sizes[self._dim("size", dim)]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements.

        Example:
            >>> tw.numel(tw.ones(2, 3))
            6
        """
        return self._array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element."""
        return self.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """The distance, in elements, between neighbours in each dimension, or in one."""
        strides = self._array.strides
        return strides if dim is None else strides[self._dim("stride", dim)]

    def _dim(self, op: str, dim: Any) -> int:
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise wrong_type(op, "dim", "an int", dim)
        if not -self.ndim <= dim < self.ndim:
            raise IndexError(f"{op}: expected dim of {self.ndim} dimensions, got {dim}")
        return dim

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._array.data_ptr

    def is_contiguous(self, memory_format: MemoryFormat | None = None) -> bool:
        """Whether the memory is in C order, or in another format."""
        if memory_format is not None:
            return is_in("is_contiguous", self._array, memory_format)
        return self._array.is_contiguous()

    def is_floating_point(self) -> bool:
        """Whether the elements are float32 or float64.

        Example:
            >>> tw.is_floating_point(tw.ones(2, dtype=tw.int64))
            False
        """
        return self._array.dtype in FLOATING

    # ------------------------------------------------------------ autograd

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded. Can be set on leaves."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` of a leaf; returns the tensor.

        Raises:
            RuntimeError: for a result (detach it), or a type that is not floating-point.
        """
        if requires_grad is not True and requires_grad is not False:
            raise wrong_type("requires_grad_", "requires_grad", "a bool", requires_grad)
        if self._node is not None and not requires_grad:
            raise RuntimeError("requires_grad_: expected a leaf, got a result; use detach()")
        if requires_grad and self._array.dtype not in FLOATING:
            raise RuntimeError(
                f"requires_grad_: expected a floating-point tensor, got {self.dtype.name}"
            )
        self._requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` adds to; None before."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            array = getattr(value, "_array", None)
            if array is None:
                raise wrong_type("grad", "the gradient", "a Tensor or None", value)
            if array.shape != self._array.shape or array.dtype != self._array.dtype:
                raise ValueError(
                    f"grad: expected {self.dtype.name} of shape {self.shape}, got "
                    f"{array.dtype.name} of {array.shape}"
                )
        self._grad = value

    @property
    def grad_fn(self) -> Node | None:
        """The tape's record of the operation that made it; None for leaves."""
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._node is None

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        """Add the gradients of this tensor to the `grad` of every leaf that it depends on.

        Args:
            gradient: the gradient of this tensor, of its shape; may be left out for a scalar.
            retain_graph: keep the tape, to walk it a second time.

        Raises:
            RuntimeError: for a non-scalar without `gradient`, a tensor without history, a graph
                that was freed, or a tensor that was modified while a gradient needed it.
            ValueError: for a gradient of another shape.
        """
        backward(self, gradient, retain_graph)

    def detach(self) -> Tensor:
        """The same memory without history.

        Example:
            >>> tw.detach(tw.ones(2, requires_grad=True))
            tensor([1., 1.])
        """
        return wrap(self._array)

    def detach_(self) -> Tensor:
        """Forget the history; returns the tensor."""
        self._node = None
        self._requires_grad = False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history. Setting it replaces the memory."""
        return wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        array = getattr(value, "_array", None)
        if array is None:
            raise wrong_type("data", "the value", "a Tensor", value)
        self._array = array

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(gradient)` when the gradient of this tensor is known; it may replace it.

        Raises:
            RuntimeError: where the tensor requires no gradient.
        """
        if not self._requires_grad:
            raise RuntimeError("register_hook: expected a tensor that requires a gradient")
        owner = self._node or self
        attribute = "hooks" if self._node is not None else "_hooks"
        hooks = getattr(owner, attribute)
        if hooks is None:
            hooks = new_registry()
            setattr(owner, attribute, hooks)
        return RemovableHandle(hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of a result in its `grad` too."""
        if self._node is not None:

            def keep(gradient: Tensor) -> None:
                self._grad = gradient.clone()

            self.register_hook(keep)

    # ------------------------------------------------------------ copies and types

    def clone(self, *, memory_format: MemoryFormat | None = None) -> Tensor:
        """A copy, in the same order in memory or another; gradients flow through it.

        Example:
            >>> tw.clone(tw.ones(2))
            tensor([1., 1.])
        """
        array = self._array
        if memory_format is not None:
            array = as_format("clone", array, memory_format)
        if array is self._array:
            array = array.copy()
        if not (self._requires_grad and grad_mode.enabled):
            return wrap(array)
        return record("clone", array, (self,), lambda dy: (dy,), aliases=True)

    def to(
        self,
        target: DType | DTypeLike | Tensor | str | None = None,
        dtype: DType | DTypeLike | bool | None = None,
        non_blocking: bool = False,
        copy: bool = False,
        *,
        device: str | None = None,
        memory_format: MemoryFormat | None = None,
    ) -> Tensor:
        """Converted to a dtype (or that of another tensor); itself where it has it already.

        Args:
            target: a dtype, a tensor, or "cpu", where every tensor is.
            dtype: the element type, where `target` is a device or left out.
            non_blocking: does nothing: there is no other device to wait for.
            copy: a copy in any case.
            device: "cpu" or None.
            memory_format: the order in memory, such as `tw.channels_last`; as it is by default.

        Raises:
            TypeError: for what is no dtype.
            ValueError: for another device.

        Example:
            >>> tw.ones(2).to("cpu", tw.float64, non_blocking=True)
            tensor([1., 1.], dtype=tilewise.float64)
        """
        if dtype is True or dtype is False:  # to(dtype, non_blocking, copy)
            copy, non_blocking, dtype = non_blocking, dtype, None
        if non_blocking is not False:
            as_bool("to", "non_blocking", non_blocking)
        if isinstance(target, str) and target.split(":")[0] in {"cpu", "cuda", "mps", "xpu"}:
            device = target
        elif isinstance(target, Tensor):
            dtype = target._array.dtype
        elif target is not None:
            dtype = target
        if device is not None:
            as_device("to", device)
        before = self._array.dtype
        wanted = before if dtype is None else as_dtype("to", dtype)
        array = self._array if wanted == before else self._array.astype(wanted)
        if copy is not False and as_bool("to", "copy", copy) and array is self._array:
            array = array.copy()
        if memory_format is not None:
            array = as_format("to", array, memory_format)
        if array is self._array:
            return self
        if not (self._requires_grad and grad_mode.enabled and wanted in FLOATING):
            return wrap(array)
        if wanted == before:
            return record("to", array, (self,), lambda dy: (dy,), aliases=True)
        return record("to", array, (self,), lambda dy: (dy.astype(before),))

    def type(self, dtype: DType | DTypeLike | None = None) -> Any:
        """Converted to a dtype; without one the name of the tensor's own."""
        return f"tilewise.{name_of(self.dtype)}" if dtype is None else self.to(dtype=dtype)

    squeeze_ = reshaping.squeeze_
    unsqueeze_ = reshaping.unsqueeze_
    transpose_ = swapaxes_ = swapdims_ = reshaping.transpose_
    t_ = reshaping.t_
    sub_ = subtract_ = reshaping.sub_
    div_ = divide_ = true_divide_ = reshaping.div_
    __iand__ = inplace.FORMS["bitwise_and_"]
    __ior__ = inplace.FORMS["bitwise_or_"]
    __ixor__ = inplace.FORMS["bitwise_xor_"]
    __imod__ = inplace.FORMS["remainder_"]

    def __pos__(self) -> Tensor:
        return self

    def new_tensor(
        self,
        data: Any,
        dtype: DType | DTypeLike | None = None,
        device: str | None = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """A tensor with a copy of `data`, of this one's type unless told otherwise."""
        as_device("new_tensor", device)
        wanted = self.dtype if dtype is None else as_dtype("new_tensor", dtype)
        source = getattr(data, "_array", None)
        if source is None:
            source = _core.Array.from_numpy(np.array(data, dtype=numpy_dtype(wanted)))
        return wrap(source.copy().astype(wanted)).requires_grad_(requires_grad)

    def type_as(self, other: Tensor) -> Tensor:
        """Converted to the dtype of `other`."""
        return self.to(other)

    def cpu(self) -> Tensor:
        """Itself: every tensor is in the CPU's memory."""
        return self

    # ------------------------------------------------------------ Python and NumPy

    def item(self) -> Any:
        """The only element as a Python number.

        Raises:
            ValueError: where there is not exactly one.
        """
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a scalar."""
        return self._array.numpy().tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """An array on the same memory.

        Args:
            force: also of a tensor that requires a gradient, as `x.detach().numpy()`.

        Raises:
            RuntimeError: for a tensor that requires a gradient, unless `force`.
        """
        if self._requires_grad and not as_bool("numpy", "force", force):
            raise RuntimeError(
                "numpy: expected a tensor without gradient, got one that requires it; use "
                "detach().numpy()"
            )
        values: np.ndarray[Any, Any] = self._array.numpy()
        return values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        values = self.numpy()
        if dtype is not None and values.dtype != dtype:
            if copy is False:
                raise ValueError(f"__array__: expected dtype {values.dtype} without a copy")
            return values.astype(dtype)
        return values.copy() if copy else values

    __array_ufunc__ = None  # NumPy leaves `array + tensor` to the tensor

    def __dlpack__(self, **options: Any) -> Any:
        if self._requires_grad:
            raise RuntimeError("__dlpack__: expected a tensor without gradient; use detach()")
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __repr__(self) -> str:
        return format_tensor(
            self._array.numpy(),
            dtype=None if self.dtype in {float32, int64, bool_} else name_of(self.dtype),
            node=self._node,
            requires_grad=self._requires_grad,
        )

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 else str(self), spec)

    def __len__(self) -> int:
        sizes = self._array.shape
        if not sizes:
            raise TypeError("len: expected at least 1 dimension, got a scalar")
        return sizes[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iter: expected at least 1 dimension, got a scalar")
        return iter(splitting.unbind(self))

    def __contains__(self, value: Any) -> bool:
        return bool(reduction.any(self == value).item())

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(
                f"bool: expected a tensor of one element, got shape {self.shape}; use any() or "
                "all()"
            )
        return bool(self._array.item())

    def __float__(self) -> float:
        return float(self._array.item())

    def __int__(self) -> int:
        return int(self._array.item())

    def __index__(self) -> int:
        if self._array.dtype in FLOATING or self._array.size != 1:
            raise TypeError(f"index: expected one integer, got {self.dtype.name} of {self.shape}")
        return int(self._array.item())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._array, self._requires_grad and self._node is None)

    def __copy__(self) -> Tensor:
        return _rebuild(self._array, self._requires_grad and self._node is None)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError("deepcopy: expected a leaf, got a result; use detach().clone()")
        known = memo.get(id(self))
        if known is not None:
            return known  # type: ignore[no-any-return]
        out = wrap(self._array.copy())
        out.__class__ = self.__class__
        out._requires_grad = self._requires_grad
        out._grad = None if self._grad is None else self._grad.clone()
        memo[id(self)] = out
        return out

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return arithmetic.operator_eq(self, other)

    def __ne__(self, other: object) -> Any:
        return arithmetic.operator_ne(self, other)


_core.bind_tensor_class(Tensor)
OPERANDS.add(Tensor)
