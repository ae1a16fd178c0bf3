"""Answers a job whose time is over at that time, whether it waits or runs: one timer for a whole model.

Only requests that bring a deadline come here; without any there is no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from time import perf_counter

from shipway.server.scheduling.jobs import Job

_FEWEST_SWEPT = 1024


class Deadlines:
    """Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[Job], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._watched: list[tuple[float, int, Job]] = []
        self._order = count()
        """Breaks ties, so that jobs are never compared."""
        self._timer: asyncio.TimerHandle | None = None
        self._sweep_at = _FEWEST_SWEPT

    def watch(self, job: Job) -> None:
        """Calls `expire` at the job's deadline, unless it is over before."""
        heappush(self._watched, (job.deadline, next(self._order), job))
        if len(self._watched) > self._sweep_at:
            self._sweep()
        if self._watched[0][2] is job:
            self._schedule()

    def _sweep(self) -> None:
        """Forgets those that were answered: their deadlines may be a minute away, and they hold their inputs."""
        self._watched = [item for item in self._watched if not item[2].is_over]
        heapify(self._watched)
        self._sweep_at = max(_FEWEST_SWEPT, 2 * len(self._watched))

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = max(0.0, self._watched[0][0] - perf_counter())
        self._timer = self._loop.call_later(wait, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = perf_counter()
        watched = self._watched
        while watched and (watched[0][0] <= now or watched[0][2].is_over):
            job = heappop(watched)[2]
            if not job.is_over:
                self._expire(job)
        if watched:
            self._schedule()
