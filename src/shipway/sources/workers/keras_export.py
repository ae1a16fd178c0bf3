"""The exporters: each writes a Keras model as one ONNX file with the model's own names and free axes.

Which exporter serves which model, with figures: docs/decisions/0002-keras-to-onnx-ladder.md.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .keras_model import Model, read_tensors
from .onnx_interface import finish

OPSET = 18
_EXTERNAL_BYTES = 100 << 20
"""Of weights; above it they go to a file beside the model, which halves the exporter's memory."""


@dataclass(frozen=True)
class Exporter:
    """One way of writing ONNX: the backend that Keras must run on, and the packages that it imports."""

    backend: str
    packages: tuple[str, ...]
    write: Callable[[Model, Path, Mapping[str, Any]], None]


def _tf2onnx_function(model: Model, out: Path, task: Mapping[str, Any]) -> None:  # noqa: ARG001 - the exporters' shape
    """Traces `model(x, training=False)` as a `tf.function` and converts that."""
    tensorflow = importlib.import_module("tensorflow")
    tf2onnx = _patched_tf2onnx()
    # TensorFlow changes names that are no identifiers; numbered ones survive, and `finish` gives the real ones.
    specs = [
        tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=f"shipway_in_{number:03}")
        for number, tensor in enumerate(model.inputs)
    ]

    def function(*tensors: Any) -> dict[str, Any]:  # noqa: ANN401 - symbolic tensors
        return {f"shipway_out_{number:03}": found for number, found in enumerate(model.call(tensors))}

    traced = tensorflow.function(function, input_signature=specs)
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=specs, opset=OPSET)
    _store_captured(proto.graph, traced.get_concrete_function(*specs).graph.captures)
    finish(proto, model.signature(), out)


def _store_captured(graph: Any, captures: Any) -> None:  # noqa: ANN401 - protobuf and TensorFlow have no types
    """Makes weights of the constants that the function took from outside; tf2onnx leaves them as inputs.

    A position embedding of `keras.ops.arange`, or `Normalization` with a given mean, is such a constant.
    """
    onnx = importlib.import_module("onnx")
    values = {inner.name: outer for outer, inner in captures if hasattr(outer, "numpy")}
    for tensor in [found for found in graph.input if found.name in values]:
        graph.initializer.append(onnx.numpy_helper.from_array(values[tensor.name].numpy(), tensor.name))
        graph.input.remove(tensor)


def _keras_export(model: Model, out: Path, task: Mapping[str, Any]) -> None:
    """Keras's own `model.export`, which also goes through tf2onnx but by a SavedModel-like endpoint."""
    onnx = importlib.import_module("onnx")
    model.predict(read_tensors(model, task["samples"]))  # it refuses a model that has never been called
    model.model.export(str(out), format="onnx", opset_version=OPSET, verbose=False)
    finish(onnx.load(str(out)), model.signature(), out)


def _torch_dynamo(model: Model, out: Path, task: Mapping[str, Any], *, optimize: bool) -> None:
    """`torch.export`, then torch's own translation to ONNX."""
    torch = importlib.import_module("torch")
    onnx = importlib.import_module("onnx")

    class Wrapped(torch.nn.Module):  # type: ignore[misc, name-defined] # torch is imported here only
        def __init__(self) -> None:
            super().__init__()
            self.inner = model.model

        def forward(self, *tensors: Any) -> tuple[Any, ...]:  # noqa: ANN401 - symbolic tensors
            return tuple(model.call(tensors))

    samples = read_tensors(model, task["samples"])
    # Two rows: torch takes a size of 1 in the example for a constant.
    examples = tuple(torch.from_numpy(np.ascontiguousarray(samples[name][:2])) for name in model.input_names)
    free = {name: torch.export.Dim(re.sub(r"\W", "_", name)) for name in model.free_dimensions()}
    shapes = tuple(
        {axis: free[size] for axis, size in enumerate(spec["shape"]) if isinstance(size, str)}
        for spec in model.input_specs
    )
    large = (
        sum(variable.numel() * variable.element_size() for variable in model.model.parameters())
        > _EXTERNAL_BYTES
    )
    with torch.no_grad():
        torch.onnx.export(
            Wrapped().eval(),
            examples,
            str(out),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=(shapes,),
            external_data=large,
            optimize=optimize,
            verbose=False,
        )
    finish(onnx.load(str(out), load_external_data=False), model.signature(), out)


def _patched_tf2onnx() -> Any:  # noqa: ANN401 - no types
    """tf2onnx 1.17 uses `np.object` and numpy calls that numpy 2 has not; Keras carries the patch."""
    with suppress(ImportError):
        importlib.import_module("keras.src.export.tf2onnx_lib").patch_tf2onnx()
    return importlib.import_module("tf2onnx")


EXPORTERS = {
    "tf2onnx-function": Exporter("tensorflow", ("tf2onnx", "onnx"), _tf2onnx_function),
    "keras-export": Exporter("tensorflow", ("tf2onnx", "onnx"), _keras_export),
    "torch-dynamo": Exporter("torch", ("onnxscript", "onnx"), partial(_torch_dynamo, optimize=True)),
    "torch-dynamo-plain": Exporter("torch", ("onnxscript", "onnx"), partial(_torch_dynamo, optimize=False)),
}
