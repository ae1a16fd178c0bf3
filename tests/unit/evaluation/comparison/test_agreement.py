"""Numbers and decisions of two models, compared without labels and with them."""

import numpy as np
import pytest

from shipway.evaluation.comparison.agreement import compare_outputs, confidences, find_flips
from shipway.evaluation.metrics.decisions import DecisionRule


def _decisions(values):
    array = np.asarray(values, np.float32)
    return DecisionRule("y", "argmax", array.shape[1]).apply({"y": array})


def test_numbers_are_compared_by_name():
    a = {"y": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), "n": np.array([1, 2])}
    b = {"n": np.array([1, 5]), "y": np.array([[1.0, 2.0], [3.5, 4.0]], np.float32)}
    first, second = compare_outputs(a, b)
    assert (first.name, first.largest, first.largest_row, first.rows_differing) == ("y", 0.5, 1, 1)
    assert (first.scale, first.is_same) == (4, False)
    assert (second.name, second.largest, second.rows_differing) == ("n", 3, 1)


@pytest.mark.parametrize(
    ("array", "changed"),
    [
        (np.array([0.0, 1.0], np.float32), np.array([-0.0, 1.0], np.float32)),
        (np.array([0.1, 1.0]), np.array([np.nextafter(0.1, 1), 1.0])),
        (np.array([1.0]), np.array([1.0], np.float32)),
        (np.array([2**62]), np.array([2**62 + 1])),
        (np.array(["a", "b"], object), np.array(["a", "c"], object)),
    ],
    ids=["negative zero", "last bit", "dtype", "beyond 2**53", "text"],
)
def test_the_same_is_bit_by_bit(array, changed):
    assert compare_outputs({"y": array}, {"y": array.copy()})[0].is_same
    (found,) = compare_outputs({"y": array}, {"y": changed})
    assert not found.is_same
    assert found.rows_differing >= 1


def test_texts_are_the_same_in_whichever_type_they_come():
    a, b = np.array(["ä", "b"], object), np.array(["ä".encode(), b"b"], object)
    assert compare_outputs({"y": a}, {"y": b})[0].is_same


def test_what_is_not_finite_on_one_side_has_no_difference():
    a = {"y": np.array([1.0, np.nan, np.inf])}
    (same,) = compare_outputs(a, {"y": a["y"].copy()})
    assert (same.is_same, same.largest, same.scale) == (True, 0, 1)
    (found,) = compare_outputs(a, {"y": np.array([1.0, 2.0, np.inf])})
    assert (found.largest, found.largest_row) == (np.inf, 1)
    assert found.to_json()["max_difference"] is None


def test_outputs_of_other_shapes_are_left_out():
    assert compare_outputs({"y": np.zeros((2, 3)), "z": np.zeros(2)}, {"y": np.zeros((2, 4))}) == ()


def test_flips_are_counted_and_lost_rows_come_first():
    a = _decisions([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    b = _decisions([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.45, 0.55]])
    found = find_flips(
        a, b, labels=np.array([0, 1, 1, 0]), names=("cat", "dog"), row_numbers=np.array([10, 11, 12, 13])
    )
    assert (found.rows, found.flips, found.lost, found.won) == (4, 3, 2, 1)
    assert [example["row"] for example in found.examples] == [12, 13, 11]
    assert found.examples[0] == {
        "row": 12,
        "label": "dog",
        "a": "dog",
        "b": "cat",
        "a_confidence": pytest.approx(0.7),
        "b_confidence": pytest.approx(0.6),
    }


def test_without_labels_nothing_is_lost_or_won():
    a, b = _decisions([[1, 0], [0, 1]]), _decisions([[0, 1], [0, 1]])
    found = find_flips(a, b, labels=None, names=("0", "1"), row_numbers=np.arange(2))
    assert (found.flips, found.lost, found.won) == (1, None, None)
    assert found.examples[0]["label"] is None


def test_at_most_ten_examples():
    a, b = _decisions([[1, 0]] * 30), _decisions([[0, 1]] * 30)
    found = find_flips(a, b, labels=None, names=("0", "1"), row_numbers=np.arange(30))
    assert [example["row"] for example in found.examples] == list(range(10))


def test_several_classes_a_row_flip_as_a_set():
    rule = DecisionRule("y", "each", 3, threshold=0.5)
    a = rule.apply({"y": np.array([[0.9, 0.9, 0.1], [0.1, 0.2, 0.3]])})
    b = rule.apply({"y": np.array([[0.9, 0.4, 0.1], [0.1, 0.2, 0.3]])})
    labels = np.array([[1, 1, 0], [0, 0, 0]])
    found = find_flips(a, b, labels=labels, names=("x", "y", "z"), row_numbers=np.arange(2))
    assert (found.flips, found.lost, found.won) == (1, 1, 0)
    assert (found.examples[0]["a"], found.examples[0]["b"]) == ("x, y", "x")
    assert found.examples[0]["b_confidence"] == pytest.approx(0.6)


def test_class_indices_have_no_confidence():
    assert confidences(DecisionRule("y", "label", None).apply({"y": np.array([1, 2])})) is None
