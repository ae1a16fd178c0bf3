"""Regressions: scikit-learn's figures, intervals that cover, and what is undefined."""

import json

import numpy as np
import pytest
from sklearn import datasets, linear_model, metrics

from shipway.errors import DataEmptyError, DataMismatchError, LabelError
from shipway.evaluation.metrics.regression import judge_regression


@pytest.fixture(scope="module")
def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    return y, linear_model.LinearRegression().fit(x[::2], y[::2]).predict(x)


def test_equal_to_scikit_learn(diabetes, judge_y):
    labels, predicted = diabetes
    found = judge_y(labels, predicted[:, None], task="regression").metrics
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(labels, predicted), abs=1e-12)
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(labels, predicted), abs=1e-12)
    assert found["r2"].value == pytest.approx(metrics.r2_score(labels, predicted), abs=1e-12)
    errors = np.sort(np.abs(labels - predicted))
    for level in (50, 90, 95, 99):
        estimate = found[f"error_q{level}"]
        assert estimate.value == errors[int(np.ceil(level / 100 * len(errors))) - 1]
    for estimate in found.values():
        assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_forms_of_labels(shape, diabetes):
    labels, predicted = diabetes
    one = judge_regression(labels.reshape(shape), predicted.reshape(shape))
    assert one.metrics == judge_regression(labels, predicted).metrics
    assert one.correct == pytest.approx(-np.abs(labels - predicted))


def test_several_outputs_are_averaged_and_told_one_by_one():
    generator = np.random.default_rng(0)
    labels = generator.normal(size=(300, 2)) * [1, 10]
    predicted = labels + generator.normal(size=(300, 2)) * [0.1, 3]
    found = judge_regression(labels, predicted, output_names=["near", "far"])
    assert found.metrics["rmse"].value == pytest.approx(
        metrics.root_mean_squared_error(labels, predicted), abs=1e-12
    )
    assert found.metrics["r2"].value == pytest.approx(metrics.r2_score(labels, predicted), abs=1e-12)
    for index, name in enumerate(("near", "far")):
        own = judge_regression(labels[:, index], predicted[:, index])
        for figure, estimate in own.metrics.items():
            same = found.metrics[f"{figure}[{name}]"]
            assert (same.value, same.low, same.high) == pytest.approx(
                (estimate.value, estimate.low, estimate.high), abs=1e-12
            ), figure
    assert found.to_json()["outputs"] == ["near", "far"]


def test_intervals_cover_the_truth():
    generator = np.random.default_rng(1)

    def sample(rows):
        labels = generator.normal(size=rows) * 2
        return labels, labels + generator.laplace(size=rows)

    truth = judge_regression(*sample(100_000)).metrics
    hits = dict.fromkeys(truth, 0)
    for _ in range(100):
        for name, estimate in judge_regression(*sample(500)).metrics.items():
            low = -np.inf if estimate.low is None else estimate.low
            high = np.inf if estimate.high is None else estimate.high
            hits[name] += low <= truth[name].value <= high
    assert min(hits.values()) >= 88, hits  # of 100 at 95 %: below 88 once in 700


def test_intervals_of_quantiles_cover_also_where_a_row_errs_as_one():
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(100):
        errors = np.repeat(generator.exponential(size=(200, 1)), 4, axis=1)
        found = judge_regression(np.zeros((200, 4)), errors).metrics["error_q90"]
        hits += found.low <= np.log(10) <= found.high
    assert hits >= 88


def test_one_row_has_no_r2_and_no_interval():
    found = judge_regression(np.array([2.5]), np.array([2.0]))
    assert found.metrics["mae"].to_json() == {"value": 0.5, "low": None, "high": None}
    assert found.metrics["r2"].value is None
    assert "One row" in found.notes[0]


def test_equal_labels_have_no_r2():
    found = judge_regression(np.full(5, 2.5), np.array([2, 3, 2.5, 2.4, 2.2]))
    assert found.metrics["r2"].value is None
    assert found.metrics["mae"].low is not None
    assert "R² is undefined: the labels are all equal" in found.notes


def test_a_flawless_model_is_not_given_a_point():
    labels = np.arange(50.0)
    found = judge_regression(labels, labels)
    assert found.metrics["mae"].to_json() == {"value": 0, "low": None, "high": None}
    assert found.metrics["r2"].value == 1
    assert any("no interval" in note for note in found.notes)
    assert sum(found.to_json()["residuals"]["counts"]) == 50


def test_quantiles_that_the_rows_cannot_bound_are_open():
    generator = np.random.default_rng(3)
    found = judge_regression(generator.normal(size=100), generator.normal(size=100))
    assert found.metrics["error_q99"].high is None
    assert found.metrics["error_q90"].high is not None
    assert any("99 % quantile" in note for note in found.notes)


def test_answers_of_nan_make_every_figure_undefined():
    found = judge_regression(np.array([1.5, 2.5, 3.5]), np.array([1.0, np.nan, 3.0]))
    assert all(estimate.value is None for estimate in found.metrics.values())
    assert "1 rows are answered with NaN or infinity (first: row 1)" in found.notes[0]
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [one["row"] for one in document["worst"]] == [0, 2]
    assert found.correct.tolist() == [-0.5, -np.inf, -0.5]


def test_the_document(diabetes):
    labels, predicted = diabetes
    document = json.loads(json.dumps(judge_regression(labels, predicted).to_json(), allow_nan=False))
    assert sum(document["residuals"]["counts"]) == len(labels)
    assert len(document["residuals"]["edges"]) == len(document["residuals"]["counts"]) + 1
    worst = document["worst"]
    order = np.argsort(-np.abs(labels - predicted), kind="stable")[:20]
    assert [one["row"] for one in worst] == order.tolist()
    assert worst[0]["label"] == labels[order[0]]
    assert worst[0]["decision"] == predicted[order[0]]
    assert len(document["predicted_against_label"]["label"]) == 442


@pytest.mark.parametrize("residual", [0.0, 0.1, 1e30])
def test_residuals_that_are_all_alike_have_a_histogram(residual):
    labels = np.zeros(6)
    found = judge_regression(labels, labels + residual * (1 + 1e-16 * np.arange(6))).to_json()["residuals"]
    assert sum(found["counts"]) == 6
    assert found["edges"][0] < residual < found["edges"][-1]


def test_large_data_is_sampled_for_the_picture():
    labels = np.linspace(0, 1, 5_000)
    points = judge_regression(labels, labels**2).to_json()["predicted_against_label"]
    assert len(points["label"]) == 500
    assert points["predicted"] == pytest.approx(np.square(points["label"]))


def test_data_that_does_not_fit():
    with pytest.raises(DataMismatchError, match=r"\[3, 1\].*\[3, 2\]"):
        judge_regression(np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(LabelError, match="first: row 1"):
        judge_regression(np.array([0, np.nan]), np.zeros(2))
    with pytest.raises(DataEmptyError):
        judge_regression(np.zeros(0), np.zeros(0))
    with pytest.raises(LabelError, match="no targets"):
        judge_regression(np.array(["a"]), np.zeros(1))
