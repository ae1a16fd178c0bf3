"""XGBoost → ONNX by onnxmltools, the converter that its users know."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Facts, Opened
from ..frameworks.boosted_model import Model
from ..frameworks.onnx_casts import free_rows, shape_outputs
from ..frameworks.onnx_interface import finish
from ..frameworks.tree_attributes import repaired
from ..loaded import signature_of

_OPSET = 15
"""The newest that onnxmltools 1.14 writes."""


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Converts a copy without names of features, which onnxmltools would read as numbers."""
    del task
    model: Model = opened.model
    onnxmltools = importlib.import_module("onnxmltools")
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    booster = model.booster.copy()
    booster.feature_names = None
    with repaired(floor_thresholds=False):  # XGBoost's thresholds are float32 already
        proto = onnxmltools.convert_xgboost(
            booster,
            initial_types=[(model.input_specs[0]["name"], types.FloatTensorType([None, model.features]))],
            target_opset=_OPSET,
        )
    free_rows(proto.graph)
    shape_outputs(proto.graph, model.output_specs)
    finish(proto, signature_of(model), out)


def _fits(facts: Facts) -> int | None:
    """Not what it converts to another forest, or not at all: dart's weights, categories, linear models."""
    return None if facts.get("model") != "gbtree" or facts.get("has_categories") else 0


EDGES = (
    Edge(
        name="xgboost/onnxmltools",
        start="xgboost",
        end="onnx",
        file=__file__,
        write=write,
        result="model.onnx",
        rank=10,
        fits=_fits,
        requires={"onnxmltools": "onnxmltools>=1.14,<2", "skl2onnx": "skl2onnx>=1.18,<2", "onnx": "onnx"},
        extra="xgboost",
    ),
)
