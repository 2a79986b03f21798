"""State dicts from elsewhere: clear differences, renaming, and fitting them to a model."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest

import tilewise as tw
from tilewise import io, nn


def block() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def renamed(old: str, new: str) -> dict[str, tw.Tensor]:
    return {name.replace(old, new, 1): value for name, value in block().state_dict().items()}


# ------------------------------------------------------------------ differences


def test_a_difference_is_a_table() -> None:
    state = block().state_dict()
    state["classifier.weight"] = state.pop("3.weight")
    del state["3.bias"]
    state["0.weight"] = tw.ones(4, 1, 3, 3)
    state["odd"] = tw.ones(7)
    diff = io.compare_state_dict(block(), state)
    assert [entry.name for entry in diff.missing] == ["3.weight", "3.bias"]
    assert [entry.name for entry in diff.unexpected] == ["classifier.weight", "odd"]
    assert diff.shapes == (("0.weight", (4, 3, 3, 3), (4, 1, 3, 3)),)
    assert diff.matching == 6
    lines = str(diff).splitlines()
    assert lines[0].endswith("2 missing, 2 unexpected, 1 of other shape, 6 that fit")
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "0.weight (4, 3, 3, 3) ≠ 0.weight (4, 1, 3, 3)",
        "3.weight (2, 16) ? classifier.weight (2, 16)",
        "3.bias (2,) -",
        "+ odd (7,)",
    ]
    assert len({line.index(sign) for line, sign in zip(lines[2:], "≠?-+", strict=True)}) == 1
    with pytest.raises(RuntimeError, match=r"3\.weight \(2, 16\) +\?  classifier"):
        block().load_state_dict(state)


def test_no_difference() -> None:
    diff = io.compare_state_dict(block(), block().state_dict())
    assert not diff
    assert str(diff) == "the state dict fits Sequential: 9 names agree"


def test_arrays_and_counts_that_are_missing() -> None:
    """Files before PyTorch 0.4.1, and of other libraries, do not count batches."""
    state = {n: v.numpy() for n, v in block().state_dict().items() if "num_batches" not in n}
    net = block()
    net(tw.rand(2, 3, 4, 4))
    assert not io.compare_state_dict(net, state)
    assert net.load_state_dict(state) == ([], [])
    assert net.state_dict()["1.num_batches_tracked"].item() == 1
    del state["1.running_mean"]
    with pytest.raises(RuntimeError, match=r"1\.running_mean"):
        net.load_state_dict(state)


def test_a_prefix_is_named() -> None:
    state = {f"module.{name}": value for name, value in block().state_dict().items()}
    with pytest.raises(RuntimeError, match=r"io\.strip_prefix\(state, 'module\.'\)"):
        block().load_state_dict(state)
    block().load_state_dict(io.strip_prefix(state, "module."))


def test_hostile_names_are_printed_tame() -> None:
    state = {"\x1b[2J\n" * 100: tw.ones(1), "x" * 100_000: tw.ones(1)}
    text = str(io.compare_state_dict(nn.Linear(1, 1), state))
    assert "\x1b" not in text
    assert len(text) < 1000


def test_many_names_take_no_time_and_no_room() -> None:
    state = {f"layer{i}.weight": np.zeros(1, np.float32) for i in range(50_000)}
    net = nn.Sequential(*(nn.Linear(1, 1) for _ in range(200)))
    start = time.perf_counter()
    text = str(io.compare_state_dict(net, state))
    assert time.perf_counter() - start < 5  # half a second where nothing else runs
    assert text.count("\n") < 200
    assert "… and 49,9" in text


# ------------------------------------------------------------------ names


def test_rename() -> None:
    state = io.rename(renamed("3.", "fc."), {"fc.weight": "3.weight", "fc.bias": "3.bias"})
    block().load_state_dict(state)
    with pytest.raises(ValueError, match="has no 'nowhere'"):
        io.rename(state, {"nowhere": "x"})
    with pytest.raises(ValueError, match=r"two tensors would have the name '3\.bias'"):
        io.rename(state, {"3.weight": "3.bias"})


def test_rename_pattern() -> None:
    state = {"fire2/squeeze1x1.weight": tw.ones(1), "fire3/expand.bias": tw.ones(1)}
    new = io.rename_pattern(state, [(r"^fire(\d)/", r"f.\1."), ("squeeze1x1", "squeeze")])
    assert list(new) == ["f.2.squeeze.weight", "f.3.expand.bias"]
    with pytest.raises(ValueError, match="two tensors"):
        io.rename_pattern(state, [(".*", "x")])
    with pytest.raises(ValueError, match="regular expressions"):
        io.rename_pattern(state, [("(", "x")])
    with pytest.raises(ValueError, match="regular expressions"):
        io.rename_pattern(state, [("fire", r"\7")])
    with pytest.raises(ValueError, match="to begin with 'fire2'"):
        io.strip_prefix(state, "fire2")


@pytest.mark.parametrize("state", [3, None, [("a", 1)], {1: np.ones(1)}, {"a": 1}])
def test_what_is_no_state_dict(state: object) -> None:
    for call in (
        lambda: io.compare_state_dict(block(), state),
        lambda: io.rename(state, {}),
        lambda: io.strip_prefix(state, "a"),
        lambda: io.fit_state_dict(block(), state),
        lambda: io.match_by_shape(block(), state),
    ):
        with pytest.raises(TypeError, match="names (of|to) tensors"):
            call()


# ------------------------------------------------------------------ fitting


def test_fit_says_what_it_did(caplog: pytest.LogCaptureFixture) -> None:
    own = block().state_dict()
    assert io.fit_state_dict(block(), own).steps == ()
    prefixed = {f"module.{name}": value for name, value in own.items()}
    with caplog.at_level(logging.INFO):
        fitted = io.fit_state_dict(block(), prefixed)
    assert fitted.steps == ("took the prefix 'module.' off every name",)
    assert "module." in caplog.text
    assert fitted.names["0.weight"] == "module.0.weight"
    assert fitted.state["0.weight"] is prefixed["module.0.weight"]

    caffe = {f"net.L{name.replace('.', '/')}": value for name, value in own.items()}
    pairs = [(r"^L(\d)/", r"\1.")]
    fitted = io.fit_state_dict(block(), caffe, conventions=[("somebody's names", pairs)])
    assert fitted.steps[-1] == "took the names as somebody's names"
    assert list(fitted.state) == list(own)


def test_fit_refuses_with_the_nearest_table() -> None:
    state = {f"module.{name}": value for name, value in block().state_dict().items()}
    state["module.3.bias"] = tw.ones(5)
    with pytest.raises(ValueError, match=r"3\.bias \(2,\) +≠  3\.bias \(5,\)") as caught:
        io.fit_state_dict(block(), state)
    assert "0 missing, 0 unexpected, 1 of other shape" in str(caught.value)


def test_order_and_shape_are_the_last_resort(caplog: pytest.LogCaptureFixture) -> None:
    own = block().state_dict()
    state = {f"t{i}": v for i, (n, v) in enumerate(own.items()) if "num_batches" not in n}
    with pytest.raises(ValueError, match="fit"):
        io.fit_state_dict(block(), state)
    fitted = io.fit_state_dict(block(), state, by_shape=True)
    assert "order and shape, 8 of them under other names: a guess" in fitted.steps[0]
    assert "a guess" in caplog.text
    assert all(fitted.state[name] is own[name] for name in fitted.state)


def test_the_last_part_of_the_names_tells_more_than_the_order() -> None:
    """Alphabetical order puts a batch norm's bias and statistics before its weight."""
    own = block().state_dict()
    for i, name in enumerate(own):
        if "num_batches" not in name:
            own[name].fill_(i)
    state = {f"layer{n}": own[n] for n in sorted(own) if "num_batches" not in n}
    matched, names = io.match_by_shape(block(), state)
    assert all(names[name] == f"layer{name}" for name in names)
    assert matched["1.weight"].numpy().tolist() == [2] * 4


def test_shapes_that_are_left_over() -> None:
    state = dict(block().state_dict())
    with pytest.raises(ValueError, match="1 tensors have no counterpart in Sequential: 'more'"):
        io.match_by_shape(block(), {**state, "more": tw.ones(9)})
    del state["3.bias"]
    with pytest.raises(ValueError, match=r"Sequential\.3\.bias \(2,\) has no counterpart"):
        io.match_by_shape(block(), state)
