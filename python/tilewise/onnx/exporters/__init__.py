"""From the calls of a traced graph to ONNX: one file a family of functions."""

from tilewise.io.onnx_files import require_onnx

require_onnx("onnx.export")

from tilewise.onnx.exporters.model import export  # noqa: E402 - after the check

__all__ = ["export"]
