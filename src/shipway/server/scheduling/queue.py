"""The jobs that wait for a session: bounded in rows and bytes, the most urgent first. No clock and no loop."""

from __future__ import annotations

from collections import deque

from shipway.errors import OverloadedError
from shipway.server.scheduling.jobs import USUAL_PRIORITY, Job


class JobQueue:
    """First come, first served within a priority; a more urgent one goes before all less urgent ones."""

    def __init__(self, *, max_rows: int, max_bytes: int) -> None:
        self.rows = 0
        self.size_bytes = 0
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._usual: deque[Job] = deque()
        """All jobs of the usual priority: nearly always all jobs."""
        self._levels: dict[int, deque[Job]] = {USUAL_PRIORITY: self._usual}
        self.first_level = self._usual
        """The jobs that are to run next, while any wait."""

    def put(self, job: Job) -> Job | None:
        """Takes a job in. Where it does not fit, a less urgent one gives way to it, and is returned.

        A queue in which nothing waits takes one job of any size. Raises `OverloadedError`.
        """
        rows, size_bytes = self.rows + job.rows, self.size_bytes + job.size_bytes
        displaced = None
        if (rows > self._max_rows or size_bytes > self._max_bytes) and self.first_level:
            displaced = self._find_displaced(job)
            if displaced is None:
                raise self._explain_overload(job)
            self._levels[displaced.priority].remove(displaced)
            self.take_off(displaced)
            rows, size_bytes = self.rows + job.rows, self.size_bytes + job.size_bytes
        self.rows, self.size_bytes = rows, size_bytes
        if job.priority == USUAL_PRIORITY:
            self._usual.append(job)
            if len(self._levels) > 1:
                self.settle()
        else:
            self._levels.setdefault(job.priority, deque()).append(job)
            self.settle()
        return displaced

    def take_off(self, job: Job) -> None:
        """A job has left `first_level`: it no longer counts."""
        self.rows -= job.rows
        self.size_bytes -= job.size_bytes

    def settle(self) -> None:
        """Makes `first_level` the most urgent one in which jobs wait, after jobs have left it."""
        levels = self._levels
        if len(levels) == 1:
            return
        for priority in sorted(levels):
            if levels[priority]:
                self.first_level = levels[priority]
                return
            if priority != USUAL_PRIORITY:
                del levels[priority]
        self.first_level = self._usual

    def _find_displaced(self, job: Job) -> Job | None:
        """The newest of the least urgent, when it is less urgent than `job` and its going is enough."""
        least = max(priority for priority, jobs in self._levels.items() if jobs)
        if least <= job.priority:
            return None
        found = self._levels[least][-1]
        fits = (
            self.rows - found.rows + job.rows <= self._max_rows
            and self.size_bytes - found.size_bytes + job.size_bytes <= self._max_bytes
        )
        return found if fits else None

    def _explain_overload(self, job: Job) -> OverloadedError:
        if self.rows + job.rows > self._max_rows:
            state = f"{self.rows} rows wait, the limit max_queue_rows is {self._max_rows}"
            share = f"{job.rows} rows"
        else:
            state = f"{self.size_bytes} bytes wait, the limit max_queue_bytes is {self._max_bytes}"
            share = f"{job.size_bytes} bytes"
        return OverloadedError(
            f"The queue is full: {state}, and this request has {share}.",
            hint="Send it again after the time in Retry-After, or serve with more processes.",
        )
