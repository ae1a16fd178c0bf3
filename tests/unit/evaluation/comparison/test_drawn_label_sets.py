"""Several labels a row: scikit-learn's values, and intervals that know that classes go wrong together."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, precision_score, recall_score

from shipway.evaluation.comparison.drawn_label_sets import label_set_differences
from shipway.evaluation.comparison.draws import PairedDraws

SCORERS = {"precision": precision_score, "recall": recall_score, "f1": f1_score}


def _sets(rows, seed, *, together=True):
    """Labels and two models; where a row is hard, all its classes are."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((rows, 4)) < [0.5, 0.4, 0.3, 0.2]).astype(np.int64)
    hard = generator.random((rows, 1 if together else 4)) < 0.3
    wrong = [hard & (generator.random((rows, 1 if together else 4)) < rate) for rate in (0.3, 0.5)]
    return labels, *(np.where(mask, 1 - labels, labels) for mask in wrong)


def _differences(rows, seed, **given):
    return {one.metric: one for one in label_set_differences(*_sets(rows, seed, **given), PairedDraws(rows))}


@pytest.mark.parametrize("rows", [1, 400])
@pytest.mark.parametrize("score", SCORERS)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_values_are_scikit_learns(rows, score, average):
    labels, a, b = _sets(rows, 1)
    found = _differences(rows, 1)[f"{score}_{average}"]
    for value, decided in ((found.a, a), (found.b, b)):
        assert value == pytest.approx(SCORERS[score](labels, decided, average=average, zero_division=0))
    assert found.bounds.low is None or found.bounds.low <= found.change <= found.bounds.high


def test_classes_that_go_wrong_together_widen_the_interval():
    widths = [
        bounds.high - bounds.low
        for bounds in (_differences(1_000, 2, together=kind)["f1_macro"].bounds for kind in (True, False))
    ]
    assert widths[0] > 1.4 * widths[1]


def test_equal_decisions_have_no_difference():
    labels, a, _ = _sets(50, 3)
    for found in label_set_differences(labels, a, a, PairedDraws(50)):
        assert (found.change, found.bounds.method) == (0, "none")


def test_equal_data_gives_equal_intervals():
    assert _differences(100, 4) == _differences(100, 4)


def test_intervals_cover_the_truth():
    """200 data sets: the true change lies in the 95 % interval about as often (the count's 99.9 % range)."""
    truth = _differences(400_000, 5)["f1_macro"].change
    bounds = [_differences(200, seed)["f1_macro"].bounds for seed in range(100, 300)]
    covered = sum(one.low <= truth <= one.high for one in bounds)
    assert covered >= stats.binom.ppf(0.0005, 200, 0.95)
