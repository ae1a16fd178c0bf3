"""tf2onnx as it runs beside numpy 2, and what its graphs leave undone."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any


def patched_tf2onnx() -> Any:  # noqa: ANN401 - no types
    """tf2onnx 1.17 uses `np.object` and numpy calls that numpy 2 has not; Keras carries the patch."""
    with suppress(ImportError):
        importlib.import_module("keras.src.export.tf2onnx_lib").patch_tf2onnx()
    return importlib.import_module("tf2onnx")


def store_captured(graph: Any, captures: Any) -> None:  # noqa: ANN401 - protobuf and TensorFlow have no types
    """Makes weights of the constants that the function took from outside; tf2onnx leaves them as inputs.

    A position embedding of `keras.ops.arange`, or `Normalization` with a given mean, is such a constant.
    """
    onnx = importlib.import_module("onnx")
    values = {inner.name: outer for outer, inner in captures if hasattr(outer, "numpy")}
    for tensor in [found for found in graph.input if found.name in values]:
        graph.initializer.append(onnx.numpy_helper.from_array(values[tensor.name].numpy(), tensor.name))
        graph.input.remove(tensor)
