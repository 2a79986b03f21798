"""im2col and col2im: the windows of images as the columns of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_tuple
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batched

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    Windows = tuple[
        tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]
    ]


def _windows(
    op: str, kernel_size: IntOrTuple, dilation: IntOrTuple, padding: IntOrTuple, stride: IntOrTuple
) -> Windows:
    """Kernel, stride, padding at both ends and dilation, as the core takes them."""
    kernel = as_tuple(op, "kernel_size", kernel_size, 2, 1)
    border = as_tuple(op, "padding", padding, 2, 0)
    steps = as_tuple(op, "stride", stride, 2, 1)
    return kernel, steps, border, border, as_tuple(op, "dilation", dilation, 2, 1)


def _as_columns(matrix: Array) -> Array:
    """(N, L, C · taps) as (N, C · taps, L) and back."""
    return matrix.permute((0, 2, 1))


def unfold(
    input: Tensor,
    kernel_size: IntOrTuple,
    dilation: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    stride: IntOrTuple = 1,
) -> Tensor:
    """The windows that a convolution sees, each as a column (im2col).

    A convolution is a product with this matrix: `weight.reshape(K, -1) @ unfold(x, …)`.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: an int or (height, width).
        dilation: distance between the taps of a window.
        padding: zeros around the image.
        stride: step of the windows.

    Returns:
        (N, C · height · width, L) or without N, for L windows in row-major order.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for another rank, or a window that does not fit.

    Example:
        >>> F.unfold(tw.rand(2, 3, 5, 5), 3, padding=1).shape
        (2, 27, 25)
        >>> F.unfold(tw.arange(6.0).reshape(1, 1, 2, 3), (2, 2))
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])
    """
    x = array_of("unfold", "input", input)
    recorded = input._requires_grad and grad_mode.enabled
    if recorded and x.ndim == 3:
        return batched(lambda t: unfold(t, kernel_size, dilation, padding, stride), input)
    y, windows = _core.unfold(x, kernel_size, dilation, padding, stride)
    return _record_unfold(y, input, windows) if recorded else wrap(y)


def _record_unfold(y: Array, input: Tensor, windows: Windows) -> Tensor:
    shape = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.col2im(_as_columns(dy), shape, *windows, "unfold"),)

    return record("unfold", y, (input,), backward)


def fold(
    input: Tensor,
    output_size: IntOrTuple,
    kernel_size: IntOrTuple,
    dilation: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    stride: IntOrTuple = 1,
) -> Tensor:
    """Columns added up where their windows lie in an image (col2im): the adjoint of `unfold`.

    Pixels that several windows cover get the sum of what these hold.

    Args:
        input: (N, C · height · width, L) or without N, float32 or float64.
        output_size: the image's, an int or (H, W).
        kernel_size: an int or (height, width).
        dilation: see `unfold`, as the others.
        padding: zeros around the image.
        stride: step of the windows.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for columns that are not those of such an image.

    Example:
        >>> F.fold(tw.ones(1, 4, 4), (3, 3), 2)
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])
    """
    x = array_of("fold", "input", input)
    if x.dtype not in FLOATING:
        raise TypeError(f"fold: expected input of dtype float32 or float64, got {x.dtype.name}")
    size = as_tuple("fold", "output_size", output_size, 2, 1)
    windows = _windows("fold", kernel_size, dilation, padding, stride)
    taps = windows[0][0] * windows[0][1]
    if x.ndim not in {2, 3} or x.shape[-2] == 0 or x.shape[-2] % taps:
        raise ValueError(
            f"fold: expected input of shape (N, C * {taps}, L), with or without N, for kernels of "
            f"{windows[0]}, got {x.shape}"
        )
    if x.ndim == 2:
        return batched(
            lambda t: fold(t, output_size, kernel_size, dilation, padding, stride), input
        )
    shape = (x.shape[0], x.shape[1] // taps, *size)
    y = _core.col2im(_as_columns(x), shape, *windows, "fold")
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)

    def backward(dy: Array) -> tuple[Array]:
        return (_as_columns(_core.im2col(dy, *windows, "fold")),)

    return record("fold", y, (input,), backward)
