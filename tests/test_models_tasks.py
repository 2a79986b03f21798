"""U-Net, YOLO, DCGAN and WaveNet: sizes of the papers, gradients, and that they learn."""

from __future__ import annotations

import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close
from tilewise import models, nn, optim
from tilewise.nn import functional as F
from tilewise.tensor import Tensor


def check_gradients(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        values = parameter.grad.numpy()
        assert np.isfinite(values).all(), name
        assert values.any(), name


# ---------------------------------------------------------------- U-Net


def test_unet_of_the_paper() -> None:
    """Figure 1: 572 pixels are labelled in the inner 388, and the deepest map is 1024×28×28."""
    model = models.UNet(width=2, padding="valid", batch_norm=False).eval()
    shapes = {}
    model.down[4].register_forward_hook(lambda m, i, y: shapes.update(deep=y.shape))
    with tw.no_grad():
        assert model(tw.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert shapes["deep"] == (1, 32, 28, 28)
    assert models.info("unet_2015").parameters == 31_030_658


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_unet_gradients(padding: str) -> None:
    model = models.UNet(in_channels=2, num_classes=3, width=4, depth=2, padding=padding)
    side = 32 if padding == "same" else 44
    y = model(tw.rand(2, 2, side, side))
    assert y.shape == (2, 3, *((32, 32) if padding == "same" else (4, 4)))
    F.cross_entropy(y, tw.randint(0, 3, (2, *y.shape[2:]))).backward()
    check_gradients(model)


def test_unet_valid_is_the_middle_of_a_larger_image() -> None:
    """A pixel's label depends on its surroundings only: shifting the image shifts the labels."""
    model = models.UNet(width=2, depth=2, padding="valid", batch_norm=False).eval()
    x = tw.rand(1, 1, 60, 60)
    with tw.no_grad():
        whole, part = model(x), model(x[:, :, 4:56, 8:])
    assert_close(part, whole[:, :, 4:-4, 8:], limit=1e-5)


def test_unet_refuses_what_it_cannot_halve() -> None:
    with pytest.raises(ValueError, match=r"halved 2 times, got \(30, 32\), which is \(15, 16\)"):
        models.UNet(width=2, depth=2)(tw.zeros(1, 1, 30, 32))


# ---------------------------------------------------------------- boxes


def random_boxes(count: int, seed: int, size: float = 64.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, size * 0.7, (count, 2))
    return np.concatenate([low, low + rng.uniform(2, size * 0.3, (count, 2))], 1).astype(np.float32)


def plain_iou(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """IoU and GIoU of two boxes, by the definition."""
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    around = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return shared / union, shared / union - (around - union) / around


def test_iou_of_every_pair() -> None:
    a, b = random_boxes(7, 0), random_boxes(5, 1)
    want = np.array([[plain_iou(x, y) for y in b] for x in a])
    assert_close(models.box_iou(tw.tensor(a), tw.tensor(b)), want[..., 0], limit=1e-6)
    assert_close(models.generalized_box_iou(tw.tensor(a), tw.tensor(b)), want[..., 1], limit=1e-6)


def test_generalized_iou_pulls_boxes_together() -> None:
    box = tw.tensor([[0.0, 0.0, 4.0, 4.0]], requires_grad=True)
    far = tw.tensor([[20.0, 0.0, 24.0, 4.0]])
    models.generalized_box_iou(box, far).sum().backward()
    assert box.grad[0, 2].item() > 0  # its right side should move right
    assert models.box_iou(box.detach(), far).item() == 0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_nms_by_the_definition(threshold: float) -> None:
    boxes, scores = random_boxes(40, 2, 30.0), np.random.default_rng(3).uniform(size=40)
    labels = np.random.default_rng(4).integers(0, 3, 40)
    for of in (np.zeros(40, np.int64), labels):
        kept: list[int] = []
        for i in np.argsort(-scores):
            if all(of[i] != of[j] or plain_iou(boxes[i], boxes[j])[0] <= threshold for j in kept):
                kept.append(int(i))
        got = models.batched_nms(*map(tw.tensor, (boxes, scores, of)), threshold)
        assert got.tolist() == kept
    assert models.nms(tw.zeros(0, 4), tw.zeros(0), 0.5).shape == (0,)


def test_boxes_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"box_iou: expected boxes2 of shape \(N, 4\)"):
        models.box_iou(tw.zeros(1, 4), tw.zeros(4))
    with pytest.raises(TypeError, match="nms: expected boxes as a Tensor"):
        models.nms([[0, 0, 1, 1]], tw.zeros(1), 0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nms: expected scores of shape"):
        models.nms(tw.zeros(2, 4), tw.zeros(3), 0.5)


# ---------------------------------------------------------------- YOLO

ANCHORS = (((40.0, 40.0), (60.0, 30.0)), ((12.0, 12.0), (24.0, 12.0)))


def logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def perfect(loss: models.YOLOLoss, targets: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Raw predictions, at 64×96 pixels, that say exactly what the targets are."""
    outputs = []
    for wanted in loss.encode(targets, [(2, 3), (4, 6)]):
        sure = 30 * (wanted.weight[..., None] > 0) - 15.0
        parts = [logit(wanted.offset), wanted.scale, sure, 30 * wanted.classes - 15]
        raw = np.concatenate(parts, -1).transpose(0, 1, 4, 2, 3)
        outputs.append(tw.tensor(raw.reshape(raw.shape[0], -1, *raw.shape[3:]).astype(np.float32)))
    return outputs


def some_targets() -> list[tuple[Tensor, Tensor]]:
    first = [[2.0, 4.0, 44.0, 40.0], [50.0, 10.0, 61.0, 22.0], [52.0, 40.0, 80.0, 50.0]]
    return [
        (tw.tensor(first), tw.tensor([0, 2, 1])),
        (tw.zeros(0, 4), tw.zeros(0, dtype=tw.int64)),
        (tw.tensor([[30.0, 20.0, 92.0, 48.0]]), tw.tensor([2])),
    ]


def test_decoding_perfect_predictions_gives_the_targets() -> None:
    model = models.YOLOv3Tiny(num_classes=3, width=0.125, anchors=ANCHORS)
    loss = models.YOLOLoss(num_classes=3, anchors=ANCHORS)
    targets = some_targets()
    outputs = perfect(loss, targets)
    assert loss(outputs, targets).item() < 3.0  # the entropy of the offsets: they are no 0 or 1
    for found, (boxes, labels) in zip(model.decode(outputs), targets, strict=True):
        order, wanted = found.boxes[:, 0].argsort(), boxes[:, 0].argsort()
        assert_close(found.boxes[order], boxes[wanted], limit=1e-5)
        assert found.labels[order].tolist() == labels[wanted].tolist()
        assert (found.scores > 0.99).all()


def test_detections_are_limited_suppressed_and_clipped() -> None:
    model = models.YOLOv3Tiny(num_classes=2, width=0.125, anchors=ANCHORS)
    outputs = [tw.full((1, 14, n, n), 20.0) for n in (2, 4)]  # boxes of e^20 anchors everywhere
    (found,) = model.decode(outputs, iou_threshold=0.5)
    assert found.boxes.tolist() == [[0, 0, 64, 64]] * 2  # one a class
    assert sorted(found.labels.tolist()) == [0, 1]
    (found,) = model.decode(outputs, iou_threshold=1.0, limit=7)
    assert found.scores.shape == (7,)


def test_yolo_loss_refuses_wrong_targets() -> None:
    loss = models.YOLOLoss(num_classes=2, anchors=ANCHORS)
    outputs = [tw.zeros(1, 14, 2, 2), tw.zeros(1, 14, 4, 4)]
    box, label = tw.tensor([[1.0, 1.0, 9.0, 9.0]]), tw.tensor([1])
    for targets, message in (
        ([], "expected targets of 1 images, got 0"),
        ([(box, tw.tensor([2]))], "expected labels below 2, got 2"),
        ([(box + 60, label)], "with their centre in an image of 64x64 pixels"),
        ([(box * 0, label)], "expected boxes x1 < x2"),
        ([(box * float("nan"), label)], "expected boxes x1 < x2"),
        ([(box, tw.tensor([1, 1]))], r"expected boxes \(M, 4\) and labels \(M,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(outputs, targets)
    with pytest.raises(ValueError, match="expected anchors as two lists"):
        models.YOLOLoss(2, anchors=(((1.0, 2.0),),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="H and W multiples of 32"):
        models.YOLOv3Tiny(2, width=0.125)(tw.zeros(1, 3, 60, 64))


def rectangles(count: int, seed: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Images of 64×64 grey pixels with one to two rectangles; the colour is the class."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 3, 64, 64), 0.5, np.float32)
    targets = []
    for image in images:
        boxes, labels = [], rng.integers(0, 3, rng.integers(1, 3))
        for i, label in enumerate(labels):
            x, y = rng.integers(1, 12) + 32 * i, rng.integers(1, 40)
            w, h = rng.integers(8, 20, 2)
            image[:, y : y + h, x : x + w] = np.eye(3)[label][:, None, None]
            boxes.append([x, y, x + w, y + h])
        targets.append((tw.tensor(np.float32(boxes)), tw.tensor(labels)))
    return tw.from_numpy(images), targets


def test_yolo_learns_rectangles() -> None:
    model = models.YOLOv3Tiny(num_classes=3, width=0.125, anchors=ANCHORS)
    loss_fn = models.YOLOLoss(num_classes=3, anchors=ANCHORS)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        images, targets = rectangles(8, step)
        loss = loss_fn(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    check_gradients(model)
    assert np.mean(losses[-5:]) < 0.35 * np.mean(losses[:5]), losses


# ---------------------------------------------------------------- DCGAN


def test_dcgan_sizes() -> None:
    """Width 64 is what the authors' program and most since use."""
    with nn.init.skip():
        generator, critic = models.DCGANGenerator(width=64), models.DCGANDiscriminator(width=64)
    assert models.count_parameters(generator) == 3_576_704
    assert models.count_parameters(critic) == 2_765_568
    with tw.no_grad():
        assert models.DCGANGenerator(width=2, size=128).eval()(tw.zeros(1, 100)).shape[2:] == (
            128, 128,
        )  # fmt: skip
    with pytest.raises(ValueError, match="power of two, got 48"):
        models.DCGANGenerator(size=48)


def test_dcgan_starts_as_in_the_paper() -> None:
    critic = models.DCGANDiscriminator(width=32, size=32)
    weights = critic.main[2].weight.detach().numpy()
    assert weights.std() == pytest.approx(0.02, rel=0.05)
    scale = critic.main[3].weight.detach().numpy()
    assert abs(scale.mean() - 1) < 0.01
    assert scale.std() == pytest.approx(0.02, rel=0.4)


def test_dcgan_step() -> None:
    """The critic learns to tell noise from stripes, and its gradient reaches the generator."""
    generator = models.DCGANGenerator(latent=8, channels=1, width=4, size=16)
    critic = models.DCGANDiscriminator(channels=1, width=4, size=16)
    optimizer = optim.Adam(critic.parameters(), lr=5e-3, betas=(0.5, 0.999))
    stripes = tw.tensor(np.tile(np.float32([-1, 1]), (8, 1, 16, 8)))
    bce = F.binary_cross_entropy_with_logits
    losses = []
    for _ in range(8):
        fake = generator(tw.randn(8, 8))
        loss = bce(critic(stripes), tw.ones(8)) + bce(critic(fake.detach()), tw.zeros(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    check_gradients(critic)
    assert losses[-1] < losses[0] / 2, losses
    bce(critic(generator(tw.randn(8, 8))), tw.ones(8)).backward()
    check_gradients(generator)


# ---------------------------------------------------------------- WaveNet


def small_wavenet(**arguments: object) -> models.WaveNet:
    return models.WaveNet(in_channels=2, num_classes=3, channels=4, skip_channels=5, **arguments)


def test_wavenet_is_causal() -> None:
    """No output depends on a later input, and each on all of its receptive field."""
    model = small_wavenet(dilations=(1, 2, 4), stacks=2)
    assert model.receptive_field == 16
    x = tw.rand(1, 2, 40, requires_grad=True)
    y = model(x)
    assert y.shape == (1, 3, 40)
    for at in (0, 7, 20, 39):
        (gradient,) = tw.autograd.grad(y[0, :, at].sum(), x, retain_graph=True)
        seen = np.flatnonzero(gradient.numpy()[0].any(0))
        assert seen.tolist() == list(range(max(0, at - 15), at + 1))


def test_wavenet_of_the_paper_sees_1024_samples_a_stack() -> None:
    with nn.init.skip():
        assert models.WaveNet(stacks=3).receptive_field == 1 + 1 + 3 * 1023
        assert len(models.WaveNet().blocks) == 10
    with pytest.raises(ValueError, match="WaveNet: expected blocks"):
        models.WaveNet(dilations=())


def test_wavenet_learns_a_wave() -> None:
    model = small_wavenet(dilations=(1, 2, 4))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    level = (np.arange(121) // 3) % 3  # what comes next is in the two elements before
    x = tw.tensor(np.float32([[np.sin(level), np.cos(level)]]))[:, :, :-1]
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(model(x), tw.tensor(level[None, 1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    check_gradients(model)
    assert losses[-1] < 0.2 * losses[0], losses
