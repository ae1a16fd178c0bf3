"""Up to how many rows it pays to join requests, on costs that were measured."""

import pytest

from shipway.server.scheduling.ceiling import choose_ceiling, ladder

US, MS = 1e-6, 1e-3
TINY = {1: 7.4 * US, 2: 7.5 * US, 4: 7.6 * US, 8: 7.2 * US, 16: 7.4 * US, 32: 7.7 * US}
SMALL_CNN = {1: 64 * US, 2: 104 * US, 4: 184 * US, 8: 336 * US, 16: 700 * US, 32: 1408 * US}
MOBILENET = {1: 7.2 * MS, 2: 14.4 * MS, 4: 28.8 * MS, 8: 60.8 * MS}
LARGE_CNN = {1: 61 * MS, 8: 136 * MS, 32: 288 * MS}


@pytest.mark.parametrize(
    ("measured", "ceiling"),
    [
        (TINY, 32),
        (SMALL_CNN, 16),  # with what a run costs beside it: 144 µs a row alone, 52 by 8, 49 by 16
        (MOBILENET, 1),
        (LARGE_CNN, 32),
        ({1: 60 * MS}, 32),  # too slow to try anything else
        ({1: 10 * US, 2: 12 * US, 4: 14 * US}, 32),  # the gain goes on beyond what was tried
        ({1: 1 * MS, 2: 1 * MS, 4: 4 * MS, 8: 8 * MS}, 2),
    ],
)
def test_the_smallest_size_near_the_best(measured, ceiling):
    assert choose_ceiling(measured, 32) == ceiling


def test_what_was_measured_beyond_the_bound_does_not_count():
    assert choose_ceiling(TINY, 8) == 8


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, [1]), (2, [1, 2]), (12, [1, 2, 4, 8, 12]), (32, [1, 2, 4, 8, 16, 32])]
)
def test_the_sizes_double_up_to_the_bound(most, sizes):
    assert ladder(most) == sizes
