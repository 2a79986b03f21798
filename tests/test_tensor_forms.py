"""Forms of tensor methods that write to the tensor or change its shape, against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import requires_torch

FORMS = [
    "x.squeeze_()",
    "x.squeeze_(1)",
    "x.unsqueeze_(-1)",
    "x.transpose_(0, 2)",
    "x[0].t_()",
    "x.sub_(x, alpha=3)",
    "x.sub_(1)",
    "x.add_(2.5, alpha=2)",
    "T.add(x, 2.5, alpha=2)",
    "T.sub(x, 2, alpha=0.5)",
    "x.subtract_(2.5, alpha=2)",
    "x.div_(0.3, rounding_mode='floor')",
    "x.div_(0.3, rounding_mode='trunc')",
    "x.true_divide_(2)",
    "x.new_tensor([1, 2])",
    "x.new_tensor(3)",
    "+x",
    "x.__imod__(2)",
    "(x > 0).__iand__(x < 2)",
    "(x > 0).__ior__(x < -1)",
    "(x > 0).__ixor__(x > 1)",
    "T.Tensor([1, 2])",
    "T.Tensor([[1, 2], [3, 4]])",
]


def evaluated(library: Any, form: str) -> Any:
    values = np.random.default_rng(0).normal(size=(2, 1, 3)) * 2
    result = eval(form, {"x": library.from_numpy(values), "T": library})
    return result.numpy()


@requires_torch
@pytest.mark.parametrize("form", FORMS)
def test_forms_are_pytorchs(form: str) -> None:
    import torch

    got, want = evaluated(tw, form), evaluated(torch, form)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_shapes_in_place_pass_gradients_on() -> None:
    x = tw.ones(2, 3, requires_grad=True)
    y = x * 2
    assert y.unsqueeze_(0) is y
    assert y.transpose_(0, 2).shape == (3, 2, 1)
    (y * y).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[8.0] * 3] * 2
    with pytest.raises(RuntimeError, match="unsqueeze_: expected a result"):
        x.unsqueeze_(0)


def test_the_older_constructor() -> None:
    assert tw.Tensor(3, 4).shape == (3, 4)
    assert tw.Tensor(2).shape == (2,)
    assert tw.Tensor().shape == (0,)
    assert tw.Tensor(2, 3).dtype == tw.float32
    with pytest.raises(TypeError, match="Tensor: expected sizes as an int"):
        tw.Tensor(2, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Tensor: expected sizes >= 0"):
        tw.Tensor(-2)


def test_new_tensor() -> None:
    x = tw.ones(1, dtype=tw.float64)
    made = x.new_tensor([1, 2], requires_grad=True)
    assert (made.dtype, made.requires_grad) == (tw.float64, True)
    assert x.new_tensor(tw.ones(2), dtype=tw.int64).dtype == tw.int64
    with pytest.raises(ValueError, match="new_tensor: expected device"):
        x.new_tensor(1, device="cuda")
