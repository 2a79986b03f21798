"""Losses as modules: the functions of `tilewise.nn.functional` with their options kept."""

from __future__ import annotations

from tilewise import functional as F
from tilewise._arguments import as_float, as_int, as_probability, wrong_type
from tilewise.functional.losses.common import reduction_of
from tilewise.nn.module import Module
from tilewise.tensor import Tensor


class Loss(Module):
    """A loss with its reduction; `size_average` and `reduce` are the old form of it."""

    reduction: str

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        choices: tuple[str, ...] = ("none", "mean", "sum"),
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.reduction = reduction_of(name, reduction, size_average, reduce, choices)

    def _weight(self, name: str, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise wrong_type(type(self).__name__, name, "a Tensor or None", value)
        self.register_buffer(name, value)


class WeightedLoss(Loss):
    """A loss with a weight, which is a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self._weight("weight", weight)


class CrossEntropyLoss(WeightedLoss):
    """Minus the log of the softmax at the label, from logits: `F.cross_entropy`.

    Args:
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        ignore_index: a label that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        label_smoothing: how much of each label is spread over all classes, from 0 to 1.

    Example:
        >>> nn.CrossEntropyLoss(label_smoothing=0.1)(tw.zeros(2, 10), tw.tensor([3, 7]))
        tensor(2.3026)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        op = "CrossEntropyLoss"
        self.ignore_index = as_int(op, "ignore_index", ignore_index, -(2**63), 2**63 - 1)
        self.label_smoothing = as_probability(op, "label_smoothing", label_smoothing)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, …) and labels (N, …) or probabilities."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """Minus the input at the label, for the output of LogSoftmax: `F.nll_loss`.

    Args:
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        ignore_index: a label that counts for nothing.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.NLLLoss()(tw.log_softmax(tw.zeros(2, 4), 1), tw.tensor([0, 3]))
        tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = as_int("NLLLoss", "ignore_index", ignore_index, -(2**63), 2**63 - 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of log-probabilities (N, C, …) and labels (N, …)."""
        return F.nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class FocalLoss(Loss):
    """Cross-entropy in which well classified samples count less: `F.softmax_focal_loss`.

    Args:
        weight: (C,), a factor for each class.
        gamma: how much less.
        ignore_index: a label that counts for nothing.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.FocalLoss()(tw.tensor([[4.0, 0.0], [0.0, 0.0]]), tw.tensor([0, 0]))
        tensor(0.0866)
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        gamma: float = 2.0,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self._weight("weight", weight)
        self.gamma = as_float("FocalLoss", "gamma", gamma, 0.0)
        self.ignore_index = as_int("FocalLoss", "ignore_index", ignore_index, -(2**63), 2**63 - 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, …) and labels (N, …)."""
        return F.softmax_focal_loss(
            input, target, self.weight, self.gamma, self.ignore_index, self.reduction
        )


class DiceLoss(Loss):
    """1 - Dice of probabilities and masks: `F.dice_loss`.

    Args:
        eps: makes Dice 1 where mask and prediction are both empty.
        squared: square in the denominator.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.DiceLoss()(tw.ones(1, 1, 4), tw.ones(1, 1, 4))
        tensor(0.)
    """

    def __init__(self, eps: float = 1e-6, squared: bool = True, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.eps = as_float("DiceLoss", "eps", eps, 0.0)
        self.squared = squared

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of probabilities (N, C, …) and masks, or labels (N, …)."""
        return F.dice_loss(input, target, self.eps, self.squared, self.reduction)


class MSELoss(Loss):
    """The squared difference: `F.mse_loss`.

    Args:
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.MSELoss()(tw.zeros(4), tw.ones(4))
        tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of two tensors whose shapes broadcast."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The absolute difference: `F.l1_loss`. Arguments as MSELoss.

    Example:
        >>> nn.L1Loss()(tw.zeros(4), tw.full((4,), -3.0))
        tensor(3.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of two tensors whose shapes broadcast."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """A parabola near 0, straight beyond: `F.smooth_l1_loss`.

    Args:
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        beta: where the parabola ends.

    Example:
        >>> nn.SmoothL1Loss()(tw.zeros(4), tw.full((4,), 3.0))
        tensor(2.5000)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = as_float("SmoothL1Loss", "beta", beta, 0.0)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of two tensors whose shapes broadcast."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """A parabola near 0, straight beyond: `F.huber_loss`.

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the parabola ends, above 0.

    Example:
        >>> nn.HuberLoss(delta=2.0)(tw.zeros(4), tw.full((4,), 3.0))
        tensor(4.)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = as_float("HuberLoss", "delta", delta)
        if not self.delta > 0.0:
            raise ValueError(f"HuberLoss: expected delta > 0, got {self.delta}")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of two tensors whose shapes broadcast."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of log-probabilities: `F.kl_div`.

    Args:
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "batchmean", "mean", "sum" or "none".
        log_target: the target holds logarithms too.

    Example:
        >>> loss = nn.KLDivLoss(reduction="batchmean")
        >>> loss(tw.tensor([[0.9, 0.1]]).log(), tw.tensor([[0.5, 0.5]]))
        tensor(0.5108)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        choices = ("none", "mean", "sum", "batchmean")
        super().__init__(size_average, reduce, reduction, choices)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of log-probabilities and probabilities."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    """Minus the log-likelihood of counts: `F.poisson_nll_loss`.

    Args:
        log_input: whether the input is the logarithm of the rate.
        full: add Stirling's term.
        size_average: deprecated, see `reduction`.
        eps: keeps the logarithm finite.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.PoissonNLLLoss()(tw.zeros(2), tw.tensor([0.0, 3.0]))
        tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = as_float("PoissonNLLLoss", "eps", eps)

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """The loss of rates, or their logarithms, and counts."""
        return F.poisson_nll_loss(
            log_input,
            target,
            self.log_input,
            self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(Loss):
    """Minus the log-likelihood under a Gaussian: `F.gaussian_nll_loss`.

    Args:
        full: add the constant term.
        eps: the least variance.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.GaussianNLLLoss()(tw.zeros(2), tw.ones(2), tw.ones(2))
        tensor(0.5000)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = as_float("GaussianNLLLoss", "eps", eps)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """The loss of means, targets and variances."""
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class BCELoss(WeightedLoss):
    """Binary cross-entropy of probabilities: `F.binary_cross_entropy`.

    Args:
        weight: a factor for each element; broadcasts.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.BCELoss()(tw.tensor([0.5]), tw.tensor([1.0]))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of probabilities and targets of one shape."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross-entropy of logits: `F.binary_cross_entropy_with_logits`.

    Args:
        weight: a factor for each element; broadcasts.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for the part of the positives; broadcasts.

    Example:
        >>> nn.BCEWithLogitsLoss(pos_weight=tw.tensor([2.0]))(tw.zeros(3, 1), tw.ones(3, 1))
        tensor(1.3863)
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self._weight("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits and targets of one shape."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class SoftMarginLoss(Loss):
    """log(1 + e⁻ᵗˣ): `F.soft_margin_loss`. Arguments as MSELoss.

    Example:
        >>> nn.SoftMarginLoss()(tw.zeros(2), tw.tensor([1.0, -1.0]))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of scores and targets of 1 or -1."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """Binary cross-entropy averaged over classes: `F.multilabel_soft_margin_loss`.

    Args:
        weight: (C,), a factor for each class.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.MultiLabelSoftMarginLoss()(tw.zeros(2, 3), tw.ones(2, 3))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C) and targets of 0 or 1."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)
