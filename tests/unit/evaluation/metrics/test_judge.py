"""One entry for all tasks."""

import json

import numpy as np
import pytest

from shipway.errors import DataEmptyError, DataMismatchError, LabelError, UsageError

COMMON = {"task", "rows", "decision_rule", "notes", "worst", "slices"}


@pytest.mark.parametrize(
    ("labels", "values", "task", "own"),
    [
        ([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], "classification", "confusion_matrix"),
        ([[1, 1], [0, 1], [0, 0]], [[0.9, 0.8], [0.1, 0.7], [0.6, 0.2]], "multilabel", "curves"),
        ([0.5, 1.5, 2.0], [[0.4], [1.7], [2.2]], "regression", "residuals"),
    ],
)
def test_every_task_has_its_document(labels, values, task, own, judge_y):
    found = judge_y(labels, values, slices={"first": np.array([True, False, False])})
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["task"] == found.task == task
    assert set(document) >= COMMON | {own}
    assert document["slices"][0]["metric"] == found.main_metric
    assert document["slices"][0]["rows"] == 1
    assert found.metrics[found.main_metric].value is not None
    assert found.correct.shape == (3,)
    assert found.labels.shape == found.predicted.shape


def test_the_task_can_be_said(judge_y):
    labels, values = [0, 1, 1, 0], [[0.2], [0.9], [0.7], [0.4]]
    assert judge_y(labels, values).task == "classification"
    assert judge_y(labels, values, task="regression").metrics["mae"].value == pytest.approx(0.25)
    with pytest.raises(UsageError, match="'clustering'"):
        judge_y(labels, values, task="clustering")


def test_one_hot_and_named_labels(judge_y):
    values = [[0.9, 0.1, 0.0], [0.1, 0.3, 0.6], [0.1, 0.8, 0.1]]
    plain = judge_y([0, 2, 1], values, class_names=["ant", "bee", "cat"])
    assert judge_y(np.eye(3)[[0, 2, 1]], values, class_names=["ant", "bee", "cat"]).metrics == plain.metrics
    named = judge_y(["ant", "cat", "bee"], values, class_names=["ant", "bee", "cat"])
    assert named.metrics == plain.metrics
    as_objects = judge_y(
        np.array(["ant", "cat", "bee"], dtype=object), values, class_names=["ant", "bee", "cat"]
    )
    assert as_objects.metrics == plain.metrics
    assert "recall[cat]" in plain.metrics


def test_equal_data_gives_equal_figures(trained, judge_y):
    labels, probabilities = trained("load_digits")
    slices = {"even": labels % 2 == 0}
    one, other = (judge_y(labels, probabilities, slices=slices) for _ in range(2))
    assert one.metrics == other.metrics
    assert one.to_json() == other.to_json()


def test_the_order_of_rows_changes_no_value(trained, judge_y):
    labels, probabilities = trained("load_wine")
    one, other = judge_y(labels, probabilities), judge_y(labels[::-1], probabilities[::-1])
    for name, estimate in one.metrics.items():
        assert other.metrics[name].value == pytest.approx(estimate.value, abs=1e-12)


def test_notes_on_slices_are_told_with_the_others(judge_y):
    found = judge_y([0, 1], [[0.9, 0.1], [0.2, 0.8]], slices={"none": np.zeros(2, bool)})
    assert any("'none'" in note for note in found.to_json()["notes"])


def test_data_that_does_not_fit(judge_y):
    with pytest.raises(DataMismatchError, match="2 labels for 3 rows"):
        judge_y([0, 1], np.eye(3))
    with pytest.raises(DataEmptyError):
        judge_y(np.zeros(0, int), np.zeros((0, 3)))
    with pytest.raises(LabelError, match="outside 0 to 2"):
        judge_y([0, 1, 3], np.eye(3))


def test_a_hundred_thousand_rows_of_ten_classes(judge_y):
    generator = np.random.default_rng(0)
    labels = generator.integers(10, size=100_000)
    logits = generator.normal(size=(100_000, 10)).astype(np.float32)
    logits[np.arange(100_000), labels] += 2
    found = judge_y(labels, logits)
    area = found.metrics["roc_auc_macro"]
    # Each class's area has a standard error of about 0.0008; their mean's is smaller.
    assert 0.0002 < area.high - area.low < 0.002
    assert len(json.dumps(found.to_json())) < 150_000
