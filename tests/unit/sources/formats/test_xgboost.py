"""XGBoost files: described, asked, converted by both ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shipway.sources.detect import open_source
from shipway.sources.routes import find_ways
from shipway.sources.workers.wire import TaskError
from shipway.types import DType, TensorSpec
from tabular_asking import ask, convert, load, require_same, rows_of

pytestmark = pytest.mark.framework

BY_TREES = (
    *("binary", "multi", "softmax", "regression", "poisson", "base-score", "shares", "dart", "several"),
    *("categories", "early"),
)
BY_ONNXMLTOOLS = ("binary", "multi", "softmax", "regression", "poisson", "base-score", "early")


def file_of(folder: Path, name: str) -> Path:
    return next(file for file in folder.glob(f"xgb-{name}.*") if file.suffix != ".npz")


@pytest.mark.parametrize("name", BY_TREES)
def test_by_its_own_trees(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = file_of(tabular_models, name)
    model = load(file)
    rows = rows_of(file, model)
    require_same(model.predict(rows), ask(convert(model, "xgboost/trees", tmp_path), rows))


@pytest.mark.parametrize("name", BY_ONNXMLTOOLS)
def test_by_onnxmltools(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = file_of(tabular_models, name)
    model = load(file)
    rows = rows_of(file, model)
    require_same(model.predict(rows), ask(convert(model, "xgboost/onnxmltools", tmp_path), rows))


@pytest.mark.parametrize("way", ["xgboost/trees", "xgboost/onnxmltools"])
def test_values_at_a_threshold_go_the_same_way(tabular_models: Path, tmp_path: Path, way: str) -> None:
    model = load(file_of(tabular_models, "regression"))
    learner = json.loads(model.booster.save_raw(raw_format="json"))["learner"]
    trees = learner["gradient_booster"]["model"]["trees"]
    random = np.random.default_rng(0)
    rows = random.normal(0, 0.05, (400, model.features)).astype(np.float32)
    for feature in range(model.features):
        known = [
            tree["split_conditions"][node]
            for tree in trees
            for node, left in enumerate(tree["left_children"])
            if left != -1 and tree["split_indices"][node] == feature
        ]
        if known:
            rows[:300, feature] = random.choice(np.array(known, np.float32), 300)
    require_same(model.predict({"x": rows}), ask(convert(model, way, tmp_path), {"x": rows}))


def test_early_stopping_answers_as_the_classifier_did(tabular_models: Path) -> None:
    file = file_of(tabular_models, "early")
    model = load(file)
    expected = np.load(tabular_models / "xgb-early-expected.npz")["probabilities"]
    found = model.predict(rows_of(file, model))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_linear_booster_says_that_it_has_no_trees(tabular_models: Path, tmp_path: Path) -> None:
    model = load(file_of(tabular_models, "linear"))
    with pytest.raises(TaskError, match="gblinear has no trees"):
        convert(model, "xgboost/trees", tmp_path)


def test_described_and_asked_through_a_child(tabular_models: Path, tmp_path: Path) -> None:
    file = file_of(tabular_models, "binary")
    source = open_source(file)
    found = source.describe()
    assert found.inputs == (TensorSpec("x", DType.FP32, ("batch", 30)),)
    assert (found.details["objective"], found.details["trees"]) == ("binary:logistic", 20)
    ways = find_ways("xgboost", "onnx", found.details)
    assert [way.name for way in ways] == ["xgboost/onnxmltools", "xgboost/trees"]
    rows = {"x": np.load(file.with_suffix(".npz"))["x"]}
    (step,) = ways[0].edges
    reference = source.reference({"real": rows}, lambda _: None, ahead=step)
    converted = open_source(source.convert(step, tmp_path, samples=rows, progress=lambda _: None).model)
    assert converted.describe().signature == reference.signature
    require_same(
        dict(reference.outputs["real"]),
        dict(converted.answer({"real": rows}, lambda _: None).outputs["real"]),
    )
    source.close()
    converted.close()


def test_categories_go_by_the_way_that_keeps_them(tabular_models: Path) -> None:
    details = open_source(file_of(tabular_models, "categories")).describe().details
    assert [way.name for way in find_ways("xgboost", "onnx", details)] == ["xgboost/trees"]
