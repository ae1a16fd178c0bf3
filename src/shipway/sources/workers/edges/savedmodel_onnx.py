"""SavedModel → ONNX: the signature's function with its variables frozen, converted by tf2onnx."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Facts, Opened
from ..frameworks.onnx_interface import OPSET, finish
from ..frameworks.tf2onnx_patch import patched_tf2onnx, store_captured
from ..loaded import signature_of

_TABLES = {"ai.onnx.ml": 2}
"""Where ONNX has the operator that a lookup table becomes."""


_LARGE_BYTES = 1 << 30
"""Of weights; one protobuf message holds 2 GB at most, and tf2onnx writes several on its way."""


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, is_large: bool) -> None:
    """tf2onnx's own loading of a SavedModel, without its second loading and its choice of a signature.

    `from_function` would lose lookup tables: their contents must be read while the model lives. For a large model
    the weights go beside the graph, into one file.
    """
    del task
    model = opened.model
    tf2onnx = patched_tf2onnx()
    freeze = importlib.import_module("tf2onnx.tf_loader").from_trackable
    inputs, outputs = _graph_tensors(model)
    captured = list(model.function.graph.captures)  # freezing takes tables out of them
    for name in model.function.graph.get_all_collection_keys():
        # TensorFlow 1's collections name operators that the signature's part of the graph has not.
        model.function.graph.clear_collection(name)
    with model.tensorflow.device("/cpu:0"):
        frozen, tables = freeze(
            model.saved, model.function, list(inputs), list(outputs), large_model=is_large
        )
        proto, storage = tf2onnx.convert._convert_common(
            frozen,
            name=model.signature_name,
            continue_on_error=False,
            opset=OPSET,
            extra_opset=[
                importlib.import_module("onnx").helper.make_opsetid(*item) for item in _TABLES.items()
            ],
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename={**inputs, **outputs},
            initialized_tables=tables,
            large_model=is_large,
        )
    store_captured(proto.graph, captured)
    _put_in_order(proto.graph.input)
    _put_in_order(proto.graph.output)
    if is_large:
        _store_beside(proto, storage.name_to_tensor_data, out)
    finish(proto, signature_of(model), out)


def _graph_tensors(model: Any) -> tuple[dict[str, str], dict[str, str]]:  # noqa: ANN401 - `saved_model.Model`
    """The function's input and output tensors → names that sort in the model's order.

    TensorFlow gives both sides in the order of their keys; captured variables follow the inputs.
    """
    sides = []
    for keys, tensors, prefix in (
        (model.input_keys, model.function.inputs, "shipway_in"),
        (model.output_keys, model.function.outputs, "shipway_out"),
    ):
        places = {key: tensor.name for key, tensor in zip(sorted(keys), tensors, strict=False)}
        sides.append({places[key]: f"{prefix}_{number:03}" for number, key in enumerate(keys)})
    return sides[0], sides[1]


def _put_in_order(values: Any) -> None:  # noqa: ANN401 - protobuf
    ordered = sorted(values, key=lambda value: value.name)
    copies = [type(value).FromString(value.SerializeToString()) for value in ordered]
    del values[:]
    values.extend(copies)


def _store_beside(proto: Any, values: Mapping[str, bytes], out: Path) -> None:  # noqa: ANN401 - protobuf
    """Writes the weights that tf2onnx took out of the graph, which point to them by name, into one file."""
    data = out.with_name(f"{out.name}.data")
    with data.open("wb") as file:
        for tensor in _tensors(proto.graph):
            entries = {entry.key: entry for entry in tensor.external_data}
            if "location" not in entries:
                continue
            value = values[entries["location"].value]
            entries["location"].value = data.name
            for key, number in (("offset", file.tell()), ("length", len(value))):
                entry = entries.get(key) or tensor.external_data.add()
                entry.key, entry.value = key, str(number)
            file.write(value)


def _tensors(graph: Any) -> Iterator[Any]:  # noqa: ANN401 - a GraphProto
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _fits(facts: Facts, *, is_large: bool) -> int:
    """The way for large models comes first where the plain one cannot hold the weights."""
    return -20 if is_large and int(facts.get("weights_bytes") or 0) > _LARGE_BYTES else 0


def _edge(name: str, rank: int, *, is_large: bool) -> Edge:
    return Edge(
        name=name,
        start="savedmodel",
        end="onnx",
        file=__file__,
        write=partial(write, is_large=is_large),
        result="model.onnx",
        rank=rank,
        fits=partial(_fits, is_large=is_large),
        requires={"tf2onnx": "tf2onnx>=1.17,<2", "onnx": "onnx"},
        extra="tensorflow",
    )


EDGES = (
    _edge("savedmodel/tf2onnx", 10, is_large=False),
    _edge("savedmodel/tf2onnx-large", 20, is_large=True),
)
