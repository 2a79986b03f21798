"""Out to ONNX and in again: `load(export(model))` computes what the model computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewise as tw
from onnx_cases import CASES, Case

pytest.importorskip("onnx")
from test_onnx_export import assert_equal, flat, small, with_statistics
from tilewise import nn, onnx, optim
from tilewise.nn import functional as F


def outputs(model: nn.Module, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    with tw.no_grad():
        return flat(model(*[tw.tensor(a) for a in arrays]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers_and_functions(case: Case) -> None:
    model = with_statistics(case.build())
    proto = onnx.export(model, [tw.tensor(a) for a in case.inputs(2)])
    again = onnx.load(proto).eval()
    for batch in (2, 3):
        arrays = case.inputs(batch)
        assert_equal(outputs(again, arrays), outputs(model, arrays), 1e-5)


def test_what_was_loaded_trains() -> None:
    """Both take the same steps."""
    draw = np.random.default_rng(0)
    x = tw.tensor(draw.standard_normal((4, 4, 8, 8)).astype(np.float32))
    labels = tw.tensor([0, 2, 1, 0])
    model = small().eval()  # with running statistics: those of a batch would differ by momentum
    again = onnx.load(onnx.export(model, x)).eval()
    losses = []
    for net in (model, again):
        steps = optim.SGD(net.parameters(), lr=0.1)
        taken = []
        for _ in range(4):
            steps.zero_grad()
            loss = F.cross_entropy(net(x), labels)
            loss.backward()
            steps.step()
            taken.append(loss.item())
        losses.append(taken)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]
