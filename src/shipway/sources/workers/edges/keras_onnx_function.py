"""Keras → ONNX: the call traced as a `tf.function`, converted by tf2onnx. The way that keeps names.

Which way serves which model, with figures: docs/decisions/0002-keras-to-onnx-ladder.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.onnx_interface import OPSET, finish
from ..frameworks.tf2onnx_patch import patched_tf2onnx, store_captured
from ..loaded import signature_of


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Traces `model(x, training=False)` and converts that."""
    del task
    model = opened.model
    tensorflow = importlib.import_module("tensorflow")
    tf2onnx = patched_tf2onnx()
    # TensorFlow changes names that are no identifiers; numbered ones survive, and `finish` gives the real ones.
    specs = [
        tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=f"shipway_in_{number:03}")
        for number, tensor in enumerate(model.inputs)
    ]

    def function(*tensors: Any) -> dict[str, Any]:  # noqa: ANN401 - symbolic tensors
        return {f"shipway_out_{number:03}": found for number, found in enumerate(model.call(tensors))}

    traced = tensorflow.function(function, input_signature=specs)
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=specs, opset=OPSET)
    store_captured(proto.graph, traced.get_concrete_function(*specs).graph.captures)
    finish(proto, signature_of(model), out)


EDGES = (
    Edge(
        name="tensorflow/tf2onnx-function",
        start="keras",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=10,
        settings={"backends": ["tensorflow"]},
        requires={"tf2onnx": "tf2onnx>=1.17,<2", "onnx": "onnx"},
        extra="keras",
    ),
)
