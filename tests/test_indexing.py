"""`x[index]` and `x[index] = value` against NumPy, and the faults that they must name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tilewise as tw
from helpers import requires_torch

A = np.arange(120.0).reshape(4, 5, 6)
MASK2 = np.arange(20).reshape(4, 5) % 3 == 0
INDICES: list[Any] = [
    0, -1, slice(1, 3), slice(None, None, 2), slice(5, 2), Ellipsis, None, (0, 1), (0, 1, -2),
    (slice(None), 2), (Ellipsis, 3), (None, 1, Ellipsis, None), (1, slice(1, 4, 2), None), (),
    np.array([0, 2, 2]), [3, 0], (slice(None), [1, 1, 4]), ([0, 1], [2, 3]), ([[0], [1]], [2, 3]),
    ([0, 1], slice(None), [2, 3]), (slice(1, 3), [0, 4], [1, 2]), (Ellipsis, [0, 5]),
    (slice(None), [1, 2], slice(2, 4)), MASK2, A > 50,
    (slice(None), np.array([True] * 3 + [False] * 2)), (MASK2, [0] * int(MASK2.sum())),
    np.zeros(4, bool), np.int64(2), (slice(0, 0),), [], (None, [0, 1]), ([-1, -4], slice(None, 2)),
]  # fmt: skip


def to_tensors(index: Any) -> Any:
    """The same index with tensors for arrays."""
    if isinstance(index, tuple):
        return tuple(to_tensors(i) for i in index)
    return tw.tensor(index) if isinstance(index, np.ndarray) else index


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_reading(index: Any) -> None:
    index = np.array([], int) if isinstance(index, list) and not index else index
    want = A[index]
    for form in (index, to_tensors(index)):
        got = tw.tensor(A)[form]
        assert got.shape == want.shape
        np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_writing(index: Any) -> None:
    index = np.array([], int) if isinstance(index, list) and not index else index
    for value in (
        7.0,
        np.broadcast_to(np.arange(A[index].size).reshape(A[index].shape), A[index].shape),
    ):
        want = A.copy()
        want[index] = value
        x = tw.tensor(A)
        x[to_tensors(index)] = value if isinstance(value, float) else tw.tensor(value)
        np.testing.assert_array_equal(x.numpy(), want)


def test_writing_broadcasts_and_converts() -> None:
    x = tw.zeros(2, 3)
    x[:, 1] = tw.tensor([5, 6])
    x[0] = [1.0, 2.0, 3.0]
    x[1:, 2:] = np.float32(9)
    assert x.tolist() == [[1, 2, 3], [0, 6, 9]]
    n = tw.zeros(3, dtype=tw.int64)
    n[1] = 2.9
    n[2] = True
    assert n.tolist() == [0, 2, 1]
    x = tw.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_repeated_indices_accumulate_in_the_gradient() -> None:
    x = tw.arange(3.0, requires_grad=True)
    x[tw.tensor([0, 2, 2, 2])].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 0, 3]


def test_images_in_channels_last_memory() -> None:
    x = tw.functional.relu(tw.from_numpy(np.random.default_rng(0).random((2, 3, 4, 5)).astype("f")))
    a = x.numpy().copy()
    for index in [
        (0,),
        (slice(None), 1),
        (Ellipsis, 2),
        ([1, 0], slice(None), [0, 3]),
        (slice(None), [2, 0]),
    ]:
        np.testing.assert_array_equal(x[index].numpy(), a[index])
    x[:, 1] = 5
    a[:, 1] = 5
    np.testing.assert_array_equal(x.numpy(), a)


@requires_torch
@pytest.mark.parametrize(
    "index", [(0, slice(None), [1, 2]), (slice(None), 0, [1, 2]), ([0, 1], 1, [2, 2])]
)
def test_ints_beside_arrays_as_torch(index: Any) -> None:
    import torch

    np.testing.assert_array_equal(tw.tensor(A)[index].numpy(), torch.tensor(A)[index].numpy())


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (4, IndexError),
        (-5, IndexError),
        ((0, 5), IndexError),
        ((0, 0, 0, 0), IndexError),
        ((Ellipsis, Ellipsis), IndexError),
        ([4], IndexError),
        (np.array([-5]), IndexError),
        (np.zeros((4, 4), bool), IndexError),
        (slice(None, None, -1), ValueError),
        (slice(None, None, 0), ValueError),
        (slice(0.5, 2), TypeError),
        (1.0, TypeError),
        ("a", TypeError),
        ([0.5], TypeError),
        (True, TypeError),
        (np.bool_(True), TypeError),
        (tw.tensor(1.5), TypeError),
        (tw.ones(2), TypeError),
        (([0, 1], [0, 1, 2]), (IndexError, ValueError)),
        (object, TypeError),
        (2**63, IndexError),
        ([2**62], IndexError),
    ],
    ids=repr,
)
def test_faults(index: Any, error: Any) -> None:
    x = tw.tensor(A)
    with pytest.raises(error):
        x[index]
    with pytest.raises(error):
        x[index] = 0.0
    np.testing.assert_array_equal(x.numpy(), A)


def test_values_that_do_not_fit() -> None:
    x = tw.zeros(2, 3)
    with pytest.raises(ValueError, match="shape|broadcast"):
        x[0] = tw.zeros(2)
    with pytest.raises(ValueError, match="shape|broadcast"):
        x[[0, 1]] = tw.zeros(4)
    with pytest.raises(TypeError, match="setitem"):
        x[0] = None
    with pytest.raises(TypeError, match="setitem"):
        x[0] = "a"
    assert x.tolist() == np.zeros((2, 3)).tolist()


@st.composite
def basic_index(draw: Any) -> tuple[Any, ...]:
    items: list[Any] = []
    for size in A.shape[: draw(st.integers(0, 3))]:
        items.append(
            draw(
                st.one_of(
                    st.integers(-size, size - 1),
                    st.slices(size).filter(lambda s: s.step is None or s.step > 0),
                    st.lists(st.integers(-size, size - 1), min_size=2, max_size=2).map(np.array),
                )
            )
        )
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), None)
    return tuple(items)


@given(basic_index())
def test_reading_any(index: tuple[Any, ...]) -> None:
    ints = [i for i in index if isinstance(i, int)]
    arrays = [i for i in index if isinstance(i, np.ndarray)]
    if ints and arrays:
        return  # there PyTorch and NumPy differ; held by a test of its own
    got = tw.tensor(A)[to_tensors(index)]
    np.testing.assert_array_equal(got.numpy(), A[index])
