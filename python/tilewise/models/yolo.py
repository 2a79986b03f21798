"""YOLOv3-tiny: boxes and classes of objects in one pass over the image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from .. import _operations as ops
from .. import nn
from .._arguments import as_float, as_int
from ..autograd import no_grad
from ..creation import from_numpy
from ..nn import functional as F
from ..tensor import Tensor
from ._layers import conv_norm
from .boxes import batched_nms

Anchors = tuple[tuple[tuple[float, float], ...], ...]

STRIDES = (32, 16)
# (width, height) in pixels, for each stride: the clusters of COCO's boxes.
ANCHORS: Anchors = (
    ((81, 82), (135, 169), (344, 319)),
    ((10, 14), (23, 27), (37, 58)),
)
_LARGEST_EXPONENT = 20.0  # of a box's size: exp of more is beyond any image
_CANDIDATES = 1000  # boxes of an image that compete in the suppression


class Detections(NamedTuple):
    """What was found in an image, best first.

    Args:
        boxes: (M, 4), x1, y1, x2, y2 in pixels.
        scores: (M,), probability of an object times that of its class.
        labels: (M,), int64 classes.

    Example:
        >>> models.Detections(tw.zeros(0, 4), tw.zeros(0), tw.zeros(0)).boxes.shape
        (0, 4)
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class YOLOv3Tiny(nn.Module):
    """Seven convolutions with pools, then predictions at strides 32 and 16.

    Each cell of a map predicts a box for each of its anchors: 5 + num_classes numbers, which are x
    and y in the cell and the logarithms of width and height relative to the anchor's, whether an
    object is there, and what it is. `YOLOLoss` trains it and `decode` reads it. With 80 classes it
    has 8,852,366 parameters; with batch norm statistics the 8,858,734 numbers of Darknet's file.
    (Source: J. Redmon, A. Farhadi, "YOLOv3: an incremental improvement", 2018.)

    Args:
        num_classes: kinds of objects.
        in_channels: channels of the images.
        width: multiplies the numbers of channels.
        anchors: (width, height) in pixels of the typical boxes of stride 32, then of stride 16.

    Shape:
        float32 (N, in_channels, H, W), H and W multiples of 32 → (N, A (5 + num_classes), H/32,
        W/32) and (N, A (5 + num_classes), H/16, W/16), A anchors each.

    Raises:
        ValueError: for anchors of another form, or when called with another size.

    Example:
        >>> model = models.YOLOv3Tiny(num_classes=3, width=0.25).eval()
        >>> outputs = model(tw.zeros(1, 3, 64, 96))
        >>> [y.shape for y in outputs]
        [(1, 24, 2, 3), (1, 24, 4, 6)]
        >>> len(model.decode(outputs))
        1
    """

    def __init__(
        self,
        num_classes: int = 80,
        in_channels: int = 3,
        width: float = 1.0,
        anchors: Anchors = ANCHORS,
    ) -> None:
        super().__init__()
        self.num_classes = as_int("YOLOv3Tiny", "num_classes", num_classes, 1)
        self.anchors = checked_anchors("YOLOv3Tiny", anchors)
        conv = partial(conv_norm, activation=partial(nn.LeakyReLU, 0.1))
        channels = [max(1, int(c * width)) for c in (16, 32, 64, 128, 256, 512, 1024)]
        stages: list[nn.Module] = []
        before = in_channels
        for out in channels[:5]:
            stages += [*([nn.MaxPool2d(2)] if stages else []), conv(before, out, 3)]
            before = out
        *_, c128, c256, c512, c1024 = channels
        self.backbone = nn.Sequential(*stages)
        self.deep = nn.Sequential(
            nn.MaxPool2d(2),
            conv(c256, c512, 3),
            nn.ReplicationPad2d((0, 1, 0, 1)),  # the pool of stride 1 keeps the size
            nn.MaxPool2d(2, stride=1),
            conv(c512, c1024, 3),
            conv(c1024, c256),
        )
        self.lateral = nn.Sequential(conv(c256, c128), nn.Upsample(scale_factor=2))
        numbers = 5 + num_classes
        heads = ((c256, c512), (c128 + c256, c256))
        self.heads = nn.ModuleList(
            nn.Sequential(conv(inner, out, 3), nn.Conv2d(out, len(sizes) * numbers, kernel_size=1))
            for (inner, out), sizes in zip(heads, self.anchors, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The raw predictions at strides 32 and 16."""
        if x.ndim != 4 or x.shape[2] % 32 or x.shape[3] % 32:
            raise ValueError(
                f"YOLOv3Tiny: expected images (N, C, H, W) with H and W multiples of 32, got "
                f"{x.shape}"
            )
        fine = self.backbone(x)
        coarse = self.deep(fine)
        fine = ops.cat([self.lateral(coarse), fine], 1)
        return self.heads[0](coarse), self.heads[1](fine)

    def decode(
        self,
        outputs: Sequence[Tensor],
        score_threshold: float = 0.25,
        iou_threshold: float = 0.45,
        limit: int = 100,
    ) -> list[Detections]:
        """The objects in each image: boxes above a score, suppressed class by class.

        Args:
            outputs: what the network returned.
            score_threshold: predictions below it are no objects.
            iou_threshold: boxes of one class that overlap a better one by more go.
            limit: the most objects of an image.

        Returns:
            Detections of each image, clipped to it.
        """
        as_float("decode", "score_threshold", score_threshold, 0.0)
        candidates = [
            predictions(raw.detach(), sizes, stride)
            for raw, sizes, stride in zip(outputs, self.anchors, STRIDES, strict=True)
        ]
        height, width = (n * STRIDES[0] for n in outputs[0].shape[-2:])
        found = []
        for i in range(outputs[0].shape[0]):
            boxes = np.concatenate([c.boxes[i].reshape(-1, 4) for c in candidates])
            scores = np.concatenate([c.scores[i].reshape(-1, self.num_classes) for c in candidates])
            place, label = np.nonzero(scores >= score_threshold)
            score = scores[place, label]
            best = np.argsort(-score, kind="stable")[:_CANDIDATES]
            place, label, score = place[best], label[best], score[best]
            corners = boxes[place].clip(0, [width, height, width, height]).astype(np.float32)
            one = Detections(*map(from_numpy, (corners, score, label.astype(np.int64))))
            kept = batched_nms(*one, iou_threshold)[:limit]
            found.append(Detections(*(values[kept] for values in one)))
        return found


class Predictions(NamedTuple):
    """A map of raw predictions as boxes in pixels, (N, A, H, W, 4), and scores of each class."""

    boxes: np.ndarray
    scores: np.ndarray


def checked_anchors(op: str, anchors: Anchors) -> Anchors:
    """Anchors that are positive pairs, for both strides."""
    tables = [np.asarray(sizes) for sizes in anchors]
    if len(tables) != len(STRIDES) or not all(
        table.ndim == 2 and table.shape[1] == 2 and (table > 0).all() for table in tables
    ):
        raise ValueError(
            f"{op}: expected anchors as two lists of (width, height) in pixels, got "
            f"{anchors!r:.200}"
        )
    return tuple(tuple((float(w), float(h)) for w, h in sizes) for sizes in anchors)


def by_anchor(raw: Tensor, count: int) -> Tensor:
    """(N, A · numbers, H, W) as (N, A, H, W, numbers)."""
    batch, channels, height, width = raw.shape
    split = raw.reshape(batch, count, channels // count, height, width)
    return split.permute(0, 1, 3, 4, 2)


def predictions(raw: Tensor, sizes: Sequence[tuple[float, float]], stride: int) -> Predictions:
    """Boxes and scores that a map of raw predictions stands for."""
    with no_grad():
        values = by_anchor(raw, len(sizes))
        numbers = values.numpy()
        chances = F.sigmoid(values).numpy()
    height, width = numbers.shape[2:4]
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    anchors = np.asarray(sizes)[:, None, None]
    centre = (chances[..., :2] + cells) * stride
    half = anchors * np.exp(np.minimum(numbers[..., 2:4], _LARGEST_EXPONENT)) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=-1)
    return Predictions(boxes, chances[..., 4:5] * chances[..., 5:])
