"""Calls whose time is the way to the kernel and back: a 1x8x8x8 tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: list[Any] = []  # these are no cases of ops.py's main table


def _with_map(call: Callable[[Any, Any], Any]) -> Callable[[Any], Callable[[], Any]]:
    """The call without arguments; it sees the library's functional module and the map."""

    def make(lib: Any) -> Callable[[], Any]:
        x, functional = lib.root.rand(1, 8, 8, 8), lib.F
        return lambda: call(functional, x)

    return make


def _conv2d(lib: Any) -> Callable[[], Any]:
    x, w = lib.root.rand(1, 8, 8, 8), lib.root.rand(8, 8, 3, 3)
    return lambda: lib.F.conv2d(x, w, padding=1)


def _linear(lib: Any) -> Callable[[], Any]:
    x, w = lib.root.rand(1, 8, 8, 8), lib.root.rand(8, 8)
    return lambda: lib.F.linear(x, w)


def _conv1d(lib: Any) -> Callable[[], Any]:
    x, w = lib.root.rand(1, 8, 64), lib.root.rand(8, 8, 3)
    return lambda: lib.F.conv1d(x, w, padding=1)


def _conv_transpose2d(lib: Any) -> Callable[[], Any]:
    x, w = lib.root.rand(1, 8, 8, 8), lib.root.rand(8, 8, 2, 2)
    return lambda: lib.F.conv_transpose2d(x, w, stride=2)


def _batch_norm(lib: Any) -> Callable[[], Any]:
    x = lib.root.rand(1, 8, 8, 8)
    mean, variance = lib.root.zeros(8), lib.root.ones(8)
    return lambda: lib.F.batch_norm(x, mean, variance)


def _cross_entropy(lib: Any) -> Callable[[], Any]:
    x, labels = lib.root.rand(8, 64), lib.root.arange(8)
    return lambda: lib.F.cross_entropy(x, labels)


def _recorded(call: Callable[[Any, Any], Any]) -> Callable[[Any], Callable[[], Any]]:
    """A call with history, and its gradient for the map."""

    def make(lib: Any) -> Callable[[], Any]:
        x = lib.root.rand(1, 8, 8, 8).requires_grad_(True)
        cotangent = (call(lib.F, x) * 0 + 1).detach()
        return lambda: lib.root.autograd.grad(call(lib.F, x), x, cotangent)

    return make


def _layer(lib: Any) -> Callable[[], Any]:
    x, layer = lib.root.rand(1, 8, 8, 8), lib.nn.Conv2d(8, 8, 3, padding=1)
    return lambda: layer(x)


def _indexed(lib: Any) -> Callable[[], Any]:
    x, index = lib.root.rand(1, 8, 8, 8), lib.root.arange(4)
    return lambda: x[:, index]


CALLS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "conv2d": _conv2d,
    "conv1d": _conv1d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _with_map(lambda F, x: F.group_norm(x, 4)),
    "layer_norm": _with_map(lambda F, x: F.layer_norm(x, (8,))),
    "cross_entropy": _cross_entropy,
    "mse_loss": _with_map(lambda F, x: F.mse_loss(x, x)),
    "relu": _with_map(lambda F, x: F.relu(x)),
    "gelu": _with_map(lambda F, x: F.gelu(x)),
    "pad": _with_map(lambda F, x: F.pad(x, (1, 1, 1, 1))),
    "dropout": _with_map(lambda F, x: F.dropout(x, 0.5)),
    "add": _with_map(lambda _, x: x + x),
    "max_pool2d": _with_map(lambda F, x: F.max_pool2d(x, 2)),
    "avg_pool2d": _with_map(lambda F, x: F.avg_pool2d(x, 2)),
    "adaptive_avg_pool2d": _with_map(lambda F, x: F.adaptive_avg_pool2d(x, 1)),
    "interpolate": _with_map(lambda F, x: F.interpolate(x, scale_factor=2)),
    "sum": _with_map(lambda _, x: x.sum()),
    "mean over maps": _with_map(lambda _, x: x.mean((2, 3))),
    "softmax": _with_map(lambda F, x: F.softmax(x, 1)),
    "reshape": _with_map(lambda _, x: x.reshape(8, 64)),
    "permute": _with_map(lambda _, x: x.permute(0, 2, 3, 1)),
    "max over channels": _with_map(lambda _, x: x.max(1)),
    "x[0]": _with_map(lambda _, x: x[0]),
    "x[:, indices]": _indexed,
    "x * 2": _with_map(lambda _, x: x * 2),
    "clamp": _with_map(lambda _, x: x.clamp(0.2, 0.8)),
    "flatten": _with_map(lambda _, x: x.flatten(1)),
    "expand": _with_map(lambda _, x: x.expand(2, 8, 8, 8)),
    "chunk": _with_map(lambda _, x: x.chunk(2, 1)),
    "flip": _with_map(lambda _, x: x.flip(3)),
    "median": _with_map(lambda _, x: x.median(1)),
    "nn.Conv2d with history": _layer,
    "relu and its gradient": _recorded(lambda F, x: F.relu(x)),
    "add and its gradient": _recorded(lambda _, x: x + x),
    "max_pool2d and its gradient": _recorded(lambda F, x: F.max_pool2d(x, 2)),
}
