"""Forms of class labels, and the likely cause where they are wrong."""

import numpy as np
import pytest

from shipway.errors import LabelError
from shipway.evaluation.data.labels import check_labels, class_indices


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 2, 1]),
        np.array([[0], [2], [1]], np.uint8),
        np.array([0.0, 2.0, 1.0], np.float32),
        np.eye(3)[[0, 2, 1]],
        np.eye(3, dtype=bool)[[0, 2, 1]],
        np.array([0, 2, 1], np.uint64),
    ],
)
def test_accepted_forms(labels):
    found = class_indices(labels)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 1]


def test_booleans_are_two_classes():
    assert class_indices(np.array([True, False])).tolist() == [1, 0]


def test_strings_need_the_order_of_the_classes():
    names = np.array(["dog", "cat", "dog"])
    assert class_indices(names, class_names=["cat", "dog"]).tolist() == [1, 0, 1]
    assert class_indices(names.astype("S"), class_names=["cat", "dog"]).tolist() == [1, 0, 1]
    assert class_indices(names.astype(object), class_names=["cat", "dog"]).tolist() == [1, 0, 1]
    with pytest.raises(LabelError, match=r"strings \('cat', 'dog'\)") as caught:
        class_indices(names)
    assert "--classes" in caught.value.hint
    with pytest.raises(LabelError, match="object"):
        class_indices(np.array(["dog", None]), class_names=["cat", "dog"])
    with pytest.raises(LabelError, match="'dog'"):
        class_indices(names, class_names=["cat", "hen"])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0.5, 1.0]), "0.5 at row 0"),
        (np.array([1.0, np.nan]), "nan at row 1"),
        (np.array([1e300]), "not whole"),
        (np.array([[1, 1, 0], [0, 0, 1]]), "not one-hot: row 0"),
        (np.array([[0.2, 0.8], [0.0, 1.0]]), "row 0 is [0.2, 0.8]"),
        (np.array([[0, 0], [0, 1]]), "row 0 is [0, 0]"),
        (np.zeros((2, 3, 4), int), "[2, 3, 4]"),
        (np.array([2**63], np.uint64), "9223372036854775808"),
        (np.array([1j]), "complex128"),
    ],
)
def test_refused_forms(labels, words):
    with pytest.raises(LabelError) as caught:
        class_indices(labels)
    assert words in caught.value.message
    assert caught.value.hint


def test_labels_within_the_classes_pass():
    check_labels(np.array([0, 9, 3]), 10)


@pytest.mark.parametrize(
    ("labels", "classes", "message", "hint"),
    [
        ([1, 2, 3, 3], 3, "2 of 4 labels are outside 0 to 2", "count from 1; use y - 1"),
        ([0, 5, 1, 5], 3, "5 (2 rows); first at rows 1, 3", "Check that the labels"),
        ([-1, 0, 1, 2], 3, "-1 (1 row)", "-1 often marks rows without a label"),
        ([-1, 1, -1], 2, "-1 (2 rows)", "(y > 0).astype(int)"),
        ([0, 255, 1], 3, "255 (1 row)", "rows to ignore"),
        ([10, 11], 3, "10 (1 row), 11 (1 row)", "start at 10"),
        (list(range(20)), 3, "7 (1 row), …; first at rows 3, 4, 5, 6, 7, …", "Check"),
    ],
)
def test_labels_outside_name_values_rows_and_cause(labels, classes, message, hint):
    with pytest.raises(LabelError) as caught:
        check_labels(np.array(labels), classes)
    assert message in caught.value.message
    assert hint in caught.value.hint
