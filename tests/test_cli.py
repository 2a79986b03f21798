"""The command line: what it prints, its exit codes, and one clear line for whatever is wrong."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from test_resume import environment
from test_train import make_data
from tilewise import cli, io, set_num_threads
from tilewise.data import FashionMNIST
from tilewise.train.images import load_image

TINY = ["--model", "mlp", "--epochs", "1", "--batch-size", "16", "--lr", "5e-3"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """On a busy machine threads wait for each other far longer than small networks compute."""
    set_num_threads(1)


def tilewise(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command in this process: its exit code and what it printed."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, printed.out, printed.err


def assert_one_line(error: str, pattern: str) -> None:
    assert re.fullmatch(rf"tilewise: [^\n]*{pattern}[^\n]*\n", error), error
    assert "Traceback" not in error


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "r"
    arguments = ["train", "fashion-mnist", *TINY, "--epochs", "3", "--quiet"]
    with pytest.raises(SystemExit) as left:
        cli.main([*arguments, "--data", str(data), "--out", str(out)])
    assert left.value.code == 0
    return out / "weights.safetensors"


# ------------------------------------------------------------------ help


@pytest.mark.parametrize("command", ["", "train", "evaluate", "predict", "convert", "info"])
def test_help_shows_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = tilewise(capsys, *command.split(), "--help")
    assert code == 0
    assert not err
    assert out.startswith("Usage: tilewise")
    assert "Example" in out
    assert max(map(len, out.splitlines())) <= 100


def test_version_and_bare_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = tilewise(capsys, "--version")
    assert (code, out.split()[0]) == (0, "tilewise")
    code, out, _ = tilewise(capsys)
    assert (code, out[:15]) == (0, "Usage: tilewise")


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = tilewise(capsys, "info")
    assert code == 0
    assert "threads" in out


def test_help_is_quick_and_light() -> None:
    script = (
        "import sys; from tilewise.cli import app\n"
        "heavy = {'matplotlib', 'tqdm', 'PIL', 'safetensors', 'tilewise.train.runner'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------ train


def test_train_prints_what_it_did(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r"
    arguments = ["train", "fashion-mnist", *TINY, "--data", data, "--out", out]
    code, printed, err = tilewise(capsys, *arguments)
    assert code == 0
    assert not err  # no bar where the output is no terminal
    lines = printed.splitlines()
    assert lines[0].endswith(f"from {data} (directory)")
    assert lines[2].startswith("epoch 1/1  loss ")
    assert re.match(r"test accuracy \d+\.\d\d % of 32 images; trained in 0:\d\d min", lines[3])
    for line, name in zip(
        lines[4:],
        ["weights.safetensors", "checkpoint.safetensors", "metrics.jsonl",
         "learning_curve.png", "confusion_matrix.png"],
        strict=True,
    ):  # fmt: skip
        assert line.endswith(str(out / name))
        assert (out / name).stat().st_size > 0


def test_train_mnist_uses_lenet(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = tilewise(capsys, "train", "mnist", "--epochs", "1", "--data", data)
    assert code == 0
    assert "lenet5: 1 epochs" in out
    assert Path("runs/mnist-lenet/weights.safetensors").is_file()


def test_quiet_prints_nothing(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weights.is_file()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("columns", [0, 110])
def test_a_bar_shows_on_a_terminal(data: Path, tmp_path: Path, columns: int) -> None:
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    arguments = ["train", "fashion-mnist", *TINY, "--epochs", "2"]
    command = [sys.executable, "-m", "tilewise", *arguments]
    command += ["--data", str(data), "--out", str(tmp_path / "r")]
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {**environment(), "TERM": "xterm"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=follower, env=environ, text=True
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    text = shown.decode()
    assert re.search(
        r"epoch 1/2 +\d+% \|.*\| loss \d\.\d{4}, accuracy [\d.]+ %, [\d,]+ images/s, \S+ left", text
    ), text
    assert "epoch 2/2  loss" in stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frobnicate"], "--frobnicate"),
        (["train"], "Missing argument 'DATASET'"),
        (["train", "cifar"], "'cifar' is not one of"),
        (["train", "fashion-mnist", "--epochs", "0"], "epochs"),
        (["train", "fashion-mnist", "--epochs", "many"], "epochs"),
        (["train", "fashion-mnist", "--epoch-count", "3"], "No such option"),
        (["train", "fashion-mnist", "--model", "vgg"], "'vgg' is not one of"),
        (["train", "fashion-mnist", "extra"], "unexpected extra argument"),
        (["fly"], "No such command 'fly'"),
        (["predict", "w.safetensors"], "IMAGE"),
        (["predict"], "WEIGHTS"),
        (["predict", "--mean", "1,x", "a", "b"], "'1,x' is not of numbers"),
        (["evaluate"], "WEIGHTS"),
    ],
)
def test_command_lines_that_cannot_be_understood(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str
) -> None:
    code, out, err = tilewise(capsys, *arguments)
    assert code == 2
    assert not out
    assert_one_line(err, re.escape(message))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "nan"], "expected lr of"),
        (["--label-smoothing", "1"], "expected label_smoothing of"),
        (["--validation", "96"], "less than the 96 training images"),
        (["--data", "/nowhere/at/all"], "there is no folder /nowhere/at/all"),
    ],
)
def test_settings_that_cannot_be(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    arguments = ["train", "fashion-mnist", *TINY, "--data", data, "--out", tmp_path, *options]
    code, _, err = tilewise(capsys, *arguments)
    assert code == 1
    assert_one_line(err, re.escape(message))


def test_data_that_are_corrupt(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = make_data(tmp_path / "data")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    arguments = ["train", "fashion-mnist", *TINY, "--out", tmp_path / "r", "--data", folder]
    code, _, err = tilewise(capsys, *arguments)
    assert code == 1
    assert_one_line(err, re.escape(str(path)))
    path.unlink()
    code, _, err = tilewise(capsys, *arguments)
    assert code == 1
    assert_one_line(err, "lacks train-images-idx3-ubyte")


def test_a_folder_that_holds_a_run(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    arguments = ["train", "fashion-mnist", *TINY, "--data", data, "--out", tmp_path / "r"]
    assert tilewise(capsys, *arguments, "--quiet")[0] == 0
    code, _, err = tilewise(capsys, *arguments)
    assert code == 1
    assert_one_line(err, "holds a run already: add --resume")
    code, _, err = tilewise(capsys, *arguments, "--resume", "--seed", "5")
    assert code == 1
    assert_one_line(err, "began with seed 0, not 5")
    code, _, err = tilewise(capsys, *arguments, "--resume", "--model", "lenet")
    assert code == 1
    assert_one_line(err, "began with model mlp, not lenet5")
    (tmp_path / "r" / "checkpoint.safetensors").write_bytes(b"garbage")
    code, _, err = tilewise(capsys, *arguments, "--resume")
    assert code == 1
    assert_one_line(err, "checkpoint.safetensors")


def test_a_checkpoint_of_another_model(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    arguments = ["train", "fashion-mnist", *TINY, "--data", data, "--out", tmp_path / "r"]
    assert tilewise(capsys, *arguments, "--quiet")[0] == 0
    path = tmp_path / "r" / "checkpoint.safetensors"
    metadata = io.load_metadata(path)
    tensors = {name.replace("model.layers.1", "model.layers.7"): t
               for name, t in io.load(path).items()}  # fmt: skip
    io.save(tensors, path, metadata)
    code, _, err = tilewise(capsys, *arguments, "--resume")
    assert code == 1
    assert_one_line(err, r"another model than MLP: missing layers\.1\.weight .*; unexpected layers")


def test_a_place_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "r"
    code, _, err = tilewise(capsys, "train", "fashion-mnist", *TINY, "--data", data, "--out", out)
    assert code == 1
    assert_one_line(err, "Not a directory")


# ------------------------------------------------------------------ evaluate, predict


def test_evaluate(
    capsys: pytest.CaptureFixture[str], data: Path, weights: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "c.png"
    code, out, err = tilewise(capsys, "evaluate", weights, "--data", data, "--confusion", picture)
    assert code == 0
    assert not err
    assert out.splitlines()[0] == f"mlp on 32 test images from {data} (directory)"
    assert re.search(r"Ankle boot +[\d.]+% +[\d.]+%", out)
    assert re.search(r"^test accuracy \d+\.\d\d %, loss \d", out, re.MULTILINE)
    assert picture.read_bytes().startswith(b"\x89PNG")


def write_image(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = pytest.importorskip("PIL.Image").fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def test_predict(
    capsys: pytest.CaptureFixture[str], data: Path, weights: Path, tmp_path: Path
) -> None:
    test = FashionMNIST(data, train=False)
    paths = [write_image(tmp_path / f"{i}.png", test.images[i]) for i in range(3)]
    code, out, err = tilewise(capsys, "predict", weights, *paths, "--top", "2")
    assert code == 0
    assert not err
    lines = out.splitlines()
    assert len(lines) == 9
    for i, path in enumerate(paths):
        assert lines[3 * i] == str(path)
        assert lines[3 * i + 1].split("  ")[1].strip() == test.classes[test.labels[i]]
        assert re.search(r"\d+\.\d %", lines[3 * i + 2])
    assert "█" in out


def test_images_of_any_kind_become_light_on_black(data: Path, tmp_path: Path) -> None:
    image = FashionMNIST(data, train=False).images[0]
    big = np.kron(image, np.ones((10, 10), np.uint8))
    for name, mode in (("a.png", None), ("b.jpg", "RGB"), ("c.png", "RGBA"), ("d.gif", "P")):
        read = load_image(write_image(tmp_path / name, big, mode), (28, 28))
        assert read.shape == (28, 28)
        assert np.abs(read.astype(int) - image).mean() < 12
        inverted = load_image(write_image(tmp_path / name, 255 - big, mode), (28, 28))
        assert np.abs(inverted.astype(int) - image).mean() < 12
    forced = load_image(write_image(tmp_path / "e.png", image), (28, 28), invert="yes")
    np.testing.assert_array_equal(forced, 255 - image)
    wide = load_image(write_image(tmp_path / "f.png", big[:140]), (28, 28))
    assert not wide[:7].any()
    assert not wide[21:].any()
    assert wide[7:21].any()
    deep = load_image(write_image(tmp_path / "g.png", image.astype(np.uint16) << 8), (28, 28))
    np.testing.assert_array_equal(deep, image)
    clear = np.zeros((28, 28, 4), np.uint8)
    clear[10:18, 10:18, 3] = 255  # a black square on nothing
    square = load_image(write_image(tmp_path / "h.png", clear), (28, 28))
    assert square[14, 14] == 255
    assert square[0, 0] == 0


def test_images_that_are_none(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    good = write_image(tmp_path / "good.png", np.eye(64, dtype=np.uint8) * 255)
    whole = good.read_bytes()
    for name, content in (
        ("empty.png", b""),
        ("text.png", b"hello"),
        ("cut.png", whole[: len(whole) // 2]),
    ):
        (tmp_path / name).write_bytes(content)
        code, _, err = tilewise(capsys, "predict", weights, tmp_path / name)
        assert code == 1
        assert_one_line(err, f"{name}: cannot read it as an image")
    bomb = bytearray(whole)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # the size that the header claims
    (tmp_path / "bomb.png").write_bytes(bomb)
    code, _, err = tilewise(capsys, "predict", weights, tmp_path / "bomb.png")
    assert code == 1
    assert_one_line(err, r"bomb\.png: cannot read it as an image")
    code, _, err = tilewise(capsys, "predict", weights, tmp_path / "nowhere.png")
    assert code == 1
    assert_one_line(err, r"nowhere\.png: No such file")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_weights_that_are_none(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path, command: str
) -> None:
    rest = [tmp_path / "image.png"] if command == "predict" else []
    code, _, err = tilewise(capsys, command, tmp_path / "nowhere", *rest)
    assert code == 1
    assert_one_line(err, "nowhere: No such file")
    (tmp_path / "text").write_text("hello")
    code, _, err = tilewise(capsys, command, tmp_path / "text", *rest)
    assert code == 1
    assert_one_line(err, "text")
    cut = tmp_path / "cut"
    cut.write_bytes(weights.read_bytes()[:-5])
    code, _, err = tilewise(capsys, command, cut, *rest)
    assert code == 1
    assert_one_line(err, "cut")
    code, _, err = tilewise(capsys, command, weights.with_name("checkpoint.safetensors"), *rest)
    assert code == 1
    assert_one_line(err, "a checkpoint of")
