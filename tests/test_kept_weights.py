"""Inference keeps packed weights beside the parameter, and never uses them after a change."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch, to_core
from tilewise import _core, nn, optim

F = nn.functional
ALGORITHMS = ("winograd4", "implicit_gemm")


def weights(seed: int = 0, shape: tuple[int, ...] = (24, 20, 3, 3)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def infer(x: tw.Tensor, w: tw.Tensor, algorithm: str = "auto", **arguments: int) -> np.ndarray:
    with tw.no_grad():
        y = F.conv2d(x, w, padding=1, algorithm=algorithm, **arguments)
    return y.numpy().copy()


def fresh(x: tw.Tensor, w: tw.Tensor, algorithm: str = "auto", **arguments: int) -> np.ndarray:
    """The same with a copy of the weights, which nothing is kept for."""
    copy = w._array.copy().numpy().copy()
    return infer(x, tw.from_numpy(copy), algorithm, **arguments)


def sgd(w: nn.Parameter) -> None:
    w.grad = tw.ones(*w.shape)
    optim.SGD([w], lr=0.5).step()


def adam(w: nn.Parameter) -> None:
    w.grad = tw.ones(*w.shape)
    optim.Adam([w], lr=0.5).step()


def live_view(w: nn.Parameter) -> None:
    w.detach().numpy()[3] = 7.0


def load(w: nn.Parameter) -> None:
    layer = nn.Conv2d(20, 24, 3, bias=False)
    layer.weight = w
    layer.load_state_dict({"weight": tw.tensor(weights(5))})


def index(w: nn.Parameter) -> None:
    w.data[2:4, 0] = 3.0


def mask(w: nn.Parameter) -> None:
    w.data[w.data > 0.5] = 0.0


def view_of_a_view(w: nn.Parameter) -> None:
    w.data.reshape(24, -1)[5].mul_(3.0)


def dlpack(w: nn.Parameter) -> None:
    np.from_dlpack(w.detach())[1] = -2.0


def dlpack_to_core(w: nn.Parameter) -> None:
    tw.from_dlpack(w.detach()).fill_(0.25)


def raw(w: nn.Parameter) -> None:
    import ctypes

    ctypes.cast(w._array.data_ptr, ctypes.POINTER(ctypes.c_float))[0] = 50.0
    w._array.bump_version()


CHANGES: dict[str, Callable[[nn.Parameter], object]] = {
    "SGD": sgd,
    "Adam": adam,
    "copy_": lambda w: w.data.copy_(tw.tensor(weights(9))),
    "copy_ from numpy": lambda w: w.data.copy_(weights(9)),
    "fill_": lambda w: w.data.fill_(0.5),
    "zero_": lambda w: w.data.zero_(),
    "add_": lambda w: w.data.add_(tw.ones(3, 3), alpha=2),
    "mul_": lambda w: w.data.mul_(-1.0),
    "clamp_": lambda w: w.data.clamp_(0, 1),
    "index": index,
    "mask": mask,
    "view of a view": view_of_a_view,
    "load_state_dict": load,
    "numpy view": live_view,
    "dlpack": dlpack,
    "dlpack to tilewise": dlpack_to_core,
    "init": nn.init.kaiming_normal_,
    "raw pointer": raw,
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, algorithm: str) -> None:
    w = nn.Parameter(tw.tensor(weights()))
    x = tw.tensor(weights(1, (2, 20, 9, 8)))
    for _ in range(3):
        before = infer(x, w, algorithm)
        with tw.no_grad():
            CHANGES[change](w)
        gc.collect()
        after = infer(x, w, algorithm)
        np.testing.assert_array_equal(after, fresh(x, w, algorithm))
        np.testing.assert_array_equal(after, infer(x, w, algorithm))
        if change in {"mul_", "numpy view", "dlpack", "SGD"}:
            assert (after != before).any()
            if change == "numpy view" or change == "dlpack":
                w.data.copy_(tw.tensor(weights()))


def test_writes_while_a_view_lives_and_after() -> None:
    w, x = tw.tensor(weights()), tw.tensor(weights(1, (2, 20, 9, 8)))
    infer(x, w)
    view = w.numpy()
    part = view[3:5]
    for value in (1.0, 2.0, 3.0):
        part[0, 0] = value
        np.testing.assert_array_equal(infer(x, w), fresh(x, w))
    del view
    part[1] = 9.0  # keeps the memory, and the export, alive
    np.testing.assert_array_equal(infer(x, w), fresh(x, w))
    del part
    gc.collect()
    np.testing.assert_array_equal(infer(x, w), fresh(x, w))


@requires_torch
def test_writes_through_torch() -> None:
    import torch

    w, x = tw.tensor(weights()), tw.tensor(weights(1, (2, 20, 9, 8)))
    infer(x, w)
    other = torch.from_dlpack(w)
    for _ in range(2):
        other.mul_(1.5)
        np.testing.assert_array_equal(infer(x, w), fresh(x, w))
    del other
    gc.collect()
    np.testing.assert_array_equal(infer(x, w), fresh(x, w))


def test_weights_in_memory_of_others_are_never_kept() -> None:
    array = weights()
    w, x = tw.from_numpy(array), tw.tensor(weights(1, (2, 20, 9, 8)))
    for value in (1.0, 2.0):
        infer(x, w)
        array[0] = value
        np.testing.assert_array_equal(infer(x, w), infer(x, tw.tensor(array)))


def test_views_of_one_storage(isa: str) -> None:
    """Slices share memory, so the form has to know where it was made from, and what for."""
    base = tw.tensor(weights(0, (48, 20, 3, 3)))
    x, narrow = tw.tensor(weights(1, (2, 20, 9, 8))), tw.tensor(weights(1, (2, 10, 9, 8)))
    views = {
        "all": (base, x),
        "first": (base[:24], x),
        "second": (base[24:], x),
        "odd filters": (base[::2], x),
        "half the channels": (base[:, :10], narrow),
        "reshaped": (base.reshape(96, 10, 3, 3), narrow),
    }
    for algorithm in ALGORITHMS:
        for _ in range(2):
            for name, (w, images) in views.items():
                np.testing.assert_array_equal(
                    infer(images, w, algorithm), fresh(images, w, algorithm), err_msg=name
                )
    base[24].fill_(1.0)
    for w, images in views.values():
        np.testing.assert_array_equal(infer(images, w), fresh(images, w))


def test_same_weights_in_different_groups(isa: str) -> None:
    """The shape of the weight does not tell the number of groups, which decides the layout."""
    for shape in ((64, 4, 3, 3), (8, 4, 3, 3), (64, 64, 1, 1)):
        w = tw.tensor(weights(0, shape))
        for _ in range(2):
            for groups in (1, 2, 4, 8):
                x = tw.tensor(weights(1, (1, shape[1] * groups, 6, 6)))
                y = tw.tensor(weights(2, (1, shape[0], 6, 6)))
                for algorithm in ("auto", "implicit_gemm"):
                    np.testing.assert_array_equal(
                        infer(x, w, algorithm, groups=groups),
                        fresh(x, w, algorithm, groups=groups),
                    )
                    with tw.no_grad():
                        got, want = (
                            F.conv_transpose2d(y, v, groups=groups, algorithm=algorithm)
                            for v in (w, tw.from_numpy(w._array.copy().numpy().copy()))
                        )
                    np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_shapes_directions_and_instruction_sets() -> None:
    w = tw.tensor(weights(0, (24, 24, 3, 3)))
    isas = _core.available_isas()
    before = _core.isa()
    expected: dict[tuple[str, int, bool], np.ndarray] = {}
    try:
        for _ in range(2):
            for isa in isas:
                _core.set_isa(isa)
                for size in (3, 8, 20):
                    x = tw.tensor(weights(size, (1, 24, size, size + 1)))
                    for transposed in (False, True):
                        function = F.conv_transpose2d if transposed else F.conv2d
                        with tw.no_grad():
                            y = function(x, w, padding=1).numpy()
                        np.testing.assert_array_equal(
                            y, expected.setdefault((isa, size, transposed), y)
                        )
    finally:
        _core.set_isa(before)


def test_the_form_is_kept_and_used() -> None:
    """The tests of this file would pass if nothing were ever kept."""
    for algorithm in ALGORITHMS:
        w, x = tw.tensor(weights()), tw.tensor(weights(1, (2, 20, 9, 8)))
        start = in_use()
        infer(x, w, algorithm)
        assert in_use() > start
        first = _core.memory_stats()["allocations"]
        infer(x, w, algorithm)
        again = _core.memory_stats()["allocations"] - first
        w.add_(1.0)
        first = _core.memory_stats()["allocations"]
        infer(x, w, algorithm)
        assert _core.memory_stats()["allocations"] - first > again


def test_results_are_those_of_training() -> None:
    w = tw.tensor(weights(), requires_grad=True)
    x = tw.tensor(weights(1, (2, 20, 9, 8)))
    for algorithm in ALGORITHMS:
        recorded = F.conv2d(x, w, padding=1, algorithm=algorithm).detach().numpy()
        for _ in range(2):
            np.testing.assert_array_equal(infer(x, w, algorithm), recorded)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_threads_with_the_same_weights(algorithm: str) -> None:
    for trial in range(10):
        w, x = tw.tensor(weights(trial)), tw.tensor(weights(1, (1, 20, 9, 8)))
        expected = fresh(x, w, algorithm)
        barrier = threading.Barrier(3)
        wrong: list[int] = []

        def work(
            w: tw.Tensor = w, x: tw.Tensor = x, expected: np.ndarray = expected,
            barrier: threading.Barrier = barrier, wrong: list[int] = wrong,
        ) -> None:  # fmt: skip
            barrier.wait()
            for i in range(20):
                y = _core.conv_forward(
                    x._array, w._array, None, (1, 1), (1, 1), (1, 1), (1, 1), 1, algorithm,
                    "none", True,
                )  # fmt: skip
                if not np.array_equal(y.numpy(), expected):
                    wrong.append(i)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong


def in_use() -> int:
    gc.collect()
    return int(_core.memory_stats()["in_use"])


def test_memory_is_bounded_and_given_back() -> None:
    start = in_use()
    w = tw.tensor(weights(0, (64, 64, 3, 3)))
    alone = in_use() - start
    with tw.no_grad():
        F.conv2d(tw.zeros(1, 64, 4, 4), w, padding=1)
        F.conv2d(tw.zeros(1, 64, 40, 40), w, padding=1)
    kept = in_use() - start
    assert kept > alone, "packed weights are kept"
    with tw.no_grad():
        for n in range(1, 4):
            for size in range(3, 60, 7):
                F.conv2d(tw.zeros(n, 64, size, size + n), w, padding=1)
    assert in_use() - start <= max(kept, 7 * alone), "nothing grows with the inputs' shapes"
    w.mul_(2.0)
    assert in_use() - start == alone, "a write drops what is outdated"
    with tw.no_grad():
        F.conv2d(tw.zeros(1, 64, 40, 40), w, padding=1)
    assert in_use() - start > alone
    del w
    assert in_use() == start, "the forms go with the weights"


def test_training_keeps_nothing() -> None:
    start = in_use()
    w = tw.tensor(weights(0, (64, 64, 3, 3)), requires_grad=True)
    alone = in_use() - start
    y = F.conv2d(tw.zeros(1, 64, 20, 20), w, padding=1)
    y.sum().backward()
    del y
    w.grad = None
    assert in_use() - start == alone


def test_saving_a_state_dict_leaves_no_view(tmp_path) -> None:
    """A view of a parameter left alive would stop its packed weights from being kept."""
    layer = nn.Conv2d(64, 64, 3, padding=1)
    x = tw.zeros(1, 64, 20, 20)
    state = layer.state_dict()
    tw.save(state, tmp_path / "weights.safetensors")
    layer.load_state_dict(tw.load(tmp_path / "weights.safetensors"))
    gc.collect()
    before = in_use()
    with tw.no_grad():
        layer(x)
    assert in_use() > before, "packed weights are kept after saving and loading"


def test_core_keeps_only_on_request() -> None:
    w, x = to_core(weights()), to_core(weights(1, (2, 20, 9, 8)))
    own = w.copy()  # to_core shares NumPy's memory
    start = in_use()
    _core.conv_forward(x, own, None, (1, 1), (1, 1), (1, 1), (1, 1), 1)
    assert in_use() == start
    _core.conv_forward(x, own, None, (1, 1), (1, 1), (1, 1), (1, 1), 1, keep_weights=True)
    assert in_use() > start
