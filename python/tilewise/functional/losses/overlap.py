"""The overlap of a segmentation with its mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewise import _core
from tilewise._arguments import array_of, as_bool, as_float
from tilewise.autograd import grad_mode, record, wrap
from tilewise.functional.losses.common import reduced, reduction_of

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor


def dice_loss(
    input: Tensor,
    target: Tensor,
    eps: float = 1e-6,
    squared: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """1 - D for the Dice coefficient D of each sample and class (Milletari et al. 2016).

    D = (2 Σ p g + eps) / (Σ p² + Σ g² + eps), summed over the pixels, for predictions p and a mask
    g. Unlike cross-entropy it does not mind that most pixels are background.

    Args:
        input: probabilities, (N, C, spatial…): after `sigmoid` or `softmax`; float32 or float64.
        target: the same shape, or int64 labels (N, spatial…).
        eps: makes D 1 where mask and prediction are both empty.
        squared: square in the denominator, as the paper; False gives the Dice of sets, Σ p + Σ g.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or (N, C) for "none".

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree.
        IndexError: for a label outside the classes.

    Example:
        >>> p = tw.tensor([[[0.0, 0.5, 1.0, 1.0]]])
        >>> F.dice_loss(p, tw.tensor([[[0.0, 0.0, 1.0, 1.0]]]), squared=False)
        tensor(0.1111)
    """
    op = "dice_loss"
    reduction = reduction_of(op, reduction)
    x, t = array_of(op, "input", input), array_of(op, "target", target)
    options = (as_float(op, "eps", eps, 0.0), as_bool(op, "squared", squared))
    y, sums = _core.dice_loss(x, t, *options)
    needs = (input._requires_grad, target._requires_grad)
    if not (grad_mode.enabled and any(needs)):
        return reduced(wrap(y), reduction)

    def backward(dy: Array) -> list[Array | None]:
        return [
            _core.dice_loss_backward(dy, x, t, sums, *options, of_target) if needed else None
            for of_target, needed in zip((False, True), needs, strict=True)
        ]

    return reduced(record(op, y, (input, target), backward, (x, t)), reduction)
