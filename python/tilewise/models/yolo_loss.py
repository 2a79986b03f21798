"""What YOLOv3 learns from: the targets of each anchor, and how far predictions are from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from .. import nn
from .._arguments import as_float, as_int
from ..creation import from_numpy
from ..nn import functional as F
from ..tensor import Tensor
from .boxes import box_iou
from .yolo import ANCHORS, STRIDES, Anchors, by_anchor, checked_anchors, predictions

Target = tuple[Tensor, Tensor]


class EncodedTargets(NamedTuple):
    """What a map of predictions should hold, (N, A, H, W, …).

    Args:
        offset: x and y within the cell, in [0, 1].
        scale: logarithms of width and height relative to the anchor.
        weight: 0 where there is no object; else 2 less the share of the image that the object
            covers, so that small ones count.
        classes: one-hot.

    Example:
        >>> one = np.zeros((1, 3, 2, 2, 2), np.float32)
        >>> targets = models.EncodedTargets(one, one, one[..., 0], one)
        >>> targets.weight.shape
        (1, 3, 2, 2)
    """

    offset: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    classes: np.ndarray


class YOLOLoss(nn.Module):
    """The loss of YOLOv3: where boxes are, whether there is an object, and what it is.

    Each target belongs to the anchor whose shape fits it best, in the cell of its centre. There, x
    and y are compared by binary cross entropy, the logarithms of width and height by squares,
    classes by binary cross entropy each. All other predictions should say "no object", but those
    that overlap a target by more than `ignore` are left alone. (Source: J. Redmon, A. Farhadi,
    "YOLOv3: an incremental improvement", 2018.)

    Args:
        num_classes: kinds of objects.
        anchors: the network's.
        ignore: overlap above which a prediction that is not a target's is no mistake.

    Shape:
        the network's outputs for N images, and N pairs of boxes, float32 (M, 4) with x1, y1, x2, y2
        in pixels, and labels, int64 (M,) → the sum over all predictions, divided by N.

    Raises:
        ValueError: when called with another number of targets, a label that is no class, or a box
            that is empty or whose centre is outside of the image.

    Example:
        >>> model = models.YOLOv3Tiny(num_classes=2, width=0.25)
        >>> loss_fn = models.YOLOLoss(num_classes=2)
        >>> targets = [(tw.tensor([[8.0, 8.0, 40.0, 30.0]]), tw.tensor([1]))]
        >>> loss_fn(model.eval()(tw.rand(1, 3, 64, 64)), targets).shape
        ()
    """

    def __init__(
        self, num_classes: int = 80, anchors: Anchors = ANCHORS, ignore: float = 0.5
    ) -> None:
        super().__init__()
        self.num_classes = as_int("YOLOLoss", "num_classes", num_classes, 1)
        self.anchors = checked_anchors("YOLOLoss", anchors)
        self.ignore = as_float("YOLOLoss", "ignore", ignore, 0.0)

    def forward(self, outputs: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """The loss of the predictions for these targets."""
        batch = outputs[0].shape[0]
        if len(targets) != batch:
            raise ValueError(f"YOLOLoss: expected targets of {batch} images, got {len(targets)}")
        maps = [output.shape[-2:] for output in outputs]
        total: Tensor | None = None
        for level, wanted in enumerate(self.encode(targets, maps)):
            part = self._level(outputs[level], wanted, targets, level)
            total = part if total is None else total + part
        assert total is not None
        return total / batch

    def encode(
        self, targets: Sequence[Target], maps: Sequence[tuple[int, ...]]
    ) -> list[EncodedTargets]:
        """What the network should predict for these targets.

        Args:
            targets: boxes and labels of each image.
            maps: (height, width) of each of the network's outputs.

        Returns:
            The targets of each output.
        """
        image = np.asarray(maps[0])[::-1] * STRIDES[0]  # width and height
        shapes = [
            (len(targets), len(sizes), *of) for sizes, of in zip(self.anchors, maps, strict=True)
        ]
        encoded = [
            EncodedTargets(*(np.zeros((*shape, *more), np.float32) for more in (
                (2,), (2,), (), (self.num_classes,),
            )))
            for shape in shapes
        ]  # fmt: skip
        owners = [(level, a) for level, sizes in enumerate(self.anchors) for a in range(len(sizes))]
        anchors = np.concatenate([np.asarray(sizes) for sizes in self.anchors])
        for i, target in enumerate(targets):
            boxes, labels = self._checked(target, image)
            sizes = boxes[:, 2:] - boxes[:, :2]
            shared = np.minimum(sizes[:, None], anchors).prod(-1)
            fits = shared / (sizes.prod(-1)[:, None] + anchors.prod(-1) - shared)
            for box, size, label, best in zip(boxes, sizes, labels, fits.argmax(1), strict=True):
                level, a = owners[best]
                centre = (box[:2] + box[2:]) / 2 / STRIDES[level]
                x, y = centre.astype(int)
                at = (i, a, y, x)
                wanted = encoded[level]
                wanted.offset[at] = centre - (x, y)
                wanted.scale[at] = np.log(size / anchors[best])
                wanted.weight[at] = 2 - size.prod() / image.prod()
                wanted.classes[at] = np.arange(self.num_classes) == label
        return encoded

    def _checked(self, target: Target, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and labels as arrays, if they lie in an image of this width and height."""
        boxes, labels = (np.asarray(values.detach().numpy()) for values in target)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
            raise ValueError(
                f"YOLOLoss: expected boxes (M, 4) and labels (M,), got {boxes.shape} and "
                f"{labels.shape}"
            )
        boxes = boxes.astype(np.float64)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        within = (boxes[:, 2:] > boxes[:, :2]) & (centre >= 0) & (centre < image)
        if not within.all():
            bad = boxes[~within.all(1)][0].tolist()
            raise ValueError(
                f"YOLOLoss: expected boxes x1 < x2, y1 < y2 with their centre in an image of "
                f"{image[0]}x{image[1]} pixels, got {bad}"
            )
        known = (labels >= 0) & (labels < self.num_classes)
        if not known.all():
            raise ValueError(
                f"YOLOLoss: expected labels below {self.num_classes}, got {labels[~known][0]}"
            )
        return boxes, labels

    def _level(
        self, raw: Tensor, wanted: EncodedTargets, targets: Sequence[Target], level: int
    ) -> Tensor:
        """The loss of one output."""
        bce = partial(F.binary_cross_entropy_with_logits, reduction="sum")
        values = by_anchor(raw, len(self.anchors[level]))
        offset, scale, weight, classes = map(from_numpy, wanted)
        there = (wanted.weight > 0).astype(np.float32)
        judged = np.maximum(there, 1 - self._overlaps(raw, targets, level))
        within = bce(values[..., :2], offset, weight[..., None])
        size = ((values[..., 2:4] - scale).square() * weight[..., None]).sum() / 2
        found = bce(values[..., 4], from_numpy(there), from_numpy(judged))
        what = bce(values[..., 5:], classes, from_numpy(there)[..., None])
        return within + size + found + what

    def _overlaps(self, raw: Tensor, targets: Sequence[Target], level: int) -> np.ndarray:
        """1 where a predicted box overlaps a target of its image by more than `ignore`."""
        boxes = predictions(raw.detach(), self.anchors[level], STRIDES[level]).boxes
        overlaps = np.zeros(boxes.shape[:-1], np.float32)
        for i, (target, _) in enumerate(targets):
            if target.shape[0]:
                flat = from_numpy(boxes[i].reshape(-1, 4).astype(np.float32))
                best = box_iou(flat, target.detach()).amax(1).numpy()
                overlaps[i] = (best > self.ignore).reshape(overlaps.shape[1:])
        return overlaps
