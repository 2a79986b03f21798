"""Dropout of elements, of channels, of blocks of pixels and of whole samples.

Random numbers are counter-based: what is dropped depends on the generator's seed and position
alone, not on the number of threads or the instruction set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_choice, as_float, as_int, as_probability
from tilewise._dtypes import FLOATING
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional._images import AXES
from tilewise.random import Generator, as_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewise._core import Array
    from tilewise.tensor import Tensor

    Forward = Callable[[Array, float, Generator, bool], tuple[Array, Array]]


def _chance(op: str, x: Array, p: float, training: bool) -> float:
    """The probability after the checks that all forms share; 0 in evaluation."""
    chance = as_probability(op, "p", p)
    if x.dtype not in FLOATING:
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {x.dtype.name}")
    return chance if as_bool(op, "training", training) else 0.0


def _written(op: str, input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    """The result, written to the input where so asked."""
    return (
        input.copy_(result) if as_bool(op, "inplace", inplace) and result is not input else result
    )


def _dropout(
    op: str,
    forward: Forward,
    input: Tensor,
    p: float,
    training: bool,
    generator: Generator | None,
    alpha: bool = False,
) -> Tensor:
    x = array_of(op, "input", input)
    chance = _chance(op, x, p, training)
    if chance == 0.0:
        return input
    y, mask = forward(x, chance, as_generator(op, generator), alpha)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(
        op, y, (input,), lambda dy: (_core.dropout_backward(dy, mask, chance, alpha),), (mask,)
    )


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set each element to zero with probability p and scale the others by 1 / (1 - p).

    Srivastava et al.: "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Args:
        input: any shape, float32 or float64.
        p: the probability, between 0 and 1.
        training: without it the input is returned as it is.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1].

    Example:
        >>> y = F.dropout(tw.ones(4, 100), p=0.5, generator=tw.Generator(0))
        >>> sorted(set(y.flatten().tolist()))
        [0.0, 2.0]
    """
    y = _dropout("dropout", _core.dropout_forward, input, p, training, generator)
    return y if inplace is False else _written("dropout", input, y, inplace)


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set each element to the limit of SELU with probability p, and keep mean 0 and variance 1.

    Klambauer et al.: "Self-normalizing neural networks" (2017).

    Args:
        input: any shape, float32 or float64.
        p: the probability, between 0 and 1.
        training: without it the input is returned as it is.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1].

    Example:
        >>> x = tw.randn(100, 100, generator=tw.Generator(0))
        >>> y = F.alpha_dropout(x, 0.2, training=True, generator=tw.Generator(1))
        >>> bool(abs(y.mean()) < 0.05), bool(abs(y.std() - 1) < 0.05)
        (True, True)
    """
    op = "alpha_dropout"
    y = _dropout(op, _core.dropout_forward, input, p, training, generator, alpha=True)
    return _written(op, input, y, inplace)


def feature_alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, …), one draw a channel.

    Args:
        input: (N, C, …), float32 or float64; any shape in evaluation.
        p: the probability, between 0 and 1.
        training: without it the input is returned as it is.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1], or fewer than two dimensions.

    Example:
        >>> x = tw.ones(8, 16, 5, 5)
        >>> y = F.feature_alpha_dropout(x, 0.5, training=True, generator=tw.Generator(0))
        >>> len(set(y.flatten().tolist()))
        2
    """
    op = "feature_alpha_dropout"
    y = _dropout(op, _core.dropout_channels_forward, input, p, training, generator, alpha=True)
    return _written(op, input, y, inplace)


def _channels(
    op: str,
    ranks: tuple[int, ...],
    shapes: str,
    input: Tensor,
    p: float,
    training: bool,
    inplace: bool,
    generator: Generator | None,
) -> Tensor:
    """Dropout of channels; an input of the first rank has no batch dimension."""
    x = array_of(op, "input", input)
    if x.ndim not in ranks:
        raise ValueError(f"{op}: expected input of shape {shapes}, got {x.shape}")
    single = x.ndim == ranks[0]
    batch = input.unsqueeze(0) if single else input
    y = _dropout(op, _core.dropout_channels_forward, batch, p, training, generator)
    if single:
        y = input if y is batch else y.squeeze(0)
    return _written(op, input, y, inplace)


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels of (N, C, L) or (C, L) to zero; see `dropout2d`.

    Example:
        >>> y = F.dropout1d(tw.ones(8, 16, 5), p=0.5, generator=tw.Generator(0))
        >>> sorted(set(y.sum(2).flatten().tolist()))
        [0.0, 10.0]
    """
    shapes = "(N, C, L) or (C, L)"
    return _channels("dropout1d", (2, 3), shapes, input, p, training, inplace, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels to zero with probability p and scale the others by 1 / (1 - p).

    Tompson et al.: "Efficient object localization using convolutional networks" (2015).

    Args:
        input: (N, C, H, W), or (N, C, L) as in PyTorch: three dimensions are a batch here.
        p: the probability, between 0 and 1.
        training: without it the input is returned as it is.
        inplace: write the result to the input.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1], or another number of dimensions.

    Example:
        >>> y = F.dropout2d(tw.ones(8, 64, 2, 2), p=0.5, generator=tw.Generator(0))
        >>> sorted(set(y.sum((2, 3)).flatten().tolist()))
        [0.0, 8.0]
    """
    shapes = "(N, C, H, W) or (N, C, L)"
    return _channels("dropout2d", (-1, 3, 4), shapes, input, p, training, inplace, generator)


def dropout3d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to zero; see `dropout2d`.

    Example:
        >>> y = F.dropout3d(tw.ones(8, 64, 2, 2, 2), p=0.5, generator=tw.Generator(0))
        >>> sorted(set(y.sum((2, 3, 4)).flatten().tolist()))
        [0.0, 16.0]
    """
    shapes = "(N, C, D, H, W) or (C, D, H, W)"
    return _channels("dropout3d", (4, 5), shapes, input, p, training, inplace, generator)


def _drop_block(
    op: str,
    dims: int,
    input: Tensor,
    numbers: tuple[float, int, float],
    flags: tuple[bool, bool],
    generator: Generator | None,
) -> Tensor:
    x = array_of(op, "input", input)
    if x.ndim != dims + 2:
        raise ValueError(f"{op}: expected input of shape {AXES[dims]}, got {x.shape}")
    p, block_size, eps = numbers
    inplace, training = flags
    size, small = as_int(op, "block_size", block_size, 1), as_float(op, "eps", eps, 0.0)
    chance, source = _chance(op, x, p, training), as_generator(op, generator)
    if chance == 0.0:
        return input
    array, mask, scale = _core.drop_block_forward(x, chance, size, small, source)
    if not (input._requires_grad and grad_mode.enabled):
        return _written(op, input, wrap(array), inplace)
    y = record(
        op, array, (input,), lambda dy: (_core.apply_dropout_mask(dy, mask, scale),), (mask,)
    )
    return _written(op, input, y, inplace)


def drop_block1d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-6,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set runs of `block_size` pixels of (N, C, L) to zero; see `drop_block2d`.

    Example:
        >>> y = F.drop_block1d(tw.ones(4, 8, 50), 0.2, 5, generator=tw.Generator(0))
        >>> bool(abs(y.mean() - 1) < 1e-3)
        True
    """
    numbers, flags = (p, block_size, eps), (inplace, training)
    return _drop_block("drop_block1d", 1, input, numbers, flags, generator)


def drop_block2d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-6,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set squares of pixels to zero, each channel by itself, and scale what is kept.

    Ghiasi, Lin, Le: "DropBlock: a regularization method for convolutional networks" (2018). A block
    starts at each place where it fits with the probability that makes about a share p disappear;
    the rest is multiplied by the number of all elements divided by that of the kept ones. The
    arguments are torchvision's; a block of an even size works too.

    Args:
        input: (N, C, H, W), float32 or float64.
        p: the share to drop, between 0 and 1.
        block_size: side of a block; at most the shorter side of the image is used.
        inplace: write the result to the input.
        eps: added to the number of kept elements.
        training: without it the input is returned as it is.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a share outside [0, 1], a block size below 1, or another rank.

    Example:
        >>> y = F.drop_block2d(tw.ones(4, 8, 28, 28), 0.2, 5, generator=tw.Generator(0))
        >>> bool(abs(y.mean() - 1) < 1e-3)
        True
    """
    numbers, flags = (p, block_size, eps), (inplace, training)
    return _drop_block("drop_block2d", 2, input, numbers, flags, generator)


def drop_block3d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-6,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set cubes of (N, C, D, H, W) to zero; see `drop_block2d`.

    Example:
        >>> y = F.drop_block3d(tw.ones(2, 8, 9, 9, 9), 0.2, 3, generator=tw.Generator(0))
        >>> bool(abs(y.mean() - 1) < 1e-3)
        True
    """
    numbers, flags = (p, block_size, eps), (inplace, training)
    return _drop_block("drop_block3d", 3, input, numbers, flags, generator)


def stochastic_depth(
    input: Tensor,
    p: float,
    mode: str,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Set whole samples, or the whole batch, to zero with probability p.

    Huang et al.: "Deep networks with stochastic depth" (2016). What is kept is divided by 1 - p.
    Applied to a residual branch, it leaves the branch out. The arguments are torchvision's.

    Args:
        input: (N, …), float32 or float64.
        p: the probability, between 0 and 1.
        mode: "row" for a draw a sample, "batch" for one draw.
        training: without it the input is returned as it is.
        generator: None for the default one.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for a probability outside [0, 1], another mode, or an input without dimensions.

    Example:
        >>> y = F.stochastic_depth(tw.ones(8, 3, 2, 2), 0.5, "row", generator=tw.Generator(0))
        >>> sorted(set(y.sum((1, 2, 3)).tolist()))
        [0.0, 24.0]
    """
    op = "stochastic_depth"
    x = array_of(op, "input", input)
    by_row = as_choice(op, "mode", mode, ("batch", "row")) == "row"
    chance = _chance(op, x, p, training)
    if x.ndim == 0:
        raise ValueError(f"{op}: expected input of shape (N, …), got ()")
    if chance == 0.0:
        return input
    shape = (x.shape[0] if by_row else 1,) + (1,) * (x.ndim - 1)
    ones = _core.Array.full(shape, 1.0, x.dtype)
    factors: Any = _core.dropout_forward(ones, chance, as_generator(op, generator))[0]
    y = _core.mul(x, factors)
    if not (input._requires_grad and grad_mode.enabled):
        return wrap(y)
    return record(op, y, (input,), lambda dy: (_core.mul(dy, factors),))
