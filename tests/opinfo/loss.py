"""Losses and the distances that some of them are made of."""

from __future__ import annotations

from opinfo.harness import Row

ROWS = [
    Row("nn.functional.binary_cross_entropy"),
    Row("nn.functional.binary_cross_entropy_with_logits"),
    Row("nn.functional.cosine_embedding_loss"),
    Row("nn.functional.cosine_similarity"),
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
    Row("nn.functional.triplet_margin_with_distance_loss"),
]
