"""Optimizer steps over ResNet-50's parameters: 25.6 million in 161 tensors.

PyTorch runs its fused form where it has one, and its foreach form as "channels-last": there are no
images here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from op_cases import Case, Input


def _resnet50() -> list[tuple[int, ...]]:
    """Shapes of the weights, norms' scales and shifts included."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            layers = [(width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            if block == 0:
                layers.append((4 * width, channels, 1, 1))
            for layer in layers:
                shapes += [layer, layer[:1], layer[:1]]
            channels = 4 * width
    return [*shapes, (1000, 2048), (1000,)]


SHAPES = _resnet50()
VALUES = sum(math.prod(shape) for shape in SHAPES)


def _tensors(lib: Any, first_seed: int) -> list[Any]:
    arrays = (Input(shape).array(first_seed + i) * 0.01 for i, shape in enumerate(SHAPES))
    return [lib.root.from_numpy(array).clone() for array in arrays]


def _parameters(lib: Any) -> list[Any]:
    parameters = [lib.nn.Parameter(tensor) for tensor in _tensors(lib, 0)]
    for parameter, gradient in zip(parameters, _tensors(lib, 1000), strict=True):
        parameter.grad = gradient
    return parameters


def _optimizer(name: str, fused: bool = True, **options: Any) -> Callable[[Any], Callable[[], Any]]:
    def make(lib: Any) -> Callable[[], Any]:
        form = {"fused": True} if fused and lib.name != "torch-channels-last" else {"foreach": True}
        return getattr(lib.optim, name)(_parameters(lib), **options, **form).step  # type: ignore[no-any-return]

    return make


def _clip(lib: Any) -> Callable[[], Any]:
    parameters = _parameters(lib)
    return lambda: lib.nn.utils.clip_grad_norm_(parameters, 1e-3)


def _average(lib: Any) -> Callable[[], Any]:
    averages, values = _tensors(lib, 0), _tensors(lib, 1000)
    update = lib.optim.swa_utils.get_ema_multi_avg_fn(0.999)
    return lambda: update(averages, values, 1)


def _case(name: str, make: Callable[[Any], Callable[[], Any]], values: int) -> Case:
    return Case(f"{name}, 161 tensors", (), make, forward=values * VALUES, training=None)


CASES = [
    _case("Adam", _optimizer("Adam"), 7),
    _case("AdamW", _optimizer("AdamW"), 7),
    _case("SGD with momentum", _optimizer("SGD", lr=1e-5, momentum=0.9, weight_decay=1e-4), 5),
    _case("RMSprop", _optimizer("RMSprop", fused=False), 5),
    _case("clip_grad_norm_", _clip, 3),
    _case("average (EMA)", _average, 3),
]
