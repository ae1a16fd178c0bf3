"""Class labels in every form; missing, broken and out of range; absent and rare classes; balance."""

import numpy as np
import pytest

from shipway.evaluation.inspection.class_labels import ClassWatch


def watched(labels, names=(), count=None, block=16) -> tuple[ClassWatch, np.ndarray]:
    labels = np.asarray(labels)
    watch = ClassWatch(names, count)
    codes = [
        watch.see(labels[s : s + block], np.arange(s, min(len(labels), s + block)))
        for s in range(0, len(labels), block)
    ]
    return watch, np.concatenate(codes)


def found(*args, **more) -> dict:
    return {finding.kind: finding for finding in watched(*args, **more)[0].findings()}


even = np.arange(60) % 3


@pytest.mark.parametrize(
    "labels",
    [
        even,
        even.astype(np.float32),
        even[:, None],
        even.astype(np.uint8),
        np.eye(3)[even],
        np.eye(3, dtype=bool)[even],
    ],
    ids=["int", "float", "column", "uint8", "one-hot", "one-hot bool"],
)
def test_every_form_of_clean_labels_is_silent(labels):
    watch, codes = watched(labels, count=3)
    np.testing.assert_array_equal(codes, even)
    assert not list(watch.findings())


def test_names_are_ordered_by_the_models_classes():
    labels = np.array(["dog", "cat"] * 20, object)
    watch, codes = watched(labels, names=("cat", "dog"))
    assert codes.tolist() == [1, 0] * 20
    assert not list(watch.findings())
    assert not found(labels)  # names that no model orders


def test_labels_that_are_none_are_errors_with_their_rows():
    labels = even.astype(float)
    labels[3], labels[4], labels[5], labels[6] = np.nan, 0.5, 7, -1
    watch, codes = watched(labels, count=3)
    assert codes[3:7].tolist() == [-1] * 4
    by_kind = {finding.kind: finding for finding in watch.findings()}
    assert {kind: (f.count, f.severity, f.examples) for kind, f in by_kind.items()} == {
        "missing": (1, "error", ("row 3",)),
        "label-form": (1, "error", ("row 4",)),
        "label-range": (2, "error", ("row 5", "row 6")),
    }
    assert "0.5 (1)" in by_kind["label-form"].words
    assert "outside of 0 to 2: 7 (1), -1 (1)" in by_kind["label-range"].words


def test_texts_that_are_no_class():
    labels = np.array(["cat", "dog", "bird", "", None] * 4, object)
    by_kind = found(labels, names=("cat", "dog"))
    assert (by_kind["missing"].count, by_kind["label-range"].count) == (8, 4)
    assert "'bird' (4)" in by_kind["label-range"].words


def test_rows_that_are_not_one_hot():
    labels = np.eye(3)[even]
    labels[8] = [1, 1, 0]
    assert found(labels, count=3)["label-form"].examples == ("row 8",)


def test_absent_classes_are_named():
    finding = found(np.arange(60) % 3, names=("a", "b", "c", "d"))["absent-class"]
    assert (finding.severity, finding.count, finding.of, finding.examples) == ("warning", 1, 4, ("class d",))
    assert (
        found(2 * (np.arange(60) % 3))["absent-class"].severity == "note"
    )  # the model's classes are not known


def test_a_rare_class_says_what_its_rows_are_worth():
    finding = found([0] * 30 + [1] * 3)["rare-class"]
    assert (finding.where, finding.count) == ("class 1", 3)
    assert "could still be 0.44" in finding.words
    assert "rare-class" not in found([0] * 30 + [1] * 10)


def test_many_rare_classes_are_one_finding():
    finding = found(np.arange(300) % 100)["rare-class"]
    assert (finding.where, finding.count) == ("labels", 100)


@pytest.mark.parametrize(
    ("most", "severity"), [(290, "note"), (900, "note"), (1_000, "warning"), (5_000, "warning")]
)
def test_imbalance_is_graded(most, severity):
    finding = found([0] * most + [1] * 90 + [2] * 100)["class-balance"]
    assert finding.severity == ("note" if most < 900 else "warning")
    assert finding.examples[1] == "class 1: 90 rows"


def test_one_class_is_no_data_to_judge_on():
    finding = found([1] * 40)["class-balance"]
    assert finding.severity == "warning"
    assert "All rows are of one class, 1" in finding.words
