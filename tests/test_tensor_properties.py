"""Indexing, broadcasting and reductions against NumPy on random shapes; hostile arguments."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

import tilewise as tw
from helpers import assert_close, random_array
from tilewise import _core

few = hypothesis.settings(max_examples=40)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


def items(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """An index of ints, slices with positive steps, None and `...`."""
    return hnp.basic_indices(shape, allow_newaxis=True, max_dims=6).filter(
        lambda index: all(
            not isinstance(i, slice) or i.step is None or i.step > 0
            for i in (index if isinstance(index, tuple) else (index,))
        )
    )


@few
@hypothesis.given(st.data())
def test_basic_index_reads_writes_and_sends_gradients_back(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(items(shape))
    values = random_array(shape)
    x = tw.tensor(values, requires_grad=True)
    y = x[index]
    want = values[index]
    assert y.shape == want.shape
    np.testing.assert_array_equal(y.detach().numpy(), want)
    weights = random_array(want.shape, 1)
    (y * tw.tensor(weights)).sum().backward()
    expected = np.zeros_like(values)
    expected[index] = weights
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    target = tw.tensor(values)
    target[index] = 2.5
    values[index] = 2.5
    np.testing.assert_array_equal(target.numpy(), values)


@few
@hypothesis.given(st.data())
def test_integer_arrays_and_masks(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4))
    values = random_array(shape)
    picks = data.draw(
        hnp.integer_array_indices(
            shape[:2], result_shape=hnp.array_shapes(max_dims=2, max_side=3), dtype=np.int64
        )
    )
    got = tw.tensor(values)[tuple(tw.tensor(p) for p in picks)]
    np.testing.assert_array_equal(got.numpy(), values[picks])
    mask = data.draw(hnp.arrays(np.bool_, shape))
    x = tw.tensor(values, requires_grad=True)
    np.testing.assert_array_equal(x.detach()[tw.tensor(mask)].numpy(), values[mask])
    x[tw.tensor(mask)].sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), mask.astype(np.float32))


@few
@hypothesis.given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=5),
    st.sampled_from(["add", "mul", "hypot", "fmax", "fmin", "atan2", "fmod"]),
)
def test_broadcasting(shapes: hnp.BroadcastableShapes, name: str) -> None:
    a, b = (random_array(s, i, low=0.5, high=4.0) for i, s in enumerate(shapes.input_shapes))
    numpy_name = {"mul": "multiply", "atan2": "arctan2"}.get(name, name)
    x, y = tw.tensor(a, requires_grad=True), tw.tensor(b, requires_grad=True)
    z = getattr(tw, name)(x, y)
    assert_close(z, getattr(np, numpy_name)(a, b), limit=3e-7)
    z.sum().backward()
    assert x.grad is not None and y.grad is not None
    assert x.grad.shape == a.shape and y.grad.shape == b.shape


@few
@hypothesis.given(st.data())
def test_reductions_over_any_axes(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=7))
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted)))
    values = random_array(shape)
    order = data.draw(st.permutations(range(len(shape))))
    x = tw.tensor(np.ascontiguousarray(values.transpose(order))).permute(
        *np.argsort(order).tolist()
    )
    for name, want in (
        ("sum", values.sum(axes)),
        ("var", values.astype(np.float64).var(axes)),
        ("std", values.astype(np.float64).std(axes)),
        ("norm", np.sqrt((values.astype(np.float64) ** 2).sum(axes))),
        ("logsumexp", np.log(np.exp(values.astype(np.float64)).sum(axes))),
        ("amax", values.max(axes)),
    ):
        options = {"correction": 0} if name in {"var", "std"} else {}
        got = getattr(x, name)(dim=axes, **options)
        assert_close(got, want, limit=2e-6, scale=max(1.0, float(np.abs(want).max())), what=name)
    axis = axes[0]
    np.testing.assert_array_equal(x.argmax(axis).numpy(), values.argmax(axis))
    np.testing.assert_array_equal(x.argmin(axis).numpy(), values.argmin(axis))
    assert_close(x.cumsum(axis), values.cumsum(axis), limit=1e-6)


@few
@hypothesis.given(st.data())
def test_copies_of_any_strides(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=37))
    hypothesis.assume(np.prod(shape) < 200_000)
    values = random_array(shape)
    order = data.draw(st.permutations(range(len(shape))))
    got = tw.tensor(values).permute(*order).contiguous()
    np.testing.assert_array_equal(got.numpy(), values.transpose(order))


@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (64, 256), (129, 31), (16, 16), (5, 1000)])
def test_transposition_on_every_isa(isa: str, shape: tuple[int, int]) -> None:
    values = random_array(shape)
    x = tw.tensor(values)
    np.testing.assert_array_equal(x.t().contiguous().numpy(), values.T)
    whole = tw.tensor(values.astype(np.int32))
    np.testing.assert_array_equal(whole.t().contiguous().numpy(), values.astype(np.int32).T)


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (70, 3), (33, 65), (2, 5000), (5000, 2)])
def test_arg_reductions_and_statistics_on_every_isa(isa: str, shape: tuple[int, int]) -> None:
    values = np.round(random_array(shape, low=-9, high=9))  # with ties
    for a in (values, np.where(random_array(shape, 1) > 0.9, np.float32(np.nan), values)):
        x = tw.tensor(a)
        for axis in (0, 1):
            np.testing.assert_array_equal(x.argmax(axis).numpy(), a.argmax(axis))
            np.testing.assert_array_equal(x.argmin(axis).numpy(), a.argmin(axis))
            found = x.max(axis)
            np.testing.assert_array_equal(found.values.numpy(), a.max(axis))
    x, x64 = tw.tensor(values), tw.tensor(values.astype(np.float64))
    for axis in (0, 1, None):
        for call in (
            lambda t, d: t.var(d, correction=0),
            lambda t, d: t.norm(dim=d),
            lambda t, d: t.norm(1, dim=d),
            lambda t, d: t.norm(0, dim=d),
            lambda t, d: t.logsumexp(d),
        ):
            assert_close(call(x, axis), call(x64, axis), limit=2e-6)
    small = tw.tensor(random_array(shape, 2, low=0.9, high=1.1))
    assert_close(small.prod(1), small.to(tw.float64).prod(1), limit=1e-6)


def test_results_do_not_depend_on_threads() -> None:
    x = tw.tensor(random_array((37, 411, 19)))
    results = []
    for threads in (1, 2, 3):
        _core.set_num_threads(threads)
        results.append(
            [
                f(x).numpy().tobytes()
                for f in (
                    lambda t: t.var((0, 2)),
                    lambda t: t.norm(),
                    lambda t: t.logsumexp((0, 1)),
                    lambda t: t.cumsum(1),
                    lambda t: t.prod(2),
                    lambda t: t.argmax(1),
                )
            ]
        )
    assert results[0] == results[1] == results[2]


HUGE = 2**62
HOSTILE = {
    "repeat overflows": lambda x: x.repeat(HUGE, HUGE),
    "expand overflows": lambda x: x[:1, :1].expand(HUGE, HUGE),
    "tile overflows": lambda x: x.tile(2**31, 2**31, 2**31),
    "unfold larger": lambda x: x.unfold(0, 9, 1),
    "unfold step 0": lambda x: x.unfold(0, 1, 0),
    "unfold negative": lambda x: x.unfold(0, -1, 1),
    "split negative": lambda x: x.split([-1, 5], 0),
    "split by 0": lambda x: x.split(0),
    "chunk by 0": lambda x: x.chunk(0),
    "roll without dims": lambda x: x.roll((1, 2)),
    "permute twice": lambda x: x.permute(0, 0),
    "permute far": lambda x: x.permute(0, 2**40),
    "gather far": lambda x: x.gather(0, tw.tensor([[4, 0, 0]])),
    "gather negative": lambda x: x.gather(0, tw.tensor([[-1, 0, 0]])),
    "scatter far": lambda x: x.scatter(0, tw.tensor([[4]]), 1.0),
    "scatter float index": lambda x: x.scatter(0, tw.tensor([[0.0]]), 1.0),
    "index_add far": lambda x: x.index_add(0, tw.tensor([7]), tw.ones(1, 3)),
    "index_select far": lambda x: x.index_select(0, tw.tensor([7])),
    "take far": lambda x: x.take(tw.tensor([12])),
    "topk k": lambda x: x.topk(4),
    "kthvalue 0": lambda x: x.kthvalue(0),
    "one_hot negative": lambda x: tw.nn.functional.one_hot(tw.tensor([-1])),
    "bincount negative": lambda x: tw.bincount(tw.tensor([-1])),
    "multinomial NaN": lambda x: tw.multinomial(tw.tensor([float("nan"), 1.0]), 1),
    "einsum sizes": lambda x: tw.einsum("ij,jk", x, x),
    "einsum letters": lambda x: tw.einsum("i1", x),
    "addmm sizes": lambda x: tw.addmm(x, x, x),
    "cat ranks": lambda x: tw.cat([x, x[0]]),
    "stack sizes": lambda x: tw.stack([x, x[:2]]),
    "diagonal same": lambda x: x.diagonal(0, 1, 1),
    "masked_fill mask": lambda x: x.masked_fill(x, 0.0),
    "bits of floats": lambda x: x & x,
    "sum of a string": lambda x: x.sum("a"),
    "sum twice": lambda x: x.sum((0, 0)),
    "sum far": lambda x: x.sum(2),
    "write to an expanded": lambda x: x[:1].expand(4, 3).add_(1.0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arguments_raise(name: str) -> None:
    x = tw.tensor(random_array((4, 3)))
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError)):
        HOSTILE[name](x)
    assert float(x.sum().item()) == pytest.approx(float(random_array((4, 3)).sum()), abs=1e-5)


def test_strange_arrays_from_numpy() -> None:
    base = random_array((6, 8))
    readonly = base.copy()
    readonly.flags.writeable = False
    strange = (
        base[::-1],
        base[:, ::-2],
        np.broadcast_to(base[:1], (6, 8)),
        np.lib.stride_tricks.as_strided(base, (5, 4), (base.strides[0] // 2, 4)),
        readonly,
        base.T,
    )
    for a in strange:
        x = tw.from_numpy(a)
        np.testing.assert_array_equal(x.numpy(), a)
        np.testing.assert_array_equal(x.t().contiguous().numpy(), a.T)
        assert_close(x.sum(1), a.sum(1), limit=1e-6)
        np.testing.assert_array_equal(x.argmax(0).numpy(), a.argmax(0))
        np.testing.assert_array_equal(tw.cat([x, x]).numpy(), np.concatenate([a, a]))
    with pytest.raises(TypeError):
        tw.from_numpy(base.astype(">f4"))


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ("bool", "uint8", "uint8"),
        ("uint8", "int8", "int32"),  # PyTorch's int16, which does not exist here
        ("int8", "int32", "int32"),
        ("int32", "int64", "int64"),
        ("int64", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("bool", "bool", "bool_"),
    ],
)
def test_promotion(a: str, b: str, want: str) -> None:
    dtypes = [tw.bool_ if n == "bool" else getattr(tw, n) for n in (a, b)]
    x, y = (tw.ones(2, dtype=d) for d in dtypes)
    assert (x + y).dtype.name == want
    assert tw.cat([x, y]).dtype.name == want
