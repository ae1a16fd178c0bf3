"""LightGBM → ONNX from the booster's own dump: also averages, categories and missing zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.boosted_model import Model
from ..frameworks.forest_onnx import Forest, Split, Tree, forest_model, unknown_objective
from ..frameworks.onnx_interface import finish
from ..loaded import signature_of
from ..wire import TaskError

_LINKS = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "softplus",
    "multiclass": "softmax",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "custom": "identity",
    "": "identity",
}


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Reads the trees, writes the graph."""
    del task
    model: Model = opened.model
    proto = forest_model(
        read_forest(model.booster.dump_model()),
        input_name=model.input_specs[0]["name"],
        features=model.features,
        kind=model.kind,
    )
    finish(proto, signature_of(model), out)


def read_forest(dump: Mapping[str, Any]) -> Forest:
    """From what `Booster.dump_model` gives. Raises `export.no-way`."""
    name, *parameters = str(dump.get("objective", "")).split(" ")
    if name not in _LINKS:
        raise unknown_objective(name, "LightGBM")
    said = dict(part.split(":", 1) for part in parameters if ":" in part)
    link = "square" if name == "regression" and "sqrt" in parameters else _LINKS[name]
    per_round = int(dump["num_tree_per_iteration"])
    structures = [tree["tree_structure"] for tree in dump["tree_info"]]
    share = 1.0 / max(1, len(structures) // per_round) if dump.get("average_output") else 1.0
    zeros: set[int] = set()
    trees = [
        Tree(dict(_nodes(structure, share, zeros)), number % per_round)
        for number, structure in enumerate(structures)
    ]
    return Forest(
        trees,
        [0.0] * per_round,
        link,
        sharpness=float(said.get("sigmoid", 1.0)),
        zero_is_missing=frozenset(zeros),
        truncates=True,
    )


def _nodes(
    structure: Mapping[str, Any], share: float, zeros: set[int]
) -> Iterator[tuple[int, Split | float]]:
    """(number, node), the root first; features whose zeros count as missing are added to `zeros`."""
    waiting, free = [(0, structure)], 1
    while waiting:
        number, node = waiting.pop()
        if "split_feature" not in node:
            if "leaf_coeff" in node:
                raise TaskError(
                    "export.no-way",
                    "The leaves of this forest are linear models (linear_tree=true).",
                    hint="Train it without linear_tree.",
                )
            yield number, float(node["leaf_value"]) * share
            continue
        yes, no, free = free, free + 1, free + 2
        waiting += [(yes, node["left_child"]), (no, node["right_child"])]
        yield number, _split(node, yes, no, zeros)


def _split(node: Mapping[str, Any], yes: int, no: int, zeros: set[int]) -> Split:
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":  # a missing value is in no set
        categories = tuple(int(part) for part in str(node["threshold"]).split("||"))
        return Split(feature, "BRANCH_EQ", 0.0, yes, no, False, categories)
    threshold, missing = float(node["threshold"]), node["missing_type"]
    is_left = bool(node["default_left"]) if missing != "None" else threshold >= 0.0  # there NaN reads as 0
    if missing == "Zero":
        zeros.add(feature)
    return Split(feature, "BRANCH_LEQ", threshold, yes, no, is_left)


EDGES = (
    Edge(
        name="lightgbm/trees",
        start="lightgbm",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=20,
        requires={"onnx": "onnx"},
    ),
)
