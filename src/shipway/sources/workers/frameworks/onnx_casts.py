"""Puts casts and reshapes between a graph and its interface: float32 outside, whatever is right inside."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def widen_inputs(graph: Any) -> None:  # noqa: ANN401 - a GraphProto
    """Makes float64 inputs float32 ones, cast behind the interface."""
    onnx = importlib.import_module("onnx")
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type != onnx.TensorProto.DOUBLE:
            continue
        inner = f"{value.name}/double"
        for node in graph.node:
            node.input[:] = [inner if name == value.name else name for name in node.input]
        casts.append(onnx.helper.make_node("Cast", [value.name], [inner], to=onnx.TensorProto.DOUBLE))
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    _prepend(graph, casts)


def narrow_outputs(graph: Any) -> None:  # noqa: ANN401 - as above
    """Casts outputs of fractions to float32, whatever they are declared: skl2onnx may declare the wrong one."""
    onnx = importlib.import_module("onnx")
    wide = (onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT)
    del graph.value_info[:]  # the same declarations, of values inside
    for value in graph.output:
        if value.type.tensor_type.elem_type in wide:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
            inner = _detach(graph, value.name)
            graph.node.append(onnx.helper.make_node("Cast", [inner], [value.name], to=onnx.TensorProto.FLOAT))


def shape_outputs(graph: Any, specs: Sequence[Mapping[str, Any]]) -> None:  # noqa: ANN401 - as above
    """Reshapes the outputs whose declared rank or width is not the model's, in the order of `specs`."""
    onnx = importlib.import_module("onnx")
    for value, spec in zip(graph.output, specs, strict=False):
        if not value.type.tensor_type.HasField("shape"):
            continue
        declared = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        wanted = [-1, *spec["shape"][1:]]
        if len(declared) == len(wanted) and declared[1:] in (wanted[1:], [0] * len(wanted[1:])):
            continue
        inner, shape = _detach(graph, value.name), f"{value.name}/shape"
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(wanted, np.int64), shape))
        graph.node.append(onnx.helper.make_node("Reshape", [inner, shape], [value.name]))
        value.type.tensor_type.ClearField("shape")


def apply_to_output(graph: Any, index: int, operator: str) -> None:  # noqa: ANN401 - as above
    """Puts an operator of one input before the output at `index`."""
    onnx = importlib.import_module("onnx")
    name = graph.output[index].name
    inner = _detach(graph, name)
    graph.node.append(onnx.helper.make_node(operator, [inner], [name]))


def free_rows(graph: Any) -> None:  # noqa: ANN401 - as above
    """Makes the first axis of every output free, which onnxmltools declares to be 1 for labels."""
    for value in graph.output:
        for dim in list(value.type.tensor_type.shape.dim)[:1]:
            dim.Clear()


def keep_last_column(graph: Any, index: int) -> None:  # noqa: ANN401 - as above
    """Of the output at `index`, `[rows, columns]`."""
    onnx = importlib.import_module("onnx")
    value = graph.output[index]
    inner, last = _detach(graph, value.name), f"{value.name}/last"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1], np.int64), last))
    graph.node.append(onnx.helper.make_node("Gather", [inner, last], [value.name], axis=1))
    value.type.tensor_type.ClearField("shape")


def _detach(graph: Any, name: str) -> str:  # noqa: ANN401 - as above
    """Gives the value of an output another name inside; a node that makes the output is to follow."""
    inner = f"{name}/{len(graph.node)}"
    for node in graph.node:
        node.input[:] = [inner if found == name else found for found in node.input]
        node.output[:] = [inner if found == name else found for found in node.output]
    return inner


def _prepend(graph: Any, nodes: Sequence[Any]) -> None:  # noqa: ANN401 - as above
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
