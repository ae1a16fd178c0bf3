"""Exact copies: how many, which, how grave, with what labels, and in another data set."""

import numpy as np
import pytest

from shipway.evaluation.data.split import hash_rows
from shipway.evaluation.inspection.copies import Copies, leakage

rng = np.random.default_rng(8)


def only(findings, kind):
    (found,) = [finding for finding in findings if finding.kind == kind]
    return found


def test_groups_are_counted_and_named_in_the_files_order(inspect):
    table = rng.normal(size=(100, 4))
    table[[40, 90, 91, 92]] = table[2]
    table[50] = table[1]
    found = only(inspect(table, np.zeros(100, int)), "duplicates")
    assert (found.count, found.of, found.severity) == (5, 100, "warning")
    assert found.examples == ("rows 1 and 50", "rows 2, 40, 90 and 2 more")


def test_few_copies_are_a_note(inspect):
    table = rng.normal(size=(500, 4))
    table[499] = table[0]
    assert only(inspect(table), "duplicates").severity == "note"


@pytest.mark.parametrize(
    "labels",
    [
        lambda n: np.arange(n) % 2,
        lambda n: np.array(["cat", "dog"], object)[np.arange(n) % 2],
        lambda n: np.eye(2)[np.arange(n) % 2],
        lambda n: (np.arange(n) % 2)[:, None].astype(float),
    ],
    ids=["indices", "names", "one-hot", "column of floats"],
)
def test_equal_rows_with_different_labels_contradict(inspect, labels):
    table = rng.normal(size=(100, 4))
    table[11], table[12] = table[10], table[0]
    found = only(inspect(table, labels(100)), "contradicting-labels")
    assert (found.severity, found.count) == ("warning", 2)
    assert found.examples == ("rows 10 and 11",)


def test_different_targets_of_equal_rows_are_a_note(inspect):
    table = rng.normal(size=(100, 4))
    table[11] = table[10]
    found = inspect(table, rng.normal(size=100), settings={"task": "regression"})
    assert only(found, "contradicting-labels").severity == "note"


def test_no_copies():
    copies = Copies.of(hash_rows({"x": np.arange(5)}))
    assert copies.surplus == 0
    np.testing.assert_array_equal(copies.first_places, np.arange(5))


def test_rows_that_trained_the_model(inspect):
    mine, theirs = rng.normal(size=(200, 3)), rng.normal(size=(300, 3))
    assert leakage(hash_rows({"x": mine}), hash_rows({"x": theirs})) == ()
    theirs[[7, 8]] = mine[[150, 3]]
    (found,) = leakage(hash_rows({"x": mine}), hash_rows({"x": theirs}))
    assert (found.kind, found.severity, found.count, found.of) == ("leakage", "warning", 2, 200)
    assert found.examples == ("row 3", "row 150")
    theirs[:100] = mine[:100]
    numbers = np.arange(200) * 10
    (found,) = leakage(
        hash_rows({"x": mine}), hash_rows({"x": theirs}), row_numbers=numbers, called="train.npz"
    )
    assert (found.severity, found.examples[1]) == ("error", "row 10")
    assert "are in train.npz too" in found.words
