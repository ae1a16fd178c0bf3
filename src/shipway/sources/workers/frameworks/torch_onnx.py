"""torch's own exporters to ONNX, with the model's names and free axes given to what they write."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..loaded import Arrays, Loaded, Specs, free_dimensions, read_tensors, signature_of
from ..wire import TaskError, summarize
from .onnx_interface import OPSET, finish
from .torch_attention import translations

_EXTERNAL_BYTES = 100 << 20
"""Of weights; above it they go to a file beside the model, which halves the exporter's memory."""


def write_dynamo(
    module: Any,  # noqa: ANN401 - an nn.Module: the inputs in order in, a tuple of the outputs in order out
    model: Loaded,
    out: Path,
    task: Mapping[str, Any],
    *,
    optimize: bool,
) -> None:
    """`torch.export`, then torch's own translation to ONNX."""
    torch = importlib.import_module("torch")
    with torch.no_grad(), _told_by_cause(torch):
        torch.onnx.export(
            module,
            examples(model.input_specs, read_tensors(model.input_specs, task["samples"])),
            str(out),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=_nested(module, dynamic_shapes(model.input_specs)),
            external_data=weights_bytes(module) > _EXTERNAL_BYTES,
            optimize=optimize,
            verbose=False,
            custom_translation_table=translations(torch),
        )
    _finish(model, out)


def write_program(program: Any, model: Loaded, out: Path, *, optimize: bool) -> None:  # noqa: ANN401
    """A program of `torch.export`, which knows its free dimensions itself, by the same translation."""
    torch = importlib.import_module("torch")
    with _told_by_cause(torch):
        torch.onnx.export(
            program,
            (),
            str(out),
            dynamo=True,
            opset_version=OPSET,
            external_data=weights_bytes(program) > _EXTERNAL_BYTES,
            optimize=optimize,
            verbose=False,
            custom_translation_table=translations(torch),
        )
    _finish(model, out)


def write_legacy(module: Any, model: Loaded, out: Path, task: Mapping[str, Any]) -> None:  # noqa: ANN401
    """The exporter that traces TorchScript: deprecated, and right where the other one is not."""
    torch = importlib.import_module("torch")
    # Numbered names cannot meet one of the graph's own; `finish` gives the real ones.
    names = {
        side: [f"shipway_{side}_{number:03}" for number in range(len(specs))]
        for side, specs in (("in", model.input_specs), ("out", model.output_specs))
    }
    axes = {
        name: {axis: f"free_{size}" for axis, size in enumerate(spec["shape"]) if isinstance(size, str)}
        for side, specs in (("in", model.input_specs), ("out", model.output_specs))
        for name, spec in zip(names[side], specs, strict=True)
    }
    with torch.no_grad():
        torch.onnx.export(
            module,
            examples(model.input_specs, read_tensors(model.input_specs, task["samples"])),
            str(out),
            dynamo=False,
            opset_version=OPSET,
            input_names=names["in"],
            output_names=names["out"],
            dynamic_axes=axes,
            training=torch.onnx.TrainingMode.PRESERVE,  # set already; a program's module refuses to be asked
        )
    _finish(model, out)


def examples(specs: Specs, samples: Arrays) -> tuple[Any, ...]:
    """Tensors of two rows, in the inputs' order: torch takes a size of 1 in the example for a constant.

    Rows, and a free dimension that has a size of 1 here, are repeated to 2.
    """
    torch = importlib.import_module("torch")
    found = []
    for spec in specs:
        array = samples[spec["name"]]
        if spec["shape"] and isinstance(spec["shape"][0], str):
            array = array[:2]
        for axis, size in enumerate(spec["shape"]):
            if isinstance(size, str) and array.shape[axis] == 1:
                array = np.repeat(array, 2, axis=axis)
        found.append(torch.from_numpy(np.array(array, spec["dtype"])))
    return tuple(found)


def dynamic_shapes(specs: Specs) -> tuple[dict[int, Any], ...]:
    """Per input axis → `torch.export.Dim` of its free dimension; one of a name for all inputs that share it."""
    torch = importlib.import_module("torch")
    free = {name: torch.export.Dim(re.sub(r"\W", "_", name)) for name in free_dimensions(specs)}
    return tuple(
        {axis: free[size] for axis, size in enumerate(spec["shape"]) if isinstance(size, str)}
        for spec in specs
    )


def _nested(module: Any, shapes: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ANN401
    """As `torch.export` wants them: all arguments of `forward(*tensors)` are one tuple."""
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    return (shapes,) if kinds == [inspect.Parameter.VAR_POSITIONAL] else shapes


@contextmanager
def _told_by_cause(torch: Any) -> Iterator[None]:  # noqa: ANN401
    """The exporter's own errors are advice in colors; what happened is their cause."""
    try:
        yield
    except torch.onnx.errors.OnnxExporterError as error:
        cause = error.__cause__ or error
        raise TaskError("export.no-way", f"torch.onnx cannot export it: {summarize(cause)}") from error


def weights_bytes(module: Any) -> int:  # noqa: ANN401 - an nn.Module
    """Of all parameters."""
    return sum(int(tensor.numel() * tensor.element_size()) for tensor in module.parameters())


def _finish(model: Loaded, out: Path) -> None:
    onnx = importlib.import_module("onnx")
    proto = onnx.load(str(out), load_external_data=False)
    if _contradicts(proto.graph.output, model.output_specs) and not _contradicts(
        proto.graph.input, model.input_specs
    ):
        _infer_again(onnx, proto)
    finish(proto, signature_of(model), out)


def _contradicts(values: Sequence[Any], specs: Specs) -> bool:
    """Whether the exporter wrote a size where the model has a free dimension."""
    return any(
        isinstance(wanted, str) and dim.HasField("dim_value")
        for value, spec in zip(values, specs, strict=False)
        for dim, wanted in zip(value.type.tensor_type.shape.dim, spec["shape"], strict=False)
    )


def _infer_again(onnx: Any, proto: Any) -> None:  # noqa: ANN401 - a ModelProto
    """Takes the graph's own word for its outputs' shapes.

    torch 2.13 exports nn.LSTM and nn.GRU as the operators of ONNX, right at every length, and notes the example's
    length behind them. ONNX Runtime plans its memory by such notes.
    """
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph.output
    for value, found in zip(proto.graph.output, inferred, strict=True):
        value.CopyFrom(found)
