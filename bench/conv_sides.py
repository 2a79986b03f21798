"""One convolution in one direction as each library computes it: the workers of compare.py.

Every library gets the same numbers in the layout that suits it: channels-last for tilewise and
PyTorch (which has none for one dimension: contiguous there), NCHW for ONNX Runtime, which knows no
other. Inputs rotate through copies of twice the last-level cache in all, at most eight, so that a
large one is not found in a cache, as in a network. No bias: most convolutions precede batch norm.
"""

from __future__ import annotations

import itertools
import math
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from conv_shapes import Conv
from turns import Message, serve

Call = Callable[[], Any]
SAMPLE = 1_000_000  # values of a result that are compared
WARM_SECONDS = 0.03


def normal(shape: tuple[int, ...], seed: int, scale: float = 1.0) -> np.ndarray:
    """Normal values, channels-last in memory, the same in every process.

    They repeat after a prime number of values, which saves time on large maps.
    """
    values = np.random.default_rng(seed).standard_normal(1_000_003, dtype=np.float32) * scale
    batch, channels, *image = shape
    flat = np.resize(values.astype(np.float32), math.prod(shape))
    return np.moveaxis(flat.reshape(batch, *image, channels), -1, 1)


def operands(conv: Conv, direction: str) -> dict[str, np.ndarray]:
    """What the direction reads."""
    fan_in = math.prod(conv.weight[1:])
    arrays = {}
    if direction != "backward_data":
        arrays["x"] = normal(conv.input, 1)
    if direction != "forward":
        arrays["dy"] = normal(conv.output, 2)
    if direction != "backward_weight":
        arrays["w"] = np.ascontiguousarray(normal(conv.weight, 3, fan_in**-0.5))
    return arrays


class Rotation:
    """Copies of one operand in turn."""

    def __init__(self, make: Callable[[], Any], nbytes: int, cache: int) -> None:
        count = max(1, min(8, 2 * cache // max(nbytes, 1)))
        self.next = itertools.cycle([make() for _ in range(count)]).__next__


class Side(Protocol):
    """A library; its results have a method numpy()."""

    isa: str  # that it runs on, where it tells

    def prepare(self, conv: Conv, direction: str) -> Call:
        """Make the operands; each call computes the direction once and returns the result."""


class TilewiseSide:
    """Convolutions through the compiled core, as the layers call it."""

    def __init__(self, threads: int, inference: bool, cache: int) -> None:
        import tilewise as tw
        from tilewise import _core

        tw.set_num_threads(threads)
        self.core, self.inference, self.cache = _core, inference, cache
        self.isa = _core.isa()

    def prepare(self, conv: Conv, direction: str) -> Call:
        core = self.core
        given = operands(conv, direction)
        geometry = (conv.stride, conv.pad, conv.pad, conv.dilation, conv.groups)

        def rotation(key: str) -> Call:
            array = core.Array.from_numpy(given[key]).channels_last()
            return Rotation(array.copy, array.nbytes, self.cache).next

        if direction == "backward_weight":
            x, dy = rotation("x"), rotation("dy")
            return lambda: core.conv_backward_weight(dy(), x(), conv.weight, *geometry, False)[0]
        w = core.Array.from_numpy(given["w"]).copy()  # memory of its own: packed forms can stay
        if direction == "backward_data":
            dy = rotation("dy")
            return lambda: core.conv_backward_data(dy(), w, conv.input, *geometry)
        x = rotation("x")
        keep = self.inference
        return lambda: core.conv_forward(x(), w, None, *geometry, keep_weights=keep)


class TorchSide:
    """PyTorch eager with channels-last activations and weights."""

    def __init__(self, threads: int, inference: bool, cache: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, self.cache = torch, cache
        self.isa = torch.backends.cpu.get_cpu_capability().lower()
        self.guard = torch.inference_mode()  # nothing is recorded, whatever is measured
        self.guard.__enter__()

    def prepare(self, conv: Conv, direction: str) -> Call:
        torch = self.torch
        given = operands(conv, direction)
        rank = len(conv.map)
        layout = {
            1: torch.contiguous_format,
            2: torch.channels_last,
            3: torch.channels_last_3d,
        }[rank]

        def tensor(array: np.ndarray) -> Any:
            return torch.from_numpy(array).clone(memory_format=layout)

        def rotation(key: str) -> Call:
            return Rotation(lambda: tensor(given[key]), given[key].nbytes, self.cache).next

        if direction == "forward":
            x, w = rotation("x"), tensor(given["w"])
            function = (torch.conv1d, torch.conv2d, torch.conv3d)[rank - 1]
            arguments = (conv.stride, conv.pad, conv.dilation, conv.groups)
            return lambda: function(x(), w, None, *arguments)
        return self._gradient(conv, direction, tensor, rotation, given)

    def _gradient(
        self,
        conv: Conv,
        direction: str,
        tensor: Callable[[np.ndarray], Any],
        rotation: Callable[[str], Call],
        given: dict[str, np.ndarray],
    ) -> Call:
        """The operation behind loss.backward(), asked for one of its results."""
        backward = self.torch.ops.aten.convolution_backward
        dy = rotation("dy")
        of_data = direction == "backward_data"
        # The operand that the result does not depend on gives its shape and layout only.
        x = itertools.repeat(tensor(np.empty(conv.input, np.float32))).__next__
        w = tensor(given["w"] if of_data else np.empty(conv.weight, np.float32))
        if not of_data:
            x = rotation("x")
        rest = (None, conv.stride, conv.pad, conv.dilation, False, [0] * len(conv.map), conv.groups)
        mask = [of_data, not of_data, False]
        return lambda: backward(dy(), x(), w, *rest, mask)[0 if of_data else 1]


def onnx_model(conv: Conv, weight: np.ndarray) -> bytes:
    """The layer as ONNX: its shapes are fixed, its weights an initialiser."""
    import tilewise as tw

    kinds = {1: tw.nn.Conv1d, 2: tw.nn.Conv2d, 3: tw.nn.Conv3d}
    filters, channels = conv.weight[0], conv.input[1]
    layer = kinds[len(conv.kernel)](
        channels,
        filters,
        conv.kernel,
        conv.stride,
        conv.pad,
        conv.dilation,
        conv.groups,
        bias=False,
    )
    with tw.no_grad():
        layer.weight.copy_(tw.from_numpy(weight))
    proto = tw.onnx.export(
        layer, tw.zeros(conv.input), input_names=["x"], output_names=["y"], dynamic_batch=False
    )
    return proto.SerializeToString()


class OnnxSide:
    """A model of one Conv node; forward only. Input and output stay where they are."""

    def __init__(self, threads: int, inference: bool, cache: int) -> None:
        import onnxruntime

        assert inference
        self.runtime, self.cache = onnxruntime, cache
        self.isa = ""
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 3

    def prepare(self, conv: Conv, direction: str) -> Call:
        given = operands(conv, direction)
        session = self.runtime.InferenceSession(
            onnx_model(conv, given["w"]), self.options, providers=["CPUExecutionProvider"]
        )
        value = self.runtime.OrtValue.ortvalue_from_numpy
        y = value(np.zeros(conv.output, np.float32))

        def binding() -> Any:
            bound = session.io_binding()
            bound.bind_ortvalue_input("x", value(np.ascontiguousarray(given["x"])))
            bound.bind_ortvalue_output("y", y)
            return bound

        bindings = Rotation(binding, given["x"].nbytes, self.cache).next

        def call() -> Any:
            session.run_with_iobinding(bindings())
            return y

        return call


SIDES: dict[str, Callable[[int, bool, int], Side]] = {
    "tilewise": TilewiseSide,
    "torch": TorchSide,
    "onnxruntime": OnnxSide,
}


def sample(result: np.ndarray, channels_last: bool) -> np.ndarray:
    """At most SAMPLE values of a result, the same ones whatever its layout."""
    flat = (np.moveaxis(result, 1, -1) if channels_last else result).reshape(-1)
    return flat[:: -(-flat.size // SAMPLE)].copy()


class Work:
    """What a worker process does: prepares a layer, then runs it as often as it is asked to."""

    def __init__(self, library: str, threads: int, inference: bool, cache: int) -> None:
        self.side = SIDES[library](threads, inference, cache)
        self.call: Call = tuple

    def answer(self, request: Message) -> Message:
        if "layer" in request:
            return self.prepare(request)
        return self.run(request["count"], request["warm"])

    def prepare(self, request: Message) -> Message:
        """Warm up; writes a sample of the result; answers with the seconds of a call."""
        layer = Conv(**{key: _tuples(value) for key, value in request["layer"].items()})
        direction = request["direction"]
        self.call = tuple  # frees the last layer's arrays
        self.call = self.side.prepare(layer, direction)
        result = self.call().numpy()
        np.save(Path(request["sample"]), sample(result, direction != "backward_weight"))
        del result  # its memory goes to the next call
        times: list[float] = []
        while sum(times) < WARM_SECONDS and len(times) < 50:
            times += self.timed(1)
        return {"seconds": statistics.median(times)}

    def run(self, count: int, warm: int) -> Message:
        """The median time of a call, after some that are not timed, and its page faults."""
        self.timed(warm)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        seconds = statistics.median(self.timed(count))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        return {"seconds": seconds, "faults": faults / count}

    def timed(self, count: int) -> list[float]:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.call()
            times.append(time.perf_counter() - start)
        return times


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def work(library: str, threads: int, inference: bool, cache: int) -> None:
    """The main function of a worker process."""
    worker = Work(library, threads, inference, cache)
    serve({"isa": worker.side.isa}, worker.answer)
