"""Several classes a row: scikit-learn's figures, undefined classes, and the document."""

import json
import warnings

import numpy as np
import pytest
from sklearn import linear_model, metrics, multiclass
from sklearn.datasets import make_multilabel_classification

from shipway.errors import DataMismatchError, LabelError


@pytest.fixture(scope="module")
def tagged():
    x, y = make_multilabel_classification(500, n_classes=5, random_state=0)
    model = multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=500))
    return y, model.fit(x[::3], y[::3]).predict_proba(x)


def test_equal_to_scikit_learn(tagged, judge_y):
    labels, probabilities = tagged
    decided = (probabilities > 0.5).astype(int)
    found = judge_y(labels, probabilities)
    expected = {
        "exact_match": metrics.accuracy_score(labels, decided),
        "hamming_loss": metrics.hamming_loss(labels, decided),
        "log_loss": np.mean([metrics.log_loss(labels[:, i], probabilities[:, i]) for i in range(5)]),
        "brier": np.mean([metrics.brier_score_loss(labels[:, i], probabilities[:, i]) for i in range(5)]),
    }
    for kind in ("macro", "micro", "weighted"):
        for score in ("precision", "recall", "f1"):
            expected[f"{score}_{kind}"] = getattr(metrics, f"{score}_score")(labels, decided, average=kind)
    for kind in ("macro", "weighted"):
        expected[f"roc_auc_{kind}"] = metrics.roc_auc_score(labels, probabilities, average=kind)
        expected[f"pr_auc_{kind}"] = metrics.average_precision_score(labels, probabilities, average=kind)
    per_class = metrics.precision_recall_fscore_support(labels, decided)
    for index in range(5):
        expected[f"roc_auc[{index}]"] = metrics.roc_auc_score(labels[:, index], probabilities[:, index])
        for score, values in zip(("precision", "recall", "f1"), per_class[:3], strict=True):
            expected[f"{score}[{index}]"] = values[index]
    for name, value in expected.items():
        estimate = found.metrics[name]
        assert estimate.value == pytest.approx(value, abs=1e-12), name
        assert estimate.low < estimate.high, name
        assert estimate.low <= estimate.value <= estimate.high, name
    assert found.task == "multilabel"
    assert (found.correct == (labels == decided).all(axis=1)).all()


def test_logits_are_cut_at_zero(tagged, judge_y):
    labels, probabilities = tagged
    logits = np.log(probabilities / (1 - probabilities))
    found, same = judge_y(labels, logits), judge_y(labels, probabilities)
    assert "above 0" in found.decision_rule
    for name, estimate in same.metrics.items():
        assert found.metrics[name].value == pytest.approx(estimate.value, abs=1e-9), name


def test_undefined_classes_are_none_and_count_as_zero(judge_y):
    labels = np.array([[1, 0, 0, 1], [1, 0, 1, 1], [0, 0, 0, 1]])
    values = np.array([[0.9, 0.1, 0.2, 0.9], [0.8, 0.7, 0.3, 0.8], [0.1, 0.2, 0.1, 0.7]])
    found = judge_y(labels, values)
    assert found.metrics["recall[1]"].value is None
    assert found.metrics["precision[1]"].value == 0
    assert found.metrics["precision[2]"].value is None
    assert found.metrics["recall[2]"].value == 0
    assert found.metrics["roc_auc[1]"].value is None
    assert found.metrics["roc_auc[3]"].value is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("macro", "micro", "weighted"):
            expected = metrics.precision_score(labels, values > 0.5, average=kind)
            assert found.metrics[f"precision_{kind}"].value == pytest.approx(expected, abs=1e-12)
    assert [note.split(":")[0] for note in found.notes] == ["2", "1", "1, 3"]
    assert "2 of 4 classes" in found.notes[-1]


def test_no_class_at_all(judge_y):
    found = judge_y(np.zeros((3, 2), int), np.full((3, 2), 0.2))
    assert found.metrics["exact_match"].value == 1
    assert found.metrics["f1_macro"].value == metrics.f1_score(
        np.zeros((3, 2)), np.zeros((3, 2)), average="macro", zero_division=0
    )
    assert found.metrics["f1[0]"].value is None
    assert "precision, recall and F1 are undefined" in found.notes[0]


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_are_not_claimed_without_doubt(right, judge_y):
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]] * 4)
    found = judge_y(labels, (labels if right else 1 - labels).astype(float))
    assert found.metrics["exact_match"].value == right
    for name, estimate in found.metrics.items():
        assert estimate.low < estimate.high, name


def test_the_document(tagged, judge_y):
    labels, probabilities = tagged
    found = judge_y(labels, probabilities, class_names=["a", "b", "c", "d", "e"])
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    decided = (probabilities > 0.5).astype(int)
    assert document["confusion_matrix"] == metrics.multilabel_confusion_matrix(labels, decided).tolist()
    pair = document["confused_pairs"][0]
    label, decision = "abcde".index(pair["label"]), "abcde".index(pair["decision"])
    both = (labels[:, label] > decided[:, label]) & (labels[:, decision] < decided[:, decision])
    assert pair["rows"] == both.sum()
    assert pair["share"] == pytest.approx(both.sum() / labels[:, label].sum())
    assert sum(one["rows"] for one in document["calibration"]["bins"]) == labels.size
    worst = document["worst"][0]
    assert worst["label"] == (", ".join(np.array(list("abcde"))[labels[worst["row"]] == 1]) or "none")
    assert set(document["curves"]["roc"]) == set("abcde")


def test_labels_that_do_not_fit(judge_y):
    with pytest.raises(LabelError, match="yes or no"):
        judge_y([[0, 2], [1, 0]], [[0.2, 0.8], [0.1, 0.3]], task="multilabel")
    with pytest.raises(LabelError, match="one column") as caught:
        judge_y([[0], [1]], [[0.2], [0.8]], task="multilabel")
    assert "--task classification" in caught.value.hint
    with pytest.raises(DataMismatchError, match=r"\[2, 3\]"):
        judge_y([[0, 1, 1], [1, 0, 0]], [[0.2, 0.8], [0.1, 0.3]])


def test_decisions_without_scores(judge_y):
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]])
    found = judge_y(labels, labels.astype(np.int64))
    assert found.task == "multilabel"
    assert found.metrics["exact_match"].value == 1
    assert "roc_auc_macro" not in found.metrics
    assert "classes only" in found.notes[-1]
