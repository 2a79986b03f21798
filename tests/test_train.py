"""Training runs: what they learn, record and leave, and that threads do not change a bit."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import REPO
from tilewise import io
from tilewise.data import FashionMNIST, TensorDataset, catalog, write_idx
from tilewise.train import (
    Diverged,
    Evaluation,
    MetricsLog,
    Recipe,
    RunFolder,
    RunOptions,
    RunResult,
    choose_folder,
    default_recipe,
    evaluate,
    load_bundle,
    read_metrics,
    run,
    runner,
    save_bundle,
)
from tilewise.train.recipe import AUGMENTATIONS, OPTIMIZERS

TINY = Recipe("fashion-mnist", "mlp", epochs=2, batch_size=16, lr=2e-3)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """On a busy machine threads wait for each other far longer than small networks compute."""
    tw.set_num_threads(1)


def make_data(folder: Path, train: int = 96, test: int = 32, seed: int = 0) -> Path:
    """Images whose class shows in where they are bright: small enough to learn in a moment."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, count in zip(catalog.SPLITS, (train, test), strict=True):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 2 : 2 * label + 6, 4:24] += 150
        for stem, values in zip(catalog.stems(split), (images, labels), strict=True):
            write_idx(folder / stem, values)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def train(recipe: Recipe, data: Path, out: Path, **options: Any) -> RunResult:
    lines = options.pop("lines", [])
    return run(recipe, RunFolder(out), RunOptions(data, **options), lines.append)


def records(out: Path, kind: str) -> list[dict[str, Any]]:
    return [r for r in read_metrics(out / "metrics.jsonl") if r["kind"] == kind]


# ------------------------------------------------------------------ one run


@pytest.fixture(scope="module")
def finished(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunResult, list[str]]:
    out, lines = tmp_path_factory.mktemp("run") / "a", list[str]()
    result = train(replace(TINY, epochs=3, validation=16), data, out, lines=lines)
    return out, result, lines


def test_it_learns(finished: tuple[Path, RunResult, list[str]]) -> None:
    out, result, _ = finished
    assert result.test.accuracy > 0.9
    epochs = records(out, "epoch")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 2
    assert epochs[-1]["validation_accuracy"] > 0.8


def test_what_it_prints(finished: tuple[Path, RunResult, list[str]], data: Path) -> None:
    _, _, lines = finished
    assert lines[0] == f"Fashion-MNIST: 96 training and 32 test images from {data} (directory)"
    assert "mlp: 3 epochs, adamw with lr 0.002, batch 16, seed 0, 16 held out" in lines[1]
    assert len(lines) == 5
    for epoch, line in enumerate(lines[2:], start=1):
        assert line.startswith(f"epoch {epoch}/3  loss ")
        assert line.endswith(" images/s")


def test_what_it_records(finished: tuple[Path, RunResult, list[str]]) -> None:
    out, result, _ = finished
    steps = records(out, "step")
    assert [step["step"] for step in steps] == list(range(1, 16))  # 80 images in 5 steps, 3 times
    assert steps[4]["progress"] == 1.0
    rates = [step["lr"] for step in steps]
    assert max(rates) <= 2e-3
    assert rates[0] < max(rates) > rates[-1]
    (test,) = records(out, "test")
    assert test["accuracy"] == result.test.accuracy
    assert test["images"] == 32


def test_what_it_leaves(finished: tuple[Path, RunResult, list[str]]) -> None:
    out, result, _ = finished
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names == {path.name for _, path in result.folder.outputs}
    bundle = load_bundle(result.folder.weights)
    assert bundle.classes == catalog.FASHION_MNIST.classes
    described = json.loads(io.load_metadata(result.folder.weights)["description"])
    assert described["results"]["test_accuracy"] == result.test.accuracy
    assert described["recipe"]["epochs"] == 3


def test_its_weights_measure_the_same_again(
    finished: tuple[Path, RunResult, list[str]], data: Path
) -> None:
    _, result, _ = finished
    bundle = load_bundle(result.folder.weights)
    test = FashionMNIST(data, train=False, transform=bundle.transform())
    again = evaluate(bundle.model, test, batch_size=7)
    np.testing.assert_array_equal(again.predictions, result.test.predictions)
    assert again.loss == pytest.approx(result.test.loss, rel=1e-5)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than a small training."""
    monkeypatch.setattr(runner, "_draw", lambda *_: None)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_options_change_the_weights_and_repeat(
    data: Path, tmp_path: Path, optimizer: str, augment: str
) -> None:
    recipe = replace(
        TINY, epochs=1, optimizer=optimizer, augment=augment, label_smoothing=0.1, seed=3
    )
    hashes = set()
    for name, changed in (("a", recipe), ("b", recipe), ("c", replace(recipe, seed=4))):
        train(changed, data, tmp_path / name, quiet=True)
        state = tw.load(tmp_path / name / "weights.safetensors")
        weights = b"".join(tensor.numpy().tobytes() for tensor in state.values())
        hashes.add(hashlib.sha256(weights).hexdigest())
    assert len(hashes) == 2


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("model", ["fashion_cnn", "lenet5"])
def test_same_bits_at_any_thread_count(data: Path, tmp_path: Path, model: str) -> None:
    recipe = Recipe(
        "fashion-mnist", model, epochs=1, batch_size=24, augment="flip-shift", label_smoothing=0.1
    )
    hashes = {}
    for threads in (1, 2, 3, 8):
        tw.set_num_threads(threads)
        out = tmp_path / str(threads)
        train(recipe, data, out, quiet=True)
        hashes[threads] = hashlib.sha256((out / "weights.safetensors").read_bytes()).hexdigest()
    assert len(set(hashes.values())) == 1, hashes


def test_a_last_batch_of_one_is_left_out(tmp_path: Path) -> None:
    data = make_data(tmp_path / "d", train=33)
    train(replace(TINY, model="fashion_cnn", epochs=1), data, tmp_path / "r", quiet=True)
    assert len(records(tmp_path / "r", "step")) == 2


def test_the_sample_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILEWISE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(catalog, "SYSTEM_DATASETS", tmp_path / "none")
    lines: list[str] = []
    recipe = replace(TINY, epochs=1, batch_size=500)
    run(recipe, RunFolder(tmp_path / "r"), RunOptions(), lines.append)
    assert "6,000 training and 1,000 test images" in lines[0]
    assert "(embedded sample)" in lines[0]
    assert "not that of the full set" in lines[1]


def test_divergence_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    with (
        np.errstate(all="ignore"),
        pytest.raises(Diverged, match=r"step \d+ is (nan|inf); lower lr"),
    ):
        train(replace(TINY, optimizer="sgd", lr=1e6, epochs=4), data, tmp_path / "r", quiet=True)


def test_other_data_or_another_recipe_are_refused(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    train(replace(TINY, epochs=1), data, out, quiet=True)
    other = make_data(tmp_path / "other", seed=1)
    with pytest.raises(ValueError, match="not those that the run began with"):
        train(TINY, other, out, resume=True)
    with pytest.raises(ValueError, match="began with batch-size 16, not 8"):
        run(TINY, RunFolder(out), RunOptions(data, resume=True), print, {"batch_size": 8})


def test_a_folder_is_one_runs(data: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    with folder.claim(), pytest.raises(ValueError, match="another run is writing to"):
        train(TINY, data, tmp_path / "r")


# ------------------------------------------------------------------ its parts


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "cifar"},
        {"model": "vgg"},
        {"optimizer": "lion"},
        {"augment": "mixup"},
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"weight_decay": -1.0},
        {"label_smoothing": 1.0},
        {"validation": -1},
        {"seed": -1},
    ],
)
def test_recipe_ranges(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(changes))} "):
        replace(TINY, **changes)


def test_recipes_go_to_json_and_back() -> None:
    recipe = replace(TINY, augment="flip", lr=0.1 + 0.2)
    stored = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(stored) == recipe
    for broken in ({}, {**stored, "more": 1}, {**stored, "epochs": "12"}):
        with pytest.raises(ValueError, match="expected"):
            Recipe.from_dict(broken)
    assert default_recipe("fashion-mnist", "fashion_cnn").epochs == 12
    with pytest.raises(ValueError, match="no recipe"):
        default_recipe("fashion-mnist", "vgg")


def test_too_much_held_out(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="less than the 96 training images, got 96"):
        train(replace(TINY, validation=96), data, tmp_path / "r")


def test_choose_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_folder(TINY).path == Path("runs/fashion-mnist-mlp")
    assert choose_folder(TINY, resume=True).path == Path("runs/fashion-mnist-mlp")
    for number in ("", "-2"):
        folder = RunFolder(Path(f"runs/fashion-mnist-mlp{number}"))
        folder.path.mkdir(parents=True)
        folder.checkpoint.touch()
        os.utime(folder.checkpoint, (0, 1000 + len(number)))
    assert choose_folder(TINY).path == Path("runs/fashion-mnist-mlp-3")
    assert choose_folder(TINY, resume=True).path == Path("runs/fashion-mnist-mlp-2")
    with pytest.raises(ValueError, match="holds a run already: add --resume"):
        choose_folder(TINY, Path("runs/fashion-mnist-mlp"))
    again = choose_folder(TINY, Path("runs/fashion-mnist-mlp"), resume=True)
    assert again.path == Path("runs/fashion-mnist-mlp")


def test_metrics_are_cut_at_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with MetricsLog(path) as log:
        log.write({"step": 1})
        position = log.position()
        log.write({"step": 2})
    with path.open("a") as stream:
        stream.write('{"step": 3, "lo')
    assert [r["step"] for r in read_metrics(path)] == [1, 2]
    with MetricsLog(path, position) as log:
        log.write({"step": 22})
    assert [r["step"] for r in read_metrics(path)] == [1, 22]
    path.write_text('nonsense\n{"step": 1}\n')
    with pytest.raises(ValueError, match=r"m\.jsonl, line 1"):
        list(read_metrics(path))


def test_evaluation() -> None:
    measured = Evaluation(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1]), 0.5, classes=3)
    assert measured.accuracy == 0.5
    assert measured.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]
    empty = TensorDataset(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="empty dataset"):
        evaluate(tw.nn.Linear(3, 2), empty)  # type: ignore[arg-type]


def test_evaluate_puts_the_mode_back() -> None:
    model = tw.nn.Sequential(tw.nn.Linear(3, 2), tw.nn.Dropout(0.5))
    samples: Any = TensorDataset(np.zeros((4, 3), np.float32), np.zeros(4, np.int64))
    for training in (True, False):
        model.train(training)
        evaluate(model, samples)
        assert model.training is training


def test_bundles_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "w"
    io.save({"x": np.zeros(1)}, path)
    with pytest.raises(ValueError, match="no weights of `tilewise train`"):
        load_bundle(path)
    io.save({"x": np.zeros(1)}, path, {"tilewise_checkpoint": "1"})
    with pytest.raises(ValueError, match="a checkpoint of `tilewise train`"):
        load_bundle(path)
    for description in (
        "{}",
        "nonsense",
        "[]",
        '{"model": "vgg", "size": [28, 28], "classes": []}',
    ):
        io.save({}, path, {"tilewise_weights": "1", "description": description})
        with pytest.raises(ValueError, match="description is corrupt"):
            load_bundle(path)
    mlp = tw.models.MLP()
    save_bundle(path, mlp, replace(TINY, model="lenet5"), {})
    with pytest.raises(ValueError, match="another model than LeNet5"):
        load_bundle(path)


def test_the_example_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its reader runs it, on the embedded sample."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        catalog, "search", lambda spec: catalog.Source("sample", catalog.SAMPLE_ROOT / spec.name)
    )
    printed: list[str] = []
    script = REPO / "examples" / "fashion_mnist.py"
    runpy.run_path(str(script), init_globals={"print": printed.append})
    assert len(printed) == 3
    assert float(printed[-1].split()[2]) > 70
    assert "fc.weight" in tw.load(tmp_path / "fashion_mnist.safetensors")
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 50
