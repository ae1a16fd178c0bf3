"""Figures side by side: the values are the evaluation's, the intervals the paired ones."""

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.evaluation.comparison.delong import auc_differences
from shipway.evaluation.comparison.quality import compare_classes, compare_label_sets, compare_numbers
from shipway.evaluation.comparison.tango import tango_interval
from shipway.evaluation.metrics.decisions import DecisionRule


def _answers(rows, classes, *, seed=0, noise=0.3):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    logits = generator.normal(size=(rows, classes)) + 2.5 * np.eye(classes)[labels]
    other = logits + noise * generator.normal(size=logits.shape)
    rule = DecisionRule("y", "argmax", classes)
    probabilities = [np.exp(part) / np.exp(part).sum(axis=1, keepdims=True) for part in (logits, other)]
    return labels, *(rule.apply({"y": part}) for part in probabilities)


def _compare(labels, a, b, **given):
    return compare_classes(
        labels, a, b, **{"class_names": (), "margin": 0.01, "subject": "test", "are_same": False, **given}
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_every_difference_is_that_of_the_two_figures(classes):
    labels, a, b = _answers(400, classes)
    found = _compare(labels, a, b)
    by_name = {difference.metric: difference for difference in found.differences}
    for name, difference in by_name.items():
        assert difference.a == found.a.metrics[name].value
        assert difference.b == found.b.metrics[name].value
        assert difference.bounds.low <= difference.change <= difference.bounds.high, name
        assert difference.bounds.low < difference.bounds.high, name
    areas = (
        {"roc_auc", "pr_auc"} if classes == 2 else {"roc_auc_weighted", "pr_auc_macro", "top_k_accuracy[2]"}
    )
    assert {"accuracy", "balanced_accuracy", "mcc", "log_loss", "brier", "ece", *areas} <= set(by_name)
    assert not any(name.startswith("f1[") for name in by_name)


def test_the_bounds_belong_to_the_evaluations_figures():
    """Values that the intervals were made for are those that stand beside them."""
    labels, a, b = _answers(300, 3)
    found = _compare(labels, a, b)
    by_name = {difference.metric: difference for difference in found.differences}
    area = auc_differences(labels, a.scores, b.scores)[0]
    assert by_name["roc_auc_macro"].a == pytest.approx(area.a)
    assert by_name["roc_auc_macro"].bounds == area.bounds
    right = [labels == side.predicted for side in (a, b)]
    lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    bounds = by_name["accuracy"].bounds
    assert (bounds.low, bounds.high) == tango_interval(n=300, b=won, c=lost)
    (verdict,) = found.verdicts
    assert (verdict.figures["b"], verdict.figures["c"]) == (lost, won)


def test_a_class_that_is_forgotten_is_found():
    labels, a, _ = _answers(600, 3)
    rule = a.rule
    scores = a.scores.copy()
    scores[:, 2] = 0
    found = _compare(labels, a, rule.apply({"y": scores / scores.sum(axis=1, keepdims=True)}))
    differing = [one.name for one in found.classes if one.differs]
    assert "2" in differing
    assert found.classes[2].figure.b == 0
    assert found.to_json()["classes"][2]["class"] == "2"
    assert found.verdicts[0].result is Result.FAIL


def test_equal_models_differ_in_no_class():
    labels, a, _ = _answers(100, 3)
    found = _compare(labels, a, a, are_same=True)
    assert [one.differs for one in found.classes] == [False] * 3
    assert found.verdicts[0].result is Result.PASS
    for difference in found.differences:
        assert difference.change == 0
        assert difference.bounds.low < 0 < difference.bounds.high, difference.metric


def test_several_labels_are_judged_by_the_exact_match():
    generator = np.random.default_rng(1)
    labels = generator.integers(2, size=(300, 3))
    scores = np.clip(labels * 0.8 + 0.1 + 0.2 * generator.normal(size=labels.shape), 0, 1)
    rule = DecisionRule("y", "each", 3, threshold=0.5)
    a, b = (rule.apply({"y": part}) for part in (scores, np.clip(scores + 0.4, 0, 1)))
    found = compare_label_sets(
        labels, a, b, class_names=("x", "y", "z"), margin=0.01, subject="test", are_same=False
    )
    assert found.verdicts[0].result is Result.FAIL
    for difference in found.differences:
        assert difference.a == found.a.metrics[difference.metric].value
        assert difference.bounds.low <= difference.change <= difference.bounds.high, difference.metric
    assert [one.name for one in found.classes] == ["x", "y", "z"]
    assert found.verdicts[0].figures["metric"] == "exact_match"
    assert found.verdicts[0].reason.startswith("exact match fell")


@pytest.mark.parametrize(
    ("factor", "result"), [(1.0, Result.PASS), (1.2, Result.FAIL)], ids=["as good", "a fifth worse"]
)
def test_numbers_are_judged_by_two_errors(factor, result):
    generator = np.random.default_rng(2)
    labels = generator.normal(size=1000)
    errors = 0.1 * generator.normal(size=1000)
    found = compare_numbers(
        labels,
        labels + errors,
        labels + factor * errors + 1e-4 * generator.normal(size=1000),
        decision_rule="",
        output_names=(),
        margin=0.01,
        subject="test",
        are_same=False,
    )
    assert [(verdict.figures["metric"], verdict.result) for verdict in found.verdicts] == [
        ("mae", result),
        ("rmse", result),
    ]
    by_name = {difference.metric: difference for difference in found.differences}
    assert by_name["mae"].bounds.low <= by_name["mae"].change <= by_name["mae"].bounds.high


def test_an_answer_that_is_no_number_is_not_judged():
    labels = np.linspace(0, 1, 50)
    broken = np.where(np.arange(50) == 7, np.nan, labels)
    found = compare_numbers(
        labels,
        labels + 0.1,
        broken,
        decision_rule="",
        output_names=(),
        margin=0.01,
        subject="test",
        are_same=False,
    )
    assert {verdict.result for verdict in found.verdicts} == {Result.FAIL}
    assert "B answers 1 rows with NaN or infinity (first: row 7)" in found.verdicts[0].reason
    both = compare_numbers(
        labels, broken, broken, decision_rule="", output_names=(), margin=0.01, subject="", are_same=False
    )
    assert [verdict.result for verdict in both.verdicts] == [Result.INCONCLUSIVE]
