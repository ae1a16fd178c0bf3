"""LiteRT → ONNX by tf2onnx. A quantized file becomes a graph of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.litert_gelu import replace_gelu
from ..frameworks.onnx_interface import OPSET, finish
from ..frameworks.tf2onnx_patch import patched_tf2onnx
from ..loaded import signature_of
from ..wire import TaskError


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Converts the file's first graph."""
    del task
    model = opened.model
    if not model.is_main_graph:
        raise TaskError(
            "export.no-way", "tf2onnx reads a LiteRT file's first graph; the signature is another's."
        )
    proto, _ = patched_tf2onnx().convert.from_tflite(str(opened.path), opset=OPSET)
    replace_gelu(proto.graph)
    finish(proto, signature_of(model), out)


EDGES = (
    Edge(
        name="litert/tf2onnx",
        start="litert",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=10,
        requires={"tf2onnx": "tf2onnx>=1.17,<2", "tensorflow": "tensorflow-cpu>=2.19,<2.22", "onnx": "onnx"},
        extra="litert,tensorflow",
    ),
)
