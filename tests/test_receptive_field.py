"""Receptive fields against the only truth there is: where the gradient of a unit is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tilewise as tw
from helpers import to_numpy
from tilewise import nn
from tilewise.nn import functional as F


def positive(model: nn.Module) -> nn.Module:
    """All weights such that nothing cancels: a unit's gradient is not zero wherever it looks."""
    with tw.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    return model.eval()


def seen(model: nn.Module, shape: tuple[int, ...], unit: tuple[int, ...]) -> Any:
    """The box of the pixels that reach a unit of the output, by the gradient."""
    x = tw.ones(1, *shape, requires_grad=True)
    y = model(x)
    index = (slice(None), slice(None), *unit)
    y[index].sum().backward()
    assert x.grad is not None
    dx = to_numpy(x.grad)[0] != 0
    box = []
    for axis in range(1, dx.ndim):
        places = np.flatnonzero(dx.any(tuple(i for i in range(dx.ndim) if i != axis)))
        box.append((int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0))
    return tuple(box)


def assert_boxes(
    model: nn.Module, shape: tuple[int, ...], *, exact: bool = True, borders: str = "zeros"
) -> None:
    """The corners, the middle and a few more units see what their gradients say."""
    field = tw.receptive_field(positive(model), shape)
    assert not field.assumed
    size = field.rows[-1].map_size
    units = {tuple(f * (n - 1) // 4 for n in size) for f in range(5)}
    units.add((0,) * (len(size) - 1) + (size[-1] - 1,))
    for unit in units:
        box, found = field.unit_box(-1, unit), seen(model, shape, unit)
        if exact:
            assert box == found, f"unit {unit} of {size}\n{field}"
        else:
            assert all(a <= c and d <= b for (a, b), (c, d) in zip(box, found, strict=True)), field
        if borders == "zeros" and box[0][1]:
            wide = field.unit_box(-1, unit, clip=False)
            assert all(a <= c and d <= b for (a, b), (c, d) in zip(wide, box, strict=True)), field


def windows(dims: int) -> st.SearchStrategy[Any]:
    """Layers that slide a window, each with settings of its own in every dimension."""
    each = st.tuples
    small = st.integers(1, 4)

    @st.composite
    def layer(draw: Any) -> nn.Module:
        kernel = draw(each(*[small] * dims))
        stride = draw(each(*[st.integers(1, 3)] * dims))
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
        kind = draw(st.sampled_from(["conv", "conv", "same", "avg", "transposed", "relu"]))
        if kind == "relu":
            return nn.ReLU()
        if kind == "avg":
            ceil = draw(st.booleans())
            return getattr(nn, f"AvgPool{dims}d")(kernel, stride, padding, ceil_mode=ceil)
        if kind == "transposed":
            return getattr(nn, f"ConvTranspose{dims}d")(2, 2, kernel, stride, padding)
        dilation = draw(each(*[st.integers(1, 2)] * dims))
        pads = "same" if kind == "same" else padding
        return getattr(nn, f"Conv{dims}d")(2, 2, kernel, stride, pads, dilation)

    return layer()


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data(), dims=st.sampled_from([1, 2]), count=st.integers(1, 5))
def test_random_sequences(data: st.DataObject, dims: int, count: int) -> None:
    layers = [data.draw(windows(dims)) for _ in range(count)]
    shape = (2, 29, 23)[: dims + 1]
    x = tw.ones(1, *shape)
    fitting = []
    for layer in layers:  # those that leave pixels
        try:
            y = positive(layer)(x)
        except ValueError:
            continue
        if 0 < max(y.shape[2:]) < 80 and bool((y != 0).all()):
            fitting.append(layer)
            x = y
    if fitting:
        assert_boxes(nn.Sequential(*fitting), shape)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module, way: nn.Module) -> None:
        super().__init__()
        self.inner, self.way = inner, way

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        return F.relu(self.inner(x) + self.way(x))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(2, 2, 1)
        self.five = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, (5, 3), padding=(2, 1)))
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(2, 2, 1))

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        return tw.cat([self.one(x), self.five(x), self.pool(x)], 1)


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(2 + 2 * i, 2, 3, padding=1) for i in range(3))

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        for layer in self.layers:
            x = tw.cat([x, layer(x)], 1)
        return x


class Gated(nn.Module):
    """A channel's factor is told by the whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        x = self.conv(x)
        return x * F.softplus(self.fc(F.adaptive_avg_pool2d(x, 1)) * 0.01)


class Cropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, 2, 1)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        left, right = self.b(x).chunk(2, dim=1)
        return F.pad(self.a(x)[:, :1, ::2, ::2], (0, 0, 0, 0, 0, 1)) + tw.cat([right, left], 1)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(2, 2, 2, 2), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x: tw.Tensor) -> tw.Tensor:
        first = F.relu(self.down(x))
        up = self.up(self.deep(F.avg_pool2d(first, 2)))
        return self.out(tw.cat([first, up], 1))


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "residual": (
        lambda: nn.Sequential(
            Residual(nn.Conv2d(2, 2, 3, padding=1), nn.Identity()),
            Residual(nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 1, 2)),
        ),
        (2, 17, 16),
    ),
    "inception": (lambda: nn.Sequential(Inception(), nn.Conv2d(6, 2, 3, 2)), (2, 16, 15)),
    "dense": (Dense, (2, 15, 14)),
    "gated": (Gated, (2, 11, 12)),
    "crop, pad, chunk": (Cropped, (2, 14, 13)),
    "U-Net": (UNet, (2, 16, 20)),
    "3-D": (
        lambda: nn.Sequential(nn.Conv3d(2, 2, (1, 3, 2), padding=(0, 1, 1)), nn.AvgPool3d(2)),
        (2, 6, 7, 8),
    ),
    "causal": (
        lambda: nn.Sequential(*(nn.CausalConv1d(2, 2, 2, dilation=2**i) for i in range(4))),
        (2, 40),
    ),
    "bilinear": (
        lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.Upsample(scale_factor=2, mode="bilinear")),
        (2, 9, 8),
    ),
    "bilinear, corners": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 2, 2), nn.Upsample(size=(13, 5), mode="bilinear", align_corners=True)
        ),
        (2, 9, 8),
    ),
    "nearest": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=3), nn.Conv2d(2, 2, 3, 2)), (2, 7, 8)
    ),
    "adaptive": (
        lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d((5, 3))), (2, 14, 15)
    ),
    "pixel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.PixelShuffle(2), nn.PixelUnshuffle(3)),
        (2, 11, 8),
    ),
    "reflection": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 2, 5, padding=2, padding_mode="reflect"), nn.ReflectionPad2d(3),
            nn.Conv2d(2, 2, 3),
        ),
        (2, 9, 8),
    ),
    "circular": (
        lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), (2, 9, 8)
    ),
    "channel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ChannelShuffle(2)), (2, 9, 8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_branches_and_other_layers(name: str) -> None:
    make, shape = MODELS[name]
    assert_boxes(make(), shape, borders=name if name in {"reflection", "circular"} else "zeros")


def test_max_pooling_looks_at_no_more_than_its_box() -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(2, 2, 2))
    assert_boxes(net, (2, 17, 16), exact=False)


def test_the_table_agrees_with_the_boxes() -> None:
    """Far from the borders: size, jump and start are those of the boxes of neighbours."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 5, 2, 2),
        Residual(nn.Conv2d(2, 2, 3, padding=2, dilation=2), nn.Identity()),
        nn.MaxPool2d(2), nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Conv2d(2, 2, 3, 2, 1),
    )  # fmt: skip
    field = tw.receptive_field(net, (1, 64, 64))
    for number, row in enumerate(field.rows):
        boxes = [field.unit_box(number, (i, i), clip=False)[0] for i in range(4, 10)]
        assert max(b - a for a, b in boxes) == row.size[0]
        assert (boxes[4][0] - boxes[0][0]) / 4 == row.jump[0]
        centres = np.mean([(a + b) / 2 - i * row.jump[0] for i, (a, b) in enumerate(boxes, 4)])
        assert abs(centres - row.start[0]) <= row.jump[0] / 2


def test_what_follows_flatten_sees_what_the_map_saw() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.Flatten(), nn.Linear(50, 3))
    field = tw.receptive_field(net, (1, 12, 12))  # the last row and column are not used
    assert [row.map_size for row in field.rows] == [(12, 12), (5, 5), (), ()]
    assert field.rows[-1].size == (11, 11)
    assert field.unit_box("2") == ((0, 11), (0, 11))


def test_norms_over_pixels_see_everything() -> None:
    for norm in (nn.InstanceNorm2d(2), nn.GroupNorm(1, 2)):
        field = tw.receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), norm), (1, 8, 8))
        assert field.unit_box(-1, (0, 0)) == ((0, 8), (0, 8))


def test_unknown_operations_are_named() -> None:
    class Rolled(nn.Module):
        def forward(self, x: tw.Tensor) -> tw.Tensor:
            return tw.roll(x, 1, 2)

    field = tw.receptive_field(Rolled(), (1, 6, 6))
    assert field.assumed == ("roll",)
    assert "roll" in str(field).splitlines()[-1]
    assert field.unit_box(-1) == ((0, 6), (0, 6))


def test_a_unit_in_the_padding_sees_nothing() -> None:
    field = tw.receptive_field(nn.Sequential(nn.ZeroPad2d(3), nn.Conv2d(1, 1, 2)), (1, 4, 4))
    assert field.unit_box(-1, (0, 0)) == ((0, 0), (0, 0))
    assert field.unit_box(-1, (0, 0), clip=False) == ((-3, -1), (-3, -1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.unit_box("nope", (0, 0)), "expected the name of a layer"),
        (lambda f: f.unit_box(7, (0, 0)), "expected a layer below 2, got 7"),
        (lambda f: f.unit_box(1, (6, 0)), r"expected a unit within the map \(6, 6\) of"),
        (lambda f: f.unit_box(1, (0,)), "expected a unit within the map"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    field = tw.receptive_field(nn.Conv2d(1, 1, 3), (1, 8, 8))
    with pytest.raises(ValueError, match=message):
        call(field)


def test_vectors_have_no_receptive_field() -> None:
    with pytest.raises(ValueError, match="expected input of shape"):
        tw.receptive_field(nn.Linear(4, 2), (4,))


def test_picture(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    from tilewise import viz

    field = tw.receptive_field(nn.Conv2d(3, 4, 7, 2, 3), (3, 32, 48))
    for image in (np.zeros((32, 48)), np.random.default_rng(0).random((3, 32, 48))):
        viz.receptive_field(field, 1, (0, 5), image, tmp_path / "unit.png")
        assert (tmp_path / "unit.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="expected a finite image"):
        viz.receptive_field(field, 1, (0, 5), np.zeros((32, 32)), tmp_path / "unit.png")
