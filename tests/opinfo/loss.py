"""Losses and the distances that some of them are made of."""

from __future__ import annotations

from typing import Any

from opinfo.harness import Row
from tilewise import Tensor, nn
from tilewise.nn import functional as F


def triplet_margin_with_distance_loss(
    *triple: Tensor, distance_function: Any = None, **options: Any
) -> Tensor:
    """With the distance here in place of PyTorch's module."""
    distance = None if distance_function is None else nn.PairwiseDistance()
    return F.triplet_margin_with_distance_loss(*triple, distance_function=distance, **options)


ROWS = [
    Row("nn.functional.binary_cross_entropy"),
    Row("nn.functional.binary_cross_entropy_with_logits"),
    Row("nn.functional.cosine_embedding_loss"),
    Row("nn.functional.cosine_similarity"),  # some gradients are 0
    Row("nn.functional.cross_entropy"),
    Row("nn.functional.gaussian_nll_loss"),
    Row("nn.functional.hinge_embedding_loss"),
    Row("nn.functional.huber_loss"),
    Row("nn.functional.kl_div"),
    Row("nn.functional.l1_loss"),
    Row("nn.functional.margin_ranking_loss"),
    Row("nn.functional.mse_loss"),
    Row("nn.functional.multi_margin_loss"),
    Row("nn.functional.multilabel_margin_loss"),
    Row("nn.functional.multilabel_soft_margin_loss"),
    Row("nn.functional.nll_loss"),
    Row("nn.functional.pairwise_distance"),
    Row("nn.functional.poisson_nll_loss"),
    Row("nn.functional.smooth_l1_loss"),
    Row("nn.functional.soft_margin_loss"),
    Row("nn.functional.triplet_margin_loss"),
    Row("nn.functional.triplet_margin_with_distance_loss", triplet_margin_with_distance_loss),
]
