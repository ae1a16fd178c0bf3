"""Classifiers: every figure is scikit-learn's, and what cannot be told is left out or None."""

import inspect
import json

import numpy as np
import pytest
from sklearn import metrics

SETS = ["load_digits", "load_iris", "load_wine", "load_breast_cancer"]


def expected_figures(labels, probabilities):
    """scikit-learn's, by our names."""
    count = probabilities.shape[1]
    decided = probabilities.argmax(axis=1)
    found = {
        "accuracy": metrics.accuracy_score(labels, decided),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, decided),
        "mcc": metrics.matthews_corrcoef(labels, decided),
        "log_loss": metrics.log_loss(labels, probabilities),
    }
    if count == 2:
        found["roc_auc"] = metrics.roc_auc_score(labels, probabilities[:, 1])
        found["pr_auc"] = metrics.average_precision_score(labels, probabilities[:, 1])
        found["brier"] = metrics.brier_score_loss(labels, probabilities[:, 1])
        return found
    for kind in ("macro", "weighted"):
        found[f"roc_auc_{kind}"] = metrics.roc_auc_score(
            labels, probabilities, multi_class="ovr", average=kind
        )
        found[f"pr_auc_{kind}"] = metrics.average_precision_score(
            np.eye(count)[labels], probabilities, average=kind
        )
    for index in range(count):
        found[f"roc_auc[{index}]"] = metrics.roc_auc_score(labels == index, probabilities[:, index])
        found[f"pr_auc[{index}]"] = metrics.average_precision_score(labels == index, probabilities[:, index])
    k = 5 if count > 5 else 2
    found[f"top_k_accuracy[{k}]"] = metrics.top_k_accuracy_score(labels, probabilities, k=k)
    if "scale_by_half" in inspect.signature(metrics.brier_score_loss).parameters:  # scikit-learn 1.7
        found["brier"] = metrics.brier_score_loss(labels, probabilities)
    return found


@pytest.mark.parametrize("name", SETS)
def test_equal_to_scikit_learn_on_its_data_sets(name, trained, judge_y):
    labels, probabilities = trained(name)
    found = judge_y(labels, probabilities).metrics
    for figure, value in expected_figures(labels, probabilities).items():
        assert found[figure].value == pytest.approx(value, abs=1e-12), figure


@pytest.mark.parametrize("name", SETS)
def test_every_interval_holds_its_value_and_is_no_point(name, trained, judge_y):
    for figure, estimate in judge_y(*trained(name)).metrics.items():
        assert estimate.low <= estimate.value <= estimate.high, figure
        assert estimate.low < estimate.high, figure


def test_ties_in_the_scores_count_half(judge_y):
    labels, scores = [0, 1, 0, 1, 1, 0], np.array([0.2, 0.2, 0.7, 0.7, 0.7, 0.2])[:, None]
    found = judge_y(labels, scores).metrics
    assert found["roc_auc"].value == pytest.approx(metrics.roc_auc_score(labels, scores[:, 0]), abs=1e-12)
    assert found["pr_auc"].value == pytest.approx(
        metrics.average_precision_score(labels, scores[:, 0]), abs=1e-12
    )
    constant = judge_y(labels, np.full((6, 1), 0.4)).metrics
    assert constant["roc_auc"].value == 0.5
    assert constant["pr_auc"].value == 0.5


def test_a_float32_softmax_is_scaled_to_one(trained, judge_y):
    labels, probabilities = trained("load_digits")
    found = judge_y(labels, probabilities.astype(np.float32))
    for figure, value in expected_figures(labels, probabilities).items():
        assert found.metrics[figure].value == pytest.approx(value, abs=1e-5), figure
    assert found.notes == ()


def test_logits_are_judged_as_their_softmax(trained, judge_y):
    labels, probabilities = trained("load_wine")
    found = judge_y(labels, np.log(probabilities) + 3 - labels[:, None])
    assert "softmax" in found.notes[0]
    for figure, value in expected_figures(labels, probabilities).items():
        assert found.metrics[figure].value == pytest.approx(value, abs=1e-9), figure


def test_one_column_and_two_columns_say_the_same(trained, judge_y):
    labels, probabilities = trained("load_breast_cancer")
    two, one = judge_y(labels, probabilities), judge_y(labels, probabilities[:, 1:])
    logits = judge_y(labels, np.log(probabilities[:, 1:] / probabilities[:, :1]))
    assert list(two.metrics) == list(one.metrics) == list(logits.metrics)
    for name, estimate in two.metrics.items():
        assert one.metrics[name].value == pytest.approx(estimate.value, abs=1e-12)
        assert logits.metrics[name].value == pytest.approx(estimate.value, abs=1e-9)


def test_scores_that_are_no_probabilities_rank_only(trained, judge_y):
    labels, probabilities = trained("load_wine")
    found = judge_y(labels, 7 * probabilities)
    assert found.metrics["roc_auc_macro"].value == pytest.approx(
        expected_figures(labels, probabilities)["roc_auc_macro"], abs=1e-12
    )
    assert not {"log_loss", "brier", "ece"} & set(found.metrics)
    assert "log loss, Brier and ECE need probabilities" in found.notes[0]
    document = found.to_json()
    assert document["calibration"] is None
    wrong = int((labels != probabilities.argmax(axis=1)).sum())
    assert len(document["worst"]) == min(20, wrong)
    losses = [one["loss"] for one in document["worst"]]
    assert losses == sorted(losses, reverse=True)


def test_class_outputs_have_no_scores(judge_y):
    found = judge_y([0, 1, 2, 1], np.array([0, 1, 1, 1]))
    assert found.metrics["accuracy"].value == 0.75
    assert not any(name.startswith(("roc", "pr_auc", "log", "brier", "ece", "top")) for name in found.metrics)
    assert "classes only" in found.notes[-1]
    document = found.to_json()
    assert document["curves"] is None
    assert [(one["row"], one["label"], one["decision"]) for one in document["worst"]] == [(2, "2", "1")]


def test_an_absent_class_is_undefined_and_the_averages_say_so(trained, judge_y):
    labels, probabilities = trained("load_digits")
    kept = labels != 3
    found = judge_y(labels[kept], probabilities[kept])
    assert found.metrics["roc_auc[3]"].value is None
    assert found.metrics["pr_auc[3]"].value is None
    others = [found.metrics[f"roc_auc[{index}]"].value for index in range(10) if index != 3]
    assert found.metrics["roc_auc_macro"].value == pytest.approx(np.mean(others), abs=1e-12)
    assert any("9 of 10 classes" in note and note.startswith("3:") for note in found.notes)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_leaves_the_areas_undefined(label, judge_y):
    found = judge_y([label] * 5, [[0.2], [0.7], [0.4], [0.9], [0.1]])
    for figure in ("roc_auc", "pr_auc", "mcc"):
        assert found.metrics[figure].to_json() == {"value": None, "low": None, "high": None}
    assert any("MCC is undefined" in note for note in found.notes)
    assert any("ROC-AUC and PR-AUC are undefined" in note for note in found.notes)
    assert found.metrics["log_loss"].value is not None


@pytest.mark.parametrize("shift", [0, 1], ids=["all right", "all wrong"])
def test_all_right_and_all_wrong_are_not_claimed_without_doubt(shift, judge_y):
    labels = np.arange(30) % 3
    found = judge_y(labels, np.eye(3)[(labels + shift) % 3])
    assert found.metrics["accuracy"].value == 1 - shift
    assert found.metrics["brier"].value == 2 * shift
    for name, estimate in found.metrics.items():
        assert estimate.low < estimate.high, name
        assert estimate.low <= estimate.value <= estimate.high, name


def test_one_row(judge_y):
    found = judge_y([1], [[0.1, 0.7, 0.2]])
    assert found.metrics["accuracy"].value == 1
    assert found.metrics["log_loss"].value == pytest.approx(-np.log(0.7), abs=1e-12)
    assert found.metrics["roc_auc_macro"].value is None
    json.dumps(found.to_json(), allow_nan=False)


def test_a_probability_of_zero_costs_what_scikit_learn_charges(judge_y):
    found = judge_y([0, 1], [[0.0, 1.0], [0.5, 0.5]])
    expected = metrics.log_loss([0, 1], [[0.0, 1.0], [0.5, 0.5]])
    assert found.metrics["log_loss"].value == pytest.approx(expected, abs=1e-12)


def test_answers_of_nan_leave_the_scores_out(judge_y):
    values = np.array([[0.1, 0.9], [np.nan, 0.2], [0.6, 0.4]])
    found = judge_y([1, 1, 0], values)
    assert "1 rows are answered with NaN or infinity (first: row 1)" in found.notes[-1]
    assert "roc_auc" not in found.metrics
    json.dumps(found.to_json(), allow_nan=False)


def test_the_document(trained, judge_y):
    labels, probabilities = trained("load_digits")
    found = judge_y(labels, probabilities, class_names=[f"digit {index}" for index in range(10)])
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    decided = probabilities.argmax(axis=1)
    assert document["task"] == "classification"
    assert document["rows"] == len(labels)
    assert document["confusion_matrix"] == metrics.confusion_matrix(labels, decided).tolist()
    matrix = np.array(document["confusion_matrix"])
    for pair in document["confused_pairs"]:
        label, decision = (document["classes"].index(pair[side]) for side in ("label", "decision"))
        assert pair["rows"] == matrix[label, decision] > 0
        assert pair["share"] == pytest.approx(pair["rows"] / matrix[label].sum())
    assert document["confused_pairs"][0]["rows"] == (matrix - np.diag(matrix.diagonal())).max()
    worst = document["worst"]
    given = probabilities[np.arange(len(labels)), labels]
    assert [one["row"] for one in worst] == np.argsort(given, kind="stable")[:20].tolist()
    assert worst[0]["score"] == pytest.approx(given.min())
    assert worst[0]["confidence"] == pytest.approx(probabilities[worst[0]["row"]].max())
    assert set(document["curves"]["roc"]) == set(document["classes"])
    assert (found.correct == (labels == decided)).all()


def test_figures_of_one_class_come_last(trained, judge_y):
    names = list(judge_y(*trained("load_digits")).metrics)
    per_class = [name.endswith("]") and not name.startswith("top_k") for name in names]
    assert per_class == sorted(per_class)
    assert names[0] == "accuracy"
