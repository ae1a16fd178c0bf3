"""Saves one signature of a loaded SavedModel anew: by itself, or with its batch fixed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_ELEMENT_SHAPES = {
    "EmptyTensorList": 0,
    "TensorListFromTensor": 1,
    "TensorListGetItem": 2,
    "TensorListReserve": 0,
    "TensorListStack": 1,
}
"""Operator on a list of tensors → which of its inputs is the shape of one."""


def save_alone(saved: Any, key: str, folder: Path) -> None:  # noqa: ANN401 - TensorFlow has no types
    """Writes a SavedModel into `folder` whose only signature is `key`."""
    function = saved.signatures[key]
    names, specs = _specs(function, None)
    _save(saved, lambda *tensors: function(**dict(zip(names, tensors, strict=True))), specs, key, folder)


def save_fixed(saved: Any, key: str, folder: Path, rows: int) -> None:  # noqa: ANN401 - as above
    """The same with `rows` as the first size of every input, and the weights in the graph.

    A function that is only called with fixed sizes keeps the free ones that it was traced with: a recurrent
    layer's list of states has elements of `[-1, units]`. So the graph is made flat, and these are set.
    """
    tensorflow = importlib.import_module("tensorflow")
    freeze = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    function = saved.signatures[key]
    names, specs = _specs(function, rows)
    outer = tensorflow.function(
        lambda *tensors: function(**dict(zip(names, tensors, strict=True))), autograph=False
    ).get_concrete_function(*specs)
    frozen = freeze.convert_variables_to_constants_v2(
        outer, lower_control_flow=False, aggressive_inlining=True
    )
    graph = frozen.graph.as_graph_def()
    _fix_element_shapes(tensorflow, graph.node, rows)
    left = {tensor.name for tensor in frozen.inputs}
    # Lookup tables are no constants: what is left of them is an input that nothing feeds.
    outside = {inner.name: table for table, inner in outer.graph.captures if inner.name in left}

    def flat() -> None:
        own = tensorflow.compat.v1.get_default_graph()
        tables = {name: own.capture(table) for name, table in outside.items()}
        tensorflow.graph_util.import_graph_def(graph, input_map=tables, name="")

    whole = tensorflow.compat.v1.wrap_function(flat, [])
    given = {tensor.name.partition(":")[0]: tensor.name for tensor in frozen.inputs}
    pruned = whole.prune([given[name] for name in names], [tensor.name for tensor in frozen.outputs])
    outputs = sorted(outer.structured_outputs)  # the order in which TensorFlow makes a dict flat
    tracked = [pruned, saved] if outside else pruned  # with their contents
    _save(tracked, lambda *tensors: dict(zip(outputs, pruned(*tensors), strict=True)), specs, key, folder)


def _specs(function: Any, rows: int | None) -> tuple[list[str], list[Any]]:  # noqa: ANN401 - as above
    """The inputs' names and their specifications, with the first size `rows` where it is not None."""
    tensorflow = importlib.import_module("tensorflow")
    found = function.structured_input_signature[1]
    specs = []
    for name, spec in found.items():
        sizes = spec.shape.as_list()
        fixed = sizes if rows is None or not sizes else [rows, *sizes[1:]]
        specs.append(tensorflow.TensorSpec(fixed, spec.dtype, name=name))
    return list(found), specs


def _save(tracked: Any, call: Callable[..., Any], specs: Sequence[Any], key: str, folder: Path) -> None:  # noqa: ANN401
    tensorflow = importlib.import_module("tensorflow")
    module = tensorflow.Module()
    module.tracked = tracked  # what is not tracked has no weights in the file
    concrete = tensorflow.function(call, autograph=False).get_concrete_function(*specs)
    tensorflow.saved_model.save(module, str(folder), signatures={key: concrete})


def _fix_element_shapes(tensorflow: Any, nodes: Any, rows: int) -> None:  # noqa: ANN401 - protobuf
    """Lists whose elements begin with a free axis, the batch, get elements of `rows`."""
    constants = {node.name: node for node in nodes if node.op == "Const"}
    for user, place in list(_users(nodes)):
        constant = constants.get(user.input[place].partition(":")[0])
        sizes = [] if constant is None else tensorflow.make_ndarray(constant.attr["value"].tensor)
        if constant is None or getattr(sizes, "ndim", 0) != 1 or not len(sizes) or sizes[0] != -1:
            continue
        own = nodes.add()  # the constant may be the shape of something else too
        own.CopyFrom(constant)
        own.name = f"{user.name}/element_shape_of_{rows}"
        fixed = sizes.copy()
        fixed[0] = rows
        own.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(fixed))
        user.input[place] = user.input[place].replace(constant.name, own.name, 1)


def _users(nodes: Any) -> Iterator[tuple[Any, int]]:  # noqa: ANN401 - as above
    for node in nodes:
        if node.op in _ELEMENT_SHAPES:
            yield node, _ELEMENT_SHAPES[node.op]
