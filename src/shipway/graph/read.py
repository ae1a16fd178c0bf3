"""Reads an ONNX file as a graph: its signature, what it is made of, whether its external data is in order.

Weights are not loaded: a 765 MB model is described in milliseconds when they lie outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto
from onnx.external_data_helper import ExternalDataInfo

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.graph.wire import outline
from shipway.types import Dim, DType, Signature, TensorSpec

_DTYPES: dict[int, DType] = {
    TensorProto.BOOL: DType.BOOL,
    TensorProto.UINT8: DType.UINT8,
    TensorProto.UINT16: DType.UINT16,
    TensorProto.UINT32: DType.UINT32,
    TensorProto.UINT64: DType.UINT64,
    TensorProto.INT8: DType.INT8,
    TensorProto.INT16: DType.INT16,
    TensorProto.INT32: DType.INT32,
    TensorProto.INT64: DType.INT64,
    TensorProto.FLOAT16: DType.FP16,
    TensorProto.FLOAT: DType.FP32,
    TensorProto.DOUBLE: DType.FP64,
    TensorProto.STRING: DType.BYTES,
}
_PRECISIONS: dict[int, str] = {
    TensorProto.FLOAT16: "fp16",
    TensorProto.FLOAT: "fp32",
    TensorProto.DOUBLE: "fp64",
}
_COPY_AGAIN = "Save or copy the file again, and check that its size is right."


def read_graph(path: Path) -> ModelProto:
    """The parsed file, external weights left outside. Raises `SourceDamagedError`."""
    if not outline(path).is_whole:
        raise SourceDamagedError(f"{path} is cut off: it claims more bytes than it has.", hint=_COPY_AGAIN)
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise SourceDamagedError(f"{path} is not a readable ONNX file: {error}.", hint=_COPY_AGAIN) from error
    if not all(isinstance(text, str) for text in _texts(model)):
        raise SourceDamagedError(f"{path} holds names that are not UTF-8.", hint=_COPY_AGAIN)
    for tensor in stored_tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            locate_external(tensor, path)
    return model


def _texts(model: ModelProto) -> Iterator[object]:
    """What is read of a graph's texts; protobuf gives bytes for a text that is not UTF-8."""
    yield from (model.producer_name, model.producer_version)
    yield from (opset.domain for opset in model.opset_import)
    yield from (tensor.name for tensor in stored_tensors(model.graph))
    for node in model.graph.node:
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
    for value in (*model.graph.input, *model.graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def stored_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every initializer of a graph and of the graphs inside its nodes (`If`, `Loop`, `Scan`)."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from stored_tensors(attribute.g)
            for inner in attribute.graphs:
                yield from stored_tensors(inner)


def locate_external(tensor: TensorProto, model: Path) -> tuple[Path, int, int]:
    """File, offset and length in bytes of a tensor's external data.

    Raises `SourceDamagedError` when it leaves the model's folder, is missing or is too short.
    """
    info = ExternalDataInfo(tensor)
    folder = model.parent.resolve()
    file = (folder / info.location).resolve()
    if not file.is_relative_to(folder):
        raise SourceDamagedError(
            f"{model}: the weights of {tensor.name!r} point outside the model's folder ({info.location!r}).",
            hint="Do not use this file unless you know why; weights must lie beside the model.",
        )
    if not file.is_file():
        raise SourceDamagedError(
            f"{model}: its weights file {info.location!r} is missing.",
            hint=f"Copy {info.location} into the folder of {model.name}; the two belong together.",
        )
    offset, size = info.offset or 0, file.stat().st_size
    length = info.length if info.length is not None else size - offset
    if offset < 0 or length < 0 or offset + length > size:
        raise SourceDamagedError(
            f"{model}: {tensor.name!r} needs bytes {offset} to {offset + length} of {info.location!r}, "
            f"which has {size}.",
            hint=_COPY_AGAIN,
        )
    return file, offset, length


def read_signature(model: ModelProto) -> Signature:
    """The contract of the graph. A first dimension that is free everywhere is named `batch`.

    Raises `SourceUnsupportedError` for inputs or outputs that are not tensors, or of a dtype without a name.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    outputs = list(model.graph.output)
    if any(not value.type.tensor_type.HasField("shape") for value in outputs):
        inferred = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.output}
        outputs = [inferred[value.name] for value in outputs]
    specs = [_spec(value) for value in (*inputs, *outputs)]
    if specs and all(spec.shape and isinstance(spec.shape[0], str) for spec in specs):
        specs = [TensorSpec(spec.name, spec.dtype, ("batch", *spec.shape[1:])) for spec in specs]
    return Signature(inputs=tuple(specs[: len(inputs)]), outputs=tuple(specs[len(inputs) :]))


def _spec(value: ValueInfoProto) -> TensorSpec:
    if not value.type.HasField("tensor_type"):
        raise SourceUnsupportedError(
            f"{value.name!r} is a {value.type.WhichOneof('value')}, not a tensor.",
            hint="Export the model without sequences or maps (scikit-learn converters: zipmap=False).",
        )
    tensor = value.type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if dtype is None:
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise SourceUnsupportedError(
            f"{value.name!r} has element type {kind}, which the serving protocol has no word for.",
            hint="Add a Cast to float32 at that end of the graph.",
        )
    shape = tuple(_dim(value.name, axis, dim) for axis, dim in enumerate(tensor.shape.dim))
    return TensorSpec(name=value.name, dtype=dtype, shape=shape)


def _dim(name: str, axis: int, dim: Any) -> Dim:  # noqa: ANN401 - a nested protobuf message without a stub
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return str(dim.dim_param) or f"{name}_{axis}"


def precision_of(model: ModelProto) -> str:
    """`int8` for a graph with quantized operators, else by its largest weights: `fp16`, `fp32`, `fp64`."""
    quantized = {"DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}
    if any(node.op_type in quantized for node in model.graph.node):
        return "int8"
    sizes: Counter[str] = Counter()
    for tensor in stored_tensors(model.graph):
        if tensor.data_type in _PRECISIONS:
            sizes[_PRECISIONS[tensor.data_type]] += _count(tensor)
    return sizes.most_common(1)[0][0] if sizes else "fp32"


def summarize(model: ModelProto, path: Path) -> dict[str, Any]:
    """JSON-able facts for `shipway inspect`."""
    tensors = list(stored_tensors(model.graph))
    parameters = sum(_count(tensor) for tensor in tensors)
    operators = Counter(_operator(node.domain, node.op_type) for node in model.graph.node)
    folder = path.parent.resolve()
    outside = sorted(
        {
            locate_external(tensor, path)[0].relative_to(folder).as_posix()
            for tensor in tensors
            if tensor.data_location == TensorProto.EXTERNAL
        }
    )
    return {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "ir_version": model.ir_version,
        "opsets": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
        "operators": dict(sorted(operators.items())),
        "parameters": parameters,
        "precision": precision_of(model),
        "external_data": outside,
    }


def _operator(domain: str, name: str) -> str:
    return f"{domain}.{name}" if domain else name


def _count(tensor: TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count
