"""How a kernel moves over an image: the attributes that convolutions and pools share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewise import functional as F
from tilewise.tensor import Tensor

from ..module import Node
from ..values import checked_shape, growth_limit

_LARGEST = 2**31 - 1
_AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Window:
    """One entry a spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def symmetric(self) -> bool:
        """Whether both ends are padded alike."""
        return self.begin == self.end

    @property
    def reach(self) -> tuple[int, ...]:
        """Pixels from a window's first to its last, in each dimension."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


def entries(node: Node, name: str, count: int, default: int, minimum: int) -> tuple[int, ...]:
    """An attribute of `count` integers."""
    values = tuple(node.get(name) or ())
    if not values:
        return (default,) * count
    if len(values) != count or not all(minimum <= n <= _LARGEST for n in values):
        raise ValueError(f"expected {name} as {count} integers from {minimum}, got {values[:8]}")
    return values


def spatial_dims(x: Tensor) -> int:
    """Dimensions of an image (N, C, spatial…), one to three."""
    if not 3 <= x.ndim <= 5:
        raise ValueError(f"expected (N, C, spatial…) with 1 to 3 spatial dimensions, got {x.shape}")
    return x.ndim - 2


def window_of(
    node: Node, x: Tensor, kernel: Sequence[int] | None = None, ceil: bool = False
) -> Window:
    """The window of a convolution (whose weights give the kernel) or of a pool.

    Raises:
        ValueError: attributes disagree with the input, or the result would be absurdly large.
    """
    dims = spatial_dims(x)
    size = tuple(x.shape[2:])
    shape = entries(node, "kernel_shape", dims, 0, 1)
    if kernel is not None:
        if node.get("kernel_shape") and shape != tuple(kernel):
            raise ValueError(f"expected kernel_shape as the weights', {kernel}, got {shape}")
        shape = tuple(kernel)
    if len(shape) != dims or min(shape) < 1:
        raise ValueError(f"expected a kernel of {dims} positive sizes, got {shape}")
    stride = entries(node, "strides", dims, 1, 1)
    dilation = entries(node, "dilations", dims, 1, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(shape, dilation, strict=True)]
    mode = node.get("auto_pad", "NOTSET")
    if mode not in _AUTO:
        raise ValueError(f"expected auto_pad as one of {_AUTO}, got {mode!r}")
    pads = entries(node, "pads", 2 * dims, 0, 0)
    begin, end = pads[:dims], pads[dims:]
    if mode == "VALID":
        begin = end = (0,) * dims
    elif mode != "NOTSET":
        total = [
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, s, r in zip(size, stride, reach, strict=True)
        ]
        small = tuple(t // 2 for t in total)
        large = tuple(t - t // 2 for t in total)
        begin, end = (large, small) if mode == "SAME_LOWER" else (small, large)
    output = tuple(
        _outputs(n, b, e, r, s, ceil)
        for n, b, e, r, s in zip(size, begin, end, reach, stride, strict=True)
    )
    padded = [n + b + e for n, b, e in zip(size, begin, end, strict=True)]
    checked_shape([*x.shape[:2], *padded], growth_limit(x))
    checked_shape([*x.shape[:2], *output], growth_limit(x))
    return Window(shape, stride, dilation, begin, end, output)


def _outputs(size: int, begin: int, end: int, reach: int, stride: int, ceil: bool) -> int:
    room = size + begin + end - reach
    if room < 0:
        raise ValueError(f"a window of {reach} pixels is larger than {size} with {begin} + {end}")
    count = room // stride + 1
    # In ceil mode a last window may hang over the end, if it starts before it.
    if ceil and room % stride and count * stride < size + begin:
        count += 1
    return count


def pad_spatial(x: Tensor, begin: Sequence[int], end: Sequence[int], value: float = 0.0) -> Tensor:
    """An explicit border; negative amounts cut away."""
    if not any(begin) and not any(end):
        return x
    amounts = [n for pair in zip(reversed(begin), reversed(end), strict=True) for n in pair]
    return F.pad(x, amounts, value=value)
