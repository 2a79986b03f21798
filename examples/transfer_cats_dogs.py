"""Teach SqueezeNet 1.1, which knows ImageNet, to tell cats from dogs with 1,119 photos.

    python examples/transfer_cats_dogs.py --data photos.tar --weights squeezenet1_1.safetensors

First a new head learns on features that the frozen network computes once; then the upper half of
the network learns along, with smaller steps. The weights are the authors' Caffe model, whose names
are mapped, or torchvision's.
"""

import argparse
import copy

from tqdm import tqdm

import tilewise as tw
from tilewise import data, io, models, nn, optim, train
from tilewise.data import transforms as T

SIZE = 227


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="tar or folder with a folder for each class")
    parser.add_argument(
        "--weights", required=True, help="SqueezeNet 1.1: .safetensors, .pth, .onnx"
    )
    parser.add_argument("--epochs", type=int, default=4, help="of fine-tuning (default: 4)")
    parser.add_argument("--head-epochs", type=int, default=15, help="of the head (default: 15)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="cats_dogs.safetensors")
    return parser.parse_args()


def load_photos(path, normalize, seed):
    """Photos to learn from, the same without augmentation, and those to measure on."""
    source = data.ImageTar(path) if path.endswith((".tar", ".gz")) else data.ImageFolder(path)
    plain, augmented = copy.copy(source), copy.copy(source)
    plain.transform = T.Compose([T.Resize(256), T.CenterCrop(SIZE), T.ToTensor(), normalize])
    augmented.transform = T.Compose(
        [
            T.RandomResizedCrop(SIZE, scale=(0.5, 1.0)),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            normalize,
        ]
    )
    held_out = len(source) // 5
    kept, valid = data.random_split(plain, [len(source) - held_out, held_out], seed=seed)
    return data.Subset(augmented, kept.indices), kept, valid, source.classes


def load_network(path):
    """SqueezeNet with trained weights, and how it wants its images."""
    model = models.create("squeezenet1_1")
    rows = models.conventions("squeezenet1_1")
    fitted = io.fit_state_dict(
        model, io.load_weights(path), conventions=[(row.title, row.pairs) for row in rows]
    )
    model.load_state_dict(fitted.state)
    print(f"{path}: {'; '.join(fitted.steps) or 'the names as they are'}")
    rule = models.preprocessing("squeezenet1_1", "caffe" if fitted.steps else "imagenet")
    mean, std = rule.mean, rule.std
    if rule.bgr:  # rather than each image, turn the first layer round, once
        with tw.no_grad():
            first = model.features[0].weight
            first.copy_(first[:, [2, 1, 0]].clone())
        mean = mean[::-1]
    unit = 255 * rule.scale  # ToTensor gives 0 to 1
    return model, T.Normalize([m / unit for m in mean], [s / unit for s in std])


def learn(model, batches, optimizer, title, schedule=None):
    """One epoch; the mean loss."""
    loss_fn = nn.CrossEntropyLoss()
    total = 0.0
    model.train()
    for x, y in tqdm(batches, desc=title, unit="batch", disable=None, leave=False):
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        total += loss.item() * len(y)
    return total / len(batches.dataset)


def measure(model, dataset):
    return 100 * train.evaluate(model, dataset, batch_size=32).accuracy


def main():
    options = parse()
    tw.manual_seed(options.seed)
    model, normalize = load_network(options.weights)
    photos, plain, valid, classes = load_photos(options.data, normalize, options.seed)
    print(f"{len(photos)} photos to learn from, {len(valid)} to measure on: {', '.join(classes)}")
    models.replace_head(model, len(classes))

    # The head, on features that are computed once.
    nn.utils.freeze(model.features)
    features, valid_features = (
        train.extract_features(model.features, part, batch_size=32, progress=True)
        for part in (plain, valid)
    )
    batches = data.DataLoader(features, options.batch_size, shuffle=True, seed=options.seed)
    head = nn.Sequential(model.classifier, nn.Flatten())
    optimizer = optim.AdamW(head.parameters(), lr=1e-3)
    for epoch in range(options.head_epochs):
        loss = learn(head, batches, optimizer, f"head {epoch + 1}")
    print(f"head: loss {loss:.4f}, {measure(head, valid_features):.2f} % of the held-out photos")

    # The upper half along with it; fire2 to fire5 stay frozen and record no gradients.
    nn.utils.unfreeze(model.features[8:])
    rates = {"features": 4e-5, "classifier": 2e-4}
    optimizer = optim.AdamW(optim.param_groups_by_name(model, rates), weight_decay=1e-2)
    batches = data.DataLoader(photos, options.batch_size, shuffle=True, seed=options.seed)
    steps = max(options.epochs * len(batches), 1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(options.epochs):
        loss = learn(model, batches, optimizer, f"epoch {epoch + 1}", schedule)
        print(
            f"epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}, "
            f"{measure(model, valid):.2f} % of the held-out photos"
        )

    tw.save(model.state_dict(), options.out, {"classes": ",".join(classes)})
    print(f"weights: {options.out}")


if __name__ == "__main__":
    main()
