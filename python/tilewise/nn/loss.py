"""Losses as modules."""

from __future__ import annotations

from tilewise import functional as F
from tilewise._arguments import as_choice, as_float, as_int, wrong_type
from tilewise.nn.module import Module
from tilewise.tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")


class _ClassLoss(Module):
    """A loss over classes: its weight, ignored label and reduction."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__()
        op = type(self).__name__
        if weight is not None and not isinstance(weight, Tensor):
            raise wrong_type(op, "weight", "a Tensor or None", weight)
        self.register_buffer("weight", weight)
        self.ignore_index = as_int(op, "ignore_index", ignore_index)
        self.reduction = as_choice(op, "reduction", reduction, _REDUCTIONS)


class CrossEntropyLoss(_ClassLoss):
    """Minus the log of the softmax at the label, from logits.

    Args:
        weight: (C,), a factor for each class.
        ignore_index: a label that counts for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: how much of each label is spread over all classes, from 0 to 1.

    Example:
        >>> loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(images), labels)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = as_float("CrossEntropyLoss", "label_smoothing", label_smoothing)
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise ValueError(
                f"CrossEntropyLoss: expected label_smoothing between 0 and 1, got {label_smoothing}"
            )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """`cross_entropy` of logits (N, C, …) and labels (N, …)."""
        return F.cross_entropy(
            input, target, self.weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


class NLLLoss(_ClassLoss):
    """Minus the input at the label: for the output of LogSoftmax; see CrossEntropyLoss."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """`nll_loss` of log-probabilities (N, C, …) and labels (N, …)."""
        return F.nll_loss(
            input,target, self.weight, None, self.ignore_index, None, self.reduction)


class MSELoss(Module):
    """The squared difference.

    Args:
        reduction: "mean", "sum" or "none".
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = as_choice("MSELoss", "reduction", reduction, _REDUCTIONS)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """`mse_loss` of two tensors of one shape."""
        return F.mse_loss(input, target, reduction=self.reduction)
