"""The ONNX project's interface for what runs models, on which its suite of tests is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewise.autograd import no_grad
from tilewise.io.onnx_files import HALVES, read_model, require_onnx
from tilewise.tensor import Tensor

from .importer import load
from .module import OnnxModule

require_onnx("Backend")
from onnx import helper  # noqa: E402 - after the check that names what to install
from onnx.backend import base  # noqa: E402


class PreparedModel(base.BackendRep):
    """A loaded model that takes and gives NumPy arrays."""

    def __init__(self, module: OnnxModule, types: Sequence[int]) -> None:
        self.module = module
        self.types = types  # of the outputs: 16-bit floats are computed as float32

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for inputs in order (or by name, in a mapping)."""
        with no_grad():
            named = isinstance(inputs, dict)
            results = self.module(**inputs) if named else self.module(*inputs)
        results = results if isinstance(results, tuple) else (results,)
        arrays = [r.numpy() if isinstance(r, Tensor) else np.asarray(r) for r in results]
        return tuple(
            array.astype(helper.tensor_dtype_to_np_dtype(kind)) if kind in HALVES else array
            for array, kind in zip(arrays, self.types, strict=True)
        )


class Backend(base.Backend):
    """tilewise behind `onnx.backend.base.Backend`: arrays in, arrays out.

    Batch normalisation and dropout do what the file's own attributes say.

    Example:
        >>> from tilewise import onnx
        >>> onnx.Backend.supports_device("CPU")
        True
    """

    @classmethod
    def prepare(  # the interface has more arguments than are needed
        cls,
        model: Any,
        device: str = "CPU",
        **kwargs: Any,  # noqa: ARG003
    ) -> PreparedModel:
        """Load a model.

        Raises:
            ValueError: for a model that `load` refuses, or another device.
        """
        if not cls.supports_device(device):
            raise ValueError(f"Backend: expected device CPU, got {device!r}")
        proto, _, _ = read_model(model)
        module = load(model)
        module._literal = True
        return PreparedModel(module, [o.type.tensor_type.elem_type for o in proto.graph.output])

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> Any:
        """Load a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: Any,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[Any] | None = None,  # noqa: ARG003 - of the interface
        **kwargs: Any,
    ) -> Any:
        """Run one node on arrays, one for each of its inputs.

        Args:
            node: a NodeProto.
            inputs: arrays, for the inputs that are not left out.
            device: "CPU".
            outputs_info: not needed.
            kwargs: `opset_version`; by default the current one.
        """
        onnx = require_onnx("Backend")
        names = [name for name in node.input if name]
        arrays = [np.asarray(value) for value in inputs]
        ports = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in zip(names, arrays, strict=True)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        imports = [helper.make_opsetid("", version)]
        if node.domain:
            imports.append(helper.make_opsetid(node.domain, 1))
        graph = helper.make_graph([node], "node", ports, results)
        return cls.run_model(helper.make_model(graph, opset_imports=imports), arrays, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `device` is the CPU."""
        return device.split(":", maxsplit=1)[0] == "CPU"
