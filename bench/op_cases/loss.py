"""Losses."""

from __future__ import annotations

import math

from op_cases import Case, Input

FLAT = (8_000_000,)
MAPS = (8, 21, 128, 128)
PIXELS = (8, 128, 128)
SCORES = (256, 1000)
FLAT_VALUES, MAP_VALUES, SCORE_VALUES = map(math.prod, (FLAT, MAPS, SCORES))

CASES = [
    Case(
        "cross_entropy, 256x1000",
        (Input(SCORES), Input((256,), classes=1000)),
        lambda lib: lib.F.cross_entropy,
    ),
    Case(
        "cross_entropy, 8x21x128x128",
        (Input(MAPS), Input(PIXELS, classes=21)),
        lambda lib: lib.F.cross_entropy,
    ),
    Case(
        "mse_loss, 8M",
        (Input(FLAT), Input(FLAT, grad=False)),
        lambda lib: lib.F.mse_loss,
        forward=2 * FLAT_VALUES,
        training=5 * FLAT_VALUES,
    ),
    Case(
        "binary_cross_entropy_with_logits, 8M",
        (Input(FLAT), Input(FLAT, grad=False)),
        lambda lib: lib.F.binary_cross_entropy_with_logits,
        forward=2 * FLAT_VALUES,
        training=5 * FLAT_VALUES,
    ),
]
