"""Networks from the lectures' pattern string, and strings that are none."""

from __future__ import annotations

import itertools
import random
import time

import pytest

import tilewise as tw
from tilewise import models, nn

LECTURE = "[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K-SOFTMAX"


def kinds(network: nn.Sequential) -> str:
    """The layers, a letter each."""
    letters = {"Conv2d": "c", "ReLU": "r", "MaxPool2d": "p", "Flatten": "_", "Linear": "f",
               "BatchNorm2d": "b", "BatchNorm1d": "b", "Dropout": "d"}  # fmt: skip
    return "".join(letters[type(layer).__name__] for layer in network)


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [
        ("SOFTMAX", "_f"),
        ("FC-SOFTMAX", "_f"),
        ("FC-RELU-SOFTMAX", "_frf"),
        ("[(CONV-RELU)*2-POOL]*3-(FC-RELU)*1-SOFTMAX", "crcrp" * 3 + "_frf"),
        ("[CONV-BN-RELU-POOL?]*2-DROPOUT-FC-BN-SOFTMAX", "cbrp" * 2 + "d_fbf"),
        (" ( CONV - RELU ) * 2 - CONV*0 - SOFTMAX ", "crcr_f"),
        ("((CONV-RELU)*2-POOL)*2-[FC-RELU]?*2-FC-SOFTMAX", "crcrp" * 2 + "_frfrf"),
    ],
)
def test_layers(pattern: str, layers: str) -> None:
    network = models.from_pattern(pattern)
    assert kinds(network) == layers
    logits = network(tw.rand(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("n", "m", "k"), list(itertools.product((1, 3), (1, 2), (0, 2))))
@pytest.mark.parametrize("optional", [True, False])
def test_the_lectures_pattern(n: int, m: int, k: int, optional: bool) -> None:
    counts = {"N": n, "M": m, "K": k}
    network = models.from_pattern(LECTURE, (1, 8, 8), 4, counts=counts, optional=optional)
    assert kinds(network) == ("cr" * n + "p" * optional) * m + "_" + "fr" * k + "f"
    assert network(tw.rand(1, 1, 8, 8)).shape == (1, 4)


def test_widths() -> None:
    """A width for the convolutions before each pool and for each linear layer."""
    network = models.from_pattern(
        "[CONV*2-POOL]*3-(FC-RELU)*3-SOFTMAX", filters=(8, 16), hidden=(20, 30), kernel_size=5
    )
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [8, 8, 16, 16, 16, 16]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}
    linear = [layer.out_features for layer in network if isinstance(layer, nn.Linear)]
    assert linear == [20, 30, 30, 10]


def test_vgg_from_its_pattern() -> None:
    """Configuration D but for its third block: what the notation cannot say is two group sizes."""
    pattern = "[(CONV-RELU)*2-POOL]*2-[(CONV-RELU)*3-POOL]*3-(FC-RELU)*2-SOFTMAX"
    with nn.init.skip():
        network = models.from_pattern(
            pattern, (3, 224, 224), 1000, filters=(64, 128, 256, 512), hidden=4096
        )
    assert models.count_parameters(network) == models.info("vgg16").parameters


@pytest.mark.parametrize(
    ("pattern", "message", "at"),
    [
        ("", "expected one of CONV, RELU, .*, or a bracket, got the end", 0),
        ("CONV", "expected SOFTMAX at the end", 4),
        ("[(CONV-RELU*2-POOL]*3-SOFTMAX", r"expected - or \), got \]", 18),
        ("[CONV)-SOFTMAX", r"expected - or \], got \)", 5),
        ("(CONV", r"expected - or \), got the end", 5),
        ("CONV*-SOFTMAX", r"expected a number after \*, got -", 5),
        ("CONV*N-SOFTMAX", r"expected a number after \*, got N", 5),
        ("CONV*1001-SOFTMAX", "expected at most 1000 times, got 1001", 5),
        ("CONV*" + "9" * 900, "expected at most 1000 times", 5),
        ("(" * 900, "expected at most 16 brackets within each other", 16),
        ("(CONV*1000)*3-SOFTMAX", "expected at most 2000 layers, got 3000", 0),
        ("CONV*1500-FC*900-SOFTMAX", "expected at most 1000 times", 5),
        ("POOL*6-SOFTMAX", "expected maps of at least 2² to pool, got 1×1", 0),
        ("FC-CONV-SOFTMAX", "expected no CONV after the maps are flattened", 3),
        ("SOFTMAX-SOFTMAX", "expected SOFTMAX at the end alone", 0),
        ("conv-SOFTMAX", "expected one of CONV, RELU, .*got conv", 0),
        ("CONV--SOFTMAX", "expected one of CONV, RELU, .*got -", 5),
        ("CONV SOFTMAX", "expected - or the end, got SOFTMAX", 5),
        ("CONV-é", "expected a layer, a bracket, -, .*got 'é'", 5),
        ("CONV\0-SOFTMAX", r"expected a layer, .*got '\\x00'", 4),
        ("CONV?*2?-SOFTMAX", r"expected - or the end, got \?", 7),
    ],
)
def test_errors_point_at_the_place(pattern: str, message: str, at: int) -> None:
    with pytest.raises(ValueError, match=f"from_pattern: {message}") as caught:
        models.from_pattern(pattern)
    first, line, mark = str(caught.value).splitlines()
    assert first.endswith(f", at {at}:")
    assert len(mark) - 1 <= len(line)  # under the line, or just after its end
    if at < len(pattern):
        under = line[len(mark) - 1]
        assert under == (pattern[at] if pattern[at].isprintable() else "?")


@pytest.mark.parametrize(
    ("pattern", "arguments"),
    [
        ("FC*1000-FC*900-SOFTMAX", {"hidden": 2**31 - 1}),
        ("CONV-SOFTMAX", {"filters": 2**31 - 1}),
        ("CONV-SOFTMAX", {"kernel_size": 2**31 - 1}),
        ("CONV*1000-SOFTMAX", {"filters": 512}),
        ("FC-SOFTMAX", {"num_classes": 2**31 - 1}),
        ("FC-SOFTMAX", {"input_shape": (1, 2**30, 2**30)}),
        ("(((((CONV*0)*1000)*1000)*1000)*1000)*1000-FC*900-SOFTMAX", {"hidden": 2**20}),
    ],
)
def test_nothing_large_is_allocated(pattern: str, arguments: dict[str, object]) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"from_pattern: expected at most 536,870,912 weights"):
        models.from_pattern(pattern, **arguments)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"pattern": 3}, TypeError), ({"pattern": "CONV-" * 300}, ValueError),
        ({"input_shape": (3, 32)}, ValueError), ({"input_shape": (0, 8, 8)}, ValueError),
        ({"filters": ()}, ValueError), ({"filters": "a"}, TypeError), ({"hidden": 0}, ValueError),
        ({"num_classes": 2.5}, TypeError), ({"kernel_size": -1}, ValueError),
        ({"counts": {"N": -1}}, ValueError), ({"counts": {"N": "2"}}, TypeError),
        ({"optional": "yes"}, TypeError),
    ],
)  # fmt: skip
def test_bad_arguments(arguments: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind, match="from_pattern: expected"):
        models.from_pattern(**{"pattern": "CONV*N-SOFTMAX", "counts": {"N": 1}, **arguments})


def test_random_strings_build_or_raise() -> None:
    """Strings of the notation's pieces: a network of the promised shape, or a ValueError."""
    pieces = ["CONV", "RELU", "BN", "POOL", "FC", "SOFTMAX", "-", "-", "-", "*2", "*0", "*9",
              "?", "(", ")", "[", "]", "N", "*", " ", "7"]  # fmt: skip
    source, built = random.Random(0), 0
    for _ in range(1500):
        text = "".join(source.choice(pieces) for _ in range(source.randrange(1, 10)))
        try:
            with nn.init.skip():
                network = models.from_pattern(f"{text}-SOFTMAX", (1, 4, 4), 3, filters=2, hidden=2)
        except ValueError as error:
            assert "from_pattern: " in str(error)
        else:
            built += 1
            assert network.eval()(tw.zeros(1, 1, 4, 4)).shape == (1, 3)
    assert built > 30
