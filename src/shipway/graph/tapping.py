"""Makes the values inside an ONNX graph its outputs, so that a run tells what each node computed.

The values of the main graph only: what a branch or a loop body computes has no value outside of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from shipway.graph.read import locate_external, read_graph, stored_tensors

TAPPED_NAME = "tapped.onnx"
LIMIT_BYTES = 256 << 20
_ROWS = 8
_SIZE_BYTES: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.DOUBLE: 8,
    TensorProto.FLOAT16: 2,
}
_VIEWS = {
    "Cast", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip
"""These give the values that they got; left out first where not everything can be kept."""
_WEIGHING = {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "BatchNormalization"}
"""These are left out last: faults of weights show at them."""


@dataclass(frozen=True)
class Tap:
    """One value that the tapped model gives."""

    output: str
    op: str
    node: str
    """The node's name; the value's where the node has none."""
    inputs: tuple[str, ...]
    """The names of the values that the node takes, weights included."""


def tap_graph(
    path: Path,
    into: Path,
    *,
    rows: int = _ROWS,
    limit_bytes: int = LIMIT_BYTES,
    only: Iterable[str] | None = None,
    until: str | None = None,
) -> tuple[Tap, ...]:
    """Writes the model at `path` into the folder `into` as `TAPPED_NAME`; gives its taps in topological order.

    Outputs beside the taps stay as they are. Weights outside stay outside, linked into the folder (copied
    across file systems). Where all values of `rows` rows would take more than `limit_bytes`, views are left out
    first, then what has no weights, then the later ones; values of unknown size count for nothing.

    `only` taps the values of these names. `until` cuts the graph behind the node that gives the value of that
    name, and makes the taps the only outputs: so a graph that fails on its way can be asked how far it gets.
    Raises `SourceDamagedError` as `read_graph`, `ValueError` where `until` is no value of the graph.
    """
    model = read_graph(path)
    _sort_nodes(model)
    known = _known_values(model)
    if until is not None:
        _cut(model, until)
    taps = [tap for node in model.graph.node for tap in _taps(node, known)]
    if only is not None:
        chosen = set(only)
        taps = [tap for tap in taps if tap.output in chosen]
    taps = _within(taps, {name: _bytes(value, rows) for name, value in known.items()}, limit_bytes)
    present = {output.name for output in model.graph.output}
    model.graph.output.extend(known[tap.output] for tap in taps if tap.output not in present)
    _link_weights(model, path, into)
    (into / TAPPED_NAME).write_bytes(model.SerializeToString(deterministic=True))
    return tuple(taps)


def _sort_nodes(model: ModelProto) -> None:
    """Puts the nodes in topological order, which some converters leave; runtimes do not insist on it."""
    waiting = list(model.graph.node)
    made = {name for node in waiting for name in node.output}
    ready: set[str] = set()
    placed: list[NodeProto] = []
    while waiting:
        late = [node for node in waiting if not _take(node, made, ready, placed)]
        if len(late) == len(waiting):  # a circle, or a body that names a later value: the runtime will say so
            return
        waiting = late
    if [id(node) for node in placed] != [id(node) for node in model.graph.node]:
        copies = [NodeProto.FromString(node.SerializeToString()) for node in placed]
        del model.graph.node[:]
        model.graph.node.extend(copies)


def _take(node: NodeProto, made: set[str], ready: set[str], placed: list[NodeProto]) -> bool:
    """Whether the node's inputs are ready; then it is placed and its outputs are ready too."""
    if any(name in made and name not in ready for name in node_inputs(node)):
        return False
    ready.update(node.output)
    placed.append(node)
    return True


def node_inputs(node: NodeProto) -> list[str]:
    """The values that a node takes, those included that its branches and bodies take from around it."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            own = {name for inner in graph.node for name in inner.output}
            names.extend(name for inner in graph.node for name in node_inputs(inner) if name not in own)
    return names


def _known_values(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Values of float dtype by name, with what shape inference knows of them."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: value
        for value in (*graph.value_info, *graph.output)
        if value.type.tensor_type.elem_type in _SIZE_BYTES
    }


def _taps(node: NodeProto, known: Mapping[str, ValueInfoProto]) -> list[Tap]:
    return [
        Tap(name, node.op_type, node.name or name, tuple(filter(None, node.input)))
        for name in node.output
        if name in known and node.op_type not in ("Constant", "ConstantOfShape")
    ]


def _within(taps: list[Tap], sizes: Mapping[str, int], limit_bytes: int) -> list[Tap]:
    order = sorted(range(len(taps)), key=lambda place: (_rank(taps[place].op), place))
    kept, total = [], 0
    for place in order:
        size = sizes[taps[place].output]
        if total + size <= limit_bytes:
            kept.append(place)
            total += size
    return [taps[place] for place in sorted(kept)]


def _rank(op: str) -> int:
    return 0 if op in _WEIGHING else 2 if op in _VIEWS else 1


def _bytes(value: ValueInfoProto, rows: int) -> int:
    """Of `rows` rows; a free dimension behind the first counts as one, an unknown shape as nothing."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return 0
    sizes = [
        dim.dim_value if dim.HasField("dim_value") else (1 if axis else rows)
        for axis, dim in enumerate(tensor.shape.dim)
    ]
    return int(np.prod(sizes, dtype=np.float64)) * _SIZE_BYTES[tensor.elem_type]


def _cut(model: ModelProto, until: str) -> None:
    """Removes what comes behind the node that gives `until`, and the outputs."""
    nodes = list(model.graph.node)
    last = next((place for place, node in enumerate(nodes) if until in node.output), None)
    if last is None:
        raise ValueError(f"{until!r} is no value that a node of the graph gives")
    del model.graph.node[last + 1 :]
    del model.graph.output[:]


def _link_weights(model: ModelProto, path: Path, into: Path) -> None:
    folder = path.parent.resolve()
    if into.resolve() == folder:
        return
    files = {
        locate_external(tensor, path)[0]
        for tensor in stored_tensors(model.graph)
        if tensor.data_location == TensorProto.EXTERNAL
    }
    for file in files:
        target = into / file.relative_to(folder)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, target)
