"""Export every network of the zoo to ONNX, run it with ONNX Runtime and print what differs.

    python tools/export_zoo.py                    # all of them, a few minutes and 4 GB
    python tools/export_zoo.py 'resnet*' unet

Each network gets the weights that it starts with and batch norm statistics as if it were trained;
it runs on a batch of one and one of two. A row of the table: operators, inputs, the largest
difference as a share of the largest output. The exit code is 1 where a network exceeds 1e-4.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np
import onnxruntime

import tilewise as tw
from tilewise import models, nn
from tilewise.onnx import export

LIMIT = 1e-4
BATCHES = (1, 2)


def trained(model: nn.Module) -> nn.Module:
    """Running statistics that are not 0 and 1, so that no batch norm passes as the identity."""
    draw = np.random.default_rng(0)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            spread = draw.uniform(-0.1, 0.1, buffer.shape)
            buffer.copy_(tw.tensor(spread + (0.0 if "mean" in name else 1.0)).to(buffer.dtype))
    return model.eval()


def tensors(result: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of what a network returns, in order."""
    if isinstance(result, tw.Tensor):
        return [result.numpy()]
    parts = result.values() if isinstance(result, dict) else result
    return [array for part in parts for array in tensors(part)]


def measure(name: str) -> tuple[int, str, float]:
    """Operators, the input's shape, and the largest relative difference of a network."""
    row = models.info(name)
    tw.manual_seed(0)
    model = trained(models.create(name))
    draw = np.random.default_rng(1)
    sample = draw.standard_normal((1, *row.input_shape)).astype(np.float32)
    proto = export(model, tw.tensor(sample))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = tw.get_num_threads()
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    worst = 0.0
    for batch in BATCHES:
        x = draw.standard_normal((batch, *row.input_shape)).astype(np.float32)
        with tw.no_grad():
            wanted = tensors(model(tw.tensor(x)))
        got = session.run(None, {session.get_inputs()[0].name: x})
        for a, b in zip(got, wanted, strict=True):
            if a.shape != b.shape or not np.isfinite(b).all():
                raise ValueError(f"{name}: expected finite {b.shape}, got {a.shape}")
            worst = max(worst, float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)))
    return len(proto.graph.node), "×".join(map(str, row.input_shape)), worst


def main() -> int:
    """Measure the networks whose names match the arguments."""
    patterns = sys.argv[1:] or ["*"]
    names = sorted({name for pattern in patterns for name in models.available(pattern)})
    print("| network | input | operators | largest difference |\n|---|---|--:|--:|")
    bad = []
    for name in names:
        try:
            count, shape, worst = measure(name)
        except (ValueError, RuntimeError) as error:
            print(f"| {name} | | | {' '.join(str(error).split())} |", flush=True)
            bad.append(name)
            continue
        if not worst <= LIMIT:
            bad.append(name)
        print(f"| {name} | {shape} | {count} | {worst:.1e} |", flush=True)
        gc.collect()
    print(f"\n{len(names) - len(bad)} of {len(names)} within {LIMIT}", *bad)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
