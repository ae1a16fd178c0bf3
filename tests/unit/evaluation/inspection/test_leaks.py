"""Columns that give the label away, and identities; strong columns, few rows and images are no leaks."""

import numpy as np
import pytest

rng = np.random.default_rng(11)
labels = rng.integers(0, 3, 300)
table = rng.normal(size=(300, 4))


def kinds(findings) -> dict:
    return {finding.kind: finding for finding in findings}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (labels, "equals the label in all 300 rows"),
        (np.array([7, -2, 30])[labels], "tells the label without one error"),
        (labels * 10 + rng.random(300), "tells the label without one error"),
        ((labels == 1) * 5 + (labels == 2) * rng.choice([2, 9], 300), "tells the label without one error"),
    ],
    ids=["equal", "codes", "steps", "several codes a class"],
)
def test_a_column_that_tells_the_label_is_named(inspect, column, words):
    leaking = table.copy()
    leaking[:, 2] = column
    found = kinds(inspect(leaking, labels, block=64))
    assert set(found) == {"label-leak"}
    assert found["label-leak"].examples == ("column 2 of x",)
    assert words in found["label-leak"].words
    leaking[40, 2] = leaking[np.flatnonzero(labels != labels[40])[0], 2]  # one row that it gets wrong
    assert "label-leak" not in kinds(inspect(leaking, labels, block=64))


def test_names_as_labels_leak_too(inspect):
    leaking = np.concatenate([table, labels[:, None] * 4.0], axis=1)
    names = np.array(["x", "y", "z"], object)[labels]
    assert "label-leak" in kinds(inspect(leaking, names))


@pytest.mark.parametrize("scale", [1, -3.5e4])
def test_the_target_in_another_unit_leaks(inspect, scale):
    target = rng.normal(40, 3, 300)
    leaking = np.concatenate([table, (target * scale + 7)[:, None]], axis=1)
    found = kinds(inspect(leaking, target, settings={"task": "regression"}, block=64))
    assert found["label-leak"].examples == ("column 4 of x",)
    noisy = np.concatenate([table, (target + rng.normal(0, 0.01, 300))[:, None]], axis=1)
    assert not inspect(noisy, target, settings={"task": "regression"})


def test_few_rows_one_class_and_rare_classes_prove_nothing(inspect):
    assert "label-leak" not in kinds(inspect(labels[:40, None].astype(float), labels[:40]))
    assert "label-leak" not in kinds(inspect(np.ones((100, 2)), np.zeros(100, int)))
    rare = np.zeros(100, int)
    rare[3] = 1
    assert "label-leak" not in kinds(inspect(np.concatenate([table[:100], rare[:, None]], axis=1), rare))


def test_pixels_are_no_columns(inspect):
    images = rng.random((300, 6, 6))
    images[:, 0, 0] = labels
    assert "label-leak" not in kinds(inspect(images, labels))


def test_identities_are_noted(inspect):
    ids = np.concatenate([table, rng.permutation(10_000)[:300, None], np.arange(300)[:, None]], axis=1)
    found = kinds(inspect(ids, labels, block=64))
    assert found["id-column"].examples == ("column 4 of x", "column 5 of x")
    assert found["id-column"].severity == "note"
    ids[200, 4] = ids[7, 4]
    assert kinds(inspect(ids, labels))["id-column"].examples == ("column 5 of x",)


def test_figures_are_no_identities(inspect):
    assert not inspect(table, labels)
    assert not inspect(rng.integers(0, 200, (300, 2)).astype(float) + rng.random((300, 1)), labels)
