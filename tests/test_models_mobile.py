"""Mobile, separable and searched networks: sizes of the literature."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close
from tilewise import graph, models, nn

COMPACT = [
    *models.available("mobilenet*"), "shufflenet_v1_g3", "shufflenet_v2_x0_5", "mnasnet0_5",
    "efficientnet_b0", "nasnet_mobile", "xception", "inception_resnet_v2",
]  # fmt: skip


def multiply_adds(model: nn.Module, *shape: int) -> int:
    """Of the convolutions and linear layers."""
    total = 0
    for node in graph.trace(model.eval(), tw.zeros(*shape)).nodes:
        if isinstance(node.module, (nn.Conv2d, nn.Linear)):
            outputs = int(np.prod(node.outputs[0].shape))
            total += outputs * int(np.prod(node.module.weight.shape[1:]))
    return total


@pytest.mark.parametrize(
    ("name", "millions"),
    # Table 1 of ShuffleNet's paper, and what other papers print of their networks.
    [("shufflenet_v1_g1", 143), ("shufflenet_v1_g2", 140), ("shufflenet_v1_g3", 137),
     ("shufflenet_v1_g4", 133), ("shufflenet_v1_g8", 137), ("shufflenet_v2_x1_0", 146),
     ("mobilenet_v1", 569), ("mobilenet_v2", 300), ("efficientnet_b0", 390)],
)  # fmt: skip
def test_multiply_adds_are_the_papers(name: str, millions: int) -> None:
    with nn.init.skip():
        model = models.create(name)
    assert multiply_adds(model, 1, 3, 224, 224) / 1e6 == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize("name", COMPACT)
def test_gradients_reach_every_parameter(name: str) -> None:
    with nn.init.skip():  # half of the time otherwise
        model = models.create(name, num_classes=5, in_channels=2)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.data.uniform_(-0.1, 0.1)
            if module.bias is not None:
                module.bias.data.zero_()
    side = 75 if name == "inception_resnet_v2" else 64
    logits = model(tw.rand(2, 2, side, side))
    assert logits.shape == (2, 5)
    (logits * tw.randn(2, 5)).sum().backward()
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is not None, parameter
        assert np.isfinite(tensor.grad.numpy()).all(), parameter


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_shufflenet_v1_mixes_all_groups(groups: int) -> None:
    """Without the shuffle an output of a grouped stage would see a part of its input only."""
    unit = models.ShuffleNetV1(groups).stage2[1].eval()
    channels = unit.branch[0].in_channels
    x = tw.rand(1, channels, 3, 3, requires_grad=True)
    unit.branch(x)[0, 0, 1, 1].backward()
    seen = x.grad.abs().amax((0, 2, 3)) > 0
    assert seen.sum().item() > channels // groups or groups == 1


def test_conventions_differ_where_pixels_are_left_over() -> None:
    """torchvision pads both ends, Keras the far one: on even sizes the results differ."""
    ours = models.create("mobilenet_v2", width=0.25, num_classes=4).eval()
    keras = models.create("mobilenet_v2", convention="keras", width=0.25, num_classes=4).eval()
    keras.load_state_dict(ours.state_dict())
    x = tw.rand(1, 3, 64, 64)
    assert ours(x).shape == keras(x).shape
    # Keras's window starts one pixel later in both directions.
    shifted = ours.features[0][0](nn.functional.pad(x, (-1, 1, -1, 1)))
    assert_close(
        keras.features[0][0](x)[..., 1:, 1:], shifted[..., 1:, 1:], limit=1e-6, what="one later"
    )


@pytest.mark.parametrize("side", [7, 8])
def test_same_max_pool_is_tensorflows(side: int) -> None:
    from tilewise.models._layers import SameMaxPool2d

    x = np.random.default_rng(0).normal(size=(1, 2, side, side)).astype(np.float32)
    total = (-(-side // 2) - 1) * 2 + 3 - side
    border = (total // 2, total - total // 2)
    padded = np.pad(x, ((0, 0), (0, 0), border, border), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(SameMaxPool2d()(tw.from_numpy(x)).numpy(), windows.max((-2, -1)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("MobileNetV3", {"variant": "tiny"}), ("EfficientNet", {"variant": "b8"}),
     ("NASNet", {"variant": "huge"}), ("ShuffleNetV1", {"groups": 5}),
     ("ShuffleNetV2", {"width": 0.7})],
)  # fmt: skip
def test_unknown_variants(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected {next(iter(arguments))}"):
        getattr(models, name)(**arguments)
