"""Bounds from replicates, against SciPy's bootstrap and on the cases where there is nothing to resample."""

import numpy as np
import pytest
from scipy import stats

from shipway.evaluation.comparison.differences import (
    UNBOUNDED,
    Bounds,
    PairedDifference,
    acceleration_of,
    bootstrap_bounds,
    normal_bounds,
)


def test_bca_is_scipys():
    rows = np.random.default_rng(1).exponential(size=40)
    drawn = stats.bootstrap(
        (rows,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(2), vectorized=True
    )
    once = np.ones(40, np.int64)
    left_out = (rows.sum() - rows) / 39
    found = bootstrap_bounds(
        float(rows.mean()), drawn.bootstrap_distribution, acceleration_of(left_out, once, 0 * once)
    )
    assert found.method == "bca"
    assert (found.low, found.high) == pytest.approx(drawn.confidence_interval, rel=2e-3)


def test_rows_counted_are_rows_listed():
    left_out = np.array([1.0, 2.0, 4.0])
    counts, strata = np.array([3, 1, 2]), np.array([0, 0, 1])
    listed = np.repeat(left_out, counts)
    assert acceleration_of(left_out, counts, strata) == pytest.approx(
        acceleration_of(listed, np.ones(6, np.int64), np.repeat(strata, counts))
    )


def test_no_influence_is_no_acceleration():
    assert acceleration_of(np.ones(3), np.array([1, 2, 3]), np.zeros(3, np.int64)) == 0


def test_equal_replicates_bound_nothing():
    assert bootstrap_bounds(0.0, np.zeros(100), 0.0) == UNBOUNDED


def test_a_value_beside_all_replicates_falls_back_on_percentiles():
    drawn = np.linspace(0, 1, 1001)
    found = bootstrap_bounds(2.0, drawn, 0.0)
    assert found.method == "percentile"
    assert (found.low, found.high) == pytest.approx((0.025, 0.975), abs=1e-9)
    assert (found.lower, found.upper) == pytest.approx((0.05, 0.95), abs=1e-9)


def test_infinite_replicates_give_an_infinite_end():
    drawn = np.append(np.linspace(0, 1, 90), np.full(10, np.inf))
    found = bootstrap_bounds(0.5, drawn, 0.0)
    assert (found.method, found.upper) == ("percentile", np.inf)
    assert found.lower is not None
    assert np.isfinite(found.lower)


def test_normal_bounds():
    found = normal_bounds(1.0, 2.0)
    assert (found.low, found.high) == pytest.approx((1 - 3.9199, 1 + 3.9199), abs=1e-3)
    assert found.upper == pytest.approx(1 + 3.2897, abs=1e-3)
    assert normal_bounds(1.0, 0.0) == UNBOUNDED


def test_json_has_no_infinity():
    bounds = Bounds(-1.0, np.inf, -1.0, np.inf, np.inf, "percentile")
    assert PairedDifference("mae", 1.0, 3.0, bounds).to_json() == {
        "metric": "mae",
        "a": 1.0,
        "b": 3.0,
        "difference": 2.0,
        "low": -1.0,
        "high": None,
        "method": "percentile",
    }
    assert PairedDifference("roc_auc", None, None, UNBOUNDED).change is None
