"""Up to how many rows it pays to join requests: the rule, over measured costs. No clock, no session.

Joining pays for a model that waits for its weights (a 765 MB CNN: 60 ms for one row, 9 ms a row by 32), or whose
calls cost more than its sums (a tiny one: 7 µs, 0.24 a row by 32). Where one computes all the time (a MobileNet:
7.2 and 7.6 ms) it only makes requests wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping

WORTH = 0.9
"""Joining must bring the cost per row down to this share of a single row's."""
RUN_SECONDS = 80e-6
"""What a run costs beside what a session takes when nothing but it runs: its rows put together, its answers cut
apart and counted, a turn of the loop, and caches that hold other things. By a 28×28 CNN in batches of 4, 8 and
16: 90, 80 and 72 µs of the whole server a request, where the session alone takes 47, 46 and 46."""
NEAR_BEST = 1.06
"""The smallest size is taken whose cost per row is within this factor of the best: it answers sooner."""


def ladder(most_rows: int) -> list[int]:
    """The sizes to measure: 1, 2, 4 … and `most_rows`."""
    sizes = [1]
    while sizes[-1] * 2 < most_rows:
        sizes.append(sizes[-1] * 2)
    return [*sizes, most_rows] if most_rows > 1 else sizes


def choose_ceiling(seconds_by_rows: Mapping[int, float], most_rows: int) -> int:
    """The number of rows up to which requests are joined, at most `most_rows`; 1: they are not.

    `seconds_by_rows`: the shortest run seen of so many rows; 1 is among them. Where the largest size measured is
    the best and larger ones were too slow to be tried, the gain is taken to go on.
    """
    costs = {
        rows: (seconds + RUN_SECONDS) / rows
        for rows, seconds in seconds_by_rows.items()
        if 1 <= rows <= most_rows
    }
    if not costs.keys() - {
        1
    }:  # so slow that nothing else was tried: joined, none waits longer than in a line
        return most_rows
    best = min(costs.values())
    if best > WORTH * costs[1]:
        return 1
    chosen = min(rows for rows, cost in costs.items() if cost <= NEAR_BEST * best)
    return most_rows if chosen == max(costs) else chosen
