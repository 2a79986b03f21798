"""Train YOLOv3-tiny to find shapes: `python examples/detect_shapes.py --picture found.png`.

The images are drawn as they are needed: discs, squares and triangles of any colour on a noisy
background. After 800 steps, about a minute on two cores, the detector finds 86 % of the shapes in
images that it has not seen; 93 % of what it finds is right, average precision is 91 %. Replace
`draw` by a reader of your own images, boxes and labels, and `ANCHORS` by the typical sizes of your
boxes.
"""

import argparse

import numpy as np

import tilewise as tw
from tilewise import models, optim

KINDS = ("disc", "square", "triangle")
SIZE = 96
# (width, height) of typical boxes: one for large ones at stride 32, one for small ones at 16.
ANCHORS = (((36, 36),), ((20, 20),))


def draw(rng):
    """An image (3, SIZE, SIZE), boxes (M, 4) and labels (M,) of its shapes, which may touch."""
    image = rng.normal(0.5, 0.05, (3, SIZE, SIZE)) + rng.uniform(-0.3, 0.3, (3, 1, 1))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    boxes, labels = [], []
    for _ in range(rng.integers(1, 5)):
        half = rng.uniform(7, 21)
        cx, cy = rng.uniform(half, SIZE - half, 2)
        if any(abs(cx - (a + c) / 2) + abs(cy - (b + d) / 2) < 25 for a, b, c, d in boxes):
            continue
        label = rng.integers(len(KINDS))
        dx, dy = abs(x - cx), y - cy
        inside = (
            dx**2 + dy**2 < half**2,
            np.maximum(dx, abs(dy)) < half,
            (abs(dy) < half) & (dx < (dy + half) / 2),
        )[label]
        image[:, inside] = rng.uniform(0, 1, (3, 1)) + rng.normal(0, 0.03, (3, inside.sum()))
        boxes.append((cx - half, cy - half, cx + half, cy + half))
        labels.append(label)
    return image.astype(np.float32), np.array(boxes, np.float32), np.array(labels)


def batch(rng, count):
    images, boxes, labels = zip(*(draw(rng) for _ in range(count)), strict=True)
    targets = [(tw.tensor(b), tw.tensor(n)) for b, n in zip(boxes, labels, strict=True)]
    return tw.from_numpy(np.stack(images)), targets


def detect(model, images, score):
    model.eval()
    with tw.no_grad():
        found = model.decode(model(images), score_threshold=score)
    model.train()
    return found


def evaluate(model, rng, count):
    """Precision and recall at score 0.5, and average precision; a hit overlaps by half."""
    images, targets = batch(rng, count)
    hits, total = [], sum(len(labels) for _, labels in targets)
    for found, (boxes, labels) in zip(detect(model, images, 0.05), targets, strict=True):
        free = np.ones(len(labels), bool)
        overlaps = models.box_iou(found.boxes, boxes).numpy()
        for i, score in enumerate(found.scores.tolist()):  # best first
            fits = overlaps[i] * (labels.numpy() == found.labels[i].item()) * free
            best = fits.argmax()
            hit = fits[best] > 0.5
            free[best] &= not hit
            hits.append((score, hit))
    hits.sort(reverse=True)
    right = np.cumsum([hit for _, hit in hits])
    precision, recall = right / np.arange(1, len(hits) + 1), right / total
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average = (envelope * np.diff(recall, prepend=0)).sum()
    sure = sum(score >= 0.5 for score, _ in hits)
    return (precision[sure - 1], recall[sure - 1], average) if sure else (0.0, 0.0, average)


def save_picture(model, rng, path):
    """Nine images with what was found drawn on them, four times as large."""
    from PIL import Image, ImageDraw  # pip install 'tilewise[data]'

    images, _ = batch(rng, 9)
    sheet = Image.new("RGB", (3 * SIZE * 4, 3 * SIZE * 4))
    for i, found in enumerate(detect(model, images, 0.5)):
        pixels = (images[i].numpy().clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        tile = Image.fromarray(np.ascontiguousarray(pixels)).resize((SIZE * 4, SIZE * 4))
        pen = ImageDraw.Draw(tile)
        for box, score, label in zip(*(t.tolist() for t in found), strict=True):
            corners = [4 * v for v in box]
            pen.rectangle(corners, outline="white", width=2)
            pen.text((corners[0] + 4, corners[1] + 2), f"{KINDS[label]} {score:.2f}", "white")
        sheet.paste(tile, (i % 3 * SIZE * 4, i // 3 * SIZE * 4))
    sheet.save(path)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800, help="batches to learn from (800)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--width", type=float, default=0.25, help="of the network (0.25)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=200, help="new images to measure on (200)")
    parser.add_argument("--weights", metavar="FILE", help="write the weights, as .safetensors")
    parser.add_argument("--picture", metavar="FILE", help="draw what is found; needs Pillow")
    options = parser.parse_args()

    tw.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    model = models.YOLOv3Tiny(len(KINDS), width=options.width, anchors=ANCHORS)
    loss_fn = models.YOLOLoss(len(KINDS), anchors=ANCHORS)
    optimizer = optim.AdamW(model.parameters(), lr=5e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=options.steps)
    recent = []
    for step in range(1, options.steps + 1):
        images, targets = batch(rng, options.batch_size)
        loss = loss_fn(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recent.append(loss.item())
        if step % 50 == 0 or step == options.steps:
            print(f"step {step:4}  loss {np.mean(recent[-50:]):.3f}")

    precision, recall, average = evaluate(
        model, np.random.default_rng(options.seed + 1), options.images
    )
    print(
        f"{options.images} new images: {100 * precision:.1f} % of what it finds is right, it finds "
        f"{100 * recall:.1f} % of what is there; average precision {100 * average:.1f} %"
    )
    if options.weights:
        tw.save(model.state_dict(), options.weights)
    if options.picture:
        save_picture(model, rng, options.picture)


if __name__ == "__main__":
    main()
