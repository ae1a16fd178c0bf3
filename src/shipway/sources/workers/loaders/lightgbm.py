"""Loads a LightGBM file into a `Booster`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..frameworks.boosted_model import Model
from ..loading import require
from ..wire import blame, progress


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The model at `path`. Raises `source.damaged`, `environment.missing`."""
    require({"lightgbm": "lightgbm>=4.5,<5"})
    progress("starting LightGBM")
    with blame("worker.crashed", "LightGBM does not start"):
        lightgbm = importlib.import_module("lightgbm")
    progress("loading the model")
    with blame("source.damaged", f"LightGBM {lightgbm.__version__} cannot load the file"):
        booster = lightgbm.Booster(model_file=str(path))
        objective = objective_of(booster)
    name = objective.split(" ")[0]
    kind = "multi" if name.startswith("multiclass") else "binary" if name == "binary" else "value"
    width = 2 if kind == "binary" else booster.num_model_per_iteration()

    def ask(rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = booster.predict(rows)
        return found

    return Model(
        booster,
        ask,
        framework="LightGBM",
        distributions=("lightgbm",),
        input_name=settings["input"],
        features=booster.num_feature(),
        kind=kind,
        width=width,
        is_double=True,
    )


def objective_of(booster: Any) -> str:  # noqa: ANN401 - a Booster
    """As the file has it, with its parameters: `"binary sigmoid:1"`."""
    return str(booster.dump_model(num_iteration=1).get("objective", ""))
