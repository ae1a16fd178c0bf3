"""Metrics equal scikit-learn's, intervals hold what they promise, and what is undefined is said to be."""

import json
import warnings

import numpy as np
import pytest
from sklearn import datasets, linear_model, metrics

from shipway.errors import DataEmptyError, DataMismatchError, LabelError
from shipway.evaluation.metrics.classification import classification_metrics
from shipway.evaluation.metrics.decisions import DecisionRule

AVERAGED = [
    f"{score}_{kind}" for score in ("precision", "recall", "f1") for kind in ("macro", "micro", "weighted")
]


def decided(predicted, count):
    return DecisionRule("y", "argmax", count).apply({"y": np.eye(count, dtype=np.float32)[predicted]})


def report(labels, predicted, count, **settings):
    return classification_metrics(np.asarray(labels), decided(np.asarray(predicted), count), **settings)


def sklearn_value(name, labels, predicted):
    score, _, kind = name.partition("_")
    if name == "accuracy":
        return metrics.accuracy_score(labels, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the default warns where there is no denominator
        return getattr(metrics, f"{score}_score")(labels, predicted, average=kind)


@pytest.mark.parametrize("name", ["load_digits", "load_iris", "load_wine", "load_breast_cancer"])
def test_equal_to_scikit_learn_on_its_data_sets(name):
    x, y = getattr(datasets, name)(return_X_y=True)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    predicted = linear_model.LogisticRegression(max_iter=200).fit(x[::3], y[::3]).predict(x)
    found = report(y, predicted, int(y.max()) + 1)
    for metric in ["accuracy", *AVERAGED]:
        estimate = found.metrics[metric]
        assert estimate.value == pytest.approx(sklearn_value(metric, y, predicted), abs=1e-12)
        assert estimate.low <= estimate.value <= estimate.high
    per_class = metrics.precision_recall_fscore_support(y, predicted)
    for score, values in zip(("precision", "recall", "f1"), per_class[:3], strict=True):
        for index, value in enumerate(values):
            assert found.metrics[f"{score}[{index}]"].value == pytest.approx(value, abs=1e-12)
    assert found.support == tuple(per_class[3].tolist())
    assert np.array_equal(np.array(found.confusion), metrics.confusion_matrix(y, predicted))


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        ([0], [0]),
        ([0], [2]),
        ([0, 1, 2, 2], [1, 2, 0, 0]),
        ([0, 0, 1, 1], [0, 0, 0, 0]),
        ([0, 0, 0, 0], [0, 1, 2, 0]),
        ([1, 1, 2], [1, 1, 2]),
    ],
    ids=["one right", "one wrong", "all wrong", "never decided", "never labelled", "class 0 absent"],
)
def test_averages_equal_scikit_learns_defaults_in_edge_cases(labels, predicted):
    found = report(labels, predicted, 4)
    for metric in ["accuracy", *AVERAGED]:
        assert found.metrics[metric].value == pytest.approx(
            sklearn_value(metric, labels, predicted), abs=1e-12
        )


def test_undefined_is_none_and_said():
    found = report([0, 0, 1], [0, 2, 0], 4, class_names=["cat", "dog", "hen", "elk"])
    assert found.metrics["precision[dog]"].to_json() == {"value": None, "low": None, "high": None}
    assert found.metrics["recall[dog]"].value == 0
    assert found.metrics["f1[dog]"].value == 0
    assert found.metrics["recall[hen]"].value is None
    assert found.metrics["precision[hen]"].value == 0
    assert [found.metrics[f"{score}[elk]"].value for score in ("precision", "recall", "f1")] == [None] * 3
    assert [note.split(":")[0] for note in found.notes] == ["elk", "dog", "hen"]


def test_a_flawless_result_is_not_claimed_without_doubt():
    found = report([0, 1, 2] * 10, [0, 1, 2] * 10, 3)
    for name, estimate in found.metrics.items():
        assert (estimate.value, estimate.high) == (1, 1)
        assert estimate.low < 0.9, name
    assert found.notes == ()


def test_names_follow_the_classes():
    found = report([0, 1], [0, 1], 3, class_names=["a", "a"])
    assert found.class_names == ("a (0)", "a (1)", "2")
    assert "precision[a (0)]" in found.metrics


def test_intervals_cover_the_truth():
    generator = np.random.default_rng(5)
    matrix = np.array([[0.40, 0.05, 0.05], [0.04, 0.22, 0.04], [0.02, 0.03, 0.15]])
    cells = generator.choice(9, size=200_000, p=matrix.ravel())
    truth = report(cells // 3, cells % 3, 3)
    hits = dict.fromkeys(truth.metrics, 0)
    for _ in range(60):
        cells = generator.choice(9, size=400, p=matrix.ravel())
        for name, estimate in report(cells // 3, cells % 3, 3).metrics.items():
            hits[name] += estimate.low <= truth.metrics[name].value <= estimate.high
    assert min(hits.values()) >= 50  # of 60 at 95 %: 57 on average


def test_equal_data_gives_equal_intervals():
    labels, predicted = np.arange(50) % 3, (np.arange(50) * 7) % 3
    assert report(labels, predicted, 3) == report(labels, predicted, 3)


def test_a_million_rows_cost_what_their_cells_cost():
    generator = np.random.default_rng(0)
    labels = generator.integers(10, size=1_000_000)
    predicted = np.where(generator.random(1_000_000) < 0.9, labels, generator.integers(10, size=1_000_000))
    found = classification_metrics(labels, DecisionRule("y", "label", 10).apply({"y": predicted}))
    assert found.rows == 1_000_000
    assert found.metrics["accuracy"].value == pytest.approx((labels == predicted).mean())
    assert found.metrics["f1_macro"].value == pytest.approx(
        metrics.f1_score(labels, predicted, average="macro")
    )


def test_labels_outside_the_models_classes_are_refused():
    with pytest.raises(LabelError, match=r"10 \(1 row"):
        report([0, 10], [0, 1], 10)


def test_label_outputs_may_leave_classes_out():
    decisions = DecisionRule("y", "label", None).apply({"y": np.array([0, 1, 0])})
    assert classification_metrics(np.array([0, 1, 2]), decisions).class_names == ("0", "1", "2")


@pytest.mark.parametrize(("answer", "words"), [(-1, "answers -1"), (10**9, "at most 5000")])
def test_answers_that_name_no_class_are_refused(answer, words):
    decisions = DecisionRule("y", "label", None).apply({"y": np.array([0, answer])})
    with pytest.raises(DataMismatchError, match=words):
        classification_metrics(np.array([0, 1]), decisions)


def test_no_rows_and_unequal_lengths_are_errors():
    with pytest.raises(DataEmptyError):
        report(np.zeros(0, int), np.zeros(0, int), 2)
    with pytest.raises(DataMismatchError, match="2 labels for 1"):
        report([0, 1], [0], 2)


def test_the_report_is_json():
    text = json.dumps(report([0, 1, 1], [0, 1, 0], 3).to_json(), allow_nan=False)
    assert '"precision[2]": {"value": null' in text
