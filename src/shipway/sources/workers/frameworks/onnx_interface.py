"""Gives an exporter's ONNX graph the model's own names and free axes, and repairs what exporters leave wrong."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..wire import TaskError

OPSET = 18
"""What every exporter is asked for, where it can choose."""
_OF_TEXT = ("StaticRegex", "RegexReplace", "StringSplit", "StringLower", "StringUpper", "StringToHash")
_TEXT_ADVICE = (
    "; they prepare text. Do that before the model (TextVectorization, Hashing): save the part behind it, "
    "and give it the numbers"
)

Specs = Sequence[Mapping[str, Any]]


def finish(proto: Any, signature: Mapping[str, Specs], out: Path) -> None:  # noqa: ANN401 - a ModelProto
    """Repairs and names the graph, and writes it to `out`; external data beside it stays as it is.

    Raises `TaskError("export.no-way")` for an operator that ONNX does not know, and for an axis that the
    exporter fixed although the model leaves it free.
    """
    onnx = importlib.import_module("onnx")
    replace_erfc(onnx, proto.graph)
    _refuse_unknown_operators(onnx, proto)
    for found, wanted in (
        (proto.graph.input, signature["inputs"]),
        (proto.graph.output, signature["outputs"]),
    ):
        if len(found) != len(wanted):
            raise TaskError(
                "export.no-way",
                f"The exporter made {len(found)} tensors ({', '.join(value.name for value in found)}) "
                f"where the model has {len(wanted)} ({', '.join(spec['name'] for spec in wanted)}).",
            )
    rename(proto.graph, _renames(proto.graph, signature))
    ordered = {value.name: value for value in (*proto.graph.input, *proto.graph.output)}
    for spec in (*signature["inputs"], *signature["outputs"]):
        _set_shape(ordered[spec["name"]], spec)
    onnx.save(proto, str(out))


def replace_erfc(onnx: Any, graph: Any) -> None:  # noqa: ANN401 - protobuf
    """`Erfc(x)` → `1 - Erf(x)`: tf2onnx leaves TensorFlow's operator (exact GELU) in, and ONNX has none."""
    kept = []
    for node in graph.node:
        for inner in _subgraphs(node):
            replace_erfc(onnx, inner)
        if node.op_type != "Erfc":
            kept.append(node)
            continue
        one, erf = f"{node.output[0]}/one", f"{node.output[0]}/erf"
        value = onnx.numpy_helper.from_array(np.ones((), _element_type(onnx, graph, node.input[0])), one)
        kept += [
            onnx.helper.make_node("Constant", [], [one], value=value),
            onnx.helper.make_node("Erf", list(node.input), [erf]),
            onnx.helper.make_node("Sub", [one, erf], list(node.output)),
        ]
    if len(kept) != len(graph.node):
        del graph.node[:]
        graph.node.extend(kept)


def rename(graph: Any, names: Mapping[str, str]) -> None:  # noqa: ANN401 - a GraphProto
    """Renames values everywhere, in nested graphs too, which may use an outer graph's values."""
    for node in graph.node:
        for values in (node.input, node.output):
            for index, value in enumerate(values):
                values[index] = names.get(value, value)
        for inner in _subgraphs(node):
            rename(inner, names)
    for named in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        named.name = names.get(named.name, named.name)


def _renames(graph: Any, signature: Mapping[str, Specs]) -> dict[str, str]:  # noqa: ANN401 - a GraphProto
    """Old name → new name; a value inside that has a wanted name already gives it up."""
    names: dict[str, str] = {}
    for found, wanted in ((graph.input, signature["inputs"]), (graph.output, signature["outputs"])):
        have, want = [value.name for value in found], [spec["name"] for spec in wanted]
        pairs = zip(have, have, strict=True) if set(have) == set(want) else zip(have, want, strict=True)
        names.update(pairs)
    if len(set(names.values())) != len(names):
        raise TaskError("export.no-way", "An input and an output of the model have the same name.")
    taken = set(names.values())
    inside = set(_values(graph)) - set(names)
    return names | {value: f"{value}/inner" for value in inside & taken}


def _values(graph: Any) -> Iterator[str]:  # noqa: ANN401 - a GraphProto
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from node.input
        yield from node.output
        for inner in _subgraphs(node):
            yield from (value.name for value in inner.input)
            yield from _values(inner)


def _subgraphs(node: Any) -> Iterator[Any]:  # noqa: ANN401 - a NodeProto
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _element_type(onnx: Any, graph: Any, name: str) -> np.dtype[Any]:  # noqa: ANN401 - protobuf
    for value in (*graph.value_info, *graph.input):
        if value.name == name and value.type.tensor_type.elem_type:
            found: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            return found
    return np.dtype(np.float32)


def _refuse_unknown_operators(onnx: Any, proto: Any) -> None:  # noqa: ANN401 - protobuf
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    own = {(function.domain, function.name) for function in proto.functions}
    unknown = sorted(
        {
            f"{node.domain}::{node.op_type}" if node.domain else node.op_type
            for node in _nodes(proto.graph)
            if (node.domain, node.op_type) not in own
            and node.domain != "com.microsoft"  # ONNX Runtime's own, which it checks (skl2onnx: Tokenizer)
            and not onnx.defs.has(
                node.op_type, max_inclusive_version=versions.get(node.domain, 1), domain=node.domain
            )
        }
    )
    if unknown:
        advice = _TEXT_ADVICE if any(name.startswith(_OF_TEXT) for name in unknown) else ""
        raise TaskError(
            "export.no-way",
            f"The exporter left operators that ONNX does not know: {', '.join(unknown)}{advice}.",
        )


def _nodes(graph: Any) -> Iterator[Any]:  # noqa: ANN401 - a GraphProto
    for node in graph.node:
        yield node
        for inner in _subgraphs(node):
            yield from _nodes(inner)


def _set_shape(value: Any, spec: Mapping[str, Any]) -> None:  # noqa: ANN401 - a ValueInfoProto
    """Writes the model's own shape; an axis that the exporter fixed to its example is an error, not repaired."""
    tensor = value.type.tensor_type
    for axis, (dim, wanted) in enumerate(zip(tensor.shape.dim, spec["shape"], strict=False)):
        if isinstance(wanted, str) and dim.HasField("dim_value"):
            raise TaskError(
                "export.no-way",
                f"Axis {axis} of {spec['name']} is free in the model ({wanted}); "
                f"the exporter fixed it to {dim.dim_value}.",
            )
    tensor.ClearField("shape")
    for wanted in spec["shape"]:
        dim = tensor.shape.dim.add()
        if isinstance(wanted, str):
            dim.dim_param = wanted
        else:
            dim.dim_value = wanted
    if not spec["shape"]:
        tensor.shape.SetInParent()
