"""Teaches skl2onnx the estimators of XGBoost and LightGBM, which stand at the end of many pipelines.

Their converters are onnxmltools'; without it such a step has none, and the error names it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any, Final

_MODULES: Final = {
    "xgboost": "onnxmltools.convert.xgboost.operator_converters.XGBoost:convert_xgboost",
    "lightgbm": "onnxmltools.convert.lightgbm.operator_converters.LightGbm:convert_lightgbm",
}
_CLASSIFIER_OPTIONS: Final = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


def register(parts: Iterable[Any]) -> None:
    """Registers a converter for the classes of both libraries among `parts`; may be called again."""
    kinds = {type(part) for part in parts}
    for kind in kinds:
        place = _MODULES.get(kind.__module__.split(".")[0])
        if place is not None and importlib.util.find_spec("onnxmltools") is not None:
            _register(kind, place)


def _register(kind: type, place: str) -> None:
    skl2onnx = importlib.import_module("skl2onnx")
    shapes = importlib.import_module("skl2onnx.common.shape_calculator")
    module, _, function = place.partition(":")
    is_classifier = kind.__name__.endswith("Classifier")
    side = "classifier" if is_classifier else "regressor"
    skl2onnx.update_registered_converter(
        kind,
        f"{kind.__module__.split('.')[0]}{kind.__name__}",
        getattr(shapes, f"calculate_linear_{side}_output_shapes"),
        getattr(importlib.import_module(module), function),
        options=_CLASSIFIER_OPTIONS if is_classifier else None,
    )
