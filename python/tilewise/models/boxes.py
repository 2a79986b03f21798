"""Boxes around objects: overlap, and the choice of the best among many. (x1, y1, x2, y2) each."""

from __future__ import annotations

import numpy as np

from .. import _operations as ops
from ..creation import from_numpy
from ..tensor import Tensor


def _check(op: str, **boxes: Tensor) -> None:
    for name, value in boxes.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{op}: expected {name} as a Tensor, got {type(value).__name__}")
        if value.ndim != 2 or value.shape[1] != 4:
            raise ValueError(f"{op}: expected {name} of shape (N, 4), got {value.shape}")


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every pair: intersection and union, and the boxes themselves as (N, 1, 4) and (1, M, 4)."""
    a, b = a[:, None], b[None]
    low, high = ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return shared, areas - shared, a, b


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes1: (N, 4), corners x1 ≤ x2, y1 ≤ y2.
        boxes2: (M, 4).

    Returns:
        (N, M), differentiable; two boxes without area have nan.

    Raises:
        TypeError, ValueError: for what is no (N, 4) tensor.

    Example:
        >>> a = tw.tensor([[0.0, 0.0, 2.0, 2.0]])
        >>> models.box_iou(a, tw.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
        tensor([[0.3333, 0.0000]])
    """
    _check("box_iou", boxes1=boxes1, boxes2=boxes2)
    shared, union, _, _ = _overlap(boxes1, boxes2)
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` less the empty part of the box around both: it falls on with distance, to -1.

    (Source: H. Rezatofighi et al., "Generalized intersection over union", 2019.)

    Args:
        boxes1: (N, 4), corners x1 ≤ x2, y1 ≤ y2.
        boxes2: (M, 4).

    Returns:
        (N, M), differentiable.

    Raises:
        TypeError, ValueError: for what is no (N, 4) tensor.

    Example:
        >>> a = tw.tensor([[0.0, 0.0, 1.0, 1.0]])
        >>> models.generalized_box_iou(a, tw.tensor([[3.0, 0.0, 4.0, 1.0]]))
        tensor([[-0.5000]])
    """
    _check("generalized_box_iou", boxes1=boxes1, boxes2=boxes2)
    shared, union, a, b = _overlap(boxes1, boxes2)
    low, high = ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])
    around = (high - low).prod(-1)
    return shared / union - (around - union) / around


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: of boxes that overlap, the one with the best score stays.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: boxes that overlap a better one by more than this go.

    Returns:
        int64 places of the boxes that stay, best first.

    Raises:
        TypeError, ValueError: for tensors of another shape.

    Example:
        >>> boxes = tw.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0], [6.0, 6.0, 8.0, 8.0]])
        >>> models.nms(boxes, tw.tensor([0.6, 0.9, 0.5]), iou_threshold=0.5)
        tensor([1, 2])
    """
    _check("nms", boxes=boxes)
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f"nms: expected scores of shape {boxes.shape[:1]}, got {scores.shape}")
    corners = boxes.detach().numpy()
    left = np.argsort(-scores.detach().numpy(), kind="stable")
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(corners[left, :2], corners[best, :2])
        high = np.minimum(corners[left, 2:], corners[best, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        # A product in place of a quotient: boxes without area overlap nothing.
        left = left[shared <= iou_threshold * (areas[left] + areas[best] - shared)]
    return from_numpy(np.asarray(kept, np.int64))


def batched_nms(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> Tensor:
    """`nms` in which only boxes of the same label compete.

    Args:
        boxes: (N, 4).
        scores: (N,).
        labels: (N,), integers.
        iou_threshold: as of `nms`.

    Returns:
        int64 places of the boxes that stay, best first.

    Raises:
        TypeError, ValueError: for tensors of another shape.

    Example:
        >>> boxes = tw.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
        >>> scores = tw.tensor([0.6, 0.9])
        >>> models.batched_nms(boxes, scores, tw.tensor([0, 1]), iou_threshold=0.5)
        tensor([1, 0])
    """
    _check("batched_nms", boxes=boxes)
    of = labels.numpy()
    if of.shape != boxes.shape[:1]:
        raise ValueError(f"batched_nms: expected labels of shape {boxes.shape[:1]}, got {of.shape}")
    kept = []
    for label in np.unique(of):
        here = np.flatnonzero(of == label)
        chosen = from_numpy(here)
        kept.append(here[nms(boxes[chosen], scores[chosen], iou_threshold).numpy()])
    places = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    values = scores.detach().numpy()[places]
    return from_numpy(places[np.argsort(-values, kind="stable")])
