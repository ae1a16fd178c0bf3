"""The rules of turn-batching, without I/O: events in (a job arrived, a turn ended), decisions out.

What one turn of the event loop delivered runs as one batch, so at rest nothing waits for company. While a run is
busy in its thread, the next batch collects; and those whom a long run has just answered, who mostly ask again at
once, are waited for a twentieth of that run. `execution.py` moves the bytes.

    state       job arrived              turn ended, or the hold is over   run finished
    IDLE        COLLECTING, end the turn   -                               -
    COLLECTING  COLLECTING               inline: IDLE, or COLLECTING       -
                                         while jobs wait (end another
                                         turn); thread: BUSY; none: IDLE
    BUSY        BUSY                       -                               COLLECTING (end a turn) or
                                                                           HOLDING, by who may come
    HOLDING     HOLDING; all are there:  as COLLECTING                     -
                COLLECTING, end the turn
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import ceil, inf

from shipway.errors import OverloadedError
from shipway.server.scheduling.jobs import Job
from shipway.server.scheduling.queue import JobQueue
from shipway.server.scheduling.run_times import RunTimes


class State(Enum):
    """Where a batcher stands; the drawing above is the table of its changes."""

    IDLE = "idle"
    COLLECTING = "collecting"
    BUSY = "busy"
    HOLDING = "holding"


# Python 3.11 looks up an enum's member in 0.15 µs, a module's name in 0.02.
_IDLE, _COLLECTING, _BUSY, _HOLDING = State
_HOLD_SHARE = 0.05
"""Of a run's time: eight clients of a 765 MB model, each of whom sends 600 kB, share a run then and not two."""
_LONGEST_HOLD_SECONDS = 0.02
_UNBOUNDED = 2**63


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run now: several runs on the loop, or one in the session's thread."""

    runs: list[list[Job]]
    is_inline: bool


class Batcher:
    """Decides which waiting jobs run together, when and where. One per session."""

    def __init__(
        self,
        *,
        can_batch: bool,
        max_batch_rows: int,
        max_queue_rows: int,
        max_queue_bytes: int,
        inline_seconds: float,
    ) -> None:
        self.state = _IDLE
        self.times = RunTimes(inline_seconds)
        self.queue = JobQueue(max_rows=max_queue_rows, max_bytes=max_queue_bytes)
        self.can_batch = can_batch
        self.max_batch_rows = max_batch_rows
        """Jobs are joined up to this many rows; a single larger one runs whole."""
        self.running_rows = 0
        """In the thread, now."""
        self._expected_rows = 0
        """So many may wait soon after a run: what waits already, and what was just answered."""

    @property
    def is_idle(self) -> bool:
        """True when nothing waits and nothing runs."""
        return self.state is _IDLE

    def expect_wait(self) -> float:
        """Seconds that a job which arrives now has to wait, as far as can be told."""
        return self.times.expect_wait(self.queue.rows + self.running_rows)

    def arrive(self, job: Job) -> tuple[bool, Job | None]:
        """Takes a job in.

        True: call `end_turn` when this turn of the loop is over. And the job that had to give way to this more
        urgent one, if any: refuse it with `displaced_error`. Raises `OverloadedError` where the queue is full,
        or the job's deadline comes before its turn.
        """
        if job.deadline != inf:
            self._refuse_hopeless(job)
        try:
            displaced = self.queue.put(job)
        except OverloadedError as error:
            error.retry_seconds = self.retry_seconds()
            raise
        if self.state is _IDLE or (self.state is _HOLDING and self.queue.rows >= self._expected_rows):
            self.state = _COLLECTING
            return True, displaced
        return False, displaced

    def retry_seconds(self) -> int:
        """After how many seconds there may be room again."""
        return max(1, min(60, ceil(self.expect_wait())))

    def displaced_error(self) -> OverloadedError:
        """What a job is told that gave way to a more urgent one."""
        error = OverloadedError(
            "The queue is full, and a more urgent request took this one's place.",
            hint="Send it again after the time in Retry-After, or serve with more processes.",
        )
        error.retry_seconds = self.retry_seconds()
        return error

    def end_turn(self) -> Plan | None:
        """What to run now. After an inline plan call `finish_inline`, after a threaded one `finish_thread`."""
        budget = self.times.inline_elements
        runs: list[list[Job]] = []
        while True:
            run, elements = self._take(budget, is_first=not runs)
            if not run:
                break
            runs.append(run)
            budget -= elements
            if budget < 0 or self.can_batch:
                break
        if not runs:
            self.state = _IDLE
            return None
        if budget < 0:
            self.state = _BUSY
            self.running_rows = sum([job.rows for job in runs[0]])
            return Plan(runs, is_inline=False)
        return Plan(runs, is_inline=True)

    def finish_inline(self) -> bool:
        """An inline plan has run; True: call `end_turn` again when the loop has polled once."""
        has_waiting = bool(self.queue.first_level)
        self.state = _COLLECTING if has_waiting else _IDLE
        return has_waiting

    def finish_thread(self, seconds: float) -> float:
        """A threaded plan has run for so long; after how many seconds to call `end_turn`.

        0: when the loop has polled once. `arrive` may ask for it earlier.
        """
        answered, self.running_rows = self.running_rows, 0
        expected = min(self.queue.rows + answered, self.max_batch_rows)
        hold_seconds = min(seconds * _HOLD_SHARE, _LONGEST_HOLD_SECONDS)
        # No hold of 0: while it held, an arrival would ask for a second end of the same turn.
        if not self.can_batch or self.queue.rows >= expected or not hold_seconds:
            self.state = _COLLECTING
            return 0.0
        self.state, self._expected_rows = _HOLDING, expected
        return hold_seconds

    def _take(self, budget: int, *, is_first: bool) -> tuple[list[Job], int]:
        """The next jobs that may run together and their elements in all.

        They stay within `budget` elements, so that they can run on the loop; but for a first run whose first
        job alone is over it: that one goes to the thread, where only `max_batch_rows` counts.
        """
        queue = self.queue
        waiting = queue.first_level
        while waiting and waiting[0].is_over:
            queue.take_off(waiting.popleft())
            if not waiting:
                queue.settle()
                waiting = queue.first_level
        if not waiting:
            return [], 0
        elements = waiting[0].elements
        is_inline = elements <= budget
        if not is_inline and not is_first:
            return [], 0
        first = waiting.popleft()
        run, rows, group, size_bytes = [first], first.rows, first.group, first.size_bytes
        most_rows = self.max_batch_rows
        most_elements = budget if is_inline else _UNBOUNDED
        while waiting and self.can_batch:
            job = waiting[0]
            if job.is_over:
                queue.take_off(job)
            else:
                joined_rows, joined_elements = rows + job.rows, elements + job.elements
                if joined_rows > most_rows or joined_elements > most_elements or job.group != group:
                    break
                rows, elements = joined_rows, joined_elements
                size_bytes += job.size_bytes
                run.append(job)
            waiting.popleft()
        queue.rows -= rows
        queue.size_bytes -= size_bytes
        if not waiting:
            queue.settle()
        return run, elements

    def _refuse_hopeless(self, job: Job) -> None:
        """Early refusal: work that its client will not wait for only delays the others."""
        wait, given = self.expect_wait(), job.deadline - job.queued_at
        if wait > given:
            error = OverloadedError(
                f"{self.queue.rows + self.running_rows} rows are before this request, about {wait:.3g} s; "
                f"it gives {given:.3g} s.",
                hint="Send it again after the time in Retry-After, or give it more time.",
            )
            error.retry_seconds = self.retry_seconds()
            raise error
