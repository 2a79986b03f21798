"""AlexNet, VGG, ResNet, Inception, DenseNet, SqueezeNet: depths, gradients, forms, real weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, data_dir
from tilewise import graph, io, models, nn

# The depth of other networks follows from the same code.
TRACED = [
    "alexnet", "alexnet_two_tower", "dogs_vs_cats", "densenet121", "fashion_cnn", "googlenet",
    "inception_v3", "lenet5", "mlp", "resnet18", "resnet50", "resnet50_v2", "resnet110_cifar",
    "resnext50_32x4d", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip
FIXED = ("alexnet_two_tower", "dogs_vs_cats")  # sizes that their linear layers know


def small_image(name: str) -> tuple[int, int, int]:
    """The shape of an image that the network can take, smaller than its own."""
    channels, height, width = models.info(name).input_shape
    if name in FIXED:
        return channels, height, width
    least = 75 if name == "inception_v3" else 64
    return channels, min(height, least), min(width, least)


def fill(model: nn.Module) -> nn.Module:
    """Weights for a model made without: quicker than the initialisation it would have had."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = int(np.prod(module.weight.shape[1:]))
            module.weight.data.uniform_(-((6 / fan_in) ** 0.5), (6 / fan_in) ** 0.5)
            if module.bias is not None:
                module.bias.data.zero_()
    return model


def check_gradients(model: nn.Module, output: tw.Tensor) -> None:
    """Some parameter of every layer has a gradient that is not zero, and all are finite."""
    (output * tw.randn(*output.shape)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        gradient = parameter.grad.numpy()
        assert np.isfinite(gradient).all(), name
        # The mean that batch norm takes away hides the bias before it.
        assert name.endswith("bias") or gradient.any(), name


@pytest.mark.parametrize("name", TRACED)
def test_depth_and_classes(name: str) -> None:
    """Weight layers on the longest way through the network's graph."""
    with nn.init.skip():
        model = models.create(name).eval()
    traced = graph.trace(model, tw.zeros(1, *small_image(name)))
    assert traced.outputs[0].shape == (1, models.info(name).num_classes)
    depth: dict[int, int] = {}
    for node in traced.nodes:
        before = [depth[id(v.producer)] for v in node.inputs if v.producer is not None]
        depth[id(node)] = max(before, default=0) + (node.op in ("Conv2d", "Linear"))
    assert max(depth.values()) == models.info(name).depth


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_0", "squeezenet1_1", "densenet121"])
def test_gradients_reach_every_layer(name: str) -> None:
    with nn.init.skip():
        model = fill(models.create(name, num_classes=5))
    check_gradients(model, model(tw.rand(2, *small_image(name))))


@pytest.mark.parametrize(
    "model",
    [
        models.ResNet("basic", (1, 2, 1, 1), 5),
        models.ResNet("bottleneck", (1, 2, 1, 1), 5, groups=4, width_per_group=16),
        models.ResNet("bottleneck", (1, 1, 1, 1), 5, keras=True, shortcut="C"),
        models.ResNet("basic", (1, 1, 1, 1), 5, shortcut="A"),
        models.ResNetV2((2, 2, 1, 1), 5),
        models.CifarResNet(20, 5),
        models.DenseNet(4, (2, 1, 1, 1), 5, stem=8, drop_rate=0.2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_gradients_reach_every_layer_of_small_forms(model: nn.Module) -> None:
    check_gradients(model, model(tw.rand(2, 3, 64, 64)))


@pytest.mark.parametrize("name", ["alexnet", "alexnet_one_tower", "vgg_a_lrn", "vgg_c_bn"])
def test_gradients_reach_every_convolution(name: str) -> None:
    """Without the linear layers of a hundred million weights, which others have in common."""
    with nn.init.skip():
        model = models.create(name)
    assert isinstance(model, (models.AlexNet, models.AlexNetPaper, models.VGG))
    features = fill(model.features)
    check_gradients(features, features(tw.rand(1, 3, 67, 67)))


def test_auxiliary_heads() -> None:
    """In training they come with the logits, under torchvision's names; else one tensor does."""
    with nn.init.skip():
        google = fill(models.create("googlenet", num_classes=5, aux_logits=True))
        inception = fill(models.create("inception_v3", num_classes=5))
    outputs = google(tw.rand(2, 3, 64, 64))
    assert isinstance(outputs, models.GoogLeNetOutputs)
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    total = outputs.logits + outputs.aux_logits1 + outputs.aux_logits2
    check_gradients(google, total)
    assert isinstance(google.eval()(tw.rand(2, 3, 64, 64)), tw.Tensor)
    assert isinstance(inception, models.InceptionV3)
    assert inception.AuxLogits is not None
    inception.AuxLogits.pool = nn.AdaptiveAvgPool2d(5)  # what the pool makes of 299²
    both = inception(tw.rand(2, 3, 75, 75))
    assert isinstance(both, models.InceptionOutputs)
    assert both._fields == ("logits", "aux_logits")
    check_gradients(inception, both.logits + both.aux_logits)
    assert isinstance(inception.eval()(tw.rand(1, 3, 75, 75)), tw.Tensor)


def test_input_transform() -> None:
    """Images normalised with ImageNet's statistics become images in [-1, 1]."""
    with nn.init.skip():
        plain = fill(models.create("googlenet", num_classes=3)).eval()
        transforming = models.create("googlenet", num_classes=3, transform_input=True).eval()
    transforming.load_state_dict(plain.state_dict())
    x = np.random.default_rng(0).random((2, 3, 64, 64)).astype(np.float32)
    mean = np.array((0.485, 0.456, 0.406), np.float32)[:, None, None]
    std = np.array((0.229, 0.224, 0.225), np.float32)[:, None, None]
    with tw.no_grad():
        want = plain(tw.from_numpy(2 * x - 1))
        assert_close(transforming(tw.from_numpy((x - mean) / std)), want, limit=1e-5, what="unit")
        with pytest.raises(ValueError, match=r"transform_input: expected images \(N, 3, H, W\)"):
            transforming(tw.zeros(2, 1, 64, 64))


def test_shortcut_options() -> None:
    """A has no parameters in its shortcuts, B some, C the most; A keeps pixels and adds zeros."""
    counts = {}
    for shortcut in "ABC":
        with nn.init.skip():
            model = models.create("resnet34", shortcut=shortcut)
        counts[shortcut] = models.count_parameters(model)
    projections = sum((c * 2 * c) + 4 * c for c in (64, 128, 256))
    assert counts["B"] - counts["A"] == projections
    identities = sum(n * (c * c + 2 * c) for n, c in ((3, 64), (3, 128), (5, 256), (2, 512)))
    assert counts["C"] - counts["B"] == identities
    x = tw.rand(1, 2, 5, 5)
    y = models.ZeroPadShortcut(2, 5, 2)(x).numpy()
    assert y.shape == (1, 5, 3, 3)
    np.testing.assert_array_equal(y[:, 1:3], x.numpy()[:, :, ::2, ::2])
    assert not y[:, (0, 3, 4)].any()


def test_zero_init_residual_starts_as_the_shortcuts() -> None:
    block = models.ResNet("basic", (1, 1, 1, 1), zero_init_residual=True).layer1[0].eval()
    x = tw.rand(1, 64, 4, 4)
    np.testing.assert_array_equal(block(x).detach().numpy(), x.numpy())


def test_response_normalisation_is_the_papers() -> None:
    """b = a / (2 + 1e-4 · Σ a²)^¾ over five neighbouring channels."""
    with nn.init.skip():
        norm = models.AlexNetPaper().features[2]
    a = 30 * np.random.default_rng(0).random((1, 7, 1, 1))
    for i in range(7):
        window = a[0, max(0, i - 2) : i + 3, 0, 0]
        expected = a[0, i, 0, 0] / (2 + 1e-4 * (window**2).sum()) ** 0.75
        assert norm(tw.from_numpy(a))[0, i, 0, 0].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.VGG("F"), "VGG: expected configuration as one of 'A', 'A-LRN'"),
        (lambda: models.AlexNetPaper(towers=3), "AlexNetPaper: expected 1 or 2 towers, got 3"),
        (lambda: models.ResNet("wide", (1, 1, 1, 1)), "ResNet: expected block as one of 'basic'"),
        (lambda: models.ResNet("basic", (1, 1)), "ResNet: expected the blocks of four stages"),
        (lambda: models.ResNet("basic", (1, 1, 1, 0)), "ResNet: expected layers >= 1, got 0"),
        (lambda: models.ResNet("basic", (1,) * 4, groups=2), "BasicBlock: expected groups=1"),
        (lambda: models.ResNet("basic", (1,) * 4, shortcut="D"), "ResNet: expected shortcut"),
        (lambda: models.ResNetV2((1, 1, 1)), "ResNetV2: expected the blocks of four stages"),
        (lambda: models.ResNet("basic", (1, 1, 1, 10**9)), "ResNet: expected layers <= 10000"),
        (lambda: models.DenseNet(8, (10**9,)), "DenseNet: expected layers <= 1000, got"),
        (lambda: models.CifarResNet(21), "CifarResNet: expected a depth of 6 n \\+ 2, got 21"),
        (lambda: models.SqueezeNet("2"), "SqueezeNet: expected version as one of '1.0', '1.1'"),
    ],
)
def test_settings_that_cannot_be(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "stds"),
    [
        (models.SqueezeNet, {"classifier.1": 0.01, "features.0": (2 / 27) ** 0.5}),
        (lambda: models.ResNet("basic", (1,) * 4), {"layer1.0.conv1": (2 / 576) ** 0.5}),
        (models.CifarResNet, {"conv1": (2 / 27) ** 0.5}),
        (lambda: models.DenseNet(8, (1,) * 4), {"features.conv0": (2 / 147) ** 0.5}),
        (lambda: models.GoogLeNet(aux_logits=False), {"conv3.conv": 0.01}),
    ],
    ids=["SqueezeNet", "ResNet", "CifarResNet", "DenseNet", "GoogLeNet"],
)
def test_initial_weights(make: Callable[[], nn.Module], stds: dict[str, float]) -> None:
    """Standard deviations of torchvision's initialisation."""
    layers = dict(make().named_modules())
    for name, std in stds.items():
        weight = layers[name].weight.detach().numpy()
        assert abs(float(weight.mean())) < 5 * std / weight.size**0.5, name
        assert float(weight.std()) == pytest.approx(std, rel=5 / weight.size**0.5), name


def test_trained_resnet20() -> None:
    """Real weights fit the network with shortcut option A: it names lossless photos of CIFAR-10."""
    image = pytest.importorskip(
        "PIL.Image", reason="Pillow is not installed: pip install '.[data]'"
    )
    weights = data_dir("weights/resnet_cifar10") / "resnet20.safetensors"
    photos = sorted((data_dir("photos") / "foolbox_samples").glob("cifar10_*.png"))
    model = models.create("resnet20_cifar")
    keys = model.load_state_dict(io.load(weights), strict=False)
    assert not keys.unexpected_keys
    assert {key.rpartition(".")[2] for key in keys.missing_keys} <= {"num_batches_tracked"}
    pixels = np.stack([np.asarray(image.open(photo).convert("RGB")) for photo in photos])
    x = (pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2), dtype=np.float32)
    with tw.no_grad():
        found = model.eval()(tw.from_numpy(x)).argmax(1).tolist()
    assert found == [int(photo.stem.rpartition("_")[2]) for photo in photos]
    assert len(found) == 20
