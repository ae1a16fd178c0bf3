"""DeLong's difference of areas against scikit-learn's areas, the bootstrap over rows, and undefined cases."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from shipway.evaluation.comparison.delong import auc_differences


def _scores(rows, *, seed=0, decimals=3):
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=rows)
    a = np.round(generator.normal(size=rows) + labels, decimals)
    return labels, a, np.round(a + 0.4 * generator.normal(size=rows), decimals)


@pytest.mark.parametrize("decimals", [0, 3])
def test_areas_are_scikit_learns_also_with_ties(decimals):
    labels, a, b = _scores(500, decimals=decimals)
    (found,) = auc_differences(labels, a[:, None], b[:, None])
    assert found.metric == "roc_auc"
    assert found.a == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
    assert found.b == pytest.approx(roc_auc_score(labels, b), abs=1e-12)


def test_the_standard_error_is_the_bootstraps():
    labels, a, b = _scores(400)
    (found,) = auc_differences(labels, a[:, None], b[:, None])
    generator = np.random.default_rng(1)
    groups = [np.flatnonzero(labels == value) for value in (0, 1)]
    changes = []
    for _ in range(400):
        rows = np.concatenate([generator.choice(group, len(group)) for group in groups])
        changes.append(roc_auc_score(labels[rows], b[rows]) - roc_auc_score(labels[rows], a[rows]))
    assert found.bounds.error == pytest.approx(np.std(changes), rel=0.12)


def test_macro_is_one_class_against_the_rest():
    generator = np.random.default_rng(2)
    labels = generator.integers(4, size=300)
    a = generator.random((300, 4)) + np.eye(4)[labels]
    a /= a.sum(axis=1, keepdims=True)
    found, weighted = auc_differences(labels, a, a[:, ::-1])
    assert (found.metric, weighted.metric) == ("roc_auc_macro", "roc_auc_weighted")
    expected = roc_auc_score(labels, a, multi_class="ovr", average="weighted")
    assert weighted.a == pytest.approx(expected, abs=1e-12)
    assert found.a == pytest.approx(roc_auc_score(labels, a, multi_class="ovr"), abs=1e-12)
    assert found.change is not None
    assert found.change < 0
    assert found.bounds.high is not None
    assert found.bounds.high < 0


def test_a_class_without_rows_is_left_out_of_the_average():
    generator = np.random.default_rng(3)
    labels = generator.integers(2, size=100)
    scores = generator.random((100, 3))
    expected = np.mean([roc_auc_score(labels == index, scores[:, index]) for index in (0, 1)])
    assert auc_differences(labels, scores, scores)[0].a == pytest.approx(expected)


@pytest.mark.parametrize("labels", [np.zeros(5, np.int64), np.ones(5, np.int64)])
def test_one_class_has_no_area(labels):
    scores = np.linspace(0, 1, 5)
    (found,) = auc_differences(labels, scores[:, None], scores[::-1, None])
    assert (found.a, found.b, found.bounds.low) == (None, None, None)


def test_equal_scores_bound_nothing():
    labels, a, _ = _scores(50)
    (found,) = auc_differences(labels, a[:, None], a[:, None])
    assert (found.change, found.bounds.method) == (0, "none")
