"""Every kind of scikit-learn model in the tests' folder: its converted form answers as it does."""

from __future__ import annotations

import copy
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import datasets, ensemble, impute, linear_model, multiclass, pipeline, preprocessing, svm, tree
from sklearn.base import BaseEstimator, clone
from sklearn.feature_extraction.text import TfidfVectorizer

from shipway.sources.workers.wire import TaskError
from tabular_asking import ask, convert, load, require_same, rows_of

pytestmark = pytest.mark.framework

IN_FLOAT = (
    *("logistic", "forest", "boosting", "hist", "hist-regression", "hist-counts", "vote", "hard-vote"),
    *(
        "naive-bayes",
        "mixture",
        "ada",
        "svc",
        "svc-binary",
        "linear-svc",
        "mlp",
        "ridge",
        "forest-regression",
    ),
    *("kmeans", "pca", "outliers", "several", "string-labels", "mixed", "by-place", "text"),
)
IN_DOUBLE = tuple(name for name in IN_FLOAT if name not in ("ada", "outliers", "mixture"))
"""skl2onnx 1.20 mixes precisions in those."""


@pytest.mark.parametrize("name", IN_FLOAT)
def test_float32(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = tabular_models / f"{name}.skops"
    model = load(file)
    rows = rows_of(file, model)
    session = convert(model, "sklearn/skl2onnx", tmp_path)
    require_same(model.predict(rows), ask(session, rows))
    one = {key: array[:1] for key, array in rows.items()}
    require_same(model.predict(one), ask(session, one), share=1e-5)


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_float64_inside_is_float32_outside(tabular_models: Path, tmp_path: Path, name: str) -> None:
    file = tabular_models / f"{name}.skops"
    model = load(file)
    rows = rows_of(file, model)
    require_same(model.predict(rows), ask(convert(model, "sklearn/skl2onnx-double", tmp_path), rows))


def test_float64_inside_serves_large_values_that_float32_does_not(tmp_path: Path) -> None:
    """sklearn-onnx#324, onnxruntime#11284: the error grows with the values' range."""
    values, labels = datasets.load_breast_cancer(return_X_y=True)
    far = (values * 1e3 + 1e6).astype(np.float32)
    fitted = linear_model.LinearRegression().fit(far.astype(np.float64), labels)
    joblib.dump(fitted, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    exact = model.twin().predict({"x": far})["prediction"]
    errors = {
        way: np.abs(ask(convert(model, way, tmp_path), {"x": far})["prediction"] - exact).max()
        for way in ("sklearn/skl2onnx", "sklearn/skl2onnx-double")
    }
    assert errors["sklearn/skl2onnx-double"] < 1e-5 < errors["sklearn/skl2onnx"]


@pytest.mark.parametrize(
    "grown",
    [tree.DecisionTreeClassifier(), ensemble.HistGradientBoostingClassifier(max_iter=10)],
    ids=["tree", "histogram"],
)
def test_values_at_a_threshold_go_the_same_way(tmp_path: Path, grown: BaseEstimator) -> None:
    """onnxruntime#4130, sklearn-onnx#1227: thresholds are float64, and rounded to the nearest they flip rows."""
    random = np.random.default_rng(0)
    values = random.normal(size=(600, 4))
    labels = (values.sum(axis=1) > 0).astype(int)
    fitted = clone(grown).fit(values, labels)
    if isinstance(fitted, tree.DecisionTreeClassifier):
        thresholds = fitted.tree_.threshold[fitted.tree_.feature >= 0]
    else:
        thresholds = np.concatenate([trees[0].nodes["num_threshold"] for trees in fitted._predictors])
    near = thresholds.astype(np.float32)
    edges = np.concatenate([near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))])
    rows = {"x": np.stack([random.permutation(edges) for _ in range(4)], axis=1)}
    joblib.dump(fitted, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    require_same(model.predict(rows), ask(convert(model, "sklearn/skl2onnx", tmp_path), rows))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosted_trees_at_the_end_of_a_pipeline(tmp_path: Path, library: str) -> None:
    quiet = {"verbosity": 0} if library == "xgboost" else {"verbosity": -1}
    booster = {
        "xgboost": xgboost.XGBClassifier(n_estimators=5, n_jobs=1, **quiet),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, **quiet),
    }[library]
    values, labels = datasets.load_wine(return_X_y=True)
    fitted = pipeline.make_pipeline(preprocessing.FunctionTransformer(), booster).fit(values, labels)
    joblib.dump(fitted, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    assert not model.perturbs
    rows = {"x": values.astype(np.float32)}
    require_same(model.predict(rows), ask(convert(model, "sklearn/skl2onnx", tmp_path), rows))


def test_converting_leaves_the_model_as_it_was(tabular_models: Path, tmp_path: Path) -> None:
    file = tabular_models / "hist-regression.skops"
    model = load(file)
    before = copy.deepcopy(model.estimator._predictors[0][0].nodes)
    convert(model, "sklearn/skl2onnx", tmp_path)
    np.testing.assert_array_equal(model.estimator._predictors[0][0].nodes, before)


def test_a_step_without_a_converter_is_named(tabular_models: Path, tmp_path: Path) -> None:
    model = load(tabular_models / "features.skops")
    with pytest.raises(TaskError, match="no converter for RBFSampler"):
        convert(model, "sklearn/skl2onnx", tmp_path)


def test_a_step_of_python_is_named_with_what_to_do(tmp_path: Path) -> None:
    """In the message: that line is all that is left where several ways fail."""
    values, labels = datasets.load_wine(return_X_y=True)
    own = preprocessing.FunctionTransformer(np.log1p)
    fitted = pipeline.make_pipeline(own, linear_model.LogisticRegression(max_iter=5000)).fit(values, labels)
    joblib.dump(fitted, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    with pytest.raises(TaskError, match=r"calls Python \(log1p\).*apply it before the model"):
        convert(model, "sklearn/skl2onnx", tmp_path)


TEXTS = ["awful plot and bad cast", "a good film", "good plot and a great cast", "bad and awful"]


@pytest.mark.parametrize(
    ("settings", "converts"),
    [
        ({"stop_words": "english"}, True),
        ({"stop_words": ["and", "a"]}, True),
        ({"ngram_range": (1, 2)}, True),
        ({"stop_words": "english", "ngram_range": (1, 2)}, False),
    ],
)
def test_stop_words_between_pairs_of_words(
    tmp_path: Path, settings: dict[str, object], converts: bool
) -> None:
    """scikit-learn makes one pair of the words on both sides of a stop word."""
    steps = (TfidfVectorizer(**settings), linear_model.LogisticRegression())
    joblib.dump(pipeline.make_pipeline(*steps).fit(TEXTS, [0, 1, 1, 0]), tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    if converts:
        rows = {model.input_specs[0]["name"]: np.array(TEXTS)[:, None]}
        require_same(model.predict(rows), ask(convert(model, "sklearn/skl2onnx", tmp_path), rows))
    else:
        with pytest.raises(TaskError, match="joins words before stop words are dropped: fit it without"):
            convert(model, "sklearn/skl2onnx", tmp_path)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("way", ["sklearn/skl2onnx", "sklearn/skl2onnx-double"])
def test_linear_machines_one_against_the_rest(tmp_path: Path, way: str, classes: int) -> None:
    values, labels = datasets.load_iris(return_X_y=True)
    values, labels = values[labels < classes], labels[labels < classes]
    fitted = multiclass.OneVsRestClassifier(svm.LinearSVC()).fit(values, labels)
    joblib.dump(fitted, tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    rows = {"x": values.astype(np.float32)}
    require_same(model.predict(rows), ask(convert(model, way, tmp_path), rows))


def test_missing_values_are_filled_in_float64_too(tmp_path: Path) -> None:
    """Trees behind a scaler: in float32 a scaled value falls on the other side of a threshold."""
    values, labels = datasets.load_wine(return_X_y=True)
    values[::7, 3] = np.nan
    steps = (impute.SimpleImputer(), preprocessing.StandardScaler())
    forest = ensemble.RandomForestClassifier(10, random_state=0)
    joblib.dump(pipeline.make_pipeline(*steps, forest).fit(values, labels), tmp_path / "model.joblib")
    model = load(tmp_path / "model.joblib", trust=True)
    rows = {"x": values.astype(np.float32)}
    require_same(model.predict(rows), ask(convert(model, "sklearn/skl2onnx-double", tmp_path), rows))


def test_a_tree_that_points_outside_of_itself_is_not_walked(tmp_path: Path) -> None:
    values, labels = datasets.load_wine(return_X_y=True)
    fitted = ensemble.RandomForestClassifier(2, random_state=0).fit(values, labels)
    fitted.estimators_[1].tree_.children_left[0] = 1 << 40
    joblib.dump(fitted, tmp_path / "model.joblib")
    with pytest.raises(TaskError, match="points outside of itself") as refused:
        load(tmp_path / "model.joblib", trust=True)
    assert refused.value.code == "source.damaged"


def test_the_twin_is_more_exact_and_the_same_model(tabular_models: Path) -> None:
    file = tabular_models / "logistic.skops"
    model = load(file)
    rows = rows_of(file, model)
    answer, precise = model.predict(rows), model.twin().predict(rows)
    assert precise["probabilities"].dtype == np.float64
    gap = np.abs(answer["probabilities"] - precise["probabilities"]).max()
    assert 0 < gap < 1e-7
