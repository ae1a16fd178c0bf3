"""Buckets as Prometheus counts them: a value that equals a bound belongs to it."""

import numpy as np
import pytest

from shipway.server.observation.histogram import COUNT_BOUNDS, SECONDS_BOUNDS, Histogram


def test_a_value_belongs_to_the_first_bound_that_it_does_not_exceed():
    histogram = Histogram((1.0, 2.0))
    histogram.fold(np.array([0.5, 1.0, 1.5, 2.0, 9.0]))
    assert histogram.snapshot() == {"counts": [2, 2, 1], "sum": 14.0}


def test_values_repeat():
    histogram = Histogram((1.0, 2.0))
    histogram.fold(np.array([0.5, 2.0]), np.array([3, 2]))
    assert histogram.snapshot() == {"counts": [3, 2, 0], "sum": 5.5}


@pytest.mark.parametrize("bounds", [SECONDS_BOUNDS, COUNT_BOUNDS])
def test_bounds_grow(bounds):
    assert list(bounds) == sorted(set(bounds))


def test_times_reach_from_a_small_run_to_a_long_wait():
    assert (SECONDS_BOUNDS[0], SECONDS_BOUNDS[-1]) == (5e-5, 60.0)
    ratios = np.array(SECONDS_BOUNDS[1:]) / SECONDS_BOUNDS[:-1]
    assert ratios.max() <= 2.0
