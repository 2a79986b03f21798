"""Losses with a margin, and distances, as modules."""

from __future__ import annotations

from collections.abc import Callable

from tilewise import functional as F
from tilewise._arguments import as_bool, as_float, as_int
from tilewise.nn.loss import Loss, WeightedLoss
from tilewise.nn.module import Module
from tilewise.tensor import Tensor


class _MarginLoss(Loss):
    """A loss whose first argument is its margin."""

    def __init__(
        self,
        margin: float,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = as_float(type(self).__name__, "margin", margin)


class HingeEmbeddingLoss(_MarginLoss):
    """The hinge of distances: `F.hinge_embedding_loss`.

    Args:
        margin: how far apart unlike pairs should be.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.HingeEmbeddingLoss()(tw.tensor([0.3, 0.3]), tw.tensor([1, -1]))
        tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of distances and targets of 1 or -1."""
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    """max(0, margin - t (x₁ - x₂)): `F.margin_ranking_loss`.

    Args:
        margin: by how much the better one should win.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.MarginRankingLoss()(tw.tensor([1.0]), tw.tensor([3.0]), tw.tensor([1.0]))
        tensor(2.)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of two scores and targets of 1 or -1."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """A loss of the angle between vectors: `F.cosine_embedding_loss`.

    Args:
        margin: the cosine that unlike pairs may have.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> a, b = tw.tensor([[1.0, 0.0]]), tw.tensor([[1.0, 1.0]])
        >>> nn.CosineEmbeddingLoss()(a, b, tw.tensor([1]))
        tensor(0.2929)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of vectors (N, D) or (D,) and targets of 1 or -1."""
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MultiMarginLoss(WeightedLoss):
    """The multi-class hinge, a linear SVM's loss: `F.multi_margin_loss`.

    Args:
        p: 1, or 2 for the squared hinge.
        margin: by how much the label should win.
        weight: (C,), a factor for each label's samples.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> nn.MultiMarginLoss()(tw.tensor([[0.1, 0.2, 0.4, 0.8]]), tw.tensor([3]))
        tensor(0.3250)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.p = as_int("MultiMarginLoss", "p", p, 1, 2)
        self.margin = as_float("MultiMarginLoss", "margin", margin)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of scores (N, C) and labels (N,)."""
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(Loss):
    """The hinge between classes that apply and others: `F.multilabel_margin_loss`.

    Args:
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> x = tw.tensor([[0.1, 0.2, 0.4, 0.8]])
        >>> nn.MultiLabelMarginLoss()(x, tw.tensor([[3, 0, -1, 1]]))
        tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of scores (N, C) and lists of labels (N, C)."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class TripletMarginLoss(_MarginLoss):
    """The negative should be farther than the positive: `F.triplet_margin_loss`.

    Args:
        margin: by how much, above 0.
        p: of the norm.
        eps: added to each difference.
        swap: take the nearer of the negative's distances to anchor and positive.
        size_average: deprecated, see `reduction`.
        reduce: deprecated, see `reduction`.
        reduction: "mean", "sum" or "none".

    Example:
        >>> loss = nn.TripletMarginLoss()
        >>> loss(tw.zeros(1, 2), tw.zeros(1, 2), tw.tensor([[0.3, 0.4]]))
        tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        op = "TripletMarginLoss"
        if not self.margin > 0.0:
            raise ValueError(f"{op}: expected margin > 0, got {self.margin}")
        self.p = as_float(op, "p", p)
        self.eps = as_float(op, "eps", eps)
        self.swap = as_bool(op, "swap", swap)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triples of vectors (N, D) or (D,)."""
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            self.margin,
            self.p,
            self.eps,
            self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """The triplet loss of any distance: `F.triplet_margin_with_distance_loss`.

    Args:
        distance_function: maps two tensors to their distances; PairwiseDistance where None.
        margin: by how much, above 0.
        swap: take the nearer of the negative's distances to anchor and positive.
        reduction: "mean", "sum" or "none".

    Example:
        >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance(p=1))
        >>> loss(tw.zeros(1, 2), tw.zeros(1, 2), tw.tensor([[0.3, 0.4]]))
        tensor(0.3000)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        op = "TripletMarginWithDistanceLoss"
        self.distance_function = (
            PairwiseDistance() if distance_function is None else (distance_function)
        )
        self.margin = as_float(op, "margin", margin)
        if not self.margin > 0.0:
            raise ValueError(f"{op}: expected margin > 0, got {self.margin}")
        self.swap = as_bool(op, "swap", swap)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triples that the distance takes."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class PairwiseDistance(Module):
    """The p-norm of differences over the last dimension: `F.pairwise_distance`.

    Args:
        p: of the norm.
        eps: added to each difference.
        keepdim: keep the last dimension with size 1.

    Example:
        >>> nn.PairwiseDistance()(tw.zeros(2, 2), tw.tensor([3.0, 4.0]))
        tensor([5.0000, 5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        op = "PairwiseDistance"
        self.norm = as_float(op, "p", p)
        self.eps = as_float(op, "eps", eps)
        self.keepdim = as_bool(op, "keepdim", keepdim)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The distances of vectors (N, D) or (D,)."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors: `F.cosine_similarity`.

    Args:
        dim: the dimension along which the vectors lie.
        eps: the least norm to divide by.

    Example:
        >>> nn.CosineSimilarity()(tw.tensor([[1.0, 0.0]]), tw.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = as_int("CosineSimilarity", "dim", dim)
        self.eps = as_float("CosineSimilarity", "eps", eps)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The cosines of two tensors whose shapes broadcast."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
