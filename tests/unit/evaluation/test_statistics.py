"""The statistics against SciPy's own objects, against known values, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from shipway.evaluation.statistics import (
    lower_bound,
    percentile_interval,
    resample_counts,
    rows_for_pass,
    rows_to_settle,
    upper_bound,
    wilson_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 30), (7, 30), (30, 30), (999_000, 1_000_000)])
def test_wilson_is_scipys(k, n):
    interval = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_wilson_knows_nothing_without_trials():
    low, high = wilson_interval([0, 5], [0, 5])
    assert (low[0], high[0], high[1]) == (0, 1, 1)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 200), (10, 10), (9, 10)])
def test_one_sided_bounds_are_scipys(k, n):
    less = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact")
    greater = stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, method="exact")
    assert upper_bound(k, n) == pytest.approx(less.high, abs=1e-12)
    assert lower_bound(k, n) == pytest.approx(greater.low, abs=1e-12)


@pytest.mark.parametrize(("n", "bound"), [(1000, 0.0030), (3000, 0.0010), (10_000, 0.0003)])
def test_upper_bounds_that_are_known(n, bound):
    assert upper_bound(0, n) == pytest.approx(bound, abs=5e-5)


def test_rows_for_pass_is_the_smallest_number():
    assert rows_for_pass(0, 0.02) == 149
    for events in (0, 1, 5):
        rows = rows_for_pass(events, 0.02)
        assert upper_bound(events, rows) <= 0.02 < upper_bound(events, rows - 1)


def test_rows_to_settle_settles_on_either_side():
    passing = rows_to_settle(1, 100, 0.02)
    assert upper_bound(-(-passing // 100), passing) <= 0.02
    failing = rows_to_settle(4, 100, 0.02)
    assert lower_bound(failing * 4 // 100, failing) > 0.02
    assert rows_to_settle(0, 10, 0.02) == 149
    assert rows_to_settle(2, 100, 0.02) is None


@pytest.mark.parametrize("percentile", [50, 90, 99])
def test_percentile_interval_covers(percentile):
    generator = np.random.default_rng(1)
    truth = stats.expon.ppf(percentile / 100)
    hits = 0
    for _ in range(2000):
        value, low, high = percentile_interval(np.sort(generator.exponential(size=1000)), percentile)
        assert low <= value <= high
        hits += low <= truth <= high
    assert hits >= 0.94 * 2000


def test_percentile_interval_says_where_it_cannot_bound():
    assert percentile_interval(np.arange(367.0), 99)[2] is None
    assert percentile_interval(np.arange(368.0), 99)[2] == 367.0
    assert percentile_interval(np.array([3.0]), 50) == (3.0, None, None)


def test_resampled_tables_have_the_tables_total_and_mean():
    counts = np.array([100, 0, 250, 650])
    drawn = np.concatenate(list(resample_counts(counts, replicates=3000, seed=1)))
    assert drawn.shape == (3000, 4)
    assert (drawn.sum(axis=1) == 1000).all()
    assert drawn.mean(axis=0) == pytest.approx(counts, abs=2)
    assert np.array_equal(drawn, np.concatenate(list(resample_counts(counts, replicates=3000, seed=1))))
