"""Convolution (cross-correlation, as in every deep-learning library) in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tilewise import _core
from tilewise._arguments import (
    LARGEST,
    array_of,
    as_bool,
    as_choice,
    as_float,
    as_int,
    as_tuple,
    optional_array,
)
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import image_array, must_fit
from tilewise.functional.activation import ACTIVATIONS, activate, told_by_output

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


_NAMES = ("", "conv1d", "conv2d", "conv3d")

# What stands for amounts of padding; and what padding can hold.
PADDINGS = ("valid", "same", "same_upper", "same_lower", "causal")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Geometry(NamedTuple):
    """How a kernel moves over an image, one entry a dimension; the order is the core's."""

    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Options(NamedTuple):
    """How a convolution is computed, and what it does where it writes its output."""

    algorithm: str = "auto"
    # y = activation(sums + bias + residual).
    activation: str = "none"
    slope: float = 0.01
    residual: Tensor | None = None
    # The gradient that arrives is already zero where the ReLU was.
    masked: bool = False
    # What the padding holds.
    padding_mode: str = "zeros"
    # Refuse a kernel that does not fit the input a whole number of times.
    strict: bool = False
    # Collect mean and variance of y: see `convolution_with_statistics`.
    statistics: bool = False


class Statistics(NamedTuple):
    """Of a batch, for each channel, in float64; the variance is the biased one."""

    mean: Array
    variance: Array


_PLAIN = Options()


def padding_of(
    op: str,
    padding: IntOrTuple | str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    size: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pixels of padding before and after each dimension of an image of this size.

    The "same" forms give ceil(size / stride) outputs, as ONNX has it; where their padding is odd,
    the pixel more comes after the image, or before it with "same_lower". "causal" puts all of it
    before the sequence, so that no output sees what comes later.
    """
    if not isinstance(padding, str):
        symmetric = as_tuple(op, "padding", padding, len(kernel), 0)
        return symmetric, symmetric
    dims = len(kernel)
    none = (0,) * dims
    choices = PADDINGS if dims == 1 else PADDINGS[:-1]
    if as_choice(op, "padding", padding, choices) == "valid":
        return none, none
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if padding == "causal":
        return tuple(reach), none
    total = [max(r - (n - 1) % s, 0) for r, s, n in zip(reach, stride, size, strict=True)]
    small, large = tuple([t // 2 for t in total]), tuple([t - t // 2 for t in total])
    return (large, small) if padding == "same_lower" else (small, large)


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
    return convolution_with_statistics(
        dims, input, weight, bias, stride, padding, dilation, groups, options
    )[0]


def convolution_with_statistics(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrTuple,
    padding: IntOrTuple | str,
    dilation: IntOrTuple,
    groups: int,
    options: Options,
) -> tuple[Tensor, Statistics | None]:
    """The same, and the statistics of the output where `options` ask for them."""
    op = _NAMES[dims]
    x = image_array(op, input, dims)
    w = array_of(op, "weight", weight)
    optional_array(op, "bias", bias)
    steps = as_tuple(op, "stride", stride, dims, 1)
    spread = as_tuple(op, "dilation", dilation, dims, 1)
    group_count = as_int(op, "groups", groups, 1, LARGEST)
    options = _checked(op, x, options)
    if w.ndim != dims + 2:
        raise ValueError(f"{op}: expected weight of {dims + 2} dimensions, got shape {w.shape}")
    begin, end = padding_of(op, padding, w.shape[2:], steps, spread, x.shape[-dims:])
    if as_bool(op, "strict", options.strict):
        both = tuple(map(sum, zip(begin, end, strict=True)))
        must_fit(op, x.shape, w.shape[2:], steps, both, spread)
    geometry = Geometry(steps, begin, end, spread, group_count)
    if x.ndim == dims + 2:
        return _apply(op, input, weight, bias, geometry, options)
    if options.residual is not None:
        options = options._replace(residual=options.residual.unsqueeze(0))
    y, statistics = _apply(op, input.unsqueeze(0), weight, bias, geometry, options)
    return y.squeeze(0), statistics


def _checked(op: str, x: Array, options: Options) -> Options:
    as_choice(op, "algorithm", options.algorithm, ALGORITHMS)
    as_choice(op, "activation", options.activation, ACTIVATIONS)
    as_choice(op, "padding_mode", options.padding_mode, PADDING_MODES)
    if type(options.slope) is not float:
        slope = as_float(op, "negative_slope", options.slope)
        options = options._replace(slope=slope)
    residual = optional_array(op, "residual", options.residual)
    if residual is not None and residual.ndim != x.ndim:
        raise ValueError(
            f"{op}: expected residual of {x.ndim} dimensions, as the input, got {residual.shape}"
        )
    return options


def _forward(
    x: Array, w: Array, b: Array | None, geometry: Geometry, options: Options, keep: bool
) -> tuple[Array, Statistics | None]:
    algorithm, activation = options.algorithm, options.activation
    residual, border = options.residual, options.padding_mode
    if residual is None and not options.statistics and activation != "leaky_relu":
        return _core.conv_forward(x, w, b, *geometry, algorithm, activation, keep, border), None
    r = None if residual is None else residual._array
    epilogue = _core.ConvEpilogue(b, r, activation, options.slope, options.statistics)
    y, statistics = _core.conv_fused(x, w, epilogue, *geometry, algorithm, keep, border)
    return y, None if statistics is None else Statistics(*statistics)


def _apply(
    op: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    options: Options,
) -> tuple[Tensor, Statistics | None]:
    x, w = input._array, weight._array
    residual = options.residual
    needs_x, needs_w = input._requires_grad, weight._requires_grad
    needs_b = bias is not None and bias._requires_grad
    needs_r = residual is not None and residual._requires_grad
    records = grad_mode.enabled and (needs_x or needs_w or needs_b or needs_r)
    activation, slope = options.activation, options.slope
    gated = activation != "none" and not options.masked
    if records and gated and not told_by_output(activation, slope):
        # The derivative needs what the activation takes: it becomes an op of its own.
        plain, _ = _apply(op, input, weight, bias, geometry, options._replace(activation="none"))
        return activate(activation, plain, slope), None
    b = None if bias is None else bias._array
    # Packed weights outlive the call in inference only: a training step changes the weights.
    y, statistics = _forward(x, w, b, geometry, options, not records)
    if not records:
        return wrap(y), statistics
    x_shape, w_shape = x.shape, w.shape
    algorithm, border = options.algorithm, options.padding_mode
    kept_x, kept_w = x if needs_w else None, w if needs_x else None
    kept_y = y if gated else None

    def backward(dy: Array) -> list[Array | None]:
        gate = None if kept_y is None else _core.ConvGate(kept_y, activation, slope)
        dx, dw, db, dr = _core.conv_backward(
            dy, kept_x, kept_w, x_shape, w_shape, *geometry, algorithm, needs_b, gate, needs_r,
            border,
        )  # fmt: skip
        gradients = [dx, dw]
        if bias is not None:
            gradients.append(db)
        if residual is not None:
            gradients.append(dr)
        return gradients

    inputs = [t for t in (input, weight, bias, residual) if t is not None]
    saved = tuple([array for array in (kept_x, kept_w, kept_y) if array is not None])
    # Without an activation the residual's gradient is the one that arrives.
    return record(op, y, inputs, backward, saved, needs_r and not gated), statistics


def correlation(
    op: str, input: Tensor, weight: Tensor, geometry: Geometry, options: Options
) -> Tensor:
    """The convolution of a batch with a geometry that is known already."""
    return _apply(op, input, weight, None, geometry, options)[0]


def plain(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrTuple,
    padding: IntOrTuple | str,
    dilation: IntOrTuple,
    groups: int,
) -> Tensor | None:
    """The short way of the common call; None where it is anything else, or wrong.

    The settings are Python's ints, tuples of them and names of paddings: one native call reads
    them all.
    """
    op = _NAMES[dims]
    try:
        wanted = input._requires_grad or weight._requires_grad
        b = None
        if bias is not None:
            b = bias._array
            wanted = wanted or bias._requires_grad
        wanted = wanted and grad_mode.enabled
        result = _core.conv_plain(
            op, input._array, weight._array, b, dims, stride, padding, dilation, groups, wanted
        )
    except AttributeError:
        return None
    if result is None:
        return None
    if not wanted:
        return wrap(result)
    y, geometry = result
    return _record_plain(op, y, input, weight, bias, geometry)


def _record_plain(
    op: str,
    y: Array,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: tuple[Any, Any, Any, Any, int],
) -> Tensor:
    """A convolution's history."""
    x, w = input._array, weight._array
    x_shape, w_shape = x.shape, w.shape
    kept_x = x if weight._requires_grad else None
    kept_w = w if input._requires_grad else None
    needs_b = bias is not None and bias._requires_grad

    def backward(dy: Array) -> list[Array | None]:
        dx, dw, db, _ = _core.conv_backward(
            dy, kept_x, kept_w, x_shape, w_shape, *geometry, "auto", needs_b, None, False, "zeros"
        )
        return [dx, dw] if bias is None else [dx, dw, db]

    saved = tuple([array for array in (kept_x, kept_w) if array is not None])
    inputs = (input, weight) if bias is None else (input, weight, bias)
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
    padding_mode: str = "zeros",
    algorithm: str = "auto",
    activation: str = "none",
    negative_slope: float = 0.01,
    residual: Tensor | None = None,
    strict: bool = False,
) -> Tensor:
    """Convolution of sequences; see `conv2d`, with one spatial dimension.

    Args:
        input: (N, C, L) or (C, L).
        weight: (K, C / groups, kernel).
        bias: (K,) or None.
        stride: see `conv2d`, as the others.
        padding: elements at both ends; or as in `conv2d`; or "causal": all of it before the
            sequence, d(k - 1) elements, so that no output sees what comes later (van den Oord et
            al., "WaveNet", 2016).
        dilation: distance between the kernel's taps.
        groups: number of independent parts.
        padding_mode: see `conv2d`.
        algorithm: see `conv2d`.
        activation: see `conv2d`.
        negative_slope: see `conv2d`.
        residual: see `conv2d`.
        strict: see `conv2d`.

    Returns:
        (N, K, L_out) or (K, L_out).

    Example:
        >>> F.conv1d(tw.rand(2, 3, 20), tw.rand(6, 3, 5), padding="causal", dilation=2).shape
        (2, 6, 20)
    """
    if (
        residual is None
        and activation == "none"
        and padding_mode == "zeros"
        and algorithm == "auto"
        and strict is False
    ):
        y = plain(1, input, weight, bias, stride, padding, dilation, groups)
        if y is not None:
            return y
    options = Options(
        algorithm, activation, negative_slope, residual, padding_mode=padding_mode, strict=strict
    )
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
    padding_mode: str = "zeros",
    algorithm: str = "auto",
    activation: str = "none",
    negative_slope: float = 0.01,
    residual: Tensor | None = None,
    strict: bool = False,
) -> Tensor:
    """Slide K filters over images; the output size is (H + 2p - d(k-1) - 1) // s + 1.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        weight: (K, C / groups, kernel height, kernel width), of the input's type.
        bias: (K,) or None.
        stride: step of the filters, an int or one for each dimension.
        padding: pixels around the image; "valid" for none; "same" to keep the size at stride 1,
            and H / stride rounded up otherwise: "same_upper" and "same_lower" say which side gets
            the larger half ("same" is the first), as ONNX has it.
        dilation: distance between the kernel's taps.
        groups: number of parts that channels and filters are divided into; C for depthwise.
        padding_mode: what the padding holds: "zeros", "reflect", "replicate" or "circular" (see
            `pad`). It is filled in where an algorithm gathers its input, or, for those of grouped
            channels and for the gradient of the input, in a pass of its own.
        algorithm: "auto", or one by name, in all three directions: "winograd4" (3x3, stride 1),
            "winograd2" (the same, more exact), "depthwise" (one input channel a group), "grouped"
            (few channels a group), "implicit_gemm", "im2col" (the explicit matrix of the lectures)
            or "reference" (plain loops that accumulate in double). One that does not apply raises
            with its reason; `tilewise.explain_conv` shows what "auto" chooses and why.
        activation: applied where the output is written, in the same pass over memory: "none",
            "relu", "relu6", "leaky_relu", "silu" or "hardswish". Where a gradient is recorded,
            the last two (and a negative slope) run after it, for their derivative needs the sums.
        negative_slope: of "leaky_relu".
        residual: added before the activation, in the same pass; of the output's shape.
        strict: refuse a kernel that does not fit the input a whole number of times.

    Returns:
        (N, K, H_out, W_out) or (K, H_out, W_out), stored channels-last.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree or sizes that cannot be.

    Example:
        >>> x = tw.rand(2, 3, 32, 32)
        >>> tw.nn.functional.conv2d(x, tw.rand(6, 3, 5, 5)).shape
        (2, 6, 28, 28)

        A residual block's end in one pass:

        >>> y = tw.nn.functional.conv2d(
        ...     x, tw.rand(3, 3, 3, 3), padding=1, activation="relu", residual=x
        ... )
    """
    if (
        residual is None
        and activation == "none"
        and padding_mode == "zeros"
        and algorithm == "auto"
        and strict is False
    ):
        y = plain(2, input, weight, bias, stride, padding, dilation, groups)
        if y is not None:
            return y
    options = Options(
        algorithm, activation, negative_slope, residual, padding_mode=padding_mode, strict=strict
    )
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
    padding_mode: str = "zeros",
    algorithm: str = "auto",
    activation: str = "none",
    negative_slope: float = 0.01,
    residual: Tensor | None = None,
    strict: bool = False,
) -> Tensor:
    """Convolution of volumes; see `conv2d`, with three spatial dimensions.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (K, C / groups, kernel depth, height, width).
        bias: (K,) or None.
        stride: see `conv2d`, as the others.
        padding: pixels around the volume, or a name as in `conv2d`.
        dilation: distance between the kernel's taps.
        groups: number of independent parts.
        padding_mode: see `conv2d`.
        algorithm: see `conv2d`.
        activation: see `conv2d`.
        negative_slope: see `conv2d`.
        residual: see `conv2d`.
        strict: see `conv2d`.

    Returns:
        (N, K, D_out, H_out, W_out) or without N.

    Example:
        >>> F.conv3d(tw.rand(2, 3, 4, 8, 8), tw.rand(6, 3, 3, 3, 3), stride=2, padding=1).shape
        (2, 6, 2, 4, 4)
    """
    if (
        residual is None
        and activation == "none"
        and padding_mode == "zeros"
        and algorithm == "auto"
        and strict is False
    ):
        y = plain(3, input, weight, bias, stride, padding, dilation, groups)
        if y is not None:
            return y
    options = Options(
        algorithm, activation, negative_slope, residual, padding_mode=padding_mode, strict=strict
    )
    return convolution(3, input, weight, bias, stride, padding, dilation, groups, options)
