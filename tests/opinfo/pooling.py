"""Pooling."""

from __future__ import annotations

from typing import Any

import tilewise as tw
from opinfo.harness import Row
from tilewise.nn import functional as F

DIMS = (1, 2, 3)


def same_windows(call: Any, dims: int) -> Any:
    """Fractional pooling with the windows of PyTorch's OpInfo, which draws them from this seed."""

    def run(input: tw.Tensor, kernel_size: Any, **options: Any) -> Any:
        import torch

        planes = input.shape[:2] if input.ndim == dims + 2 else (1, input.shape[0])
        torch.manual_seed(42)
        samples = torch.rand(*planes, dims, dtype=getattr(torch, input.dtype.name))
        options.setdefault("_random_samples", tw.from_numpy(samples.numpy()))
        return call(input, kernel_size, **options)

    return run


FRACTIONAL = ((2, F.fractional_max_pool2d), (3, F.fractional_max_pool3d))
ROWS = [
    *(Row(f"nn.functional.max_pool{d}d", dtypes=("float32",)) for d in DIMS),
    *(Row(f"nn.functional.avg_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.adaptive_avg_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.adaptive_max_pool{d}d") for d in DIMS),
    *(Row(f"nn.functional.max_unpool{d}d") for d in DIMS),
    *(Row(f"nn.functional.max_unpool{d}d", variant="grad") for d in DIMS),
    *(
        Row(f"nn.functional.fractional_max_pool{d}d", call=same_windows(call, d))
        for d, call in FRACTIONAL
    ),
]
