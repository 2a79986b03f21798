"""Calls whose time is the way to the kernel and back: a 1x8x8x8 tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: list[Any] = []  # these are no cases of ops.py's main table


def _call(call: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[[Any], Callable[[], Any]]:
    """A call without arguments; it sees the library's functional module and tensors of shapes."""

    def make(lib: Any) -> Callable[[], Any]:
        tensors, functional = [lib.root.rand(*shape) for shape in shapes], lib.F
        return lambda: call(functional, *tensors)

    return make


def _recorded(
    call: Callable[..., Any], *shapes: tuple[int, ...]
) -> Callable[[Any], Callable[[], Any]]:
    """The same with history, and the gradients of all the tensors."""

    def make(lib: Any) -> Callable[[], Any]:
        tensors = [lib.root.rand(*shape).requires_grad_(True) for shape in shapes]
        cotangent = (call(lib.F, *tensors) * 0 + 1).detach()
        return lambda: lib.root.autograd.grad(call(lib.F, *tensors), tensors, cotangent)

    return make


def _with_labels(name: str, history: bool = False) -> Callable[[Any], Callable[[], Any]]:
    """A loss of 8 rows of 64 classes."""

    def make(lib: Any) -> Callable[[], Any]:
        x, labels = lib.root.rand(8, 64).requires_grad_(history), lib.root.arange(8)
        loss = getattr(lib.F, name)
        if history:
            return lambda: lib.root.autograd.grad(loss(x, labels), x)
        return lambda: loss(x, labels)

    return make


def _batch_norm(lib: Any) -> Callable[[], Any]:
    x = lib.root.rand(1, 8, 8, 8)
    mean, variance = lib.root.zeros(8), lib.root.ones(8)
    return lambda: lib.F.batch_norm(x, mean, variance)


def _max_unpool2d(lib: Any) -> Callable[[], Any]:
    y, places = lib.F.max_pool2d(lib.root.rand(1, 8, 8, 8), 2, return_indices=True)
    return lambda: lib.F.max_unpool2d(y, places, 2)


def _layer(gradients: bool) -> Callable[[Any], Callable[[], Any]]:
    def make(lib: Any) -> Callable[[], Any]:
        x, layer = lib.root.rand(1, 8, 8, 8), lib.nn.Conv2d(8, 8, 3, padding=1)
        parameters = list(layer.parameters())
        cotangent = (layer(x) * 0 + 1).detach()
        if gradients:
            return lambda: lib.root.autograd.grad(layer(x), parameters, cotangent)
        return lambda: layer(x)

    return make


def _indexed(lib: Any) -> Callable[[], Any]:
    x, index = lib.root.rand(1, 8, 8, 8), lib.root.arange(4)
    return lambda: x[:, index]


_MAP = (1, 8, 8, 8)
_ROWS = (8, 64)
_LINE, _VOLUME = (1, 8, 64), (1, 8, 4, 4, 4)
_W1, _W2, _W3 = (8, 8, 3), (8, 8, 3, 3), (8, 8, 3, 3, 3)

CALLS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "conv1d": _call(lambda F, x, w: F.conv1d(x, w, padding=1), _LINE, _W1),
    "conv2d": _call(lambda F, x, w: F.conv2d(x, w, padding=1), _MAP, _W2),
    "conv2d, padding by name": _call(lambda F, x, w: F.conv2d(x, w, padding="same"), _MAP, _W2),
    "conv2d of one image": _call(lambda F, x, w: F.conv2d(x, w, padding=1), _MAP[1:], _W2),
    "conv3d": _call(lambda F, x, w: F.conv3d(x, w, padding=1), _VOLUME, _W3),
    "conv_transpose1d": _call(lambda F, x, w: F.conv_transpose1d(x, w, stride=2), _LINE, _W1),
    "conv_transpose2d": _call(
        lambda F, x, w: F.conv_transpose2d(x, w, stride=2), _MAP, (8, 8, 2, 2)
    ),
    "conv_transpose2d, output padding": _call(
        lambda F, x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1), _MAP, _W2
    ),
    "conv_transpose3d": _call(
        lambda F, x, w: F.conv_transpose3d(x, w, stride=2), _VOLUME, (8, 8, 2, 2, 2)
    ),
    "linear": _call(lambda F, x, w: F.linear(x, w), _MAP, (8, 8)),
    "max_pool1d": _call(lambda F, x: F.max_pool1d(x, 2), _LINE),
    "max_pool2d": _call(lambda F, x: F.max_pool2d(x, 2), _MAP),
    "max_pool3d": _call(lambda F, x: F.max_pool3d(x, 2), _VOLUME),
    "max_pool2d with indices": _call(lambda F, x: F.max_pool2d(x, 2, return_indices=True), _MAP),
    "max_unpool2d": _max_unpool2d,
    "avg_pool1d": _call(lambda F, x: F.avg_pool1d(x, 2), _LINE),
    "avg_pool2d": _call(lambda F, x: F.avg_pool2d(x, 2), _MAP),
    "avg_pool3d": _call(lambda F, x: F.avg_pool3d(x, 2), _VOLUME),
    "avg_pool2d of one image": _call(lambda F, x: F.avg_pool2d(x, 2), _MAP[1:]),
    "lp_pool2d": _call(lambda F, x: F.lp_pool2d(x, 2.0, 2), _MAP),
    "adaptive_avg_pool2d": _call(lambda F, x: F.adaptive_avg_pool2d(x, 1), _MAP),
    "adaptive_avg_pool2d to 3": _call(lambda F, x: F.adaptive_avg_pool2d(x, 3), _MAP),
    "adaptive_max_pool2d": _call(lambda F, x: F.adaptive_max_pool2d(x, 3), _MAP),
    "fractional_max_pool2d": _call(lambda F, x: F.fractional_max_pool2d(x, 2, output_size=4), _MAP),
    "interpolate": _call(lambda F, x: F.interpolate(x, scale_factor=2), _MAP),
    "interpolate, bilinear": _call(
        lambda F, x: F.interpolate(x, size=(12, 12), mode="bilinear"), _MAP
    ),
    "interpolate, bicubic": _call(
        lambda F, x: F.interpolate(x, size=(12, 12), mode="bicubic"), _MAP
    ),
    "batch_norm": _batch_norm,
    "instance_norm": _call(lambda F, x: F.instance_norm(x), _MAP),
    "group_norm": _call(lambda F, x: F.group_norm(x, 4), _MAP),
    "layer_norm": _call(lambda F, x: F.layer_norm(x, (8,)), _MAP),
    "normalize": _call(lambda F, x: F.normalize(x), _MAP),
    "cross_entropy": _with_labels("cross_entropy"),
    "multi_margin_loss": _with_labels("multi_margin_loss"),
    "mse_loss": _call(lambda F, x: F.mse_loss(x, x), _MAP),
    "margin_ranking_loss": _call(
        lambda F, x, y, z: F.margin_ranking_loss(x, y, z), _ROWS, _ROWS, _ROWS
    ),
    "cosine_similarity": _call(lambda F, x, y: F.cosine_similarity(x, y), _ROWS, _ROWS),
    "triplet_margin_loss": _call(
        lambda F, x, y, z: F.triplet_margin_loss(x, y, z), _ROWS, _ROWS, _ROWS
    ),
    "relu": _call(lambda F, x: F.relu(x), _MAP),
    "gelu": _call(lambda F, x: F.gelu(x), _MAP),
    "softmax": _call(lambda F, x: F.softmax(x, 1), _MAP),
    "pad": _call(lambda F, x: F.pad(x, (1, 1, 1, 1)), _MAP),
    "pad, reflect": _call(lambda F, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), _MAP),
    "unfold": _call(lambda F, x: F.unfold(x, 2, stride=2), _MAP),
    "channel_shuffle": _call(lambda F, x: F.channel_shuffle(x, 2), _MAP),
    "dropout": _call(lambda F, x: F.dropout(x, 0.5), _MAP),
    "add": _call(lambda _, x: x + x, _MAP),
    "x * 2": _call(lambda _, x: x * 2, _MAP),
    "clamp": _call(lambda _, x: x.clamp(0.2, 0.8), _MAP),
    "sum": _call(lambda _, x: x.sum(), _MAP),
    "mean over maps": _call(lambda _, x: x.mean((2, 3)), _MAP),
    "max over channels": _call(lambda _, x: x.max(1), _MAP),
    "median": _call(lambda _, x: x.median(1), _MAP),
    "reshape": _call(lambda _, x: x.reshape(8, 64), _MAP),
    "permute": _call(lambda _, x: x.permute(0, 2, 3, 1), _MAP),
    "flatten": _call(lambda _, x: x.flatten(1), _MAP),
    "expand": _call(lambda _, x: x.expand(2, 8, 8, 8), _MAP),
    "chunk": _call(lambda _, x: x.chunk(2, 1), _MAP),
    "flip": _call(lambda _, x: x.flip(3), _MAP),
    "x[0]": _call(lambda _, x: x[0], _MAP),
    "x[:, indices]": _indexed,
    "nn.Conv2d with history": _layer(gradients=False),
    "nn.Conv2d and its gradients": _layer(gradients=True),
    "conv2d and its gradients": _recorded(
        lambda F, x, w, b: F.conv2d(x, w, b, padding=1), _MAP, _W2, (8,)
    ),
    "conv_transpose2d and its gradients": _recorded(
        lambda F, x, w, b: F.conv_transpose2d(x, w, b, stride=2), _MAP, (8, 8, 2, 2), (8,)
    ),
    "linear and its gradients": _recorded(lambda F, x, w, b: F.linear(x, w, b), _MAP, (8, 8), (8,)),
    "batch_norm and its gradients": _recorded(
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True), _MAP, (8,), (8,)
    ),
    "layer_norm and its gradients": _recorded(
        lambda F, x, w, b: F.layer_norm(x, (8,), w, b), _MAP, (8,), (8,)
    ),
    "cross_entropy and its gradient": _with_labels("cross_entropy", history=True),
    "mse_loss and its gradients": _recorded(lambda F, x, y: F.mse_loss(x, y), _MAP, _MAP),
    "relu and its gradient": _recorded(lambda F, x: F.relu(x), _MAP),
    "softmax and its gradient": _recorded(lambda F, x: F.softmax(x, 1), _MAP),
    "add and its gradients": _recorded(lambda _, x, y: x + y, _MAP, _MAP),
    "max_pool2d and its gradient": _recorded(lambda F, x: F.max_pool2d(x, 2), _MAP),
    "avg_pool2d and its gradient": _recorded(lambda F, x: F.avg_pool2d(x, 2), _MAP),
    "interpolate and its gradient": _recorded(lambda F, x: F.interpolate(x, scale_factor=2), _MAP),
    "pad and its gradient": _recorded(lambda F, x: F.pad(x, (1, 1, 1, 1)), _MAP),
    "sum and its gradient": _recorded(lambda _, x: x.sum(), _MAP),
    "reshape and its gradient": _recorded(lambda _, x: x.reshape(8, 64), _MAP),
}
