"""Writes a boosted forest as ONNX: one `TreeEnsembleRegressor`, the objective's link, and the class.

Thresholds in float64 that float32 cannot hold are rounded down: for `x <= t` with x in float32 that is the same
question. A set of categories becomes a chain of equalities, which ONNX Runtime joins again.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..wire import TaskError
from .onnx_interface import OPSET
from .tree_attributes import floored

_ML_OPSET = 3
_NODES = (
    "treeids",
    "nodeids",
    "featureids",
    "modes",
    "values",
    "truenodeids",
    "falsenodeids",
    "missing_value_tracks_true",
)
_LEAVES = ("treeids", "nodeids", "ids", "weights")
_ZERO = np.float32(1e-35)
"""LightGBM's `kZeroThreshold`."""


@dataclass(frozen=True)
class Split:
    """`x[feature]` against `value` by `mode` (`BRANCH_LEQ`, `BRANCH_LT`), or is it one of `categories`?"""

    feature: int
    mode: str
    value: float
    yes: int
    no: int
    missing_is_yes: bool
    categories: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tree:
    """Nodes by their number: splits, and leaves as their values. The root is number 0."""

    nodes: dict[int, Split | float]
    target: int


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves are summed up by target, and what makes an answer of the sums."""

    trees: Sequence[Tree]
    base: Sequence[float]
    """One for each target."""
    link: str
    """`identity`, `sigmoid`, `softmax`, `exp`, `softplus`, `square`, `step`."""
    sharpness: float = 1.0
    """What a sum is multiplied by before a sigmoid."""
    zero_is_missing: frozenset[int] = field(default_factory=frozenset)
    """Features whose zeros count as missing."""
    truncates: bool = False
    """A category of -0.5 reads as 0 (LightGBM), not as none (XGBoost)."""


def forest_model(forest: Forest, *, input_name: str, features: int, kind: str) -> Any:  # noqa: ANN401 - a ModelProto
    """The graph, whose outputs are `label` and `probabilities`, or `prediction`."""
    onnx = importlib.import_module("onnx")
    graph = _Graph(onnx)
    rows = _prepared(graph, forest, input_name, features)
    sums = graph.add(
        "TreeEnsembleRegressor",
        [rows],
        domain="ai.onnx.ml",
        n_targets=len(forest.base),
        base_values=[float(value) for value in forest.base],
        post_transform="NONE",
        **_attributes(forest),
    )
    values = _link(graph, forest, sums)
    if kind == "value":
        graph.name(values, "prediction")
        outputs = [("prediction", onnx.TensorProto.FLOAT, ["batch", len(forest.base)])]
    else:
        width = _classes(graph, values, kind, len(forest.base))
        outputs = [
            ("label", onnx.TensorProto.INT64, ["batch"]),
            ("probabilities", onnx.TensorProto.FLOAT, ["batch", width]),
        ]
    make = onnx.helper.make_tensor_value_info
    entrance = make(input_name, onnx.TensorProto.FLOAT, ["batch", features])
    made = onnx.helper.make_graph(
        graph.nodes, "forest", [entrance], [make(*output) for output in outputs], graph.constants
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=8, producer_name="shipway")


class _Graph:
    """Nodes and constants in the order that they are added."""

    def __init__(self, onnx: Any) -> None:  # noqa: ANN401 - a module
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Gives the name of the result."""
        output = f"forest/{len(self.nodes)}"
        self.nodes.append(
            self._onnx.helper.make_node(operator, inputs, [output], domain=domain, **attributes)
        )
        return output

    def constant(self, value: Any) -> str:  # noqa: ANN401 - what numpy takes
        """Gives its name."""
        name = f"forest/constant-{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def name(self, value: str, name: str) -> None:
        """Makes a value an output of that name."""
        self.nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))


def _prepared(graph: _Graph, forest: Forest, rows: str, features: int) -> str:
    """Categories without their fraction, as the libraries read them; zeros that count as missing as NaN."""
    categories = {split.feature for split in _splits(forest) if split.categories}
    if categories:
        whole = graph.add("Floor", [graph.add("Abs", [rows]) if forest.truncates else rows])
        if forest.truncates:
            whole = graph.add("Mul", [graph.add("Sign", [rows]), whole])
        rows = graph.add("Where", [graph.constant(_mask(categories, features)), whole, rows])
    if forest.zero_is_missing:
        # LessOrEqual is false for NaN, which stays one.
        small = graph.add("LessOrEqual", [graph.add("Abs", [rows]), graph.constant(_ZERO)])
        hidden = graph.add("And", [small, graph.constant(_mask(forest.zero_is_missing, features))])
        rows = graph.add("Where", [hidden, graph.constant(np.float32(np.nan)), rows])
    return rows


def _link(graph: _Graph, forest: Forest, sums: str) -> str:
    if forest.link == "sigmoid":
        if forest.sharpness != 1.0:
            sums = graph.add("Mul", [sums, graph.constant(np.float32(forest.sharpness))])
        return graph.add("Sigmoid", [sums])
    if forest.link == "square":  # of LightGBM's reg_sqrt
        return graph.add("Mul", [sums, graph.add("Abs", [sums])])
    if forest.link == "step":
        above = graph.add("Greater", [sums, graph.constant(np.float32(0))])
        return graph.add("Cast", [above], to=graph._onnx.TensorProto.FLOAT)
    operators = {"identity": "", "exp": "Exp", "softplus": "Softplus"}
    if forest.link == "softmax":
        return graph.add("Softmax", [sums], axis=1)
    operator = operators[forest.link]
    return graph.add(operator, [sums]) if operator else sums


def _classes(graph: _Graph, values: str, kind: str, targets: int) -> int:
    """Adds the outputs of a classifier; gives the number of classes."""
    if kind == "binary":
        other = graph.add("Sub", [graph.constant(np.float32(1)), values])
        values = graph.add("Concat", [other, values], axis=1)
        targets = 2
    graph.name(values, "probabilities")
    graph.name(graph.add("ArgMax", [values], axis=1, keepdims=0), "label")
    return targets


def _attributes(forest: Forest) -> dict[str, list[Any]]:
    """Parallel lists, as the operator takes them."""
    nodes: list[tuple[Any, ...]] = []
    leaves: list[tuple[Any, ...]] = []
    for number, tree in enumerate(forest.trees):
        for node, item in _unfolded(tree):
            if isinstance(item, Split):
                mode = "BRANCH_EQ" if item.categories else item.mode
                missing = int(item.missing_is_yes)
                nodes.append((number, node, item.feature, mode, item.value, item.yes, item.no, missing))
            else:
                nodes.append((number, node, 0, "LEAF", 0.0, 0, 0, 0))
                leaves.append((number, node, tree.target, float(item)))
    return {
        **{f"nodes_{key}": list(found) for key, found in zip(_NODES, zip(*nodes, strict=True), strict=True)},
        **{
            f"target_{key}": list(found)
            for key, found in zip(_LEAVES, zip(*leaves, strict=True), strict=True)
        },
    }


def _unfolded(tree: Tree) -> Iterator[tuple[int, Split | float]]:
    """(number, node) with each set of categories as a chain: is it the first? the second? ..."""
    free = max(tree.nodes) + 1
    for number, item in tree.nodes.items():
        if not isinstance(item, Split):
            yield number, item
            continue
        values = item.categories or (item.value,)
        for place, value in enumerate(values):
            here, is_last = number if place == 0 else free - 1, place == len(values) - 1
            after = item.no if is_last else free
            free += 0 if is_last else 1
            exact = float(value) if item.mode != "BRANCH_LEQ" else float(floored(np.array([value]))[0])
            yield (
                here,
                Split(item.feature, item.mode, exact, item.yes, after, item.missing_is_yes, item.categories),
            )


def _splits(forest: Forest) -> Iterator[Split]:
    for tree in forest.trees:
        yield from (node for node in tree.nodes.values() if isinstance(node, Split))


def _mask(chosen: set[int] | frozenset[int], features: int) -> np.ndarray:
    return np.isin(np.arange(features), list(chosen))


def unknown_objective(name: str, library: str) -> TaskError:
    """The error for an objective whose link is not known here."""
    return TaskError(
        "export.no-way",
        f"What {library} makes of its trees' sums for the objective {name!r} is not known.",
        hint="Train it with one of the library's own objectives.",
    )
