"""How a version is best run on this machine: measured before it takes traffic, within a budget of time.

Two questions: how many threads a run gets, and up to how many rows requests are joined. What is compared is the
processor time of the thread that runs: on a busy machine the clock on the wall tells of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import thread_time

import numpy as np

from shipway.bundle.golden import Golden
from shipway.errors import SessionRunError
from shipway.runtimes.base import Session
from shipway.server.models.readiness import rows_per_request
from shipway.server.scheduling.ceiling import choose_ceiling, ladder
from shipway.types import Array, Signature

_REPEATS = 5
"""The shortest of these counts."""
_SHORT_SECONDS = 0.0005
"""Several threads cost a run of this length more in waking each other than they save."""
_WARMED_BELOW_SECONDS = 0.005
"""A first run of a size takes memory for it. That is a small part of a long run, and most of a short one."""
_TELLING_ROWS = 8
"""Tried right after a single row: two say little (a 765 MB CNN: 68 ms for one, 80 a row by two, 28 by eight)."""
_SURELY_SECONDS = 0.1
"""Eight rows are tried whatever the budget, unless one takes longer than this."""


def is_short(session: Session, golden: Golden, signature: Signature) -> bool:
    """Whether a single request's run is so short that one thread serves it best. Safe in a thread."""
    rows = rows_per_request(signature)
    inputs = take_rows(golden.inputs, rows) if golden.has_rows else golden.request(0)
    return _time(session, inputs, _SHORT_SECONDS * _REPEATS * 2) <= _SHORT_SECONDS


def find_ceiling(session: Session, golden: Golden, most_rows: int, budget_seconds: float) -> int:
    """Up to how many rows to join, 1 to `most_rows`, after about `budget_seconds` of runs at most.

    For models with rows, which have run before. Safe in a thread. A size that could cost more than is left of
    the budget is not run.
    """
    measured: dict[int, float] = {}
    began = thread_time()
    for rows in sorted(ladder(most_rows), key=lambda rows: (rows not in (1, _TELLING_ROWS), rows)):
        left = budget_seconds - (thread_time() - began)
        is_sure = rows == 1 or (rows == _TELLING_ROWS and measured[1] <= _SURELY_SECONDS)
        if not is_sure and rows * measured[1] > left:
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
    """Seconds of a run: the shortest of up to five within the budget."""
    best, spent = float("inf"), 0.0
    for attempt in range(_REPEATS + 1):
        started = thread_time()
        session.run(inputs)
        seconds = thread_time() - started
        spent += seconds
        if attempt or seconds >= _WARMED_BELOW_SECONDS:
            best = min(best, seconds)
        if best < float("inf") and spent > budget_seconds:
            break
    return best
