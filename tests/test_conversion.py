"""Types, devices and memory formats: what scripts say when they move a tensor."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from tilewise import nn

LAYERS: list[Any] = [
    (nn.Linear, (3, 4, True)),
    (nn.Conv2d, (3, 4, 3, 1, 0, 1, 1, True, "zeros")),
    (nn.ConvTranspose2d, (3, 4, 3, 1, 0, 0, 1, True, 1, "zeros")),
    (nn.BatchNorm2d, (3, 1e-5, 0.1, True, True)),
    (nn.InstanceNorm2d, (3, 1e-5, 0.1, True, True)),
    (nn.GroupNorm, (1, 3, 1e-5, True)),
    (nn.LayerNorm, (3, 1e-5, True, True)),
    (nn.RMSNorm, (3, 1e-5, True)),
    (nn.PReLU, (3, 0.25)),
]


def test_device() -> None:
    place = tw.device("cuda:0" if tw.cuda.is_available() else "cpu")
    assert (place, place.type, place.index) == ("cpu", "cpu", None)
    assert place == tw.device("cpu:0") == tw.device(place) == tw.ones(1).device
    assert (str(place), repr(place), f"{place}") == ("cpu", "device(type='cpu')", "cpu")
    assert copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == place
    with pytest.raises(ValueError, match="expected device 'cpu', got 'cuda'"):
        tw.device("cuda")
    with pytest.raises(ValueError, match="index"):
        tw.device("cpu", 3)


@pytest.mark.parametrize(("layer", "arguments"), LAYERS)
def test_layers_take_a_device_before_the_type(layer: Any, arguments: tuple[Any, ...]) -> None:
    made = layer(*arguments, tw.device("cpu"), tw.float64)
    assert {p.dtype for p in made.parameters()} == {tw.float64}
    assert made.to(tw.device("cpu"), non_blocking=True) is made
    with pytest.raises(ValueError, match=f"{layer.__name__}: expected device 'cpu'"):
        layer(*arguments, device="cuda")


@pytest.mark.parametrize(
    ("arguments", "named", "dtype"),
    [
        (("cpu",), {}, tw.float32),
        ((tw.device("cpu"),), {"non_blocking": True}, tw.float32),
        (("cpu", tw.float64), {}, tw.float64),
        ((tw.float64,), {}, tw.float64),
        ((tw.float64, True), {}, tw.float64),
        (("float64",), {}, tw.float64),
        ((), {"dtype": tw.int64}, tw.int64),
        ((), {"device": "cpu", "dtype": tw.uint8}, tw.uint8),
        ((tw.ones(1, dtype=tw.float64),), {}, tw.float64),
        ((), {}, tw.float32),
    ],
)
def test_to(arguments: tuple[Any, ...], named: dict[str, Any], dtype: Any) -> None:
    x = tw.tensor([1.0, 2.0])
    y = x.to(*arguments, **named)
    assert y.dtype == dtype
    assert (y is x) == (dtype == tw.float32)
    copied = x.to(*arguments[:1], **named, copy=True)
    assert copied is not x
    assert copied.data_ptr() != x.data_ptr()


def test_gradients_flow_through_copies_of_other_types_and_formats() -> None:
    x = tw.ones(2, 3, 4, 5, requires_grad=True)
    for y in (
        x.to(tw.float64),
        x.to(copy=True, dtype=tw.float32),
        x.to(memory_format=tw.channels_last),
        x.clone(memory_format=tw.channels_last),
        x.contiguous(memory_format=tw.channels_last),
    ):
        (y * 2).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.full((2, 3, 4, 5), 10.0))


def test_memory_formats() -> None:
    x = tw.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    y = x.to(memory_format=tw.channels_last)
    assert y.stride() == (60, 1, 15, 3)
    assert [y.stride(d) for d in (0, -1)] == [60, 3]
    assert y.is_contiguous(memory_format=tw.channels_last)
    assert not y.is_contiguous()
    assert y.contiguous(memory_format=tw.channels_last) is y
    assert y.contiguous().stride() == x.stride()
    assert tw.equal(x, y)
    assert tw.equal(x, y.clone(memory_format=tw.contiguous_format))
    assert y.clone(memory_format=tw.preserve_format).stride() == y.stride()
    assert tw.ones(1, 2, 3, 4, 5).to(memory_format=tw.channels_last_3d).stride(1) == 1
    with pytest.raises(ValueError, match="contiguous: expected 4 dimensions"):
        tw.ones(2, 3).contiguous(memory_format=tw.channels_last)
    with pytest.raises(TypeError, match="memory_format"):
        x.clone(memory_format="channels_last")


def test_errors() -> None:
    x = tw.ones(2)
    with pytest.raises(ValueError, match="to: expected device 'cpu', got 'cuda'"):
        x.to(device="cuda")
    with pytest.raises(TypeError, match="to: expected dtype"):
        x.to("complex64")
    with pytest.raises(TypeError, match="non_blocking"):
        x.to("cpu", tw.float32, "yes")
    with pytest.raises(IndexError, match="stride: expected dim"):
        x.stride(1)


def test_types_by_their_other_names() -> None:
    x = tw.ones(2)
    assert (tw.float, tw.int, tw.double, tw.long) == (tw.float32, tw.int32, tw.float64, tw.int64)
    assert x.type() == "tilewise.float32"
    assert x.type(tw.float64).dtype == tw.float64
    assert (x.nelement(), x.ndimension(), tw.numel(x), x.is_cuda) == (2, 1, 2, False)
    assert tw.is_floating_point(x)
    assert tw.clone(x).data_ptr() != x.data_ptr() == tw.detach(x).data_ptr()
    assert tw.as_tensor([1, 2], tw.float64).dtype == tw.float64
    grad = tw.ones(2, requires_grad=True)
    assert grad.numpy(force=True).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="detach"):
        grad.numpy()
