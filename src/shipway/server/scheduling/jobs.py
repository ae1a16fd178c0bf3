"""One request on its way through a session, and what a run gives back to each of the requests that share it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from math import inf

from shipway.errors import ShipwayError
from shipway.types import Array

Outcome = Mapping[str, Array] | ShipwayError
"""One job's outputs by name, or why there are none."""
USUAL_PRIORITY = 5
MOST_URGENT, LEAST_URGENT = 1, 9


class Job:
    """One validated request. Times are `time.perf_counter` seconds."""

    __slots__ = (
        "asked_at",
        "deadline",
        "done",
        "elements",
        "group",
        "inputs",
        "is_over",
        "priority",
        "queued_at",
        "rows",
        "size_bytes",
    )

    def __init__(
        self,
        inputs: dict[str, Array],
        done: Callable[[Outcome], None],
        rows: int,
        elements: int,
        group: Hashable,
        size_bytes: int = 0,
        asked_at: float = 0.0,
        queued_at: float = 0.0,
        priority: int = USUAL_PRIORITY,
        deadline: float = inf,
    ) -> None:
        """Made in one call of positions: a request's time has room for 20 µs."""
        self.inputs = inputs
        self.done = done
        self.rows = rows
        self.elements = elements
        """Over all inputs: what the time of a run is predicted from."""
        self.group = group
        """Jobs of one group have equal shapes but for the batch axis."""
        self.size_bytes = size_bytes
        """Of its inputs, as far as the queue's bound counts them."""
        self.asked_at = asked_at
        """When the request was complete."""
        self.queued_at = queued_at
        """When it was read, checked and queued."""
        self.priority = priority
        """1, the most urgent, to 9."""
        self.deadline = deadline
        self.is_over = False
        """The client is gone, or has its answer: it need not run, and `done` must not be called any more."""


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
