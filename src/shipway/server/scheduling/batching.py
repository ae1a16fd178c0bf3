"""The rules of turn-batching, without I/O: events in (a job arrived, a turn ended), decisions out.

What one turn of the event loop delivered runs as one batch, so nothing ever waits for company; while a run is
busy in its thread, the next batch collects. `execution.py` moves the bytes.

    state       job arrived              turn ended                        run finished
    IDLE        COLLECTING, end the turn   -                               -
    COLLECTING  COLLECTING               inline: IDLE, or COLLECTING       -
                                         while jobs wait (end another
                                         turn); thread: BUSY
    BUSY        BUSY                       -                               COLLECTING while jobs wait
                                                                           (end a turn), else IDLE
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from shipway.errors import OverloadedError, ShipwayError
from shipway.types import Array

Outcome = Mapping[str, Array] | ShipwayError
"""One job's outputs by name, or why there are none."""


class Run:
    """The outputs of one run, whole, as the jobs of its batch share them."""

    __slots__ = ("notes", "outputs")

    def __init__(self, outputs: Mapping[str, Array]) -> None:
        self.outputs = outputs
        self.notes: dict[str, object] = {}
        """By output: what a transport worked out for all rows at once."""


class Rows(Mapping[str, Array]):
    """One job's outputs by name: its rows of a run, cut out when they are asked for."""

    __slots__ = ("end", "run", "start")

    def __init__(self, run: Run, start: int, end: int) -> None:
        self.run = run
        self.start = start
        self.end = end

    def __getitem__(self, name: str) -> Array:
        rows: Array = self.run.outputs[name][self.start : self.end]
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.outputs)

    def __len__(self) -> int:
        return len(self.run.outputs)


class Job:
    """One validated request on its way through a session."""

    __slots__ = ("done", "elements", "group", "inputs", "is_dropped", "rows")

    def __init__(
        self,
        inputs: dict[str, Array],
        done: Callable[[Outcome], None],
        rows: int,
        elements: int,
        group: Hashable,
    ) -> None:
        self.inputs = inputs
        self.done = done
        self.rows = rows
        self.elements = elements
        """Over all inputs: what the time of a run is predicted from."""
        self.group = group
        """Jobs of one group have equal shapes but for the batch axis."""
        self.is_dropped = False
        """The client is gone: do not run it."""


class State(Enum):
    """Where a batcher stands; the drawing above is the table of its changes."""

    IDLE = "idle"
    COLLECTING = "collecting"
    BUSY = "busy"


# Python 3.11 looks up an enum's member in 0.15 µs, a module's name in 0.02.
_IDLE, _COLLECTING, _BUSY = State
_UNBOUNDED = 2**63


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run now: several runs on the loop, or one in the session's thread."""

    runs: list[list[Job]]
    is_inline: bool


class RunTimes:
    """Measured seconds per run, by the size of its inputs in powers of two.

    A shorter time than expected is believed at once by half, a longer one by a twentieth: the first run of a
    session is slow, and a busy machine stretches single runs a hundredfold.
    """

    def __init__(self, inline_seconds: float) -> None:
        self._limit = inline_seconds
        self._seconds: dict[int, float] = {}
        self._counted: dict[int, float] = {}
        """The estimates that `inline_elements` was last computed from."""
        self.inline_elements = 0
        """Runs of up to this many input elements stay on the loop."""

    def record(self, elements: int, seconds: float) -> None:
        """A run of inputs with `elements` elements in all took `seconds`."""
        bucket = elements.bit_length()
        known = self._seconds.get(bucket)
        if known is not None:
            seconds = known + (seconds - known) * (0.5 if seconds < known else 0.05)
        self._seconds[bucket] = seconds
        counted = self._counted.get(bucket, 0.0)
        if seconds < 0.8 * counted or seconds > 1.25 * counted:
            self._counted[bucket] = seconds
            self.inline_elements = self._find_inline_elements()

    def expect(self, bucket: int) -> float:
        """Seconds for inputs of `2**(bucket-1)` to `2**bucket - 1` elements, from the nearest size measured.

        Cost is taken to grow with the size, never to shrink. Infinite while nothing was measured.
        """
        smaller = [known for known in self._seconds if known <= bucket]
        if smaller:
            nearest = max(smaller)
            return self._seconds[nearest] * float(2 ** (bucket - nearest))
        return min(self._seconds.values(), default=float("inf"))

    def _find_inline_elements(self) -> int:
        allowed = 0
        for bucket in range(64):
            if self.expect(bucket) > self._limit:
                break
            allowed = 2**bucket - 1
        return allowed


class Batcher:
    """Decides which waiting jobs run together, when and where. One per session."""

    def __init__(
        self, *, can_batch: bool, max_batch_rows: int, max_queue_rows: int, inline_seconds: float
    ) -> None:
        self.state = _IDLE
        self.times = RunTimes(inline_seconds)
        self.waiting_rows = 0
        self._waiting: deque[Job] = deque()
        self._can_batch = can_batch
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows

    @property
    def is_idle(self) -> bool:
        """True when nothing waits and nothing runs."""
        return self.state is _IDLE

    def arrive(self, job: Job) -> bool:
        """Takes a job in; True: call `end_turn` when this turn of the loop is over. Raises `OverloadedError`."""
        rows = self.waiting_rows + job.rows
        if rows > self._max_queue_rows and self._waiting:
            raise OverloadedError(
                f"The queue is full: {self.waiting_rows} rows wait, the limit max_queue_rows is "
                f"{self._max_queue_rows}, and this request has {job.rows}.",
                hint="Send it again after the time in Retry-After, or serve with more processes.",
            )
        self.waiting_rows = rows
        self._waiting.append(job)
        if self.state is _IDLE:
            self.state = _COLLECTING
            return True
        return False

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
            if budget < 0 or self._can_batch:
                break
        if not runs:
            self.state = _IDLE
            return None
        if budget < 0:
            self.state = _BUSY
            return Plan(runs, is_inline=False)
        return Plan(runs, is_inline=True)

    def finish_inline(self) -> bool:
        """An inline plan has run; True: call `end_turn` again when the loop has polled once."""
        return self._settle()

    def finish_thread(self) -> bool:
        """A threaded plan has run; True: call `end_turn` again when the loop has polled once."""
        return self._settle()

    def _settle(self) -> bool:
        self.state = _COLLECTING if self._waiting else _IDLE
        return bool(self._waiting)

    def _take(self, budget: int, *, is_first: bool) -> tuple[list[Job], int]:
        """The next jobs that may run together and their elements in all.

        They stay within `budget` elements, so that they can run on the loop; but for a first run whose first
        job alone is over it: that one goes to the thread, where only `max_batch_rows` counts.
        """
        waiting = self._waiting
        while waiting and waiting[0].is_dropped:
            self.waiting_rows -= waiting.popleft().rows
        if not waiting:
            return [], 0
        elements = waiting[0].elements
        is_inline = elements <= budget
        if not is_inline and not is_first:
            return [], 0
        first = waiting.popleft()
        run, rows, group = [first], first.rows, first.group
        most_rows = self._max_batch_rows
        most_elements = budget if is_inline else _UNBOUNDED
        while waiting and self._can_batch:
            job = waiting[0]
            if job.is_dropped:
                self.waiting_rows -= job.rows
            else:
                joined_rows, joined_elements = rows + job.rows, elements + job.elements
                if joined_rows > most_rows or joined_elements > most_elements or job.group != group:
                    break
                rows, elements = joined_rows, joined_elements
                run.append(job)
            waiting.popleft()
        self.waiting_rows -= rows
        return run, elements
