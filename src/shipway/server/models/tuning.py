"""How a version is best run on this machine: measured before it takes traffic, within a budget of time.

Two questions: how many threads a run gets, and up to how many rows requests are joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from shipway.bundle.golden import Golden
from shipway.errors import SessionRunError
from shipway.runtimes.base import Session
from shipway.server.models.readiness import rows_per_request
from shipway.server.scheduling.ceiling import choose_ceiling, ladder
from shipway.types import Array, Signature

_REPEATS = 5
"""The shortest of these counts: on a busy machine any single run may be stretched."""
_SHORT_SECONDS = 0.0005
"""Several threads cost a run of this length more in waking each other than they save."""


def is_short(session: Session, golden: Golden, signature: Signature) -> bool:
    """Whether a single request's run is so short that one thread serves it best. Safe in a thread."""
    rows = rows_per_request(signature)
    inputs = take_rows(golden.inputs, rows) if golden.has_rows else golden.request(0)
    return _time(session, inputs, _SHORT_SECONDS * _REPEATS * 2) <= _SHORT_SECONDS


def find_ceiling(
    session: Session,
    golden: Golden,
    most_rows: int,
    *,
    run_seconds: Mapping[int, float],
    budget_seconds: float,
) -> int:
    """Up to how many rows to join, 1 to `most_rows`, after at most about `budget_seconds` of runs.

    For models with rows. `run_seconds`: what is known already, by rows. A size that would not fit into what is
    left of the budget, by the costs so far, is not run. Safe in a thread.
    """
    measured = dict(run_seconds)
    ends = perf_counter() + budget_seconds
    for rows in ladder(most_rows):
        left = ends - perf_counter()
        smaller = [seconds for known, seconds in measured.items() if known <= rows]
        if smaller and 4 * max(smaller) > left:  # two runs, of up to twice the rows
            break
        try:
            measured[rows] = _time(session, take_rows(golden.inputs, rows), left / 4)
        except SessionRunError:  # it says that its rows are free, and they are not
            return 1
    return choose_ceiling(measured, most_rows)


def take_rows(inputs: Mapping[str, Array], count: int) -> dict[str, Array]:
    """So many rows of every input, the first ones again where there are fewer."""
    return {name: np.take(array, range(count), axis=0, mode="wrap") for name, array in inputs.items()}


def _time(session: Session, inputs: Mapping[str, Array], budget_seconds: float) -> float:
    """Seconds of a run: the shortest of up to five within the budget; a first one does not count."""
    best, spent = float("inf"), 0.0
    session.run(inputs)
    for _ in range(_REPEATS):
        started = perf_counter()
        session.run(inputs)
        seconds = perf_counter() - started
        best, spent = min(best, seconds), spent + seconds
        if spent > budget_seconds:
            break
    return best
