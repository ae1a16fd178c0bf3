"""LightGBM files: described, asked, converted by both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.sources.detect import open_source
from shipway.sources.routes import find_ways
from shipway.types import DType, TensorSpec
from tabular_asking import ask, convert, load, require_same, rows_of

pytestmark = pytest.mark.framework


@pytest.mark.parametrize(
    "name", ["binary", "multi", "regression", "poisson", "forest", "dart", "zeros", "categories"]
)
def test_by_its_own_trees(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = tabular_models / f"lgbm-{name}.txt"
    model = load(file)
    rows = rows_of(file, model)
    require_same(model.predict(rows), ask(convert(model, "lightgbm/trees", tmp_path), rows))


@pytest.mark.parametrize("name", ["binary", "multi", "regression", "poisson", "dart"])
def test_by_onnxmltools(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = tabular_models / f"lgbm-{name}.txt"
    model = load(file)
    rows = rows_of(file, model)
    require_same(model.predict(rows), ask(convert(model, "lightgbm/onnxmltools", tmp_path), rows))


@pytest.mark.parametrize("way", ["lightgbm/trees", "lightgbm/onnxmltools"])
def test_values_at_a_threshold_go_the_same_way(tabular_models: Path, tmp_path: Path, way: str) -> None:
    """LightGBM's thresholds are float64; the float32 next to one may lie above it."""
    model = load(tabular_models / "lgbm-regression.txt")
    known: dict[int, list[float]] = {}

    def collect(node: dict[str, Any]) -> None:
        if "threshold" in node:
            known.setdefault(node["split_feature"], []).append(node["threshold"])
            collect(node["left_child"])
            collect(node["right_child"])

    for tree in model.booster.dump_model()["tree_info"]:
        collect(tree["tree_structure"])
    random = np.random.default_rng(0)
    rows = random.normal(0, 0.05, (400, model.features)).astype(np.float32)
    for feature, thresholds in known.items():
        rows[:300, feature] = random.choice(np.array(thresholds, np.float32), 300)
    require_same(model.predict({"x": rows}), ask(convert(model, way, tmp_path), {"x": rows}))


def test_zeros_count_as_missing_by_the_way_that_knows(tabular_models: Path, tmp_path: Path) -> None:
    model = load(tabular_models / "lgbm-zeros.txt")
    rows = {"x": np.zeros((3, model.features), np.float32)}
    rows["x"][1] = 0.04
    require_same(model.predict(rows), ask(convert(model, "lightgbm/trees", tmp_path), rows))


def test_described_and_asked_through_a_child(tabular_models: Path, tmp_path: Path) -> None:
    file = tabular_models / "lgbm-multi.txt"
    source = open_source(file)
    found = source.describe()
    assert found.inputs == (TensorSpec("x", DType.FP32, ("batch", 13)),)
    assert (found.details["objective"], found.details["classes"]) == ("multiclass", 3)
    ways = find_ways("lightgbm", "onnx", found.details)
    assert [way.name for way in ways] == ["lightgbm/onnxmltools", "lightgbm/trees"]
    rows = {"x": np.load(file.with_suffix(".npz"))["x"]}
    (step,) = ways[0].edges
    reference = source.reference({"real": rows}, lambda _: None, ahead=step)
    assert reference.precise["real"]["probabilities"].dtype == np.float64
    converted = open_source(source.convert(step, tmp_path, samples=rows, progress=lambda _: None).model)
    assert converted.describe().signature == reference.signature
    require_same(
        dict(reference.outputs["real"]),
        dict(converted.answer({"real": rows}, lambda _: None).outputs["real"]),
    )
    source.close()
    converted.close()
