"""What the converters of tree models leave wrong in the attributes of ONNX nodes, put right while they write."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def repaired(*, floor_thresholds: bool) -> Iterator[None]:
    """While inside, booleans become the integers that onnx 1.23 insists on, which skl2onnx 1.20 does not give.

    `floor_thresholds`: a threshold that float32 cannot hold is rounded down, not to the nearest. For x in
    float32 and t in float64, x <= t is then the same question in both; rounded up, rows just above t flip
    (onnxruntime#4130, sklearn-onnx#1227).
    """
    helper: Any = importlib.import_module("onnx.helper")
    original = helper.make_attribute

    def make_attribute(key: str, value: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - as onnx has it
        if isinstance(value, (bool, np.bool_)):
            value = int(value)
        elif isinstance(value, (list, tuple)) and any(isinstance(item, (bool, np.bool_)) for item in value):
            value = [int(item) for item in value]
        if floor_thresholds and key == "nodes_values":
            value = floored(np.asarray(value, np.float64)).tolist()
        return original(key, value, *rest, **named)

    helper.make_attribute = make_attribute
    try:
        yield
    finally:
        helper.make_attribute = original


def floored(values: np.ndarray) -> np.ndarray:
    """The largest float32 at or below each float64."""
    near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)
