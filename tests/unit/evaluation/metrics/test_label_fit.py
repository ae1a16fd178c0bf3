"""Labels that count the classes otherwise are found; hard data and bad models are not accused."""

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.evaluation.metrics.label_fit import label_fit


def classified(rows, classes, accuracy, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    wrong = generator.random(rows) >= accuracy
    return labels, np.where(wrong, generator.integers(classes, size=rows), labels)


def judge(labels, predicted, classes=10):
    return label_fit(labels, predicted, class_count=classes, subject="data")


@pytest.mark.parametrize("classes", [10, 3000])
def test_labels_off_by_one_fail(classes):
    labels, predicted = classified(400, classes, 0.9)
    for shift, words in ((1, "less one"), (-1, "more one")):
        inside = (labels + shift >= 0) & (labels + shift < classes)
        verdict = judge(labels[inside] + shift, predicted[inside], classes)
        assert verdict.result is Result.FAIL
        assert classes > 2000 or (words in verdict.reason and "off by one" in verdict.reason)


def test_classes_in_another_order_fail_and_are_named():
    labels, predicted = classified(300, 10, 0.95)
    assert "reversed order" in judge(9 - labels, predicted).reason
    order = np.array([3, 1, 2, 0, 5, 4, 6, 7, 8, 9])
    verdict = judge(order[labels], predicted)
    assert verdict.result is Result.FAIL
    assert "0 meaning 3" in verdict.reason
    assert judge(1 - labels % 2, predicted % 2, 2).result is Result.FAIL


@pytest.mark.parametrize("rows", [1, 2, 30, 100, 1000])
@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.9, 1.0])
def test_good_and_bad_models_with_right_labels_pass(rows, accuracy):
    for seed in range(100):
        labels, predicted = classified(rows, 10, accuracy, seed)
        assert judge(labels, predicted).result is Result.PASS


def test_two_rare_classes_that_a_model_confuses_are_not_an_error_of_the_labels():
    labels, predicted = classified(2000, 10, 1.0)
    swapped = np.where(predicted == 8, 9, np.where(predicted == 9, 8, predicted))
    keep = (labels < 8) | (np.arange(2000) % 4 == 0)
    assert judge(labels[keep], swapped[keep]).result is Result.PASS


@pytest.mark.parametrize("labelled", [[0], [3, 8]])
def test_a_weak_model_on_few_of_its_classes_passes(labelled: list[int]) -> None:
    """All its answers may be one wrong class, which fits another order of so few classes perfectly."""
    labels = np.resize(np.array(labelled), 300)
    assert judge(labels, (labels + 4) % 10, 10).result is Result.PASS


def test_a_weak_model_that_some_other_order_fits_a_little_better_passes() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600)
    predicted = np.where(rng.random(600) < 0.5, (labels + 1) % 10, rng.integers(0, 10, 600))
    assert judge(labels, predicted, 10).result is Result.PASS
