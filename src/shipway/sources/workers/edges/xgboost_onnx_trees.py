"""XGBoost → ONNX from the booster's own JSON: also dart, several targets and categories."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.boosted_model import Model
from ..frameworks.forest_onnx import Forest, Split, Tree, forest_model, unknown_objective
from ..frameworks.onnx_interface import finish
from ..loaded import signature_of
from ..wire import TaskError

_LINKS = {
    "binary:logistic": "sigmoid",
    "reg:logistic": "sigmoid",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "survival:cox": "exp",
    "survival:aft": "exp",
    "binary:hinge": "step",
    "binary:logitraw": "identity",
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:expectileerror": "identity",
    "rank:ndcg": "identity",
    "rank:map": "identity",
    "rank:pairwise": "identity",
}
_BEFORE_LINK = {"sigmoid": lambda score: -math.log(1 / score - 1), "exp": math.log}
"""`base_score` is kept as an answer; the sum of the trees starts from what the link makes that answer of."""


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Reads the trees, writes the graph."""
    del task
    model: Model = opened.model
    learner = json.loads(model.booster.save_raw(raw_format="json"))["learner"]
    proto = forest_model(
        read_forest(learner),
        input_name=model.input_specs[0]["name"],
        features=model.features,
        kind=model.kind,
    )
    finish(proto, signature_of(model), out)


def read_forest(learner: Mapping[str, Any]) -> Forest:
    """From `learner` of the JSON that XGBoost saves. Raises `export.no-way`."""
    objective = str(learner["objective"]["name"])
    if objective not in _LINKS:
        raise unknown_objective(objective, "XGBoost")
    booster, weights = learner["gradient_booster"], None
    if booster["name"] == "dart":
        booster, weights = booster["gbtree"], booster["weight_drop"]
    if booster["name"] != "gbtree":
        raise TaskError(
            "export.no-way",
            f"A booster of the kind {booster['name']} has no trees.",
            hint="Train it with booster='gbtree', or a linear model with scikit-learn.",
        )
    model = booster["model"]
    trees = [
        _tree(tree, int(target), 1.0 if weights is None else float(weights[number]))
        for number, (tree, target) in enumerate(zip(model["trees"], model["tree_info"], strict=True))
    ]
    link = _LINKS[objective]
    return Forest(trees, _base(learner["learner_model_param"], link), link)


def _base(parameters: Mapping[str, Any], link: str) -> list[float]:
    """One number before XGBoost 3.1, one for each target since."""
    found = json.loads(parameters["base_score"])
    scores = [float(score) for score in (found if isinstance(found, list) else [found])]
    targets = max(1, int(parameters.get("num_target", 1)), int(parameters["num_class"]))
    scores = scores * targets if len(scores) == 1 else scores
    before = _BEFORE_LINK.get(link)
    return scores if before is None else [before(score) for score in scores]


def _tree(tree: Mapping[str, Any], target: int, weight: float) -> Tree:
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise TaskError(
            "export.no-way",
            "A leaf of this forest holds several values (multi_strategy='multi_output_tree').",
            hint="Train it with multi_strategy='one_output_per_tree'.",
        )
    sets = {
        node: tuple(tree["categories"][begin : begin + size])
        for node, begin, size in zip(
            tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
        )
    }
    nodes: dict[int, Split | float] = {}
    for node, left in enumerate(tree["left_children"]):
        value = float(tree["split_conditions"][node])
        right, is_left = tree["right_children"][node], bool(tree["default_left"][node])
        feature = tree["split_indices"][node]
        if left == -1:
            nodes[node] = value * weight
        elif node in sets:  # what is in the set goes to the right
            nodes[node] = Split(feature, "BRANCH_EQ", 0.0, right, left, not is_left, sets[node])
        else:
            nodes[node] = Split(feature, "BRANCH_LT", value, left, right, is_left)
    return Tree(nodes, target)


EDGES = (
    Edge(
        name="xgboost/trees",
        start="xgboost",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=20,
        requires={"onnx": "onnx"},
    ),
)
