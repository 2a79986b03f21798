"""Convolution (cross-correlation, as in every deep-learning library) in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tilewise import _core
from tilewise._arguments import LARGEST, array_of, as_choice, as_int, as_tuple, optional_array
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batched, image_array

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


ALGORITHMS = (
    "auto",
    "winograd4",
    "winograd2",
    "depthwise",
    "grouped",
    "implicit_gemm",
    "im2col",
    "reference",
)


class Geometry(NamedTuple):
    """How a kernel moves over an image, one entry a dimension; the order is the core's."""

    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Options(NamedTuple):
    """How a convolution is computed; none of it changes what is computed."""

    algorithm: str = "auto"
    # A ReLU in the pass that writes the output.
    relu: bool = False
    # Then: the gradient that arrives is already zero where the ReLU was.
    masked: bool = False


_PLAIN = Options()


def _padding(
    op: str,
    padding: IntOrTuple | str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and after each dimension.

    "same" keeps the size at stride 1; an even kernel needs one zero more after than before.
    """
    if not isinstance(padding, str):
        symmetric = as_tuple(op, "padding", padding, len(kernel), 0)
        return symmetric, symmetric
    if as_choice(op, "padding", padding, ("same", "valid")) == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if any(s != 1 for s in stride):
        raise ValueError(f"{op}: expected stride 1 with padding='same', got {stride}")
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([t // 2 for t in total]), tuple([t - t // 2 for t in total])


def convolution(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrTuple,
    padding: IntOrTuple | str,
    dilation: IntOrTuple,
    groups: int,
    options: Options = _PLAIN,
) -> Tensor:
    """Convolution in `dims` dimensions: what conv1d, conv2d and conv3d share, with `Options`."""
    op = f"conv{dims}d"
    x = image_array(op, input, dims)
    w = array_of(op, "weight", weight)
    optional_array(op, "bias", bias)
    steps = as_tuple(op, "stride", stride, dims, 1)
    spread = as_tuple(op, "dilation", dilation, dims, 1)
    group_count = as_int(op, "groups", groups, 1, LARGEST)
    as_choice(op, "algorithm", options.algorithm, ALGORITHMS)
    if w.ndim != dims + 2:
        raise ValueError(f"{op}: expected weight of {dims + 2} dimensions, got shape {w.shape}")
    begin, end = _padding(op, padding, w.shape[2:], steps, spread)
    geometry = Geometry(steps, begin, end, spread, group_count)
    if x.ndim == dims + 1:
        return batched(lambda image: _apply(op, image, weight, bias, geometry, options), input)
    return _apply(op, input, weight, bias, geometry, options)


def _apply(
    op: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    options: Options,
) -> Tensor:
    x, w = input._array, weight._array
    algorithm = options.algorithm
    activation = "relu" if options.relu else "none"
    b = None if bias is None else bias._array
    needs_x, needs_w = input._requires_grad, weight._requires_grad
    needs_b = bias is not None and bias._requires_grad
    records = grad_mode.enabled and (needs_x or needs_w or needs_b)
    # Packed weights outlive the call in inference only: a training step changes the weights.
    y = _core.conv_forward(x, w, b, *geometry, algorithm, activation, not records)
    if not records:
        return wrap(y)
    gated = options.relu and not options.masked

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx = dw = db = None
        if gated:
            dy = _core.relu_backward(dy, y)
        if needs_x:
            dx = _core.conv_backward_data(dy, w, x.shape, *geometry, algorithm)
        if needs_w:
            dw, db = _core.conv_backward_weight(dy, x, w.shape, *geometry, needs_b, algorithm)
        elif needs_b:
            db = _core.sum(dy, (0, *range(2, dy.ndim)), False)
        return (dx, dw) if bias is None else (dx, dw, db)

    inputs = (input, weight) if bias is None else (input, weight, bias)
    saved = (x,) * needs_w + (w,) * needs_x + (y,) * gated
    return record(op, y, inputs, backward, saved)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Convolution of sequences; see `conv2d`, with one spatial dimension.

    Args:
        input: (N, C, L) or (C, L).
        weight: (K, C / groups, kernel).
        bias: (K,) or None.
        stride: see `conv2d`, as the others.
        padding: zeros at both ends, "same" or "valid".
        dilation: distance between the kernel's taps.
        groups: number of independent parts.
        algorithm: see `conv2d`.

    Returns:
        (N, K, L_out) or (K, L_out).
    """
    options = Options(algorithm)
    return convolution(1, input, weight, bias, stride, padding, dilation, groups, options)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Slide K filters over images; the output size is (H + 2p - d(k-1) - 1) // s + 1.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        weight: (K, C / groups, kernel height, kernel width), of the input's type.
        bias: (K,) or None.
        stride: step of the filters, an int or one for each dimension.
        padding: zeros around the image; "valid" for none, "same" to keep the size at stride 1.
        dilation: distance between the kernel's taps.
        groups: number of parts that channels and filters are divided into; C for depthwise.
            "winograd2" (the same, more exact), "depthwise" (one input channel a group), "grouped"
            (few channels a group), "implicit_gemm", "im2col" (the explicit matrix of the lectures)
            or "reference" (plain loops that accumulate in double). One that does not apply raises
            with its reason.

    Returns:
        (N, K, H_out, W_out) or (K, H_out, W_out), stored channels-last.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree or sizes that cannot be.

    Example:
        >>> x = tw.rand(2, 3, 32, 32)
        >>> tw.nn.functional.conv2d(x, tw.rand(6, 3, 5, 5)).shape
        (2, 6, 28, 28)
    """
    options = Options(algorithm)
    return convolution(2, input, weight, bias, stride, padding, dilation, groups, options)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Convolution of volumes; see `conv2d`, with three spatial dimensions.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (K, C / groups, kernel depth, height, width).
        bias: (K,) or None.
        stride: see `conv2d`, as the others.
        padding: zeros around the volume, "same" or "valid".
        dilation: distance between the kernel's taps.
        groups: number of independent parts.
        algorithm: see `conv2d`.

    Returns:
        (N, K, D_out, H_out, W_out) or without N.
    """
    options = Options(algorithm)
    return convolution(3, input, weight, bias, stride, padding, dilation, groups, options)
