"""Pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

import tilewise as tw
from opinfo.harness import Row
from tilewise.nn import functional as F

DIMS = (1, 2, 3)


def drawn_within_reach(call: Any) -> Any:
    """Fractional pooling with the windows that PyTorch would draw next."""

    def run(input: tw.Tensor, kernel_size: Any, **options: Any) -> Any:
        import torch

        dims = 2 if call is F.fractional_max_pool2d else 3
        if options.get("_random_samples") is None:
            planes = input.shape[:-dims] if input.ndim == dims + 2 else (1, input.shape[0])
            torch.manual_seed(0)
            dtype = torch.float32 if input.dtype is tw.float32 else torch.float64
            samples = torch.rand(*planes, dims, dtype=dtype)
            options["_random_samples"] = tw.from_numpy(samples.numpy())
        return call(input, kernel_size, **options)

    return run


def max_pool2d_backward(
    grad_output: tw.Tensor, self: tw.Tensor, *window: Any, indices: Any = None, **options: Any
) -> Any:
    return None


ROWS = [
    *(Row(f"nn.functional.max_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.avg_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.adaptive_avg_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.adaptive_max_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.max_unpool{d}d") for d in DIMS),
    *(Row(f"nn.functional.max_unpool{d}d", variant="grad") for d in DIMS),
]
