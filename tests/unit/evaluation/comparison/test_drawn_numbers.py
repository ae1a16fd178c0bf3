"""R² and quantiles of the error: scikit-learn's and numpy's values, and intervals that cover the truth."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from shipway.evaluation.comparison.drawn_numbers import explained_difference, quantile_differences
from shipway.evaluation.comparison.draws import PairedDraws
from shipway.evaluation.metrics.regression import QUANTILES


def _numbers(rows, seed, outputs=1):
    """Labels and two models, both wrong by the same heavy tails, B by a little more."""
    generator = np.random.default_rng(seed)
    labels, shared = generator.normal(size=(rows, outputs)), generator.standard_t(5, size=(rows, outputs))
    noise = 0.2 * generator.normal(size=(2, rows, outputs))
    return labels, labels + 0.5 * shared + noise[0], labels + 0.55 * shared + noise[1]


def _explained(rows, seed, **given):
    return explained_difference(*_numbers(rows, seed, **given), PairedDraws(rows))


def _quantiles(rows, seed, **given):
    labels, a, b = _numbers(rows, seed, **given)
    return quantile_differences(np.abs(a - labels), np.abs(b - labels), PairedDraws(rows))


@pytest.mark.parametrize(("rows", "outputs"), [(2, 1), (500, 1), (500, 3), (5_000, 2)])
def test_values_are_those_of_all_rows(rows, outputs):
    labels, a, b = _numbers(rows, 1, outputs)
    explained = _explained(rows, 1, outputs=outputs)
    for value, side in ((explained.a, a), (explained.b, b)):
        assert value == pytest.approx(r2_score(labels, side))
    for level, found in zip(QUANTILES, _quantiles(rows, 1, outputs=outputs), strict=True):
        assert found.metric == f"error_q{100 * level:g}"
        for value, side in ((found.a, a), (found.b, b)):
            assert value == np.quantile(np.abs(side - labels), level, method="inverted_cdf")


@pytest.mark.parametrize("rows", [400, 9_000])
def test_drawn_quantiles_are_those_of_the_drawn_rows(rows):
    """Against numpy's on each draw's own rows, where rows are drawn one by one and where they are binned."""
    labels, a, b = _numbers(rows, 2)
    before, after = np.abs(a - labels), np.abs(b - labels)
    draws = PairedDraws(rows)
    changes = []
    for weights in draws.weights[:, draws.group].astype(int):
        drawn = [
            np.quantile(np.repeat(side[:, 0], weights), 0.9, method="inverted_cdf")
            for side in (before, after)
        ]
        changes.append(drawn[1] - drawn[0])
    expected = np.quantile(changes, [0.025, 0.975], method="inverted_cdf")
    bounds = quantile_differences(before, after, draws)[1].bounds
    assert (bounds.low, bounds.high) == pytest.approx(tuple(expected), abs=0.03 * np.ptp(expected))


def test_too_few_rows_bound_no_outer_quantile():
    assert [one.bounds.low is None for one in _quantiles(100, 3)] == [False, False, False, True]


def test_of_labels_that_are_all_equal_nothing_is_explained():
    found = explained_difference(np.ones((5, 1)), np.zeros((5, 1)), np.ones((5, 1)), PairedDraws(5))
    assert (found.a, found.b, found.bounds.low) == (None, None, None)


def test_equal_answers_have_no_difference():
    labels, a, _ = _numbers(400, 4)
    errors, draws = np.abs(a - labels), PairedDraws(400)
    for found in (explained_difference(labels, a, a, draws), *quantile_differences(errors, errors, draws)):
        assert (found.change, found.bounds.method) == (0, "none")


def test_equal_data_gives_equal_intervals():
    assert _explained(300, 5) == _explained(300, 5)
    assert _quantiles(300, 5) == _quantiles(300, 5)


def test_intervals_cover_the_truth():
    """60 data sets: the true change lies in the 95 % interval about as often (the count's 99.9 % range)."""
    truth = [_explained(100_000, 6).change, *(one.change for one in _quantiles(100_000, 6)[:3])]
    covered = np.zeros(4)
    for seed in range(100, 160):
        found = (_explained(200, seed), *_quantiles(200, seed)[:3])
        covered += [one.bounds.low <= true <= one.bounds.high for one, true in zip(found, truth, strict=True)]
    assert covered.min() >= stats.binom.ppf(0.0005, 60, 0.95)
