"""The zoo beside torchvision: names and shapes of the states, and logits of the same weights."""

from __future__ import annotations

import importlib.util
import json
import sys
import types

import numpy as np
import pytest

import tilewise as tw
import torchvision_states
from helpers import assert_close, requires_torch
from tilewise import models, nn

STATES = json.loads(torchvision_states.TABLE.read_text(encoding="utf-8"))
# One of each kind of block.
COMPARED = [
    "resnet18", "resnext50_32x4d", "googlenet", "densenet121", "squeezenet1_0", "squeezenet1_1",
    "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0",
]  # fmt: skip

requires_torchvision = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "torchvision")),
    reason="torchvision is not installed: pip install torchvision",
)


@pytest.fixture
def torchvision_models(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """torchvision.models, also where its compiled part does not fit PyTorch's build."""
    stand_in = types.ModuleType("torchvision._meta_registrations")
    if "torchvision" not in sys.modules:
        monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    import torchvision.models

    return torchvision.models


@pytest.mark.parametrize("name", STATES)
def test_states_have_torchvisions_names_and_shapes(name: str) -> None:
    state = torchvision_states.ours(name)
    assert len(state) == STATES[name]["tensors"]
    assert torchvision_states.digest(state) == STATES[name]["digest"], (
        f"see where they differ: python tools/torchvision_states.py {name}"
    )


@requires_torch
@requires_torchvision
def test_the_table_is_torchvisions(torchvision_models: types.ModuleType) -> None:
    known = {*torchvision_models.list_models(module=torchvision_models)}
    assert known & {*models.available()} == {name for name in STATES if "+" not in name}
    for name in ("alexnet", "googlenet+aux", "mnasnet0_5"):
        assert torchvision_states.digest(torchvision_states.theirs(name)) == STATES[name]["digest"]


@requires_torch
@requires_torchvision
@pytest.mark.parametrize("name", COMPARED)
def test_logits_are_torchvisions(name: str, torchvision_models: types.ModuleType) -> None:
    import torch

    torch.manual_seed(0)
    options = torchvision_states.ARGUMENTS.get(name, {})
    theirs = torchvision_models.get_model(name, weights=None, **options).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.7, 1.4)
    with nn.init.skip():
        ours = models.create(name).eval()
    ours.load_state_dict(
        {key: tw.from_numpy(value.numpy()) for key, value in theirs.state_dict().items()}
    )
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    with torch.no_grad(), tw.no_grad():
        assert_close(ours(tw.from_numpy(x)), theirs(torch.from_numpy(x)), limit=1e-5, what=name)
