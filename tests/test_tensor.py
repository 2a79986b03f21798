"""Tensor: making it, what it is, arithmetic against NumPy, and how it meets Python and NumPy."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import random_array, requires_torch, run_ok

DTYPES = [tw.float32, tw.float64, tw.int64, tw.int32, tw.int8, tw.uint8, tw.bool]


# ---------------------------------------------------------------- making


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3, tw.int64, ()),
        (2.5, tw.float32, ()),
        (True, tw.bool, ()),
        ([1, 2], tw.int64, (2,)),
        ([1, 2.0], tw.float32, (2,)),
        ([[True], [False]], tw.bool, (2, 1)),
        ([], tw.float32, (0,)),
        (np.float64(2), tw.float64, ()),
        (np.zeros((2, 3)), tw.float64, (2, 3)),
        (np.zeros(2, np.uint8), tw.uint8, (2,)),
        (range(3), tw.int64, (3,)),
    ],
)
def test_tensor_from_data(data: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    x = tw.tensor(data)
    assert x.dtype == dtype
    assert x.shape == shape
    np.testing.assert_array_equal(x.numpy(), np.asarray(data))


def test_tensor_copies_and_from_numpy_shares() -> None:
    a = np.zeros(3, np.float32)
    copied, shared = tw.tensor(a), tw.from_numpy(a)
    a[0] = 5
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [5, 0, 0]
    shared[1] = 7
    assert a.tolist() == [5, 7, 0]
    assert tw.as_tensor(shared) is shared
    assert tw.as_tensor(a)._array.data_ptr == shared.data_ptr()
    b = shared.numpy()
    b[2] = 9
    assert shared.tolist() == [5, 7, 9]


def test_from_numpy_with_odd_memory() -> None:
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (
        a[::-1],
        a[:, ::2],
        a.transpose(2, 0, 1),
        a[..., 1:3],
        np.broadcast_to(a[0], (5, 3, 4)),
    ):
        x = tw.from_numpy(view)
        np.testing.assert_array_equal(x.numpy(), view)
        np.testing.assert_array_equal((x + 1).numpy(), view + 1)
    frozen = a.copy()
    frozen.flags.writeable = False
    copy_of_frozen = tw.from_numpy(frozen)
    copy_of_frozen[0, 0, 0] = -1
    assert frozen[0, 0, 0] == 0
    misaligned = np.frombuffer(b"\0" + a.tobytes(), np.float32, offset=1, count=24)
    np.testing.assert_array_equal(tw.from_numpy(misaligned).numpy(), a.reshape(-1))


def test_memory_outlives_its_source() -> None:
    view = tw.from_numpy(np.arange(1000.0)).numpy()[10:20]
    tw.zeros(1000)
    assert view.tolist() == list(range(10, 20))
    x = tw.arange(5.0)
    values = x.numpy()
    del x
    tw.zeros(5)
    assert values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", DTYPES)
def test_constructors(dtype: Any) -> None:
    assert tw.zeros(2, 3, dtype=dtype).tolist() == np.zeros((2, 3)).tolist()
    assert tw.ones((2, 3), dtype=dtype).dtype == dtype
    assert tw.full([2], 1, dtype=dtype).tolist() == [1, 1]
    assert tw.empty(4, 0, dtype=dtype).shape == (4, 0)
    x = tw.ones(2, dtype=dtype)
    assert tw.zeros_like(x).dtype == dtype
    assert tw.full_like(x, 1).tolist() == [1, 1]
    assert tw.eye(2, dtype=dtype).tolist() == np.eye(2).tolist()


def test_arange_and_linspace() -> None:
    for arguments in (
        (5,),
        (2, 7),
        (1, 8, 3),
        (7, 1, -2),
        (0.5, 3),
        (0, 1, 0.25),
        (3, 3),
        (5, 2, -1),
    ):
        x = tw.arange(*arguments)
        np.testing.assert_allclose(x.numpy(), np.arange(*arguments), rtol=1e-6)
        whole = all(isinstance(a, int) for a in arguments)
        assert x.dtype == (tw.int64 if whole else tw.float32)
    assert tw.arange(3, dtype=tw.float64).dtype == tw.float64
    assert tw.arange(2**53, 2**53 + 2).tolist() == [2**53, 2**53 + 1]
    assert tw.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_attributes() -> None:
    x = tw.zeros(2, 3, 4)
    assert (x.ndim, x.dim(), x.numel(), len(x), x.nbytes, x.itemsize) == (3, 3, 24, 2, 96, 4)
    assert x.size() == (2, 3, 4)
    assert x.size(-1) == 4
    assert x.stride() == (12, 4, 1)
    assert x.is_contiguous()
    assert not x.permute(2, 0, 1).is_contiguous()
    assert x.is_floating_point()
    assert x.device == "cpu"
    with pytest.raises(AttributeError):
        x.colour = 3  # type: ignore[attr-defined]


# ---------------------------------------------------------------- arithmetic

BINARY = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!="]


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2,))])
def test_operators(op: str, shapes: Any) -> None:
    a = random_array(shapes[0], 1, dtype=np.float64, low=0.2, high=3)
    b = random_array(shapes[1], 2, dtype=np.float64, low=0.2, high=3)
    want = eval(f"a {op} b")
    got = eval(f"x {op} y", {"x": tw.tensor(a), "y": tw.tensor(b)})
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-13)
    got = eval(f"x {op} 2", {"x": tw.tensor(a)})
    np.testing.assert_allclose(got.numpy(), eval(f"a {op} 2"), rtol=1e-13)
    got = eval(f"2 {op} x", {"x": tw.tensor(a)})
    np.testing.assert_allclose(got.numpy(), eval(f"2 {op} a"), rtol=1e-13)


def test_in_place_operators() -> None:
    x = tw.arange(4.0)
    same = x
    x += 1
    x *= tw.tensor([2.0, 2, 2, 2])
    x -= 1
    x /= 2
    x **= 2
    x //= 1
    assert x is same
    assert x.tolist() == [math.floor(((i + 1) * 2 - 1) ** 2 / 4) for i in range(4)]
    n = tw.arange(3)
    n += 2
    n *= 3
    assert n.tolist() == [6, 9, 12]
    with pytest.raises(TypeError, match="int64"):
        n /= 2
    with pytest.raises(ValueError, match=r"add_.*\(4,\).*\(2, 4\)"):
        x += tw.zeros(2, 4)


def test_promotion_of_types() -> None:
    i, f, d, u, b = (
        tw.ones(2, dtype=t) for t in (tw.int64, tw.float32, tw.float64, tw.uint8, tw.bool)
    )
    assert (i + f).dtype == tw.float32
    assert (f + d).dtype == tw.float64
    assert (i + 1).dtype == tw.int64
    assert (i + 1.0).dtype == tw.float32
    assert (f * 2).dtype == tw.float32
    assert (d * 2.5).dtype == tw.float64
    assert (i / 2).dtype == tw.float32
    assert (u + i).dtype == tw.int64
    assert (b * f).dtype == tw.float32
    assert b.sum().dtype == tw.int64
    assert (f == i).dtype == tw.bool
    assert (f * np.float64(2)).dtype == tw.float32
    assert (np.float32(2) * f).tolist() == [2, 2]
    assert (np.float64(2) - f).tolist() == [1, 1]


@pytest.mark.parametrize(
    "name",
    ["exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "square", "abs", "floor", "ceil",
     "round", "sign", "isnan", "isinf", "isfinite", "reciprocal"],
)  # fmt: skip
def test_unary(name: str) -> None:
    a = random_array((3, 5), dtype=np.float64, low=0.1, high=4)
    reference = getattr(np, name)
    np.testing.assert_allclose(getattr(tw.tensor(a), name)().numpy(), reference(a), rtol=1e-13)
    got = getattr(tw, name)(tw.tensor(a.astype(np.float32)))
    np.testing.assert_allclose(got.numpy(), reference(a.astype(np.float32)), rtol=3e-6)


def test_logic() -> None:
    a, b = tw.tensor([True, True, False]), tw.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    assert a.any()
    assert not a.all()
    assert (tw.arange(3) & 1).tolist() == [0, 1, 0]
    with pytest.raises(TypeError, match="bool"):
        tw.ones(3) & 1
    assert tw.equal(tw.ones(2), tw.ones(2))
    assert not tw.equal(tw.ones(2), tw.ones(3))
    assert tw.allclose(tw.ones(2), tw.ones(2) + 1e-7)
    inf = tw.tensor([math.inf, 1.0])
    assert tw.isclose(inf, inf).tolist() == [True, True]
    assert tw.isclose(tw.ones(2), inf).tolist() == [False, True]


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 2), (1,)])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "any", "all"])
def test_reductions(name: str, axes: Any, keepdim: bool) -> None:
    a = random_array((3, 4, 5), dtype=np.float64)
    got = getattr(tw, name)(tw.tensor(a), axes, keepdim)
    np.testing.assert_allclose(
        got.numpy(), getattr(np, name)(a, axis=axes, keepdims=keepdim), rtol=1e-12
    )


def test_more_reductions() -> None:
    a = random_array((3, 4, 5), dtype=np.float64)
    x = tw.tensor(a)
    np.testing.assert_allclose(x.var(1).numpy(), a.var(1, ddof=1))
    np.testing.assert_allclose(x.std(correction=0).item(), a.std())
    np.testing.assert_allclose(x.prod(2).numpy(), a.prod(2))
    np.testing.assert_array_equal(x.argmax(1).numpy(), a.argmax(1))
    assert x.argmin().item() == a.argmin()
    assert x.argmax(2, keepdim=True).shape == (3, 4, 1)
    values, indices = x.max(1)
    np.testing.assert_array_equal(values.numpy(), a.max(1))
    np.testing.assert_array_equal(indices.numpy(), a.argmax(1))
    assert x.min(2, keepdim=True).values.shape == (3, 4, 1)
    assert x.max().item() == a.max()
    np.testing.assert_array_equal(x.max(tw.zeros(5)).numpy(), np.maximum(a, 0))
    top = x.topk(2, dim=1)
    np.testing.assert_array_equal(top.values.numpy(), -np.sort(-a, 1)[:, :2])
    np.testing.assert_allclose(x.norm().item(), np.linalg.norm(a))
    assert tw.tensor([[1, 0], [0, 2]]).nonzero().tolist() == [[0, 0], [1, 1]]
    assert tw.tensor([math.nan, 1.0]).max().isnan().item()


def test_matmul() -> None:
    shapes = [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
    ]
    for i, (sa, sb) in enumerate(shapes):
        a, b = random_array(sa, i, dtype=np.float64), random_array(sb, i + 9, dtype=np.float64)
        np.testing.assert_allclose((tw.tensor(a) @ tw.tensor(b)).numpy(), a @ b, rtol=1e-12)
    assert tw.mm(tw.ones(2, 3), tw.ones(3, 4)).tolist() == np.full((2, 4), 3).tolist()
    assert tw.bmm(tw.ones(5, 2, 3), tw.ones(5, 3, 4)).shape == (5, 2, 4)
    assert tw.dot(tw.arange(3.0), tw.arange(3.0)).item() == 5
    assert tw.outer(tw.arange(2.0), tw.arange(3.0)).shape == (2, 3)


# ---------------------------------------------------------------- shapes


def test_shapes() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    x = tw.tensor(a)
    np.testing.assert_array_equal(x.reshape(4, -1).numpy(), a.reshape(4, -1))
    np.testing.assert_array_equal(x.view((6, 4)).numpy(), a.reshape(6, 4))
    np.testing.assert_array_equal(
        x.permute(2, 0, 1).reshape(-1).numpy(), a.transpose(2, 0, 1).ravel()
    )
    np.testing.assert_array_equal(x.T.numpy(), a.T)
    np.testing.assert_array_equal(x.mT.numpy(), a.swapaxes(1, 2))
    np.testing.assert_array_equal(x.transpose(0, -1).numpy(), a.swapaxes(0, 2))
    np.testing.assert_array_equal(x.movedim(0, -1).numpy(), np.moveaxis(a, 0, -1))
    np.testing.assert_array_equal(x.flip(0, -1).numpy(), np.flip(a, (0, 2)))
    np.testing.assert_array_equal(x.repeat(2, 1, 1, 3).numpy(), np.tile(a, (2, 1, 1, 3)))
    assert x.flatten(1).shape == (2, 12)
    assert x.flatten(0, 1).shape == (6, 4)
    assert tw.tensor(3).flatten().shape == (1,)
    assert x.unflatten(2, (2, -1)).shape == (2, 3, 2, 2)
    assert x.unsqueeze(-1).squeeze().shape == (2, 3, 4)
    assert x.squeeze(0).shape == (2, 3, 4)
    assert tw.ones(1, 3, 1).squeeze(0).shape == (3, 1)
    assert x[:1].expand(5, -1, 4).shape == (5, 3, 4)
    assert tw.ones(3).expand(2, 3).tolist() == [[1] * 3] * 2
    assert [p.shape for p in x.split(2, 1)] == [(2, 2, 4), (2, 1, 4)]
    assert [p.shape for p in x.chunk(3, 2)] == [(2, 3, 2), (2, 3, 2)]
    assert [p.shape for p in x.split([1, 3], -1)] == [(2, 3, 1), (2, 3, 3)]
    assert x.narrow(2, -2, 2).tolist() == a[:, :, -2:].tolist()
    assert [r.shape for r in x] == [(3, 4), (3, 4)]
    np.testing.assert_array_equal(tw.cat([x, x], 1).numpy(), np.concatenate([a, a], 1))
    np.testing.assert_array_equal(tw.stack([x, x], -1).numpy(), np.stack([a, a], -1))


def test_reshape_is_a_view_where_it_can_be() -> None:
    x = tw.zeros(2, 6)
    x.view(3, 4)[0, 0] = 5
    x.T[1, 1] = 7
    assert x[0, 0].item() == 5
    assert x[1, 1].item() == 7


def test_clamp_and_where() -> None:
    x = tw.tensor([-2.0, 0.5, 3.0, math.nan])
    np.testing.assert_array_equal(x.clamp(-1, 1).numpy(), [-1, 0.5, 1, np.nan])
    assert x[:3].clamp(min=0).tolist() == [0, 0.5, 3]
    assert x[:3].clamp(max=tw.tensor([0.0, 1.0, 1.0])).tolist() == [-2, 0.5, 1]
    assert tw.where(x[:3] > 0, x[:3], 0.0).tolist() == [0, 0.5, 3]
    assert tw.where(tw.tensor([True, False]), 1, 2).tolist() == [1, 2]
    assert tw.arange(5).clamp(1, 3).tolist() == [1, 1, 2, 3, 3]


# ---------------------------------------------------------------- Python and NumPy


def test_python_protocols() -> None:
    assert float(tw.tensor(2.5)) == 2.5
    assert int(tw.tensor([3])) == 3
    assert bool(tw.tensor(1.0))
    assert [10, 20, 30][tw.tensor(1)] == 20
    assert f"{tw.tensor(1.23456):.2f}" == "1.23"
    assert 2 in tw.arange(3)
    assert {tw.tensor(1): "a"}
    assert tw.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert tw.tensor(7).item() == 7
    assert isinstance(tw.tensor(7).item(), int)
    assert isinstance(tw.tensor(True).item(), bool)
    for wrong in (lambda: bool(tw.ones(2)), lambda: tw.ones(2).item(), lambda: float(tw.ones(2))):
        with pytest.raises(ValueError, match="one element"):
            wrong()
    for wrong in (
        lambda: len(tw.tensor(1)),
        lambda: iter(tw.tensor(1)),
        lambda: [1][tw.tensor(1.0)],
    ):
        with pytest.raises(TypeError):
            wrong()


def test_numpy_protocols() -> None:
    x = tw.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.asarray(x).ctypes.data == x.data_ptr()
    assert np.array(x, dtype=np.float64).dtype == np.float64
    assert np.linalg.norm(x) == pytest.approx(30**0.5)
    assert isinstance(np.float64(1) + x, tw.Tensor)
    y = x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(y)
    with pytest.raises(RuntimeError, match="detach"):
        y.numpy()
    back = tw.from_numpy(np.from_dlpack(x))
    assert back.data_ptr() == x.data_ptr()
    assert tw.from_dlpack(np.arange(3.0)).tolist() == [0, 1, 2]
    assert x.__dlpack_device__() == (1, 0)


@requires_torch
def test_dlpack_with_torch() -> None:
    import torch

    t = torch.arange(6.0).reshape(2, 3)
    x = tw.from_dlpack(t)
    t[0, 0] = 9
    assert x[0, 0].item() == 9
    u = torch.from_dlpack(x.T)
    assert u.shape == (3, 2)
    assert u.data_ptr() == t.data_ptr()
    images = tw.functional.relu(tw.rand(2, 3, 4, 5))
    seen = torch.from_dlpack(images)
    np.testing.assert_array_equal(seen.numpy(), images.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_convert(dtype: Any) -> None:
    a = np.array([0, 1, 3], np.float64)
    x = tw.tensor(a).to(dtype)
    assert x.dtype == dtype
    assert x.to(dtype) is x
    want = [False, True, True] if dtype == tw.bool else [0, 1, 3]
    assert x.tolist() == want
    assert pickle.loads(pickle.dumps(x)).tolist() == want
    assert pickle.loads(pickle.dumps(x)).dtype == dtype


def test_type_methods() -> None:
    x = tw.tensor([1.6, 0.0])
    assert x.long().tolist() == [1, 0]
    assert x.int().dtype == tw.int32
    assert x.double().dtype == tw.float64
    assert x.bool().tolist() == [True, False]
    assert x.byte().dtype == tw.uint8
    assert x.char().dtype == tw.int8
    assert x.to("float64").dtype == tw.float64
    assert x.to(np.int32).dtype == tw.int32
    assert x.to("cpu") is x
    assert x.to(tw.zeros(1, dtype=tw.float64)).dtype == tw.float64
    with pytest.raises(ValueError, match="'cuda'"):
        x.to("cuda")
    with pytest.raises(TypeError, match="dtype"):
        x.to("complex64")


def test_copies() -> None:
    x = tw.arange(3.0, requires_grad=True)
    x.grad = tw.ones(3)
    for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone().detach()):
        with tw.no_grad():
            made.mul_(2)
        assert x.tolist() == [0, 1, 2]
    assert copy.deepcopy(x).requires_grad
    assert copy.deepcopy(x).grad.tolist() == [1, 1, 1]
    assert copy.copy(x).data_ptr() == x.data_ptr()
    assert pickle.loads(pickle.dumps(x.detach().reshape(3, 1).expand(3, 2))).tolist() == [
        [0, 0],
        [1, 1],
        [2, 2],
    ]
    with pytest.raises(RuntimeError, match="leaf"):
        copy.deepcopy(x * 2)
    shared = [x, x]
    a, b = copy.deepcopy(shared)
    assert a is b


def test_pickle_holds_no_code_of_others() -> None:
    import pickletools

    names = {
        arg
        for op, arg, _ in pickletools.genops(pickle.dumps(tw.ones(2)))
        if op.name in {"GLOBAL", "STACK_GLOBAL", "SHORT_BINUNICODE"} and isinstance(arg, str)
    }
    assert all(name.startswith("tilewise") or "." not in name for name in names), names


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("tw.tensor(3)", "tensor(3)"),
        ("tw.tensor(2.5)", "tensor(2.5000)"),
        ("tw.tensor([1., 2.])", "tensor([1., 2.])"),
        ("tw.tensor([0.1, 2.])", "tensor([0.1000, 2.0000])"),
        ("tw.tensor([1e-5, 1.])", "tensor([1.0000e-05, 1.0000e+00])"),
        ("tw.tensor([[1, 20], [3, 4]])", "tensor([[ 1, 20],\n        [ 3,  4]])"),
        ("tw.tensor([True, False])", "tensor([ True, False])"),
        ("tw.tensor([])", "tensor([])"),
        ("tw.zeros(0, 3)", "tensor([], size=(0, 3))"),
        ("tw.zeros(2, dtype=tw.float64)", "tensor([0., 0.], dtype=tilewise.float64)"),
        ("tw.ones(1, requires_grad=True)", "tensor([1.], requires_grad=True)"),
        ("tw.ones(1, requires_grad=True) * 2", "tensor([2.], grad_fn=<mul>)"),
        ("tw.tensor([math.nan, math.inf, -1.])", "tensor([nan, inf, -1.])"),
        ("tw.arange(3000)", "tensor([   0,    1,    2, ..., 2997, 2998, 2999])"),
    ],
)
def test_repr(text: str, want: str) -> None:
    assert repr(eval(text)) == want


# ---------------------------------------------------------------- random numbers


def test_random() -> None:
    tw.manual_seed(7)
    a, n = tw.rand(1000), tw.randn(1000)
    i, p = tw.randint(-2, 3, (500,)), tw.randperm(100)
    assert 0 <= a.min().item() <= a.max().item() < 1
    assert abs(a.mean().item() - 0.5) < 0.05
    assert abs(n.std().item() - 1) < 0.1
    assert set(i.tolist()) == {-2, -1, 0, 1, 2}
    assert sorted(p.tolist()) == list(range(100))
    tw.manual_seed(7)
    assert tw.equal(a, tw.rand(1000))
    state = tw.get_rng_state()
    first = tw.rand(5)
    tw.set_rng_state(state)
    assert tw.equal(first, tw.rand(5))
    g = tw.Generator(3)
    x = tw.rand(4, generator=g)
    assert tw.equal(x, tw.rand(4, generator=tw.Generator(3)))
    assert not tw.equal(x, tw.rand(4, generator=g))
    assert tw.randint(5, (3,)).shape == (3,)
    assert tw.rand_like(tw.ones(2, dtype=tw.float64)).dtype == tw.float64
    assert set(tw.bernoulli(tw.tensor([0.0, 1.0])).tolist()) == {0, 1}
    assert tw.zeros(100).bernoulli_(0.5).sum().item() not in {0, 100}
    assert tw.empty(1000).normal_(5, 0.1).mean().item() == pytest.approx(5, abs=0.05)
    tw.manual_seed(-1)
    assert tw.initial_seed() == 2**64 - 1
    with pytest.raises(ValueError, match="uint8"):
        tw.set_rng_state(tw.ones(3))


def test_import_stays_light() -> None:
    heavy = run_ok(
        "import sys, tilewise; print(sorted(m for m in ('torch', 'safetensors', 'matplotlib',"
        " 'PIL', 'click', 'tqdm', 'rich') if m in sys.modules))"
    )
    assert heavy == "[]"


def test_public_names() -> None:
    for name in tw.__all__:
        assert getattr(tw, name) is not None, name
    assert tw.show_config()["version"] == tw.__version__
    assert tw.is_tensor(tw.ones(1))
    with pytest.raises(AttributeError, match="nonsense"):
        tw.nonsense  # noqa: B018
