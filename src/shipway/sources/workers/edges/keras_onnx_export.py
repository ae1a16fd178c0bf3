"""Keras → ONNX by Keras's own `model.export`, which also goes through tf2onnx but by another trace."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.onnx_interface import OPSET, finish
from ..loaded import read_tensors, signature_of


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Exports, then gives the graph the model's names."""
    onnx = importlib.import_module("onnx")
    model = opened.model
    model.predict(read_tensors(model.input_specs, task["samples"]))  # it refuses a model never called
    model.model.export(str(out), format="onnx", opset_version=OPSET, verbose=False)
    finish(onnx.load(str(out)), signature_of(model), out)


EDGES = (
    Edge(
        name="tensorflow/keras-export",
        start="keras",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=20,
        settings={"backends": ["tensorflow"]},
        requires={"tf2onnx": "tf2onnx>=1.17,<2", "onnx": "onnx"},
        extra="keras",
        from_examples=True,
    ),
)
