"""Replicates of a confusion matrix are what scikit-learn would say of the drawn rows."""

import numpy as np
import pytest
from sklearn import metrics

from shipway.evaluation.metrics.intervals import _averages, _matthews, _scores, bootstrap_intervals


def sides(table):
    return tuple(
        part[None, :].astype(float) for part in (table.diagonal(), table.sum(axis=1), table.sum(axis=0))
    )


@pytest.mark.parametrize("seed", range(5))
def test_replicates_are_scikit_learns_figures(seed):
    table = np.random.default_rng(seed).integers(0, 9, size=(4, 4))
    labels, decisions = (np.repeat(side.ravel(), table.ravel()) for side in np.indices((4, 4)))
    right, labelled, decided = sides(table)
    found = _averages(_scores(right, labelled, decided), labelled, decided)
    assert found["balanced_accuracy"][0] == pytest.approx(metrics.balanced_accuracy_score(labels, decisions))
    for kind in ("macro", "weighted"):
        assert found[f"f1_{kind}"][0] == pytest.approx(metrics.f1_score(labels, decisions, average=kind))
    assert _matthews(right, labelled, decided)[0] == pytest.approx(
        metrics.matthews_corrcoef(labels, decisions)
    )


def test_one_class_has_no_correlation():
    assert np.isnan(_matthews(*sides(np.array([[5, 2], [0, 0]])))[0])
    assert bootstrap_intervals(np.array([[5, 2], [0, 0]]))["mcc"] == (None, None)


@pytest.mark.parametrize(("table", "end"), [([[9, 0], [0, 9]], "high"), ([[0, 9], [9, 0]], "low")])
def test_nothing_wrong_and_nothing_right_are_no_points(table, end):
    for name, interval in bootstrap_intervals(np.array(table)).items():
        low, high = np.asarray(interval, dtype=float)
        assert (low < high).all(), name
        assert (high == 1).all() if end == "high" else (low == (-1 if name == "mcc" else 0)).all(), name
