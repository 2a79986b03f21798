"""Max, average and adaptive pooling in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_bool
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batched, must_fit

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]
    OutputSize = int | None | Sequence[int | None]


def _with_history(
    op: str, y: Array, input: Tensor, kept: tuple[Array, tuple[Any, ...] | None]
) -> Tensor:
    """The result of a max pool of batches on the tape.

    The gradient goes to the place of each maximum; the geometry, where it is known, lets backward
    write each once.
    """
    places, geometry = kept
    shape = input._array.shape

    def backward(dy: Array) -> tuple[Array]:
        return (_core.max_pool_backward(dy, places, shape, *(geometry or ())),)

    return record(op, y, (input,), backward, (places,))


def max_pooled(
    op: str, dims: int, input: Tensor, pool: Callable[..., Any], settings: tuple[Any, ...]
) -> Any:
    """Call a max pool of the core, `pool(op, dims, x, recorded, *settings)`, and record it.

    Returns:
        The result, or a pair with the places where the settings ask for them.
    """
    x = array_of(op, "input", input)
    recorded = input._requires_grad and grad_mode.enabled
    if recorded and x.ndim == dims + 1:
        result = max_pooled(op, dims, input.unsqueeze(0), pool, settings)
        if isinstance(result, tuple):
            return tuple([t.squeeze(0) for t in result])
        return result.squeeze(0)
    y, places, kept = pool(op, dims, x, recorded, *settings)
    out = _with_history(op, y, input, kept) if recorded else wrap(y)
    return out if places is None else (out, wrap(places))


def _check_fit(
    op: str, dims: int, input: Tensor, strict: bool, kernel_size: Any, *settings: Any
) -> None:
    """`strict`, for a pool of this kernel, stride, padding and dilation."""
    if as_bool(op, "strict", strict):
        x = array_of(op, "input", input)
        kernel, steps, pads, spread = _core.pool_window(op, dims, kernel_size, *settings)
        must_fit(op, x.shape, kernel, steps, [2 * p for p in pads], spread)


def _max_pool(op: str, dims: int, input: Tensor, strict: bool, *settings: Any) -> Any:
    """What the three share; the settings are those of the core's function."""
    if strict is not False:
        _check_fit(op, dims, input, strict, *settings[:4])
    return max_pooled(op, dims, input, _core.max_pool, settings)


def _avg_pool(op: str, dims: int, input: Tensor, strict: bool, *settings: Any) -> Tensor:
    """The same for means."""
    if strict is not False:
        _check_fit(op, dims, input, strict, *settings[:3], 1)
    x = array_of(op, "input", input)
    recorded = input._requires_grad and grad_mode.enabled
    if recorded and x.ndim == dims + 1:
        return batched(lambda batch: _avg_pool(op, dims, batch, False, *settings), input)
    y, window = _core.avg_pool(op, dims, x, recorded, *settings)
    return _record_avg_pool(op, y, input, window) if recorded else wrap(y)


def _record_avg_pool(op: str, y: Array, input: Tensor, window: tuple[Any, ...]) -> Tensor:
    shape = input._array.shape
    return record(op, y, (input,), lambda dy: (_core.avg_pool_backward(dy, shape, *window),))


def _adaptive_avg_pool(op: str, dims: int, input: Tensor, output_size: OutputSize) -> Tensor:
    x = array_of(op, "input", input)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(_core.adaptive_avg_pool(op, dims, x, output_size))
    if x.ndim == dims + 1:
        return batched(lambda batch: _adaptive_avg_pool(op, dims, batch, output_size), input)
    return record_adaptive_avg_pool(op, _core.adaptive_avg_pool(op, dims, x, output_size), input)


def record_adaptive_avg_pool(op: str, y: Array, input: Tensor) -> Tensor:
    """Means of parts of a batch of images on the tape."""
    shape = input._array.shape
    return record(op, y, (input,), lambda dy: (_core.adaptive_avg_pool_backward(dy, shape),))


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
        "max_pool1d", 1, input, strict, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices,
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
        "max_pool2d", 2, input, strict, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices,
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
        "max_pool3d", 3, input, strict, kernel_size, stride, padding, dilation, ceil_mode,
        return_indices,
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
        "avg_pool1d", 1, input, strict, kernel_size, stride, padding, ceil_mode,
        count_include_pad, None,
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
        "avg_pool2d", 2, input, strict, kernel_size, stride, padding, ceil_mode,
        count_include_pad, divisor_override,
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
        "avg_pool3d", 3, input, strict, kernel_size, stride, padding, ceil_mode,
        count_include_pad, divisor_override,
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
    settings = (output_size, return_indices)
    return max_pooled("adaptive_max_pool1d", 1, input, _core.adaptive_max_pool, settings)


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
    settings = (output_size, return_indices)
    return max_pooled("adaptive_max_pool2d", 2, input, _core.adaptive_max_pool, settings)


def adaptive_max_pool3d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Maxima of windows that divide the volume; see `adaptive_max_pool2d`.

    Example:
        >>> F.adaptive_max_pool3d(tw.ones(1, 3, 8, 9, 10), 1).shape
        (1, 3, 1, 1, 1)
    """
    settings = (output_size, return_indices)
    return max_pooled("adaptive_max_pool3d", 3, input, _core.adaptive_max_pool, settings)
