"""Thresholds rounded down, booleans made integers, and nothing left behind."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import given
from hypothesis import strategies as st

from shipway.sources.workers.frameworks.tree_attributes import floored, repaired


@given(
    st.floats(width=64, min_value=-(2.0**100), max_value=2.0**100),
    st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100),
)
def test_a_floored_threshold_asks_the_same_question(threshold: float, x: float) -> None:
    found = floored(np.array([threshold]))[0]
    for value in (
        np.float32(x),
        np.float32(threshold),
        np.nextafter(np.float32(threshold), np.float32(np.inf)),
    ):
        assert (value <= found) == (float(value) <= threshold)


def test_attributes_are_repaired_inside_only() -> None:
    before = onnx.helper.make_attribute
    with repaired(floor_thresholds=True):
        node = onnx.helper.make_node("T", ["x"], ["y"], nodes_values=[0.1, 0.3], tracks=[True, False])
    assert onnx.helper.make_attribute is before
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert values["tracks"] == [1, 0]
    assert all(found <= given for found, given in zip(values["nodes_values"], (0.1, 0.3), strict=True))
