"""Draws of rows: what they sum, how far they spread, and that they cost no more for more rows."""

import numpy as np
import pytest

from shipway.evaluation.metrics.bootstrap import (
    RowBootstrap,
    estimate_of,
    mean_estimate,
    open_interval,
    share_estimate,
)
from shipway.evaluation.statistics import wilson_interval


@pytest.mark.parametrize("rows", [1, 7, 1_000, 1_001, 50_000])
def test_sums_are_those_of_the_drawn_rows(rows):
    draws = RowBootstrap(rows)
    values = np.random.default_rng(0).normal(size=(rows, 3))
    by_hand = draws.weights[:20][:, draws.group] @ values
    assert draws.sums(values)[:20] == pytest.approx(by_hand)
    assert draws.sums(values[:, 0])[:20] == pytest.approx(by_hand[:, 0])
    cells = np.arange(rows) % 4
    assert draws.counts(cells, 4)[:20] == pytest.approx(draws.weights[:20][:, draws.group] @ np.eye(4)[cells])


def test_groups_are_of_equal_size_and_mixed():
    draws = RowBootstrap(10_000)
    assert set(np.bincount(draws.group).tolist()) == {10}
    assert abs(np.corrcoef(draws.group, np.arange(10_000))[0, 1]) < 0.05


@pytest.mark.parametrize("rows", [400, 20_000])
def test_the_spread_is_the_standard_error(rows):
    values = np.random.default_rng(1).exponential(size=rows)
    spread = RowBootstrap(rows).means(values).std()
    assert spread == pytest.approx(values.std() / np.sqrt(rows), rel=0.12)


@pytest.mark.parametrize("rows", [60, 2_500])
def test_intervals_of_means_cover(rows):
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        values = generator.beta(2, 5, size=rows)
        found = mean_estimate(float(values.mean()), values, RowBootstrap(rows), limits=(0, 1))
        hits += found.low <= 2 / 7 <= found.high
    assert hits >= 179  # of 200 at 95 %: 190 on average, below 179 once in 2,000


def test_equal_data_gives_equal_draws():
    assert np.array_equal(RowBootstrap(3_000).weights, RowBootstrap(3_000).weights)
    assert np.array_equal(RowBootstrap(3_000).group, RowBootstrap(3_000).group)


def test_the_interval_holds_the_value_and_keeps_the_limits():
    replicates = np.linspace(0.4, 1.3, 1_000)
    assert estimate_of(0.1, replicates, rows=10).low == 0.1
    assert estimate_of(0.9, replicates, rows=10).high == 1
    reflected = estimate_of(0.5, np.linspace(0.5, 0.7, 1_000), rows=10, reflected=True)
    assert (reflected.low, reflected.high) == pytest.approx((0.305, 0.5), abs=1e-3)


def test_undefined_replicates_do_not_count():
    replicates = np.array([np.nan, 0.2, 0.4])
    found = estimate_of(0.3, replicates, rows=3)
    assert (found.low, found.high) == pytest.approx((0.205, 0.395))
    assert estimate_of(0.3, np.full(5, np.nan), rows=3).low is None
    assert estimate_of(None, replicates, rows=3).value is None
    assert estimate_of(float("nan"), replicates, rows=3).value is None


@pytest.mark.parametrize("rows", [1, 10, 1_000])
def test_nothing_to_draw_is_no_point(rows):
    low, high = wilson_interval(rows, rows)
    assert open_interval(1.0, rows, (0, 1)).low == pytest.approx(low)
    assert open_interval(1.0, rows, (0, 1)).high == high
    assert open_interval(0.0, rows, (0, 1)).high == pytest.approx(wilson_interval(0, rows)[1])
    even = mean_estimate(0.3, np.full(rows, 0.3), RowBootstrap(rows), limits=(0, 1))
    assert even.low < 0.3 < even.high
    assert open_interval(0.3, rows, (0, np.inf)).low is None


def test_a_share_without_rows_is_undefined():
    assert share_estimate(0, 0).value is None
    assert share_estimate(3, 4).value == 0.75
