"""Kernels of classical image filters, for `tw.correlate`.

    edges = tw.correlate(image, tw.filters.sobel(), boundary="replicate")

Each returns a small float32 tensor. A kernel is written as correlation sees it: the number over a
pixel is what that pixel is multiplied with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewise._arguments import as_choice, as_float, as_int, as_tuple
from tilewise.creation import tensor
from tilewise.functional.conv import PADDING_MODES
from tilewise.functional.filtering import correlate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewise.tensor import Tensor

__all__ = [
    "box",
    "edge",
    "emboss",
    "gaussian",
    "gaussian_blur",
    "identity",
    "laplacian",
    "prewitt",
    "scharr",
    "sharpen",
    "sobel",
]


def _rows(*rows: Sequence[float], scale: float = 1.0) -> Tensor:
    return tensor([[value * scale for value in row] for row in rows])


def _derivative(op: str, axis: str, smoothing: tuple[float, ...], normalized: bool) -> Tensor:
    """A difference along one axis, an average along the other."""
    as_choice(op, "axis", axis, ("x", "y"))
    scale = 1.0 / (2.0 * sum(smoothing)) if normalized else 1.0
    across = _rows(*((-weight, 0.0, weight) for weight in smoothing), scale=scale)
    return across if axis == "x" else across.t().contiguous()


def identity(size: int = 3) -> Tensor:
    """The kernel that changes nothing: 1 in the middle.

    Example:
        >>> tw.filters.identity()
        tensor([[0., 0., 0.],
                [0., 1., 0.],
                [0., 0., 0.]])
    """
    size = _odd("identity", size)
    middle = size // 2
    return _rows(*([float(r == c == middle) for c in range(size)] for r in range(size)))


def box(size: int | Sequence[int] = 3) -> Tensor:
    """The average over a square, or over a rectangle (height, width).

    Example:
        >>> tw.filters.box((1, 4))
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    height, width = as_tuple("box", "size", size, 2, 1)
    return _rows(*([1.0] * width for _ in range(height)), scale=1.0 / (height * width))


def gaussian(sigma: float, size: int | None = None, dims: int = 2) -> Tensor:
    """The Gaussian bell exp(-r² / 2σ²), cut to `size` and normalised to a sum of 1.

    Args:
        sigma: its standard deviation in pixels.
        size: an odd number of pixels; None for the smallest that reaches 4σ on either side.
        dims: of the kernel, 1 to 3. In one dimension it is the factor of a separable filter:
            see `gaussian_blur`.

    Example:
        >>> tw.filters.gaussian(1.0, 3, dims=1)
        tensor([0.2741, 0.4519, 0.2741])
    """
    spread = as_float("gaussian", "sigma", sigma)
    if not (spread > 0 and math.isfinite(spread)):
        raise ValueError(f"gaussian: expected a finite sigma > 0, got {sigma}")
    as_int("gaussian", "dims", dims, 1, 3)
    if size is None:
        size = 2 * max(1, math.ceil(4 * spread)) + 1
    radius = _odd("gaussian", size) // 2
    bell = [math.exp(-0.5 * (i / spread) ** 2) for i in range(-radius, radius + 1)]
    total = sum(bell)
    line = tensor([value / total for value in bell])
    kernel = line
    for _ in range(dims - 1):
        kernel = kernel.unsqueeze(-1) * line
    return kernel


def sobel(axis: str = "x", normalized: bool = False) -> Tensor:
    """The derivative along `axis`, smoothed 1 2 1 across it (Sobel and Feldman, 1968).

    Args:
        axis: "x" for edges that stand upright, "y" for those that lie.
        normalized: give the derivative a pixel, an eighth of the integers.

    Example:
        >>> tw.filters.sobel()
        tensor([[-1.,  0.,  1.],
                [-2.,  0.,  2.],
                [-1.,  0.,  1.]])
    """
    return _derivative("sobel", axis, (1.0, 2.0, 1.0), normalized)


def scharr(axis: str = "x", normalized: bool = False) -> Tensor:
    """As `sobel`, smoothed 3 10 3: nearly the same answer in all directions (Scharr, 2000).

    Example:
        >>> tw.filters.scharr("y")
        tensor([[ -3., -10.,  -3.],
                [  0.,   0.,   0.],
                [  3.,  10.,   3.]])
    """
    return _derivative("scharr", axis, (3.0, 10.0, 3.0), normalized)


def prewitt(axis: str = "x", normalized: bool = False) -> Tensor:
    """As `sobel`, smoothed 1 1 1 (Prewitt, 1970).

    Example:
        >>> tw.filters.prewitt()
        tensor([[-1.,  0.,  1.],
                [-1.,  0.,  1.],
                [-1.,  0.,  1.]])
    """
    return _derivative("prewitt", axis, (1.0, 1.0, 1.0), normalized)


def laplacian(diagonals: bool = False) -> Tensor:
    """The sum of the second derivatives; with `diagonals`, over all eight neighbours.

    Example:
        >>> tw.filters.laplacian()
        tensor([[ 0.,  1.,  0.],
                [ 1., -4.,  1.],
                [ 0.,  1.,  0.]])
    """
    d = float(diagonals)
    return _rows((d, 1.0, d), (1.0, -4.0 - 4.0 * d, 1.0), (d, 1.0, d))


def edge() -> Tensor:
    """What differs from its eight neighbours: the edge detector of the lectures.

    Example:
        >>> tw.filters.edge()
        tensor([[-1., -1., -1.],
                [-1.,  8., -1.],
                [-1., -1., -1.]])
    """
    return -laplacian(diagonals=True)


def sharpen(amount: float = 1.0) -> Tensor:
    """The image and `amount` times what differs from its four neighbours.

    Example:
        >>> tw.filters.sharpen()
        tensor([[ 0., -1.,  0.],
                [-1.,  5., -1.],
                [ 0., -1.,  0.]])
    """
    return identity() - as_float("sharpen", "amount", amount) * laplacian()


def emboss() -> Tensor:
    """A relief lit from the upper left.

    Example:
        >>> tw.filters.emboss()
        tensor([[-2., -1.,  0.],
                [-1.,  1.,  1.],
                [ 0.,  1.,  2.]])
    """
    return _rows((-2.0, -1.0, 0.0), (-1.0, 1.0, 1.0), (0.0, 1.0, 2.0))


def gaussian_blur(
    input: Tensor,
    sigma: float,
    size: int | None = None,
    dims: int = 2,
    boundary: str = "reflect",
) -> Tensor:
    """Smooth the last dimensions with a Gaussian, one after the other: it is separable.

    Args:
        input: (…, spatial sizes), float32 or float64.
        sigma: standard deviation in pixels.
        size: of the kernel along each dimension; see `gaussian`.
        dims: how many dimensions to smooth, 1 to 3.
        boundary: see `correlate`.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for sizes that cannot be.

    Example:
        >>> tw.filters.gaussian_blur(tw.rand(3, 32, 32), 1.5).shape
        (3, 32, 32)
    """
    as_choice("gaussian_blur", "boundary", boundary, PADDING_MODES)
    as_int("gaussian_blur", "dims", dims, 1, 3)
    line = gaussian(sigma, size, dims=1).to(input.dtype)
    output = input
    for i in range(dims):
        shape = [1] * dims
        shape[i] = line.shape[0]
        output = correlate(output, line.reshape(*shape), boundary=boundary)
    return output


def _odd(op: str, size: int) -> int:
    size = as_int(op, "size", size, 1, 65535)
    if size % 2 == 0:
        raise ValueError(f"{op}: expected an odd size, got {size}")
    return size
