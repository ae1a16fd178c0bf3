"""Which class a model's output means."""

import numpy as np
import pytest

from shipway.errors import DataMismatchError, UsageError
from shipway.evaluation.metrics.decisions import choose_rule, decide
from shipway.types import DType, Signature, TensorSpec


def signature(*names):
    return Signature((), tuple(TensorSpec(name, DType.FP32, ("batch", "n")) for name in names))


@pytest.mark.parametrize(
    ("values", "predicted", "words"),
    [
        ([[0.1, 0.9], [0.7, 0.3]], [1, 0], "largest value"),
        ([[0.2], [0.8]], [0, 1], "above 0.5"),
        ([0.2, 0.8], [0, 1], "above 0.5"),
        ([[-2.0], [0.3]], [0, 1], "above 0,"),
        ([[[0.1, 0.9]], [[0.7, 0.3]]], [1, 0], "largest value"),
        ([[3.0, 3.0]], [0], "largest value"),
    ],
)
def test_forms_of_output(values, predicted, words):
    decisions = decide({"y": np.float32(values)}, signature("y"))
    assert decisions.predicted.tolist() == predicted
    assert words in str(decisions.rule)
    assert decisions.class_count == 2


def test_the_threshold_can_be_given():
    assert decide({"y": np.float32([[0.2], [0.4]])}, signature("y"), threshold=0.3).predicted.tolist() == [
        0,
        1,
    ]


def test_the_rule_of_the_source_is_applied_to_the_other_side():
    rule = choose_rule({"y": np.float32([[-3.0], [2.0]])}, signature("y"))
    assert rule.apply({"y": np.float32([[0.2], [0.9]])}).predicted.tolist() == [1, 1]


def test_margins_are_what_an_error_must_overcome_twice():
    assert decide({"y": np.float32([[1, 4, 3]])}, signature("y")).margins.tolist() == [1]
    assert decide({"y": np.float32([[0.75]])}, signature("y")).margins.tolist() == [0.5]


def test_labels_beside_probabilities():
    outputs = {"label": np.array([1, 0]), "p": np.float32([[0.1, 0.9], [0.8, 0.2]])}
    assert decide(outputs, signature("label", "p")).rule.output == "p"
    assert decide({"label": np.array([3, 0])}, signature("label")).class_count == 4


def test_several_candidates_must_be_named():
    outputs = {"a": np.float32([[0.1, 0.9]]), "b": np.float32([[0.9, 0.1]])}
    with pytest.raises(UsageError, match="'a', 'b'") as caught:
        decide(outputs, signature("a", "b"))
    assert "--output a" in caught.value.hint
    assert decide(outputs, signature("a", "b"), output="b").predicted.tolist() == [0]
    with pytest.raises(UsageError, match="no output 'c'"):
        decide(outputs, signature("a", "b"), output="c")


def test_features_beside_the_classes_do_not_confuse():
    outputs = {"map": np.zeros((2, 4, 4, 3), np.float32), "y": np.float32([[0.1, 0.9], [0.8, 0.2]])}
    assert decide(outputs, signature("map", "y")).rule.output == "y"


def test_no_output_that_reads_as_classes():
    with pytest.raises(DataMismatchError, match=r"float32\[2, 4, 4\]"):
        decide({"map": np.zeros((2, 4, 4), np.float32)}, signature("map"))


@pytest.mark.parametrize("outputs", [{}, {"y": np.zeros((2, 3), np.float32)}])
def test_another_models_answer_is_refused(outputs):
    rule = choose_rule({"y": np.float32([[0.1, 0.9]])}, signature("y"))
    with pytest.raises(DataMismatchError):
        rule.apply(outputs)
