"""Classical filtering: correlation and true convolution of signals, images and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise._arguments import array_of, as_choice
from tilewise._dtypes import FLOATING
from tilewise.functional.conv import PADDING_MODES, Geometry, Options, correlation

if TYPE_CHECKING:
    from tilewise.tensor import Tensor

MODES = ("full", "same", "valid")


def _border(mode: str, k: int) -> tuple[int, int]:
    """Elements before and after a dimension under a kernel of k."""
    if mode == "full":
        return k - 1, k - 1
    return (k // 2, (k - 1) // 2) if mode == "same" else (0, 0)


def _check(op: str, input: Any, kernel: Any, mode: str, boundary: str) -> int:
    """The number of dimensions of the kernel."""
    x, k = array_of(op, "input", input), array_of(op, "kernel", kernel)
    as_choice(op, "mode", mode, MODES)
    as_choice(op, "boundary", boundary, PADDING_MODES)
    if not 1 <= k.ndim <= 3 or x.ndim < k.ndim:
        raise ValueError(
            f"{op}: expected a kernel of 1 to 3 dimensions, no more than the input's, got input "
            f"{x.shape} and kernel {k.shape}"
        )
    if x.dtype not in FLOATING or k.dtype != x.dtype:
        raise TypeError(
            f"{op}: expected input and kernel of one dtype, float32 or float64, got "
            f"{x.dtype.name} and {k.dtype.name}"
        )
    if 0 in k.shape or 0 in x.shape[-k.ndim :]:
        raise ValueError(f"{op}: expected sizes >= 1, got input {x.shape} and kernel {k.shape}")
    return k.ndim


def correlate(input: Tensor, kernel: Tensor, mode: str = "same", boundary: str = "zeros") -> Tensor:
    """Slide a kernel over the last dimensions and sum the products under it.

    y[i] = sum over j of x[i + j - before] · kernel[j]. Layers compute this too, and call it
    convolution; `convolve` reflects the kernel first. `tilewise.filters` has kernels.

    Args:
        input: (…, spatial sizes), float32 or float64; all leading dimensions are filtered alike.
        kernel: of one to three dimensions, of the input's type.
        mode: "same" for an output of the input's size, with the kernel's middle (the element after
            it, where its size is even) over each pixel; "full" for every place where the two
            overlap, size + k - 1; "valid" where the kernel lies inside, size - k + 1.
        boundary: what lies outside: "zeros", "reflect", "replicate" or "circular", see `pad`.

    Returns:
        (…, output sizes).

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a kernel of too many dimensions, or one that does not fit.

    Example:
        >>> tw.correlate(tw.tensor([1.0, 2.0, 3.0]), tw.tensor([0.0, 1.0, 0.5]), "full")
        tensor([0.5000, 2.0000, 3.5000, 3.0000, 0.0000])
        >>> image = tw.rand(3, 32, 32)
        >>> tw.correlate(image, tw.filters.sobel(), boundary="replicate").shape
        (3, 32, 32)
    """
    dims = _check("correlate", input, kernel, mode, boundary)
    return _filter("correlate", input, kernel, dims, mode, boundary)


def convolve(input: Tensor, kernel: Tensor, mode: str = "full", boundary: str = "zeros") -> Tensor:
    """Convolution in the mathematical sense: `correlate` with the kernel reflected.

    y[i] = sum over j of x[i - j] · kernel[j]: commutative, and the product of polynomials.

    Args:
        input: see `correlate`, as the others.
        kernel: of one to three dimensions, of the input's type.
        mode: "full", "same" or "valid".
        boundary: what lies outside.

    Returns:
        (…, output sizes).

    Raises:
        TypeError, ValueError: as `correlate`.

    Example:
        >>> tw.convolve(tw.tensor([1.0, 2.0, 3.0]), tw.tensor([0.0, 1.0, 0.5]))
        tensor([0.0000, 1.0000, 2.5000, 4.0000, 1.5000])
    """
    dims = _check("convolve", input, kernel, mode, boundary)
    return _filter("convolve", input, kernel.flip(*range(dims)), dims, mode, boundary)


def _filter(op: str, input: Tensor, kernel: Tensor, dims: int, mode: str, boundary: str) -> Tensor:
    """The last leading dimension as channels: filters that run over them side by side."""
    shape = tuple(input.shape)
    lead, size = shape[: len(shape) - dims], shape[len(shape) - dims :]
    channels = lead[-1] if lead else 1
    images = 1
    for n in lead[:-1]:
        images *= n
    x = input.reshape(images, channels, *size)
    w = kernel.reshape(1, 1, *kernel.shape)
    if channels > 1:
        w = w.expand(channels, 1, *kernel.shape)
    borders = [_border(mode, k) for k in kernel.shape]
    one = (1,) * dims
    begin, end = tuple([b for b, _ in borders]), tuple([e for _, e in borders])
    geometry = Geometry(one, begin, end, one, max(channels, 1))
    y = correlation(op, x, w, geometry, Options(padding_mode=boundary))
    return y.reshape(*lead, *y.shape[2:])
