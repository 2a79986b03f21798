"""Max, average and adaptive pooling in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_bool, as_int, as_tuple
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batch_array, batched, must_fit

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    OutputSize = int | None | Sequence[int | None]


def _window(
    op: str, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride (the kernel where it is left out), padding and dilation, one a dimension."""
    if (
        type(kernel_size) is int
        and (stride is None or type(stride) is int)
        and type(padding) is int
        and type(dilation) is int
    ):
        return _int_window(op, dims, kernel_size, stride, padding, dilation)
    return _checked_window(op, dims, kernel_size, stride, padding, dilation)


def _checked_window(
    op: str, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = as_tuple(op, "kernel_size", kernel_size, dims, 1)
    left_out = stride is None or (isinstance(stride, tuple | list) and not stride)
    steps = kernel if left_out else as_tuple(op, "stride", stride, dims, 1)
    pads = as_tuple(op, "padding", padding, dims, 0)
    spread = as_tuple(op, "dilation", dilation, dims, 1)
    if padding != 0:
        for k, p, d in zip(kernel, pads, spread, strict=True):
            if 2 * p > d * (k - 1) + 1:
                raise ValueError(
                    f"{op}: expected padding of at most half the kernel {kernel}, got {pads}"
                )
    return kernel, steps, pads, spread


_int_window = lru_cache(maxsize=256)(_checked_window)  # a call of a layer costs a few microseconds


# In place of a geometry: no kernel, stride, padding, dilation, ceil_mode, but adaptive windows.
_ADAPTIVE = ((), (), (), (), False, True)


def _with_indices(
    op: str,
    input: Tensor,
    dims: int,
    indices: bool,
    pool: Callable[[Array, bool], Any],
    geometry: tuple[Any, ...],
) -> Any:
    """Call a max pool of batches and write it on the tape, with the places if so asked.

    The gradient goes to the place of each maximum; `geometry` lets backward write each once.
    """
    x = input._array
    if x.ndim == dims + 1:
        result = _with_indices(op, input.unsqueeze(0), dims, indices, pool, geometry)
        return tuple(t.squeeze(0) for t in result) if indices else result.squeeze(0)
    recording = input._requires_grad and grad_mode.enabled
    y, places = pool(x, recording or indices)
    if recording:
        shape = x.shape

        def backward(dy: Array) -> tuple[Array]:
            return (_core.max_pool_backward(dy, places, shape, *geometry),)

        out = record(op, y, (input,), backward, (places,))
    else:
        out = wrap(y)
    return (out, wrap(_core.max_pool_indices(places))) if indices else out


def _max_pool(
    op: str,
    dims: int,
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    padding: IntOrTuple,
    dilation: IntOrTuple,
    ceil_mode: bool,
    return_indices: bool,
    strict: bool,
) -> Any:
    window = _window(op, dims, kernel_size, stride, padding, dilation)
    x = batch_array(op, input, dims)
    ceil = ceil_mode is not False and as_bool(op, "ceil_mode", ceil_mode)
    indices = return_indices is not False and as_bool(op, "return_indices", return_indices)
    if strict is not False and as_bool(op, "strict", strict):
        must_fit(op, x.shape, window[0], window[1], [2 * p for p in window[2]], window[3])
    if not (indices or input._requires_grad) and x.ndim == dims + 2:
        return wrap(_core.max_pool_forward(x, *window, ceil, False)[0])
    geometry = (*window, ceil)

    def pool(x: Array, places: bool) -> Any:
        return _core.max_pool_forward(x, *geometry, places)

    return _with_indices(op, input, dims, indices, pool, geometry)


def _avg_pool(
    op: str,
    dims: int,
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None,
    padding: IntOrTuple,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    strict: bool,
) -> Tensor:
    x = batch_array(op, input, dims)
    kernel, steps, pads, ones = _window(op, dims, kernel_size, stride, padding, 1)
    if strict is not False and as_bool(op, "strict", strict):
        must_fit(op, x.shape, kernel, steps, [2 * p for p in pads], ones)
    divisor = 0
    if divisor_override is not None:
        divisor = as_int(op, "divisor_override", divisor_override)
        if divisor == 0:
            raise ValueError(f"{op}: expected divisor_override other than 0, got 0")
    ceil = ceil_mode is not False and as_bool(op, "ceil_mode", ceil_mode)
    include = count_include_pad is True or as_bool(op, "count_include_pad", count_include_pad)
    window = (kernel, steps, pads, ceil, include, divisor)

    if not input._requires_grad and x.ndim == dims + 2:
        return wrap(_core.avg_pool_forward(x, *window))

    def pool(batch: Tensor) -> Tensor:
        array = batch._array
        y = _core.avg_pool_forward(array, *window)
        if not (batch._requires_grad and grad_mode.enabled):
            return wrap(y)
        shape = array.shape
        return record(op, y, (batch,), lambda dy: (_core.avg_pool_backward(dy, shape, *window),))

    return batched(pool, input) if x.ndim == dims + 1 else pool(input)


def _output_size(op: str, dims: int, output_size: OutputSize, x: Array) -> tuple[int, ...]:
    """The wanted sizes; None keeps that of the input."""
    if type(output_size) is int and output_size >= 1:
        return (as_int(op, "output_size", output_size, 1),) * dims
    given = output_size if isinstance(output_size, tuple | list) else (output_size,) * dims
    if len(given) != dims:
        raise ValueError(f"{op}: expected output_size as {dims} ints, got {output_size}")
    sizes = x.shape[-dims:]
    return tuple(
        [
            n if size is None else as_int(op, "output_size", size, 1)
            for size, n in zip(given, sizes, strict=True)
        ]
    )


def _adaptive_avg_pool(op: str, dims: int, input: Tensor, output_size: OutputSize) -> Tensor:
    x = batch_array(op, input, dims)
    out = _output_size(op, dims, output_size, x)

    if not input._requires_grad and x.ndim == dims + 2:
        return wrap(_core.adaptive_avg_pool_forward(x, out))

    def pool(batch: Tensor) -> Tensor:
        y = _core.adaptive_avg_pool_forward(batch._array, out)
        if not (batch._requires_grad and grad_mode.enabled):
            return wrap(y)
        shape = batch._array.shape
        return record(op, y, (batch,), lambda dy: (_core.adaptive_avg_pool_backward(dy, shape),))

    return batched(pool, input) if x.ndim == dims + 1 else pool(input)


def _adaptive_max_pool(
    op: str, dims: int, input: Tensor, output_size: OutputSize, return_indices: bool
) -> Any:
    out = _output_size(op, dims, output_size, batch_array(op, input, dims))
    indices = as_bool(op, "return_indices", return_indices)

    def pool(x: Array, places: bool) -> Any:
        return _core.adaptive_max_pool_forward(x, out, places)

    return _with_indices(op, input, dims, indices, pool, _ADAPTIVE)


def max_pool1d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    strict: bool = False,
) -> Any:
    """Largest value of each window of (N, C, L) or (C, L); see `max_pool2d`.

    Example:
        >>> F.max_pool1d(tw.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[3., 5.]]])
    """
    return _max_pool(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices,
        strict,
    )  # fmt: skip


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    strict: bool = False,
) -> Any:
    """Largest value of each window; NaN wins, and the gradient goes to the first of equals.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: size of the window, an int or one for each dimension.
        stride: step of the window; None for the kernel's size.
        padding: border that never wins, at most half the window.
        dilation: distance between the window's elements.
        ceil_mode: round the output size up instead of down.
        return_indices: also return the flat place of each maximum in its image, int64.
        strict: refuse a window that does not fit the input a whole number of times.

    Returns:
        (N, C, H_out, W_out), or a pair with the indices.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a window that does not fit or a padding above half of it.

    Example:
        >>> tw.nn.functional.max_pool2d(tw.arange(16.0).reshape(1, 1, 4, 4), 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    return _max_pool(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices,
        strict,
    )  # fmt: skip


def max_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    strict: bool = False,
) -> Any:
    """Largest value of each window of (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`.

    Example:
        >>> F.max_pool3d(tw.ones(1, 3, 8, 8, 8), 3, stride=2, padding=1).shape
        (1, 3, 4, 4, 4)
    """
    return _max_pool(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices,
        strict,
    )  # fmt: skip


def avg_pool1d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    strict: bool = False,
) -> Tensor:
    """Mean of each window of (N, C, L) or (C, L); see `avg_pool2d`.

    Example:
        >>> F.avg_pool1d(tw.tensor([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        tensor([[[2.0000, 3.5000]]])
    """
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None,
        strict,
    )  # fmt: skip


def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    strict: bool = False,
) -> Tensor:
    """Mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: size of the window, an int or one for each dimension.
        stride: step of the window; None for the kernel's size.
        padding: border of zeros, at most half the window.
        ceil_mode: round the output size up instead of down.
        count_include_pad: divide by the window's size; otherwise by the part within the image.
        divisor_override: divide by this number instead.
        strict: refuse a window that does not fit the input a whole number of times.

    Returns:
        (N, C, H_out, W_out) or without N.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a window that does not fit or a padding above half of it.

    Example:
        >>> tw.nn.functional.avg_pool2d(tw.ones(1, 1, 10, 10), 2, padding=1).shape
        (1, 1, 6, 6)
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override, strict,
    )  # fmt: skip


def avg_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    strict: bool = False,
) -> Tensor:
    """Mean of each window of (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`.

    Example:
        >>> F.avg_pool3d(tw.ones(1, 3, 8, 8, 8), 2).shape
        (1, 3, 4, 4, 4)
    """
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override, strict,
    )  # fmt: skip


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Means of `output_size` windows over (N, C, L) or (C, L); see `adaptive_avg_pool2d`.

    Example:
        >>> F.adaptive_avg_pool1d(tw.tensor([[[1.0, 3.0, 2.0]]]), 2)
        tensor([[[2.0000, 2.5000]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Means of windows that divide the image into `output_size` parts; 1 is global pooling.

    Window i of n covers the rows from floor(i·H/n) to before ceil((i+1)·H/n).

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        output_size: an int for both dimensions, or a pair; None keeps a size.

    Returns:
        (N, C, *output_size) or without N.

    Raises:
        TypeError, ValueError: for sizes that are not positive ints.

    Example:
        >>> tw.nn.functional.adaptive_avg_pool2d(tw.ones(8, 512, 7, 7), 1).shape
        (8, 512, 1, 1)
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Means of windows that divide the volume; see `adaptive_avg_pool2d`.

    Example:
        >>> F.adaptive_avg_pool3d(tw.ones(1, 3, 8, 9, 10), (2, None, 5)).shape
        (1, 3, 2, 9, 5)
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool1d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Maxima of `output_size` windows over (N, C, L) or (C, L); see `adaptive_avg_pool2d`.

    Example:
        >>> F.adaptive_max_pool1d(tw.tensor([[[1.0, 3.0, 2.0]]]), 2)
        tensor([[[3., 3.]]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Maxima of the windows of `adaptive_avg_pool2d`, or a pair with their places (int64).

    Example:
        >>> y, places = F.adaptive_max_pool2d(tw.ones(1, 3, 7, 7), 2, return_indices=True)
        >>> places[0, 0]
        tensor([[ 0,  3],
                [21, 24]])
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Maxima of windows that divide the volume; see `adaptive_max_pool2d`.

    Example:
        >>> F.adaptive_max_pool3d(tw.ones(1, 3, 8, 9, 10), 1).shape
        (1, 3, 1, 1, 1)
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)
