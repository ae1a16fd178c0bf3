"""Keras `.h5` → ONNX: the call of whichever Keras reads the file, traced and converted by tf2onnx."""

from __future__ import annotations

from ..edge import Edge
from .keras_onnx_function import write

EDGES = (
    Edge(
        name="keras-h5/tf2onnx-function",
        start="keras-h5",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=10,
        requires={"tf2onnx": "tf2onnx>=1.17,<2", "onnx": "onnx"},
        extra="tensorflow",
    ),
)
