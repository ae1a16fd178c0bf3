"""Turns fitted estimators into their like that skl2onnx 1.20 converts rightly, and mends what it then leaves out.

What is changed here changes no answer of scikit-learn for the inputs that an ONNX graph can be given.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import numpy as np

from .onnx_casts import apply_to_output
from .sklearn_model import all_parts
from .tree_attributes import floored

_ROUNDING = ("sklearn.tree", "sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._iforest")
_TREES = (*_ROUNDING, "sklearn.ensemble._hist_gradient_boosting", "xgboost", "lightgbm")
_NO_TEXT = "\0"
"""A string that no table holds."""
_DEFAULT_WORDS = r"(?u)\b\w\w+\b"
_WORDS = r"[\p{L}\p{N}_]{2,}"
"""scikit-learn's default pattern, `\\b\\w\\w+\\b`, in RE2's words; skl2onnx takes the letters a to z only."""


def convertible(estimator: Any) -> Any:  # noqa: ANN401 - an estimator
    """A copy that answers the same."""
    found = copy.deepcopy(estimator)
    for part in all_parts(found):
        kind = type(part).__name__
        if kind in ("VotingClassifier", "VotingRegressor"):
            part.flatten_transform = False  # of `transform`, which a classifier is not asked for
        elif kind == "KBinsDiscretizer" and part.encode == "onehot":
            part.encode = "onehot-dense"
        elif kind == "SimpleImputer" and part.statistics_.dtype == object:
            part.missing_values = _NO_TEXT  # a tensor of strings holds no NaN
        elif kind == "OneVsRestClassifier":
            part.estimators_ = [_logistic_twin(member) for member in part.estimators_]
        elif hasattr(part, "_predictors"):
            _floor_thresholds(part)
    return found


def _logistic_twin(member: Any) -> Any:  # noqa: ANN401 - as above
    """The same hyperplane with the same scores; skl2onnx picks a linear SVM's out of columns that it has not."""
    linear = importlib.import_module("sklearn.linear_model")
    if type(member).__name__ != "LinearSVC":
        return member
    twin = linear.LogisticRegression()
    twin.coef_, twin.intercept_ = member.coef_, np.ravel(member.intercept_)
    twin.classes_, twin.n_features_in_ = member.classes_, member.n_features_in_
    return twin


def _floor_thresholds(part: Any) -> None:  # noqa: ANN401 - as above
    """For x in float32, x <= t is the same question; skl2onnx rounds to the nearest (sklearn-onnx#1227)."""
    for predictor in np.ravel(np.asarray(part._predictors, dtype=object)).tolist():
        predictor.nodes["num_threshold"] = floored(predictor.nodes["num_threshold"])


def text_options(vectorizer: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Slim images have no en_US, which skl2onnx asks for. The locale matters where letters are made small."""
    words = getattr(vectorizer, "vocabulary_", {})
    is_plain = all(str(word).isascii() for word in words)
    options: dict[str, Any] = {"locale": "C" if is_plain else "C.UTF-8"}
    if vectorizer.analyzer == "word" and vectorizer.token_pattern == _DEFAULT_WORDS:
        options["tokenexp"] = _WORDS
    return options


def apply_links(graph: Any, last: Any) -> None:  # noqa: ANN401 - a GraphProto, an estimator
    """skl2onnx leaves out the exponential of gradient boosting for counts (loss='poisson', 'gamma')."""
    if type(last).__name__ != "HistGradientBoostingRegressor":
        return
    link = type(importlib.import_module("sklearn._loss.link").LogLink())
    if isinstance(last._loss.link, link) and not any(node.op_type == "Exp" for node in graph.node):
        apply_to_output(graph, 0, "Exp")


def impute_in_double(graph: Any) -> None:  # noqa: ANN401 - a GraphProto
    """`Imputer` of NaN by `IsNaN` and `Where`: ONNX Runtime has the operator in float32 and int64 only."""
    onnx = importlib.import_module("onnx")
    kept = []
    for node in graph.node:
        given = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
        if node.op_type != "Imputer" or not np.isnan(given.get("replaced_value_float", 0.0)):
            kept.append(node)
            continue
        fill, missing = f"{node.output[0]}/fill", f"{node.output[0]}/missing"
        values = np.array([given["imputed_value_floats"]], np.float64)
        graph.initializer.append(onnx.numpy_helper.from_array(values, fill))
        kept.append(onnx.helper.make_node("IsNaN", [node.input[0]], [missing]))
        kept.append(onnx.helper.make_node("Where", [missing, fill, node.input[0]], list(node.output)))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def round_before_trees(graph: Any, estimator: Any) -> None:  # noqa: ANN401 - as above
    """scikit-learn's own trees round to float32 what they are given; histogram trees and boosters do not."""
    parts = [part for part in all_parts(estimator) if type(part).__module__.startswith(_TREES)]
    if not parts or any(not type(part).__module__.startswith(_ROUNDING) for part in parts):
        return
    onnx = importlib.import_module("onnx")
    kept = []
    for node in graph.node:
        if node.op_type.startswith("TreeEnsemble"):
            source, single, double = node.input[0], f"{node.name}/single", f"{node.name}/double"
            for start, end, dtype in ((source, single, "FLOAT"), (single, double, "DOUBLE")):
                to = getattr(onnx.TensorProto, dtype)
                kept.append(onnx.helper.make_node("Cast", [start], [end], to=to))
            node.input[0] = double
        kept.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
