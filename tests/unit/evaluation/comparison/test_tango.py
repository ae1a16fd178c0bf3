"""Tango's interval against published examples, its own defining equation, and its exact coverage."""

import numpy as np
import pytest
from scipy import special, stats

from shipway.evaluation.comparison.tango import score_statistic, tango_bounds, tango_interval

COUNTS = [
    (1, 0, 0),
    (1, 1, 0),
    (2, 1, 1),
    (10, 10, 0),
    (20, 3, 9),
    (44, 1, 0),
    (1000, 5, 7),
    (10**6, 900, 1000),
]


@pytest.mark.parametrize(
    ("n", "b", "c", "low", "high"),
    [
        (32, 9, 3, -0.027, 0.390),  # Tango 1998, §6.2: Karacan et al., sleeping difficulties
        (21, 1, 7, -0.517, -0.026),  # Fagerland et al. 2014, table of examples: Bentur et al., airways
    ],
)
def test_published_examples(n, b, c, low, high):
    assert tango_interval(n=n, b=b, c=c) == pytest.approx((low, high), abs=5e-4)


def test_keyword_spotting_in_int8():
    """MLPerf Tiny, int8 against float32 on the 1,000 official stimuli: drop -0.2 points, upper bound +0.41."""
    lower, upper = tango_bounds(n=1000, b=5, c=7)
    assert upper == pytest.approx(0.0041, abs=5e-5)
    assert lower < -0.002 < upper


@pytest.mark.parametrize(("n", "b", "c"), [(20, 3, 9), (44, 1, 0), (1000, 5, 7), (10**6, 900, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_ends_solve_the_score_equation(n, b, c, confidence):
    z = special.ndtri(0.5 + confidence / 2)
    low, high = tango_interval(n=n, b=b, c=c, confidence=confidence)
    assert score_statistic(n=n, b=b, c=c, difference=low) == pytest.approx(z, abs=1e-6)
    assert score_statistic(n=n, b=b, c=c, difference=high) == pytest.approx(-z, abs=1e-6)


@pytest.mark.parametrize(("n", "b", "c"), COUNTS)
def test_it_holds_the_measured_difference_and_mirrors(n, b, c):
    low, high = tango_interval(n=n, b=b, c=c)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert low < high
    assert tango_interval(n=n, b=c, c=b) == (-high, -low)


@pytest.mark.parametrize("n", [1, 2, 50, 268, 100_000])
def test_no_differing_pair_bounds_by_the_number_of_rows(n):
    """There the equation has the root z² / (n + z²)."""
    z = special.ndtri(0.95)
    assert tango_bounds(n=n, b=0, c=0)[1] == pytest.approx(z * z / (n + z * z), rel=1e-9)


def test_where_every_pair_differs_one_way_the_end_is_one():
    low, high = tango_interval(n=50, b=50, c=0)
    assert high == 1
    assert 0.8 < low < 1


def test_at_no_difference_the_statistic_is_mcnemars():
    assert score_statistic(n=100, b=12, c=4, difference=0) == pytest.approx(8 / 4)


@pytest.mark.parametrize(("n", "b", "c"), [(0, 0, 0), (5, 4, 2), (5, -1, 0)])
def test_impossible_counts_are_refused(n, b, c):
    with pytest.raises(ValueError, match="differing pairs"):
        tango_interval(n=n, b=b, c=c)


@pytest.mark.parametrize(("n", "lost", "won"), [(50, 0.1, 0.1), (100, 0.06, 0.02), (200, 0.03, 0.03)])
def test_coverage_is_as_claimed(n, lost, won):
    """Computed over every possible pair of counts, not simulated."""
    covered = 0.0
    for b in range(n + 1):
        c = np.arange(n - b + 1)
        chance = stats.multinomial.pmf(
            np.stack([np.full(len(c), b), c, n - b - c], axis=1), n, [lost, won, 1 - lost - won]
        )
        for count, share in zip(c.tolist(), chance.tolist(), strict=True):
            if share > 1e-9:
                low, high = tango_interval(n=n, b=b, c=count)
                covered += share * (low <= lost - won <= high)
    assert covered == pytest.approx(0.95, abs=0.012)
