"""Normalisation, similarity and dropout."""

from __future__ import annotations

from typing import Any

from opinfo.harness import Reason, Row


def _random(sample: Any) -> Reason:
    """Random numbers differ; p of 0 and 1 and evaluation leave no choice."""
    training = sample.kwargs.get("training", True)
    if training and sample.kwargs.get("p", 0.5) not in {0.0, 1.0}:
        return "other random numbers: test_dropout_forms.py compares statistics"
    return None


ROWS = [
    Row("nn.functional.batch_norm"),
    Row("nn.functional.group_norm"),
    Row("nn.functional.instance_norm"),
    # A row of one number has no gradient: the terms that cancel are 1 / √eps times as large.
    Row("nn.functional.layer_norm", least=10.0),
    Row("nn.functional.rms_norm"),
    Row("nn.functional.local_response_norm"),
    Row("nn.functional.normalize"),
    Row("nn.functional.cosine_similarity"),
    Row("nn.functional.dropout", skip=_random),
    Row("nn.functional.dropout2d", skip=_random),
    Row("nn.functional.dropout3d", skip=_random),
    Row("nn.functional.alpha_dropout", skip=_random),
    Row("nn.functional.feature_alpha_dropout", variant="with_train", skip=_random),
    Row("nn.functional.feature_alpha_dropout", variant="without_train", skip=_random),
]
