"""Vector products, contractions, functions of three operands, and writes by index in one call."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import tilewise as tw
from helpers import dot_limit, random_array
from tilewise.autograd import gradcheck


@pytest.mark.parametrize("k", [0, 1, 3, 15, 16, 17, 64, 127, 1000, 65_536, 65_537, 200_003])
def test_vector_products_have_the_error_of_one_sum(k: int) -> None:
    a, x = random_array((3, k)), random_array((k,), 1)
    want = a.astype(np.float64) @ x.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(x).astype(np.float64)
    m, v = tw.tensor(a), tw.tensor(x)
    for got in (
        m @ v,
        v @ m.t(),
        tw.stack([tw.dot(row, v) for row in m]),
        (m @ v.reshape(k, 1)).squeeze(1),
        m.t().contiguous().t() @ v,  # columns side by side
        tw.stack([m, m], 2)[:, :, 0] @ tw.stack([v, v], 1)[:, 1],  # gaps between elements
    ):
        error = np.abs(got.numpy() - want)
        assert (error <= dot_limit(min(k, 64) + 4) * scale + 1e-30).all()


def _numbers(*shape: int, seed: int = 0) -> tw.Tensor:
    return tw.tensor(random_array(shape, seed, dtype=np.float64), requires_grad=True)


@pytest.mark.parametrize(
    "dims", [0, 1, 2, ([0], [2]), ([2, 0], [0, 2]), ([0, 1, 2], [2, 1, 0]), ([1], [1])]
)
def test_tensordot(dims: object) -> None:
    a, b = _numbers(3, 2, 4), _numbers(4, 2, 3, seed=1)
    if dims in (1, 2):  # the last of a against the first of b
        b = _numbers(4, 3) if dims == 1 else _numbers(2, 4, 3)
    got = tw.tensordot(a, b, dims)
    np.testing.assert_allclose(
        got.detach().numpy(), np.tensordot(a.detach().numpy(), b.detach().numpy(), dims)
    )
    assert gradcheck(lambda x, y: tw.tensordot(x, y, dims), (a, b))


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((2, 1), (3,)), ((), (2, 2)), ((2, 3), (2, 2))])
def test_kron(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (_numbers(*s, seed=i) for i, s in enumerate(shapes))
    np.testing.assert_allclose(
        tw.kron(a, b).detach().numpy(), np.kron(a.detach().numpy(), b.detach().numpy())
    )
    assert gradcheck(tw.kron, (a, b))


@pytest.mark.parametrize(("shapes", "dim"), [(((4, 3), (1, 3)), -1), (((3, 5), (3, 5)), 0)])
def test_cross(shapes: tuple[tuple[int, ...], ...], dim: int) -> None:
    a, b = (_numbers(*s, seed=i) for i, s in enumerate(shapes))
    want = np.cross(a.detach().numpy(), b.detach().numpy(), axis=dim)
    np.testing.assert_allclose(tw.linalg.cross(a, b, dim=dim).detach().numpy(), want)
    assert gradcheck(lambda x, y: tw.linalg.cross(x, y, dim=dim), (a, b))


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (2.0, 1), (1, 0.5), (3, 0)])
def test_sums_with_products(alpha: float, beta: float) -> None:
    shapes = {
        tw.addmm: ((4,), (3, 2), (2, 4)),
        tw.addmv: ((1,), (3, 2), (2,)),
        tw.addr: ((3, 1), (3,), (4,)),
        tw.baddbmm: ((3, 4), (2, 3, 2), (2, 2, 4)),
        tw.addbmm: ((3, 4), (2, 3, 2), (2, 2, 4)),
    }
    for op, sizes in shapes.items():
        x, a, b = (_numbers(*s, seed=i) for i, s in enumerate(sizes))
        subscripts = {1: {1: "i,j->ij"}, 2: {1: "ij,j->i", 2: "ij,jk->ik"}, 3: {3: "bij,bjk->bik"}}
        form = "bij,bjk->ik" if op is tw.addbmm else subscripts[a.ndim][b.ndim]
        product = np.einsum(form, a.detach().numpy(), b.detach().numpy())
        want = beta * x.detach().numpy() + alpha * product
        got = op(x, a, b, alpha=alpha, beta=beta)
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-12)
        assert gradcheck(
            lambda *t, op=op: op(*t, alpha=alpha, beta=beta), (x, a, b)
        )  # the input's gradient is that of beta
    nan = tw.full((2, 2), math.nan)
    assert tw.isfinite(tw.addmm(nan, tw.ones(2, 2), tw.ones(2, 2), beta=0)).all()


@pytest.mark.parametrize("shapes", [((5, 7), (5, 7), (5, 7)), ((7,), (5, 1), ()), ((2, 3, 4),) * 3])
def test_three_operands(shapes: tuple[tuple[int, ...], ...]) -> None:
    a, b, c = (tw.tensor(random_array(s, i) + 3) for i, s in enumerate(shapes))
    x, y, z = a.numpy(), b.numpy(), c.numpy()
    np.testing.assert_allclose(tw.lerp(a, b, c).numpy(), x + z * (y - x), rtol=1e-6)
    np.testing.assert_allclose(tw.lerp(a, b, 0.25).numpy(), x + 0.25 * (y - x), rtol=1e-6)
    np.testing.assert_allclose(tw.addcmul(a, b, c, value=2).numpy(), x + 2 * (y * z), rtol=1e-6)
    np.testing.assert_allclose(tw.addcdiv(a, b, c, value=2).numpy(), x + 2 * (y / z), rtol=1e-6)
    assert tw.addcmul(tw.ones(2, dtype=tw.int64), tw.ones(2), tw.ones(2)).dtype == tw.float32


def test_numbers_for_what_is_none() -> None:
    x = np.array([math.nan, math.inf, -math.inf, -0.0, 1.0, 1e-45] * 7, np.float32)
    t = tw.tensor(x)
    np.testing.assert_array_equal(t.nan_to_num().numpy(), np.nan_to_num(x))
    np.testing.assert_array_equal(
        t.nan_to_num(1, 2, 3).numpy(), np.nan_to_num(x, nan=1, posinf=2, neginf=3)
    )
    grid = np.array([[0.0, -0.0, 2.0, -3.0, math.nan]], np.float32)
    at_zero = np.array([[5.0], [6.0]], np.float32)
    got = tw.heaviside(tw.tensor(grid), tw.tensor(at_zero)).numpy()
    np.testing.assert_array_equal(got, np.heaviside(grid, at_zero))
    pairs = [math.nan, math.inf, -math.inf, 0.0, 1.0, 1.0 + 1e-6, 1.1]
    a, b = (np.array(v, np.float32) for v in zip(*itertools.product(pairs, pairs), strict=True))
    for equal_nan in (False, True):
        got = tw.isclose(tw.tensor(a), tw.tensor(b), equal_nan=equal_nan).numpy()
        np.testing.assert_array_equal(got, np.isclose(a, b, equal_nan=equal_nan))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("size", "chosen"), [(5, 1), (5, 2), (6, 3), (4, 4), (3, 5), (0, 2)])
def test_combinations(size: int, chosen: int, again: bool) -> None:
    choose = itertools.combinations_with_replacement if again else itertools.combinations
    want = np.array(list(choose(range(size), chosen)), np.int64).reshape(-1, chosen)
    np.testing.assert_array_equal(tw.combinations(tw.arange(size), chosen, again).numpy(), want)


def test_cartesian_products_and_blocks() -> None:
    parts = [_numbers(2), _numbers(3), _numbers(1)]
    want = list(itertools.product(*[p.tolist() for p in (q.detach() for q in parts)]))
    np.testing.assert_array_equal(tw.cartesian_prod(*parts).detach().numpy(), want)
    assert gradcheck(tw.cartesian_prod, parts)
    assert gradcheck(tw.block_diag, [_numbers(2, 2), _numbers(3), _numbers()])
    assert tw.cartesian_prod(tw.ones(2), tw.ones(0)).shape == (0, 2)


def test_writes_by_index_send_gradients_to_both() -> None:
    x, v = _numbers(4, 3), _numbers(2, 3, seed=1)
    rows = tw.tensor([2, 0])
    assert gradcheck(lambda x, v: x.index_add(0, rows, v, alpha=2.0), (x, v))
    assert gradcheck(lambda x, v: x.index_copy(0, rows, v), (x, v))
    assert gradcheck(lambda x, v: x.index_put((rows,), v, accumulate=True), (x, v))
    assert gradcheck(lambda x, v: x.index_put((rows,), v), (x, v))
    assert gradcheck(lambda x, v: x.put(tw.tensor([0, 5, 7, 1, 9, 2]), v), (x, v))
    mask = tw.tensor([[True], [False], [True], [False]])
    assert gradcheck(lambda x, v: x.masked_scatter(mask, v), (x, v))
    places = tw.tensor([[0, -1, 1]])
    assert gradcheck(lambda x: tw.take_along_dim(x, places, 0), (x,))
    assert gradcheck(lambda x: tw.take_along_dim(x, places, 1), (x,))


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 3.0, math.inf])
def test_renorm(order: float) -> None:
    x = _numbers(3, 4, 2)
    y = x.renorm(order, 1, 0.7).detach()
    sizes = y.movedim(1, 0).reshape(4, -1).norm(order, 1).numpy()
    assert (sizes <= 0.7 + 1e-6).all()
    assert gradcheck(lambda t: t.renorm(order, 1, 0.7), (x,))


def test_integrals_of_places_of_any_shape() -> None:
    y = _numbers(2, 4, 3)
    for x, dim in ((_numbers(4), 1), (_numbers(2, 4, 3), 1), (_numbers(4, 3), 1), (_numbers(3), 2)):
        got = tw.trapezoid(y, x, dim=dim).detach().numpy()
        places = x.detach().numpy()
        values = np.moveaxis(y.detach().numpy(), dim, -1)
        widths = np.diff(places if places.ndim == 1 else np.moveaxis(places, dim - 3, -1))
        want = (0.5 * (values[..., 1:] + values[..., :-1]) * widths).sum(-1)
        np.testing.assert_allclose(got, want)
        assert gradcheck(lambda y, x, d=dim: tw.trapezoid(y, x, dim=d), (y, x))
        assert gradcheck(lambda y, x, d=dim: tw.cumulative_trapezoid(y, x, dim=d), (y, x))
    assert tw.trapezoid(tw.ones(1)).item() == 0
    with pytest.raises(ValueError, match="cumulative_trapezoid: expected x of 4 elements"):
        tw.cumulative_trapezoid(y, tw.ones(5), dim=1)
