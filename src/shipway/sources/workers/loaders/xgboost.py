"""Loads an XGBoost file into a `Booster`; with early stopping, as far as its best round.

That is what XGBoost's scikit-learn interface answers; `Booster.predict` would use the rounds after it, too.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..frameworks.boosted_model import Model
from ..loading import require
from ..wire import blame, progress


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The model at `path`. Raises `source.damaged`, `environment.missing`."""
    require({"xgboost": "xgboost-cpu>=3.0,<4"})
    progress("starting XGBoost")
    with blame("worker.crashed", "XGBoost does not start"):
        xgboost = importlib.import_module("xgboost")
    progress("loading the model")
    with blame("source.damaged", f"XGBoost {xgboost.__version__} cannot load the file"):
        booster = xgboost.Booster()
        booster.load_model(bytearray(path.read_bytes()))
        booster = _up_to_best(booster)
        learner = json.loads(booster.save_config())["learner"]
    objective = str(learner["objective"]["name"])
    if objective == "multi:softmax":  # the same forest, asked for probabilities and not for the class alone
        booster.set_param({"objective": "multi:softprob"})
    kind = (
        "multi" if objective.startswith("multi:") else "binary" if objective == "binary:logistic" else "value"
    )
    parameters = learner["learner_model_param"]
    widths = {
        "multi": int(parameters["num_class"]),
        "binary": 2,
        "value": int(parameters.get("num_target", 1)),
    }

    def ask(rows: np.ndarray) -> np.ndarray:
        matrix = xgboost.DMatrix(
            rows,
            feature_names=booster.feature_names,
            feature_types=booster.feature_types,
            enable_categorical=True,
        )
        found: np.ndarray = booster.predict(matrix)
        return found

    return Model(
        booster,
        ask,
        framework="XGBoost",
        distributions=("xgboost", "xgboost-cpu"),
        input_name=settings["input"],
        features=booster.num_features(),
        kind=kind,
        width=widths[kind],
        is_double=False,
    )


def _up_to_best(booster: Any) -> Any:  # noqa: ANN401 - a Booster
    best = booster.attr("best_iteration")
    if best is None or int(best) + 1 >= booster.num_boosted_rounds():
        return booster
    progress(f"early stopping: {int(best) + 1} of {booster.num_boosted_rounds()} rounds are used")
    return booster[: int(best) + 1]
