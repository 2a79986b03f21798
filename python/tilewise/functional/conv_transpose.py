"""Transposed convolution: the gradient of a convolution for its input, as a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tilewise import _core
from tilewise._arguments import LARGEST, array_of, as_choice, as_int, as_tuple, optional_array
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import batched, image_array
from tilewise.functional.conv import ALGORITHMS, Geometry
from tilewise.functional.padding import pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewise._core import Array
    from tilewise.tensor import Tensor

    IntOrTuple = int | Sequence[int]


_NAMES = ("", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


class Plan(NamedTuple):
    """A transposed convolution as the convolution that it is the gradient of."""

    geometry: Geometry
    shape: tuple[int, ...]  # of that one's input: the output here
    beyond: tuple[int, ...]  # pixels after it, in each dimension, that no tap reaches

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        spatial = zip(self.shape[2:], self.beyond, strict=True)
        return (*self.shape[:2], *[n + more for n, more in spatial])


def plan(
    op: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    stride: IntOrTuple,
    padding: IntOrTuple,
    output_padding: IntOrTuple,
    groups: int,
    dilation: IntOrTuple,
) -> Plan:
    """Check the arguments for an input (N, C, spatial…) and find the convolution.

    It has to map the output's size to the input's, which up to stride - 1 pixels of
    `output_padding` do not change. From there on they come off the padding at the end, and where
    that is too small, they lie beyond the reach of every tap: nothing but the bias.
    """
    dims = len(x) - 2
    steps = as_tuple(op, "stride", stride, dims, 1)
    border = as_tuple(op, "padding", padding, dims, 0)
    extra = as_tuple(op, "output_padding", output_padding, dims, 0)
    group_count = as_int(op, "groups", groups, 1, LARGEST)
    spread = as_tuple(op, "dilation", dilation, dims, 1)
    _check_shapes(op, x, w, group_count)
    if any(more >= max(s, d) for more, s, d in zip(extra, steps, spread, strict=True)):
        raise ValueError(
            f"{op}: expected output_padding smaller than stride or dilation, got output_padding "
            f"{extra}, stride {steps}, dilation {spread}"
        )
    end, beyond, sizes = [], [], []
    for n, k, s, p, more, d in zip(x[2:], w[2:], steps, border, extra, spread, strict=True):
        taken = more // s * s
        end.append(max(p - taken, 0))
        beyond.append(max(taken - p, 0))
        sizes.append((n - 1) * s - 2 * p + d * (k - 1) + 1 + more - beyond[-1])
    if any(n < 1 for n in sizes):
        raise ValueError(
            f"{op}: expected an output of at least one pixel, got size {tuple(sizes)} for input "
            f"{x}, weight {w}, stride {steps}, padding {border}, dilation {spread}"
        )
    geometry = Geometry(steps, border, tuple(end), spread, group_count)
    return Plan(geometry, (x[0], w[1] * group_count, *sizes), tuple(beyond))


def _check_shapes(op: str, x: tuple[int, ...], w: tuple[int, ...], groups: int) -> None:
    if len(w) != len(x):
        raise ValueError(f"{op}: expected weight of {len(x)} dimensions, got shape {w}")
    if w[0] != x[1] or x[1] % groups:
        raise ValueError(
            f"{op}: expected input of {w[0]} channels, divisible by groups={groups}, for weight "
            f"{w}, got input {x}"
        )
    if 0 in x[2:] or 0 in w[2:]:
        raise ValueError(f"{op}: expected spatial sizes >= 1, got input {x} and weight {w}")


def transposed_convolution(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrTuple,
    padding: IntOrTuple,
    output_padding: IntOrTuple,
    groups: int,
    dilation: IntOrTuple,
    algorithm: str = "auto",
) -> Tensor:
    """Transposed convolution in `dims` dimensions: what its three functions share."""
    op = _NAMES[dims]
    if algorithm == "auto":
        y = _plain(op, dims, input, weight, bias, stride, padding, output_padding, groups, dilation)
        if y is not None:
            return y
    x = image_array(op, input, dims)
    w = array_of(op, "weight", weight)
    optional_array(op, "bias", bias)
    as_choice(op, "algorithm", algorithm, ALGORITHMS)
    shape = x.shape if x.ndim == dims + 2 else (1, *x.shape)
    p = plan(op, shape, w.shape, stride, padding, output_padding, groups, dilation)

    def run(images: Tensor) -> Tensor:
        if not any(p.beyond):
            return _apply(op, images, weight, bias, p, algorithm)
        y = _apply(op, images, weight, None, p, algorithm)
        y = pad(y, [n for more in reversed(p.beyond) for n in (0, more)])
        return y if bias is None else y + bias.reshape(-1, *(1,) * dims)

    return batched(run, input) if x.ndim == dims + 1 else run(input)


def _plain(
    op: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrTuple,
    padding: IntOrTuple,
    output_padding: IntOrTuple,
    groups: int,
    dilation: IntOrTuple,
) -> Tensor | None:
    """The short way of the common call, as `conv.plain`; None where it is anything else."""
    try:
        wanted = input._requires_grad or weight._requires_grad
        b = None
        if bias is not None:
            b = bias._array
            wanted = wanted or bias._requires_grad
        wanted = wanted and grad_mode.enabled
        result = _core.conv_transpose_plain(
            op, input._array, weight._array, b, dims, stride, padding, output_padding, groups,
            dilation, wanted,
        )  # fmt: skip
    except AttributeError:
        return None
    if result is None:
        return None
    if not wanted:
        return wrap(result)
    y, geometry = result
    return _record(op, y, input, weight, bias, geometry, "auto")


def _apply(
    op: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    plan: Plan,
    algorithm: str,
) -> Tensor:
    geometry = plan.geometry
    records = grad_mode.enabled and (
        input._requires_grad or weight._requires_grad or (bias is not None and bias._requires_grad)
    )
    epilogue = _core.ConvEpilogue(None if bias is None else bias._array)
    y = _core.conv_transpose_forward(
        input._array, weight._array, plan.shape, epilogue, *geometry, algorithm, not records
    )
    return _record(op, y, input, weight, bias, geometry, algorithm) if records else wrap(y)


def _record(
    op: str,
    y: Array,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: tuple[Any, Any, Any, Any, int],
    algorithm: str,
) -> Tensor:
    """A transposed convolution's history."""
    w = weight._array
    kept_x = input._array if weight._requires_grad else None
    kept_w = w if input._requires_grad else None
    needs_b = bias is not None and bias._requires_grad
    weight_shape = w.shape

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx = dw = db = None
        if kept_w is not None:
            dx = _core.conv_forward(dy, kept_w, None, *geometry, algorithm)
        if kept_x is not None:  # the convolution runs from y to x: they change places
            dw, _ = _core.conv_backward_weight(
                kept_x, dy, weight_shape, *geometry, False, algorithm
            )
        if needs_b:
            db = _core.sum(dy, (0, *range(2, dy.ndim)), False)
        return (dx, dw) if bias is None else (dx, dw, db)

    inputs = (input, weight) if bias is None else (input, weight, bias)
    saved = tuple([array for array in (kept_x, kept_w) if array is not None])
    return record(op, y, inputs, backward, saved)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Transposed convolution of sequences, (N, C, L) or (C, L); see `conv_transpose2d`.

    Args:
        input: (N, C, L) or (C, L).
        weight: (C, K / groups, kernel).
        bias: see `conv_transpose2d`, as the others.
        stride: distance of the kernel's copies in the output.
        padding: pixels to leave out at both ends.
        output_padding: pixels more at the end.
        groups: number of independent parts.
        dilation: distance between the kernel's taps.
        algorithm: see `conv2d`.

    Returns:
        (N, K, L_out) or (K, L_out).

    Example:
        >>> F.conv_transpose1d(tw.rand(2, 3, 10), tw.rand(3, 6, 4), stride=2, padding=1).shape
        (2, 6, 20)
    """
    return transposed_convolution(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation, algorithm
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Add up copies of the kernel, one for each input pixel, weighted with it, `stride` apart.

    It is the gradient of `conv2d` for its input, and makes images larger where that makes them
    smaller: the output size is (H - 1) s - 2p + d(k - 1) + output_padding + 1.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        weight: (C, K / groups, kernel height, kernel width), of the input's type.
        bias: (K,) or None.
        stride: distance of the kernel's copies in the output, an int or one for each dimension.
        padding: pixels to leave out at the output's border: the padding of the convolution.
        output_padding: pixels more at the output's end, fewer than stride or dilation: a
            convolution with a stride maps several sizes to one.
        groups: number of parts that the channels of both sides are divided into.
        dilation: distance between the kernel's taps.
        algorithm: see `conv2d`; the forward pass is the algorithm's gradient for the data.

    Returns:
        (N, K, H_out, W_out) or (K, H_out, W_out), stored channels-last.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree or sizes that cannot be.

    Example:
        >>> x = tw.rand(2, 16, 14, 14)
        >>> tw.nn.functional.conv_transpose2d(x, tw.rand(16, 8, 2, 2), stride=2).shape
        (2, 8, 28, 28)
    """
    return transposed_convolution(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation, algorithm
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
    *,
    algorithm: str = "auto",
) -> Tensor:
    """Transposed convolution of volumes, (N, C, D, H, W) or (C, D, H, W); see `conv_transpose2d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (C, K / groups, kernel depth, height, width).
        bias: see `conv_transpose2d`, as the others.
        stride: distance of the kernel's copies in the output.
        padding: pixels to leave out at the output's border.
        output_padding: pixels more at the output's end.
        groups: number of independent parts.
        dilation: distance between the kernel's taps.
        algorithm: see `conv2d`.

    Returns:
        (N, K, D_out, H_out, W_out) or without N.

    Example:
        >>> F.conv_transpose3d(tw.rand(2, 3, 2, 4, 4), tw.rand(3, 6, 2, 2, 2), stride=2).shape
        (2, 6, 4, 8, 8)
    """
    return transposed_convolution(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation, algorithm
    )
