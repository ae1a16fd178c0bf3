"""Labels of several classes a row, and targets of a regression."""

import numpy as np

from shipway.evaluation.inspection.target_labels import MultilabelWatch, TargetWatch

rng = np.random.default_rng(10)


def multilabel(labels: np.ndarray, names=()) -> dict:
    watch = MultilabelWatch(names)
    for start in range(0, len(labels), 16):
        part = labels[start : start + 16]
        watch.see(part, np.arange(start, start + len(part)))
    return {finding.kind: finding for finding in watch.findings()}


def targets(labels: np.ndarray) -> dict:
    watch = TargetWatch()
    watch.see(labels, np.arange(len(labels)))
    return {finding.kind: finding for finding in watch.findings()}


def test_clean_labels_are_silent():
    assert not multilabel(rng.integers(0, 2, (100, 4)))
    assert not targets(rng.normal(size=100))
    assert not targets(rng.normal(size=(100, 3)))


def test_classes_without_rows_and_with_few():
    labels = rng.integers(0, 2, (100, 4))
    labels[:, 1] = 0
    labels[:, 3] = np.arange(100) < 5
    found = multilabel(labels, names=("a", "b", "c", "d"))
    assert found["absent-class"].examples == ("class b: 0 rows",)
    assert found["rare-class"].examples == ("class d: 5 rows",)


def test_labels_that_are_neither_0_nor_1():
    labels = rng.integers(0, 2, (100, 2)).astype(float)
    labels[[4, 50]] = [[0.5, 1], [np.nan, 0]]
    found = multilabel(labels)["label-form"]
    assert (found.count, found.examples, found.severity) == (2, ("row 4", "row 50"), "error")


def test_targets_without_a_value_and_without_a_difference():
    values = rng.normal(size=100)
    values[9] = np.nan
    assert targets(values)["not-finite"].examples == ("row 9",)
    assert "Every label is 3" in targets(np.full(100, 3.0))["constant"].words
    assert not targets(np.full(5, 3.0))
