"""Which comparison fits the answers, with labels and without."""

import json

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.errors import LabelError, UsageError
from shipway.evaluation.comparison.compare import (
    Terms,
    compare_labelled,
    compare_unlabelled,
    explain_shapes,
)
from shipway.types import DType, Signature, TensorSpec

ROWS = 400


def _terms(columns, *, dtype=DType.FP32, names=("y",), **given):
    outputs = tuple(TensorSpec(name, dtype, ("batch", columns)) for name in names)
    signature = Signature((TensorSpec("x", DType.FP32, ("batch", 2)),), outputs)
    return Terms(signature, "B against A", "A", 0.01, row_numbers=np.arange(ROWS), **given)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def _probabilities(generator, classes=3):
    values = generator.random((ROWS, classes)).astype(np.float32)
    return values / values.sum(axis=1, keepdims=True)


def _rules(found):
    return [(verdict.rule, verdict.result) for verdict in found.verdicts]


def test_labelled_classes(generator):
    a = _probabilities(generator)
    found = compare_labelled(a.argmax(axis=1), {"y": a}, {"y": a.copy()}, _terms(3))
    assert _rules(found) == [("label-fit", Result.PASS), ("quality-non-inferiority", Result.PASS)]
    assert found.flips.flips == 0
    assert found.to_json()["are_same"] is True
    json.dumps(found.to_json(), allow_nan=False)


def test_one_rule_decides_for_both(generator):
    """B's values reach beyond 1, where a rule of its own would take 0 for the threshold."""
    a = generator.random((ROWS, 1)).astype(np.float32)
    b = a * 1.0004 + 0.0001
    labels = (a[:, 0] > 0.5).astype(np.int64)
    found = compare_labelled(labels, {"y": a}, {"y": b}, _terms(1))
    assert found.flips.flips < 10
    assert found.quality.b.metrics["accuracy"].value > 0.95


def test_labels_in_another_order_fail_though_both_models_agree(generator):
    a = _probabilities(generator)
    found = compare_labelled((a.argmax(axis=1) + 1) % 3, {"y": a}, {"y": a}, _terms(3))
    assert _rules(found)[0] == ("label-fit", Result.FAIL)


def test_names_as_labels(generator):
    a = _probabilities(generator, 2)
    named = np.array(["cat", "dog"], object)[a.argmax(axis=1)]
    found = compare_labelled(named, {"y": a}, {"y": a[:, ::-1].copy()}, _terms(2, class_names=("cat", "dog")))
    assert _rules(found)[1] == ("quality-non-inferiority", Result.FAIL)
    assert {found.flips.examples[0]["a"], found.flips.examples[0]["b"]} == {"cat", "dog"}


def test_names_that_the_model_itself_says(generator):
    """As scikit-learn's classifiers answer: a text beside the scores."""
    a = _probabilities(generator, 2)
    named = np.array(["cat", "dog"], object)[a.argmax(axis=1)]
    terms = _terms(2)
    found = compare_labelled(named, {"y": a, "label": named}, {"y": a.copy(), "label": named}, terms)
    assert found.quality.a.names == ("cat", "dog")
    assert found.quality.a.metrics["accuracy"].value == 1


def test_several_labels_a_row(generator):
    a = generator.random((ROWS, 3)).astype(np.float32)
    labels = (a > 0.5).astype(np.int64)
    found = compare_labelled(labels, {"y": a}, {"y": a}, _terms(3))
    assert found.quality.task == "multilabel"
    assert _rules(found) == [("quality-non-inferiority", Result.PASS)]


def test_one_of_several_outputs_can_be_judged(generator):
    y, z = _probabilities(generator), _probabilities(generator, 4)
    terms = _terms(3, names=("y", "z"), output="z")
    found = compare_labelled(z.argmax(axis=1), {"y": y, "z": z}, {"y": y[::-1].copy(), "z": z}, terms)
    assert found.quality.a.metrics["accuracy"].value == found.quality.b.metrics["accuracy"].value == 1
    assert [(one.name, one.is_same) for one in found.outputs] == [("y", False), ("z", True)]
    flips = compare_unlabelled({"y": y, "z": z}, {"y": y, "z": z}, terms).flips
    assert flips.flips == 0
    with pytest.raises(UsageError, match="no output 'x'"):
        compare_labelled(z.argmax(axis=1), {"z": z}, {"z": z}, _terms(4, names=("z",), output="x"))


def test_slices(generator):
    a = _probabilities(generator)
    b = a.copy()
    b[:50] = b[:50, ::-1]
    terms = _terms(3, slices={"first": np.arange(ROWS) < 50, "rest": np.arange(ROWS) >= 50})
    found = compare_labelled(a.argmax(axis=1), {"y": a}, {"y": b}, terms).to_json()
    first, rest = found["slices"]
    assert (first["rows"], first["metric"], first["a"], first["differs"]) == (50, "accuracy", 1, True)
    assert (rest["difference"], rest["differs"]) == (0, False)
    numbers = generator.normal(size=(ROWS, 1)).astype(np.float32)
    terms = _terms(1, slices=terms.slices)
    found = compare_labelled(numbers[:, 0] + 0.5, {"y": numbers}, {"y": numbers + 0.2}, terms).to_json()
    assert [one["metric"] for one in found["slices"]] == ["mae", "mae"]
    json.dumps(found, allow_nan=False)


def test_numbers(generator):
    a = generator.normal(size=(ROWS, 1)).astype(np.float32)
    found = compare_labelled(a[:, 0] + 0.5, {"y": a}, {"y": a + 0.2}, _terms(1))
    assert found.quality.task == "regression"
    assert found.flips is None
    assert [verdict.figures["metric"] for verdict in found.verdicts] == ["mae", "rmse"]


def test_labels_that_no_class_has(generator):
    a = _probabilities(generator)
    with pytest.raises(LabelError):
        compare_labelled(np.full(ROWS, 7), {"y": a}, {"y": a}, _terms(3))


def test_without_labels_decisions_are_judged(generator):
    a = _probabilities(generator)
    found = compare_unlabelled({"y": a}, {"y": a[:, ::-1].copy()}, _terms(3))
    assert _rules(found) == [("decision-parity", Result.FAIL)]
    assert found.quality is None
    assert "not whether they are right" in found.notes[0]
    same = compare_unlabelled({"y": a[:5]}, {"y": a[:5].copy()}, _terms(3))
    assert _rules(same) == [("decision-parity", Result.PASS)]


def test_without_labels_vectors_are_compared_and_not_judged(generator):
    a = generator.normal(size=(ROWS, 16)).astype(np.float32)
    found = compare_unlabelled({"y": a}, {"y": a + 0.01}, _terms(16))
    assert found.verdicts == ()
    assert found.embeddings.metrics["cosine_mean"].value > 0.99
    assert "--task classification" in found.notes[0]
    told = compare_unlabelled({"y": a}, {"y": a + 0.01}, _terms(16, task="classification"))
    assert _rules(told) == [("decision-parity", Result.PASS)]


def test_without_labels_single_numbers_are_compared_and_not_judged(generator):
    a = 5 * generator.normal(size=(ROWS, 1)).astype(np.float32)
    found = compare_unlabelled({"y": a}, {"y": a + 1}, _terms(1))
    assert (found.verdicts, found.flips, found.embeddings) == ((), None, None)
    assert found.outputs[0].largest == pytest.approx(1, rel=1e-5)


def test_without_labels_several_outputs_are_compared_and_not_judged(generator):
    a = {"y": _probabilities(generator), "z": _probabilities(generator)}
    found = compare_unlabelled(a, a, _terms(3, names=("y", "z")))
    assert found.verdicts == ()
    assert [output.name for output in found.outputs] == ["y", "z"]


def test_shapes_are_told():
    assert explain_shapes({"y": np.zeros((2, 3))}, {"y": np.zeros((2, 4))}) == [
        "output 'y' is [2, 3] in A and [2, 4] in B"
    ]
